"""How far two sets of sounds are apart by mean and covariance of their embeddings: the Fréchet (audio) distance.

torchmetrics has the distance for pictures, and is the reference in the tests. It takes the square roots of eigenvalues
of the unsymmetric product Σ₁Σ₂, which rounding makes complex or negative (what is imaginary is dropped, and two equal
sets may come out below 0), subtracts n·μμᵀ from a sum of squares, and needs a network wrapped around the features.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg

from darktimbre.measures.tables import BLOCK, blocks, feature_table


class Moments:
    """Mean and covariance of features that come in parts: `add` them, `merge` those of another process.

    Attributes:
        count: notes seen.
        mean: `(dimension,)` float64; of dimension 0 until the first features tell it.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = np.zeros(0)
        self._scatter = np.zeros((0, 0))  # Σ (x - mean)(x - mean)ᵀ

    @property
    def dimension(self) -> int:
        """Of a feature."""
        return len(self.mean)

    @property
    def covariance(self) -> np.ndarray:
        """`(dimension, dimension)`, with n - 1; NaN below two notes."""
        if self.count < 2:
            return np.full_like(self._scatter, np.nan)
        return np.asarray(self._scatter / (self.count - 1))

    def add(self, features: ArrayLike) -> "Moments":
        """Takes further notes in, `(note, dimension)`, block by block in float64; returns itself.

        Raises:
            ValueError: they are no table of its dimension.
        """
        table = feature_table(features, rows=0)
        for rows in blocks(len(table), 4 * BLOCK):
            part = table[rows].astype(np.float64)
            mean = part.mean(axis=0)
            part -= mean
            self._join(len(part), mean, part.T @ part)
        return self

    def merge(self, other: "Moments") -> "Moments":
        """Takes in what another has seen; returns itself.

        Raises:
            ValueError: its features are of another dimension.
        """
        self._join(other.count, other.mean, other._scatter)
        return self

    def _join(self, count: int, mean: np.ndarray, scatter: np.ndarray) -> None:
        """Chan, Golub & LeVeque 1983, eq. 2.1: nothing large is subtracted from anything large."""
        if not count:
            return
        if not self.count:
            self.count, self.mean, self._scatter = count, mean, scatter
        elif len(mean) != self.dimension:
            raise ValueError(f"features of dimension {len(mean)} do not go with {self.dimension}")
        else:
            together = self.count + count
            apart = mean - self.mean
            self._scatter = self._scatter + scatter + np.outer(apart, apart * (self.count * count / together))
            self.mean = self.mean + apart * (count / together)
            self.count = together
        self.__dict__.pop("root", None)

    @cached_property
    def root(self) -> np.ndarray:
        """R with RRᵀ = covariance, `(dimension, rank)`; computed once."""
        return _root(self.covariance)


def notes_for_full_rank(dimension: int) -> int:
    """How many notes a covariance matrix needs to have full rank: below, some directions seem not to vary at all."""
    return dimension + 1


def frechet_distance(a: Moments, b: Moments) -> float:
    """‖μ_a - μ_b‖² + tr(Σ_a + Σ_b - 2·(Σ_a Σ_b)^½), the squared 2-Wasserstein distance of two Gaussians (Dowson &
    Landau 1982, eq. 4; of audio embeddings Kilgour et al. 2019, eq. 2). Never negative.

    tr (Σ_a Σ_b)^½ is the sum of the square roots of the eigenvalues of the symmetric R_aᵀ Σ_b R_a with R_a R_aᵀ = Σ_a,
    that is the sum of the singular values of R_aᵀ R_b.

    Raises:
        ValueError: the dimensions differ, or one has seen fewer than two notes.
    """
    if a.dimension != b.dimension:
        raise ValueError(f"the two have features of different dimensions, {a.dimension} and {b.dimension}")
    if min(a.count, b.count) < 2:
        raise ValueError("a covariance needs at least two notes on either side")
    overlap = linalg.svdvals(a.root.T @ b.root).sum() if a.root.size and b.root.size else 0.0
    traces = np.trace(a.covariance) + np.trace(b.covariance)
    return max(0.0, float(np.square(a.mean - b.mean).sum() + traces - 2 * overlap))  # two equal sets may give -1e-16


def frechet_standard_error(reference: Moments, fake: ArrayLike) -> float:
    """Standard error of the distance of `fake` `(note, dimension)` to the reference, from which notes were drawn.

    What one note y moves the distance by, to first order, is 2·(μ_f - μ_r)·y' + ‖y'‖² - w'ᵀ C^-½ w', y' = y - μ_f, with
    w' = R_rᵀ y' and C its covariance: the gradient of the distance at the fake moments. It takes the notes as
    independent, and counts neither the reference's own uncertainty nor the bias of a finite number.

    Raises:
        ValueError: the dimensions differ, or there are fewer than two notes.
    """
    away, seen = _seen_from(reference, feature_table(fake, rows=2))
    values, vectors = linalg.eigh(seen.T @ seen / (len(seen) - 1)) if seen.size else (np.zeros(0), np.zeros((0, 0)))
    kept = values > _rounding(values)
    turned = seen @ vectors[:, kept]
    shift = away.mean(axis=0)
    away = away - shift
    moved = 2 * away @ shift + np.square(away).sum(axis=1) - np.square(turned) @ (1 / np.sqrt(values[kept]))
    return float(moved.std(ddof=1) / np.sqrt(len(moved)))


