"""What a measure takes: a table of numbers, one row a note, checked once where it enters."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

BLOCK = 1024  # rows taken at a time: a block of distances is then 8 MB


def feature_table(features: ArrayLike, *, rows: int = 1) -> np.ndarray:
    """The features as an array `(note, dimension)`, float32 where they are, float64 else.

    Raises:
        ValueError: they are no table, hold fewer than `rows` notes or something that is not finite.
    """
    table = np.asarray(features)
    if table.ndim != 2 or table.shape[1] == 0:
        raise ValueError(f"a table (note, dimension) is needed, not one of shape {table.shape}")
    if len(table) < rows:
        raise ValueError(f"at least {rows} notes are needed, not {len(table)}")
    if table.dtype != np.float32:
        table = table.astype(np.float64, copy=False)
    # A sum is not finite when any number is not; a finite table whose sum overflows is looked at in full.
    with np.errstate(over="ignore", invalid="ignore"):
        if not np.isfinite(table.sum(dtype=np.float64)) and not np.isfinite(table).all():
            raise ValueError("the features hold values that are not finite")
    return table


def feature_tables(first: ArrayLike, second: ArrayLike, *, rows: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Two tables of one dimension.

    Raises:
        ValueError: either is no table, or their dimensions differ.
    """
    x, y = feature_table(first, rows=rows), feature_table(second, rows=rows)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"the two have features of different dimensions, {x.shape[1]} and {y.shape[1]}")
    return x, y


def blocks(rows: int, size: int = BLOCK) -> Iterator[slice]:
    """Consecutive slices that cover the rows."""
    for first in range(0, rows, size):
        yield slice(first, min(first + size, rows))
