"""How generated pictures or sounds spread over classes that a classifier names: shares, and how many are covered."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def class_shares(named: ArrayLike, classes: int) -> NDArray[np.float64]:
    """Share of each class (class,) among what was named (note,); they add up to 1.

    Raises:
        ValueError: nothing was named, or a name is none of the classes.
    """
    labels = np.asarray(named, dtype=np.int64)
    if labels.ndim != 1 or not len(labels):
        raise ValueError(f"names (note,) of at least one note are needed, not shape {labels.shape}")
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"names are 0 to {classes - 1}; found {labels.min()} to {labels.max()}")
    return np.bincount(labels, minlength=classes) / len(labels)


def classes_covered(shares: ArrayLike, *, part: float = 0.1) -> int:
    """How many classes have at least `part` of the share that each would have if all had the same."""
    each = np.asarray(shares, dtype=np.float64)
    return int((each >= part / len(each)).sum())
