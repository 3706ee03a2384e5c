"""Features of sounds that no training used → figures beside the teacher's own.

A generator whose loss holds the teacher can learn sounds that only the teacher takes for an attribute. So the same
question is put to a network with another front end and other training: a *probe*, fitted on real notes, reads the
teacher's logits off its features. Its ceilings are the codec's round trip and another note of the same instrument.
"""

from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from darktimbre.evaluation.conditions import Conditions
from darktimbre.evaluation.control import attribute_correlation
from darktimbre.evaluation.profile import Profile
from darktimbre.evaluation.results import MISSING, Estimate, Independent
from darktimbre.evaluation.scores import RoleFeatures, in_tune, mean_estimate, with_error
from darktimbre.extractors.extractors import Features
from darktimbre.measures.kernel import kernel_distance
from darktimbre.measures.neighbours import fidelity_and_diversity, radii
from darktimbre.measures.ridge import Ridge, ridge
from darktimbre.notes.attributes import Attributes
from darktimbre.notes.temperature import bounded_logits

PROBES = {"probe": "independent", "probe_by_classifier": "classifier"}
"""Field of `Independent` → role of the extractor whose embedding it reads."""


class IndependentReference:
    """Real notes of the train split, in the features of networks that no training used."""

    def __init__(
        self,
        features: RoleFeatures,
        logits: NDArray[np.float32],
        groups: NDArray[np.int64],
        profile: Profile,
        seed: int,
    ) -> None:
        """`logits` (note, label) by the teacher of these notes, without one no labels; `groups` (note,) instruments."""
        self.features, self.logits, self.groups, self.profile, self.seed = features, logits, groups, profile, seed

    @cached_property
    def probes(self) -> dict[str, Ridge]:
        """By field of `Independent`: an embedding → the teacher's logits (note, label); λ by instruments left out."""
        return {
            field: ridge(self.features[role]["embedding"], bounded_logits(self.logits), self.groups, seed=self.seed)
            for field, role in PROBES.items()
            if role in self.features and self.logits.shape[1]
        }

    @cached_property
    def _radii(self) -> NDArray[np.float64]:
        return radii(self.features["independent"]["embedding"], self.profile.neighbours)

    def score(
        self,
        features: RoleFeatures,
        target: Conditions,
        attributes: Attributes,
        *,
        columns: list[int],
        real: Features | None = None,
        notes: int | None = None,
    ) -> Independent:
        """The figures of sounds generated from `target`; those without an extractor are missing.

        Args:
            features: of the sounds, by role.
            target: the real notes that conditions were taken from.
            attributes: whose correlation is taken, at `columns` of the teacher's labels.
            real: what `SoundExtractor` finds of those real notes themselves; None: sounds are not compared with them.
            notes: distances are taken over so many sounds, the first.
        """
        found = {
            field: self._correlation(self.probes[field], features[PROBES[field]], target, attributes, columns)
            for field in self.probes
            if columns
        }
        if "independent" in features:
            found |= self._distances(features["independent"]["embedding"][:notes], target.groups[:notes])
        if "swift" in features and (hits := in_tune(features["swift"]["f0"], target.hertz)) is not None:
            found["pitch_by_swift"] = self._mean(hits, target.groups)
        if real is not None:
            mine = features["fundamental"]
            found["level"] = self._mean(np.float64(mine["level"]) - real["level"], target.groups)
            for field in ("unevenness", "modulation"):
                found[field] = self._share(mine[field], real[field], target.groups)
        return Independent(**found)

    def _correlation(
        self, probe: Ridge, features: Features, target: Conditions, attributes: Attributes, columns: list[int]
    ) -> Estimate:
        """Mean correlation of the conditions' logits with those that a probe predicts of the sounds."""
        predicted = probe.predict(features["embedding"])[:, columns].astype(np.float32)
        return attribute_correlation(
            target, predicted, replace(attributes, pitches=()), resamples=self.profile.resamples, seed=self.seed
        ).logit_mean

    def _distances(self, mine: NDArray[np.float32], groups: NDArray[np.int64]) -> dict[str, Estimate]:
        real, profile = self.features["independent"]["embedding"], self.profile
        kernel = kernel_distance(
            real, mine, subsets=1, subset_size=min(profile.subset_size, len(real), len(mine)), groups=groups,
            seed=self.seed,
        )  # fmt: skip
        near = fidelity_and_diversity(
            real, mine, k=profile.neighbours, real_radii=self._radii, real_groups=self.groups, fake_groups=groups
        )
        return {
            "kid": with_error(kernel.value, kernel.standard_error),
            "coverage": with_error(near.coverage, near.errors.coverage),
        }

    def _mean(self, values: NDArray[np.float64], groups: NDArray[np.int64]) -> Estimate:
        return mean_estimate(values, groups, self.profile.resamples, self.seed)

    def _share(self, mine: NDArray[np.float32], real: NDArray[np.float32], groups: NDArray[np.int64]) -> Estimate:
        """The mean of the sounds by that of the real notes, which is taken as given, over the pairs that have both."""
        both = np.isfinite(mine) & np.isfinite(real)
        if not both.any() or not (whole := float(real[both].mean(dtype=np.float64))) > 0:
            return MISSING
        return self._mean(mine[both].astype(np.float64) / whole, groups[both])
