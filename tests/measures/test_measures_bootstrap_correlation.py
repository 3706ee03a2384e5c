"""Intervals of correlations: against scipy, against resampled rows, and whether they hold as often as they say."""

import numpy as np
import pytest
from scipy import stats

from darktimbre.measures.correlation import bootstrap_correlation, fisher_interval, pearson


def clustered(random: np.random.Generator, groups: int, notes: int, columns: int, rho: float) -> tuple[np.ndarray, ...]:
    """Instruments that differ more than the notes of each; both with correlation rho."""

    def pair(*shape: int) -> tuple[np.ndarray, np.ndarray]:
        first = random.normal(size=shape)
        return first, rho * first + (1 - rho**2) ** 0.5 * random.normal(size=shape)

    between, within = pair(groups, 1, columns), pair(groups, notes, columns)
    target, predicted = (a + 0.6 * b for a, b in zip(between, within, strict=True))
    return target.reshape(-1, columns), predicted.reshape(-1, columns), np.repeat(np.arange(groups), notes)


def test_fishers_interval_as_scipys() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(2, 25))
    for predicted in (y, x + y, x - 0.1 * y, x):
        found = stats.pearsonr(x, predicted)
        for level in (0.95, 0.8):
            expected = found.confidence_interval(level)
            assert fisher_interval(found.statistic, 25, level) == pytest.approx(tuple(expected), abs=1e-6)


def test_fishers_interval_at_its_ends() -> None:
    assert fisher_interval([1.0, -1.0], 10).tolist() == [[1, -1], [1, -1]]
    assert fisher_interval([0.3, np.nan], 3)[:, 0].tolist() == [-1, 1]
    assert np.isnan(fisher_interval([0.3, np.nan], 3)[:, 1]).all()
    assert np.isnan(fisher_interval([0.3, np.nan], 30)[:, 1]).all()


def test_fishers_interval_holds_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    x, e = random.normal(size=(2, 30, 4000))
    low, high = fisher_interval(pearson(x, 0.5 * x + 0.75**0.5 * e), 30)
    assert ((low <= 0.5) & (high >= 0.5)).mean() == pytest.approx(0.95, abs=0.014)  # four standard errors


def test_every_resample_is_the_correlation_of_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    # With the percentiles taken away, what is left are the resampled correlations themselves.
    random = np.random.default_rng(2)
    target = random.normal(size=(60, 3)) * [1, 1e-9, 1e12] + [0, 5, 1e14]
    predicted = target + random.normal(size=(60, 3)) * [1, 1e-9, 1e12]
    groups = random.integers(0, 9, 60)
    seen: list[np.ndarray] = []

    def spy(resampled: np.ndarray, groups: int, level: float) -> np.ndarray:
        seen.append(resampled)
        return np.zeros((2, *resampled.shape[1:]))

    monkeypatch.setattr("darktimbre.measures.correlation.percentiles", spy)
    bootstrap_correlation(target, predicted, groups, resamples=20, seed=4)
    draws = np.random.default_rng(4)
    for row, mean in zip(seen[0], seen[1], strict=True):
        rows = np.concatenate([np.flatnonzero(groups == group) for group in draws.integers(0, 9, 9)])
        expected = [stats.pearsonr(target[rows, column], predicted[rows, column]).statistic for column in range(3)]
        assert row == pytest.approx(expected, abs=1e-6)  # the second column has 1e-9 of its mean to vary by
        assert mean == pytest.approx(np.mean(row))


def test_intervals_over_instruments_hold_and_those_over_notes_do_not() -> None:
    random = np.random.default_rng(3)
    held = {"instruments": 0.0, "notes": 0.0, "Fisher": 0.0}
    for seed in range(8):
        target, predicted, groups = clustered(random, 40, 6, 50, 0.6)
        each = pearson(target, predicted)
        ends = {
            "instruments": bootstrap_correlation(target, predicted, groups, seed=seed)[1:3],
            "notes": bootstrap_correlation(target, predicted, seed=seed)[1:3],
            "Fisher": fisher_interval(each, len(target)),
        }
        for name, (low, high) in ends.items():
            held[name] += float(((low <= 0.6) & (high >= 0.6)).mean()) / 8
    assert 0.9 < held["instruments"] < 0.98
    assert max(held["notes"], held["Fisher"]) < 0.8


def test_the_mean_is_surer_than_each_and_within_its_interval() -> None:
    found = bootstrap_correlation(*clustered(np.random.default_rng(4), 30, 5, 20, 0.5))
    assert found.mean == pytest.approx(found.each.mean())
    assert found.mean_low < found.mean < found.mean_high
    assert found.mean_high - found.mean_low < np.median(found.high - found.low) / 2
    assert (found.low < found.high).all()


def test_seeded_and_deaf_to_order_shift_and_scale() -> None:
    target, predicted, groups = clustered(np.random.default_rng(5), 12, 5, 4, 0.5)
    found = bootstrap_correlation(target, predicted, groups, seed=1)
    order = np.random.default_rng(6).permutation(60)
    for other in (
        bootstrap_correlation(target, predicted, groups, seed=1),
        bootstrap_correlation(target[order], predicted[order], groups[order], seed=1),
        bootstrap_correlation(7 * target - 3, predicted / 9 + 1e3, groups, seed=1),
    ):
        for mine, theirs in zip(found, other, strict=True):
            assert mine == pytest.approx(theirs, abs=1e-9)
    assert bootstrap_correlation(target, predicted, groups, seed=2).mean_low != found.mean_low


def test_columns_that_do_not_vary_are_left_out_wherever_they_do_not() -> None:
    random = np.random.default_rng(7)
    target, predicted = random.normal(size=(2, 40, 3))
    groups = np.repeat(np.arange(8), 5)
    target[:, 0] = 0.1
    target[:, 1] = 0.3
    target[:5, 1] = 0.7  # one instrument has it, and not every resample has the instrument
    found = bootstrap_correlation(target, predicted, groups)
    assert np.isnan([found.each[0], found.low[0], found.high[0]]).all()
    assert -1 <= found.low[1] <= found.each[1] <= found.high[1] <= 1
    assert found.mean == pytest.approx(found.each[1:].mean())
    nothing = bootstrap_correlation(np.ones((6, 2)), predicted[:6, :2], [0, 0, 1, 1, 2, 2])
    assert np.isnan([nothing.mean, nothing.mean_low, nothing.mean_high]).all()


def test_one_instrument_has_no_error() -> None:
    x, y = np.random.default_rng(8).normal(size=(2, 20, 2))
    found = bootstrap_correlation(x, y, np.zeros(20))
    assert np.isfinite(found.mean)
    assert np.isnan([*found.low, *found.high, found.mean_low, found.mean_high]).all()


def test_a_group_for_every_note_is_needed() -> None:
    with pytest.raises(ValueError, match="one group a note"):
        bootstrap_correlation(np.ones((4, 1)), np.ones((4, 1)), [0, 1])
