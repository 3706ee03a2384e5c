"""An evaluation → the sections of its report, in the order they are read; what has no numbers has no section."""

from collections.abc import Mapping
from typing import Any

from darktimbre.evaluation.report import captions, control, tables
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
from darktimbre.evaluation.report.numbers import DASH, FURTHER_MEASURES, PAPER_MEASURES, PITCH_MEASURES
from darktimbre.evaluation.report.pictures import raised, shifted
from darktimbre.evaluation.report.reading import reading
from darktimbre.evaluation.results import Evaluation

TITLE = "Evaluation"


def document(evaluation: Evaluation, pictures: Mapping[str, Picture]) -> tuple[Section, ...]:
    """The report, for a rendering to make text of.

    Args:
        evaluation: what was found.
        pictures: figures there are, by name.
    """

    def shown(*names: str) -> list[Block]:
        return [pictures[name] for name in names if name in pictures]

    scored = any(one.scores for one in evaluation.systems)
    sections = [
        Section("reading", "In short", (Bullets(reading(evaluation)),)),
        Section("systems", "What is compared", (tables.systems_table(evaluation),)),
    ]
    if scored:
        first = tables.score_table(evaluation, PAPER_MEASURES, "table-1", captions.TABLE_1, published=True)
        blocks = (Text(tables.separate(evaluation)), first, *shown("scores"))
        more = (
            tables.score_table(evaluation, FURTHER_MEASURES, "further", captions.FURTHER),
            tables.score_table(evaluation, PITCH_MEASURES, "pitch", captions.PITCH),
        )
        sections.append(Section("fidelity", "Fidelity", (*blocks, *more)))
    if control.steered(evaluation):
        sections.append(Section("control", "Attribute control", tuple(_control(evaluation, shown("attributes")))))
    curved: list[Block] = []
    for name, read in (("figure-2-out-of-distribution", shifted), ("figure-3-increment-consistency", raised)):
        if name in pictures:
            numbers = tables.curve_table(
                evaluation, read, f"numbers-{name}", f"The numbers of the figure above: {_over(evaluation, read)}."
            )
            curved += [pictures[name], Fold("The numbers of this figure", (numbers,))]
    if curved:
        sections.append(Section("increments", "Beyond the conditions of real notes", tuple(curved)))
    if "fidelity-and-control" in pictures:
        sections.append(Section("trade", "Fidelity against control", tuple(shown("fidelity-and-control"))))
    if any(one.variation for one in evaluation.systems):
        blocks = (*shown("variation"), tables.variation_table(evaluation))
        sections.append(Section("variation", "What moves the sound", blocks))
    if any(one.timing for one in evaluation.systems):
        sections.append(Section("time", "Computing time", (tables.timing_table(evaluation),)))
    heard = _listening(evaluation)
    if heard:
        sections.append(Section("sounds", "Listen", heard))
    sections.append(Section("measured", "How it was measured", tuple(_measured(evaluation))))
    return tuple(sections)


def _over(evaluation: Evaluation, read: Any) -> str:
    found = ((one.name, curve) for one in evaluation.systems if (curve := read(one)))
    return "; ".join(f"{name}, {curve.attributes} attributes, {curve.notes} notes each" for name, curve in found)


def _control(evaluation: Evaluation, figure: list[Block]) -> list[Block]:
    blocks: list[Block] = [control.control_table(evaluation)]
    table = control.attribute_table(evaluation)
    if table.rows:
        folds = (
            Fold("Every attribute", (control.all_attributes_table(evaluation),)),
            Fold("Table 2 as published", (control.published_attributes_table(),)),
        )
        blocks += [table, *figure, *folds]
    return blocks


def _listening(evaluation: Evaluation) -> tuple[Block, ...]:
    together: dict[tuple[str, str], list[Player]] = {}
    for system in evaluation.systems:
        for sound in system.sounds:
            together.setdefault((sound.group, sound.title), []).append(Player(system.name, sound.file))
    order = {group: place for place, group in enumerate(dict.fromkeys(group for group, _ in together))}
    keys = sorted(together, key=lambda key: order[key[0]])  # stable: titles stay in the order they came in
    return tuple(Listening(group, title, tuple(together[group, title])) for group, title in keys)


def _measured(evaluation: Evaluation) -> list[Block]:
    blocks: list[Block] = []
    if evaluation.reduced:
        blocks += [Text("Reduced against the paper:"), Bullets(evaluation.reduced)]
    else:
        blocks.append(Text("Nothing was reduced against the paper's counts."))
    if evaluation.left_out:
        blocks += [Text("Left out, and why:"), Bullets(evaluation.left_out)]
    else:
        blocks.append(Text("Nothing was left out."))
    if evaluation.facts:
        blocks.append(_facts("facts", "Corpus, teacher, classifier, embeddings, libraries and seed.", evaluation.facts))
    if evaluation.counts:
        blocks.append(_facts("counts", "How many of each.", evaluation.counts))
    for place, system in enumerate(evaluation.systems):
        entries = {**({"digest": system.digest} if system.digest else {}), **system.facts}
        if entries:
            caption = f"Everything known about {system.name}."
            blocks.append(Fold(f"{system.name}: particulars", (_facts(f"facts-{place}", caption, entries),)))
    return blocks


def _facts(name: str, caption: str, entries: Mapping[str, Any]) -> Table:
    rows = tuple(Row(key, (Cell(value, code=_is_digest(value)),)) for key, value in _flat(entries))
    return Table(name, caption, "what", ("value",), rows, word_columns=frozenset({0}))


def _flat(entries: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in entries.items():
        name = f"{before}{str(key).replace('_', ' ')}"
        if isinstance(value, Mapping):
            rows += _flat(value, f"{name}: ")
        else:
            rows.append((name, _plain(value)))
    return rows


def _plain(value: Any) -> str:
    if value is None or value == "":
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(_plain(one) for one in value) or DASH
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_plain(one)}" for key, one in value.items()) or DASH
    return str(value)


def _is_digest(text: str) -> bool:
    return len(text) >= 32 and all(one in "0123456789abcdef" for one in text)
