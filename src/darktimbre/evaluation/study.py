"""Systems × conditions × extractors → measures: all that the paper reports, as one `Evaluation`.

Systems are real notes, the codec's round trip of real notes, an untrained network, and the instruments. Each is
conditioned on notes of the train split and on held-out notes; extractors describe its sounds; `scores` and `control`
turn features into figures.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from darktimbre.corpus.classes import class_indices
from darktimbre.corpus.corpus import Corpus
from darktimbre.evaluation import control, in_loss, systems
from darktimbre.evaluation.comparison import Compared
from darktimbre.evaluation.conditions import Conditions, RealNotes, draw_rows
from darktimbre.evaluation.examples import Examples, spectral_distances
from darktimbre.evaluation.independent import PROBES, IndependentReference
from darktimbre.evaluation.profile import Profile
from darktimbre.evaluation.results import (
    HELD_OUT,
    MISSING,
    TRAIN,
    Estimate,
    Evaluation,
    Independent,
    Kind,
    Scores,
    System,
    Timing,
    Variation,
)
from darktimbre.evaluation.scores import Reference, RoleFeatures
from darktimbre.evaluation.systems import Evaluators, Instrument
from darktimbre.evaluation.variation import variation
from darktimbre.extractors import sources
from darktimbre.extractors.extract import extract
from darktimbre.extractors.extractors import EmbeddingExtractor, Extractor, Features, TeacherExtractor
from darktimbre.extractors.sources import ROUND_TRIP, Source, real_source
from darktimbre.measures.frechet import notes_for_full_rank
from darktimbre.notes.attributes import Attributes
from darktimbre.synthesizer import timing
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.tagging.store import Tags
from darktimbre.teachers.tagger import Embedder

Floats = NDArray[np.float32]
Update = Callable[[int, int, str], object]
"""Called with notes done, notes in all at most, and what is being described."""

Responses = dict[str, tuple[Conditions, RoleFeatures]]
"""By where conditions come from: the conditions, and the features of the sounds generated from them."""


class Study:
    """One evaluation; everything in it follows from instruments, corpus, evaluators, profile and seed."""

    def __init__(
        self,
        instruments: Sequence[Instrument],
        corpus: Corpus,
        evaluators: Evaluators,
        folder: Path,
        *,
        profile: Profile,
        seed: int = 0,
        fad: bool = True,
        update: Update = lambda done, whole, stage: None,
    ) -> None:
        """Checks that everything goes together; renders nothing yet.

        At least one instrument, and a corpus that is tagged where one has attributes. Features are kept in `cache/`
        below `folder`, that of the report; `seed` is of notes, latents, subsets and resamples. Notes too few for the
        Fréchet distance are refused, or without `fad` it is left out.

        Raises:
            UserError: they do not go together, or the notes are too few.
        """
        systems.refuse_mismatches(instruments, corpus, evaluators)
        self.instruments, self.corpus, self.evaluators = tuple(instruments), corpus, evaluators
        self.folder, self.profile, self.seed, self.update, self.done = folder, profile, seed, update, 0
        self.splits = systems.held_out_splits(instruments)
        steered = [one for one in self.instruments if one.attributes.names]
        self.first = (steered or self.instruments)[0]  # whose vocabulary real notes are described in
        self.vocabulary = replace(self.first.attributes, pitches=systems.common_pitches(instruments))
        self.real = RealNotes.chosen(corpus, self.vocabulary.pitches, self.splits, count=profile.reference, seed=seed)
        self.cache = folder / "cache" / systems.environment(self.first.synthesizer.device.type)[:16]
        self.extractors = evaluators.extractors(corpus.sample_rate, self.vocabulary.pitches)
        self.dimension = systems.embedding_dimension(evaluators.embedder, corpus)
        self.left_out: list[str] = []
        notes, compared, embedder = profile.notes, len(self.real.reference), evaluators.embedder
        if fad:
            systems.refuse_few_notes(notes, compared, embedder, self.dimension)
        elif min(notes, compared) < notes_for_full_rank(self.dimension):
            self.left_out.append(f"FAD: too few notes for the {self.dimension:,} dimensions of {embedder.name}.")
        self.left_out += evaluators.absent()

    def run(self) -> Evaluation:
        """Renders, extracts and measures everything."""
        self.held_out = self.features("held-out notes", real_source(self.corpus, self.real.held_out))
        held_out, vocabulary = self.real.held_out, self.vocabulary
        self.examples = Examples(self.folder, self.corpus, held_out, count=self.profile.sounds, seed=self.seed)
        found = self._evaluation(
            (*self._real_systems(), self._untrained(), *map(self._system, self.instruments)),
            facts={
                "held_out": " and ".join(self.splits),
                "vocabulary": list(vocabulary.names),
                "vocabulary_temperature": vocabulary.temperature if vocabulary.names else None,
            },
            counts={
                "other_real_notes": len(self.real.others),
                "held_out_notes": len(held_out),
                "held_out_instruments": len(np.unique(self._conditions(held_out).groups)),
            },
        )
        cautions = (*found.cautions, *in_loss.doubts(Compared(found)))
        return replace(found, cautions=cautions, reduced=(*self.profile.reduced(), *self._short_of()))

    def _evaluation(self, rows: Sequence[System], facts: dict[str, Any], counts: dict[str, int]) -> Evaluation:
        return Evaluation(
            systems=tuple(rows),
            facts={
                "corpus": systems.corpus_facts(self.corpus),
                **self.evaluators.facts(self.dimension),
                **facts,
                "seed": self.seed,
                "versions": systems.versions(),
            },
            counts={"scored": self.scored, "reference": len(self.real.reference), **counts},
            asked=vars(self.profile),
            left_out=tuple(dict.fromkeys(self.left_out)),
            cautions=systems.cautions(self.instruments, self.corpus, self.evaluators),
        )

    @property
    def _bootstrap(self) -> dict[str, int]:
        return {"resamples": self.profile.resamples, "seed": self.seed}

    @property
    def scored(self) -> int:
        """Notes that every row of table 1 is scored over: much of it depends on how many there are."""
        return min(self.profile.notes, *(len(rows) for rows in vars(self.real).values()))

    def _short_of(self) -> Iterator[str]:
        """What the corpus has too few notes for."""
        if self.scored < self.profile.notes:
            yield f"table 1: {self.scored:,} notes of each row, because there are no more real ones"
        if len(self.real.reference) < self.profile.reference:
            yield f"reference: {len(self.real.reference):,} real notes, half of the train split"
        held_out = len(np.unique(draw_rows(self.corpus, self.vocabulary, self.splits, self.profile.notes, self.seed)))
        if held_out < self.profile.notes:
            yield f"the {self.profile.notes:,} held-out conditions are repeated draws of {held_out:,} notes"

    @cached_property
    def workload(self) -> int:
        """Notes that `run` will describe, at most: for a progress bar."""
        p = self.profile
        # held-out notes: themselves, their copies, what copies are compared with, and other notes of their instruments
        whole = len(self.real.reference) + len(self.real.others) + 4 * len(self.real.held_out) + 3 * p.notes
        for attributes in (one.attributes for one in self.instruments):
            crossed = p.latents * p.conditions * max(1, min(p.pitches, len(attributes.pitches)))
            whole += 3 * p.notes + crossed * (1 + bool(self.evaluators.independent))
            if count := len(attributes.names):
                whole += min(p.shift_attributes, count) * (p.shift_steps + 1) * min(p.shift_notes, p.notes)
                whole += min(p.increment_attributes, count) * (p.increment_steps + 1) * min(p.increment_notes, p.notes)
        return whole

    # ── features ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def features(self, stage: str, source: Source) -> RoleFeatures:
        """Of every sound, by the role of the extractor."""
        found = self._extract(stage, source, list(dict.fromkeys(self.extractors.values())))
        return {role: found[one.name] for role, one in self.extractors.items()}

    def embedding(self, stage: str, source: Source, embedder: Embedder | None = None) -> Floats:
        """The embedding (note, dimension) alone, by default of that which distances are taken in."""
        one = EmbeddingExtractor(embedder or self.evaluators.embedder)
        return self._extract(stage, source, [one])[one.name]["embedding"]

    def logits(self, stage: str, source: Source, names: tuple[str, ...]) -> Floats:
        """The teacher's logits (note, label) of some attributes alone."""
        one = TeacherExtractor(self.evaluators.teacher, names)
        return self._extract(stage, source, [one])[one.name]["logits"]

    def _extract(self, stage: str, source: Source, extractors: Sequence[Extractor]) -> RoleFeatures:
        def progress(notes: int) -> None:
            self.done += notes
            self.update(self.done, self.workload, stage)

        return extract(source, extractors, cache=self.cache, progress=progress)

    def generated(self, one: Instrument, condition: Floats, latent: Floats) -> Source:
        """Notes of an instrument, as long as those of the corpus."""
        return sources.generated_source(one.synthesizer, condition, latent, samples=self.corpus.samples)

    @cached_property
    def reference(self) -> Reference:
        rows = self.real.reference
        features = self.features("reference", real_source(self.corpus, rows))
        return Reference(features, self._conditions(rows).groups, self.profile, self.seed)

    @cached_property
    def independent(self) -> IndependentReference:
        rows, tags = self.real.reference, np.zeros((len(self.real.reference), 0), np.float32)
        if self.first.attributes.labelled_by:
            tags = Tags.open(self.corpus.path, self.evaluators.teacher.name).logits(rows)
        groups = self._conditions(rows).groups
        return IndependentReference(self.reference.features, tags, groups, self.profile, self.seed)

    # ── real notes, and a network before training ─────────────────────────────────────────────────────────────────────

    def _real_systems(self) -> Iterator[System]:
        """The other half of the real notes; held-out notes; and these after the codec's round trip."""
        target = self._conditions(self.real.others)
        features = self.features("real notes", real_source(self.corpus, target.rows))
        independent = self._independent(features, target, self.vocabulary, TRAIN)
        independent = replace(independent, probe=MISSING, probe_by_classifier=MISSING)  # the probes were fitted on them
        yield System(
            "real notes", "real", scores={TRAIN: self._score(features, target)}, independent={TRAIN: independent}
        )

        target = self._conditions(self.real.held_out)
        same = control.same_instrument_correlation(target, self.vocabulary, **self._bootstrap)
        yield System(
            "held-out notes",
            "real",
            scores={HELD_OUT: self._score(self.held_out, target)},
            control={HELD_OUT: same} if same else {},
            independent={HELD_OUT: self._of_another_note(target)},
            sounds=self.examples.write("held-out notes", self.corpus.waves(self.examples.rows), self.examples.targets),
        )

        fitting = [one.synthesizer for one in self.instruments if one.synthesizer.samples == self.corpus.samples]
        if not fitting:
            self.left_out.append(f"{ROUND_TRIP}: the notes of all instruments are longer than those of the corpus.")
            return
        source, examples = (
            sources.round_trip_source(fitting[0], self.corpus, rows) for rows in (target.rows, self.examples.rows)
        )
        copies = examples.waves(0, examples.count)
        distances = spectral_distances(self.corpus.waves(self.examples.rows), copies)
        yield self._row(
            ROUND_TRIP,
            "real",
            {HELD_OUT: (target, self.features(ROUND_TRIP, source))},
            facts={"log_spectral_distance_db": round(float(np.median(distances)), 3)},
            sounds=self.examples.write(ROUND_TRIP, copies, self.examples.targets),
        )

    def _untrained(self) -> System:
        network = sources.untrained(self.first.synthesizer, self.seed)
        fresh = replace(self.first, name="untrained", synthesizer=network)
        return self._row(
            fresh.name,
            "untrained",
            {where: self._response(fresh, where) for where in (TRAIN, HELD_OUT)},
            self.first.attributes,
            facts={"network": f"as {self.first.name}, with initial weights"},
            sounds=self.examples.of(fresh),
        )

    # ── instruments ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _system(self, one: Instrument) -> System:
        responses = {where: self._response(one, where) for where in (TRAIN, HELD_OUT)}
        system = self._row(
            one.name,
            one.kind(self.corpus),
            responses,
            one.attributes,
            digest=one.synthesizer.bundle.digest,
            facts=one.facts(self.corpus),
            variation=self._variation(one),
            timing=_timing(one.synthesizer, self.profile.repeats),
            sounds=self.examples.of(one),
        )
        if self.evaluators.independent:
            moved = self._variation(one, "independent")
            ratio = Estimate(moved.diversity / moved.real_diversity if moved.real_diversity else None)
            independent = {**system.independent}
            independent[HELD_OUT] = replace(independent[HELD_OUT], at_condition=ratio)
            system = replace(system, independent=independent)
        return self._with_increments(system, one, *responses[HELD_OUT]) if one.attributes.names else system

    def _with_increments(self, system: System, one: Instrument, target: Conditions, features: RoleFeatures) -> System:
        """Figures 2 and 3 on held-out notes, of attributes that correlate on notes of the train split.

        Chosen on the notes that are reported, some would be there by chance.
        """
        p, names = self.profile, control.followed(system.control[TRAIN])
        some = np.sort(np.random.default_rng(self.seed).permutation(len(names))[: p.shift_attributes])

        def raised(stage: str, notes: int) -> control.RaisedAttributes:
            def predict(condition: Floats, latent: Floats, names: tuple[str, ...]) -> Floats:
                return self.logits(f"{one.name}, {stage}", self.generated(one, condition, latent), names)

            conditions = Conditions.of(self.corpus, target.rows[:notes], one.attributes)
            return control.RaisedAttributes(one.synthesizer, conditions, predict, **self._bootstrap)

        shifted = raised("figure 2", p.shift_notes).out_of_distribution(
            [names[place] for place in some], control.shifts(p.shift_steps)
        )
        increased = raised("figure 3", p.increment_notes).increment_consistency(
            names[: p.increment_attributes],
            control.even_steps(p.increment_steps),
            unraised=features["teacher"]["logits"][:, self._columns(one.attributes)],
        )
        for figure, finding in (("figure 2", shifted), ("figure 3", increased)):
            self.left_out += [f"{one.name}, {figure}: {sentence}" for sentence in finding.remarks]
        sounds = (*system.sounds, *(self.examples.raised(one, names[0]) if names else ()))
        return replace(system, out_of_distribution=shifted.curve, increments=increased.curve, sounds=sounds)

    def _variation(self, one: Instrument, role: str = "embedder") -> Variation:
        """What moves the sound, in the embedding of the extractor of this role."""
        embedder = self.evaluators.independent if role == "independent" else None

        def embed(condition: Floats, latent: Floats) -> Floats:
            stage, source = f"{one.name}, latents × conditions", self.generated(one, condition, latent)
            return self.embedding(stage, source, embedder)

        target, real = Conditions.of(self.corpus, self.real.held_out, one.attributes), self.held_out[role]
        return variation(one.synthesizer, target, real["embedding"], embed, self.profile, seed=self.seed)

    # ── what all rows share ───────────────────────────────────────────────────────────────────────────────────────────

    def _conditions(self, rows: NDArray[np.int64]) -> Conditions:
        """Real notes in the terms of the vocabulary."""
        return Conditions.of(self.corpus, rows, self.vocabulary)

    def _response(self, one: Instrument, where: str) -> tuple[Conditions, RoleFeatures]:
        """Conditions of the same notes for all, and features of what an instrument generates from them.

        One without attributes gets the targets of the vocabulary.
        """
        splits = self.splits if where == HELD_OUT else (TRAIN,)
        rows = draw_rows(self.corpus, self.vocabulary, splits, self.profile.notes, self.seed)
        target = Conditions.of(self.corpus, rows, one.attributes)
        if not one.attributes.names:
            target = replace(target, logits=self._conditions(rows).logits)
        source = self.generated(one, target.condition, one.synthesizer.latents(self.seed, len(target.rows)))
        return target, self.features(f"{one.name}, {where} conditions", source)

    def _row(
        self, name: str, kind: Kind, responses: Responses, attributes: Attributes | None = None, **more: Any
    ) -> System:
        """Scores and attribute correlations, by where the conditions come from; `attributes` are the instrument's own.

        What has no attributes is compared on those of the vocabulary.
        """
        steered = attributes is not None and bool(attributes.names)
        compared = attributes if attributes is not None and steered else self.vocabulary
        pitched, columns = attributes is None or bool(attributes.pitches), self._columns(compared)
        return System(
            name,
            kind,
            temperature=compared.temperature if steered else None,
            scores={where: self._score(features, target, pitched) for where, (target, features) in responses.items()},
            control={
                where: control.attribute_correlation(
                    target, features["teacher"]["logits"][:, columns], compared, **self._bootstrap
                )
                for where, (target, features) in responses.items()
                if columns
            },
            independent={
                where: self._independent(features, target, compared, where)
                for where, (target, features) in responses.items()
            },
            **more,
        )

    def _independent(self, features: RoleFeatures, target: Conditions, compared: Attributes, where: str) -> Independent:
        """Figures by what no training used; sounds of held-out conditions are compared with the real notes of these."""
        real: Features | None = None
        if where == HELD_OUT:
            extractor = self.extractors["fundamental"]
            source = real_source(self.corpus, target.rows)
            real = self._extract("real notes of the conditions", source, [extractor])[extractor.name]
        columns = self._columns(compared)
        return self.independent.score(features, target, compared, columns=columns, real=real, notes=self.scored)

    def _of_another_note(self, target: Conditions) -> Independent:
        """Held-out notes: distances and pitch of themselves; the probes are given another note of each instrument."""
        columns = self._columns(self.vocabulary)
        whole = self.independent.score(self.held_out, target, self.vocabulary, columns=columns, notes=self.scored)
        another, plain = target.another_note(), replace(self.vocabulary, pitches=())
        if not (mine := np.flatnonzero(another >= 0)).size:
            return replace(whole, probe=MISSING, probe_by_classifier=MISSING)
        others = self.features("other notes of the instruments", real_source(self.corpus, another[mine]))
        same = self.independent.score(
            {role: one for role, one in others.items() if role in PROBES.values()},
            Conditions.of(self.corpus, target.rows[mine], plain), plain, columns=columns,
        )  # fmt: skip
        return replace(whole, probe=same.probe, probe_by_classifier=same.probe_by_classifier)

    def _score(self, features: RoleFeatures, target: Conditions, pitched: bool = True) -> Scores:
        classes = np.zeros(0, np.int64)  # columns of the classifier's logits for the pitch of each row; −1: unknown
        if self.evaluators.classifier and self.vocabulary.pitches and pitched:
            classes = class_indices(self.corpus.column("pitch")[target.rows], self.evaluators.classifier.pitches)
        groups = target.groups
        return self.reference.score(
            features, hertz=target.hertz, pitch_classes=classes, groups=groups, notes=self.scored
        )

    def _columns(self, attributes: Attributes) -> list[int]:
        """Of the teacher's labels, for some attributes; none where those are the corpus's classes."""
        labels = self.evaluators.teacher.labels
        return [labels.index(name) for name in attributes.names] if attributes.labelled_by else []


def _timing(synthesizer: Synthesizer, repeats: int) -> Timing:
    """Renders one note after another and measures the time; see `darktimbre.synthesizer.timing.measure`."""
    spent, device = timing.measure(synthesizer, repeats), synthesizer.device
    name = f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)
    return Timing(*spent[:3], sound=synthesizer.seconds, threads=torch.get_num_threads(), device=name)
