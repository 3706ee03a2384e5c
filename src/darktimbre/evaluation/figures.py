"""An evaluation → what draws the figures of its report, by name; those that there are numbers for."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from darktimbre.evaluation.comparison import LOGITS, MEASURES, PAPER_MEASURES, SOFT, Compared, Measure
from darktimbre.evaluation.results import TRAIN, Curve, System
from darktimbre.evaluation.tables import scores_of, shown_attributes
from darktimbre.report import figures
from darktimbre.report.estimates import MISSING, Estimate
from darktimbre.report.figures import FAINT, INK, Dot, Style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_REAL_MARKERS = ("*", "<", ">")
TARGET = "mean ρ of target and prediction"  # of an axis
_KIND_MARKERS = {"untrained": "x", "baseline": "d", "gansynth": "p"}


def draw(compared: Compared) -> dict[str, Callable[[], "Figure"]]:
    """Every figure that there are numbers for."""
    systems = compared.systems
    scored = [m for m in PAPER_MEASURES for one in systems for where in one.scores if m.of(one, where).known]
    shifted = [(one, curve) for one in systems if (curve := one.out_of_distribution)]
    raised = [(one, curve) for one in systems if (curve := one.increments)]
    rise = "mean rise of the prediction, standard deviations"
    varied = [one for one in systems if one.variation]
    every: dict[str, tuple[bool, Callable[[], Figure]]] = {
        "scores": (bool(scored), partial(scores, compared)),
        "attributes": (bool(shown_attributes(compared)), partial(attributes, compared)),
        "figure-2-out-of-distribution": (bool(shifted), partial(curves, compared, shifted, TARGET, log=True)),
        "figure-3-increment-consistency": (bool(raised), partial(curves, compared, raised, rise, log=False)),
        "fidelity-and-control": (len(traded(compared, trade_measure(compared))) > 1, partial(trade, compared)),
        "variation": (bool(varied), partial(variation, varied)),
    }
    return {name: drawing for name, (known, drawing) in every.items() if known}


def styles(systems: Sequence[System]) -> dict[str, Style]:
    """By name; instruments steered by attributes take colours in turn, real notes are black and others grey."""
    found, place, real = {}, 0, 0
    for one in systems:
        if one.kind == "darkgan":
            found[one.name], place = figures.series(place), place + 1
        elif one.kind == "real":
            found[one.name], real = Style(INK, "dashed", _REAL_MARKERS[real % len(_REAL_MARKERS)]), real + 1
        else:
            found[one.name] = Style(FAINT, "dashed", _KIND_MARKERS[one.kind])
    return found


def scores(compared: Compared) -> "Figure":
    """Table 1 as dots, one panel a measure."""
    systems, style = compared.systems, styles(compared.systems)
    drawing = figures.canvas(1.2 + 0.42 * len(systems))
    panels = drawing.subplots(1, len(PAPER_MEASURES), sharey=True)
    for axes, measure in zip(panels, PAPER_MEASURES, strict=True):
        shown = []
        for place, system in enumerate(systems):
            known = [name for name in compared.scored_on if name in system.scores]
            shown += [
                Dot(style[system.name], measure.of(system, name), place + offset, filled=name != TRAIN,
                    outlier=system.kind == "untrained")
                for name, offset in zip(known, _spread(len(known), 0.26), strict=True)
            ]  # fmt: skip
        figures.dots(axes, shown)
        figures.rows(axes, [one.name for one in systems])
        axes.set_title(measure.heading(compared.evaluation.facts).replace(", ", "\n"), fontsize=10)
        axes.locator_params(axis="x", nbins=3)
        axes.tick_params(axis="x", labelsize=8)
    if TRAIN in compared.scored_on and len(compared.scored_on) > 1:
        drawing.supxlabel("open: conditions of the train split; filled: held-out", fontsize=8, color=FAINT)
    return drawing


def _spread(count: int, width: float) -> list[float]:
    """Offsets of so many dots of one row."""
    return np.linspace(-width / 2, width / 2, count).tolist() if count > 1 else [0.0] * count


def attributes(compared: Compared) -> "Figure":
    """The attributes of table 2 as dots with intervals, groups apart."""
    shown, systems, style = shown_attributes(compared), compared.steered, styles(compared.systems)
    logits, step = compared.by_logits(systems), max(1.0, 0.32 * len(systems))
    field = "logit_correlation" if logits else "correlation"
    drawing = figures.canvas(1.4 + 0.26 * step * len(shown))
    axes = drawing.add_subplot()
    breaks = np.cumsum([0, *(one[1] != two[1] for one, two in pairwise(shown))])
    places: NDArray[np.float64] = step * (np.arange(len(shown)) + 0.4 * breaks)
    offsets = _spread(len(systems), 0.75 * step * (1 - 1 / len(systems)))
    dots = []
    for system, offset in zip(systems, offsets, strict=True):
        scores = scores_of(compared, system)
        values = [(getattr(scores.get(name), field, MISSING), y) for (name, _), y in zip(shown, places, strict=True)]
        known = [(e, float(y) + offset) for e, y in values if e.known]
        dots += [Dot(style[system.name], *pair, "" if place else system.name) for place, pair in enumerate(known)]
    figures.dots(axes, dots)
    for place in places[1:][np.diff(breaks) > 0]:
        axes.axhline(place - 0.7 * step, color=FAINT, linewidth=0.8)
    axes.axvline(0.0, color=FAINT, linewidth=0.9)
    figures.rows(axes, [name for name, _ in shown], list(places))
    axes.set_xlabel(f"correlation ρ of target and prediction{', of logits' * logits}")
    figures.legend(drawing, axes)
    return drawing


def curves(compared: Compared, known: Sequence[tuple[System, Curve]], up: str, *, log: bool) -> "Figure":
    """A curve with its band for each system that has one, and a line at δ = 1, where the range of attributes ends."""
    style = styles(compared.systems)
    drawing = figures.canvas(4.2)
    axes = drawing.add_subplot()
    for system, one in known:
        points = np.array([one.increment, one.mean, one.low, one.high], float)
        figures.curve(axes, system.name, style[system.name], points[:, points[0] > (0 if log else -np.inf)])
    if log:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
    axes.axhline(0.0, color=FAINT, linewidth=0.9)
    left, right = axes.get_xlim()
    if left < 1.0 < right:
        figures.guide(axes, 1.0, "outside the range →")
    axes.set_xlabel("δ, added to one attribute at a time")
    axes.set_ylabel(up)
    figures.legend(drawing, axes)
    return drawing


def trade_measure(compared: Compared) -> Measure:
    """The distance that control is shown against: FAD∞ where it compares any two, else KID."""
    return MEASURES["fad_infinity" if len(traded(compared, MEASURES["fad_infinity"])) > 1 else "kid"]


def traded(compared: Compared, measure: Measure) -> list[tuple[System, Estimate, Estimate]]:
    """(instrument, distance, mean correlation) where both are known."""
    made = [one for one in compared.steered if one.kind != "real" and measure.of(one, compared.fidelity_on).known]
    field = LOGITS if compared.by_logits(made) else SOFT
    each = [(one, measure.of(one, compared.fidelity_on), compared.mean(one, field)) for one in made]
    return [(one, x, y) for one, x, y in each if y.known]


def trade(compared: Compared) -> "Figure":
    """Control against the distance to real notes."""
    style, condition, measure = styles(compared.systems), compared.fidelity_on, trade_measure(compared)
    known = traded(compared, measure)
    drawing = figures.canvas(4.2)
    axes = drawing.add_subplot()
    figures.dots(axes, [Dot(style[one.name], x, y, one.name, outlier=one.kind == "untrained") for one, x, y in known])
    for real in compared.real(condition):
        if (distance := measure.of(real, condition)).known:
            left, right = axes.get_xlim()
            axes.set_xlim(min(left, float(distance) - 0.05 * (right - left)), right)
            figures.guide(axes, float(distance), real.name, upright=True)
    axes.margins(y=0.12)
    axes.axhline(0.0, color=FAINT, linewidth=0.9)
    axes.set_xlabel(f"{measure.name} to real notes, {condition} conditions (further left is better)")
    logits = compared.by_logits([one for one, _, _ in known])
    axes.set_ylabel(f"{TARGET}{', of logits' * logits}")
    figures.legend(drawing, axes)
    return drawing


def variation(systems: Sequence[System]) -> "Figure":
    """Shares of variance as bars."""
    parts = {"attributes": "attributes", "random vector z": "latent", "both together": "both"}
    shares = {label: [getattr(one.variation, key) for one in systems] for label, key in parts.items()}
    return figures.shares([one.name for one in systems], shares, "share of the variance at equal pitch")
