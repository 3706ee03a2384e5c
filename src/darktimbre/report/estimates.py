"""A figure with its uncertainty: how it is rounded, and when one is better than another.

One rule for all: a figure is better than another only where their 95 % intervals do not overlap. Then they differ by
more than 1.96 (s + s′), which is at least 1.96 standard errors of the difference however the two depend on each other
(the same conditions, the same reference): a test of the difference at 5 % says the same. It often says so where
intervals overlap, so that some true differences are called undecided. All this is as sure as the standard errors are,
which are rough where the notes are of few instruments; and it is not corrected for many comparisons.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

DASH = "–"  # where there is no figure
_NORMAL = 1.96  # half the width of a normal distribution's 95 % interval, in standard deviations

Better = Literal[1, -1]
"""1 where higher is better, −1 where lower is."""

Verdict = Literal["better", "worse", "undecided"]
Mark = Literal["", "best", "tied", "decided"]
"""Of a cell: leads its column, shares the lead, or a verdict other than undecided."""


@dataclass(frozen=True)
class Estimate:
    """A figure and how sure it is; `float()` of it is NaN where there is none."""

    value: float | None  # None where it is not defined or was left out
    low: float | None = None  # the 95 % confidence interval, where one is given
    high: float | None = None
    spread: float | None = None  # the standard error, where that is known instead

    def __float__(self) -> float:
        return math.nan if self.value is None else float(self.value)

    @property
    def known(self) -> bool:
        return math.isfinite(float(self))

    @property
    def given(self) -> tuple[float, float] | None:
        """The interval that was given, without what follows from the standard error."""
        if self.low is None or self.high is None or not (math.isfinite(self.low) and math.isfinite(self.high)):
            return None
        return self.low, self.high

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval: as given, or the value ± 1.96 standard errors; None where neither is known."""
        if not self.known:
            return None
        if self.given is None and self.spread is not None and math.isfinite(self.spread):
            return float(self) - _NORMAL * self.spread, float(self) + _NORMAL * self.spread
        return self.given

    def times(self, scale: float) -> "Estimate":
        every = (self.value, self.low, self.high, self.spread)
        return Estimate(*(one if one is None else scale * one for one in every))

    def minus(self, other: "Estimate") -> "Estimate":
        """The difference, with the widest interval that the two allow however they depend on each other."""
        mine, theirs = self.interval, other.interval
        ends = (mine[0] - theirs[1], mine[1] - theirs[0]) if mine and theirs else (None, None)
        return Estimate(float(self) - float(other), *ends)


MISSING = Estimate(None)


def verdict(difference: Estimate, better: Better) -> Verdict | None:
    """What a difference says of the first of the two; None where there is none."""
    if not difference.known:
        return None
    span = difference.interval
    if span is None or span[0] <= 0 <= span[1]:
        return "undecided"
    return "better" if better * float(difference) > 0 else "worse"


def marks(column: Sequence[Estimate], better: Better) -> list[Mark]:
    """Who leads a column: `best` where its interval is clear of all others, else `tied` for all overlapping it.

    Nothing is marked where fewer than two have figures, or any figure comes without an interval.
    """
    known = [place for place, one in enumerate(column) if one.known]
    found: list[Mark] = [""] * len(column)
    if len(known) < 2 or any(column[place].interval is None for place in known):
        return found
    leader = max(known, key=lambda place: better * float(column[place]))
    level = [place for place in known if verdict(column[leader].minus(column[place]), better) == "undecided"]
    for place in level:  # the leader is level with itself
        found[place] = "tied" if len(level) > 1 else "best"
    return found


def _decimals(value: float, half_width: float | None) -> int:
    """Places after the point: one digit of the uncertainty, two where that is 1 or 2; three digits without."""
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


def rounded(estimate: Estimate, decimals: int | None = None) -> tuple[str, str]:
    """(figure, how sure it is): `("0.31", "[0.27, 0.35]")`, `("6.7", "± 0.2")`, `("6.70", "")` or `("–", "")`.

    `decimals` are places after the point, by default as many as the uncertainty warrants.
    """
    if not estimate.known:
        return DASH, ""
    span, given = estimate.interval, estimate.given
    half = None if span is None else (given[1] - given[0]) / 2 if given else estimate.spread
    places = _decimals(float(estimate), half) if decimals is None else decimals
    text = number(float(estimate), places)
    if given:
        return text, f"[{number(given[0], places)}, {number(given[1], places)}]"
    return text, "" if half is None else f"± {number(half, places)}"


def written(estimate: Estimate, decimals: int | None = None) -> str:
    """The same in one piece: `0.31 [0.27, 0.35]`."""
    return " ".join(part for part in rounded(estimate, decimals) if part)
