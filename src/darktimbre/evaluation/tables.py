"""An evaluation → tables 1 and 2 of the paper with their uncertainties, and the tables that stand beside them."""

from collections.abc import Callable, Sequence

from darktimbre.evaluation import published
from darktimbre.evaluation.comparison import PAPER_MEASURES, PLACES, TRAIN, Compared, Measure, points
from darktimbre.evaluation.results import AttributeScore, Curve, Evaluation, Kind, System
from darktimbre.report.estimates import DASH, MISSING, Estimate, number
from darktimbre.report.tables import Cell, Column, Table, column, ranked

KINDS: dict[Kind, str] = {
    "real": "real notes",
    "untrained": "the network before training",
    "baseline": "trained without attributes",
    "gansynth": "GANSynth",
    "darkgan": "steered by attributes",
}
BEST, MIDDLE, WORST = 10, 6, 6  # attributes shown of each
PUBLISHED = "published in the paper"
_LIMITS = {"scored": "notes"} | dict.fromkeys(("reference", "other_real_notes", "held_out_notes"), "reference")
"""Which of the profile's counts is the most that there can be of what there was."""


def systems_table(evaluation: Evaluation) -> Table:
    """Who is in the tables."""
    systems = evaluation.systems

    def counts(key: str) -> list[str]:
        return [f"{one.facts[key]:,}" if isinstance(one.facts.get(key), int) else DASH for one in systems]

    columns = (
        column("what it is", [KINDS[one.kind] for one in systems], words=True),
        column("T", [DASH if one.temperature is None else f"{one.temperature:g}" for one in systems]),
        column("notes seen in training", counts("notes_seen")),
        column("parameters", counts("parameters")),
        column("digest", [one.digest[:12] for one in systems], words=True),
    )
    return Table("systems", "name", names(systems), columns)


def names(systems: Sequence[System]) -> list[str]:
    """Of systems."""
    return [one.name for one in systems]


# ── scores: table 1 and what stands beside it ────────────────────────────────────────────────────────────────────────


def score_table(compared: Compared, measures: Sequence[Measure], name: str, *, paper: bool = False) -> Table:
    """Systems × (measure × conditions), the best of each column marked among what is generated.

    Args:
        compared: what was found.
        measures: columns.
        name: anchor.
        paper: whether the paper's rows stand below, in grey.
    """
    systems, rows = compared.systems, published.table_1() if paper else []
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
    headings = names(systems) + [one["name"] for one in rows]
    return Table(name, "sounds", headings, columns, [""] * len(systems) + [PUBLISHED] * len(rows))


def gaps(compared: Compared, measures: Sequence[Measure]) -> list[tuple[str, list[str], list[str]]]:
    """(why there is no figure, names of measures, systems); no names where the conditions are missing altogether."""
    found: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for measure in measures:
        for condition in compared.scored_on:
            for system in compared.systems:
                if not measure.of(system, condition).known:
                    why, name = measure.missing, [measure.name]
                    if condition not in system.scores:
                        real = system.kind == "real"
                        why, name = "these real notes are of the other split" if real else f"no {condition} sounds", []
                    those, systems = found.setdefault(why, ({}, {}))
                    those |= dict.fromkeys(name)
                    systems[system.name] = None
    return [(why, list(those), list(systems)) for why, (those, systems) in found.items()]


def unmarked(compared: Compared) -> list[str]:
    """Measures of table 1 that nothing is marked in, for want of an interval."""
    made = [one for one in compared.systems if one.kind != "real"]
    return [
        measure.name
        for measure in PAPER_MEASURES
        if any(
            found.known and found.interval is None
            for one in made
            for condition in one.scores
            if measure.decides(condition) and (found := measure.of(one, condition))
        )
    ]


# ── control: the means, and table 2 ──────────────────────────────────────────────────────────────────────────────────


def control_table(compared: Compared) -> Table:
    """The mean over attributes: systems × (correlation, of logits) × conditions."""
    systems = compared.steered
    every = [list(one.control.values()) for one in systems]
    sizes = [{f"{c.notes:,} / {c.instruments:,}": None for c in each} for each in every]
    varying = [{f"{len(c.attributes) - c.constant} of {len(c.attributes)}": None for c in each} for each in every]
    columns = [
        column("notes / real instruments", [" / ".join(one) for one in sizes]),
        column("attributes that vary", [" / ".join(one) for one in varying]),
    ]
    for field, group in (("mean", "mean ρ ↑"), ("logit_mean", "mean ρ of logits ↑")):
        for condition in compared.controlled_on:
            made = [one for one in systems if one.kind != "real" and condition in one.control]
            fair = compared.one_vocabulary(made) and (field == "logit_mean" or compared.one_temperature(made))
            values = [
                getattr(one.control[condition], field) if condition in one.control else MISSING for one in systems
            ]
            among = [fair and one.kind != "real" for one in systems]
            columns.append(Column(condition, ranked(values, 1, among, PLACES), group))
    return Table("control", "instrument", names(systems), columns)


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
    columns = _attributes(compared, attributes, logits=False, group=f"ρ, {compared.control_on}")
    return Table(
        "table-2", "attribute", attributes, columns + _published(attributes, PUBLISHED), [group for _, group in chosen]
    )


