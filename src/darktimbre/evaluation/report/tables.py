"""An evaluation → table 1 of the paper with its uncertainties, and the tables that stand beside it."""

from collections.abc import Callable, Sequence
from typing import Literal

from darktimbre.evaluation.report import captions, paper
from darktimbre.evaluation.report.blocks import Cell, Row, Table
from darktimbre.evaluation.report.ground import conditions
from darktimbre.evaluation.report.numbers import (
    DASH,
    PAPER_MEASURES,
    PLACES,
    Mark,
    Measure,
    figure,
    finite,
    interval,
    marks,
    named,
    number,
)
from darktimbre.evaluation.results import MISSING, Curve, Estimate, Evaluation, System


def score_table(
    evaluation: Evaluation, measures: Sequence[Measure], name: str, caption: str, *, published: bool = False
) -> Table:
    """Systems × (measure × conditions), the best of each column marked among what is generated.

    Args:
        evaluation: what was found.
        measures: columns.
        name: anchor.
        caption: above the table.
        published: the paper's rows below, in grey.
    """
    where = conditions([one.scores for one in evaluation.systems])
    columns: list[list[Cell]] = []
    gaps: dict[str, dict[str, list[str]]] = {}
    measures = named(measures, evaluation.facts)
    for measure in measures:
        for condition in where:
            estimates = [_estimate(one, condition, measure.key) for one in evaluation.systems]
            rank: list[Mark] = [""] * len(estimates)
            if measure.decides(condition):
                rank = marks_of_generated(evaluation.systems, estimates, measure.better)
            columns.append(
                [
                    Cell(*figure(e, scale=measure.scale, decimals=measure.decimals), mark=m)
                    for e, m in zip(estimates, rank, strict=True)
                ]
            )
            for system, one in zip(evaluation.systems, estimates, strict=True):
                if not finite(one.value):
                    why, what = measure.missing, measure.name
                    if condition not in system.scores:
                        real = system.kind == "real"
                        why, what = (
                            ("these real notes are of the other split" if real else f"no {condition} sounds"),
                            "",
                        )
                    gaps.setdefault(why, {}).setdefault(what, []).append(system.name)
    rows = []
    for place, system in enumerate(evaluation.systems):
        counts = {number(one.notes, 0): None for one in system.scores.values()}
        first = Cell(" / ".join(counts) or DASH)
        rows.append(Row(system.name, (first, *(column[place] for column in columns))))
    if published:
        rows += _published_rows(measures, where)
    notes = _gap_notes(gaps)
    if published:
        notes += _round_trips(evaluation)
        notes.append(f"Grey rows: published by the paper ({paper.ORIENTATION}). {paper.KID_UNREADABLE}.")
    return Table(
        name, caption, "sounds", ("N", *(one for _ in measures for one in where)), tuple(rows),
        groups=(("", 1), *((measure.heading, len(where)) for measure in measures)), notes=tuple(notes),
    )  # fmt: skip


def _estimate(system: System, condition: str, key: str) -> Estimate:
    scores = system.scores.get(condition)
    found = getattr(scores, key) if scores is not None else MISSING
    assert isinstance(found, Estimate)
    return found


def marks_of_generated(systems: Sequence[System], estimates: Sequence[Estimate], better: Literal[1, -1]) -> list[Mark]:
    """Marks of a column in which real notes take no part."""
    ranked = [MISSING if one.kind == "real" else e for one, e in zip(systems, estimates, strict=True)]
    return marks(ranked, better)


def _published_rows(measures: Sequence[Measure], where: Sequence[str]) -> list[Row]:
    rows = []
    for one in paper.TABLE_1:
        cells = [Cell("", grey=True)]
        for measure in measures:
            pair = getattr(one, measure.key, None)
            for condition in where:
                value = None if pair is None else pair[0 if condition == "train" else 1]
                cells.append(Cell(DASH if value is None else number(value, 1), grey=True))
        rows.append(Row(one.name, tuple(cells), group="published in the paper", grey=True))
    return rows


def _round_trips(evaluation: Evaluation) -> list[str]:
    """How far notes are from themselves after the way through an instrument's picture."""
    each = [(one.name, one.facts.get("log_spectral_distance_db")) for one in evaluation.systems]
    return [
        f"{name}: the median log-spectral distance of notes to themselves after this round trip is {far:.2f} dB."
        for name, far in each
        if isinstance(far, float | int) and finite(far)
    ]


def _gap_notes(gaps: dict[str, dict[str, list[str]]]) -> list[str]:
    notes = []
    for why, places in gaps.items():
        names = list(dict.fromkeys(name for those in places.values() for name in those))
        measures = ", ".join(what for what in places if what)
        notes.append(f"{DASH} {measures + ': ' if measures else ''}{why} ({', '.join(names)}).")
    return notes


