"""Intervals: scipy's Wilson and bootstrap, groups, and whether they hold as often as they say."""

import numpy as np
import pytest
from scipy import stats

from darktimbre.measures.interval import bootstrap_mean, bootstrap_statistic, percentiles, wilson


@pytest.mark.parametrize(("hits", "n"), [(0, 7), (7, 7), (1, 1), (30, 100), (9990, 10000)])
@pytest.mark.parametrize("level", [0.95, 0.8])
def test_wilson_as_scipys(hits: int, n: int, level: float) -> None:
    value, low, high = wilson(hits, n, level)
    expected = stats.binomtest(hits, n).proportion_ci(level, method="wilson")
    assert (value, low, high) == pytest.approx((hits / n, expected.low, expected.high), abs=1e-12)
    assert 0 <= low <= value <= high <= 1


def test_wilson_of_nothing() -> None:
    value, low, high = wilson(0, 0)
    assert np.isnan(value)
    assert (low, high) == (0, 1)
    with pytest.raises(ValueError, match="3 hits of 2"):
        wilson(3, 2)


def test_mean_of_many_independent_notes_as_the_normal_interval() -> None:
    values = np.random.default_rng(0).exponential(size=2000)
    found = bootstrap_mean(values, resamples=4000)
    half = 1.96 * values.std(ddof=1) / 2000**0.5
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1 * half)


def test_mean_as_scipys_bootstrap() -> None:
    values = np.random.default_rng(1).normal(size=400)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=4000, method="percentile", rng=0).confidence_interval
    found = bootstrap_mean(values, resamples=4000)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)


def test_any_statistic_resamples_the_same_groups_as_the_mean() -> None:
    random = np.random.default_rng(2)
    values, groups = random.normal(size=80), random.integers(0, 9, 80)
    mean = bootstrap_mean(values, groups, resamples=100, seed=3)
    assert bootstrap_statistic(values, np.mean, groups, resamples=100, seed=3) == pytest.approx(mean)
    by_row = bootstrap_statistic(np.arange(80), lambda rows: values[rows].mean(), groups, resamples=100, seed=3)
    assert by_row == pytest.approx(mean)
    table = np.stack([values, values], axis=1)
    assert bootstrap_statistic(table, lambda rows: float(rows.mean()), groups, resamples=100, seed=3) == pytest.approx(
        mean
    )


def test_names_of_groups_do_not_matter_but_their_notes_stay_together() -> None:
    random = np.random.default_rng(4)
    level, groups = random.normal(size=20), np.repeat(np.arange(20), 50)
    values = level[groups] + 0.01 * random.normal(size=1000)
    together, alone = bootstrap_mean(values, groups), bootstrap_mean(values)
    assert bootstrap_mean(values, groups, resamples=1000, seed=0) == together
    assert bootstrap_mean(values, np.array([f"bank {group:02}" for group in groups])) == together
    assert together.high - together.low > 5 * (alone.high - alone.low)


@pytest.mark.parametrize("groups", [6, 20])
def test_the_interval_of_a_mean_holds_with_few_groups(groups: int) -> None:
    random, index = np.random.default_rng(5), np.repeat(np.arange(groups), 4)
    held = 0
    for seed in range(300):
        values = random.normal(size=groups)[index] + random.normal(size=len(index))
        found = bootstrap_mean(values, index, resamples=200, seed=seed)
        held += found.low <= 0 <= found.high
    assert held / 300 == pytest.approx(0.945, abs=0.045)  # three and a half standard errors


def test_percentiles_leave_out_what_is_not_defined_and_widen_for_few_groups() -> None:
    resampled = np.stack([np.linspace(0, 1, 1001)] * 2, axis=1)
    assert percentiles(resampled, 10**6)[:, 0] == pytest.approx([0.025, 0.975], abs=1e-4)
    tail = stats.norm.cdf((10 / 9) ** 0.5 * stats.t.ppf(0.025, 9))
    assert percentiles(resampled, 10)[:, 0] == pytest.approx([tail, 1 - tail])
    resampled[::2, 1] = np.nan
    assert percentiles(resampled, 10**6)[:, 1] == pytest.approx([0.025, 0.975], abs=2e-3)
    assert np.isnan(percentiles(np.full((9, 1), np.nan), 10)).all()
    assert np.isnan(percentiles(resampled, 1)).all()


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match=r"values \(note,\)"):
        bootstrap_mean([])
    with pytest.raises(ValueError, match="one group a note"):
        bootstrap_mean([1.0, 2.0], [1])
    with pytest.raises(ValueError, match="values"):
        bootstrap_statistic(3.0, np.mean)
