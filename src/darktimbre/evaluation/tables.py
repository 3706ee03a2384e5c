"""An evaluation → tables 1 and 2 of the paper with their uncertainties, and the tables that stand beside them."""

from collections.abc import Callable, Sequence

from darktimbre.evaluation import published
from darktimbre.evaluation.comparison import (
    HELD_OUT,
    PAPER_MEASURES,
    PLACES,
    REAL,
    TRAIN,
    Compared,
    Measure,
    points,
)
from darktimbre.evaluation.results import AttributeScore, Curve, Evaluation, Kind, System
from darktimbre.report.document import Cell, Column, Table, column, ranked
from darktimbre.report.estimates import DASH, MISSING, Estimate, number
from darktimbre.report.write import texts

caption = texts("darktimbre.evaluation")
KINDS: dict[Kind, str] = {
    "real": "real notes",
    "untrained": "the network before training",
    "baseline": "trained without attributes",
    "gansynth": "GANSynth",
    "darkgan": "steered by attributes",
}
BEST, MIDDLE, WORST = 10, 6, 6  # attributes shown of each


def systems_table(evaluation: Evaluation) -> Table:
    """Who is in the tables."""
    systems = evaluation.systems

    def counts(key: str) -> list[str]:
        return [f"{one.facts[key]:,}" if isinstance(one.facts.get(key), int) else DASH for one in systems]

    return Table(
        "systems", caption("systems"), "name", _names(systems),
        (
            column("what it is", [KINDS[one.kind] for one in systems], words=True),
            column("T", [DASH if one.temperature is None else f"{one.temperature:g}" for one in systems]),
            column("notes seen in training", counts("notes_seen")),
            column("parameters", counts("parameters")),
            column("digest", [one.digest[:12] for one in systems], words=True),
        ),
        notes=(f"{DASH} does not apply or not known.",),
    )  # fmt: skip


def _names(systems: Sequence[System]) -> tuple[str, ...]:
    return tuple(one.name for one in systems)


# ---------------------------------------------------------------------------------------------------------------------
# Scores: table 1 and what stands beside it
# ---------------------------------------------------------------------------------------------------------------------


def score_table(compared: Compared, measures: Sequence[Measure], name: str, text: str, *, paper: bool = False) -> Table:
    """Systems × (measure × conditions), the best of each column marked among what is generated.

    Args:
        compared: what was found.
        measures: columns.
        name: anchor.
        text: caption.
        paper: the paper's rows below, in grey.
    """
    systems, facts = compared.systems, compared.evaluation.facts
    made = [one.kind != "real" for one in systems]
    counts = [" / ".join({number(one.notes, 0): None for one in system.scores.values()}) for system in systems]
    columns = [column("N", counts)]
    for measure in measures:
        for condition in compared.scored_on:
            values = [measure.of(one, condition) for one in systems]
            among = [measure.decides(condition) and one for one in made]
            columns.append(
                ranked(condition, values, measure.better, among=among, group=measure.heading(facts),
                    decimals=measure.decimals)
            )  # fmt: skip
    headings, groups, notes = _names(systems), ("",) * len(systems), _gaps(compared, measures)
    if paper:
        columns = [Column(one.heading, one.cells + grey, one.group) for one, grey in
            zip(columns, _published(measures, compared.scored_on), strict=True)]  # fmt: skip
        headings += tuple(one["name"] for one in published.table_1())
        groups += (caption("published"),) * len(published.table_1())
        passed = [(one.name, one.facts.get("log_spectral_distance_db")) for one in systems]
        notes += [caption("round_trip_error", one, far) for one, far in passed if isinstance(far, float | int)]
        notes.append(caption("grey_rows"))
    return Table(name, text, "sounds", headings, tuple(columns), tuple(notes), groups)


def _published(measures: Sequence[Measure], conditions: Sequence[str]) -> list[tuple[Cell, ...]]:
    """The paper's cells below each column, the first of which is N."""
    rows = published.table_1()
    columns = [tuple(Cell("", grey=True) for _ in rows)]
    for measure in measures:
        for condition in conditions:
            pairs = [one.get(measure.key) for one in rows]
            figures = [pair and number(pair[0 if condition == TRAIN else 1], 1) for pair in pairs]
            columns.append(tuple(Cell(one or DASH, grey=True) for one in figures))
    return columns


