"""An evaluation → a few plain sentences, computed from the numbers: what leads, and above all what does not."""

from collections.abc import Callable, Sequence

from darktimbre.evaluation.report import captions
from darktimbre.evaluation.report.control import control_of
from darktimbre.evaluation.report.numbers import (
    MEASURES,
    PAPER_MEASURES,
    Measure,
    Verdict,
    finite,
    interval,
    told,
    verdict,
)
from darktimbre.evaluation.report.tables import judged_on
from darktimbre.evaluation.results import Control, Curve, Estimate, Evaluation, Scores, System


def reading(evaluation: Evaluation) -> tuple[str, ...]:
    """The sentences at the top of the report, in a fixed order; what was not measured is not spoken of."""
    condition = judged_on(evaluation.systems)
    said = [
        *_control(evaluation, condition),
        *_against_baseline(evaluation, condition),
        *_against_untrained(evaluation, condition),
        *_against_real(evaluation, condition),
        *_pitch(evaluation, condition),
        *_out_of_distribution(evaluation),
        *_increments(evaluation),
        *_variation(evaluation),
        *_timing(evaluation),
        captions.ONE_RUN if any(one.kind != "real" for one in evaluation.systems) else "",
    ]
    return tuple(one for one in said if one)


def _of(evaluation: Evaluation, *kinds: str) -> list[System]:
    return [one for one in evaluation.systems if one.kind in kinds]


def _listed(words: Sequence[str], last: str = "and") -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


def _value(estimate: Estimate) -> float:
    assert estimate.value is not None
    return estimate.value


def _controls(systems: Sequence[System], condition: str) -> list[tuple[System, Control]]:
    found = ((one, control_of(one, condition)) for one in systems)
    return [(one, control) for one, control in found if control is not None]


# ── control ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _control(evaluation: Evaluation, condition: str) -> list[str]:
    steered = _controls(_of(evaluation, "darkgan"), condition)
    sentences = [_highest(steered, "mean attribute correlation", lambda one: one.mean)]
    temperatures = {one.temperature for one, _ in steered}
    if len(temperatures) > 1:
        by_logits = _highest(steered, "correlation of logits, which does not depend on T", lambda one: one.logit_mean)
        sentences.append(by_logits)
    for untrained, control in _controls(_of(evaluation, "untrained"), condition):
        level = [
            one.name for one, mine in steered if verdict(mine.mean, control.mean, 1) not in (None, "better", "ahead")
        ]
        if level:
            sentences.append(
                f"{_listed(level)} {_do(level)} not follow attributes more surely than {untrained.name} "
                f"({told(control.mean, decimals=2)})."
            )
    for one, control in steered:
        span = interval(control.mean)
        if span is not None and span[0] <= 0:
            sentences.append(f"The correlation of {one.name} cannot be told from none: its interval reaches zero.")
    return sentences


def _highest(
    steered: Sequence[tuple[System, Control]], what: str, read: Callable[[Control], Estimate]
) -> str:  # fmt: skip
    known = [(one, read(control)) for one, control in steered if finite(read(control).value)]
    if not known:
        return ""
    (leader, best), *others = sorted(known, key=lambda pair: -_value(pair[1]))
    figure = told(best, decimals=2)
    if not others:
        return f"{leader.name} is the only instrument steered by attributes; its {what} is {figure}."
    rivals = [f"{one.name} ({told(e, decimals=2)})" for one, e in others if verdict(best, e, 1) != "better"]
    start = f"Of {len(known)} steered instruments {leader.name} has the highest {what} ({figure})"
    if rivals:
        return f"{start}, but that is not settled against {_listed(rivals)}: the intervals overlap or are not known."
    return f"{start}, clear of the others."


def _do(names: Sequence[str]) -> str:
    return "does" if len(names) == 1 else "do"


# ── fidelity ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _scores(system: System, condition: str) -> Scores | None:
    return system.scores.get(condition) or next(iter(system.scores.values()), None)


def _compare(mine: Scores, other: Scores) -> list[tuple[Measure, Estimate, Estimate, Verdict]]:
    found = []
    for measure in MEASURES:
        a, b = getattr(mine, measure.key), getattr(other, measure.key)
        says = verdict(a, b, measure.better)
        if says is not None:
            found.append((measure, a, b, says))
    return found


