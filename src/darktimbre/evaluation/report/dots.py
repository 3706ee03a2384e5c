"""An evaluation → figures of dots with their intervals: scores, attributes, and control against fidelity."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from darktimbre.evaluation.report.control import shown_attributes
from darktimbre.evaluation.report.figures import FAINT, PAPER, Style, canvas, legend, short, styles
from darktimbre.evaluation.report.ground import (
    bar,
    by_logits,
    conditions,
    control_of,
    control_on,
    fidelity_on,
    steered,
)
from darktimbre.evaluation.report.numbers import PAPER_MEASURES, finite, interval, named, number
from darktimbre.evaluation.results import AttributeScore, Estimate, Evaluation, System

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROOM = 4.0  # an untrained network that would stretch an axis more than so many times is pointed to instead


def _dot(axes: "Axes", estimate: Estimate, y: float, style: Style, *, scale: float = 1.0, filled: bool = True) -> None:
    if estimate.value is None or not finite(estimate.value):
        return
    span = interval(estimate)
    if span is not None:
        axes.plot([scale * span[0], scale * span[1]], [y, y], color=style.colour, linewidth=1.6, solid_capstyle="butt")
    axes.plot(
        [scale * estimate.value], [y], marker=style.marker, markersize=7 if style.marker == "*" else 5.5,
        color=style.colour, markerfacecolor=style.colour if filled else PAPER, linestyle="none",
    )  # fmt: skip


def scores(evaluation: Evaluation) -> "Figure":
    """Table 1 as dots, one panel a measure."""
    systems = evaluation.systems
    where = conditions([one.scores for one in systems])
    look = styles(systems)
    figure = canvas(7.2, 1.2 + 0.42 * len(systems))
    measures = named(PAPER_MEASURES, evaluation.facts)
    panels = figure.subplots(1, len(measures), sharey=True)
    for axes, measure in zip(panels, measures, strict=True):
        left, right = _limits(systems, measure.key, measure.scale)
        for place, system in enumerate(systems):
            known = [name for name in where if name in system.scores]
            for turn, name in enumerate(known):
                y = place + (0.0 if len(known) == 1 else 0.26 * (turn / (len(known) - 1) - 0.5))
                estimate = getattr(system.scores[name], measure.key)
                if estimate.value is not None and not left <= measure.scale * estimate.value <= right:
                    _off(axes, measure.scale * estimate.value, y, left)
                else:
                    _dot(axes, estimate, y, look[system.name], scale=measure.scale, filled=name != "train")
        axes.set_xlim(left, right)
        axes.set_title(measure.heading.replace(", ", "\n"), fontsize=10)
        axes.grid(False, axis="y")
        axes.tick_params(axis="y", length=0)
        axes.locator_params(axis="x", nbins=3)
        axes.tick_params(axis="x", labelsize=8)
    panels[0].set_yticks(range(len(systems)), [short(one.name) for one in systems])
    panels[0].set_ylim(len(systems) - 0.5, -0.5)
    if "train" in where and len(where) > 1:
        figure.supxlabel("open: conditions of the train split; filled: held-out", fontsize=8, color=FAINT)
    return figure


def _limits(
    systems: Sequence[System], key: str, scale: float, where: Sequence[str] | None = None
) -> tuple[float, float]:
    """Ends of an axis that has room for all intervals; for an untrained network only where it is not far off."""

    def reach(those: Sequence[System]) -> list[float]:
        scored = [held for one in those for name, held in one.scores.items() if where is None or name in where]
        estimates = [getattr(held, key) for held in scored]
        spans = [interval(one) or (one.value, one.value) for one in estimates if finite(one.value)]
        return [scale * end for span in spans for end in span]

    near = reach([one for one in systems if one.kind != "untrained"]) or reach(systems)
    whole = reach(systems)
    if not near:
        return 0.0, 1.0
    if max(whole) - min(whole) <= _ROOM * (max(near) - min(near)):
        near = whole
    margin = 0.12 * (max(near) - min(near)) or 0.1 * abs(near[0]) or 1.0
    return min(near) - margin, max(near) + margin


def _off(axes: "Axes", value: float, y: float, left: float, name: str = "", above: bool = False) -> None:
    """Points to what is off the scale."""
    below = value < left
    figure = number(value, 0 if abs(value) >= 100 else 1)
    text = f"{name} ({figure})" if name else figure
    axes.annotate(
        f"◂ {text}" if below else f"{text} ▸", (0.0 if below else 1.0, y), xycoords=("axes fraction", "data"),
        ha="left" if below else "right", va="bottom" if above else "center", fontsize=8, color=FAINT,
        xytext=(2 if below else -2, 2 if above else 0),
        textcoords="offset points",
    )  # fmt: skip


def attributes(evaluation: Evaluation) -> "Figure":
    """The attributes of table 2 as dots with intervals."""
    systems = steered(evaluation)
    condition, look = control_on(evaluation.systems), styles(evaluation.systems)
    logits = by_logits(evaluation, systems, condition)
    shown = shown_attributes(evaluation)
    tables = []
    for system in systems:
        control = control_of(system, condition)
        tables.append({one.name: shown_correlation(one, logits) for one in control.attributes} if control else {})
    step = max(1.0, 0.32 * len(systems))
    figure = canvas(7.2, 1.4 + 0.26 * step * len(shown))
    axes = figure.add_subplot()
    y, ticks, group = 0.0, [], shown[0][1] if shown else ""
    for name, mine in shown:
        if mine != group:
            axes.axhline(y - 0.1 * step, color=FAINT, linewidth=0.8)
            y, group = y + 0.4 * step, mine
        for place, (system, table) in enumerate(zip(systems, tables, strict=True)):
            offset = (place - (len(systems) - 1) / 2) * 0.75 * step / max(1, len(systems))
            if name in table:
                _dot(axes, table[name], y + offset, look[system.name])
        ticks.append(y)
        y += step
    for system in systems:
        style = look[system.name]
        axes.plot(
            [], [], color=style.colour, marker=style.marker, linestyle="solid", linewidth=1.6, label=short(system.name)
        )
    axes.axvline(0.0, color=FAINT, linewidth=0.9)
    axes.set_yticks(ticks, [short(name) for name, _ in shown])
    axes.set_ylim(y - 0.4 * step, -0.7 * step)
    axes.set_xlabel(f"correlation ρ of asked and heard{', of logits' * logits}")
    legend(figure, axes)
    return figure


def shown_correlation(score: AttributeScore, logits: bool) -> Estimate:
    """What the figure of attributes shows of one."""
    return score.logit_correlation if logits else score.correlation


def trade(evaluation: Evaluation) -> "Figure":
    """Control against the distance to real notes."""
    look, condition = styles(evaluation.systems), fidelity_on(evaluation.systems)
    figure = canvas(7.2, 4.2)
    axes = figure.add_subplot()
    key, name, scale = trade_measure(evaluation)
    left, right = _limits(evaluation.systems, key, scale, (condition,))
    found = traded(evaluation, key)
    for system, x, y in found:
        if x.value is not None and y.value is not None and left <= scale * x.value <= right:
            _cross(axes, x, y, look[system.name], scale, short(system.name))
        elif x.value is not None and y.value is not None:
            _off(axes, scale * x.value, y.value, left, system.name, above=True)
    real = bar(evaluation, condition)
    distance = getattr(real[1], key).value if real else None
    if real and distance is not None and finite(distance):
        axes.axvline(scale * distance, color=FAINT, linewidth=0.9, linestyle=(0, (1, 2)))
        axes.annotate(
            real[0], (scale * distance, 0.02), xycoords=("data", "axes fraction"), xytext=(3, 0),
            textcoords="offset points", fontsize=8, color=FAINT, rotation=90, va="bottom",
        )  # fmt: skip
    axes.set_xlim(left, right)
    axes.margins(y=0.12)
    axes.axhline(0.0, color=FAINT, linewidth=0.9)
    axes.set_xlabel(f"{name} to real notes, {condition} conditions (further left is better)")
    logits = by_logits(evaluation, [one for one, _, _ in found], control_on(evaluation.systems))
    axes.set_ylabel(f"mean ρ of asked and heard{', of logits' * logits}")
    legend(figure, axes)
    return figure


def _cross(axes: "Axes", x: Estimate, y: Estimate, style: Style, scale: float, label: str) -> None:
    assert x.value is not None
    assert y.value is not None
    for estimate, flat in ((x, True), (y, False)):
        span = interval(estimate)
        if span is not None:
            ends = [scale * span[0], scale * span[1]] if flat else [scale * x.value] * 2
            axes.plot(ends, [y.value] * 2 if flat else list(span), color=style.colour, linewidth=1.4)
    axes.plot(
        [scale * x.value], [y.value], color=style.colour, marker=style.marker, markersize=7, linestyle="none",
        label=label,
    )  # fmt: skip


def trade_measure(evaluation: Evaluation) -> tuple[str, str, float]:
    """(field of `Scores`, name, scale) of the distance in the figure: FAD∞ where it compares any two, else KID."""
    far = len(traded(evaluation, "fad_infinity")) > 1
    return ("fad_infinity", "FAD∞", 1.0) if far else ("kid", "KID ×10⁻⁴", 1e4)


def traded(evaluation: Evaluation, key: str) -> list[tuple[System, Estimate, Estimate]]:
    """(instrument, distance, mean correlation) where both are known: of train and of held-out conditions."""
    condition, where = fidelity_on(evaluation.systems), control_on(evaluation.systems)
    held = [
        (one, getattr(scores, key), control)
        for one in evaluation.systems
        if one.kind != "real" and (scores := one.scores.get(condition)) and (control := control_of(one, where))
    ]
    near = [(one, x, control) for one, x, control in held if finite(x.value)]
    logits = by_logits(evaluation, [one for one, _, _ in near], where)
    each = [(one, x, control.logit_mean if logits else control.mean) for one, x, control in near]
    return [(one, x, y) for one, x, y in each if finite(y.value)]
