"""An evaluation → sentences on fidelity: against a baseline, an untrained network and real notes; and on pitch."""

from collections.abc import Sequence

from darktimbre.evaluation.report.ground import bar, fidelity_on
from darktimbre.evaluation.report.numbers import (
    FURTHER_MEASURES,
    HELD_OUT,
    MEASURES,
    PAPER_MEASURES,
    Measure,
    Verdict,
    finite,
    told,
    verdict,
)
from darktimbre.evaluation.report.wording import do, listed, of_kind, value
from darktimbre.evaluation.results import Estimate, Evaluation, Scores, System

_LOST: dict[Verdict, str] = {
    "worse": "worse",
    "level": "undecided, the intervals overlap",
    "behind": "behind, without an interval to be sure",
}
_MADE = ("baseline", "gansynth", "darkgan")
_DISTANCES = ("kid", "fad", "fad_infinity")


def fidelity(evaluation: Evaluation) -> list[str]:
    """All sentences on fidelity."""
    condition = fidelity_on(evaluation.systems)
    return [
        *_against_baseline(evaluation, condition),
        *_against_untrained(evaluation, condition),
        *_nearest(evaluation, condition),
        *_held_out(evaluation),
    ]


def _compare(mine: Scores, other: Scores, condition: str) -> list[tuple[Measure, Estimate, Estimate, Verdict]]:
    found = []
    for measure in MEASURES:
        a, b = getattr(mine, measure.key), getattr(other, measure.key)
        says = verdict(a, b, measure.better) if measure.decides(condition) else None
        if says is not None:
            found.append((measure, a, b, says))
    return found


def _against(measure: Measure, mine: Estimate, other: Estimate) -> str:
    numbers = f"{told(mine, scale=measure.scale)} against {told(other, scale=measure.scale)}"
    return f"{measure.name} ({numbers})" if measure in PAPER_MEASURES else measure.name


def _against_baseline(evaluation: Evaluation, condition: str) -> list[str]:
    players, baselines = of_kind(evaluation, "darkgan"), of_kind(evaluation, "baseline")
    if players and not baselines:
        return [
            "No baseline without attributes was evaluated: whether attributes help or harm the sound, and how much of "
            "them pitch alone explains, is not answered here."
        ]
    sentences = []
    for baseline in baselines:
        for one in players:
            mine, theirs = one.scores.get(condition), baseline.scores.get(condition)
            found = _compare(mine, theirs, condition) if mine and theirs else []
            if found:
                sentences.append(f"On {condition} conditions {_beside(one.name, baseline.name, found)}")
            else:
                sentences.append(f"{one.name} was not compared with {baseline.name}: they share no figure.")
    return sentences


def _beside(name: str, rival: str, found: Sequence[tuple[Measure, Estimate, Estimate, Verdict]]) -> str:
    """First where `name` does not beat `rival`, then where it does."""

    def those(wanted: Verdict) -> list[str]:
        return [_against(measure, a, b) for measure, a, b, says in found if says == wanted]

    lost = [f"{listed(those(says))} ({how})" for says, how in _LOST.items() if those(says)]
    won, ahead = those("better"), those("ahead")
    parts = []
    if lost and not won and not ahead:
        parts.append(f"{name} beats {rival} in nothing: {'; '.join(lost)}.")
    elif lost:
        parts.append(f"{name} does not beat {rival} in {'; in '.join(lost)}.")
    if won:
        parts.append(f"{'It' if lost else name} beats {'it' if lost else rival} in {listed(won)}.")
    if ahead:
        where = f"in {listed(ahead)}, without an interval to be sure."
        parts.append(f"It is ahead {where}" if parts else f"{name} is ahead of {rival} {where}")
    return " ".join(parts)


