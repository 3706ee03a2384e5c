"""A study of diversity → `report.md`, `report.html`, `report.json` and its figure: variety against quality."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from darktimbre.audio.atomic import atomic_file
from darktimbre.evaluation.diversity import REAL, Diversity, Variety
from darktimbre.evaluation.report.blocks import (
    Block,
    Bullets,
    Cell,
    Fold,
    Listening,
    Picture,
    Player,
    Row,
    Section,
    Table,
    Text,
)
from darktimbre.evaluation.report.figures import FAINT, INK, Style, canvas, legend, rendered, short, styles
from darktimbre.evaluation.report.numbers import TRAIN, figure, finite, interval, kid_space, marks
from darktimbre.evaluation.report.settings import settings
from darktimbre.evaluation.results import MISSING, Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Variety and quality"
TRADE = "variety-and-quality"


@dataclass(frozen=True)
class Column:
    """A figure of every row, real notes first.

    Attributes:
        name: of the figure.
        better: 1 where higher is better, −1 where lower is.
        estimates: row by row.
        scale: what is printed is the figure times this.
        decimals: places after the point.
        varied: whether it is of variety, not of quality.
    """

    name: str
    better: Literal[1, -1]
    estimates: tuple[Estimate, ...]
    scale: float = 1.0
    decimals: int | None = None
    varied: bool = False


def columns(found: Diversity) -> tuple[Column, ...]:
    """All figures that some arm has, variety first."""
    rows, systems = found.varieties, found.evaluation.systems
    scores = [one.scores[TRAIN] for one in systems]

    def scored(name: str, key: str, better: Literal[1, -1], *, varied: bool = False, **how: Any) -> Column:
        return Column(name, better, tuple(getattr(one, key) for one in scores), varied=varied, **how)

    controls = tuple(one.control[TRAIN].mean if TRAIN in one.control else MISSING for one in systems)
    each = (
        Column("distance at one condition", 1, tuple(one.at_condition for one in rows), decimals=3, varied=True),
        Column("distance within a class", 1, tuple(one.within for one in rows), decimals=3, varied=True),
        scored("coverage", "coverage", 1, varied=True, decimals=3),
        scored("recall", "recall", 1, varied=True, decimals=3),
        Column("NDB/k", -1, tuple(one.bins for one in rows), decimals=2, varied=True),
        scored("FAD", "fad", -1),
        scored(f"KID ×10⁻⁴, {kid_space(found.evaluation.facts)}", "kid", -1, scale=1e4),
        scored("precision", "precision", 1, decimals=3),
        scored("density", "density", 1, decimals=3),
        Column("attribute correlation", 1, controls, decimals=3),
        Column("class accuracy", 1, tuple(one.class_accuracy for one in rows), decimals=3),
        scored("pitch by classifier", "pitch_by_classifier", 1, decimals=3),
        scored("pitch by f0", "pitch_by_f0", 1, decimals=3),
    )
    return tuple(one for one in each if any(finite(estimate.value) for estimate in one.estimates[1:]))


def write(found: Diversity, folder: Path) -> None:
    """Writes the report; its sounds lie in the folder already. Equal studies give equal bytes."""
    from darktimbre.evaluation.report.html import html
    from darktimbre.evaluation.report.markdown import markdown

    (folder / "figures").mkdir(parents=True, exist_ok=True)
    png, svg = rendered(lambda: trade(found))
    _write(folder / "figures" / f"{TRADE}.png", png)
    _write(folder / "figures" / f"{TRADE}.svg", svg.encode())
    sections = document(found)
    _write(folder / "report.md", markdown(TITLE, sections).encode())
    _write(folder / "report.html", html(TITLE, sections, {TRADE: svg}, folder).encode())
    told = json.dumps(found.to_json(), ensure_ascii=False, allow_nan=False, indent=1)
    _write(folder / "report.json", (told + "\n").encode())


def document(found: Diversity) -> tuple[Section, ...]:
    """The report, for a rendering to make text of."""
    from darktimbre.evaluation.report.reading_diversity import paragraph

    evaluation = found.evaluation
    every = columns(found)
    tables = (
        _table(found, [one for one in every if one.varied], "variety", VARIETY),
        _table(found, [one for one in every if not one.varied], "quality", QUALITY),
    )
    picture = Picture(TRADE, "Variety against quality", _in_words(found, every), PICTURE)
    sections = [
        Section("reading", "In short", (Text(paragraph(found)),)),
        Section("arms", "What is compared", (_arms(found),)),
        Section("trade", "The trade-off", (picture, *tables)),
        Section("classes", "Class by class", tuple(_classes(found))),
    ]
    if heard := _listening(found):
        sections.append(Section("sounds", "Listen", heard))
    sections.append(Section("cautions", "Keep in mind", (Bullets(evaluation.cautions),)))
    sections.append(Section("measured", "How it was measured", tuple(settings(evaluation))))
    return tuple(sections)


VARIETY = (
    "How varied the sounds are. Distances are in the embedding, in units of the reference notes' total deviation. At "
    "one condition: two sounds asked for alike, with another latent. Within a class: answers to the conditions of two "
    "real notes of one class and pitch, and for real notes those themselves. Coverage and recall: share of the real "
    "notes that are reached. NDB/k: share of the cells of real notes that hold significantly more or fewer sounds."
)
QUALITY = (
    "How good they are: distance to the reference notes (FAD, KID), whether they lie where real notes do (precision, "
    "density), whether they are what was asked for."
)
PICTURE = (
    "Each arm with 95 % intervals; further left is nearer to real notes, further up more varied. The star is real "
    "notes: on the left two of one class and pitch, which differ in more than one condition leaves open."
)


def _table(found: Diversity, shown: list[Column], name: str, caption: str) -> Table:
    filled = []
    for column in shown:
        rank = marks((MISSING, *column.estimates[1:]), column.better)
        cells = [
            Cell(*figure(one, scale=column.scale, decimals=column.decimals), mark=mark)
            for one, mark in zip(column.estimates, rank, strict=True)
        ]
        filled.append(cells)
    rows = tuple(Row(one.name, tuple(cells[n] for cells in filled)) for n, one in enumerate(found.varieties))
    expected = found.varieties[-1].expected
    notes: tuple[str, ...] = ()
    if name == "variety":
        notes = (
            f"NDB/k of notes drawn one by one from the same distribution: {' '.join(figure(expected, decimals=2))}, "
            f"k = {found.varieties[-1].cells}. Other real notes exceed it where notes of one instrument lie together.",
        )
    titles = tuple(f"{one.name}\u00a0{'↑' if one.better > 0 else '↓'}" for one in shown)
    return Table(name, caption, "sounds", titles, rows, notes=notes)


def _arms(found: Diversity) -> Table:
    rows = []
    for system, one in zip(found.evaluation.systems, found.varieties, strict=True):
        if not one.setting:
            continue
        seen = system.facts.get("notes_seen")
        rows.append(
            Row(
                one.name,
                (
                    Cell(f"{one.setting['mode_seeking']:g}"),
                    Cell("on" if one.setting["minibatch_deviation"] else "off"),
                    Cell(str(one.setting["pac"])),
                    Cell(str(one.setting["run_seed"])),
                    Cell(f"{seen:,}" if isinstance(seen, int) else "–"),
                    Cell(system.digest[:12], code=True),
                ),
            )
        )
    names = ("mode seeking", "minibatch deviation", "pac", "seed", "notes of the game", "digest")
    caption = (
        "One recipe, one setting an arm. All begin from the same weights, but for two: without minibatch deviation one "
        "input of the discriminator is cut away, and with pac a layer of it is new. Again: the same game with another "
        "seed."
    )
    return Table("arms", caption, "arm", names, tuple(rows), word_columns=frozenset({1, 5}))


def _classes(found: Diversity) -> list[Block]:
    arms = found.varieties[1:]
    names = [one.name for one in found.varieties[0].classes]

    def rows(read: str, given: tuple[Variety, ...]) -> tuple[Row, ...]:
        each = [[Cell(*figure(getattr(arm.classes[n], read), decimals=3)) for arm in given] for n in range(len(names))]
        return tuple(Row(name, tuple(cells)) for name, cells in zip(names, each, strict=True))

    real = found.varieties[:1]
    spread = rows("within", real)
    at = tuple(
        Row(one.heading, (*one.cells, *two.cells)) for one, two in zip(spread, rows("at_condition", arms), strict=True)
    )
    heads = tuple(one.name for one in arms)
    kind = found.evaluation.facts.get("classes", "class")
    first = Table(
        "classes", f"Mean distance of two sounds of one condition, by {kind}; of real notes, of two of one pitch.",
        str(kind), ("real notes", *heads), at,
    )  # fmt: skip
    caption = "Mean distance of answers to the conditions of two real notes of one class and pitch, and of these notes."
    within = Table("within", caption, str(kind), ("real notes", *heads), rows("within", found.varieties))
    return [first, Fold("Within a class", (within,))]


def _listening(found: Diversity) -> tuple[Block, ...]:
    """Class by class: a real note, and answers to its pitch and labels by every arm, latent by latent."""
    blocks: list[Block] = []
    groups = dict.fromkeys(sound.group for one in found.evaluation.systems for sound in one.sounds)
    for group in groups:
        for system in found.evaluation.systems:
            heard = [sound for sound in system.sounds if sound.group == group]
            players = tuple(
                Player("the note asked for" if system.kind == "real" else f"latent {n}", sound.file)
                for n, sound in enumerate(heard, start=1)
            )
            if players:
                blocks.append(Listening(group, system.name, players))
    return tuple(blocks)


# ── the figure ────────────────────────────────────────────────────────────────────────────────────────────────────────


def trade(found: Diversity) -> "Figure":
    """Distance at one condition, and coverage, against FAD (or KID, where notes are too few for FAD)."""
    every = {one.name: one for one in columns(found)}
    across = _across(tuple(every.values()))
    look = styles([replace(one, kind="real" if one.kind == "real" else "darkgan") for one in found.evaluation.systems])
    real = next(iter(found.varieties)).within
    up = [(every[name], name) for name in ("distance at one condition", "coverage") if name in every]
    drawing = canvas(7.2, 4.4)
    panels = drawing.subplots(1, len(up), squeeze=False)[0]
    for axes, (column, name) in zip(panels, up, strict=True):
        for place, one in enumerate(found.varieties):
            y = real if name.startswith("distance") and one.name == REAL else column.estimates[place]
            _point(axes, across, across.estimates[place], y, look[one.name], one.name)
        axes.set_xlabel(f"{across.name} (further left is better)")
        axes.set_title(f"{name} ↑", fontsize=10)
        axes.margins(0.12)
    legend(drawing, panels[0])
    return drawing


def _across(every: tuple[Column, ...]) -> Column:
    named = {one.name.split(" ")[0]: one for one in every}
    return named.get("FAD") or named["KID"]


def _point(axes: "Axes", across: Column, x: Estimate, y: Estimate, style: Style, name: str) -> None:
    if not finite(x.value) or not finite(y.value):
        return
    assert x.value is not None
    assert y.value is not None
    scale, across_span, up_span = across.scale, interval(x), interval(y)
    if across_span:
        axes.plot([scale * one for one in across_span], [y.value] * 2, color=style.colour, linewidth=1.4)
    if up_span:
        axes.plot([scale * x.value] * 2, list(up_span), color=style.colour, linewidth=1.4)
    if name == REAL:
        axes.axhline(y.value, color=FAINT, linewidth=0.9, linestyle=(0, (1, 2)))
    axes.plot(
        [scale * x.value], [y.value], color=INK if name == REAL else style.colour, marker=style.marker,
        markersize=10 if name == REAL else 7, linestyle="none", label=short(name),
    )  # fmt: skip


def _in_words(found: Diversity, every: tuple[Column, ...]) -> str:
    across = _across(every)
    at = found.varieties[1:]
    each = "; ".join(
        f"{one.name}: {figure(x, scale=across.scale)[0]}, {figure(one.at_condition, decimals=3)[0]}"
        for one, x in zip(at, across.estimates[1:], strict=True)
    )
    return f"{across.name} and distance at one condition of every arm: {each}."


def _write(path: Path, content: bytes) -> None:
    with atomic_file(path.absolute()) as temporary:
        temporary.write_bytes(content)
