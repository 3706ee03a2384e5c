"""Crossed variance and mean distances: effects that are known, chance, scipy's distances."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist

from darktimbre.measures import tables, variation
from darktimbre.measures.variation import crossed_variance, mean_distance


def test_effects_laid_in_are_found() -> None:
    # Means of α, β and the rest are 0 along what they are crossed with, so squares add up exactly.
    first = np.array([-1.0, 0, 1])[:, None, None] * np.array([3.0, 0, 0])
    second = np.array([-1.0, 1])[None, :, None] * np.array([0, 2.0, 0])
    rest = np.array([[1.0, -1], [-2, 2], [1, -1]])[:, :, None] * np.array([0, 0, 1.0])
    squares = np.array([2 * 2 * 9, 3 * 2 * 4, 12.0])
    assert crossed_variance(7 + first + second + rest) == pytest.approx(squares / squares.sum())
    assert crossed_variance(7 + first + 0 * second) == pytest.approx((1, 0, 0))
    assert crossed_variance(7 + 0 * first + second) == pytest.approx((0, 1, 0))
    assert crossed_variance(rest) == pytest.approx((0, 0, 1))


def test_shares_add_up_swap_with_the_axes_and_ignore_rotation() -> None:
    random = np.random.default_rng(0)
    cells = random.normal(size=(4, 6, 5)) + random.normal(size=(4, 1, 5))
    found = crossed_variance(cells)
    assert sum(found) == pytest.approx(1)
    assert crossed_variance(cells.transpose(1, 0, 2)) == pytest.approx((found.second, found.first, found.both))
    turned = np.linalg.qr(random.normal(size=(5, 5)))[0]
    assert crossed_variance(100 - 3 * cells @ turned) == pytest.approx(found)


def test_what_chance_gives_is_what_the_docstring_says() -> None:
    cells = np.random.default_rng(1).normal(size=(4, 6, 4000))
    assert crossed_variance(cells) == pytest.approx((3 / 23, 5 / 23, 15 / 23), rel=0.05)


def test_no_variance_has_no_shares_and_one_condition_no_effect() -> None:
    assert np.isnan(crossed_variance(np.full((3, 4, 2), 0.1))).all()
    assert crossed_variance(np.random.default_rng(2).normal(size=(5, 1, 3))) == pytest.approx((1, 0, 0))
    with pytest.raises(ValueError, match="cells"):
        crossed_variance(np.zeros((3, 4)))


def test_mean_distance_as_scipys_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variation, "blocks", lambda rows: tables.blocks(rows, 7))
    random = np.random.default_rng(3)
    x, y = random.normal(size=(30, 4)), random.normal(size=(17, 4)).astype(np.float32)
    assert mean_distance(x) == pytest.approx(pdist(x).mean())
    assert mean_distance(x, y) == pytest.approx(cdist(x, y).mean())


def test_mean_distance_of_alike_and_of_two_points() -> None:
    assert mean_distance(np.full((5, 3), 1e9)) == 0
    assert mean_distance([[0.0, 0], [3, 4]]) == pytest.approx(5)
    assert mean_distance([[0.0, 0], [3, 4]], [[0.0, 0], [3, 4]]) == pytest.approx(2.5)
    with pytest.raises(ValueError, match="at least 2 notes"):
        mean_distance([[0.0, 1.0]])
