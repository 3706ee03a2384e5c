"""Figures of a report: rounding, intervals, differences, verdicts and marks."""

import math

import pytest

from darktimbre.report.estimates import MISSING, Estimate, marks, number, rounded, verdict, written

LOW, NEAR, FAR = Estimate(1.0, 0.8, 1.2), Estimate(1.3, 1.1, 1.5), Estimate(2.0, 1.9, 2.1)


@pytest.mark.parametrize(
    ("estimate", "expected"),
    [
        (Estimate(0.3138, 0.2689, 0.3512), ("0.31", "[0.27, 0.35]")),  # half a width of 0.04: two places
        (Estimate(0.3138, 0.301, 0.327), ("0.314", "[0.301, 0.327]")),  # of 0.013: three
        (Estimate(19.449, spread=0.26), ("19.45", "± 0.26")),
        (Estimate(812.345, spread=41.0), ("812", "± 41")),
        (Estimate(1234.5, spread=8.0), ("1,234", "± 8")),
        (Estimate(36.02), ("36.0", "")),  # no uncertainty: three digits
        (Estimate(0.90049), ("0.900", "")),
        (Estimate(-0.004, -0.05, 0.05), ("0.00", "[−0.05, 0.05]")),  # no minus zero
        (Estimate(0.0), ("0.00", "")),
        (Estimate(None), ("–", "")),
        (Estimate(float("nan")), ("–", "")),
    ],
)
def test_a_figure_is_rounded_as_its_uncertainty_warrants(estimate: Estimate, expected: tuple[str, str]) -> None:
    assert rounded(estimate) == expected


def test_scale_and_places_can_be_given() -> None:
    assert written(Estimate(0.00067, spread=0.00002).times(1e4)) == "6.70 ± 0.20"
    assert written(Estimate(0.3138, 0.301, 0.327), 2) == "0.31 [0.30, 0.33]"
    assert number(-1234567.0, 0) == "−1,234,567"


def test_an_interval_is_what_is_given_else_follows_from_the_spread() -> None:
    assert Estimate(1.0, 0.5, 2.0, spread=9.0).interval == (0.5, 2.0)
    assert Estimate(1.0, spread=0.5).interval == pytest.approx((0.02, 1.98))
    assert Estimate(1.0).interval is None
    assert Estimate(None, 0.0, 1.0).interval is None


def test_a_difference_has_the_widest_interval_that_the_two_allow() -> None:
    assert written(FAR.minus(LOW), 1) == "1.0 [0.7, 1.3]"
    assert FAR.minus(Estimate(1.0)).interval is None
    assert not FAR.minus(MISSING).known
    assert math.isnan(float(MISSING))


def test_verdicts_need_intervals_apart() -> None:
    bare = Estimate(5.0)
    assert verdict(FAR.minus(LOW), 1) == "better"
    assert verdict(FAR.minus(LOW), -1) == "worse"
    assert verdict(LOW.minus(FAR), -1) == "better"
    assert verdict(LOW.minus(NEAR), 1) == verdict(NEAR.minus(LOW), 1) == "undecided"
    assert (
        verdict(bare.minus(FAR), 1) == verdict(bare.minus(FAR), -1) == "undecided"
    )  # without an interval nobody knows
    assert verdict(FAR.minus(MISSING), 1) is None


def test_only_a_clear_leader_is_called_best() -> None:
    assert marks([LOW, NEAR, FAR], 1) == ["", "", "best"]
    assert marks([LOW, MISSING, NEAR, FAR], -1) == ["tied", "", "tied", ""]
    assert marks([FAR], 1) == [""]  # nobody to be better than
    assert marks([LOW, Estimate(0.1)], -1) == ["", ""]  # without an interval nobody knows


@pytest.mark.parametrize("together", [-1.0, 0.0, 0.7, 1.0])
def test_intervals_apart_mean_that_a_test_of_the_difference_says_so_too(together: float) -> None:
    """However the two figures depend on each other, as those of the same conditions do."""
    for one, other, gap in ((0.3, 0.3, 1.2), (0.1, 0.9, 2.0), (0.5, 0.2, 1.4)):
        assert verdict(Estimate(gap, spread=one).minus(Estimate(0.0, spread=other)), 1) == "better"
        assert gap > 1.96 * (one**2 + other**2 - 2 * together * one * other) ** 0.5
