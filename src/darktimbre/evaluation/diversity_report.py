"""A study of diversity → `report.md`, `report.html`, `report.json` and its figure: diversity against quality.

A variant's diversity is compared with the first variant's condition by condition, its quality by intervals that do not
overlap. Neither says what another training run would have given. Where one recipe was trained twice, another variant
must be clear of both runs by more than they are apart. Two runs are few: where trainings differ by more than notes do,
this still takes chance for an effect in one or two of ten comparisons (simulated), which the report says.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from darktimbre.evaluation.comparison import MEASURES, kid_space
from darktimbre.evaluation.diversity import REAL, Diversity
from darktimbre.evaluation.figures import styles
from darktimbre.evaluation.report import PACKAGE, settings, sounds
from darktimbre.evaluation.results import TRAIN, Sound
from darktimbre.evaluation.tables import thousands
from darktimbre.report import figures
from darktimbre.report.estimates import MISSING, Better, Estimate, rounded, verdict, written
from darktimbre.report.figures import Dot
from darktimbre.report.tables import Column, Comparison, Table, column, comparison_table, listing, ranked
from darktimbre.report.write import render
from darktimbre.report.write import write as write_report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TRADE = "variety-and-quality"  # file of the figure
AT_CONDITION, WITHIN = "distance at one condition", "distance within a class"


@dataclass(frozen=True)
class Quantity:
    """A figure of every row, real notes first; `diverse`: whether it is of diversity, not of quality."""

    name: str
    better: Better
    estimates: Sequence[Estimate]
    decimals: int | None = 3
    diverse: bool = False


def quantities(found: Diversity) -> list[Quantity]:
    """All figures that some variant has, diversity first."""
    rows, systems = found.rows, found.evaluation.systems

    def scored(key: str, diverse: bool = False) -> Quantity:
        one, values = MEASURES[key], [MEASURES[key].of(system, TRAIN) for system in systems]
        name = f"{one.name}, {kid_space(found.evaluation.facts)}" if key == "kid" else one.name
        return Quantity(name, one.better, values, 3 if key.startswith("pitch") else one.decimals, diverse)

    each = (
        Quantity(AT_CONDITION, 1, [one.at_condition for one in rows], diverse=True),
        Quantity(WITHIN, 1, [one.within for one in rows], diverse=True),
        scored("coverage", True), scored("recall", True),
        Quantity("NDB/k", -1, [one.bins for one in rows], 2, diverse=True),
        scored("fad"), scored("kid"), scored("precision"), scored("density"),
        Quantity("attribute correlation", 1,
            [one.control[TRAIN].mean if TRAIN in one.control else MISSING for one in systems]),
        Quantity("class accuracy", 1, [one.class_accuracy for one in rows]),
        scored("pitch_by_classifier"), scored("pitch_by_f0"),
    )  # fmt: skip
    return [one for one in each if any(estimate.known for estimate in one.estimates[1:])]


def write(found: Diversity, folder: Path) -> None:
    """Writes the report; its sounds lie in the folder already. Equal studies give equal bytes."""
    every, variants, last = quantities(found), found.rows[1:], found.rows[-1]
    across = next(one for one in every if one.name.startswith(("FAD", "KID")))
    pairs = zip(variants, across.estimates[1:], strict=True)
    write_report(
        folder, "diversity.jinja", found.to_json(), package=PACKAGE,
        figures={TRADE: partial(_draw, found, every, across)}, **findings(found),
        evaluation=found.evaluation, verdicts=comparison_table("verdicts", compare(found)),
        variants=_variants(found), across=across.name,
        points=[(one.name, rounded(x, across.decimals)[0], rounded(one.at_condition, 3)[0]) for one, x in pairs],
        diversity=_table(found, every, "diversity"), quality=_table(found, every, "quality"),
        expected=written(last.expected, 2), cells=last.cells,
        classes=_by_class(found, "classes", "at_condition"), within=_by_class(found, "within", "within"),
        sounds=sounds(_sounds(found)), **settings(found.evaluation, folder),
    )  # fmt: skip


# ── verdicts ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def compare(found: Diversity) -> list[Comparison]:
    """Every variant against the first, quantity by quantity."""
    rows, every = found.rows, [one for one in quantities(found) if one.name != WITHIN]
    again = next((place for place, one in enumerate(rows) if place > 1 and one.name == found.again), None)
    return [
        replace(row, decided=_decide(row, quantity.estimates[again], rows[again].gain) if again else None)
        for place in range(2, len(rows))
        for quantity in every
        if (row := _row(found, quantity, place)).known
    ]


def _row(found: Diversity, one: Quantity, place: int) -> Comparison:
    variant, first = found.rows[place], found.rows[1]
    gain = variant.gain if one.name == AT_CONDITION and variant.gain.known else None
    a, b = (variant.name, one.estimates[place]), (first.name, one.estimates[1])
    return Comparison(variant.name, one.name, a, b, one.better, one.decimals, gain)


def _decide(row: Comparison, again: Estimate, gain: Estimate) -> str:
    """The verdict beyond the interval, and beyond what another run of the recipe (figure, gain) differs by."""
    shift = gain if row.paired else again.minus(row.b[1])
    if row.verdict == "undecided" or not shift.known or not row.better:
        return row.verdict
    chance = abs(float(shift))
    if row.paired and row.paired.interval:  # the interval itself is clear of both runs
        low, high = row.paired.interval
        clear = low > max(0.0, float(shift)) + chance or high < min(0.0, float(shift)) - chance
    else:
        other = row.a[1].minus(again)
        apart = min(abs(float(row.difference)), abs(float(other)))
        clear = apart > chance and verdict(other, row.better) == row.verdict
    return row.verdict if clear else "undecided"


def findings(found: Diversity) -> dict[str, Any]:
    """What the summary says: how far two sounds of a condition are apart, and which variants change that."""
    first, real = found.rows[1], found.rows[0].within
    rows = [one for one in compare(found) if one.group != found.again]
    quality = {one.name for one in quantities(found) if not one.diverse}
    more = [one.group for one in rows if one.quantity == AT_CONDITION and one.verdict == "better"]
    worse = {one.group for one in rows if one.quantity in quality and one.verdict == "worse"}
    return {
        "first": first.name, "apart": written(first.at_condition, 3), "real": written(real, 3) if real.known else "",
        "again": [written(one.gain, 3) for one in found.rows[2:] if one.name == found.again],
        "free": [one for one in more if one not in worse], "costly": [one for one in more if one in worse],
    }  # fmt: skip


def summary(found: Diversity) -> str:
    return render(PACKAGE, "diversity_summary.jinja", "markdown", **findings(found))


# ── tables, figure, sounds ───────────────────────────────────────────────────────────────────────────────────────────


def _table(found: Diversity, every: Sequence[Quantity], name: str) -> Table:
    among, arrow = [place > 0 for place in range(len(found.rows))], {1: "↑", -1: "↓"}
    columns = [
        Column(f"{one.name}\u00a0{arrow[one.better]}", ranked(one.estimates, one.better, among, one.decimals))
        for one in every
        if one.diverse == (name == "diversity")
    ]
    return Table(name, "sounds", [one.name for one in found.rows], columns)


def _variants(found: Diversity) -> Table:
    pairs = [(b.name, (a, b.setting)) for a, b in zip(found.evaluation.systems, found.rows, strict=True) if b.setting]
    columns = {
        "mode seeking": lambda one: one[1]["mode_seeking"],
        "minibatch deviation": lambda one: "on" if one[1]["minibatch_deviation"] else "off",
        "pac": lambda one: one[1]["pac"],
        "seed": lambda one: one[1]["run_seed"],
        "notes seen": lambda one: thousands(one[0].facts.get("notes_seen")),
        "digest": lambda one: one[0].digest[:12],
    }
    return listing("variants", "variant", pairs, columns, words=("minibatch deviation", "digest"))


def _by_class(found: Diversity, name: str, key: str) -> Table:
    """Class by class; of real notes always the distance within a class."""
    keys = [(one, "within" if one.name == REAL else key) for one in found.rows]
    columns = [column(one.name, [getattr(each, which) for each in one.classes], decimals=3) for one, which in keys]
    corner = str(found.evaluation.facts.get("classes", "class"))
    return Table(name, corner, [one.name for one in found.rows[0].classes], columns)


def _sounds(found: Diversity) -> list[tuple[str, Sound]]:
    """Class by class: a real note, and sounds of its pitch and labels by every variant, latent by latent."""
    every = []
    for system in found.evaluation.systems:
        counts = Counter[str]()
        for sound in system.sounds:
            counts[sound.group] += 1
            label = "the target note" if system.kind == "real" else f"latent {counts[sound.group]}"
            every.append((label, replace(sound, title=system.name)))
    return every


def _draw(found: Diversity, every: Sequence[Quantity], across: Quantity) -> "Figure":
    """Distance at one condition, and coverage, against FAD (or KID, where notes are too few for FAD)."""
    style = styles([replace(one, kind="real" if one.kind == "real" else "darkgan") for one in found.evaluation.systems])
    up = [one for one in every if one.name in (AT_CONDITION, "coverage")]
    drawing = figures.canvas(4.4)
    panels = drawing.subplots(1, len(up), squeeze=False)[0]
    for axes, one in zip(panels, up, strict=True):
        values = [found.rows[0].within, *one.estimates[1:]] if one.name == AT_CONDITION else one.estimates
        names = [row.name for row in found.rows]
        dots = [Dot(style[name], x, y, name) for name, x, y in zip(names, across.estimates, values, strict=True)]
        figures.dots(axes, dots)
        if values[0].known:
            axes.axhline(float(values[0]), color=figures.FAINT, linewidth=0.9, linestyle=figures.DOTTED)
        axes.set_xlabel(f"{across.name} (further left is better)")
        axes.set_title(f"{one.name} ↑", fontsize=10)
        axes.margins(y=0.12)
    figures.legend(drawing, panels[0])
    return drawing
