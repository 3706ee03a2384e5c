"""An evaluation → table 2 of the paper, attribute by attribute with intervals, and the means over all attributes."""

from collections.abc import Sequence

from darktimbre.evaluation.report import captions, paper
from darktimbre.evaluation.report.blocks import Cell, Row, Table
from darktimbre.evaluation.report.ground import (
    BARS,
    HELD_OUT,
    Alike,
    conditions,
    control_of,
    control_on,
    mean_of,
    one_temperature,
    one_vocabulary,
    steered,
)
from darktimbre.evaluation.report.numbers import DASH, PLACES, Mark, figure, finite, number
from darktimbre.evaluation.report.tables import marks_of_generated
from darktimbre.evaluation.results import MISSING, Estimate, Evaluation, System

BEST, MIDDLING, WORST = 10, 6, 6  # attributes shown of each


def control_table(evaluation: Evaluation) -> Table:
    """The mean over attributes: systems × (correlation, of logits) × conditions."""
    systems = steered(evaluation)
    where = conditions([one.control for one in systems])
    columns: list[list[Cell]] = []
    means: tuple[Alike, ...] = ("mean", "logit_mean")
    for which in means:
        for condition in where:
            held = [one.control.get(condition) for one in systems]
            estimates = [mean_of(one, which) if one else MISSING for one in held]
            made = [one for one in systems if one.kind != "real" and condition in one.control]
            fair = one_vocabulary(made, condition) and (which == "logit_mean" or one_temperature(evaluation, made))
            columns.append(_cells(systems, estimates, marked=fair))
    rows = []
    for place, system in enumerate(systems):
        any_control = control_of(system, "held-out")
        assert any_control is not None
        counts = " / ".join({f"{c.notes:,} / {c.instruments:,}": None for c in system.control.values()})
        defined = " / ".join(
            {f"{len(c.attributes) - c.constant} of {len(c.attributes)}": None for c in system.control.values()}
        )
        rows.append(Row(system.name, (Cell(counts), Cell(defined), *(column[place] for column in columns))))
    without = [one.name for one in evaluation.systems if not one.control]
    notes = _ground_notes(evaluation, systems)
    if without:
        notes.append(f"Without this test: {', '.join(without)} (nothing to steer, or not asked).")
    return Table(
        "control", captions.CONTROL, "instrument", ("notes / real instruments", "attributes that vary", *where, *where),
        tuple(rows), groups=(("", 2), ("mean ρ ↑", len(where)), ("mean ρ of logits ↑", len(where))), notes=tuple(notes),
    )  # fmt: skip


def _ground_notes(evaluation: Evaluation, systems: Sequence[System]) -> list[str]:
    """Who is judged by what, and what is unmarked for that."""
    notes, made = [], [one for one in systems if one.kind != "real"]
    temperature = evaluation.facts.get("vocabulary_temperature")
    if temperature is not None and any(one.kind != "darkgan" for one in systems):
        notes.append(
            f"Real notes, the untrained network and instruments without attributes are judged at T\u00a0=\u00a0"
            f"{temperature:g}, on the attributes of the first instrument that has any."
        )
    if any(one.name == BARS[HELD_OUT] for one in systems if one.kind == "real"):
        notes.append(captions.ANOTHER_TAKE)
    passed = [one.name for one in systems if one.kind == "real" and "log_spectral_distance_db" in one.facts]
    notes += [f"{name}: {captions.THROUGH_THE_PICTURE}" for name in passed]
    if not one_vocabulary(made, control_on(systems)):
        notes.append("Nothing is marked: the instruments have different attributes, and means are over different ones.")
    elif not one_temperature(evaluation, made):
        notes.append("Soft labels are not marked: they are of different T. The correlation of logits compares.")
    return notes


def ranked_attributes(evaluation: Evaluation) -> tuple[list[str], list[str]]:
    """(attributes by mean correlation over the DarkGANs, best first; those without any, by name)."""
    condition = control_on(evaluation.systems)
    systems = steered(evaluation)
    players = [one for one in systems if one.kind == "darkgan"] or systems
    found: dict[str, list[float]] = {}
    for system in players:
        control = control_of(system, condition)
        for one in control.attributes if control else ():
            values = found.setdefault(one.name, [])
            if one.correlation.value is not None and finite(one.correlation.value):
                values.append(one.correlation.value)
    known = {name: sum(values) / len(values) for name, values in found.items() if values}
    return sorted(known, key=lambda name: (-known[name], name)), sorted(set(found) - set(known))


