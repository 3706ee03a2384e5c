"""Which figures a report has, what they mean and what they show in words, for those who cannot see them."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from darktimbre.evaluation.report import captions, dots, figures
from darktimbre.evaluation.report.blocks import Picture
from darktimbre.evaluation.report.control import shown_attributes
from darktimbre.evaluation.report.ground import by_logits, conditions, control_of, control_on, one_vocabulary, steered
from darktimbre.evaluation.report.numbers import PAPER_MEASURES, finite, told
from darktimbre.evaluation.report.reading_further import nearest_point
from darktimbre.evaluation.results import Curve, Evaluation, System

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Drawn = tuple[Picture, Callable[[], "Figure"]]


def shifted(system: System) -> Curve | None:
    """Figure 2 of a system."""
    return system.out_of_distribution


def raised(system: System) -> Curve | None:
    """Figure 3 of a system."""
    return system.increments


def pictures(evaluation: Evaluation) -> dict[str, Drawn]:
    """Figures by name, those that there are numbers for."""
    found: dict[str, Drawn] = {}

    def add(name: str, title: str, alt: str, caption: str, draw: Callable[[], "Figure"]) -> None:
        found[name] = (Picture(name, title, alt, caption), draw)

    systems = evaluation.systems
    if any(finite(getattr(s, m.key).value) for one in systems for s in one.scores.values() for m in PAPER_MEASURES):
        add("scores", "Fidelity of every set of sounds", _scores_alt(evaluation), captions.FIGURE_1,
            partial(dots.scores, evaluation))  # fmt: skip
    if any(one.out_of_distribution for one in systems):
        draw = partial(
            figures.curves, evaluation, shifted, log=True, across="δ, added to one attribute at a time",
            up="mean ρ of asked and heard", limit="outside the range →",
        )  # fmt: skip
        alt = _curve_alt(evaluation, shifted, "Mean correlation against δ")
        add(
            "figure-2-out-of-distribution",
            "Figure 2: out-of-distribution correlation",
            alt,
            captions.figure_2(_part(evaluation)),
            draw,
        )
    if any(one.increments for one in systems):
        draw = partial(
            figures.curves, evaluation, raised, log=False, across="δ, added to one attribute at a time",
            up="mean rise heard, standard deviations", limit="outside the range →",
        )  # fmt: skip
        alt = _curve_alt(evaluation, raised, "Mean rise in standard deviations against δ")
        add("figure-3-increment-consistency", "Figure 3: increment consistency", alt,
            captions.figure_3(evaluation.asked.get("increment_attributes")), draw)  # fmt: skip
    mine = steered(evaluation)
    logits = by_logits(evaluation, mine, control_on(systems))
    if shown_attributes(evaluation):
        add("attributes", "Control by attribute", _attributes_alt(evaluation), captions.attributes(logits),
            partial(dots.attributes, evaluation))  # fmt: skip
    key, name, scale = dots.trade_measure(evaluation)
    traded = dots.traded(evaluation, key)
    if len(traded) > 1:
        told_each = (f"{one.name}: {name} {told(x, scale=scale)}, mean ρ {told(y, decimals=2)}" for one, x, y in traded)
        shown = [one for one, _, _ in traded]
        caption = captions.trade(
            by_logits(evaluation, shown, control_on(systems)), one_vocabulary(shown, control_on(systems))
        )
        add("fidelity-and-control", "Fidelity against control", f"{'; '.join(told_each)}.", caption,
            partial(dots.trade, evaluation))  # fmt: skip
    if any(one.variation for one in systems):
        shares = (
            f"{one.name}: attributes {100 * v.attributes:.0f} %, z {100 * v.latent:.0f} %, both {100 * v.both:.0f} %"
            for one in systems
            if (v := one.variation)
        )
        add("variation", "What moves the sound", f"{'; '.join(shares)}.", captions.SHARES,
            partial(figures.variation, evaluation))  # fmt: skip
    return found


def _part(evaluation: Evaluation) -> int | None:
    """How many attributes of S figure 2 is of, where that may be fewer than all."""
    most = evaluation.asked.get("shift_attributes")
    known = max((len(c.attributes) for one in evaluation.systems for c in one.control.values()), default=0)
    return most if most is not None and most < known else None


def _scores_alt(evaluation: Evaluation) -> str:
    parts = []
    for condition in conditions([one.scores for one in evaluation.systems]):
        for system in evaluation.systems:
            held = system.scores.get(condition)
            if held is not None:
                known = [(m, e) for m in PAPER_MEASURES if finite((e := getattr(held, m.key)).value)]
                each = (f"{m.name} {told(e, scale=m.scale)}" for m, e in known)
                parts.append(f"{system.name}, {condition}: {', '.join(each) or 'nothing measured'}")
    return f"{'; '.join(parts)}."


def _curve_alt(evaluation: Evaluation, read: Callable[[System], Curve | None], what: str) -> str:
    parts = []
    for system in evaluation.systems:
        curve = read(system)
        points = [p for x in (0.0, 1.0, 1e9) if curve and (p := nearest_point(curve, x))]
        if points:
            each = dict.fromkeys(f"{told(e, decimals=2)} at {x:.2g}" for x, e in points)
            parts.append(f"{system.name}: {', '.join(each)}")
    return f"{what}. {'; '.join(parts) or 'Nowhere defined'}."


def _attributes_alt(evaluation: Evaluation) -> str:
    shown, condition, parts = shown_attributes(evaluation), control_on(evaluation.systems), []
    systems = steered(evaluation)
    logits = by_logits(evaluation, systems, condition)
    for system in systems:
        control = control_of(system, condition)
        known = {one.name: dots.shown_correlation(one, logits) for one in control.attributes} if control else {}
        ends = [f"{name} {told(known[name], decimals=2)}" for name, _ in (shown[0], shown[-1]) if name in known]
        parts.append(f"{system.name}: from {' to '.join(ends)}" if ends else f"{system.name}: none of these")
    what = "Correlations of logits" if logits else "Correlations"
    return f"{what} of {len(shown)} attributes. {'; '.join(parts)}. All of them are in the table."