def _against(measure: Measure, mine: Estimate, other: Estimate) -> str:
    numbers = f"{told(mine, scale=measure.scale)} against {told(other, scale=measure.scale)}"
    return f"{measure.name} ({numbers})" if measure in PAPER_MEASURES else measure.name


_LOST: dict[Verdict, str] = {
    "worse": "worse",
    "level": "undecided, the intervals overlap",
    "behind": "behind, without an interval to be sure",
}


def _against_baseline(evaluation: Evaluation, condition: str) -> list[str]:
    players = _of(evaluation, "darkgan")
    baselines = [(one, scores) for one in _of(evaluation, "baseline") if (scores := _scores(one, condition))]
    if players and not baselines:
        return ["No baseline without attributes was evaluated: whether attributes help or harm is not answered here."]
    sentences = []
    for baseline, theirs in baselines:
        for one in players:
            mine = _scores(one, condition)
            found = _compare(mine, theirs) if mine else []
            if not found:
                sentences.append(f"{one.name} was not compared with {baseline.name}: they share no figure.")
                continue
            sentences.append(_beside(one.name, baseline.name, found))
    return sentences


def _beside(name: str, rival: str, found: Sequence[tuple[Measure, Estimate, Estimate, Verdict]]) -> str:
    """First where `name` does not beat `rival`, then where it does."""

    def those(wanted: Verdict) -> list[str]:
        return [_against(measure, a, b) for measure, a, b, says in found if says == wanted]

    lost = [f"{_listed(those(says))} ({how})" for says, how in _LOST.items() if those(says)]
    won, ahead = those("better"), those("ahead")
    parts = []
    if lost and not won and not ahead:
        parts.append(f"{name} beats {rival} in nothing: {'; '.join(lost)}.")
    elif lost:
        parts.append(f"{name} does not beat {rival} in {'; in '.join(lost)}.")
    if won:
        parts.append(f"{'It' if lost else name} beats {'it' if lost else rival} in {_listed(won)}.")
    if ahead:
        where = f"in {_listed(ahead)}, without an interval to be sure."
        parts.append(f"It is ahead {where}" if parts else f"{name} is ahead of {rival} {where}")
    return " ".join(parts)


def _against_untrained(evaluation: Evaluation, condition: str) -> list[str]:
    sentences = []
    for untrained in _of(evaluation, "untrained"):
        theirs = _scores(untrained, condition)
        alike: dict[str, list[str]] = {}
        for one in _of(evaluation, "baseline", "gansynth", "darkgan"):
            mine = _scores(one, condition)
            if mine is not None and theirs is not None:
                lost = [m.name for m, _, _, says in _compare(mine, theirs) if says not in ("better", "ahead")]
                alike.setdefault(_listed(lost, "or") if lost else "", []).append(one.name)
        sentences += [
            f"{_listed(names)} {_do(names)} not beat even {untrained.name} in {lost}."
            for lost, names in alike.items()
            if lost
        ]
    return sentences


def _against_real(evaluation: Evaluation, condition: str) -> list[str]:
    """The distance that is left, by the best instrument."""
    real = [scores for one in _of(evaluation, "real") if (scores := _scores(one, condition))]
    made = [(one, s) for one in _of(evaluation, "baseline", "gansynth", "darkgan") if (s := _scores(one, condition))]
    parts = []
    for measure in MEASURES:
        if measure.key not in ("kid", "fad", "fad_infinity"):
            continue
        truth = [getattr(one, measure.key) for one in real if finite(getattr(one, measure.key).value)]
        known = [(one.name, e) for one, s in made if finite((e := getattr(s, measure.key)).value)]
        if truth and known:
            name, best = min(known, key=lambda pair: _value(pair[1]))
            nearest = max(truth, key=_value)
            parts.append(
                f"{measure.name} {told(best, scale=measure.scale)} ({name}) against "
                f"{told(nearest, scale=measure.scale)} of real notes"
            )
    return [f"The nearest to real notes that any instrument comes: {'; '.join(parts)}."] if parts else []


