"""A linear map from one description of sounds to another, fitted with a penalty that unseen groups choose."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from darktimbre.measures.interval import group_index
from darktimbre.measures.tables import feature_table

PENALTIES = tuple(float(one) for one in 10.0 ** np.arange(-3, 3.01, 0.5))
FOLDS = 5


@dataclass(frozen=True)
class Ridge:
    """y ≈ x · weights + offset.

    Attributes:
        weights: `(dimension, column)`.
        offset: `(column,)`.
        penalty: λ.
        error: mean squared error on the folds that were left out, as a share of the targets' variance.
    """

    weights: NDArray[np.float64]
    offset: NDArray[np.float64]
    penalty: float
    error: float

    def predict(self, features: ArrayLike) -> NDArray[np.float64]:
        """`(note, dimension)` → `(note, column)`."""
        return np.asarray(features, np.float64) @ self.weights + self.offset


def ridge(
    features: ArrayLike,
    targets: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    penalties: tuple[float, ...] = PENALTIES,
    folds: int = FOLDS,
    seed: int = 0,
) -> Ridge:
    """Ridge regression (Hoerl & Kennard 1970): W = (XᵀX + λ n I)⁻¹ XᵀY, X and Y standardised, n notes.

    λ is the one of `penalties` with the least squared error on groups left out, over all columns: one λ, since columns
    are logits of one teacher. Where there is only one group, the largest.

    Args:
        features: `(note, dimension)`.
        targets: `(note, column)`; a column that does not vary is predicted as it is.
        groups: `(note,)`, notes of one value (an instrument) are never in two folds; each note alone by default.
        penalties: λ to choose from.
        folds: how many; at most as many as groups.
        seed: of which groups are together.

    Raises:
        ValueError: they are no tables of as many rows, two at least.
    """
    x = feature_table(features, rows=2).astype(np.float64)
    y = np.asarray(targets, np.float64)
    if y.ndim != 2 or len(y) != len(x):
        raise ValueError(f"targets (note, column) of {len(x)} notes are needed, not shape {y.shape}")
    index, count = group_index(groups, len(x))
    x_centre, x_scale, y_centre, y_scale = *_standard(x), *_standard(y)
    x, y = (x - x_centre) / x_scale, (y - y_centre) / y_scale
    fold = np.random.default_rng(seed).permutation(count)[index] % max(2, min(folds, count))
    errors = np.zeros(len(penalties))
    for number in np.unique(fold) if count > 1 else ():
        kept, left = fold != number, fold == number
        centre_x, centre_y = x[kept].mean(axis=0), y[kept].mean(axis=0)
        spaces = _solutions(x[kept] - centre_x, y[kept] - centre_y, penalties)
        for place, weights in enumerate(spaces):
            errors[place] += np.square(y[left] - centre_y - (x[left] - centre_x) @ weights).sum()
    best = int(errors.argmin()) if count > 1 else len(penalties) - 1
    (weights,) = _solutions(x, y, penalties[best : best + 1])
    weights = weights * y_scale / x_scale[:, None]
    share = float(errors[best] / max(np.square(y).sum(), 1e-300)) if count > 1 else float("nan")
    return Ridge(weights, y_centre - x_centre @ weights, penalties[best], share)


def _solutions(
    x: NDArray[np.float64], y: NDArray[np.float64], penalties: tuple[float, ...]
) -> list[NDArray[np.float64]]:
    """W for each λ, by one decomposition: XᵀX = V diag(s) Vᵀ, or of fewer notes than dimensions XXᵀ.

    (XᵀX + λ n I)⁻¹ Xᵀ = Xᵀ (XXᵀ + λ n I)⁻¹.
    """
    few = len(x) < x.shape[1]
    squares, vectors = np.linalg.eigh(x @ x.T if few else x.T @ x)
    turned, back = vectors.T @ (y if few else x.T @ y), x.T @ vectors if few else vectors
    return [back @ (turned / (squares.clip(min=0)[:, None] + one * len(x))) for one in penalties]


def _standard(table: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(mean, deviation) of each column; the deviation of one that does not vary is 1."""
    centre, deviation = table.mean(axis=0), table.std(axis=0)
    return centre, np.where(np.ptp(table, axis=0) > 0, deviation, 1.0)
