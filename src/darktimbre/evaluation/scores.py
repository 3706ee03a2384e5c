"""What listeners heard in some sounds and in real notes → the figures of table 1."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from darktimbre.evaluation.profile import Profile
from darktimbre.evaluation.results import MISSING, Estimate, Scores
from darktimbre.measures.frechet import (
    Moments,
    frechet_distance,
    frechet_infinity,
    frechet_standard_error,
    notes_for_full_rank,
)
from darktimbre.measures.inception import inception_score, inception_score_splits
from darktimbre.measures.interval import bootstrap_mean
from darktimbre.measures.kernel import kernel_distance
from darktimbre.measures.neighbours import fidelity_and_diversity, radii
from darktimbre.measures.pitch import interval_cents

CENTS = 50.0  # a note counts as in tune within a quarter tone

Features = dict[str, dict[str, NDArray[np.float32]]]
"""By listener (`embedder`, `classifier`, `fundamental`, `teacher`) and by what it tells, each (note, …)."""


class Reference:
    """What was heard in the real notes that all sounds are compared with; what follows from it is computed once."""

    def __init__(self, heard: Features, neighbours: int) -> None:
        self.heard, self.neighbours = heard, neighbours

    @property
    def embedding(self) -> NDArray[np.float32]:
        """(note, dimension)."""
        return self.heard["embedder"]["embedding"]

    @cached_property
    def moments(self) -> Moments:
        """Mean and covariance of the embedding."""
        return Moments().add(self.embedding)

    @cached_property
    def radii(self) -> NDArray[np.float64]:
        """Distance of each note to its k-th neighbour."""
        return radii(self.embedding, self.neighbours)


def full_rank(notes: int, dimension: int) -> bool:
    """Whether so many notes can give a covariance of full rank."""
    return notes >= notes_for_full_rank(dimension)


def score(
    heard: Features,
    reference: Reference,
    *,
    hertz: NDArray[np.float64],
    pitch_classes: NDArray[np.int64],
    groups: NDArray[np.int64],
    profile: Profile,
    seed: int,
) -> Scores:
    """The figures of one set of sounds.

    Args:
        heard: of the sounds.
        reference: of the real notes they are compared with.
        hertz: pitch asked for in Hz (note,); empty without pitch.
        pitch_classes: the same as columns of the classifier's answer; −1 where it has none.
        groups: the real instrument each condition comes from (note,), for the intervals.
        profile: subsets, neighbours, resamples.
        seed: of subsets and resamples.
    """
    mine = heard["embedder"]["embedding"]
    count = len(mine)
    far, infinite = MISSING, MISSING
    if full_rank(min(count, reference.moments.count), mine.shape[1]):
        distance = frechet_distance(reference.moments, Moments().add(mine))
        far = Estimate(distance, spread=frechet_standard_error(reference.moments, mine))
        limit = frechet_infinity(reference.moments, mine, seed=seed)
        infinite = Estimate(limit.value, spread=limit.standard_error)
    near = fidelity_and_diversity(reference.embedding, mine, k=reference.neighbours, real_radii=reference.radii)
    space = "classifier" if "classifier" in heard else "embedder"
    kernel = kernel_distance(
        reference.heard[space]["embedding"], heard[space]["embedding"],
        subsets=profile.subsets, subset_size=profile.subset_size, seed=seed,
    )  # fmt: skip
    judged = heard.get("classifier", {})
    return Scores(
        notes=count,
        pitch_inception=_inception(judged.get("pitch"), seed),
        family_inception=_inception(judged.get("family"), seed),
        kid=Estimate(kernel.value, spread=kernel.std),
        fad=far,
        fad_infinity=infinite,
        precision=_binomial(near.precision, count),
        recall=_binomial(near.recall, reference.moments.count),
        density=Estimate(near.density),
        coverage=_binomial(near.coverage, reference.moments.count),
        pitch_by_classifier=_share(_classified(judged.get("pitch"), pitch_classes), groups, profile, seed),
        pitch_by_f0=_share(_in_tune(heard["fundamental"]["f0"], hertz), groups, profile, seed),
    )


def _inception(logits: NDArray[np.float32] | None, seed: int) -> Estimate:
    if logits is None or logits.shape[1] < 2:
        return MISSING
    odds = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    _, spread = inception_score_splits(probabilities, splits=min(10, len(probabilities)), seed=seed)
    return Estimate(inception_score(probabilities), spread=spread)


def _classified(logits: NDArray[np.float32] | None, classes: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """1 where the classifier says the pitch asked for; None without a classifier that knows all those pitches."""
    if logits is None or not len(classes) or (classes < 0).any():
        return None
    return (logits.argmax(axis=1) == classes).astype(np.float64)


def _in_tune(f0: NDArray[np.float32], hertz: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """1 where the fundamental is within a quarter tone of the pitch asked for."""
    if not len(hertz):
        return None
    return (np.abs(interval_cents(f0, hertz)) <= CENTS).astype(np.float64)


def _binomial(share: float, notes: int) -> Estimate:
    """A share of so many notes with its standard error, the notes taken as independent."""
    return Estimate(share, spread=float(np.sqrt(share * (1 - share) / notes)))


def _share(hits: NDArray[np.float64] | None, groups: NDArray[np.int64], profile: Profile, seed: int) -> Estimate:
    if hits is None:
        return MISSING
    mean = bootstrap_mean(hits, groups, resamples=profile.resamples, seed=seed)
    return Estimate(mean.value, mean.low, mean.high)
