"""An evaluation → table 2 of the paper, attribute by attribute with intervals, and the means over all attributes."""

from collections.abc import Sequence

from darktimbre.evaluation.report import captions, paper
from darktimbre.evaluation.report.blocks import Cell, Row, Table
from darktimbre.evaluation.report.numbers import DASH, PLACES, figure, finite, number
from darktimbre.evaluation.report.tables import conditions, judged_on, marks_of_generated
from darktimbre.evaluation.results import MISSING, Control, Evaluation, System

BEST, MIDDLING, WORST = 10, 6, 6  # attributes shown of each


def steered(evaluation: Evaluation) -> list[System]:
    """Systems whose attributes were listened for."""
    return [one for one in evaluation.systems if one.control]


def control_of(system: System, condition: str) -> Control | None:
    """The control of a system for these conditions, or for what others there are."""
    return system.control.get(condition) or next(iter(system.control.values()), None)


def control_table(evaluation: Evaluation) -> Table:
    """The mean over attributes: systems × (correlation, of logits) × conditions."""
    systems = steered(evaluation)
    where = conditions([one.control for one in systems])
    columns: list[list[Cell]] = []
    for read in (lambda control: control.mean, lambda control: control.logit_mean):
        for condition in where:
            estimates = [read(one.control[condition]) if condition in one.control else MISSING for one in systems]
            rank = marks_of_generated(systems, estimates, 1)
            columns.append(
                [Cell(*figure(e, decimals=PLACES), mark=m) for e, m in zip(estimates, rank, strict=True)]
            )  # fmt: skip
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
    notes = [f"Without this test: {', '.join(without)} (nothing to steer, or not asked)."] if without else []
    return Table(
        "control", captions.CONTROL, "instrument", ("notes / real instruments", "attributes that vary", *where, *where),
        tuple(rows), groups=(("", 2), ("mean ρ ↑", len(where)), ("mean ρ of logits ↑", len(where))), notes=tuple(notes),
    )  # fmt: skip


def ranked_attributes(evaluation: Evaluation) -> tuple[list[str], list[str]]:
    """(attributes by mean correlation over the DarkGANs, best first; those without any, by name)."""
    condition = judged_on(evaluation.systems)
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
    condition, systems = judged_on(evaluation.systems), steered(evaluation)
    tables = []
    for system in systems:
        control = control_of(system, condition)
        tables.append({one.name: one for one in control.attributes} if control else {})
    rows, constant = [], []
    for attribute, group in chosen:
        each = [table.get(attribute) for table in tables]
        estimates = [one.correlation if one else MISSING for one in each]
        rank = marks_of_generated(systems, estimates, 1)
        cells = [Cell(*figure(e, decimals=PLACES), mark=m) for e, m in zip(estimates, rank, strict=True)]
        if any(one is not None and not finite(one.correlation.value) for one in each):
            constant.append(attribute)
        if whole:
            cells += [Cell(*figure(one.logit_correlation if one else MISSING, decimals=PLACES)) for one in each]
        else:
            cells += _published_cells(attribute)
        rows.append(Row(attribute, tuple(cells), group=group))
    notes = []
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
