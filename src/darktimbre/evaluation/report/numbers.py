"""Estimates → text, intervals and verdicts: how a figure of the report is rounded, and when one is better than another.

One rule for all: a figure is better than another only where their 95 % intervals do not overlap. Then they differ by
more than 1.96 (s + s′), which is at least 1.96 standard errors of the difference however the two depend on each other
(the same conditions, the same reference): a test of the difference at 5 % says the same. It often says so where
intervals overlap, so that some true differences are called undecided. All this is as sure as the standard errors are,
which are rough where the notes are of few instruments; and it is not corrected for many comparisons.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from darktimbre.evaluation.results import Estimate

DASH = "–"  # where there is no figure
TRAIN, HELD_OUT = "train", "held-out"  # where conditions come from
PLACES = 2  # after the point of a correlation, as in the paper
_NORMAL = 1.96  # half the width of a normal distribution's 95 % interval, in standard deviations

Verdict = Literal["better", "worse", "level", "ahead", "behind"]
"""Of one figure against another: intervals apart (`better`, `worse`) or overlapping (`level`); where an interval is
missing, what the bare figures say (`ahead`, `behind`)."""

Mark = Literal["", "best", "tied"]


@dataclass(frozen=True)
class Measure:
    """A figure of `Scores`, and how it is read.

    Attributes:
        key: field of `Scores`.
        name: what it is called.
        better: 1 where higher is better, −1 where lower is.
        scale: what is printed is the figure times this.
        missing: why there may be no figure.
        decimals: places after the point; None for as many as the uncertainty warrants.
        to_reference: whether it is taken to the reference, which is of train instruments: of sounds that follow the
            conditions of other instruments, nearer is then no better.
        ranked: whether its spread is a standard error, so that figures can be told apart by it.
        space: whose embedding it is taken in, where the heading is to say so.
    """

    key: str
    name: str
    better: Literal[1, -1]
    scale: float = 1.0
    missing: str = "not measured"
    decimals: int | None = None
    to_reference: bool = False
    ranked: bool = True
    space: str = ""

    @property
    def heading(self) -> str:
        """The name with its embedding and an arrow to the better side."""
        return f"{self.name}{f', {self.space}' if self.space else ''}\u00a0{'↑' if self.better > 0 else '↓'}"

    def decides(self, condition: str) -> bool:
        """Whether it tells better from worse for sounds of these conditions."""
        return self.ranked and not (self.to_reference and condition == HELD_OUT)


_NO_CLASSES = "it needs a classifier of this corpus that knows the pitches or families"
_NO_PITCH = "the sounds have no pitch that was asked for, or the classifier does not know it"
_TOO_FEW = "not measured; a covariance of full rank needs more notes than the embedding has dimensions"
_TOO_FEW_TO_EXTRAPOLATE = "not measured; with fewer than about three notes a dimension its bias is no straight line"

PAPER_MEASURES = (
    Measure("pitch_inception", "PIS", 1, missing=_NO_CLASSES),
    Measure("family_inception", "IIS", 1, missing=_NO_CLASSES),
    Measure("kid", "KID ×10⁻⁴", -1, scale=1e4, to_reference=True),
    Measure("fad", "FAD", -1, missing=_TOO_FEW, to_reference=True),
)
FURTHER_MEASURES = (
    Measure("kid_subsets", "KID ×10⁻⁴ over subsets", -1, scale=1e4, to_reference=True, ranked=False),
    Measure("fad_infinity", "FAD∞", -1, missing=_TOO_FEW_TO_EXTRAPOLATE, to_reference=True),
    Measure("precision", "precision", 1, decimals=3, to_reference=True),
    Measure("recall", "recall", 1, decimals=3, to_reference=True),
    Measure("density", "density", 1, decimals=3, to_reference=True),
    Measure("coverage", "coverage", 1, decimals=3, to_reference=True),
)
PITCH_MEASURES = (
    Measure("pitch_by_classifier", "pitch by classifier", 1, missing=_NO_PITCH),
    Measure("pitch_by_f0", "pitch by f0", 1, missing=_NO_PITCH),
)
MEASURES = PAPER_MEASURES + FURTHER_MEASURES + PITCH_MEASURES


def named(measures: Sequence[Measure], facts: Mapping[str, Any]) -> tuple[Measure, ...]:
    """Measures with the embedding of KID in their headings: the classifier's, or without one the other embedder's."""
    space = kid_space(facts)
    return tuple(replace(one, space=space) if one.key in ("kid", "kid_subsets") else one for one in measures)


def kid_space(facts: Mapping[str, Any]) -> str:
    """Whose embedding KID is taken in."""
    return "classifier" if facts.get("classifier") else embedder(facts)


def embedder(facts: Mapping[str, Any]) -> str:
    """Whose embedding every other distance is taken in; empty where that is not told."""
    told_of = facts.get("embedding")
    return str(told_of.get("name", "")) if isinstance(told_of, Mapping) else ""


def finite(value: float | None) -> bool:
    """Whether there is a figure at all."""
    return value is not None and math.isfinite(value)


def interval(estimate: Estimate) -> tuple[float, float] | None:
    """The 95 % interval: as given, or the value ± 1.96 standard errors; None where neither is known.

    Not for `Scores.kid_subsets`, whose spread is a deviation over subsets and no error of the mean.
    """
    if estimate.value is None or not math.isfinite(estimate.value):
        return None
    if estimate.low is not None and estimate.high is not None and finite(estimate.low) and finite(estimate.high):
        return estimate.low, estimate.high
    if estimate.spread is not None and finite(estimate.spread):
        return estimate.value - _NORMAL * estimate.spread, estimate.value + _NORMAL * estimate.spread
    return None


def verdict(mine: Estimate, other: Estimate, better: Literal[1, -1]) -> Verdict | None:
    """What `mine` is against `other`; None where one of them is missing."""
    if mine.value is None or other.value is None or not finite(mine.value) or not finite(other.value):
        return None
    a, b = interval(mine), interval(other)
    if a is None or b is None:
        if mine.value == other.value:
            return "level"
        return "ahead" if better * (mine.value - other.value) > 0 else "behind"
    if a[0] <= b[1] and b[0] <= a[1]:
        return "level"
    return "better" if better * (mine.value - other.value) > 0 else "worse"


def marks(column: Sequence[Estimate], better: Literal[1, -1]) -> list[Mark]:
    """Who leads a column: `best` where its interval is clear of all others, else `tied` for all overlapping it.

    Nothing is marked where fewer than two have figures, or any figure comes without an interval.
    """
    known = [place for place, one in enumerate(column) if finite(one.value)]
    found: list[Mark] = [""] * len(column)
    if len(known) < 2 or any(interval(column[place]) is None for place in known):
        return found
    leader = max(known, key=lambda place: better * (column[place].value or 0.0))
    level = [place for place in known if place != leader and verdict(column[leader], column[place], better) == "level"]
    found[leader] = "tied" if level else "best"
    for place in level:
        found[place] = "tied"
    return found


def _decimals(value: float, half_width: float | None) -> int:
    """Places after the point: one digit of the uncertainty, two where it begins with 1 or 2; three digits without."""
    size = half_width if half_width else abs(value)
    if not size or not math.isfinite(size):
        return 2
    exponent = math.floor(math.log10(size))
    digits = (2 if size / 10.0**exponent < 3 else 1) if half_width else 3
    return min(6, max(0, digits - 1 - exponent))


def number(value: float, decimals: int) -> str:
    """A figure with thousands apart, a true minus sign, and no minus before zero."""
    text = f"{value:,.{decimals}f}"
    if text.startswith("-"):
        text = text[1:] if not float(text.replace(",", "")) else f"−{text[1:]}"
    return text


def figure(estimate: Estimate, *, scale: float = 1.0, decimals: int | None = None) -> tuple[str, str]:
    """(figure, how sure it is): `("0.31", "[0.27, 0.35]")`, `("6.7", "± 0.2")`, `("6.70", "")` or `("–", "")`.

    Args:
        estimate: what to print.
        scale: multiplied in first.
        decimals: places after the point; by default as many as the uncertainty warrants.
    """
    if estimate.value is None or not finite(estimate.value):
        return DASH, ""
    value, span = scale * estimate.value, interval(estimate)
    given = estimate.low is not None and estimate.high is not None
    half = None
    if span is not None:
        half = scale * (span[1] - span[0]) / 2 if given else scale * (estimate.spread or 0.0)
    places = _decimals(value, half) if decimals is None else decimals
    if span is None:
        return number(value, places), ""
    if given:
        return number(value, places), f"[{number(scale * span[0], places)}, {number(scale * span[1], places)}]"
    return number(value, places), f"± {number(half or 0.0, places)}"


def told(estimate: Estimate, *, scale: float = 1.0, decimals: int | None = None) -> str:
    """The same in one piece, for sentences: `0.31 [0.27, 0.35]`."""
    return " ".join(part for part in figure(estimate, scale=scale, decimals=decimals) if part)
