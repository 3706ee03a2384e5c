"""The sentences at the top of a report, in cases made by hand; above all that they do not flatter."""

from dataclasses import replace

from darktimbre.evaluation.report.reading import reading
from darktimbre.evaluation.results import (
    MISSING,
    AttributeScore,
    Control,
    Curve,
    Estimate,
    Evaluation,
    Scores,
    System,
    Timing,
)


def _scores(fad: Estimate, kid: Estimate = MISSING) -> dict[str, Scores]:
    return {"held-out": Scores(100, fad=fad, kid=kid)}


def _control(mean: Estimate, logit: Estimate = MISSING) -> dict[str, Control]:
    return {"held-out": Control(100, 10, mean, logit, 0, (AttributeScore("Guitar", mean, logit),))}


def _near(value: float, half: float) -> Estimate:
    return Estimate(value, value - half, value + half)


def _said(*systems: System) -> str:
    return "\n".join(reading(Evaluation(systems, {}, {})))


BASELINE = System("plain", "baseline", scores=_scores(_near(4.0, 0.2), _near(0.002, 0.0001)))


def test_a_darkgan_that_is_better_worse_or_undecided_is_said_to_be() -> None:
    better = System("dark", "darkgan", temperature=1.0, scores=_scores(_near(2.0, 0.2), _near(0.001, 0.0001)))
    said = _said(BASELINE, better)
    assert "dark beats plain in KID ×10⁻⁴ (10.0 ± 1.0" not in said  # brackets, not ±: intervals were given
    assert (
        "dark beats plain in KID ×10⁻⁴ (10.0 [9.0, 11.0] against 20.0 [19.0, 21.0]) and FAD (2.00 [1.80, 2.20]" in said
    )
    assert "does not beat" not in said

    worse = replace(better, scores=_scores(_near(6.0, 0.2), _near(0.003, 0.0001)))
    said = _said(BASELINE, worse)
    assert "dark beats plain in nothing: KID ×10⁻⁴ (30.0" in said
    assert said.count("(worse)") == 1

    mixed = replace(better, scores=_scores(_near(3.9, 0.2), _near(0.001, 0.0001)))
    said = _said(BASELINE, mixed)
    assert "dark does not beat plain in FAD (3.90 [3.70, 4.10] against 4.00 [3.80, 4.20]) (undecided" in said
    assert "It beats it in KID ×10⁻⁴" in said


def test_a_figure_without_an_interval_is_not_called_better() -> None:
    said = _said(BASELINE, System("dark", "darkgan", scores=_scores(Estimate(1.0))))
    assert "dark is ahead of plain in FAD (1.00 against 4.00 [3.80, 4.20]), without an interval to be sure." in said
    assert "beats" not in said


def test_without_a_baseline_the_report_says_what_it_cannot_answer() -> None:
    said = _said(System("dark", "darkgan", scores=_scores(Estimate(1.0))))
    assert "No baseline without attributes was evaluated" in said
    assert "share no figure" in _said(
        replace(BASELINE, scores=_scores(MISSING)), System("dark", "darkgan", scores={"held-out": Scores(9)})
    )


def test_the_highest_correlation_is_settled_only_by_intervals_apart() -> None:
    first = System("one", "darkgan", temperature=1.0, control=_control(_near(0.31, 0.04)))
    second = System("two", "darkgan", temperature=2.0, control=_control(_near(0.29, 0.04)))
    third = System("three", "darkgan", temperature=2.0, control=_control(_near(0.10, 0.04)))
    said = _said(first, second, third)
    assert "Of 3 steered instruments one has the highest mean attribute correlation (0.31 [0.27, 0.35])" in said
    assert "not settled against two (0.29 [0.25, 0.33])" in said
    assert "three (" not in said
    assert "clear of the others" in _said(first, third)
    assert "the only instrument" in _said(first)


def test_control_no_better_than_none_or_than_an_untrained_network_is_said() -> None:
    weak = System("weak", "darkgan", control=_control(_near(0.02, 0.04)), scores=_scores(_near(9.0, 1.0)))
    raw = System("raw", "untrained", control=_control(_near(0.01, 0.01)), scores=_scores(_near(9.5, 1.0)))
    said = _said(raw, weak)
    assert "The correlation of weak cannot be told from none" in said
    assert "weak does not follow attributes more surely than raw (0.01 [0.00, 0.02])." in said
    assert "weak does not beat even raw in FAD." in said


def test_curves_are_read_at_their_ends() -> None:
    shift = Curve(
        (0.001, 0.1, 1.0), (0.4, 0.15, float("nan")), (0.3, 0.1, float("nan")), (0.5, 0.2, float("nan")), 5, 9
    )
    rise = Curve((0.0, 1.0), (0.0, 0.1), (0.0, -0.1), (0.0, 0.3), 5, 9)
    said = _said(System("dark", "darkgan", out_of_distribution=shift, increments=rise))
    assert "0.40 [0.30, 0.50] at δ = 0.001 and 0.15 [0.10, 0.20] at δ = 0.1 (below half from δ = 0.1)" in said
    assert "0.10 [−0.10, 0.30] at δ = 1, which cannot be told from no effect" in said


def test_time_is_judged_by_the_slowest() -> None:
    quick = System("quick", "darkgan", timing=Timing(0.1, 0.06, 0.03, 1.0, 1, "cpu"))
    slow = System("slow", "baseline", timing=Timing(1.5, 0.9, 0.5, 1.0, 2, "cpu"))
    assert "slow is the slowest: it computes 1.5 s for a second of sound on cpu with 2 threads" in _said(quick, slow)
    assert "too slow to play live" in _said(quick, slow)
    assert "quick computes 0.1 s" in _said(quick)


def test_one_training_run_is_always_called_that() -> None:
    assert "Each instrument is one training run" in _said(BASELINE)
    assert reading(Evaluation((System("real", "real"),), {}, {})) == ()
