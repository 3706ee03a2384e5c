"""The sentences at the top of a report, in cases made by hand; above all that they do not flatter."""

from dataclasses import replace

from darktimbre.evaluation.report.control import control_table
from darktimbre.evaluation.report.reading import keep_in_mind, reading
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
    return {"train": Scores(100, fad=fad, kid=kid)}


def _control(mean: Estimate, logit: Estimate = MISSING) -> dict[str, Control]:
    return {"held-out": Control(100, 10, mean, logit, 0, (AttributeScore("Guitar", mean, logit),))}


def _near(value: float, half: float) -> Estimate:
    return Estimate(value, value - half, value + half)


def _said(*systems: System) -> str:
    return "\n".join(reading(Evaluation(systems, {}, {})))


def _real(name: str, condition: str, fad: Estimate, control: dict[str, Control] | None = None) -> System:
    return System(name, "real", scores={condition: Scores(100, fad=fad)}, control=control or {})


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
        replace(BASELINE, scores=_scores(MISSING)), System("dark", "darkgan", scores={"train": Scores(9)})
    )


def test_fidelity_is_compared_on_train_conditions_alone() -> None:
    """On held-out ones, following moves an instrument away from the reference, which is of train instruments."""
    near, far = _near(2.0, 0.2), _near(9.0, 0.2)
    lazy = System("plain", "baseline", scores={"train": Scores(9, fad=far), "held-out": Scores(9, fad=near)})
    good = System("dark", "darkgan", scores={"train": Scores(9, fad=near), "held-out": Scores(9, fad=far)})
    said = _said(lazy, good)
    assert "On train conditions dark beats plain in FAD (2.00 [1.80, 2.20] against 9.00 [8.80, 9.20])" in said
    assert "plain beats" not in said
    only = [replace(one, scores={"held-out": one.scores["held-out"]}) for one in (lazy, good)]
    assert "dark was not compared with plain" in _said(*only)
    pis = [replace(one, scores={"held-out": replace(one.scores["held-out"], pitch_inception=near)}) for one in only]
    assert "beats plain in nothing: PIS" in _said(*pis)  # it needs no reference


def test_each_condition_has_the_real_notes_of_its_own_as_the_bar() -> None:
    dark = System(
        "dark", "darkgan", scores={"train": Scores(9, fad=_near(5, 1)), "held-out": Scores(9, fad=_near(8, 1))}
    )
    rival = replace(dark, name="plain", kind="baseline", scores={"held-out": Scores(9, fad=_near(6, 1))})
    real = (_real("real notes", "train", _near(3, 1)), _real("held-out notes", "held-out", _near(9, 1)))
    odd = _real("through the picture", "held-out", _near(70, 1))
    said = _said(*real, odd, dark, rival)
    assert "on train conditions: FAD 5.0 [4.0, 6.0] (dark) against 3.0 [2.0, 4.0] of real notes" in said
    assert "get what held-out notes get: FAD 9.0 [8.0, 10.0], and closest to it 8.0 [7.0, 9.0] (dark)" in said
    assert "70" not in said


def test_the_highest_correlation_is_settled_only_by_intervals_apart() -> None:
    first = System("one", "darkgan", temperature=2.0, control=_control(_near(0.31, 0.04)))
    second = System("two", "darkgan", temperature=2.0, control=_control(_near(0.29, 0.04)))
    third = System("three", "darkgan", temperature=2.0, control=_control(_near(0.10, 0.04)))
    said = _said(first, second, third)
    assert (
        "Of 3 steered instruments one has the highest mean attribute correlation on held-out conditions: 0.31" in said
    )
    assert "not settled against two (0.29 [0.25, 0.33])" in said
    assert "three (" not in said
    assert "clear of the others" in _said(first, third)
    assert "the only instrument" in _said(first)


def test_instruments_of_different_temperature_are_ranked_by_logits() -> None:
    loud = System("loud", "darkgan", temperature=1.0, control=_control(_near(0.9, 0.01), _near(0.2, 0.01)))
    true = System("true", "darkgan", temperature=2.0, control=_control(_near(0.1, 0.01), _near(0.6, 0.01)))
    said = _said(loud, true)
    assert "true has the highest mean correlation of logits" in said
    assert "0.90" not in said
    table = control_table(Evaluation((loud, true), {}, {}))
    assert [[cell.mark for cell in row.cells[2:]] for row in table.rows] == [["", ""], ["", "best"]]
    same = control_table(Evaluation((loud, replace(true, temperature=1.0)), {}, {}))
    assert [[cell.mark for cell in row.cells[2:]] for row in same.rows] == [["best", ""], ["", "best"]]


def test_means_over_different_attributes_are_not_ranked() -> None:
    one = System("one", "darkgan", control=_control(_near(0.9, 0.01), _near(0.8, 0.01)))
    held = one.control["held-out"]
    other = replace(
        one, name="other", control={"held-out": replace(held, attributes=(AttributeScore("Siren", MISSING),))}
    )
    raw = replace(one, name="raw", kind="untrained")
    said = _said(raw, one, other)
    assert "are not ranked, for means over different attributes do not compare" in said
    assert "one (0.80 [0.79, 0.81]) cannot be told from it; other does not compare, having other attributes" in said
    marks = [cell.mark for row in control_table(Evaluation((one, other), {}, {})).rows for cell in row.cells]
    assert set(marks) == {""}


def test_control_is_held_against_pitch_alone_and_against_another_note() -> None:
    pitch = replace(BASELINE, control=_control(_near(0.2, 0.05), _near(0.3, 0.05)))
    take = _real("held-out notes", "held-out", MISSING, _control(_near(0.6, 0.05), _near(0.7, 0.05)))
    dark = System("dark", "darkgan", control=_control(_near(0.5, 0.02), _near(0.5, 0.02)))
    lazy = System("lazy", "darkgan", control=_control(_near(0.9, 0.02), _near(0.28, 0.02)))
    said = _said(take, pitch, dark, lazy)
    assert (
        "Against what pitch alone explains (plain, mean correlation of logits 0.30 [0.25, 0.35]): "
        "lazy (0.28 [0.26, 0.30]) cannot be told from it; dark (0.50 [0.48, 0.52]) is above it." in said
    )
    assert "Against another note of the same instrument (held-out notes, mean correlation of logits 0.70" in said
    assert "dark (0.50 [0.48, 0.52]) and lazy (0.28 [0.26, 0.30]) are below it" in said


def test_control_no_better_than_none_or_than_an_untrained_network_is_said() -> None:
    weak = System("weak", "darkgan", control=_control(*[_near(0.02, 0.04)] * 2), scores=_scores(_near(9.0, 1.0)))
    raw = System("raw", "untrained", control=_control(*[_near(0.01, 0.01)] * 2), scores=_scores(_near(9.5, 1.0)))
    said = _said(raw, weak)
    assert "The correlation of weak cannot be told from none" in said
    assert "Against a network before training (raw, mean correlation of logits 0.01 [0.00, 0.02])" in said
    assert "weak (0.02 [−0.02, 0.06]) cannot be told from it" in said
    assert "weak does not beat even raw in FAD, on train conditions." in said


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
    told = Evaluation((BASELINE,), {}, {}, cautions=("The teacher is judge and party.",))
    assert keep_in_mind(told)[0] == "The teacher is judge and party."
    assert "Each instrument is one training run" in keep_in_mind(told)[1]
    nothing = Evaluation((System("real", "real"),), {}, {})
    assert reading(nothing) == keep_in_mind(nothing) == ()
