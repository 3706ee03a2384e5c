"""Correlation: against scipy, and the cases where there is none."""

import numpy as np
import pytest
from scipy import stats

from darktimbre.measures.correlation import mean_pearson, monotonicity, pearson


def test_as_scipy_column_by_column() -> None:
    random = np.random.default_rng(0)
    first = random.normal(size=(50, 6))
    second = 0.5 * first + random.normal(size=(50, 6))
    expected = [stats.pearsonr(first[:, column], second[:, column]).statistic for column in range(6)]
    assert pearson(first, second) == pytest.approx(expected, abs=1e-12)
    assert mean_pearson(first, second).mean == pytest.approx(np.mean(expected))


def test_shifting_and_scaling_change_nothing_and_a_mirror_changes_the_sign() -> None:
    random = np.random.default_rng(1)
    first, second = random.normal(size=(2, 40, 3))
    assert pearson(3 * first + 100, second / 7 - 5) == pytest.approx(pearson(first, second))
    assert pearson(-first, second) == pytest.approx(-pearson(first, second))
    assert pearson(first, 2 * first + 1) == pytest.approx(np.ones(3))
    assert (np.abs(pearson(first, first)) <= 1).all()


def test_huge_values_do_not_overflow() -> None:
    first = np.array([[1e200], [2e200], [4e200]])
    assert pearson(first, [[1.0], [2.0], [4.0]]) == pytest.approx([1.0])


def test_float32_tables_are_summed_in_float64() -> None:
    random = np.random.default_rng(2)
    first = (10000 + random.normal(size=(500, 2))).astype(np.float32)
    second = (first + random.normal(size=(500, 2))).astype(np.float32)
    assert pearson(first, second) == pytest.approx(pearson(first.astype(float), second.astype(float)), abs=1e-12)


def test_a_constant_column_is_counted_out_and_said_so() -> None:
    random = np.random.default_rng(3)
    first, second = random.normal(size=(2, 10, 3))
    first[:, 1] = 0.1  # its mean is rounded, its variance therefore not quite zero
    each = pearson(first, second)
    assert np.isnan(each).tolist() == [False, True, False]
    result = mean_pearson(first, second)
    assert (result.columns, result.of) == (2, 3)
    assert result.mean == pytest.approx((each[0] + each[2]) / 2)
    assert np.isnan(mean_pearson(np.ones((5, 2)), np.ones((5, 2))).mean)


@pytest.mark.parametrize("shape", [(0, 3), (1, 3)])
def test_too_few_rows_correlate_nothing(shape: tuple[int, int]) -> None:
    assert np.isnan(pearson(np.zeros(shape), np.zeros(shape))).all()


def test_unlike_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        pearson(np.zeros((4, 2)), np.zeros((4, 1)))


def test_monotonicity_is_spearmans() -> None:
    random = np.random.default_rng(9)
    given = np.linspace(0, 1.5, 7)
    response = np.vstack([random.normal(size=(5, 7)), np.exp(given), -given, np.ones(7), np.minimum(given, 1)])
    found = monotonicity(given, response)
    for row, value in zip(response[:5], found, strict=False):
        assert value == pytest.approx(stats.spearmanr(given, row).statistic)
    assert found[5:8].tolist() == pytest.approx([1, -1, 0])  # what does not change is not monotone
    assert found[8] == pytest.approx(stats.spearmanr(given, response[8]).statistic)
    with pytest.raises(ValueError, match="that differ"):
        monotonicity([1.0, 1.0], np.zeros((2, 2)))
