"""A study of diversity → one paragraph, made from its figures, that also says when nothing is decided.

An arm's variety is compared with the first arm's condition by condition, its quality by intervals that do not overlap.
Neither tells what another training run would have given. Where one arm was trained twice, another arm must be clear of
both runs by more than they lie apart. Two runs are few: where trainings differ by more than notes do, this still takes
chance for an effect in one or two of ten comparisons (simulated), which the paragraph says.
"""

from collections.abc import Sequence
from typing import Literal

from darktimbre.evaluation.diversity import Diversity, Variety
from darktimbre.evaluation.report.diversity import Column, columns
from darktimbre.evaluation.report.numbers import finite, interval, told, verdict
from darktimbre.evaluation.report.wording import listed
from darktimbre.evaluation.results import Estimate

Says = Literal["more", "less", "undecided"]


def paragraph(found: Diversity) -> str:
    """What was found."""
    arms = found.varieties[1:]
    first = arms[0]
    others = [one for one in arms[1:] if one.name != found.again]
    again = next((one for one in arms[1:] if one.name == found.again), None)
    real = found.varieties[0].within
    sentences = [
        f"Asked twice for the same, “{first.name}” answers with sounds that are {_d(first.at_condition)} apart, where "
        "1 is the deviation of all real notes from their mean (two of them at random are about 1.4 apart)"
        + (f"; two real notes of one class and pitch are {_d(real)} apart." if finite(real.value) else ".")
    ]
    if again is not None:
        sentences.append(
            f"The same game played again differs from it by {_signed(again.gain)}. What follows is clear of both by "
            "more than they lie apart; two runs are few and figures many, so one or two of ten such findings may still "
            "be chance."
        )
    else:
        sentences.append(
            "No arm was trained twice, so that how far two runs differ by chance is not known: what follows may be it."
        )
    quality = [one for one in columns(found) if not one.varied]
    reach = [one for one in columns(found) if one.varied and not one.name.startswith("distance")]
    for one in others:
        sentences.append(_of(found, one, again, quality, reach))
    sentences.append(_whole(found, others, again, quality))
    return " ".join(sentences)


def gained(one: Variety, again: Variety | None) -> Says:
    """Whether an arm's sounds at one condition are further apart than the first arm's, beyond what chance does."""
    span, twice = interval(one.gain), (again.gain.value or 0.0) if again else 0.0
    if span is None:
        return "undecided"
    if span[0] > max(0.0, twice) + abs(twice):
        return "more"
    return "less" if span[1] < min(0.0, twice) - abs(twice) else "undecided"


def changed(found: Diversity, name: str, again: Variety | None, column: Column) -> Literal["better", "worse"] | None:
    """Whether a figure of an arm is better or worse than the first arm's; None where that is not decided."""
    names = [one.name for one in found.varieties]
    mine, base = column.estimates[names.index(name)], column.estimates[1]
    says = verdict(mine, base, column.better)
    if says not in ("better", "worse") or mine.value is None or base.value is None:
        return None
    if again is not None:
        twice = column.estimates[names.index(again.name)]
        if twice.value is not None:
            chance = abs(twice.value - base.value)
            clear = min(abs(mine.value - base.value), abs(mine.value - twice.value)) > chance
            if verdict(mine, twice, column.better) != says or not clear:
                return None
    return says


def _of(
    found: Diversity, one: Variety, again: Variety | None, quality: Sequence[Column], reach: Sequence[Column]
) -> str:
    says = gained(one, again)
    words = {
        "more": f"makes them differ more, by {_signed(one.gain)} to {_d(one.at_condition)}",
        "less": f"makes them differ less, by {_signed(one.gain)} to {_d(one.at_condition)}",
        "undecided": f"changes that by {_signed(one.gain)}, which decides nothing",
    }
    parts = [f"“{one.name}” {words[says]}"]
    for label, those in (("of the real notes' variety as a whole", reach), ("in quality", quality)):
        found_out = [(column, changed(found, one.name, again, column)) for column in those]
        told_of = [
            f"{column.name} is {says_so} ({_both(found, one.name, column)})" for column, says_so in found_out if says_so
        ]
        parts.append(f"{label} {listed(told_of)}" if told_of else f"{label} nothing is decided")
    return "; ".join(parts) + "."


def _whole(found: Diversity, others: Sequence[Variety], again: Variety | None, quality: Sequence[Column]) -> str:
    more = [one.name for one in others if gained(one, again) == "more"]
    if not more:
        return "So no setting made the sounds of one condition more varied, as far as these notes and runs can tell."
    dear = [n for n in more if any(changed(found, n, again, column) == "worse" for column in quality)]
    free = [name for name in more if name not in dear]
    parts = []
    if free:
        parts.append(f"{listed([f'“{n}”' for n in free])} brought variety at no loss of quality that could be measured")
    if dear:
        parts.append(f"{listed([f'“{n}”' for n in dear])} paid for it in quality")
    return f"So {', and '.join(parts)}."


def _both(found: Diversity, name: str, column: Column) -> str:
    place = [one.name for one in found.varieties].index(name)
    mine, base = (told(column.estimates[n], scale=column.scale, decimals=column.decimals) for n in (place, 1))
    return f"{mine} against {base}"


def _d(estimate: Estimate) -> str:
    return told(estimate, decimals=3)


def _signed(estimate: Estimate) -> str:
    if estimate.value is None:
        return "an unknown amount"
    return ("+" if estimate.value >= 0 else "") + told(estimate, decimals=3)
