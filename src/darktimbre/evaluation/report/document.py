"""An evaluation → the sections of its report, in the order they are read; what has no numbers has no section."""

from collections.abc import Mapping
from typing import Any

from darktimbre.evaluation.report import captions, control, tables
from darktimbre.evaluation.report.blocks import Block, Bullets, Fold, Listening, Picture, Player, Section, Text
from darktimbre.evaluation.report.ground import steered
from darktimbre.evaluation.report.numbers import (
    FURTHER_MEASURES,
    PAPER_MEASURES,
    PITCH_MEASURES,
    embedder,
    kid_space,
)
from darktimbre.evaluation.report.pictures import raised, shifted
from darktimbre.evaluation.report.reading import keep_in_mind, reading
from darktimbre.evaluation.report.settings import settings
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
    sections = [Section("reading", "In short", (Bullets(reading(evaluation)),))]
    if cautions := keep_in_mind(evaluation):
        sections.append(Section("cautions", "Keep in mind", (Bullets(cautions),)))
    sections.append(Section("systems", "What is compared", (tables.systems_table(evaluation),)))
    if scored:
        space, others = kid_space(evaluation.facts), embedder(evaluation.facts)
        first_caption = captions.table_1(space, others)
        first = tables.score_table(evaluation, PAPER_MEASURES, "table-1", first_caption, published=True)
        blocks = (Text(tables.separate(evaluation)), first, *shown("scores"))
        more = (
            tables.score_table(evaluation, FURTHER_MEASURES, "further", captions.further(others)),
            tables.score_table(evaluation, PITCH_MEASURES, "pitch", captions.PITCH),
        )
        sections.append(Section("fidelity", "Fidelity", (*blocks, *more)))
    if steered(evaluation):
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
    sections.append(Section("measured", "How it was measured", tuple(settings(evaluation))))
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
