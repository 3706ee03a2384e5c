"""A study of diversity → `report.md`, `report.html`, `report.json` and its figure: diversity against quality.

A variant's diversity is compared with the first variant's condition by condition, its quality by intervals that do not
overlap. Neither says what another training run would have given. Where one recipe was trained twice, another variant
must be clear of both runs by more than they are apart. Two runs are few: where trainings differ by more than notes do,
this still takes chance for an effect in one or two of ten comparisons (simulated), which the report says.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from darktimbre.evaluation.comparison import MEASURES, TRAIN, kid_space
from darktimbre.evaluation.diversity import REAL, Diversity, Variety
from darktimbre.evaluation.figures import styles
from darktimbre.evaluation.report import settings, sounds
from darktimbre.evaluation.results import Sound
from darktimbre.evaluation.tables import caption
from darktimbre.report import figures
from darktimbre.report.document import (
    Block,
    Bullets,
    Comparison,
    Figure,
    Fold,
    Section,
    Table,
    column,
    comparison_table,
    ranked,
)
from darktimbre.report.estimates import MISSING, Better, Estimate, Verdict, rounded, verdict, written
from darktimbre.report.figures import Dot
from darktimbre.report.write import write as write_report

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

TITLE, TRADE = "Diversity and quality", "variety-and-quality"
AT_CONDITION = "distance at one condition"
SCORED = {"coverage": True, "recall": True, "fad": False, "kid": False, "precision": False, "density": False}
"""Field of `Scores`: whether it is of diversity, not of quality."""


@dataclass(frozen=True)
class Quantity:
    """A figure of every row, real notes first; `diverse`: whether it is of diversity, not of quality."""

    name: str
    better: Better
    estimates: tuple[Estimate, ...]
    decimals: int | None = 3
    diverse: bool = False


def quantities(found: Diversity) -> tuple[Quantity, ...]:
    """All figures that some variant has, diversity first."""
    rows, systems = found.varieties, found.evaluation.systems
    kid = f"{MEASURES['kid'].name}, {kid_space(found.evaluation.facts)}"

    def scored(key: str) -> Quantity:
        one, values = MEASURES[key], tuple(MEASURES[key].of(system, TRAIN) for system in systems)
        decimals = 3 if key.startswith("pitch") else one.decimals
        return Quantity(kid if key == "kid" else one.name, one.better, values, decimals, SCORED.get(key, False))

    controls = tuple(one.control[TRAIN].mean if TRAIN in one.control else MISSING for one in systems)
    each = (
        Quantity(AT_CONDITION, 1, tuple(one.at_condition for one in rows), diverse=True),
        Quantity("distance within a class", 1, tuple(one.within for one in rows), diverse=True),
        *(scored(key) for key in ("coverage", "recall")),
        Quantity("NDB/k", -1, tuple(one.bins for one in rows), 2, diverse=True),
        *(scored(key) for key in ("fad", "kid", "precision", "density")),
        Quantity("attribute correlation", 1, controls),
        Quantity("class accuracy", 1, tuple(one.class_accuracy for one in rows)),
        *(scored(key) for key in ("pitch_by_classifier", "pitch_by_f0")),
    )
    return tuple(one for one in each if any(estimate.known for estimate in one.estimates[1:]))


def write(found: Diversity, folder: Path) -> None:
    """Writes the report; its sounds lie in the folder already. Equal studies give equal bytes."""
    write_report(folder, TITLE, sections(found), found.to_json())


def sections(found: Diversity) -> tuple[Section, ...]:
    """The report's sections, in the order they are read."""
    every = quantities(found)
    kind = str(found.evaluation.facts.get("classes", "class"))
    by_class = _by_class(found, "classes", "at_condition", caption("by_class", kind))
    within = _by_class(found, "within", "within", caption("within_class"))
    verdicts = comparison_table("verdicts", caption("diversity_verdicts"), compare(found))
    parts: list[tuple[str, str, Sequence[Block]]] = [
        ("verdicts", "In short", (Bullets(summary(found)), verdicts)),
        ("variants", "What is compared", (_variants(found),)),
        (
            "trade",
            "The trade-off",
            (_figure(found, every), *(_table(found, every, diverse) for diverse in (True, False))),
        ),
        ("classes", "Class by class", (by_class, Fold("Within a class", (within,)))),
        ("sounds", "Sounds", sounds(_sounds(found))),
        ("cautions", "Keep in mind", (Bullets(found.evaluation.cautions),)),
        ("measured", "How it was measured", settings(found.evaluation)),
    ]
    return tuple(Section(name, heading, tuple(blocks)) for name, heading, blocks in parts if blocks)