def _gaps(compared: Compared, measures: Sequence[Measure]) -> list[str]:
    """Why there are cells without a figure."""
    gaps: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for measure in measures:
        for condition in compared.scored_on:
            for system in compared.systems:
                if measure.of(system, condition).known:
                    continue
                why, name = measure.missing, measure.name
                if condition not in system.scores:
                    real = system.kind == "real"
                    why, name = "these real notes are of the other split" if real else f"no {condition} sounds", ""
                names, systems = gaps.setdefault(why, ({}, {}))
                names[name], systems[system.name] = None, None
    return [
        f"{DASH} {', '.join(names) + ': ' if any(names) else ''}{why} ({', '.join(systems)})."
        for why, (names, systems) in gaps.items()
    ]


def unmarked(compared: Compared) -> list[str]:
    """Measures of table 1 that nothing is marked in, for want of an interval."""

    def bare(measure: Measure, system: System, condition: str) -> bool:
        found = measure.of(system, condition)
        return measure.decides(condition) and found.known and found.interval is None

    made = [one for one in compared.systems if one.kind != "real"]
    return [m.name for m in PAPER_MEASURES if any(bare(m, one, where) for one in made for where in one.scores)]


# ---------------------------------------------------------------------------------------------------------------------
# Control: the means, and table 2
# ---------------------------------------------------------------------------------------------------------------------


def control_table(compared: Compared) -> Table:
    """The mean over attributes: systems × (correlation, of logits) × conditions."""
    systems, every = compared.steered, [list(one.control.values()) for one in compared.steered]
    sizes = [{f"{one.notes:,} / {one.instruments:,}": None for one in each} for each in every]
    varying = [
        {f"{len(one.attributes) - one.constant} of {len(one.attributes)}": None for one in each} for each in every
    ]
    columns = [
        column("notes / real instruments", [" / ".join(one) for one in sizes]),
        column("attributes that vary", [" / ".join(one) for one in varying]),
    ]
    for field, group in (("mean", "mean ρ ↑"), ("logit_mean", "mean ρ of logits ↑")):
        for condition in compared.controlled_on:
            held = [one.control.get(condition) for one in systems]
            made = [one for one in systems if one.kind != "real" and condition in one.control]
            fair = compared.one_vocabulary(made) and (field == "logit_mean" or compared.one_temperature(made))
            values = [getattr(one, field) if one else MISSING for one in held]
            among = [fair and one.kind != "real" for one in systems]
            columns.append(ranked(condition, values, 1, among=among, group=group, decimals=PLACES))
    return Table(
        "control", caption("control"), "instrument", _names(systems), tuple(columns), tuple(_control_notes(compared))
    )


def _control_notes(compared: Compared) -> list[str]:
    """Which attributes systems are evaluated by, and what is unmarked for that."""
    systems, notes = compared.steered, []
    made = [one for one in systems if one.kind != "real"]
    temperature = compared.evaluation.facts.get("vocabulary_temperature")
    if temperature is not None and any(one.kind != "darkgan" for one in systems):
        notes.append(caption("default_vocabulary", temperature))
    notes += _other_note(systems)
    passed = [one for one in systems if one.kind == "real" and "log_spectral_distance_db" in one.facts]
    notes += [caption("round_trip", one.name) for one in passed]
    if not compared.one_vocabulary(made):
        notes.append(caption("other_attributes"))
    elif not compared.one_temperature(made):
        notes.append(caption("other_temperatures", "in the columns on the right"))
    without = [one.name for one in compared.systems if not one.control]
    return [*notes, caption("untested", without)] if without else notes


def _other_note(systems: Sequence[System]) -> list[str]:
    real = any(one.kind == "real" and one.name == REAL[HELD_OUT] for one in systems)
    return [caption("other_note")] if real else []


def attributes_by_rank(compared: Compared) -> tuple[list[str], list[str]]:
    """(attributes by mean correlation over the DarkGANs, best first; those without any, by name)."""
    found: dict[str, list[float]] = {}
    for system in [one for one in compared.steered if one.kind == "darkgan"] or compared.steered:
        for one in scores_of(compared, system).values():
            values = found.setdefault(one.name, [])
            values += [float(one.correlation)] if one.correlation.known else []
    known = {name: sum(values) / len(values) for name, values in found.items() if values}
    return sorted(known, key=lambda name: (-known[name], name)), sorted(set(found) - set(known))


