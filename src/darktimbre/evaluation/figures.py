"""An evaluation → the figures of its report: what they show, mean and say in words, for those who cannot see them."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from darktimbre.evaluation.comparison import MEASURES, PAPER_MEASURES, PLACES, Compared, Measure, nearest
from darktimbre.evaluation.results import Curve, System
from darktimbre.evaluation.tables import caption, correlation, scores_of, shown_attributes
from darktimbre.report import figures
from darktimbre.report.document import Figure
from darktimbre.report.estimates import Estimate, written
from darktimbre.report.figures import FAINT, INK, Dot, Style

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

_REAL_MARKERS = ("*", "<", ">")
_KIND_MARKERS = {"untrained": "x", "baseline": "d", "gansynth": "p"}
ACROSS, LIMIT = "δ, added to one attribute at a time", "outside the range →"


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


# ── table 1 ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def scores(compared: Compared) -> Figure | None:
    """Table 1 as dots, one panel a measure."""
    where, systems = compared.scored_on, compared.systems
    if not any(m.of(one, condition).known for one in systems for condition in where for m in PAPER_MEASURES):
        return None
    each = [
        f"{one.name}, {condition}: " + ", ".join(f"{m.name} {written(e)}" for m, e in known)
        for condition in where
        for one in systems
        if (known := [(m, e) for m in PAPER_MEASURES if (e := m.of(one, condition)).known])
    ]
    title, draw = "Fidelity of every set of sounds", partial(_draw_scores, compared)
    return Figure("scores", title, f"{'; '.join(each)}.", caption("figure_1"), draw)


def _draw_scores(compared: Compared) -> "Drawing":
    systems, look = compared.systems, styles(compared.systems)
    drawing = figures.canvas(1.2 + 0.42 * len(systems))
    panels = drawing.subplots(1, len(PAPER_MEASURES), sharey=True)
    for axes, measure in zip(panels, PAPER_MEASURES, strict=True):
        shown = []
        for place, system in enumerate(systems):
            known = [name for name in compared.scored_on if name in system.scores]
            for y, name in zip(place + _spread(len(known), 0.26), known, strict=True):
                dot = Dot(look[system.name], measure.of(system, name), float(y), filled=name != "train",
                    outlier=system.kind == "untrained")  # fmt: skip
                shown.append(dot)
        figures.dots(axes, shown)
        axes.set_title(measure.heading(compared.evaluation.facts).replace(", ", "\n"), fontsize=10)
        axes.locator_params(axis="x", nbins=3)
        axes.tick_params(axis="x", labelsize=8)
        figures.rows(axes, [one.name for one in systems])
    if "train" in compared.scored_on and len(compared.scored_on) > 1:
        drawing.supxlabel("open: conditions of the train split; filled: held-out", fontsize=8, color=FAINT)
    return drawing


def _spread(count: int, width: float) -> np.ndarray:
    """Offsets of so many dots of one row."""
    return np.linspace(-width / 2, width / 2, count) if count > 1 else np.zeros(count)


# ── table 2 ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def attributes(compared: Compared) -> Figure | None:
    """The attributes of table 2 as dots with intervals."""
    shown, systems = shown_attributes(compared), compared.steered
    if not shown:
        return None
    logits, ends = compared.by_logits(systems), (shown[0][0], shown[-1][0])
    each = []
    for system in systems:
        known = scores_of(compared, system)
        figures_of = [f"{name} {written(correlation(known[name], logits), PLACES)}" for name in ends if name in known]
        each.append(f"{system.name}: from {' to '.join(figures_of)}" if figures_of else f"{system.name}: none of these")
    what = "Correlations of logits" if logits else "Correlations"
    alt = f"{what} of {len(shown)} attributes. {'; '.join(each)}. All of them are in the table."
    return Figure(
        "attributes", "Control by attribute", alt, caption("attributes", logits),
        partial(_draw_attributes, compared, shown, logits),
    )  # fmt: skip


def _draw_attributes(compared: Compared, shown: Sequence[tuple[str, str]], logits: bool) -> "Drawing":
    systems, look = compared.steered, styles(compared.systems)
    step = max(1.0, 0.32 * len(systems))
    drawing = figures.canvas(1.4 + 0.26 * step * len(shown))
    axes = drawing.add_subplot()
    breaks = np.cumsum([0, *(one[1] != two[1] for one, two in pairwise(shown))])
    places = step * (np.arange(len(shown)) + 0.4 * breaks)
    offsets = _spread(len(systems), 0.75 * step * (len(systems) - 1) / len(systems))
    for system, offset in zip(systems, offsets, strict=True):
        known, style = scores_of(compared, system), look[system.name]
        values = [correlation(known.get(name), logits) for name, _ in shown]
        dots = [Dot(style, e, float(y + offset)) for e, y in zip(values, places, strict=True)]
        figures.dots(axes, dots, fit=False)
        axes.plot([], [], color=style.colour, marker=style.marker, linewidth=1.6, label=figures.short(system.name))
    for place in places[1:][np.diff(breaks) > 0]:
        axes.axhline(place - 0.7 * step, color=FAINT, linewidth=0.8)
    axes.axvline(0.0, color=FAINT, linewidth=0.9)
    figures.rows(axes, [name for name, _ in shown], list(places))
    axes.set_xlabel(f"correlation ρ of target and prediction{', of logits' * logits}")
    figures.legend(drawing, axes)
    return drawing


# ── figures 2 and 3 ──────────────────────────────────────────────────────────────────────────────────────────────────


def shifted(system: System) -> Curve | None:
    """Figure 2 of a system."""
    return system.out_of_distribution


def raised(system: System) -> Curve | None:
    """Figure 3 of a system."""
    return system.increments


def figure_2(compared: Compared) -> Figure | None:
    """Correlation of raised attributes."""
    most = compared.evaluation.asked.get("shift_attributes")
    known = max((len(c.attributes) for one in compared.systems for c in one.control.values()), default=0)
    part = most if most is not None and most < known else None  # of S, where that may be fewer than all
    return _curves(
        compared, shifted, "figure-2-out-of-distribution", "Figure 2: out-of-distribution correlation",
        "Mean correlation against δ", caption("figure_2", part), up="mean ρ of target and prediction", log=True,
    )  # fmt: skip


def figure_3(compared: Compared) -> Figure | None:
    """Rise of raised attributes."""
    return _curves(
        compared, raised, "figure-3-increment-consistency", "Figure 3: increment consistency",
        "Mean rise in standard deviations against δ",
        caption("figure_3", compared.evaluation.asked.get("increment_attributes")),
        up="mean rise of the prediction, standard deviations", log=False,
    )  # fmt: skip


def _curves(
    compared: Compared, read: Callable[[System], Curve | None], name: str, title: str, what: str, text: str, *, up: str,
    log: bool,
) -> Figure | None:  # fmt: skip
    known = [(one, curve) for one in compared.systems if (curve := read(one))]
    if not known:
        return None
    each = []
    for system, one in known:
        ends = [point for x in (0.0, 1.0, 1e9) if (point := nearest(one, x))]
        each.append(f"{system.name}: " + ", ".join(dict.fromkeys(f"{written(e, 2)} at {x:.2g}" for x, e in ends)))
    look = styles(compared.systems)

    def draw() -> "Drawing":
        drawing = figures.canvas(4.2)
        axes = drawing.add_subplot()
        for system, one in known:
            points = np.array([one.increment, one.mean, one.low, one.high], float)
            figures.curve(axes, system.name, look[system.name], points[:, points[0] > (0 if log else -np.inf)])
        if log:
            figures.log_axis(axes)
        axes.axhline(0.0, color=FAINT, linewidth=0.9)
        left, right = axes.get_xlim()
        if left < 1.0 < right:  # where the range of attributes ends
            figures.guide(axes, 1.0, LIMIT)
        axes.set_xlabel(ACROSS)
        axes.set_ylabel(up)
        figures.legend(drawing, axes)
        return drawing

    return Figure(name, title, f"{what}. {'; '.join(each)}.", text, draw)


# ── fidelity against control; variation ──────────────────────────────────────────────────────────────────────────────


def trade(compared: Compared) -> Figure | None:
    """Control against the distance to real notes: FAD∞ where it compares any two, else KID."""
    measure = MEASURES["fad_infinity" if len(_traded(compared, MEASURES["fad_infinity"])) > 1 else "kid"]
    known = _traded(compared, measure)
    if len(known) < 2:
        return None
    systems = [one for one, _, _ in known]
    logits = compared.by_logits(systems)
    each = (f"{one.name}: {measure.name} {written(x)}, mean ρ {written(y, PLACES)}" for one, x, y in known)
    return Figure(
        "fidelity-and-control", "Fidelity against control", f"{'; '.join(each)}.",
        caption("trade", logits, compared.one_vocabulary(systems)),
        partial(_draw_trade, compared, measure, known, logits),
    )  # fmt: skip


def _traded(compared: Compared, measure: Measure) -> list[tuple[System, Estimate, Estimate]]:
    """(instrument, distance, mean correlation) where both are known."""
    near = [
        (one, x, control)
        for one in compared.systems
        if one.kind != "real"
        and (x := measure.of(one, compared.fidelity_on)).known
        and (control := compared.control(one))
    ]
    logits = compared.by_logits([one for one, _, _ in near])
    each = [(one, x, control.logit_mean if logits else control.mean) for one, x, control in near]
    return [(one, x, y) for one, x, y in each if y.known]


def _draw_trade(
    compared: Compared, measure: Measure, known: Sequence[tuple[System, Estimate, Estimate]], logits: bool
) -> "Drawing":
    look, condition = styles(compared.systems), compared.fidelity_on
    drawing = figures.canvas(4.2)
    axes = drawing.add_subplot()
    real = compared.real(condition)
    figures.dots(axes, [Dot(look[one.name], x, y, one.name, outlier=one.kind == "untrained") for one, x, y in known])
    if real and (distance := measure.of(real, condition)).known:
        figures.guide(axes, float(distance), real.name, upright=True)
        left, right = axes.get_xlim()
        axes.set_xlim(min(left, float(distance) - 0.05 * (right - left)), right)
    axes.margins(y=0.12)
    axes.axhline(0.0, color=FAINT, linewidth=0.9)
    axes.set_xlabel(f"{measure.name} to real notes, {condition} conditions (further left is better)")
    axes.set_ylabel(f"mean ρ of target and prediction{', of logits' * logits}")
    figures.legend(drawing, axes)
    return drawing


def variation(compared: Compared) -> Figure | None:
    """Shares of variance as bars."""
    known = [(one.name, one.variation) for one in compared.systems if one.variation]
    if not known:
        return None
    parts = [
        (label, [float(getattr(one, key)) for _, one in known])
        for label, key in (("attributes", "attributes"), ("random vector z", "latent"), ("both together", "both"))
    ]
    each = [
        f"{name}: " + ", ".join(f"{label} {100 * values[place]:.0f} %" for label, values in parts)
        for place, (name, _) in enumerate(known)
    ]
    return Figure(
        "variation", "What moves the sound", f"{'; '.join(each)}.", caption("variation_bars"),
        partial(figures.shares, [name for name, _ in known], parts, "share of the variance at equal pitch"),
    )  # fmt: skip
