"""An evaluation → `report.md`, `report.html`, `report.json` and `figures/`: verdicts, tables, figures and sounds."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from darktimbre.evaluation import figures
from darktimbre.evaluation.comparison import (
    FURTHER_MEASURES,
    MEASURES,
    PAPER_MEASURES,
    PITCH_MEASURES,
    Compared,
    control,
    curves,
    embedder,
    halved,
    kid_space,
    to_baseline,
    to_real,
    to_untrained,
    unranked,
)
from darktimbre.evaluation.results import Evaluation, Sound
from darktimbre.evaluation.tables import (
    all_attributes_table,
    attribute_table,
    caption,
    control_table,
    counts_table,
    curve_table,
    facts_table,
    published_attributes_table,
    score_table,
    systems_table,
    timing_table,
    unmarked,
    variation_table,
)
from darktimbre.report.document import Block, Bullets, Fold, Section, Sounds, Text, comparison_table
from darktimbre.report.estimates import DASH
from darktimbre.report.write import sound_address
from darktimbre.report.write import write as write_report

TITLE = "Evaluation"
PAPER_COUNTS = {"scored": 10_000, "reference": 10_000}
"""DarkGAN §4.4: notes of each set of sounds; here of real ones as well."""


def write(evaluation: Evaluation, folder: Path) -> None:
    """Writes the report; its sounds lie in the folder already.

    Equal evaluations give equal bytes. Every file appears whole or not at all; figures of an earlier report that this
    one has no numbers for are removed.

    Args:
        evaluation: what was found; names `Sound.file` relative to the folder. A sound without its file is listed as
            left out.
        folder: made if need be.
    """
    files = dict.fromkeys(sound.file for one in evaluation.systems for sound in one.sounds)
    missing = [f"The sound {file} is not in the report's folder." for file in files if not sound_address(folder, file)]
    shown = replace(evaluation, left_out=(*evaluation.left_out, *missing))
    write_report(folder, TITLE, sections(shown), evaluation.to_json())


def sections(evaluation: Evaluation) -> tuple[Section, ...]:
    """The report's sections, in the order they are read; what has no numbers has no section."""
    compared = Compared(evaluation)
    timed = any(one.timing for one in evaluation.systems)
    varied = any(one.variation for one in evaluation.systems)
    every: list[tuple[str, str, list[Block]]] = [
        ("verdicts", "In short", verdicts(compared)),
        ("cautions", "Keep in mind", [Bullets(items)] if (items := cautions(evaluation)) else []),
        ("systems", "What is compared", [systems_table(evaluation)]),
        ("fidelity", "Fidelity", _fidelity(compared)),
        ("control", "Attribute control", _control(compared)),
        ("increments", "Beyond the conditions of real notes", _increments(compared)),
        ("trade", "Fidelity against control", _shown(figures.trade(compared))),
        (
            "variation",
            "What moves the sound",
            [*_shown(figures.variation(compared)), variation_table(evaluation)] if varied else [],
        ),
        ("time", "Computing time", [timing_table(evaluation)] if timed else []),
        ("sounds", "Sounds", sounds((one.name, sound) for one in evaluation.systems for sound in one.sounds)),
        ("measured", "How it was measured", settings(evaluation)),
    ]
    return tuple(Section(name, heading, tuple(blocks)) for name, heading, blocks in every if blocks)


def _shown(figure: Block | None) -> list[Block]:
    return [figure] if figure else []


# ── in short ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def verdicts(compared: Compared) -> list[Block]:
    """What leads, and above all what does not: rows, and sentences on what has no row."""
    sentences = _sentences(compared)
    untrained = to_untrained(compared, MEASURES.values())
    beaten = [one for one in untrained if one.verdict != "better"]
    every = (*to_baseline(compared, MEASURES.values()), *untrained)
    rows = (
        *control(compared), *to_baseline(compared, PAPER_MEASURES), *beaten, *to_real(compared),
        *curves(compared),
    )  # fmt: skip
    notes = [caption("untrained_rows")] if len(beaten) < len(untrained) else []
    notes += [caption("no_verdict")] if any(one.verdict == DASH for one in rows) else []
    blocks: list[Block] = [comparison_table("verdicts", caption("verdicts"), rows, notes)] if rows else []
    if every:
        table = comparison_table("all-verdicts", caption("verdicts"), every)
        blocks.append(Fold("Every score against the baseline and against a network before training", (table,)))
    return [*([Bullets(sentences)] if sentences else []), *blocks]