def timing_table(evaluation: Evaluation) -> Table:
    """Real time factor, and where the time goes."""
    timed = [(one, one.timing) for one in evaluation.systems if one.timing is not None]
    rows = []
    for system, timing in timed:
        rest = timing.total - timing.network - timing.inversion
        rows.append(
            Row(
                system.name,
                (
                    Cell(figure(Estimate(timing.real_time_factor))[0]),
                    *(Cell(figure(Estimate(1000 * one))[0]) for one in (timing.network, timing.inversion)),
                    Cell(figure(Estimate(1000 * max(0.0, rest)))[0]),
                    Cell(figure(Estimate(1000 * timing.total))[0]),
                    Cell(f"{timing.sound:.3g}"),
                    Cell(f"{timing.device}, {timing.threads} thread{'s' * (timing.threads != 1)}"),
                ),
            )
        )
    columns = ("real time factor ↓", "network, ms", "inversion, ms", "rest, ms", "in all, ms", "sound, s", "on")
    without = [one.name for one in evaluation.systems if one.timing is None and one.kind != "real"]
    notes = (f"Not timed: {', '.join(without)}.",) if without else ()
    return Table("timing", captions.TIMING, "instrument", columns, tuple(rows), notes=notes)


def variation_table(evaluation: Evaluation) -> Table:
    """What moves the sound."""
    rows = []
    for system in evaluation.systems:
        one = system.variation
        if one is not None:
            shares = [Cell(number(100 * share, 0) + "\u00a0%") for share in (one.attributes, one.latent, one.both)]
            spread = [Cell(figure(Estimate(value))[0]) for value in (one.diversity, one.real_diversity)]
            crossed = Cell(f"{one.latents} × {one.conditions} × {one.pitches}")
            rows.append(Row(system.name, (*shares, *spread, crossed)))
    columns = ("attributes", "z", "both together", "diversity over z", "of real notes", "z × conditions × pitches")
    without = [one.name for one in evaluation.systems if one.variation is None and one.kind != "real"]
    notes = (f"Without this test: {', '.join(without)} (nothing to steer, or not asked).",) if without else ()
    return Table("variation", captions.VARIATION, "instrument", columns, tuple(rows), notes=notes)


def curve_table(evaluation: Evaluation, read: Callable[[System], Curve | None], name: str, caption: str) -> Table:
    """A figure's numbers: increments × systems, with their intervals."""
    drawn = [(one, curve) for one in evaluation.systems if (curve := read(one)) is not None]
    increments = sorted({x for _, curve in drawn for x in curve.increment})
    lookup = [
        {
            x: Estimate(m, low, high)
            for x, m, low, high in zip(curve.increment, curve.mean, curve.low, curve.high, strict=True)
        }
        for _, curve in drawn
    ]
    rows = [
        Row(f"{x:.3g}", tuple(Cell(*figure(one.get(x, MISSING), decimals=PLACES)) for one in lookup))
        for x in increments
    ]
    gaps = any(cell.text == DASH for row in rows for cell in row.cells)
    notes = (f"{DASH} not measured at this δ, or not defined there.",) if gaps else ()
    return Table(name, caption, "δ", tuple(one.name for one, _ in drawn), tuple(rows), notes=notes)


def systems_table(evaluation: Evaluation) -> Table:
    """Who is in the tables."""
    rows = []
    for one in evaluation.systems:
        seen, parameters = one.facts.get("notes_seen"), one.facts.get("parameters")
        rows.append(
            Row(
                one.name,
                (
                    Cell(captions.KINDS[one.kind]),
                    Cell(DASH if one.temperature is None else f"{one.temperature:g}"),
                    Cell(f"{seen:,}" if isinstance(seen, int) else DASH),
                    Cell(f"{parameters:,}" if isinstance(parameters, int) else DASH),
                    Cell(one.digest[:12] or DASH, code=bool(one.digest)),
                ),
            )
        )
    columns = ("what it is", "T", "notes seen in training", "parameters", "digest")
    return Table(
        "systems", captions.SYSTEMS, "name", columns, tuple(rows), notes=(f"{DASH} does not apply or not known.",),
        word_columns=frozenset({0, 4}),
    )  # fmt: skip


def separate(evaluation: Evaluation) -> str:
    """How the tables mark the best."""
    missing = [
        measure.name
        for measure in PAPER_MEASURES
        if any(
            finite((e := _estimate(one, condition, measure.key)).value) and interval(e) is None
            for one in evaluation.systems if one.kind != "real"
            for condition in one.scores if measure.decides(condition)
        )
    ]  # fmt: skip
    tail = f" No interval is known for {', '.join(missing)}, so nothing is marked there." if missing else ""
    return captions.MARKS + tail