class FrechetInfinity(NamedTuple):
    """The Fréchet distance as it would be with infinitely many generated notes.

    Attributes:
        value: where the line through `distances` over 1/size meets 0. May lie a little below 0 where sets are alike.
        standard_error: of it: from how the distances scatter about the line, and from which notes were drawn at all
            (`frechet_standard_error`), the root of the sum of both squares.
        sizes, distances: the points of the line.
    """

    value: float
    standard_error: float
    sizes: tuple[int, ...]
    distances: tuple[float, ...]


def frechet_infinity(
    reference: ArrayLike | Moments, fake: ArrayLike, *, sizes: Sequence[int] | None = None, seed: int = 0
) -> FrechetInfinity:
    """FAD∞: the distance of random parts of `fake` to the reference, extrapolated linearly in 1/size to 0 (Chong &
    Forsyth 2020, §4; of audio Gui et al. 2024, §3.2). The reference is always all of it: what its own finite number
    adds stays in, the same for every system that is compared with it.

    Args:
        reference: features `(note, dimension)`, or their moments, whose root is then computed only once.
        fake: features `(note, dimension)`; many more notes than the features have dimensions that matter, for the bias
            is a line in 1/size only then.
        sizes: at least three different numbers of notes; by default 15, evenly spaced in 1/size from half of the notes
            to all of them. Smaller parts bend the line: the result is then too low.
        seed: of which notes are drawn, without repetition.

    Raises:
        ValueError: the dimensions differ, or there are too few notes or sizes.
    """
    a = reference if isinstance(reference, Moments) else Moments().add(reference)
    table = feature_table(fake, rows=8)
    chosen = tuple(sizes) if sizes is not None else _default_sizes(len(table))
    if len(set(chosen)) < 3 or min(chosen) < 2 or max(chosen) > len(table):
        raise ValueError(f"three or more sizes from 2 to {len(table)} are needed, not {chosen}")
    away, seen = _seen_from(a, table)
    random = np.random.default_rng(seed)
    distances = []
    for size in chosen:
        rows = random.permutation(len(table))[:size]
        distances.append(_distance_of(a, away[rows], seen[rows]))
    value, error = _intercept(1 / np.array(chosen), np.array(distances))
    error = float(np.hypot(error, frechet_standard_error(a, table)))
    return FrechetInfinity(value, error, chosen, tuple(distances))


def _seen_from(reference: Moments, fake: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The notes less the reference's mean, and those by its root: `(note, dimension)`, centred `(note, rank)`."""
    if reference.dimension != fake.shape[1]:
        raise ValueError(f"the two have features of different dimensions, {reference.dimension} and {fake.shape[1]}")
    if reference.count < 2:
        raise ValueError("a covariance needs at least two notes on either side")
    away = fake - reference.mean
    seen = (away - away.mean(axis=0)) @ reference.root
    return away, seen


def _distance_of(reference: Moments, away: np.ndarray, seen: np.ndarray) -> float:
    """The distance of some notes from what `_seen_from` tells of them: their covariance is never made, only RᵀΣR."""
    mean, free = away.mean(axis=0), len(away) - 1
    seen = seen - seen.mean(axis=0)
    square = seen.T @ seen if len(seen) > seen.shape[1] else seen @ seen.T  # the other has the same values, and zeros
    values = linalg.eigvalsh(square / free) if square.size else np.zeros(1)
    overlap = np.sqrt(values[values > _rounding(values)]).sum()
    scatter = np.square(away).sum() - len(away) * np.square(mean).sum()
    return max(0.0, float(np.square(mean).sum() + np.trace(reference.covariance) + scatter / free - 2 * overlap))


def _default_sizes(notes: int, points: int = 15) -> tuple[int, ...]:
    inverse = np.linspace(2 / notes, 1 / notes, points)
    return tuple(int(size) for size in np.unique(np.round(1 / inverse).astype(int)))


def _root(covariance: np.ndarray) -> np.ndarray:
    values, vectors = linalg.eigh(covariance)
    kept = values > _rounding(values)
    return np.asarray(vectors[:, kept] * np.sqrt(values[kept]))


def _rounding(values: np.ndarray) -> float:
    """What an eigenvalue that is 0 may come out as."""
    return float(values.max(initial=0.0)) * len(values) * np.finfo(np.float64).eps


def _intercept(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Of the line through the points by least squares, and its standard error."""
    away = x - x.mean()
    slope = (away @ y) / (away @ away)
    value = y.mean() - slope * x.mean()
    rest = y - value - slope * x
    variance = (rest @ rest) / (len(x) - 2)
    return float(value), float(np.sqrt(variance * (1 / len(x) + x.mean() ** 2 / (away @ away))))
