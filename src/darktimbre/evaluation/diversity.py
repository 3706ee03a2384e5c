"""Variants of one recipe × corpus × evaluators → how diverse their sounds are, class by class, beside real notes.

Two distances, both in the embedding and in units of the reference notes' total deviation. *At one condition*: between
sounds of equal conditions that differ in the latent alone, which are equal where a generator has collapsed. *Within a
class*: between sounds conditioned on different real notes of a class at one pitch, beside those real notes themselves.
All variants have the same conditions, so that they are compared condition by condition.
"""

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darktimbre.corpus.classes import class_indices, leaf_of
from darktimbre.evaluation.conditions import ClassConditions, Conditions, class_names
from darktimbre.evaluation.examples import SoundFolder
from darktimbre.evaluation.results import MISSING, TRAIN, Estimate, Evaluation, Sound, System, plain
from darktimbre.evaluation.scores import RoleFeatures, mean_estimate, with_error
from darktimbre.evaluation.study import Floats, Study
from darktimbre.evaluation.systems import Instrument
from darktimbre.extractors.sources import real_source
from darktimbre.measures.bins import different_bins
from darktimbre.measures.variation import mean_distance
from darktimbre.notes.attributes import CLASSES

NOTES_A_BIN, MOST_BINS = 20, 100
"""Cells have some 20 notes each, which distinguishes chance from a difference; 100 cells in the paper (§3)."""
FEWEST = 8  # values that an interval is given for: a bootstrap of fewer is much too narrow
REAL = "real notes"
SOUNDS = 3  # kept of each class and variant
CAUTION = (
    "Intervals say what other notes or conditions would have given, not what another training run would have: that is "
    "seen from the variant that was trained twice."
)


@dataclass(frozen=True)
class Spread:
    """One class."""

    name: str
    conditions: int
    at_condition: Estimate  # mean distance of two sounds of one condition; of real notes not defined
    within: Estimate  # mean distance of two sounds of the conditions of different real notes, or of these real notes


@dataclass(frozen=True)
class DiversityRow:
    """A variant, or real notes."""

    name: str
    setting: dict[str, Any]  # what makes it differ
    at_condition: Estimate  # mean over all conditions
    within: Estimate  # mean over all pairs of conditions
    gain: Estimate  # `at_condition` less that of the first variant, condition by condition
    bins: Estimate  # NDB/k
    expected: Estimate  # NDB/k of sounds drawn as the reference was, with its standard deviation
    cells: int  # k
    class_accuracy: Estimate  # share that the classifier predicts to be of the target family
    classes: tuple[Spread, ...]


@dataclass(frozen=True)
class Diversity:
    """Fidelity and control as elsewhere, and diversity beside it."""

    evaluation: Evaluation
    rows: tuple[DiversityRow, ...]  # of real notes, then of the variants in their order
    again: str = ""  # name of the variant that is the first one with another seed

    def to_json(self) -> dict[str, Any]:
        """That of the evaluation, with `diversity` and `again`; what is not finite becomes null."""
        found = {"diversity": [plain(asdict(one)) for one in self.rows], "again": self.again}
        return {**self.evaluation.to_json(), **found}


