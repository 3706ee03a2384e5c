"""How well two tables of numbers go together, column by column: target attributes against predicted ones."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from darktimbre.measures.interval import group_index, percentiles


def pearson(first: ArrayLike, second: ArrayLike) -> np.ndarray:
    """Pearson's correlation of each column, `(row, column)` twice → `(column,)` float64 in [-1, 1].

    NaN where a column does not vary in one of the two: there is then nothing to correlate.
    """
    x, y = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 2:
        raise ValueError(f"two tables (row, column) of one shape are needed, not {x.shape} and {y.shape}")
    result = np.full(x.shape[1], np.nan)
    if len(x) < 2:
        return result
    # Checked on the values, since rounding in the mean leaves a constant column a variance of 1e-30 or so.
    varies = (np.ptp(x, axis=0) > 0) & (np.ptp(y, axis=0) > 0)
    x, y = x[:, varies], y[:, varies]
    x, y = x / np.abs(x).max(axis=0), y / np.abs(y).max(axis=0)  # no overflow in the squares
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    together = (x * y).sum(axis=0) / np.sqrt(np.square(x).sum(axis=0) * np.square(y).sum(axis=0))
    result[varies] = np.clip(together, -1.0, 1.0)
    return result


class MeanCorrelation(NamedTuple):
    """The mean over columns that vary in both tables, and how many of all columns those are."""

    mean: float
    columns: int
    of: int


def mean_pearson(first: ArrayLike, second: ArrayLike) -> MeanCorrelation:
    """`pearson`, averaged over the columns where it is defined; NaN where there are none."""
    each = pearson(first, second)
    defined = each[~np.isnan(each)]
    return MeanCorrelation(float(defined.mean()) if len(defined) else float("nan"), len(defined), len(each))


def fisher_interval(r: ArrayLike, n: int, level: float = 0.95) -> np.ndarray:
    """Confidence interval of a correlation, tanh(artanh r ± z/√(n - 3)) (Fisher 1921): `(…)` → `(2, …)`, low and high.

    It holds for independent rows; with several notes of an instrument it is too narrow: use `bootstrap_correlation`.
    [-1, 1] below four rows; NaN where r is.
    """
    each = np.asarray(r, dtype=np.float64)
    if n < 4:
        ends = np.stack([np.full_like(each, -1.0), np.full_like(each, 1.0)])
        return np.asarray(np.where(np.isnan(each), np.nan, ends))
    half = stats.norm.ppf((1 + level) / 2) / np.sqrt(n - 3)
    with np.errstate(divide="ignore"):  # artanh ±1 is infinite, and tanh of that ±1
        z = np.arctanh(each)
    return np.asarray(np.tanh(np.stack([z - half, z + half])))


class BootstrapCorrelation(NamedTuple):
    """Correlations with their intervals.

    Attributes:
        each, low, high: of each column `(column,)`; NaN where it is not defined.
        mean, mean_low, mean_high: of their mean over the columns where it is.
    """

    each: np.ndarray
    low: np.ndarray
    high: np.ndarray
    mean: float
    mean_low: float
    mean_high: float


def bootstrap_correlation(
    target: ArrayLike,
    predicted: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    resamples: int = 200,
    seed: int = 0,
    level: float = 0.95,
) -> BootstrapCorrelation:
    """`pearson` of each column and their mean, with intervals by resampling whole groups (cluster bootstrap).

    Notes of one instrument are not independent: what another choice of instruments would have given is the question.

    Args:
        target, predicted: `(note, column)`.
        groups: `(note,)`, the instrument of each note; each note alone by default.
        resamples: how many.
        seed: of what is drawn.
        level: of confidence.

    Raises:
        ValueError: the shapes differ.
    """
    each = pearson(target, predicted)
    index, count = group_index(groups, len(np.asarray(target)))
    random = np.random.default_rng(seed)
    weights = np.zeros((resamples, count))
    for row in weights:
        np.add.at(row, random.integers(0, count, count), 1)
    resampled = np.full((resamples, len(each)), np.nan)
    defined = ~np.isnan(each)
    if defined.any():
        x, y = (np.asarray(side, dtype=np.float64)[:, defined] for side in (target, predicted))
        resampled[:, defined] = _weighted_correlation(x, y, index, weights)
    low, high = percentiles(resampled, count, level)
    means = _mean_of_defined(resampled)
    mean_low, mean_high = percentiles(means, count, level).tolist()
    return BootstrapCorrelation(each, low, high, float(_mean_of_defined(each[None])[0]), mean_low, mean_high)


def _weighted_correlation(x: np.ndarray, y: np.ndarray, index: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Correlation of each column when group g counts weights[r, g] times: → `(resample, column)`.

    From sums over each group, so that the notes are read once: the scatter within groups adds up as it is, that between
    groups follows from their means.
    """
    order = np.argsort(index, kind="stable")
    starts = np.searchsorted(index[order], np.arange(weights.shape[1]))
    sizes = np.diff(np.append(starts, len(index)))[:, None]

    def standard(table: np.ndarray) -> np.ndarray:
        table = table / np.abs(table).max(axis=0)  # no overflow in the squares
        table = table - table.mean(axis=0)
        return np.asarray((table / np.abs(table).max(axis=0))[order])

    x, y = standard(x), standard(y)
    mean_x, mean_y = (np.add.reduceat(side, starts) / sizes for side in (x, y))
    x, y = x - np.repeat(mean_x, sizes[:, 0], axis=0), y - np.repeat(mean_y, sizes[:, 0], axis=0)
    total = weights @ sizes

    def scatter(a: np.ndarray, b: np.ndarray, mean_a: np.ndarray, mean_b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        within = weights @ np.add.reduceat(a * b, starts)
        squares = weights @ (sizes * mean_a * mean_b)
        between = squares - (weights @ (sizes * mean_a)) * (weights @ (sizes * mean_b)) / total
        return within + between, squares

    xx, rounding_x = scatter(x, x, mean_x, mean_x)
    yy, rounding_y = scatter(y, y, mean_y, mean_y)
    xy, _ = scatter(x, y, mean_x, mean_y)
    varies = (xx > 1e-13 * rounding_x) & (yy > 1e-13 * rounding_y)  # a constant column leaves rounding
    together = np.full(xy.shape, np.nan)
    together[varies] = xy[varies] / np.sqrt(xx[varies] * yy[varies])
    return np.asarray(np.clip(together, -1.0, 1.0))


def _mean_of_defined(table: np.ndarray) -> np.ndarray:
    """Mean of each row over the columns that are not NaN; NaN where all are."""
    counted = (~np.isnan(table)).sum(axis=1)
    return np.asarray(np.where(counted > 0, np.nansum(table, axis=1) / np.maximum(counted, 1), np.nan))


def monotonicity(given: ArrayLike, response: ArrayLike) -> np.ndarray:
    """Spearman's rank correlation of each row with what was given: 1 where the response rises with every step.

    `(step,)` and `(note, step)` → `(note,)` float64; equal values share their mean rank, and a response that does not
    change at all is not monotone: 0.

    Raises:
        ValueError: shapes differ, or fewer than two different values are given.
    """
    steps, rows = np.asarray(given, dtype=np.float64), np.asarray(response, dtype=np.float64)
    if steps.ndim != 1 or rows.ndim != 2 or rows.shape[1] != len(steps) or len(np.unique(steps)) < 2:
        raise ValueError(f"steps (step,) that differ and responses (note, step), not {steps.shape} and {rows.shape}")
    ranks = stats.rankdata(rows, axis=1).T
    found = pearson(np.repeat(stats.rankdata(steps)[:, None], len(rows), axis=1), ranks)
    return np.nan_to_num(found, nan=0.0)
