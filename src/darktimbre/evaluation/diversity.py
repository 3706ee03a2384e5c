"""Arms of one recipe × corpus × judges → how varied their sounds are, class by class, against real notes and quality.

Two distances, both in the embedding and in units of the reference notes' total deviation. *At one condition*: between
sounds that were asked for alike and differ in the latent alone, which a generator that has collapsed makes equal.
*Within a class*: between answers to the conditions of different real notes of a class at one pitch, beside those real
notes themselves. All arms are asked for the same, so that arms are compared condition by condition.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darktimbre.corpus.classes import leaf_of
from darktimbre.evaluation import facts
from darktimbre.evaluation.conditions import Conditions
from darktimbre.evaluation.pairing import Instrument
from darktimbre.evaluation.results import MISSING, Estimate, Evaluation, Sound, System, plain
from darktimbre.evaluation.scores import Features, Reference
from darktimbre.evaluation.sounding import ask, class_names
from darktimbre.evaluation.study import TRAIN, Study
from darktimbre.extractors.sources import generated_source, real_source
from darktimbre.measures.bins import different_bins
from darktimbre.measures.interval import bootstrap_mean
from darktimbre.measures.variation import mean_distance
from darktimbre.notes.attributes import CLASSES

NOTES_A_BIN, MOST_BINS = 20, 100
"""Cells have some 20 notes each, in which chance is told from a difference; 100 in the paper (§3)."""
FEWEST = 8  # values that an interval is given for: a bootstrap of fewer is much too narrow
REAL = "real notes"


@dataclass(frozen=True)
class Spread:
    """One class.

    Attributes:
        name: of the class.
        conditions: how many were asked for.
        at_condition: mean distance of two sounds of one condition; of real notes not defined.
        within: mean distance of two answers to conditions of different real notes, or of these real notes.
    """

    name: str
    conditions: int
    at_condition: Estimate
    within: Estimate


@dataclass(frozen=True)
class Variety:
    """An arm, or real notes.

    Attributes:
        name: as in the tables.
        setting: what makes it differ: values by key.
        at_condition, within: means over all conditions, and over all pairs of conditions.
        gain: `at_condition` less that of the first arm, condition by condition; missing for that one and real notes.
        bins: NDB/k, with its standard error.
        expected: what it would be if the sounds were drawn as the reference was, with its standard deviation.
        cells: k.
        class_accuracy: share that the classifier hears as the family asked for.
        classes: class by class.
    """

    name: str
    setting: dict[str, Any]
    at_condition: Estimate
    within: Estimate
    gain: Estimate
    bins: Estimate
    expected: Estimate
    cells: int
    class_accuracy: Estimate
    classes: tuple[Spread, ...]


@dataclass(frozen=True)
class Diversity:
    """The whole: fidelity and control as elsewhere, and variety beside it, real notes first.

    Attributes:
        evaluation: the same arms' scores.
        varieties: of real notes, then of the arms in their order.
        again: name of the arm that is the first one with another seed; "" without.
    """

    evaluation: Evaluation
    varieties: tuple[Variety, ...]
    again: str = ""

    def to_json(self) -> dict[str, Any]:
        """That of the evaluation, with `diversity` and `again`; what is not finite becomes null."""
        told = {"diversity": [plain(asdict(one)) for one in self.varieties], "again": self.again}
        return {**self.evaluation.to_json(), **told}


class DiversityStudy(Study):
    """One study of diversity; the first instrument is what the others are compared with."""

    def compare(self, again: str = "") -> Diversity:
        """Listens to real notes and to every arm, under the conditions of real notes of the train split."""
        heard = self.ear.hear("reference", real_source(self.corpus, self.real.reference))
        self.reference = Reference(heard, self.profile.neighbours, self._told(self.real.reference).groups)
        embedding = np.asarray(self.reference.embedding, np.float64)
        self.unit = float(np.sqrt(embedding.var(axis=0).sum())) or float("nan")
        self.cells = max(2, min(MOST_BINS, self.scored // NOTES_A_BIN))
        self.asked = ask(
            self.corpus, self.first.attributes, conditions=self.profile.conditions, pitches=self.profile.pitches,
            seed=self.seed,
        )  # fmt: skip
        systems, varieties = [], []
        self._before: NDArray[np.float64] | None = None
        for system, variety in (self._real(), *map(self._arm, self.instruments)):
            systems.append(system)
            varieties.append(variety)
        evaluation = Evaluation(
            systems=tuple(systems),
            facts={
                "corpus": facts.of_corpus(self.corpus),
                **facts.of_judges(self.judges, self.ear.dimension),
                "classes": self.asked.kind,
                "seed": self.seed,
                "versions": facts.versions(),
            },
            counts={
                "scored": self.scored,
                "reference": len(self.real.reference),
                "cells": self.cells,
                "classes": len(self.asked.names),
                "conditions": len(self.asked.rows),
                "latents": self.profile.latents,
            },
            asked=vars(self.profile),
            left_out=tuple(dict.fromkeys(self.left_out)),
            cautions=(*facts.cautions(self.instruments, self.corpus, self.judges), CAUTION),
        )
        return Diversity(evaluation, tuple(varieties), again)

    def workload(self) -> int:
        """Notes that `compare` will hear, at most: for a progress bar."""
        p = self.profile
        classes = len(class_names(self.corpus, self.first.attributes)[1])
        crossed = classes * p.conditions * max(1, p.pitches)
        return (
            len(self.real.reference) + self.scored + crossed + len(self.instruments) * (p.notes + crossed * p.latents)
        )

    def _real(self) -> tuple[System, Variety]:
        rows = self.real.others
        heard, told = self.ear.hear(REAL, real_source(self.corpus, rows)), self._told(rows)
        apart = self.ear.embedding("real notes by class", real_source(self.corpus, self.asked.rows))
        nothing = np.full(len(self.asked.rows), np.nan)
        pairs = list(self._pairs(apart[:, None]))
        variety = self._variety(REAL, {}, heard, told, nothing, pairs)
        sounds = self.examples_of(REAL, self.corpus.waves(self.asked.rows[self.asked.first]))
        return System(REAL, "real", scores={TRAIN: self._score(heard, told)}, sounds=sounds), variety

    def _arm(self, one: Instrument) -> tuple[System, Variety]:
        asked, player = self._asked(one, ("train",)), one.synthesizer
        latent = player.latents(self.seed, len(asked.rows))
        source = generated_source(player, asked.condition, latent, samples=self.corpus.samples)
        heard = self.ear.hear(one.name, source)

        many = self.profile.latents
        told = Conditions.of(self.corpus, self.asked.rows, one.attributes)
        condition = np.repeat(told.condition, many, axis=0)
        drawn = player.latents(self.seed + 1, len(condition))
        crossed = generated_source(player, condition, drawn, samples=self.corpus.samples)
        apart = self.ear.embedding(f"{one.name}, by class", crossed).reshape(len(told.rows), many, -1)
        moved = np.array([mean_distance(each) if many > 1 else np.nan for each in apart]) / self.unit
        variety = self._variety(one.name, setting_of(one), heard, asked, moved, list(self._pairs(apart)))
        waves = [crossed.waves(place * many, place * many + min(many, SOUNDS)) for place in self.asked.first]
        system = System(
            one.name, facts.kind(one, self.corpus),
            digest=player.bundle.digest,
            temperature=one.attributes.temperature if one.attributes.names else None,
            facts={**facts.of_instrument(one, self.corpus), **setting_of(one)},
            scores={TRAIN: self._score(heard, asked, bool(one.attributes.pitches))},
            control={}
            if one.attributes.teacher == CLASSES
            else self._controls({TRAIN: (asked, heard)}, one.attributes),
            sounds=self.examples_of(one.name, np.concatenate(waves)),
        )  # fmt: skip
        return system, variety

    def _pairs(self, apart: NDArray[np.float32]) -> Iterator[tuple[int, float]]:
        """(place of the first, distance) of every two conditions of one class and pitch, (condition, latent, …)."""
        for places in self.asked.together:
            for turn, first in enumerate(places):
                for second in places[turn + 1 :]:
                    yield int(first), mean_distance(apart[first], apart[second]) / self.unit

    def _variety(
        self, name: str, setting: dict[str, Any], heard: Features, told: Conditions, moved: NDArray[np.float64],
        pairs: list[tuple[int, float]],
    ) -> Variety:  # fmt: skip
        keep = slice(0, self.scored)
        binned = different_bins(
            self.reference.embedding, heard["embedder"]["embedding"][keep], bins=self.cells,
            fake_groups=told.groups[keep], seed=self.seed,
        )  # fmt: skip
        gain = MISSING
        if setting and self._before is None:
            self._before = moved
        elif setting and self._before is not None:
            gain = self._mean(moved - self._before, self.asked.groups)
        at, far = np.array([place for place, _ in pairs], int), np.array([distance for _, distance in pairs])
        classes = tuple(
            Spread(
                class_name,
                int((self.asked.classes == number).sum()),
                self._mean(moved[self.asked.classes == number]),
                self._mean(far[self.asked.classes[at] == number] if len(at) else far),
            )
            for number, class_name in enumerate(self.asked.names)
        )
        return Variety(
            name,
            setting,
            at_condition=self._mean(moved, self.asked.groups),
            within=self._mean(far, self.asked.classes[at] if len(at) else None),
            gain=gain,
            bins=Estimate(binned.share, spread=binned.error if np.isfinite(binned.error) else None),
            expected=Estimate(binned.expected, spread=binned.expected_error),
            cells=binned.bins,
            class_accuracy=self._families(heard, told),
            classes=classes,
        )

    def _mean(self, values: NDArray[np.float64], groups: NDArray[Any] | None = None) -> Estimate:
        """Mean with its bootstrap interval; missing where there is nothing."""
        defined = np.isfinite(values)
        if not defined.any():
            return MISSING
        kept = None if groups is None else groups[defined]
        if defined.sum() < FEWEST:
            return Estimate(float(values[defined].mean()))
        mean = bootstrap_mean(values[defined], kept, resamples=self.profile.resamples, seed=self.seed)
        ends = (mean.low, mean.high) if np.isfinite([mean.low, mean.high]).all() else (None, None)
        return Estimate(mean.value, *ends)

    def _families(self, heard: Features, told: Conditions) -> Estimate:
        """Share of the notes whose family the classifier knows that it hears as that."""
        classifier = self.judges.classifier
        families = list(classifier.config["families"]) if classifier else []
        if len(families) < 2:
            return MISSING
        by_class = self.first.attributes.teacher == CLASSES
        named = leaf_of(self.corpus, np.arange(len(self.corpus))) if by_class else self.corpus.column("family")
        wanted = np.array([families.index(one) if one in families else -1 for one in named])
        asked, known = wanted[told.rows], wanted[told.rows] >= 0
        if not known.any():
            return MISSING
        right = (heard["classifier"]["family"].argmax(axis=1) == asked)[known].astype(np.float64)
        return self._mean(right, told.groups[known])

    def examples_of(self, name: str, waves: NDArray[np.float32]) -> tuple[Sound, ...]:
        """Keeps sounds (class × sound, sample), equally many a class in the classes' order."""
        from darktimbre.evaluation.sounding import keep_sounds

        return keep_sounds(self.folder, name, waves, self.asked.names, self.corpus.sample_rate)


SOUNDS = 3  # of each class and arm, to listen to
CAUTION = (
    "Intervals tell what other notes or conditions would have given, not what another training run would have: that is "
    "seen from the arm that was trained twice."
)


def setting_of(one: Instrument) -> dict[str, Any]:
    """What an arm's bundle says of the settings that arms differ in."""
    recipe = one.synthesizer.bundle.config.get("recipe") or {}
    network = recipe.get("network") or {}
    return {
        "mode_seeking": float((recipe.get("objectives") or {}).get("mode_seeking", 0.0)),
        "minibatch_deviation": bool(network.get("minibatch_stddev", True)),
        "pac": int(network.get("pac", 1)),
        "run_seed": int(recipe.get("seed", 0)),
    }
