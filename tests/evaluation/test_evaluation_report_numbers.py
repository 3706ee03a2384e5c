"""Figures of the report: rounding, intervals, verdicts and marks, and the numbers transcribed from the paper."""

import pytest

from darktimbre.evaluation.report import paper
from darktimbre.evaluation.report.numbers import (
    FURTHER_MEASURES,
    PAPER_MEASURES,
    figure,
    interval,
    marks,
    named,
    number,
    told,
    verdict,
)
from darktimbre.evaluation.results import MISSING, Estimate


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
    assert figure(estimate) == expected


def test_scale_and_places_can_be_given() -> None:
    assert told(Estimate(0.00067, spread=0.00002), scale=1e4) == "6.70 ± 0.20"
    assert told(Estimate(0.3138, 0.301, 0.327), decimals=2) == "0.31 [0.30, 0.33]"
    assert number(-1234567.0, 0) == "−1,234,567"


def test_an_interval_is_what_is_given_else_follows_from_the_spread() -> None:
    assert interval(Estimate(1.0, 0.5, 2.0, spread=9.0)) == (0.5, 2.0)
    low, high = interval(Estimate(1.0, spread=0.5)) or (0.0, 0.0)
    assert (low, high) == pytest.approx((0.02, 1.98))
    assert interval(Estimate(1.0)) is None
    assert interval(Estimate(None, 0.0, 1.0)) is None


def test_verdicts_need_intervals_apart() -> None:
    low, near, far, bare = Estimate(1.0, 0.8, 1.2), Estimate(1.3, 1.1, 1.5), Estimate(2.0, 1.9, 2.1), Estimate(5.0)
    assert verdict(far, low, 1) == "better"
    assert verdict(far, low, -1) == "worse"
    assert verdict(low, far, -1) == "better"
    assert verdict(low, near, 1) == verdict(near, low, 1) == "level"
    assert verdict(bare, far, 1) == "ahead"
    assert verdict(bare, far, -1) == "behind"
    assert verdict(far, MISSING, 1) is None


def test_only_a_clear_leader_is_called_best() -> None:
    low, near, far = Estimate(1.0, 0.8, 1.2), Estimate(1.3, 1.1, 1.5), Estimate(2.0, 1.9, 2.1)
    assert marks([low, near, far], 1) == ["", "", "best"]
    assert marks([low, MISSING, near, far], -1) == ["tied", "", "tied", ""]
    assert marks([far], 1) == [""]  # nobody to be better than
    assert marks([low, Estimate(0.1)], -1) == ["", ""]  # without an interval nobody knows


@pytest.mark.parametrize("together", [-1.0, 0.0, 0.7, 1.0])
def test_intervals_apart_mean_that_a_test_of_the_difference_says_so_too(together: float) -> None:
    """However the two figures hang together, as those of the same conditions do."""
    for one, other, gap in ((0.3, 0.3, 1.2), (0.1, 0.9, 2.0), (0.5, 0.2, 1.4)):
        assert verdict(Estimate(gap, spread=one), Estimate(0.0, spread=other), 1) == "better"
        assert gap > 1.96 * (one**2 + other**2 - 2 * together * one * other) ** 0.5


def test_kid_names_its_embedding_and_distances_decide_nothing_on_held_out_conditions() -> None:
    kid, fad = named(PAPER_MEASURES, {"classifier": {"digest": "ab"}, "embedding": {"name": "yamnet"}})[2:]
    assert kid.heading == "KID ×10⁻⁴, classifier\u00a0↓"
    assert named(PAPER_MEASURES, {"embedding": {"name": "yamnet"}})[2].heading == "KID ×10⁻⁴, yamnet\u00a0↓"
    assert fad.heading == "FAD\u00a0↓"
    assert [one.decides("held-out") for one in PAPER_MEASURES] == [True, True, False, False]
    assert all(one.decides("train") for one in PAPER_MEASURES)
    assert [one.key for one in FURTHER_MEASURES if not one.decides("train")] == ["kid_subsets"]


def test_the_papers_numbers_are_those_printed() -> None:
    best = paper.TABLE_1[5]
    assert (best.name, best.temperature, best.fad, best.kid) == ("DarkGAN T = 2", 2.0, (0.6, 0.6), (6.7, 6.8))
    assert [one.pitch_inception for one in paper.TABLE_1[:3]] == [(17.7, 17.7), (19.6, 19.6), (18.5, 18.5)]
    assert len(paper.TABLE_2) == 25
    assert paper.published_correlation("plucked string instrument") == (0.27, 0.37, 0.42, 0.32, 0.11)
    assert paper.published_correlation("Brass instrument") == paper.TABLE_2["Brass Instrument"]
    assert paper.published_correlation("Steam whistle") is None


def test_the_transcription_agrees_with_the_document(shared) -> None:
    lines = {
        parts[0]: tuple(float(one) for one in parts[1:])
        for line in next(shared("seeds").glob("001_*.txt")).read_text(encoding="utf-8").splitlines()
        if len(parts := line.split("\t")) == 6 and parts[1].replace(".", "").replace("-", "").isdigit()
    }
    assert lines == paper.TABLE_2
    text = next(shared("seeds").glob("001_*.txt")).read_text(encoding="utf-8")
    for one in paper.TABLE_1:
        if one.temperature is not None and one.kid is not None:
            pairs = (one.pitch_inception, one.family_inception, one.kid, one.fad)
            row = "\t".join(f"{value}" for pair in pairs for value in pair)
            assert f"T = {one.temperature:g}\t{row}" in text
