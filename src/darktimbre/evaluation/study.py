"""Instruments × corpus × judges → all that the paper reports of them, beside real notes and an untrained network."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from darktimbre.corpus.corpus import Corpus
from darktimbre.evaluation import facts, timing
from darktimbre.evaluation.conditions import Conditions, RealNotes, draw_rows
from darktimbre.evaluation.control import (
    Finding,
    attribute_correlation,
    even_steps,
    followed,
    increment_consistency,
    out_of_distribution,
    same_instrument_correlation,
    shifts,
)
from darktimbre.evaluation.examples import Examples, spectral_distances
from darktimbre.evaluation.hearing import Ear, Progress
from darktimbre.evaluation.pairing import Instrument, Judges, common_pitches, refuse_few_notes, refuse_wrong_pairings
from darktimbre.evaluation.profile import Profile
from darktimbre.evaluation.results import Control, Evaluation, Scores, System, Variation
from darktimbre.evaluation.scores import Features, Reference, full_rank, score
from darktimbre.evaluation.variation import variation
from darktimbre.extractors.sources import ROUND_TRIP, generated_source, real_source, round_trip_source, untrained
from darktimbre.notes.attributes import Attributes

TRAIN, HELD_OUT = "train", "held-out"
"""Where conditions come from, as the report names it."""


class Study:
    """One evaluation; everything in it follows from instruments, corpus, judges, profile and seed."""

    def __init__(
        self,
        instruments: Sequence[Instrument],
        corpus: Corpus,
        judges: Judges,
        folder: Path,
        *,
        profile: Profile,
        seed: int = 0,
        fad: bool = True,
        progress: Progress = lambda stage, notes: None,
    ) -> None:
        """Checks that everything goes together; hears nothing yet.

        Args:
            instruments: rows of the tables, at least one.
            corpus: tagged by the judges' teacher where an instrument has attributes.
            judges: who listens.
            folder: of the report; what was heard is kept in `cache/` below it.
            profile: how many notes.
            seed: of the choice of notes, of latents, subsets and resamples.
            fad: whether notes too few for the Fréchet distance are refused; else it is left out.
            progress: called as notes are heard.

        Raises:
            UserError: they do not go together, or the notes are too few.
        """
        refuse_wrong_pairings(instruments, corpus, judges)
        self.instruments, self.corpus, self.judges = tuple(instruments), corpus, judges
        self.folder, self.profile, self.seed = folder, profile, seed
        self.splits = facts.held_out_splits(instruments)
        steered = [one for one in self.instruments if one.attributes.names]
        self.first = (steered or self.instruments)[0]  # whose vocabulary real notes are told in
        self.vocabulary = replace(self.first.attributes, pitches=common_pitches(instruments))
        self.real = RealNotes.chosen(corpus, self.vocabulary.pitches, self.splits, count=profile.reference, seed=seed)
        cache = folder / "cache" / facts.environment(self.first.synthesizer.device.type)[:16]
        self.ear = Ear(judges, corpus, cache, progress, self.vocabulary.pitches)
        self.left_out: list[str] = []
        if fad:
            refuse_few_notes(profile.notes, len(self.real.reference), judges.embedder, self.ear.dimension)
        elif not full_rank(min(profile.notes, len(self.real.reference)), self.ear.dimension):
            self.left_out.append(
                f"FAD: too few notes for the {self.ear.dimension:,} dimensions of {judges.embedder.name}."
            )
        if judges.classifier is None:
            self.left_out.append(
                "PIS, IIS and pitch accuracy by classifier: no --classifier was given (`darktimbre train inception`); "
                f"KID is taken in the embedding of {judges.embedder.name} instead."
            )

    def run(self) -> Evaluation:
        """Listens to everything, real notes first."""
        heard = self.ear.hear("reference", real_source(self.corpus, self.real.reference))
        groups = self._told(self.real.reference).groups
        self.reference = Reference(heard, self.profile.neighbours, groups)
        self.held_out = self.ear.hear("held-out notes", real_source(self.corpus, self.real.held_out))
        self.examples = Examples(
            self.folder, self.corpus, self.real.held_out, count=self.profile.sounds, seed=self.seed
        )
        systems = (*self._real_systems(), self._untrained(), *(self._system(one) for one in self.instruments))
        return Evaluation(
            systems=systems,
            facts={
                "corpus": facts.of_corpus(self.corpus),
                **facts.of_judges(self.judges, self.ear.dimension),
                "held_out": " and ".join(self.splits),
                "vocabulary": list(self.vocabulary.names),
                "vocabulary_temperature": self.vocabulary.temperature if self.vocabulary.names else None,
                "seed": self.seed,
                "versions": facts.versions(),
            },
            counts={
                "scored": self.scored,
                "reference": len(self.real.reference),
                "other_real_notes": len(self.real.others),
                "held_out_notes": len(self.real.held_out),
                "held_out_instruments": len(np.unique(self._told(self.real.held_out).groups)),
            },
            asked=vars(self.profile),
            reduced=(*self.profile.reduced(), *self._short_of()),
            left_out=tuple(dict.fromkeys(self.left_out)),
            cautions=facts.cautions(self.instruments, self.corpus, self.judges),
        )

    @property
    def scored(self) -> int:
        """Notes that every row of table 1 is scored over: much of it hangs on how many there are."""
        return min(self.profile.notes, *(len(rows) for rows in vars(self.real).values()))

    def _short_of(self) -> Iterator[str]:
        """What the corpus has too few notes for."""
        if self.scored < self.profile.notes:
            yield f"table 1: {self.scored:,} notes of each row, for there are no more real ones"
        if len(self.real.reference) < self.profile.reference:
            yield f"reference: {len(self.real.reference):,} real notes, half of the train split"
        held_out = len(np.unique(draw_rows(self.corpus, self.vocabulary, self.splits, self.profile.notes, self.seed)))
        if held_out < self.profile.notes:
            yield f"the {self.profile.notes:,} held-out conditions are repeated draws of {held_out:,} notes"

    def workload(self) -> int:
        """Notes that `run` will hear, at most: for a progress bar."""
        real = len(self.real.reference) + len(self.real.others) + 2 * len(self.real.held_out)
        return real + 2 * self.profile.notes + sum(self._load(one) for one in self.instruments)

    def _load(self, one: Instrument) -> int:
        p, count = self.profile, len(one.attributes.names)
        crossed = p.latents * p.conditions * max(1, min(p.pitches, len(one.attributes.pitches)))
        if not count:
            return 2 * p.notes + crossed
        shifts = min(p.shift_attributes, count) * (p.shift_steps + 1) * min(p.shift_notes, p.notes)
        raises = min(p.increment_attributes, count) * (p.increment_steps + 1) * min(p.increment_notes, p.notes)
        return 2 * p.notes + crossed + shifts + raises

    # ── real notes, and a network before training ─────────────────────────────────────────────────────────────────────

    def _real_systems(self) -> Iterator[System]:
        """The other half of the real notes; notes that were held out; and these as the picture gives them back."""
        rows = self.real.others
        heard = self.ear.hear("real notes", real_source(self.corpus, rows))
        yield System("real notes", "real", scores={TRAIN: self._score(heard, self._told(rows))})

        asked, heard = self._told(self.real.held_out), self.held_out
        yield System(
            "held-out notes", "real", scores={HELD_OUT: self._score(heard, asked)},
            control=self._same_instrument(asked),
            sounds=self.examples.real("held-out notes"),
        )  # fmt: skip

        name = ROUND_TRIP
        fitting = [one.synthesizer for one in self.instruments if one.synthesizer.samples == self.corpus.samples]
        if not fitting:
            self.left_out.append(f"held-out notes {name}: those of all instruments are longer than the corpus's.")
            return
        heard = self.ear.hear(name, round_trip_source(fitting[0], self.corpus, asked.rows))
        shown = round_trip_source(fitting[0], self.corpus, self.examples.rows).waves(0, len(self.examples.rows))
        apart = spectral_distances(self.corpus.waves(self.examples.rows), shown)
        yield System(
            name, "real", scores={HELD_OUT: self._score(heard, asked)},
            facts={"log_spectral_distance_db": round(float(np.median(apart)), 3)},
            control=self._controls({HELD_OUT: (asked, heard)}), sounds=self.examples.answers(name, shown),
        )  # fmt: skip

    def _same_instrument(self, asked: Conditions) -> dict[str, Control]:
        """How far a note's attributes are those of another note of its instrument."""
        found = (
            same_instrument_correlation(asked, self.vocabulary, resamples=self.profile.resamples, seed=self.seed)
            if self.vocabulary.names
            else None
        )
        return {HELD_OUT: found} if found else {}

    def _untrained(self) -> System:
        fresh = replace(self.first, name="untrained", synthesizer=untrained(self.first.synthesizer, self.seed))
        heard = self._conditions(fresh)
        return System(
            fresh.name, "untrained",
            temperature=fresh.attributes.temperature if fresh.attributes.names else None,
            facts={"network": f"as {self.first.name}, with the weights that training begins with"},
            scores=self._scores(fresh, heard),
            control=self._controls(heard),
            sounds=self.examples.of(fresh, self.seed),
        )  # fmt: skip

    # ── instruments ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _system(self, one: Instrument) -> System:
        player, steered = one.synthesizer, bool(one.attributes.names)
        heard = self._conditions(one)
        system = System(
            name=one.name,
            kind=facts.kind(one, self.corpus),
            digest=player.bundle.digest,
            temperature=one.attributes.temperature if steered else None,
            facts=facts.of_instrument(one, self.corpus),
            scores=self._scores(one, heard),
            control=self._controls(heard, one.attributes),
            variation=self._variation(one),
            timing=timing.measure(player, self.profile.repeats),
            sounds=self.examples.of(one, self.seed),
        )
        return self._with_increments(system, one, *heard[HELD_OUT]) if steered else system

    def _with_increments(self, system: System, one: Instrument, asked: Conditions, heard: Features) -> System:
        """Figures 2 and 3 on held-out notes, of attributes that answer on notes of the train split; the best to hear.

        Chosen on the notes that are told of, some would be there by chance.
        """
        p, follows, rows = self.profile, followed(system.control[TRAIN]), asked.rows
        some = np.sort(np.random.default_rng(self.seed).permutation(len(follows))[: p.shift_attributes])

        def hear(
            stage: str, condition: NDArray[np.float32], latent: NDArray[np.float32], names: tuple[str, ...]
        ) -> NDArray[np.float32]:
            source = generated_source(one.synthesizer, condition, latent, samples=self.corpus.samples)
            return self.ear.attributes(f"{one.name}, {stage}", source, names)

        shifted = out_of_distribution(
            one.synthesizer, Conditions.of(self.corpus, rows[: p.shift_notes], one.attributes),
            [follows[place] for place in some], shifts(p.shift_steps), partial(hear, "figure 2"),
            resamples=p.resamples, seed=self.seed,
        )  # fmt: skip
        raised = increment_consistency(
            one.synthesizer, Conditions.of(self.corpus, rows[: p.increment_notes], one.attributes),
            follows[: p.increment_attributes], even_steps(p.increment_steps), partial(hear, "figure 3"),
            unraised=heard["teacher"]["logits"][:, self._columns(one.attributes)],
            resamples=p.resamples, seed=self.seed,
        )  # fmt: skip
        self._tell(f"{one.name}, figure 2", shifted)
        self._tell(f"{one.name}, figure 3", raised)
        sounds = (*system.sounds, *(self.examples.raised(one, follows[0], self.seed) if follows else ()))
        return replace(system, out_of_distribution=shifted.curve, increments=raised.curve, sounds=sounds)

    def _tell(self, what: str, finding: Finding) -> None:
        self.left_out += [f"{what}: {sentence}" for sentence in finding.remarks]

    def _variation(self, one: Instrument) -> Variation:
        def embed(condition: NDArray[np.float32], latent: NDArray[np.float32]) -> NDArray[np.float32]:
            source = generated_source(one.synthesizer, condition, latent, samples=self.corpus.samples)
            return self.ear.embedding(f"{one.name}, latents × conditions", source)

        p = self.profile
        return variation(
            one.synthesizer, Conditions.of(self.corpus, self.real.held_out, one.attributes),
            self.held_out["embedder"]["embedding"], embed,
            latents=p.latents, conditions=p.conditions, pitches=p.pitches, seed=self.seed,
        )  # fmt: skip

    # ── what all rows share ───────────────────────────────────────────────────────────────────────────────────────────

    def _told(self, rows: NDArray[np.int64]) -> Conditions:
        """Real notes in the words of the vocabulary."""
        return Conditions.of(self.corpus, rows, self.vocabulary)

    def _asked(self, one: Instrument, splits: tuple[str, ...]) -> Conditions:
        """The conditions of one instrument; the same notes for all. One without attributes is judged on others'."""
        rows = draw_rows(self.corpus, self.vocabulary, splits, self.profile.notes, self.seed)
        asked = Conditions.of(self.corpus, rows, one.attributes)
        return asked if one.attributes.names else replace(asked, logits=self._told(rows).logits)

    def _conditions(self, one: Instrument) -> dict[str, tuple[Conditions, Features]]:
        """What an instrument is asked for, by where that comes from, and what is heard in its answers."""
        heard = {}
        for name, splits in ((TRAIN, ("train",)), (HELD_OUT, self.splits)):
            asked = self._asked(one, splits)
            latent = one.synthesizer.latents(self.seed, len(asked.rows))
            source = generated_source(one.synthesizer, asked.condition, latent, samples=self.corpus.samples)
            heard[name] = asked, self.ear.hear(f"{one.name}, {name} conditions", source)
        return heard

    def _scores(self, one: Instrument, heard: dict[str, tuple[Conditions, Features]]) -> dict[str, Scores]:
        pitched = bool(one.attributes.pitches)
        return {name: self._score(features, asked, pitched) for name, (asked, features) in heard.items()}

    def _score(self, heard: Features, asked: Conditions, pitched: bool = True) -> Scores:
        classes = self._classes(asked.rows) if pitched else np.zeros(0, np.int64)
        return score(
            heard, self.reference, hertz=asked.hertz, pitch_classes=classes, groups=asked.groups,
            profile=self.profile, seed=self.seed, notes=self.scored,
        )  # fmt: skip

    def _classes(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Columns of the classifier's answer for the pitch of each row; −1 where it does not know it."""
        if self.judges.classifier is None or not self.vocabulary.pitches:
            return np.zeros(0, np.int64)
        places = {pitch: place for place, pitch in enumerate(self.judges.classifier.pitches)}
        return np.array([places.get(int(pitch), -1) for pitch in self.corpus.column("pitch")[rows]])

    def _controls(
        self, heard: dict[str, tuple[Conditions, Features]], attributes: Attributes | None = None
    ) -> dict[str, Control]:
        """Attribute correlations, by where the conditions come from."""
        judged = attributes if attributes and attributes.names else self.vocabulary
        columns = self._columns(judged)
        return {
            name: attribute_correlation(
                asked, features["teacher"]["logits"][:, columns], judged,
                resamples=self.profile.resamples, seed=self.seed,
            )
            for name, (asked, features) in heard.items()
            if columns
        }  # fmt: skip

    def _columns(self, attributes: Attributes) -> list[int]:
        """Of the teacher's answer, for some attributes."""
        return [self.judges.teacher.labels.index(name) for name in attributes.names]
