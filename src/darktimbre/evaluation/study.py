"""Instruments × corpus × judges → all that the paper reports of them, beside real notes and an untrained network."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from darktimbre.corpus.corpus import Corpus
from darktimbre.evaluation import facts, timing
from darktimbre.evaluation.control import (
    Finding,
    attribute_correlation,
    followed,
    increment_consistency,
    out_of_distribution,
)
from darktimbre.evaluation.examples import RAISED, Examples
from darktimbre.evaluation.hearing import Ear, Progress
from darktimbre.evaluation.heldout import HeldOut, draw_rows
from darktimbre.evaluation.increments import even_steps, shifts
from darktimbre.evaluation.pairing import Instrument, Judges, common_pitches, refuse_few_notes, refuse_wrong_pairings
from darktimbre.evaluation.profile import Profile
from darktimbre.evaluation.realnotes import RealNotes
from darktimbre.evaluation.results import Control, Evaluation, Scores, Sound, System, Variation
from darktimbre.evaluation.scores import Features, Reference, full_rank, score
from darktimbre.evaluation.sources import Source, generated_source, real_source, round_trip_source, untrained
from darktimbre.evaluation.variation import variation
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
        self.ear = Ear(judges, corpus, folder / "cache", progress)
        self.splits = facts.held_out_splits(instruments)
        steered = [one for one in self.instruments if one.attributes.names]
        self.first = (steered or self.instruments)[0]  # the vocabulary and the picture that real notes are heard by
        self.vocabulary = replace(self.first.attributes, pitches=common_pitches(instruments))
        self.real = RealNotes.chosen(corpus, self.vocabulary.pitches, self.splits, count=profile.reference, seed=seed)
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
        self.reference = Reference(heard, self.profile.neighbours)
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
                "vocabulary": list(self.first.attributes.names),
                "seed": self.seed,
                "versions": facts.versions(),
            },
            counts={name: len(rows) for name, rows in vars(self.real).items()} | vars(self.profile),
            reduced=self.profile.reduced(),
            left_out=tuple(dict.fromkeys(self.left_out)),
        )

    def workload(self) -> int:
        """Notes that `run` will hear, at most: for a progress bar."""
        real = len(self.real.reference) + len(self.real.others) + 2 * len(self.real.held_out)
        return real + self.profile.notes + sum(self._load(one) for one in self.instruments)

    def _load(self, one: Instrument) -> int:
        p, count = self.profile, len(one.attributes.names)
        crossed = p.latents * p.conditions * max(1, min(p.pitches, len(one.attributes.pitches)))
        if not count:
            return p.notes + crossed
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
            control={HELD_OUT: self._same_instrument(asked)} if self.vocabulary.names else {},
            sounds=self.examples.real("held-out notes"),
        )  # fmt: skip

        player, name = self.first.synthesizer, "through the picture"
        if player.samples != self.corpus.samples:
            self.left_out.append(f"held-out notes {name}: those of {self.first.name} are longer than the corpus's.")
            return
        heard = self.ear.hear(name, round_trip_source(player, self.corpus, asked.rows))
        shown = round_trip_source(player, self.corpus, self.examples.rows).waves(0, len(self.examples.rows))
        yield System(
            name, "real", scores={HELD_OUT: self._score(heard, asked)},
            control=self._controls({HELD_OUT: (asked, heard)}), sounds=self.examples.answers(name, shown),
        )  # fmt: skip

    def _same_instrument(self, asked: HeldOut) -> Control:
        """How far a note's attributes are those of another note of its instrument."""
        takes = asked.another_take()
        has = takes >= 0
        one = HeldOut.of(self.corpus, asked.rows[has], self.vocabulary)
        other = HeldOut.of(self.corpus, takes[has], replace(self.vocabulary, pitches=()))
        return attribute_correlation(
            one, other.logits, self.vocabulary, resamples=self.profile.resamples, seed=self.seed
        )

    def _untrained(self) -> System:
        fresh = replace(self.first, name="untrained", synthesizer=untrained(self.first.synthesizer, self.seed))
        asked = self._asked(fresh, self.splits)
        heard = self.ear.hear("untrained", self._answers(fresh, asked))
        return System(
            fresh.name, "untrained",
            temperature=fresh.attributes.temperature if fresh.attributes.names else None,
            facts={"network": f"as {self.first.name}, with the weights that training begins with"},
            scores={HELD_OUT: self._score(heard, asked)},
            control=self._controls({HELD_OUT: (asked, heard)}),
            sounds=self._examples(fresh),
        )  # fmt: skip

    # ── instruments ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _system(self, one: Instrument) -> System:
        player, steered = one.synthesizer, bool(one.attributes.names)
        splits = {TRAIN: ("train",), HELD_OUT: self.splits} if steered else {HELD_OUT: self.splits}
        heard: dict[str, tuple[HeldOut, Features]] = {}
        for name, split in splits.items():
            asked = self._asked(one, split)
            heard[name] = asked, self.ear.hear(f"{one.name}, {name} conditions", self._answers(one, asked))
        system = System(
            name=one.name,
            kind=facts.kind(one, self.corpus),
            digest=player.bundle.digest,
            temperature=one.attributes.temperature if steered else None,
            facts=facts.of_instrument(one, self.corpus),
            scores={name: self._score(features, asked) for name, (asked, features) in heard.items()},
            control=self._controls(heard, one.attributes),
            variation=self._variation(one),
            timing=timing.measure(player, self.profile.repeats),
            sounds=self._examples(one),
        )
        return self._with_increments(system, one, *heard[HELD_OUT]) if steered else system

    def _with_increments(self, system: System, one: Instrument, asked: HeldOut, heard: Features) -> System:
        """Figures 2 and 3 of the attributes that answer, best first, and the best of them to hear."""
        p, follows, rows = self.profile, followed(system.control[HELD_OUT]), asked.rows

        def hear(stage: str, condition: NDArray[np.float32], latent: NDArray[np.float32]) -> NDArray[np.float32]:
            source = generated_source(one.synthesizer, condition, latent, samples=self.corpus.samples)
            return self.ear.attributes(f"{one.name}, {stage}", source, one.attributes.names)

        shifted = out_of_distribution(
            one.synthesizer, HeldOut.of(self.corpus, rows[: p.shift_notes], one.attributes),
            follows[: p.shift_attributes], shifts(p.shift_steps), partial(hear, "figure 2"),
            resamples=p.resamples, seed=self.seed,
        )  # fmt: skip
        raised = increment_consistency(
            one.synthesizer, HeldOut.of(self.corpus, rows[: p.increment_notes], one.attributes),
            follows[: p.increment_attributes], even_steps(p.increment_steps), partial(hear, "figure 3"),
            unraised=heard["teacher"]["logits"][:, self._columns(one.attributes)], resamples=p.resamples, seed=self.seed,
        )  # fmt: skip
        self._tell(f"{one.name}, figure 2", shifted)
        self._tell(f"{one.name}, figure 3", raised)
        sounds = (*system.sounds, *(self._raised(one, follows[0]) if follows else ()))
        return replace(system, out_of_distribution=shifted.curve, increments=raised.curve, sounds=sounds)

    def _tell(self, what: str, finding: Finding) -> None:
        self.left_out += [f"{what}: {sentence}" for sentence in finding.told]

    def _variation(self, one: Instrument) -> Variation:
        def embed(condition: NDArray[np.float32], latent: NDArray[np.float32]) -> NDArray[np.float32]:
            source = generated_source(one.synthesizer, condition, latent, samples=self.corpus.samples)
            return self.ear.embedding(f"{one.name}, latents × conditions", source)

        p = self.profile
        return variation(
            one.synthesizer, HeldOut.of(self.corpus, self.real.held_out, one.attributes),
            self.held_out["embedder"]["embedding"], embed,
            latents=p.latents, conditions=p.conditions, pitches=p.pitches, seed=self.seed,
        )  # fmt: skip

    # ── sounds to listen to ───────────────────────────────────────────────────────────────────────────────────────────

    def _examples(self, one: Instrument) -> tuple[Sound, ...]:
        asked = HeldOut.of(self.corpus, self.examples.rows, one.attributes)
        return self.examples.answers(one.name, self._waves(one, asked.condition))

    def _raised(self, one: Instrument, name: str) -> tuple[Sound, ...]:
        condition = HeldOut.of(self.corpus, self.examples.rows[:1], one.attributes).condition.repeat(
            len(RAISED), axis=0
        )
        condition[:, len(one.attributes.pitches) + one.attributes.names.index(name)] += np.asarray(RAISED, np.float32)
        latent = one.synthesizer.latents(self.seed).repeat(len(RAISED), axis=0)
        return self.examples.raised(one.name, self._waves(one, condition, latent), name)

    def _waves(
        self, one: Instrument, condition: NDArray[np.float32], latent: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        latent = one.synthesizer.latents(self.seed, len(condition)) if latent is None else latent
        source = generated_source(one.synthesizer, condition, latent, samples=self.corpus.samples)
        return source.waves(0, len(condition))

    # ── what all rows share ───────────────────────────────────────────────────────────────────────────────────────────

    def _told(self, rows: NDArray[np.int64]) -> HeldOut:
        """Real notes in the words of the vocabulary."""
        return HeldOut.of(self.corpus, rows, self.vocabulary)

    def _asked(self, one: Instrument, splits: tuple[str, ...]) -> HeldOut:
        """The conditions of one instrument; the same notes for all. One without attributes is judged on others'."""
        rows = draw_rows(self.corpus, self.vocabulary, splits, self.profile.notes, self.seed)
        asked = HeldOut.of(self.corpus, rows, one.attributes)
        return asked if one.attributes.names else replace(asked, logits=self._told(rows).logits)

    def _answers(self, one: Instrument, asked: HeldOut) -> Source:
        latent = one.synthesizer.latents(self.seed, len(asked.rows))
        return generated_source(one.synthesizer, asked.condition, latent, samples=self.corpus.samples)

    def _score(self, heard: Features, asked: HeldOut) -> Scores:
        """As many notes of every row as of the reference: what hangs on their number compares."""
        count = min(len(asked.rows), len(self.real.reference))
        first = {role: {name: table[:count] for name, table in tables.items()} for role, tables in heard.items()}
        return score(
            first, self.reference, hertz=asked.hertz[:count], pitch_classes=self._classes(asked.rows[:count]),
            groups=asked.groups[:count], profile=self.profile, seed=self.seed,
        )  # fmt: skip

    def _classes(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Columns of the classifier's answer for the pitch of each row; −1 where it does not know it."""
        if self.judges.classifier is None or not self.vocabulary.pitches:
            return np.zeros(0, np.int64)
        places = {pitch: place for place, pitch in enumerate(self.judges.classifier.pitches)}
        return np.array([places.get(int(pitch), -1) for pitch in self.corpus.column("pitch")[rows]])

    def _controls(
        self, heard: dict[str, tuple[HeldOut, Features]], attributes: Attributes | None = None
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
