"""Features of some sounds and of real notes → the figures of table 1."""

import math
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from darktimbre.evaluation.profile import Profile
from darktimbre.evaluation.results import MISSING, Estimate, Scores
from darktimbre.extractors.extractors import Features
from darktimbre.measures.frechet import (
    Moments,
    ReferenceParts,
    frechet_distance,
    frechet_infinity,
    frechet_standard_error,
    notes_for_full_rank,
    notes_for_infinity,
)
from darktimbre.measures.inception import inception_score, inception_score_error
from darktimbre.measures.interval import bootstrap_mean, mean_error
from darktimbre.measures.kernel import kernel_distance
from darktimbre.measures.neighbours import fidelity_and_diversity, radii
from darktimbre.measures.pitch import interval_cents

CENTS = 50.0  # a note counts as in tune within a quarter tone

RoleFeatures = dict[str, Features]
"""By the extractor's role (`embedder`, `classifier`, `fundamental`, `teacher`) and the feature's name."""


class Reference:
    """Real notes that all sounds are compared with; what follows from their features is computed once."""

    def __init__(self, features: RoleFeatures, groups: NDArray[np.int64], profile: Profile, seed: int) -> None:
        """`groups` is the instrument of each note (note,); `seed` of subsets and resamples, counted by the profile."""
        self.features, self.groups, self.profile, self.seed = features, groups, profile, seed
        self.embedding: NDArray[np.float32] = features["embedder"]["embedding"]  # (note, dimension)

    @cached_property
    def moments(self) -> Moments:
        """Mean and covariance of the embedding."""
        return Moments().add(self.embedding)

    @cached_property
    def radii(self) -> NDArray[np.float64]:
        """Distance of each note to its k-th neighbour."""
        return radii(self.embedding, self.profile.neighbours)

    @cached_property
    def parts(self) -> ReferenceParts:
        """Its share in FAD∞."""
        return ReferenceParts(self.embedding, self.seed)

    def score(
        self,
        features: RoleFeatures,
        *,
        hertz: NDArray[np.float64],
        pitch_classes: NDArray[np.int64],
        groups: NDArray[np.int64],
        notes: int | None = None,
    ) -> Scores:
        """The figures of one set of sounds; the spread of each is its standard error, of notes grouped by instrument.

        Args:
            features: of the sounds.
            hertz: target pitch in Hz (note,); empty without pitch.
            pitch_classes: the same as columns of the classifier's logits; −1 where it has none.
            groups: the real instrument each condition comes from (note,), for the intervals.
            notes: all figures are taken over so many sounds, the first, but FAD∞, which does not depend on how many.
        """
        infinite = self._frechet_infinity(features["embedder"]["embedding"], groups)
        features = {role: {name: table[:notes] for name, table in tables.items()} for role, tables in features.items()}
        hertz, pitch_classes, groups = hertz[:notes], pitch_classes[:notes], groups[:notes]
        mine, profile = features["embedder"]["embedding"], self.profile
        near = fidelity_and_diversity(
            self.embedding, mine, k=profile.neighbours, real_radii=self.radii, real_groups=self.groups,
            fake_groups=groups,
        )  # fmt: skip
        space = "classifier" if "classifier" in features else "embedder"
        kernel = kernel_distance(
            self.features[space]["embedding"], features[space]["embedding"], subsets=profile.subsets,
            subset_size=profile.subset_size, groups=groups, seed=self.seed,
        )  # fmt: skip
        logits, named = features.get("classifier", {}), None
        if "pitch" in logits and len(pitch_classes) and (pitch_classes >= 0).all():  # it knows all those pitches
            named = (logits["pitch"].argmax(axis=1) == pitch_classes).astype(np.float64)

        def share(hits: NDArray[np.float64] | None) -> Estimate:
            return MISSING if hits is None else mean_estimate(hits, groups, profile.resamples, self.seed, spread=True)

        return Scores(
            notes=len(mine),
            pitch_inception=_inception(logits.get("pitch"), groups),
            family_inception=_inception(logits.get("family"), groups),
            kid=with_error(kernel.value, kernel.standard_error),
            kid_subsets=with_error(kernel.mean, kernel.std),
            fad=self._frechet(mine, groups),
            fad_infinity=infinite,
            precision=with_error(near.precision, near.errors.precision),
            recall=with_error(near.recall, near.errors.recall),
            density=with_error(near.density, near.errors.density),
            coverage=with_error(near.coverage, near.errors.coverage),
            pitch_by_classifier=share(named),
            pitch_by_f0=share(in_tune(features["fundamental"]["f0"], hertz)),
        )

    def _frechet(self, mine: NDArray[np.float32], groups: NDArray[np.int64]) -> Estimate:
        if min(len(mine), self.moments.count) < notes_for_full_rank(mine.shape[1]):
            return MISSING
        error = frechet_standard_error(self.moments, mine, groups)
        return with_error(frechet_distance(self.moments, Moments().add(mine)), error)

    def _frechet_infinity(self, mine: NDArray[np.float32], groups: NDArray[np.int64]) -> Estimate:
        if min(len(mine), self.moments.count) < notes_for_infinity(mine.shape[1]):
            return MISSING
        limit = frechet_infinity(self.parts, mine, groups=groups)
        return with_error(limit.value, limit.standard_error)


def with_error(value: float, error: float) -> Estimate:
    """A figure with its standard error, where there is one: a single instrument says nothing about others."""
    return Estimate(value, spread=error if math.isfinite(error) else None)


def _inception(logits: NDArray[np.float32] | None, groups: NDArray[np.int64]) -> Estimate:
    if logits is None or logits.shape[1] < 2:
        return MISSING
    odds = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    return with_error(inception_score(probabilities), inception_score_error(probabilities, groups))


def in_tune(f0: NDArray[np.float32], hertz: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """1 where the fundamental is within a quarter tone of the target; None without pitch."""
    if not len(hertz):
        return None
    return (np.abs(interval_cents(f0, hertz)) <= CENTS).astype(np.float64)


def mean_estimate(
    values: NDArray[np.float64], groups: NDArray[np.int64] | None, resamples: int, seed: int, *, spread: bool = False
) -> Estimate:
    """The mean of values (note,) with its bootstrap interval over groups, where it has one, and its standard error."""
    mean = bootstrap_mean(values, groups, resamples=resamples, seed=seed)
    if not (math.isfinite(mean.low) and math.isfinite(mean.high)):
        return Estimate(mean.value)
    return Estimate(*mean, mean_error(values, groups) if spread else None)
