"""An evaluation → tables 1 and 2 of the paper with their uncertainties, and the tables that stand beside them."""

import tomllib
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from darktimbre.evaluation.comparison import PLACES, Compared, Measure, points
from darktimbre.evaluation.results import TRAIN, AttributeScore, Control, Curve, Evaluation, Kind, System
from darktimbre.report.estimates import DASH, MISSING, Estimate, number
from darktimbre.report.tables import Cell, Column, Table, column, listing, ranked

KINDS: dict[Kind, str] = {
    "real": "real notes",
    "untrained": "the network before training",
    "baseline": "trained without attributes",
    "gansynth": "GANSynth",
    "darkgan": "steered by attributes",
}
BEST, MIDDLE, WORST = 10, 6, 6  # attributes shown of each
PUBLISHED = "published in the paper"
TEMPERATURES = (1.0, 1.5, 2.0, 3.0, 5.0)  # of the published table 2
_SAME = {"plucked string instrument": "plucked string"}  # AudioSet's display name → the paper's
# Which of the profile's counts is the most that there can be of what there was.
_LIMITS = {"scored": "notes"} | dict.fromkeys(("reference", "other_real_notes", "held_out_notes"), "reference")


def systems_table(evaluation: Evaluation) -> Table:
    columns = {
        "what it is": lambda one: KINDS[one.kind],
        "T": lambda one: one.temperature,
        "notes seen in training": lambda one: thousands(one.facts.get("notes_seen")),
        "parameters": lambda one: thousands(one.facts.get("parameters")),
        "digest": lambda one: one.digest[:12],
    }
    rows = [(one.name, one) for one in evaluation.systems]
    return listing("systems", "name", rows, columns, words=("what it is", "digest"))


def thousands(count: object) -> str | None:
    """A count as it is shown; None where there is none."""
    return f"{count:,}" if isinstance(count, int) else None


# ── scores: table 1 and what stands beside it ────────────────────────────────────────────────────────────────────────


def score_table(compared: Compared, measures: Sequence[Measure], name: str, *, paper: bool = False) -> Table:
    """Systems × (measure × conditions), the best of each marked among what is generated; below, the paper's in grey."""
    systems, rows = compared.systems, published()["table_1"] if paper else []
    counts = [" / ".join({number(one.notes, 0): None for one in system.scores.values()}) for system in systems]
    columns = [Column("N", column("", counts).cells + (Cell("", grey=True),) * len(rows))]
    for measure in measures:
        for condition in compared.scored_on:
            values = [measure.of(one, condition) for one in systems]
            among = [measure.decides(condition) and one.kind != "real" for one in systems]
            pairs = [one.get(measure.key) for one in rows]
            grey = [DASH if pair is None else number(pair[condition != TRAIN], 1) for pair in pairs]
            cells = ranked(values, measure.better, among, measure.decimals) + tuple(Cell(x, grey=True) for x in grey)
            columns.append(Column(condition, cells, measure.heading(compared.evaluation.facts)))
    headings = [one.name for one in systems] + [one["name"] for one in rows]
    return Table(name, "sounds", headings, columns, [""] * len(systems) + [PUBLISHED] * len(rows))


def gaps(compared: Compared, measures: Sequence[Measure]) -> list[tuple[Measure, list[str]]]:
    """Measures that some sounds have no figure of, though they were scored; and whose sounds."""

    def scored(system: System, measure: Measure) -> bool:
        return all(measure.of(system, condition).known for condition in system.scores)

    every = [(one, [system.name for system in compared.systems if not scored(system, one)]) for one in measures]
    return [(one, without) for one, without in every if without]


# ── control: the means, and table 2 ──────────────────────────────────────────────────────────────────────────────────


