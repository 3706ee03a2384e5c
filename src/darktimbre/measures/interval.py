"""How sure a figure is: bootstrap over notes or whole instruments, and shares of hits."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from darktimbre.measures.tables import blocks


class Interval(NamedTuple):
    """A figure and its confidence interval."""

    value: float
    low: float
    high: float


def wilson(hits: int, n: int, level: float = 0.95) -> Interval:
    """A share of hits with Wilson's score interval (Wilson 1927), which stays within [0, 1] and holds for few trials.

    NaN, within [0, 1], for no trials. The trials must be independent: notes of one instrument hardly are.

    Raises:
        ValueError: there are more hits than trials, or fewer than none.
    """
    if not 0 <= hits <= n:
        raise ValueError(f"{hits} hits of {n} trials")
    if n == 0:
        return Interval(float("nan"), 0.0, 1.0)
    z = _normal(level)
    share = hits / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    low, high = float(max(0.0, centre - half)), float(min(1.0, centre + half))
    return Interval(share, 0.0 if hits == 0 else low, 1.0 if hits == n else high)


def bootstrap_mean(
    values: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """The mean with its bootstrap interval, resampling whole groups where they are given.

    Args:
        values: `(note,)`.
        groups: `(note,)`, notes of one value belong together (an instrument); each note alone by default.
        resamples: how many.
        seed: of what is drawn.
        level: of confidence.

    Raises:
        ValueError: the shapes differ, or there is no value.
    """
    each = np.asarray(values, dtype=np.float64)
    if each.ndim != 1 or not len(each):
        raise ValueError(f"values (note,) are needed, not shape {each.shape}")
    index, count = group_index(groups, len(each))
    totals, sizes = np.bincount(index, each, count), np.bincount(index, minlength=count)
    means = np.empty(resamples)
    random = np.random.default_rng(seed)
    for part in blocks(resamples, 1 + 2**20 // count):  # draws of 8 MB at a time
        drawn = random.integers(0, count, (part.stop - part.start, count))
        means[part] = totals[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    return Interval(float(each.mean()), *percentiles(means, count, level).tolist())


def bootstrap_statistic(
    values: ArrayLike,
    statistic: Callable[[np.ndarray], float],
    groups: ArrayLike | None = None,
    *,
    resamples: int = 200,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Any figure of a set of notes with its bootstrap interval, resampling whole groups where they are given.

    Args:
        values: `(note, …)`; `np.arange(notes)` for a statistic of row numbers.
        statistic: of the resampled values `(note, …)`; a NaN does not count.
        groups, resamples, seed, level: as in `bootstrap_mean`.

    Raises:
        ValueError: the shapes differ, or there is no value.
    """
    each = np.asarray(values)
    if each.ndim < 1 or not len(each):
        raise ValueError(f"values (note, …) are needed, not shape {each.shape}")
    index, count = group_index(groups, len(each))
    members = np.split(np.argsort(index, kind="stable"), np.cumsum(np.bincount(index, minlength=count))[:-1])
    random = np.random.default_rng(seed)
    found = np.empty(resamples)
    for number in range(resamples):
        rows = np.concatenate([members[group] for group in random.integers(0, count, count)])
        found[number] = statistic(each[rows])
    return Interval(float(statistic(each)), *percentiles(found, count, level).tolist())


def group_index(groups: ArrayLike | None, notes: int) -> tuple[np.ndarray, int]:
    """Groups as numbers from 0 `(note,)`, and how many there are; each note its own where there are none.

    Raises:
        ValueError: there is not one group a note.
    """
    if groups is None:
        return np.arange(notes), notes
    names = np.asarray(groups)
    if names.shape != (notes,):
        raise ValueError(f"one group a note is needed, {notes}, not shape {names.shape}")
    found, index = np.unique(names, return_inverse=True)
    return index, len(found)


def percentiles(resampled: np.ndarray, groups: int, level: float = 0.95) -> np.ndarray:
    """Lower and upper end `(2, …)` of the bootstrap interval of what was resampled `(resample, …)`, NaN left out.

    Percentiles, taken further out for few groups: a resample of g groups varies by (g - 1)/g of the true variance,
    and its percentiles are normal ones where Student's are due (Hesterberg 2015, §5.3, "expanded percentile").
    One group tells nothing of others: NaN.
    """
    if groups < 2:
        return np.full((2, *resampled.shape[1:]), np.nan)
    tail = (1 - level) / 2
    tail = float(stats.norm.cdf(np.sqrt(groups / (groups - 1)) * stats.t.ppf(tail, groups - 1)))
    ordered = np.sort(resampled, axis=0)  # NaN comes last
    counted = (~np.isnan(resampled)).sum(axis=0)
    return np.stack([_quantile(ordered, counted, tail), _quantile(ordered, counted, 1 - tail)])


def _quantile(ordered: np.ndarray, counted: np.ndarray, share: float) -> np.ndarray:
    place = share * np.maximum(counted - 1, 0)
    below = np.floor(place).astype(int)
    above = np.minimum(below + 1, np.maximum(counted - 1, 0))
    low, high = (np.take_along_axis(ordered, at[None], axis=0)[0] for at in (below, above))
    return np.asarray(low + (high - low) * (place - below))


def _normal(level: float) -> float:
    return float(stats.norm.ppf((1 + level) / 2))
