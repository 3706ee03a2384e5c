"""How far two sets of sounds are apart by mean and covariance of their embeddings: the Fréchet (audio) distance.

torchmetrics has the distance for pictures, and is the reference in the tests. It takes the square roots of eigenvalues
of the unsymmetric product Σ₁Σ₂, which rounding makes complex or negative (what is imaginary is dropped, and two equal
sets may come out below 0), subtracts n·μμᵀ from a sum of squares, and needs a network wrapped around the features.
"""

from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg

from darktimbre.measures.interval import mean_error
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


def frechet_standard_error(reference: Moments, fake: ArrayLike, groups: ArrayLike | None = None) -> float:
    """Standard error of the distance of `fake` `(note, dimension)` to the reference, from which notes were drawn.

    What one note y moves the distance by, to first order, is 2·(μ_f - μ_r)·y' + ‖y'‖² - w'ᵀ C^-½ w', y' = y - μ_f, with
    w' = R_rᵀ y' and C its covariance: the gradient of the distance at the fake moments. Notes of one group (instrument)
    move it together: their parts are summed before they are squared (`interval.mean_error`). It counts neither the
    reference's own uncertainty, which all that is compared with it shares, nor the bias of a finite number.

    Args:
        groups: `(note,)`, notes of one value belong together; each note alone by default.

    Raises:
        ValueError: the dimensions differ, there are fewer than two notes, or not one group a note.
    """
    away, seen = _seen_from(reference, feature_table(fake, rows=2))
    values, vectors = linalg.eigh(seen.T @ seen / (len(seen) - 1)) if seen.size else (np.zeros(0), np.zeros((0, 0)))
    kept = values > _rounding(values)
    turned = seen @ vectors[:, kept]
    shift = away.mean(axis=0)
    away = away - shift
    moved = 2 * away @ shift + np.square(away).sum(axis=1) - np.square(turned) @ (1 / np.sqrt(values[kept]))
    return mean_error(moved, groups)


def notes_for_infinity(dimension: int) -> int:
    """How many notes on either side FAD∞ needs: three a dimension (`frechet_infinity` says why)."""
    return 3 * dimension


class ReferenceParts:
    """The reference's share in FAD∞, computed once for all systems that are compared with it.

    Attributes:
        seed: of which notes make up a half.
        whole: moments of all notes.
        halves: of the halves, two and two of which are all notes.
    """

    def __init__(self, reference: ArrayLike, seed: int = 0) -> None:
        """Takes features `(note, dimension)`.

        Raises:
            ValueError: they are too few for FAD∞.
        """
        self.seed = seed
        self.whole, self.halves = _halved(reference, seed)


class FrechetInfinity(NamedTuple):
    """The Fréchet distance as it would be with infinitely many notes on both sides.

    Attributes:
        value: 2·`distance` - mean of `halves`. May lie a little below 0 where sets are alike.
        standard_error: of it: from which notes were drawn of the fake (`frechet_standard_error`), and from which of
            them fell into a half, the root of the sum of both squares.
        distance: of all notes.
        halves: of each half to its half of the reference.
    """

    value: float
    standard_error: float
    distance: float
    halves: tuple[float, ...]