# ── verdicts ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def compare(found: Diversity) -> list[Comparison]:
    """Every variant against the first, quantity by quantity."""
    names = [one.name for one in found.varieties]
    rows = []
    for place, variant in enumerate(found.varieties[2:], start=2):
        for quantity in quantities(found):
            mine, first = quantity.estimates[place], quantity.estimates[1]
            if not (mine.known and first.known) or quantity.name == "distance within a class":
                continue
            gain = variant.gain if quantity.name == AT_CONDITION and variant.gain.known else None
            row = Comparison(
                quantity.name, (variant.name, mine), (names[1], first), quantity.better, quantity.decimals, gain,
                group=variant.name,
            )  # fmt: skip
            rows.append(replace(row, decided=decide(row, _again(found, quantity))))
    return rows


def _again(found: Diversity, quantity: Quantity) -> tuple[Estimate, Estimate] | None:
    """(figure, difference from the first) of the run of the first recipe with another seed."""
    places = [place for place, one in enumerate(found.varieties) if place > 1 and one.name == found.again]
    if not places:
        return None
    again, gain = quantity.estimates[places[0]], found.varieties[places[0]].gain
    return again, gain if quantity.name == AT_CONDITION else again.minus(quantity.estimates[1])


def decide(row: Comparison, again: tuple[Estimate, Estimate] | None) -> Verdict:
    """The verdict of a variant: beyond its interval, and beyond what another run of the first recipe differs by."""
    assert row.better
    says = verdict(row.difference, row.better) or "undecided"
    if again is None or not again[1].known or says == "undecided":
        return says
    other, chance = again[0], abs(float(again[1]))
    if row.paired is not None:  # the interval itself is clear of both runs
        low, high = row.paired.interval or (0.0, 0.0)
        shift = float(again[1])
        return says if low > max(0.0, shift) + chance or high < min(0.0, shift) - chance else "undecided"
    clear = min(abs(float(row.difference)), abs(float(row.a[1]) - float(other))) > chance
    return says if clear and verdict(row.a[1].minus(other), row.better) == says else "undecided"


def summary(found: Diversity) -> tuple[str, ...]:
    """The finding in sentences: how far two sounds of a condition are apart, and which variants change that."""
    first, real = found.varieties[1], found.varieties[0].within
    again = [one.gain for one in found.varieties[2:] if one.name == found.again]
    rows = [one for one in compare(found) if one.group != found.again]
    more = [one.group for one in rows if one.quantity == AT_CONDITION and one.verdict == "better"]
    quality = {one.name for one in quantities(found) if not one.diverse}
    worse = {one.group for one in rows if one.quantity in quality and one.verdict == "worse"}
    return (
        caption("scale", first.name, written(first.at_condition, 3), written(real, 3) if real.known else ""),
        caption("trained_again", _signed(again[0]) if again else ""),
        caption("conclusion", [one for one in more if one not in worse], [one for one in more if one in worse]),
    )


def _signed(estimate: Estimate) -> str:
    return ("+" if float(estimate) >= 0 else "") + written(estimate, 3) if estimate.known else "an unknown amount"


# ── tables, figure, sounds ───────────────────────────────────────────────────────────────────────────────────────────


def _table(found: Diversity, every: Sequence[Quantity], diverse: bool) -> Table:
    rows, last = found.varieties, found.varieties[-1]
    among = [place > 0 for place in range(len(rows))]
    columns = tuple(
        ranked(f"{one.name}\u00a0{'↑' if one.better > 0 else '↓'}", one.estimates, one.better, among=among,
            decimals=one.decimals)
        for one in every if one.diverse == diverse
    )  # fmt: skip
    name, notes = "diversity" if diverse else "quality", ()
    if diverse:
        notes = (caption("expected_bins", " ".join(rounded(last.expected, 2)), last.cells),)
    return Table(name, caption(name), "sounds", tuple(one.name for one in rows), columns, notes)


