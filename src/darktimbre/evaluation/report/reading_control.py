"""An evaluation → sentences on control: which instrument follows attributes best, and whether more than pitch does."""

from collections.abc import Sequence

from darktimbre.evaluation.report.ground import (
    HELD_OUT,
    Alike,
    alike,
    control_of,
    control_on,
    mean_of,
    one_temperature,
    one_vocabulary,
)
from darktimbre.evaluation.report.numbers import PLACES, Verdict, finite, interval, told, verdict
from darktimbre.evaluation.report.wording import do, listed, of_kind, value
from darktimbre.evaluation.results import Control, Evaluation, System

_WHAT: dict[Alike, str] = {
    "mean": "mean attribute correlation",
    "logit_mean": "mean correlation of logits",
}
_SAYS: dict[Verdict, str] = {
    "worse": "is below it",
    "level": "cannot be told from it",
    "behind": "is below it, without an interval to be sure",
    "ahead": "is above it, without an interval to be sure",
    "better": "is above it",
}


def control(evaluation: Evaluation) -> list[str]:
    """All sentences on control."""
    condition = control_on(evaluation.systems)
    players = _controls(of_kind(evaluation, "darkgan"), condition)
    return [
        *_ranked(evaluation, players, condition),
        *_against_others(evaluation, players, condition),
        *_none(players),
    ]


def _controls(systems: Sequence[System], condition: str) -> list[tuple[System, Control]]:
    found = ((one, control_of(one, condition)) for one in systems)
    return [(one, held) for one, held in found if held is not None]


def _ranked(evaluation: Evaluation, players: Sequence[tuple[System, Control]], condition: str) -> list[str]:
    systems = [one for one, _ in players]
    which = alike(evaluation, systems, condition)
    if which is None:
        each = (
            f"{one.name} {told(held.logit_mean, decimals=PLACES)} of {len(held.attributes):,} attributes"
            for one, held in players
        )
        return [
            "Instruments with different attributes are not ranked, for means over different attributes do not "
            f"compare; mean correlation of logits: {'; '.join(each)}."
        ]
    return [_highest(evaluation, players, which, condition)]


def _highest(evaluation: Evaluation, players: Sequence[tuple[System, Control]], which: Alike, condition: str) -> str:
    known = [(one, mean) for one, held in players if finite((mean := mean_of(held, which)).value)]
    what = f"{_WHAT[which]} on {condition} conditions"
    if not known:
        return ""
    if not one_temperature(evaluation, [one for one, _ in players]):
        what += " (soft labels of different T do not compare)"
    (leader, best), *others = sorted(known, key=lambda pair: -value(pair[1]))
    figure = told(best, decimals=PLACES)
    if not others:
        return f"{leader.name} is the only instrument steered by attributes; its {what} is {figure}."
    rivals = [f"{one.name} ({told(e, decimals=PLACES)})" for one, e in others if verdict(best, e, 1) != "better"]
    start = f"Of {len(known)} steered instruments {leader.name} has the highest {what}: {figure}"
    if rivals:
        return f"{start}; that is not settled against {listed(rivals)}, whose intervals overlap or are not known."
    return f"{start}, clear of the others."


def _against_others(evaluation: Evaluation, players: Sequence[tuple[System, Control]], condition: str) -> list[str]:
    """Against what correlates without attributes: pitch alone, a network before training, another real note."""
    if not players:
        return []
    rivals = [
        *((one, f"what pitch alone explains ({one.name}") for one in of_kind(evaluation, "baseline", "gansynth")),
        *((one, f"a network before training ({one.name}") for one in of_kind(evaluation, "untrained")),
        *(
            (one, f"another note of the same instrument ({one.name}")
            for one in of_kind(evaluation, "real")
            if one.name == "held-out notes" and HELD_OUT in one.control
        ),
    ]
    return [_beside(players, one, what, condition) for one, what in rivals]


def _beside(players: Sequence[tuple[System, Control]], rival: System, what: str, condition: str) -> str:
    theirs = control_of(rival, condition)
    if theirs is None:
        return ""
    said: dict[str, list[str]] = {}
    apart: list[str] = []
    for one, held in players:
        if not one_vocabulary([one, rival], condition):
            apart.append(one.name)
        elif says := verdict(held.logit_mean, theirs.logit_mean, 1):
            said.setdefault(_SAYS[says], []).append(f"{one.name} ({told(held.logit_mean, decimals=PLACES)})")
    parts = [f"{listed(names)} {_several(how, names)}" for how in _SAYS.values() if (names := said.get(how))]
    if apart:
        parts.append(f"{listed(apart)} {do(apart)} not compare, having other attributes")
    if not parts:
        return ""
    figure = told(theirs.logit_mean, decimals=PLACES)
    return f"Against {what}, mean correlation of logits {figure}): {'; '.join(parts)}."


def _several(how: str, names: Sequence[str]) -> str:
    return how if len(names) == 1 else how.replace("is ", "are ", 1)


def _none(players: Sequence[tuple[System, Control]]) -> list[str]:
    sentences = []
    for one, held in players:
        span = interval(held.mean)
        if span is not None and span[0] <= 0:
            sentences.append(f"The correlation of {one.name} cannot be told from none: its interval reaches zero.")
    return sentences
