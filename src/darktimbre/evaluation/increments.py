"""What the teacher hears when one attribute of the condition is raised → the figures of DarkGAN §4.4.2, tests 2 and 3.

Pure functions of arrays; `control` asks for the sounds. The teacher's answer F is the soft label at the instrument's
temperature, as the condition α is.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from darktimbre.evaluation.results import Curve
from darktimbre.measures.interval import group_index, percentiles

Array = NDArray[np.float64]
Counts = NDArray[np.float64]
SMALLEST, DECADES = -3.0, 3.6  # log10 of the first δ of test 2, and how far the last is above it
GREATEST = 5.0  # last δ of test 3
ROUNDING = 1e-13  # a variance that is less of the mean square is nothing but the rounding of equal values


# ---------------------------------------------------------------------------------------------------------------------
# δ_l = 10^(−3 + 3.6 l / L),  l = 0 … L (paper: L = 50)                                              DarkGAN §4.4.2 (2)
# ---------------------------------------------------------------------------------------------------------------------
def shifts(steps: int = 50) -> tuple[float, ...]:
    """Increments of the out-of-distribution correlation: dense within [0, 1], the last is 10^0.6 = 3.98."""
    return tuple(float(10 ** (SMALLEST + DECADES * step / steps)) for step in range(steps + 1))


# ---------------------------------------------------------------------------------------------------------------------
# δ_k = 5 k / K,  k = 0 … K (paper: K = 25, so k / 5)                                                DarkGAN §4.4.2 (3)
# ---------------------------------------------------------------------------------------------------------------------
def even_steps(steps: int = 25) -> tuple[float, ...]:
    """Increments of the increment consistency, from 0 to 5 in equal steps."""
    return tuple(float(GREATEST * step / steps) for step in range(steps + 1))


# ---------------------------------------------------------------------------------------------------------------------
# ρ^i_δ = ρ(F^i(G(z, p, α + δ e_i)), α^i + δ), for each δ                                            DarkGAN §4.4.2 (2)
# ---------------------------------------------------------------------------------------------------------------------
def raised_correlation(asked: NDArray[np.floating], heard: NDArray[np.floating], counts: Counts) -> Array:
    """Correlation of one attribute's values with what is heard of it after it was raised, per increment.

    A correlation is the same for α and α + δ; taking α keeps the digits that adding δ to a faint label would cost.

    Args:
        asked: (note,) values before they are raised.
        heard: (increment, note) the teacher's answers.
        counts: (draw, note) how often each note counts: 1 for the notes as they are.

    Returns:
        (draw, increment) in [-1, 1]. 0 where what is heard does not vary: what stays put follows nothing. NaN where
        what is asked does not vary.
    """
    x, y, weights = _standard(asked[None]), _standard(heard), counts / counts.sum(axis=1, keepdims=True)
    mean_x, mean_y = weights @ x.T, weights @ y.T
    square_x, square_y = weights @ np.square(x).T, weights @ np.square(y).T
    xx, yy = square_x - np.square(mean_x), square_y - np.square(mean_y)
    moves_x, moves_y = xx > ROUNDING * square_x, yy > ROUNDING * square_y
    each = np.zeros(mean_y.shape)
    defined = moves_x & moves_y
    together = weights @ (x * y).T - mean_x * mean_y
    each[defined] = together[defined] / np.sqrt(xx * yy)[defined]
    each[~moves_x[:, 0]] = np.nan
    return np.asarray(np.clip(each, -1.0, 1.0))


# ---------------------------------------------------------------------------------------------------------------------
# ΔF^i_δ = mean_j [F^i(G(z_j, p_j, α_j + δ e_i)) − F^i(G(z_j, p_j, α_j))] / std_j F^i(G(z_j, p_j, α_j))
#                                                                                                    DarkGAN §4.4.2 (3)
# ---------------------------------------------------------------------------------------------------------------------
def increment_in_deviations(
    before: NDArray[np.floating],
    after: NDArray[np.floating],
    counts: Counts,
    unraised: NDArray[np.floating] | None = None,
) -> Array:
    """How far raising one attribute moves what is heard of it, in standard deviations of what is heard without.

    Args:
        before: (note,) answers without increment.
        after: (increment, note) answers with it.
        counts: (draw, note) how often each note counts: 1 for the notes as they are.
        unraised: (any note,) answers without increment to take the deviation of, the same for all draws; by default
            it is that of `before` in the same draw.

    Returns:
        (draw, increment); NaN where the answers without increment do not vary.
    """
    weights = counts / counts.sum(axis=1, keepdims=True)
    rows, shares = (before[None], weights) if unraised is None else (unraised[None], np.ones((1, len(unraised))))
    start, shares = _standard(rows), shares / shares.sum(axis=1, keepdims=True)
    mean, square = shares @ start.T, shares @ np.square(start).T
    variance = square - np.square(mean)
    deviation = np.sqrt(np.where(variance > ROUNDING * square, variance, np.nan)) * _scale(rows)
    moved = np.asarray(after, np.float64) - np.asarray(before, np.float64)
    return np.asarray(weights @ moved.T / deviation)


def resampled_counts(groups: NDArray[np.integer], resamples: int, seed: int) -> Counts:
    """How often each note counts (draw, note): first once each, then in resamples of whole groups with replacement.

    Notes of one group (one real instrument) are not independent, and a resample of single notes would think them so.
    """
    random = np.random.default_rng(seed)
    index, count = group_index(groups, len(groups))
    drawn = [np.bincount(random.integers(count, size=count), minlength=count)[index] for _ in range(resamples)]
    return np.stack([np.ones(len(groups)), *drawn])


def _standard(rows: NDArray[np.floating]) -> Array:
    """Rows (row, note) about their mean and within ±1, so that squares neither overflow nor drown; 0 for equal ones."""
    wide = np.asarray(rows, np.float64)
    varies = np.ptp(wide, axis=1, keepdims=True) > 0  # of equal ones, the mean's rounding would be left
    return np.where(varies, (wide - wide.mean(axis=1, keepdims=True)) / _scale(wide), 0.0)


def _scale(rows: NDArray[np.floating]) -> Array:
    """Range of each row (row, 1); 1 for a row of equal values."""
    spans = np.ptp(np.asarray(rows, np.float64), axis=1, keepdims=True)
    return np.where(spans > 0, spans, 1.0)


class Average(NamedTuple):
    """Mean over attributes per increment with its interval, and how many attributes it is over."""

    mean: Array
    low: Array
    high: Array
    attributes: int


def mean_over_attributes(each: NDArray[np.floating], groups: int, *, seed: int, level: float = 0.95) -> Average:
    """The mean over attributes, and its interval when attributes and notes are both drawn anew (Owen 2007).

    Args:
        each: (draw, attribute, increment); draw 0 is of the notes as they are, the others of resampled notes. An
            attribute with NaN in draw 0 is left out; one with NaN in another draw only from that draw's mean.
        groups: how many groups of notes were resampled. The interval is widened for the fewer of groups and attributes
            (`measures.interval.percentiles`); what there is only one of, it does not speak for.
        seed: of the draws of attributes.
        level: of the interval.

    Returns:
        (increment,) each; NaN without any attribute, and the interval where nothing can be resampled.
    """
    defined = np.isfinite(each[0]).all(axis=1)
    each, count = np.asarray(each, np.float64)[:, defined], int(defined.sum())
    nothing = np.full(each.shape[2], np.nan)
    if not count:
        return Average(nothing, nothing, nothing, 0)
    random = np.random.default_rng(seed)
    means = np.full((len(each) - 1, each.shape[2]), np.nan)
    for row, draw in zip(means, each[1:], strict=True):
        taken = draw[random.integers(count, size=count)]
        taken = taken[np.isfinite(taken).all(axis=1)]
        if len(taken):
            row[:] = taken.mean(axis=0)
    fewest = min((many for many in (count, groups) if many > 1), default=1)
    low, high = percentiles(means, fewest, level) if len(means) else (nothing, nothing)
    return Average(each[0].mean(axis=0), low, high, count)


def curve(increments: tuple[float, ...], average: Average, notes: int) -> Curve:
    """The same as a curve to draw."""
    mean, low, high = (tuple(map(float, values)) for values in average[:3])
    return Curve(increments, mean, low, high, attributes=average.attributes, notes=notes)
