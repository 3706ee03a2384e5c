"""What a measure takes and what it refuses."""

import numpy as np
import pytest

from darktimbre.measures.tables import blocks, feature_table


def test_float32_stays_and_everything_else_becomes_float64() -> None:
    assert feature_table(np.ones((2, 2), np.float32)).dtype == np.float32
    for kind in (np.float16, np.int16, np.bool_, np.float64):
        assert feature_table(np.ones((2, 2), kind)).dtype == np.float64


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(value: float) -> None:
    table = np.ones((3, 2))
    table[1, 1] = value
    with pytest.raises(ValueError, match="not finite"):
        feature_table(table)


def test_huge_but_finite_values_are_not() -> None:
    assert feature_table(np.full((4, 2), 1e308)).max() == 1e308


@pytest.mark.parametrize("shape", [(3,), (3, 0), (2, 2, 2)])
def test_only_tables_are_taken(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="note, dimension"):
        feature_table(np.zeros(shape))


def test_blocks_cover_every_row_once() -> None:
    for rows in (0, 1, 5, 6, 7):
        assert [row for block in blocks(rows, 3) for row in range(rows)[block]] == list(range(rows))