def _pitch(evaluation: Evaluation, condition: str) -> list[str]:
    parts = []
    for key, by in (("pitch_by_classifier", "by the classifier"), ("pitch_by_f0", "by the fundamental")):
        made = _figures(_of(evaluation, "baseline", "gansynth", "darkgan"), condition, key)
        real = _figures(_of(evaluation, "real"), condition, key)
        if made:
            name, least = min(made, key=lambda pair: _value(pair[1]))
            truth = f", real notes {told(real[0][1])}" if real else ""
            parts.append(f"{name} {told(least)} {by}{truth}")
    return [f"Least often at the pitch asked for (share of sounds): {'; '.join(parts)}."] if parts else []


def _figures(systems: Sequence[System], condition: str, key: str) -> list[tuple[str, Estimate]]:
    """(name, figure) of the systems that have it."""
    held = ((one.name, scores) for one in systems if (scores := _scores(one, condition)))
    return [(name, e) for name, scores in held if finite((e := getattr(scores, key)).value)]


# ── curves, variation, time ──────────────────────────────────────────────────────────────────────────────────────────


def _points(curve: Curve) -> list[tuple[float, Estimate]]:
    every = zip(curve.increment, curve.mean, curve.low, curve.high, strict=True)
    return [(x, Estimate(m, low, high)) for x, m, low, high in every if finite(m)]


def nearest_point(curve: Curve, increment: float) -> tuple[float, Estimate] | None:
    """The point of a curve that is nearest to an increment; None where the curve has none."""
    points = _points(curve)
    return min(points, key=lambda point: abs(point[0] - increment)) if points else None


def _out_of_distribution(evaluation: Evaluation) -> list[str]:
    each = []
    for one in _of(evaluation, "darkgan"):
        points = _points(one.out_of_distribution) if one.out_of_distribution else []
        if len(points) > 1:
            (x, start), (far, end) = points[0], min(points, key=lambda point: abs(point[0] - 1.0))
            half = [d for d, e in points if 2 * _value(e) < _value(start)] if _value(start) > 0 else []
            tail = f" (below half from δ = {min(half):.2g})" if half else ""
            first, last = told(start, decimals=2), told(end, decimals=2)
            each.append(f"{one.name}: {first} at δ = {x:.2g} and {last} at δ = {far:.2g}{tail}")
    return [f"Mean correlation when an attribute is raised by δ: {'; '.join(each)}."] if each else []


def _increments(evaluation: Evaluation) -> list[str]:
    each = []
    for one in _of(evaluation, "darkgan"):
        found = nearest_point(one.increments, 1.0) if one.increments else None
        if found is None:
            continue
        span, sure = interval(found[1]), ""
        if span is not None and span[0] <= 0 <= span[1]:
            sure = ", which cannot be told from no effect"
        elif _value(found[1]) < 0:
            sure = ", the wrong way"
        each.append(f"{one.name}: {told(found[1], decimals=2)} at δ = {found[0]:.2g}{sure}")
    return [f"Mean rise heard, in standard deviations, when δ more is asked for: {'; '.join(each)}."] if each else []


def _variation(evaluation: Evaluation) -> list[str]:
    each = []
    for one in _of(evaluation, "darkgan"):
        if one.variation:
            shares = (one.variation.attributes, one.variation.latent, one.variation.both)
            attributes, latent, both = (f"{100 * share:.0f}\u00a0%" for share in shares)
            each.append(f"{one.name}: {attributes} attributes, {latent} z, {both} both together")
    return [f"What varies in the sound at one pitch follows: {'; '.join(each)}."] if each else []


def _timing(evaluation: Evaluation) -> list[str]:
    timed = [(one.name, one.timing) for one in evaluation.systems if one.timing]
    if not timed:
        return []
    name, slow = max(timed, key=lambda pair: pair[1].real_time_factor)
    network, inversion = (f"{100 * part / slow.total:.0f}\u00a0%" for part in (slow.network, slow.inversion))
    slowest = f"{name} is the slowest: it computes" if len(timed) > 1 else f"{name} computes"
    live = "too slow to play live" if slow.real_time_factor >= 1 else "fast enough to play live"
    return [
        f"{slowest} {slow.real_time_factor:.2g} s for a second of sound on {slow.device} with {slow.threads} "
        f"thread{'s' * (slow.threads != 1)} ({network} network, {inversion} inversion), {live}."
    ]