def frechet_infinity(
    reference: ArrayLike | ReferenceParts,
    fake: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    distance_error: float | None = None,
    seed: int = 0,
) -> FrechetInfinity:
    """FAD∞: the distance without the bias of few notes, extrapolated linearly in 1/size to 0 (Chong & Forsyth 2020, §4;
    of audio Gui et al. 2024, §3.2) on both sides at once.

    Of n fake and m real notes the distance is too great by a/n + b/m, and a little of higher order. Chong & Forsyth
    vary n alone, their reference being as good as infinite; with a finite one b/m would stay in: 6.8 where the truth is
    0, of 600 notes of 128 independent dimensions. Here equal shares of both are taken: half of the notes have twice the
    bias, so twice the distance of all less that of halves has none. Notes are dealt into quarters, and the three ways
    to pair these give six halves; every note is in as many halves as any other, so that which fell where hardly
    matters.

    Notes mean notes here: where all are of a few instruments, what more instruments would change is shown by the
    standard error with `groups`, and not extrapolated.

    With fewer than three notes a dimension the bias is no line in 1/size any more (of independent dimensions, the
    worst case, what is left is then 2 % of it, and more with fewer): such are refused. It takes seven eigenvalue
    problems of the dimension, and one covariance of either side; the reference's is not repeated with `ReferenceParts`.

    Args:
        reference: features `(note, dimension)`, or their parts, whose seed then counts.
        fake: features `(note, dimension)`.
        groups: of the fake notes `(note,)`, as in `frechet_standard_error`.
        distance_error: `frechet_standard_error(whole reference, fake, groups)` where it was computed before.
        seed: of which notes make up a half.

    Raises:
        ValueError: the dimensions differ, or there are too few notes on either side.
    """
    parts = reference if isinstance(reference, ReferenceParts) else ReferenceParts(reference, seed)
    table = feature_table(fake)
    if parts.whole.dimension != table.shape[1]:
        raise ValueError(f"the two have features of different dimensions, {parts.whole.dimension} and {table.shape[1]}")
    whole, halves = _halved(table, parts.seed)
    distance = _distance(parts.whole, whole)
    each = [_distance(a, b) for a, b in zip(parts.halves, halves, strict=True)]
    pairs = np.reshape(each, (-1, 2)).mean(axis=1)
    if distance_error is None:
        distance_error = frechet_standard_error(parts.whole, table, groups)
    dealt = pairs.std(ddof=1) / np.sqrt(len(pairs))
    return FrechetInfinity(
        float(2 * distance - pairs.mean()), float(np.hypot(distance_error, dealt)), distance, tuple(each)
    )


_PAIRED = (0, 1), (2, 3), (0, 2), (1, 3), (0, 3), (1, 2)
"""Quarters that make up a half; each half is followed or preceded by its other half."""


def _halved(features: ArrayLike, seed: int) -> tuple[Moments, tuple[Moments, ...]]:
    """Moments of all notes and of six halves, each note's product taken once: they are those of quarters, merged."""
    table = feature_table(features)
    if len(table) < max(8, needed := notes_for_infinity(table.shape[1])):
        raise ValueError(
            f"{len(table)} notes are too few to extrapolate from: {max(8, needed)} are needed, three a dimension"
        )
    order = np.random.default_rng(seed).permutation(len(table))
    quarters = [Moments().add(table[rows]) for rows in np.array_split(order, 4)]
    halves = tuple(Moments().merge(quarters[a]).merge(quarters[b]) for a, b in _PAIRED)
    return Moments().merge(halves[0]).merge(halves[1]), halves


def _seen_from(reference: Moments, fake: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The notes less the reference's mean, and those by its root: `(note, dimension)`, centred `(note, rank)`."""
    if reference.dimension != fake.shape[1]:
        raise ValueError(f"the two have features of different dimensions, {reference.dimension} and {fake.shape[1]}")
    if reference.count < 2:
        raise ValueError("a covariance needs at least two notes on either side")
    away = fake - reference.mean
    seen = (away - away.mean(axis=0)) @ reference.root
    return away, seen


def _distance(reference: Moments, other: Moments) -> float:
    """`frechet_distance` by eigenvalues of RᵀΣR alone: a quarter of the time, as the other's root is never needed, and
    good to 1e-8 of the distance's terms."""
    values = (
        linalg.eigvalsh(reference.root.T @ other.covariance @ reference.root) if reference.root.size else np.zeros(1)
    )
    overlap = np.sqrt(values[values > _rounding(values)]).sum()
    traces = np.trace(reference.covariance) + np.trace(other.covariance)
    return max(0.0, float(np.square(reference.mean - other.mean).sum() + traces - 2 * overlap))


def _root(covariance: np.ndarray) -> np.ndarray:
    values, vectors = linalg.eigh(covariance)
    kept = values > _rounding(values)
    return np.asarray(vectors[:, kept] * np.sqrt(values[kept]))


def _rounding(values: np.ndarray) -> float:
    """What an eigenvalue that is 0 may come out as."""
    return float(values.max(initial=0.0)) * len(values) * np.finfo(np.float64).eps
