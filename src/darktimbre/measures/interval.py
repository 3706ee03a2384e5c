"""How sure a figure is: bootstrap and standard errors over notes or whole instruments."""

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


def mean_error(values: ArrayLike, groups: ArrayLike | None = None) -> float:
    """Standard error of the mean of `values` `(note,)`, where notes of one group go together.

    √(G/(G - 1) · Σ_g (Σ_{i in g} (v_i - v̄))²) / n over the G groups (Liang & Zeger 1986, as corrected for few groups by
    e.g. Cameron & Miller 2015, §VI.B): what a group's notes have in common does not average out among them. Without
    groups it is the usual s/√n. NaN for one group: it tells nothing of others.

    Raises:
        ValueError: the shapes differ, or there is no value.
    """
    each = np.asarray(values, dtype=np.float64)
    if each.ndim != 1 or not len(each):
        raise ValueError(f"values (note,) are needed, not shape {each.shape}")
    index, count = group_index(groups, len(each))
    if count < 2:
        return float("nan")
    totals = np.bincount(index, each - each.mean(), count)
    return float(np.sqrt(count / (count - 1) * np.square(totals).sum()) / len(each))


def jackknife_error(without: ArrayLike) -> float:
    """Standard error of a figure from what it is without each group in turn `(group,)`: √((G - 1)/G · Σ (f_g - f̄)²)
    (Efron & Tibshirani 1993, eq. 11.5). NaN for fewer than two groups.
    """
    each = np.asarray(without, dtype=np.float64)
    if len(each) < 2:
        return float("nan")
    return float(np.sqrt((len(each) - 1) / len(each) * np.square(each - each.mean()).sum()))


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
    One group tells nothing of others: NaN; and so does no resample.
    """
    if groups < 2 or not len(resampled):
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


def bootstrap_means(
    values: ArrayLike, groups: ArrayLike | None = None, *, resamples: int = 400, seed: int = 0, level: float = 0.95
) -> np.ndarray:
    """`bootstrap_mean` of many columns by the same draws: values `(note, column)` → `(3, column)`, the means and both
    ends of their intervals. NaN do not count; a column without values is NaN.
    """
    each = np.asarray(values, dtype=np.float64)
    if each.ndim != 2 or not len(each):
        raise ValueError(f"values (note, column) are needed, not shape {each.shape}")
    index, count = group_index(groups, len(each))
    known = ~np.isnan(each)
    totals, sizes = np.zeros((count, each.shape[1])), np.zeros((count, each.shape[1]))
    np.add.at(totals, index, np.where(known, each, 0.0))
    np.add.at(sizes, index, known)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = (drawn @ totals) / (drawn @ sizes)
        middle = totals.sum(axis=0) / sizes.sum(axis=0)
    return np.concatenate([middle[None], percentiles(means, count, level)])
