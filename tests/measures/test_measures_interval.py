"""Intervals and standard errors: scipy's bootstrap, groups, and whether they hold as often as they say."""

import numpy as np
import pytest
from scipy import stats

from darktimbre.measures.interval import bootstrap_mean, jackknife_error, mean_error, percentiles


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


def test_error_of_a_mean_by_hand() -> None:
    values = np.random.default_rng(6).exponential(size=30)
    assert mean_error(values) == pytest.approx(values.std(ddof=1) / 30**0.5, rel=1e-12)
    assert mean_error(values, np.arange(30)) == pytest.approx(mean_error(values), rel=1e-12)
    # equal groups: the error of the mean of their means
    means = values.reshape(6, 5).mean(axis=1)
    assert mean_error(values, np.repeat(list("abcdef"), 5)) == pytest.approx(means.std(ddof=1) / 6**0.5, rel=1e-12)
    assert np.isnan(mean_error(values, np.zeros(30)))
    assert mean_error(values > 1) == pytest.approx(np.std(values > 1, ddof=1) / 30**0.5)


def test_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(7).exponential(size=40)
    assert jackknife_error((values.sum() - values) / 39) == pytest.approx(mean_error(values), rel=1e-12)
    assert np.isnan(jackknife_error([1.0]))
    assert np.isnan(jackknife_error([]))


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
    for measure in (bootstrap_mean, mean_error):
        with pytest.raises(ValueError, match=r"values \(note,\)"):
            measure([])
        with pytest.raises(ValueError, match="one group a note"):
            measure([1.0, 2.0], [1])