def scores_of(compared: Compared, system: System) -> dict[str, AttributeScore]:
    """The attributes of a system by name."""
    control = compared.control(system)
    return {one.name: one for one in control.attributes} if control else {}


def shown_attributes(compared: Compared) -> list[tuple[str, str]]:
    """(attribute, group) of table 2: the best, some from the middle, the worst; all where there are few."""
    names, _ = attributes_by_rank(compared)
    if len(names) <= BEST + MIDDLE + WORST:
        return [(name, "") for name in names]
    middle = min(max((len(names) - MIDDLE) // 2, BEST), len(names) - WORST - MIDDLE)
    parts = (("best", names[:BEST]), ("middle", names[middle : middle + MIDDLE]), ("worst", names[-WORST:]))
    return [(name, group) for group, those in parts for name in those]


def attribute_table(compared: Compared) -> Table:
    """Table 2: attributes × instruments, the paper's own figures in grey columns."""
    chosen = shown_attributes(compared)
    names = [name for name, _ in chosen]
    return Table(
        "table-2", caption("table_2"), "attribute", tuple(names),
        (*_attributes(compared, names, logits=False, group=f"ρ, {compared.control_on}"), *_published_columns(names)),
        (*_attribute_notes(compared, names, "below, for every attribute"), caption("grey_columns")),
        tuple(group for _, group in chosen),
    )  # fmt: skip


def all_attributes_table(compared: Compared) -> Table:
    """All attributes, with the correlation of logits too."""
    names = [name for those in attributes_by_rank(compared) for name in those]
    return Table(
        "all-attributes", caption("all_attributes"), "attribute", tuple(names),
        (
            *_attributes(compared, names, logits=False, group="ρ of soft labels"),
            *_attributes(compared, names, logits=True, group="ρ of logits"),
        ),
        tuple(_attribute_notes(compared, names, "in the columns on the right")),
    )  # fmt: skip


def _attributes(compared: Compared, names: Sequence[str], *, logits: bool, group: str) -> list[Column]:
    systems = compared.steered
    made = [one.kind != "real" for one in systems]
    fair = logits or compared.one_temperature(one for one in systems if one.kind != "real")
    every = [scores_of(compared, one) for one in systems]
    each = [[correlation(known.get(name), logits) for known in every] for name in names]
    rows = [ranked("", row, 1, among=[fair and one for one in made], decimals=PLACES) for row in each]
    return [
        Column(one.name, tuple(row.cells[place] for row in rows), group) for place, one in enumerate(systems)
    ]  # marked by attribute, not by system


def correlation(score: AttributeScore | None, logits: bool) -> Estimate:
    """The correlation of an attribute, of logits or of soft labels."""
    return MISSING if score is None else score.logit_correlation if logits else score.correlation


def _attribute_notes(compared: Compared, names: Sequence[str], where: str) -> list[str]:
    systems = compared.steered
    notes = _other_note(systems)
    if not compared.one_temperature(one for one in systems if one.kind != "real"):
        notes.insert(0, caption("other_temperatures", where))
    every = [(one.name, scores_of(compared, one)) for one in systems]
    constant = [
        name for name in names if any(name in known and not known[name].correlation.known for _, known in every)
    ]
    unknown = [system for system, known in every if not set(names) <= set(known)]
    return [
        *notes,
        *([caption("constant_attributes", constant)] if constant else []),
        *([caption("unknown_attributes", unknown)] if unknown else []),
    ]


def _published_columns(names: Sequence[str]) -> list[Column]:
    every = [published.correlations(name) or (None,) * len(published.TEMPERATURES) for name in names]
    return [
        Column(
            f"T\u00a0=\u00a0{temperature:g}",
            tuple(Cell(DASH if one is None else number(one, PLACES), grey=True) for one in values),
            caption("published"),
            grey=True,
        )
        for temperature, values in zip(published.TEMPERATURES, zip(*every, strict=True), strict=True)
    ]


def published_attributes_table() -> Table:
    """Table 2 as published, whole."""
    names = tuple(published.table_2())
    columns = tuple(Column(one.heading, one.cells, grey=True) for one in _published_columns(names))
    return Table("published-attributes", caption("published_attributes"), "attribute", names, columns)


# ---------------------------------------------------------------------------------------------------------------------
# Curves, variation, timing
# ---------------------------------------------------------------------------------------------------------------------


def curve_table(evaluation: Evaluation, read: Callable[[System], Curve | None], name: str, text: str) -> Table:
    """A figure's numbers: increments × systems, with their intervals."""
    drawn = [(one.name, curve) for one in evaluation.systems if (curve := read(one))]
    increments = sorted({x for _, curve in drawn for x in curve.increment})
    columns, gaps = [], False
    for system, curve in drawn:
        known = dict(points(curve))
        columns.append(column(system, [known.get(x, MISSING) for x in increments], decimals=PLACES))
        gaps = gaps or not set(increments) <= set(known)
    headings = tuple(f"{x:.3g}" for x in increments)
    return Table(name, text, "δ", headings, tuple(columns), (caption("undefined_points"),) if gaps else ())


def variation_table(evaluation: Evaluation) -> Table:
    """What moves the sound."""
    known = [(one.name, one.variation) for one in evaluation.systems if one.variation]

    def shares(heading: str, key: str) -> Column:
        return column(heading, [number(100 * getattr(one, key), 0) + "\u00a0%" for _, one in known])

    without = [one.name for one in evaluation.systems if not one.variation and one.kind != "real"]
    return Table(
        "variation", caption("variation"), "instrument", tuple(name for name, _ in known),
        (
            shares("attributes", "attributes"), shares("z", "latent"), shares("both together", "both"),
            column("diversity over z", [Estimate(one.diversity) for _, one in known]),
            column("of real notes", [Estimate(one.real_diversity) for _, one in known]),
            column("z × conditions × pitches", [f"{v.latents} × {v.conditions} × {v.pitches}" for _, v in known]),
        ),
        (caption("untested", without),) if without else (),
    )  # fmt: skip


def timing_table(evaluation: Evaluation) -> Table:
    """Real time factor, and where the time goes."""
    known = [(one.name, one.timing) for one in evaluation.systems if one.timing]
    times = [one for _, one in known]
    columns = (
        ("real time factor ↓", [one.real_time_factor for one in times]),
        ("network, ms", [1000 * one.network for one in times]),
        ("inversion, ms", [1000 * one.inversion for one in times]),
        ("rest, ms", [1000 * max(0.0, one.total - one.network - one.inversion) for one in times]),
        ("in all, ms", [1000 * one.total for one in times]),
    )
    without = [one.name for one in evaluation.systems if not one.timing and one.kind != "real"]
    return Table(
        "timing", caption("timing"), "instrument", tuple(name for name, _ in known),
        (
            *(column(heading, list(map(Estimate, values))) for heading, values in columns),
            column("sound, s", [f"{one.sound:.3g}" for one in times]),
            column("on", [f"{one.device}, {one.threads} thread{'s' * (one.threads != 1)}" for one in times]),
        ),
        (f"Not timed: {', '.join(without)}.",) if without else (),
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------------
# How it was measured
# ---------------------------------------------------------------------------------------------------------------------


def counts_table(evaluation: Evaluation) -> Table:
    """How many there were, and how many the profile wanted."""
    limits = {"scored": "notes"} | dict.fromkeys(("reference", "other_real_notes", "held_out_notes"), "reference")
    rows = {key: (f"{n:,}", evaluation.asked.get(limits.get(key, key))) for key, n in evaluation.counts.items()}
    listed = {limits.get(key, key) for key in evaluation.counts}
    rows |= {key: ("", n) for key, n in evaluation.asked.items() if key not in listed}
    most = [DASH if most is None else f"{most:,}" for _, most in rows.values()]
    columns = (Column("there were", tuple(Cell(n) for n, _ in rows.values())), column("at most", most))
    return Table("counts", caption("counts"), "what", tuple(key.replace("_", " ") for key in rows), columns)


def facts_table(name: str, text: str, entries: dict[str, object]) -> Table:
    """Anything known, one fact a row."""
    rows = list(_flat(entries))
    return Table(
        name, text, "what", tuple(key for key, _ in rows), (column("value", [v for _, v in rows], words=True),)
    )


def _flat(entries: dict[str, object], before: str = "") -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    for key, value in entries.items():
        name = f"{before}{key}".replace("_", " ")
        rows += _flat(value, f"{name}: ") if isinstance(value, dict) else [(name, value)]
    return rows