def shown_attributes(evaluation: Evaluation) -> list[tuple[str, str]]:
    """(attribute, group) of table 2: the best, some from the middle, the worst; all where there are few."""
    names, _ = ranked_attributes(evaluation)
    if len(names) <= BEST + MIDDLING + WORST:
        return [(name, "") for name in names]
    middle = (len(names) - MIDDLING) // 2
    middle = min(max(middle, BEST), len(names) - WORST - MIDDLING)
    return (
        [(name, "best") for name in names[:BEST]]
        + [(name, "middling") for name in names[middle : middle + MIDDLING]]
        + [(name, "worst") for name in names[-WORST:]]
    )


def attribute_table(evaluation: Evaluation) -> Table:
    """Table 2: attributes × instruments, the paper's own figures in grey columns."""
    return _attributes(evaluation, shown_attributes(evaluation), "table-2", captions.TABLE_2, whole=False)


def all_attributes_table(evaluation: Evaluation) -> Table:
    """All attributes, with the correlation of logits too."""
    names, without = ranked_attributes(evaluation)
    chosen = [(name, "") for name in names + without]
    return _attributes(evaluation, chosen, "all-attributes", captions.ALL_ATTRIBUTES, whole=True)


def _attributes(
    evaluation: Evaluation, chosen: Sequence[tuple[str, str]], name: str, caption: str, *, whole: bool
) -> Table:
    condition, systems = control_on(evaluation.systems), steered(evaluation)
    tables = []
    for system in systems:
        control = control_of(system, condition)
        tables.append({one.name: one for one in control.attributes} if control else {})
    fair = one_temperature(evaluation, [one for one in systems if one.kind != "real"])
    rows, constant = [], []
    for attribute, group in chosen:
        each = [table.get(attribute) for table in tables]
        cells = _cells(systems, [one.correlation if one else MISSING for one in each], marked=fair)
        if any(one is not None and not finite(one.correlation.value) for one in each):
            constant.append(attribute)
        if whole:
            cells += _cells(systems, [one.logit_correlation if one else MISSING for one in each], marked=True)
        else:
            cells += _published_cells(attribute)
        rows.append(Row(attribute, tuple(cells), group=group))
    notes = []
    if not fair:
        where = "The correlations of logits compare" + ("." if whole else ": they are below, for every attribute.")
        notes.append(f"Soft labels are not marked: they are of different T. {where}")
    if any(one.name == BARS[HELD_OUT] for one in systems if one.kind == "real"):
        notes.append(captions.ANOTHER_TAKE)
    if constant:
        notes.append(
            f"{DASH} in a row: asked or heard does not vary, so there is no correlation ({'; '.join(constant)})."
        )
    unknown = [s.name for s, table in zip(systems, tables, strict=True) if any(n not in table for n, _ in chosen)]
    if unknown:
        notes.append(f"{DASH} also where an instrument does not know the attribute ({', '.join(unknown)}).")
    mine = tuple(one.name for one in systems)
    groups: tuple[tuple[str, int], ...]
    if whole:
        columns, groups = mine + mine, (("ρ of soft labels", len(mine)), ("ρ of logits", len(mine)))
        grey = frozenset[int]()
    else:
        published = tuple(f"T\u00a0=\u00a0{one:g}" for one in paper.TEMPERATURES)
        columns, groups = mine + published, ((f"ρ, {condition}", len(mine)), ("published in the paper", len(published)))
        grey = frozenset(range(len(mine), len(columns)))
        notes.append(
            f"Grey columns: published by the paper ({paper.ORIENTATION}); {DASH} where its table has no such row."
        )
    return Table(name, caption, "attribute", columns, tuple(rows), groups=groups, notes=tuple(notes), grey_columns=grey)


def _cells(systems: Sequence[System], estimates: Sequence[Estimate], *, marked: bool) -> list[Cell]:
    rank: list[Mark] = marks_of_generated(systems, estimates, 1) if marked else [""] * len(estimates)
    return [Cell(*figure(e, decimals=PLACES), mark=m) for e, m in zip(estimates, rank, strict=True)]


def _published_cells(attribute: str) -> list[Cell]:
    values = paper.published_correlation(attribute)
    if values is None:
        return [Cell(DASH, grey=True)] * len(paper.TEMPERATURES)
    return [Cell(number(one, PLACES), grey=True) for one in values]


def published_attributes_table() -> Table:
    """Table 2 as published, whole."""
    rows = [Row(name, tuple(_published_cells(name)), grey=True) for name in paper.TABLE_2]
    columns = tuple(f"T\u00a0=\u00a0{one:g}" for one in paper.TEMPERATURES)
    return Table(
        "published-attributes", f"Table 2 as the paper published it: {paper.ORIENTATION}.", "attribute", columns,
        tuple(rows), grey_columns=frozenset(range(len(columns))),
    )  # fmt: skip