def control_table(compared: Compared) -> Table:
    """The mean over attributes: systems × (correlation, of logits) × conditions."""

    def each(read: Callable[[Control], str]) -> list[str]:
        return [" / ".join(dict.fromkeys(map(read, one.control.values()))) for one in systems]

    systems = compared.steered
    columns = [
        column("notes / real instruments", each(lambda c: f"{c.notes:,} / {c.instruments:,}")),
        column("attributes that vary", each(lambda c: f"{len(c.attributes) - c.constant} of {len(c.attributes)}")),
    ]
    for field, group in (("mean", "mean ρ ↑"), ("logit_mean", "mean ρ of logits ↑")):
        for condition in compared.controlled_on:
            made = [one for one in systems if one.kind != "real" and condition in one.control]
            fair = compared.one_vocabulary(made) and (field == "logit_mean" or compared.one_temperature(made))
            values = [getattr(one.control.get(condition), field, MISSING) for one in systems]
            among = [fair and one.kind != "real" for one in systems]
            columns.append(Column(condition, ranked(values, 1, among, PLACES), group))
    return Table("control", "instrument", [one.name for one in systems], columns)


def scores_of(compared: Compared, system: System) -> dict[str, AttributeScore]:
    """The attributes of a system by name."""
    control = compared.control(system)
    return {one.name: one for one in control.attributes} if control else {}


def attributes_by_rank(compared: Compared) -> tuple[list[str], list[str]]:
    """(attributes by mean correlation over the DarkGANs, best first; those without any, by name)."""
    found: dict[str, list[float]] = {}
    for system in [one for one in compared.steered if one.kind == "darkgan"] or compared.steered:
        for one in scores_of(compared, system).values():
            values = found.setdefault(one.name, [])
            values += [float(one.correlation)] if one.correlation.known else []
    known = {name: sum(values) / len(values) for name, values in found.items() if values}
    return sorted(known, key=lambda name: (-known[name], name)), sorted(set(found) - set(known))