def all_attributes_table(compared: Compared) -> Table:
    """All attributes, with the correlation of logits too."""
    every = [name for those in attributes_by_rank(compared) for name in those]
    soft = _attributes(compared, every, logits=False, group="ρ of soft labels")
    return Table("all-attributes", "attribute", every, soft + _attributes(compared, every, True, "ρ of logits"))


def published_attributes_table() -> Table:
    """Table 2 as published, whole."""
    every = list(published.table_2())
    return Table("published-attributes", "attribute", every, _published(every, ""))


def _attributes(compared: Compared, attributes: Sequence[str], logits: bool, group: str) -> list[Column]:
    systems = compared.steered
    every = [scores_of(compared, one) for one in systems]
    fair = logits or compared.one_temperature(one for one in systems if one.kind != "real")
    among = [fair and one.kind != "real" for one in systems]
    rows = [ranked([correlation(one.get(name), logits) for one in every], 1, among, PLACES) for name in attributes]
    return [Column(one.name, tuple(row[place] for row in rows), group) for place, one in enumerate(systems)]


def correlation(score: AttributeScore | None, logits: bool) -> Estimate:
    """The correlation of an attribute, of logits or of soft labels."""
    return MISSING if score is None else score.logit_correlation if logits else score.correlation


def _published(attributes: Sequence[str], group: str) -> list[Column]:
    every = [published.correlations(name) or [None] * len(published.TEMPERATURES) for name in attributes]
    return [
        Column(
            f"T\u00a0=\u00a0{temperature:g}",
            tuple(Cell(DASH if row[place] is None else number(row[place], PLACES), grey=True) for row in every),
            group,
            grey=True,
        )
        for place, temperature in enumerate(published.TEMPERATURES)
    ]


def constant_attributes(compared: Compared) -> list[str]:
    """Attributes whose correlation some system has not, for the target or the prediction does not vary."""
    every = [score for one in compared.steered for score in scores_of(compared, one).values()]
    return sorted({one.name for one in every if not one.correlation.known})


# ── curves, variation, timing, counts ────────────────────────────────────────────────────────────────────────────────


def curve_table(name: str, curves: Sequence[tuple[str, Curve]]) -> Table:
    """A figure's numbers: increments × systems, with their intervals."""
    increments = sorted({x for _, curve in curves for x in curve.increment})
    known = {name: dict(points(curve)) for name, curve in curves}
    columns = [column(name, [one.get(x, MISSING) for x in increments], decimals=PLACES) for name, one in known.items()]
    return Table(name, "δ", [f"{x:.3g}" for x in increments], columns)


def variation_table(evaluation: Evaluation) -> Table:
    """What moves the sound."""
    systems = [one for one in evaluation.systems if one.variation]
    known = [one.variation for one in systems if one.variation]
    shares = (("attributes", "attributes"), ("z", "latent"), ("both together", "both"))
    columns = (
        *(column(name, [f"{100 * getattr(one, key):.0f}\u00a0%" for one in known]) for name, key in shares),
        column("diversity over z", [Estimate(one.diversity) for one in known]),
        column("of real notes", [Estimate(one.real_diversity) for one in known]),
        column("z × conditions × pitches", [f"{one.latents} × {one.conditions} × {one.pitches}" for one in known]),
    )
    return Table("variation-shares", "instrument", names(systems), columns)


def timing_table(evaluation: Evaluation) -> Table:
    """Real time factor, and where the time goes."""
    systems = [one for one in evaluation.systems if one.timing]
    known = [one.timing for one in systems if one.timing]

    def milliseconds(name: str, read: Callable[..., float]) -> Column:
        return column(name, [Estimate(1000 * read(one)) for one in known])

    columns = (
        column("real time factor ↓", [Estimate(one.real_time_factor) for one in known]),
        milliseconds("network, ms", lambda one: one.network),
        milliseconds("inversion, ms", lambda one: one.inversion),
        milliseconds("rest, ms", lambda one: max(0.0, one.total - one.network - one.inversion)),
        milliseconds("in all, ms", lambda one: one.total),
        column("sound, s", [f"{one.sound:.3g}" for one in known]),
        column("on", [f"{one.device}, {one.threads} thread{'s' * (one.threads != 1)}" for one in known]),
    )
    return Table("timing", "instrument", names(systems), columns)


def counts_table(evaluation: Evaluation) -> Table:
    """How many there were, and how many the profile wanted at most."""
    wanted = dict(evaluation.asked)
    rows = {key: (f"{n:,}", wanted.get(_LIMITS.get(key, key))) for key, n in evaluation.counts.items()}
    listed = {_LIMITS.get(key, key) for key in evaluation.counts}
    rows |= {key: ("", n) for key, n in wanted.items() if key not in listed}
    most = [DASH if most is None else f"{most:,}" for _, most in rows.values()]
    columns = (Column("there were", tuple(Cell(there) for there, _ in rows.values())), column("wanted at most", most))
    return Table("counts", "what", [key.replace("_", " ") for key in rows], columns)
