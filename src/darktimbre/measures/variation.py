"""What moves a sound, and how far: shares of the variance when two things are crossed, and distances between sounds."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from darktimbre.measures.tables import blocks, feature_table, feature_tables


class VarianceShares(NamedTuple):
    """Shares of the variance: of the first factor, of the second, and of their combination; they add up to 1."""

    first: float
    second: float
    both: float


def crossed_variance(x: ArrayLike) -> VarianceShares:
    """Two-way analysis of variance, one observation a cell, sums of squares over all dimensions.

    x_ab = mean + α_a + β_b + rest_ab; the shares are Σ‖α‖², Σ‖β‖² and Σ‖rest‖² over all cells, by their sum. Mind that
    chance alone gives the first factor (a - 1)/(ab - 1), and the second (b - 1)/(ab - 1). NaN where nothing varies.

    Args:
        x: `(a, b, dimension)`, e.g. the embedding of latent a with attributes b.

    Raises:
        ValueError: there is no cell.
    """
    cells = np.asarray(x, dtype=np.float64)
    if cells.ndim != 3 or min(cells.shape) < 1:
        raise ValueError(f"cells (a, b, dimension) are needed, not shape {cells.shape}")
    varies = np.ptp(cells, axis=(0, 1)).any()  # of equal cells, the mean's rounding would be left
    cells = cells - cells.mean(axis=(0, 1))
    first, second = cells.mean(axis=1), cells.mean(axis=0)
    rest = cells - first[:, None] - second[None]
    squares = np.array(
        [
            cells.shape[1] * np.square(first).sum(),
            cells.shape[0] * np.square(second).sum(),
            np.square(rest).sum(),
        ]
    )
    shares = squares / squares.sum() if varies else np.full(3, np.nan)
    return VarianceShares(*shares.tolist())


def mean_distance(x: ArrayLike, y: ArrayLike | None = None) -> float:
    """Mean Euclidean distance of all pairs, one of each set; with one set, of all pairs of different notes.

    Features `(note, dimension)`; in blocks, in float64.

    Raises:
        ValueError: they are no tables of one dimension; or there is one set, of a single note.
    """
    if y is None:
        first = feature_table(x, rows=2)
        return _total(first, first) / (len(first) * (len(first) - 1))
    first, second = feature_tables(x, y)
    return _total(first, second) / (len(first) * len(second))


def _total(x: np.ndarray, y: np.ndarray) -> float:
    from scipy.spatial.distance import cdist  # differences first: exact 0 for equal notes

    return float(
        sum(
            cdist(x[rows].astype(np.float64), y[columns]).sum() for rows in blocks(len(x)) for columns in blocks(len(y))
        )
    )