def shown_attributes(compared: Compared) -> list[tuple[str, str]]:
    """(attribute, group) of table 2: the best, some from the middle, the worst; all where there are few."""
    ranked_names, _ = attributes_by_rank(compared)
    if len(ranked_names) <= BEST + MIDDLE + WORST:
        return [(name, "") for name in ranked_names]
    middle = min(max((len(ranked_names) - MIDDLE) // 2, BEST), len(ranked_names) - WORST - MIDDLE)
    best, worst = ranked_names[:BEST], ranked_names[-WORST:]
    parts = (("best", best), ("middle", ranked_names[middle : middle + MIDDLE]), ("worst", worst))
    return [(name, group) for group, those in parts for name in those]


def attribute_table(compared: Compared) -> Table:
    """Table 2: attributes × instruments, the paper's own figures in grey columns."""
    chosen = shown_attributes(compared)
    attributes = [name for name, _ in chosen]
    columns = _attributes(compared, attributes, "correlation", f"ρ, {compared.control_on}")
    columns += _published(attributes, PUBLISHED)
    return Table("table-2", "attribute", attributes, columns, [group for _, group in chosen])


def all_attributes_table(compared: Compared) -> Table:
    """All attributes, with the correlation of logits too."""
    every = [name for those in attributes_by_rank(compared) for name in those]
    soft = _attributes(compared, every, "correlation", "ρ of soft labels")
    logits = _attributes(compared, every, "logit_correlation", "ρ of logits")
    return Table("all-attributes", "attribute", every, soft + logits)


def published_attributes_table() -> Table:
    every = list(published()["table_2"])
    return Table("published-attributes", "attribute", every, _published(every, ""))


@cache
def published() -> dict[str, Any]:
    """The figures that the paper itself published: rows of `table_1`, and correlations of `table_2` by attribute."""
    return tomllib.loads(files("darktimbre.evaluation").joinpath("published.toml").read_text(encoding="utf-8"))


def published_correlations(attribute: str) -> list[float] | None:
    """The published correlations of an attribute at `TEMPERATURES`; None where the paper's table does not show it."""
    by_name = {name.casefold(): values for name, values in published()["table_2"].items()}
    name = attribute.casefold()
    return by_name.get(_SAME.get(name, name))


def _attributes(compared: Compared, attributes: Sequence[str], field: str, group: str) -> list[Column]:
    """Columns of `correlation` or `logit_correlation`, a system each."""
    systems = compared.steered
    every = [scores_of(compared, one) for one in systems]
    fair = field == "logit_correlation" or compared.one_temperature(one for one in systems if one.kind != "real")
    among = [fair and one.kind != "real" for one in systems]
    each = [[getattr(one.get(name), field, MISSING) for one in every] for name in attributes]
    rows = [ranked(values, 1, among, PLACES) for values in each]
    return [Column(one.name, tuple(row[place] for row in rows), group) for place, one in enumerate(systems)]


def _published(attributes: Sequence[str], group: str) -> list[Column]:
    every = [published_correlations(name) for name in attributes]
    return [
        Column(
            f"T\u00a0=\u00a0{temperature:g}",
            tuple(Cell(number(row[place], PLACES) if row else DASH, grey=True) for row in every),
            group,
            grey=True,
        )
        for place, temperature in enumerate(TEMPERATURES)
    ]


def constant_attributes(compared: Compared) -> list[str]:
    """Attributes whose correlation some system has not, for the target or the prediction does not vary."""
    every = [score for one in compared.steered for score in scores_of(compared, one).values()]
    return sorted({one.name for one in every if not one.correlation.known})


# ── curves, variation, timing, counts ────────────────────────────────────────────────────────────────────────────────


def curve_table(name: str, systems: Sequence[System], field: str) -> Table:
    """A figure's numbers: increments × systems that have its curve, with their intervals."""
    curves: dict[str, Curve] = {one.name: getattr(one, field) for one in systems}
    increments = sorted({x for curve in curves.values() for x in curve.increment})
    known = {heading: dict(points(curve)) for heading, curve in curves.items()}
    columns = [column(name, [one.get(x, MISSING) for x in increments], decimals=PLACES) for name, one in known.items()]
    return Table(name, "δ", [f"{x:.3g}" for x in increments], columns)


def variation_table(evaluation: Evaluation) -> Table:
    columns = {
        "attributes": lambda one: f"{100 * one.attributes:.0f}\u00a0%",
        "z": lambda one: f"{100 * one.latent:.0f}\u00a0%",
        "both together": lambda one: f"{100 * one.both:.0f}\u00a0%",
        "diversity over z": lambda one: Estimate(one.diversity),
        "of real notes": lambda one: Estimate(one.real_diversity),
        "z × conditions × pitches": lambda one: f"{one.latents} × {one.conditions} × {one.pitches}",
    }
    rows = [(one.name, one.variation) for one in evaluation.systems if one.variation]
    return listing("variation-shares", "instrument", rows, columns)


def timing_table(evaluation: Evaluation) -> Table:
    """Real time factor, and where the time goes."""
    columns = {
        "real time factor ↓": lambda one: Estimate(one.real_time_factor),
        "network, ms": lambda one: Estimate(1000 * one.network),
        "inversion, ms": lambda one: Estimate(1000 * one.inversion),
        "rest, ms": lambda one: Estimate(1000 * max(0.0, one.total - one.network - one.inversion)),
        "in all, ms": lambda one: Estimate(1000 * one.total),
        "sound, s": lambda one: f"{one.sound:.3g}",
        "on": lambda one: f"{one.device}, {one.threads} thread{'s' * (one.threads != 1)}",
    }
    rows = [(one.name, one.timing) for one in evaluation.systems if one.timing]
    return listing("timing", "instrument", rows, columns)


def counts_table(evaluation: Evaluation) -> Table:
    """How many there were, and how many the profile wanted at most."""
    wanted, counts = evaluation.asked, evaluation.counts
    rows: list[tuple[str, int | None, int | None]] = [(k, n, wanted.get(_LIMITS.get(k, k))) for k, n in counts.items()]
    listed = {_LIMITS.get(key, key) for key in counts}
    rows += [(key, None, n) for key, n in wanted.items() if key not in listed]
    headings = (("there were", 1), ("wanted at most", 2))
    columns = [column(heading, [thousands(row[place]) for row in rows]) for heading, place in headings]
    return Table("counts", "what", [row[0].replace("_", " ") for row in rows], columns)