def _against_untrained(evaluation: Evaluation, condition: str) -> list[str]:
    sentences = []
    for untrained in of_kind(evaluation, "untrained"):
        theirs = untrained.scores.get(condition)
        alike: dict[str, list[str]] = {}
        for one in of_kind(evaluation, *_MADE):
            mine = one.scores.get(condition)
            if mine is not None and theirs is not None:
                found = _compare(mine, theirs, condition)
                lost = [m.name for m, _, _, says in found if says not in ("better", "ahead")]
                alike.setdefault(listed(lost, "or") if lost else "", []).append(one.name)
        sentences += [
            f"{listed(names)} {do(names)} not beat even {untrained.name} in {lost}, on {condition} conditions."
            for lost, names in alike.items()
            if lost
        ]
    return sentences


def _nearest(evaluation: Evaluation, condition: str) -> list[str]:
    """The distance that is left, by the best instrument, where the reference's own kind was asked for."""
    found = bar(evaluation, condition)
    if found is None or condition == HELD_OUT:
        return []
    name, real = found
    parts = []
    for measure, truth in _distances(real):
        known = _figures(of_kind(evaluation, *_MADE), condition, measure.key)
        if known:
            who, best = min(known, key=lambda pair: value(pair[1]))
            parts.append(
                f"{measure.name} {told(best, scale=measure.scale)} ({who}) against "
                f"{told(truth, scale=measure.scale)} of {name}"
            )
    if not parts:
        return []
    return [f"The nearest to real notes that any instrument comes, on {condition} conditions: {'; '.join(parts)}."]


def _held_out(evaluation: Evaluation) -> list[str]:
    """Why distances decide nothing on held-out conditions, and what they are to be held against there."""
    found = bar(evaluation, HELD_OUT)
    if found is None:
        return []
    name, real = found
    parts = []
    for measure, truth in _distances(real):
        known = _figures(of_kind(evaluation, *_MADE), HELD_OUT, measure.key)
        if known:
            close = min(known, key=lambda pair: abs(value(pair[1]) - value(truth)))
            parts.append(
                f"{measure.name} {told(truth, scale=measure.scale)}, and closest to it "
                f"{told(close[1], scale=measure.scale)} ({close[0]})"
            )
    if not parts:
        return []
    return [
        "On held-out conditions distances say less: the reference is of train instruments, so that to follow other "
        f"instruments well is to move away from it, and a perfect instrument would get what {name} get: "
        f"{'; '.join(parts)}."
    ]


def _distances(real: Scores) -> list[tuple[Measure, Estimate]]:
    each = ((m, getattr(real, m.key)) for m in (*PAPER_MEASURES, *FURTHER_MEASURES) if m.key in _DISTANCES)
    return [(measure, truth) for measure, truth in each if finite(truth.value)]


def pitch(evaluation: Evaluation) -> list[str]:
    """Who plays the pitch asked for least often, beside the real notes of the same conditions."""
    made = of_kind(evaluation, *_MADE)
    condition = HELD_OUT if any(HELD_OUT in one.scores for one in made) else fidelity_on(evaluation.systems)
    real, parts = bar(evaluation, condition), []
    for key, by in (("pitch_by_classifier", "by the classifier"), ("pitch_by_f0", "by the fundamental")):
        known = _figures(made, condition, key)
        if known:
            name, least = min(known, key=lambda pair: value(pair[1]))
            has = real is not None and finite(getattr(real[1], key).value)
            truth = f", {real[0]} {told(getattr(real[1], key))}" if real and has else ""
            parts.append(f"{name} {told(least)} {by}{truth}")
    if not parts:
        return []
    return [f"Least often at the pitch asked for, of {condition} conditions (share of sounds): {'; '.join(parts)}."]


def _figures(systems: Sequence[System], condition: str, key: str) -> list[tuple[str, Estimate]]:
    """(name, figure) of the systems that have it."""
    held = ((one.name, scores) for one in systems if (scores := one.scores.get(condition)))
    return [(name, e) for name, scores in held if finite((e := getattr(scores, key)).value)]
