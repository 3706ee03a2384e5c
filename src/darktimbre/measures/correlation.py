"""How well two tables of numbers go together, column by column: asked attributes against heard ones."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


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