def _sentences(compared: Compared) -> tuple[str, ...]:
    steered, baselines = compared.of_kind("darkgan"), compared.of_kind("baseline")
    shared = {one.a[0] for one in to_baseline(compared, MEASURES.values())}
    alone = [one.name for one in steered if baselines and one.name not in shared]
    varied = [(one.name, one.variation) for one in steered if one.variation]
    timed = [(one.timing.real_time_factor, one.name, one.timing) for one in compared.systems if one.timing]
    said = []
    if steered and not baselines:
        said.append(caption("no_baseline"))
    lists = {"nothing_shared": alone, "unranked": unranked(compared), "halved": halved(compared), "shares": varied}
    said += [caption(name, found) for name, found in lists.items() if found]
    if timed:
        _, name, slow = max(timed, key=lambda one: one[0])
        said.append(caption("slowest", name, slow, len(timed)))
    return tuple(said)


def cautions(evaluation: Evaluation) -> tuple[str, ...]:
    """What those verdicts do not say of themselves."""
    trained = any(one.kind not in ("real", "untrained") for one in evaluation.systems)
    return (*evaluation.cautions, *([caption("one_run")] if trained else []))


# ── tables with their figures ────────────────────────────────────────────────────────────────────────────────────────


def _fidelity(compared: Compared) -> list[Block]:
    if not compared.scored_on:
        return []
    space, others = kid_space(compared.evaluation.facts), embedder(compared.evaluation.facts)
    return [
        Text(caption("marks", unmarked(compared))),
        score_table(compared, PAPER_MEASURES, "table-1", caption("table_1", space, others), paper=True),
        *_shown(figures.scores(compared)),
        score_table(compared, FURTHER_MEASURES, "further", caption("further", others)),
        score_table(compared, PITCH_MEASURES, "pitch", caption("pitch")),
    ]


def _control(compared: Compared) -> list[Block]:
    if not compared.steered:
        return []
    blocks: list[Block] = [control_table(compared)]
    if (table := attribute_table(compared)).headings:
        blocks += [
            table,
            *_shown(figures.attributes(compared)),
            Fold("Every attribute", (all_attributes_table(compared),)),
            Fold("Table 2 as published", (published_attributes_table(),)),
        ]
    return blocks


def _increments(compared: Compared) -> list[Block]:
    blocks: list[Block] = []
    for draw, read in ((figures.figure_2, figures.shifted), (figures.figure_3, figures.raised)):
        if figure := draw(compared):
            rows = [(one.name, curve) for one in compared.systems if (curve := read(one))]
            text = caption("curve_numbers", rows)
            numbers = curve_table(compared.evaluation, read, f"numbers-{figure.name}", text)
            blocks += [figure, Fold("The numbers of this figure", (numbers,))]
    return blocks


def sounds(every: Iterable[tuple[str, Sound]]) -> list[Block]:
    """Sounds of the same target side by side, by group and title in the order they came in."""
    groups: dict[str, dict[str, list[tuple[str, str]]]] = {}
    for label, sound in every:
        groups.setdefault(sound.group, {}).setdefault(sound.title, []).append((label, sound.file))
    return [
        Sounds(group, tuple((title, tuple(those)) for title, those in lines.items())) for group, lines in groups.items()
    ]


# ── how it was measured ──────────────────────────────────────────────────────────────────────────────────────────────


def settings(evaluation: Evaluation) -> list[Block]:
    """What is less than in the paper, how many there were, and every digest."""
    counts, blocks = evaluation.counts, list[Block]()
    fewer = [
        caption("fewer", key, counts[key], paper)
        for key, paper in PAPER_COUNTS.items()
        if counts.get(key, paper) < paper
        and not any(f"{counts[key]:,}" in sentence for sentence in evaluation.reduced)  # said already
    ]
    if reduced := (*evaluation.reduced, *fewer):
        blocks += [Text("Reduced against the paper:"), Bullets(reduced)]
    elif set(PAPER_COUNTS) <= set(counts):
        blocks.append(Text("Nothing was reduced against the paper's counts."))
    if evaluation.left_out:
        blocks += [Text("Left out, and why:"), Bullets(evaluation.left_out)]
    else:
        blocks.append(Text("Nothing was left out."))
    if evaluation.facts:
        text = "Corpus, teacher, classifier, embeddings, libraries and seed."
        blocks.append(facts_table("facts", text, evaluation.facts))
    if counts or evaluation.asked:
        blocks.append(counts_table(evaluation))
    for place, system in enumerate(evaluation.systems):
        if entries := {**({"digest": system.digest} if system.digest else {}), **system.facts}:
            table = facts_table(f"facts-{place}", f"Everything known about {system.name}.", entries)
            blocks.append(Fold(f"{system.name}: particulars", (table,)))
    return blocks