class DiversityStudy(Study):
    """One study of diversity; the first instrument is what the others are compared with."""

    def compare(self, again: str = "") -> Diversity:
        """Measures real notes and every variant, under the conditions of real notes of the train split."""
        profile, self.sounds = self.profile, SoundFolder(self.folder, self.corpus.sample_rate)
        embedding = np.asarray(self.reference.embedding, np.float64)
        self.unit = float(np.sqrt(embedding.var(axis=0).sum())) or float("nan")
        self.cells = max(2, min(MOST_BINS, self.scored // NOTES_A_BIN))
        self.target = ClassConditions.chosen(
            self.corpus, self.first.attributes, conditions=profile.conditions, pitches=profile.pitches, seed=self.seed
        )
        self._baseline: NDArray[np.float64] | None = None  # distances at each condition, of the first variant
        systems, rows = zip(self._real(), *map(self._variant, self.instruments), strict=True)
        classes, conditions = len(self.target.names), len(self.target.rows)
        counts = {"cells": self.cells, "classes": classes, "conditions": conditions, "latents": profile.latents}
        found = self._evaluation(systems, {"classes": self.target.kind}, counts)
        return Diversity(replace(found, cautions=(*found.cautions, CAUTION)), rows, again)

    @cached_property
    def workload(self) -> int:
        """Notes that `compare` will describe, at most: for a progress bar."""
        p = self.profile
        crossed = len(class_names(self.corpus, self.first.attributes)[1]) * p.conditions * max(1, p.pitches)
        each = p.notes + crossed * p.latents
        return len(self.real.reference) + self.scored + crossed + len(self.instruments) * each

    def _real(self) -> tuple[System, DiversityRow]:
        rows = self.real.others
        features, target = self.features(REAL, real_source(self.corpus, rows)), self._conditions(rows)
        embedded = self.embedding("real notes by class", real_source(self.corpus, self.target.rows))
        row = self._row_of(REAL, {}, features, target, embedded[:, None])
        sounds = self._sounds(REAL, self.corpus.waves(self.target.rows[self.target.first]))
        return System(REAL, "real", scores={TRAIN: self._score(features, target)}, sounds=sounds), row

    def _variant(self, one: Instrument) -> tuple[System, DiversityRow]:
        (target, features), many = self._response(one, TRAIN), self.profile.latents
        condition = np.repeat(Conditions.of(self.corpus, self.target.rows, one.attributes).condition, many, axis=0)
        crossed = self.generated(one, condition, one.synthesizer.latents(self.seed + 1, len(condition)))
        embedded = self.embedding(f"{one.name}, by class", crossed).reshape(len(self.target.rows), many, -1)
        row = self._row_of(one.name, setting_of(one), features, target, embedded)
        waves = [crossed.waves(place * many, place * many + min(many, SOUNDS)) for place in self.target.first]
        system = self._row(
            one.name,
            one.kind(self.corpus),
            {TRAIN: (target, features)},
            one.attributes,
            digest=one.synthesizer.bundle.digest,
            facts={**one.facts(self.corpus), **setting_of(one)},
            sounds=self._sounds(one.name, np.concatenate(waves)),
        )
        return system, row

    def _row_of(
        self, name: str, setting: dict[str, Any], features: RoleFeatures, target: Conditions, embedded: Floats
    ) -> DiversityRow:
        """From features of the sounds of `target`, and embeddings (condition, latent, dimension) of those by class."""
        keep = slice(0, self.scored)
        binned = different_bins(
            self.reference.embedding, features["embedder"]["embedding"][keep], bins=self.cells,
            fake_groups=target.groups[keep], seed=self.seed,
        )  # fmt: skip
        moved = np.array([mean_distance(one) if len(one) > 1 else np.nan for one in embedded]) / self.unit
        gain, each = MISSING, self.target.classes
        if setting and self._baseline is None:
            self._baseline = moved
        elif setting and self._baseline is not None:
            gain = self._mean(moved - self._baseline, self.target.groups)
        pairs = [pair for places in self.target.together for pair in combinations(places, 2)]
        distances = np.array([mean_distance(embedded[one], embedded[other]) for one, other in pairs]) / self.unit
        classes = each[[place for place, _ in pairs]] if pairs else np.zeros(0, np.int64)
        return DiversityRow(
            name,
            setting,
            at_condition=self._mean(moved, self.target.groups),
            within=self._mean(distances, classes),
            gain=gain,
            bins=with_error(binned.share, binned.error),
            expected=with_error(binned.expected, binned.expected_error),
            cells=binned.bins,
            class_accuracy=self._class_accuracy(features, target),
            classes=tuple(
                Spread(
                    class_name,
                    int((each == number).sum()),
                    at_condition=self._mean(moved[each == number]),
                    within=self._mean(distances[classes == number]),
                )
                for number, class_name in enumerate(self.target.names)
            ),
        )

    def _mean(self, values: NDArray[np.float64], groups: NDArray[Any] | None = None) -> Estimate:
        """Mean of what is defined, with its bootstrap interval; missing where there is nothing."""
        defined = np.isfinite(values)
        if not defined.any():
            return MISSING
        if defined.sum() < FEWEST:
            return Estimate(float(values[defined].mean()))
        kept = None if groups is None else groups[defined]
        return mean_estimate(values[defined], kept, self.profile.resamples, self.seed)

    def _class_accuracy(self, features: RoleFeatures, target: Conditions) -> Estimate:
        """Share of the notes of a family that the classifier knows which it predicts to be of that family."""
        families = self.evaluators.classifier.families if self.evaluators.classifier else ()
        if len(families) < 2:
            return MISSING
        by_class = self.first.attributes.teacher == CLASSES
        named = leaf_of(self.corpus, target.rows) if by_class else self.corpus.column("family")[target.rows]
        wanted = class_indices(named, families)
        right = features["classifier"]["family"].argmax(axis=1) == wanted
        return self._mean(np.where(wanted < 0, np.nan, right), target.groups)

    def _sounds(self, name: str, waves: NDArray[np.float32]) -> tuple[Sound, ...]:
        """Keeps sounds (class × sound, sample), equally many a class in the classes' order."""
        names, many = self.target.names, len(waves) // len(self.target.names)
        files = [f"{number // many + 1:02d}-{number % many + 1}" for number in range(len(waves))]
        return self.sounds.write(name, waves, [names[number // many] for number in range(len(waves))], files=files)


def setting_of(one: Instrument) -> dict[str, Any]:
    """What a variant's bundle says of the settings that variants differ in."""
    recipe = one.synthesizer.bundle.config.get("recipe") or {}
    network = recipe.get("network") or {}
    return {
        "mode_seeking": float((recipe.get("objectives") or {}).get("mode_seeking", 0.0)),
        "minibatch_deviation": bool(network.get("minibatch_stddev", True)),
        "pac": int(network.get("pac", 1)),
        "run_seed": int(recipe.get("seed", 0)),
    }