def _variants(found: Diversity) -> Table:
    pairs = [(a, b) for a, b in zip(found.evaluation.systems, found.varieties, strict=True) if b.setting]
    settings = [one.setting for _, one in pairs]
    counts = [f"{n:,}" if isinstance(n := system.facts.get("notes_seen"), int) else None for system, _ in pairs]
    return Table(
        "variants", caption("variants"), "variant", tuple(one.name for _, one in pairs),
        (
            column("mode seeking", [f"{one['mode_seeking']:g}" for one in settings]),
            column("minibatch deviation", ["on" if s["minibatch_deviation"] else "off" for s in settings], words=True),
            column("pac", [one["pac"] for one in settings]),
            column("seed", [str(one["run_seed"]) for one in settings]),
            column("notes seen", counts),
            column("digest", [system.digest[:12] for system, _ in pairs], words=True),
        ),
    )  # fmt: skip


def _by_class(found: Diversity, name: str, key: str, text: str) -> Table:
    """Class by class; of real notes always the distance within a class."""

    def values(one: Variety) -> list[Estimate]:
        return [getattr(each, "within" if one.name == REAL else key) for each in one.classes]

    columns = tuple(column(one.name, values(one), decimals=3) for one in found.varieties)
    names = tuple(one.name for one in found.varieties[0].classes)
    return Table(name, text, str(found.evaluation.facts.get("classes", "class")), names, columns)


def _sounds(found: Diversity) -> list[tuple[str, Sound]]:
    """Class by class: a real note, and sounds of its pitch and labels by every variant, latent by latent."""
    every = []
    for system in found.evaluation.systems:
        counts: dict[str, int] = {}
        for sound in system.sounds:
            counts[sound.group] = place = counts.get(sound.group, 0) + 1
            label = "the target note" if system.kind == "real" else f"latent {place}"
            every.append((label, replace(sound, title=system.name)))
    return every


def _figure(found: Diversity, every: Sequence[Quantity]) -> Figure:
    across = next(one for one in every if one.name.startswith("FAD") or one.name.startswith("KID"))
    each = "; ".join(
        f"{one.name}: {rounded(x, across.decimals)[0]}, {rounded(one.at_condition, 3)[0]}"
        for one, x in zip(found.varieties[1:], across.estimates[1:], strict=True)
    )
    alt = f"{across.name} and distance at one condition of every variant: {each}."
    return Figure(
        TRADE, "Diversity against quality", alt, caption("diversity_figure"), partial(_draw, found, every, across)
    )


def _draw(found: Diversity, every: Sequence[Quantity], across: Quantity) -> "Drawing":
    """Distance at one condition, and coverage, against FAD (or KID, where notes are too few for FAD)."""
    look = styles([replace(one, kind="real" if one.kind == "real" else "darkgan") for one in found.evaluation.systems])
    up = [one for one in every if one.name in (AT_CONDITION, "coverage")]
    drawing = figures.canvas(4.4)
    panels = drawing.subplots(1, len(up), squeeze=False)[0]
    for axes, one in zip(panels, up, strict=True):
        values = (found.varieties[0].within, *one.estimates[1:]) if one.name == AT_CONDITION else one.estimates
        names = [variety.name for variety in found.varieties]
        dots = [Dot(look[n], x, y, n) for n, x, y in zip(names, across.estimates, values, strict=True)]
        figures.dots(axes, dots, fit=False)
        if values[0].known:
            axes.axhline(float(values[0]), color=figures.FAINT, linewidth=0.9, linestyle=figures.DOTTED)
        axes.set_xlabel(f"{across.name} (further left is better)")
        axes.set_title(f"{one.name} ↑", fontsize=10)
        axes.margins(0.12)
    figures.legend(drawing, panels[0])
    return drawing
