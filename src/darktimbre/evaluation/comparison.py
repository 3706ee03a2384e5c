"""An evaluation → what of it compares, and the verdicts as rows: which instrument is better at what, and which is not.

Soft labels of different temperatures are different quantities, and so are means over different attributes. The
reference is of train instruments, so that distances to it decide nothing on held-out conditions.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from darktimbre.evaluation.results import HELD_OUT, TRAIN, Control, Curve, Evaluation, System
from darktimbre.report.estimates import MISSING, Better, Estimate
from darktimbre.report.tables import Comparison

REAL = {TRAIN: "real notes", HELD_OUT: "held-out notes"}
"""The row of real notes that sounds of these conditions are measured by: no instrument can be expected to do better."""
PLACES = 2  # after the point of a correlation, as in the paper
SOFT, LOGITS = "mean", "logit_mean"  # fields of `Control`
NOTHING = Estimate(0.0)
MEAN = {SOFT: "mean ρ of soft labels", LOGITS: "mean ρ of logits"}


@dataclass(frozen=True)
class Measure:
    """A figure of `Scores`, and how it is read."""

    key: str  # field of `Scores`
    name: str
    better: Better
    scale: float = 1.0  # what is shown is the figure times this
    decimals: int | None = None  # places after the point; None for as many as the uncertainty warrants
    to_reference: bool = False  # it depends on the reference, which is of train instruments
    ranked: bool = True  # its spread is a standard error, so that it decides whether figures differ

    def heading(self, facts: Mapping[str, Any]) -> str:
        """The name with an arrow to the better side, and of KID whose embedding it is taken in."""
        space = kid_space(facts) if self.key.startswith("kid") else ""
        return f"{self.name}{f', {space}' if space else ''}\u00a0{'↑' if self.better > 0 else '↓'}"

    def decides(self, condition: str) -> bool:
        """Whether it decides what is better: sounds that follow held-out notes need not be near the reference."""
        return self.ranked and not (self.to_reference and condition == HELD_OUT)

    def of(self, system: System, condition: str) -> Estimate:
        found: Estimate = getattr(system.scores.get(condition), self.key, MISSING)
        return found.times(self.scale)


PAPER_MEASURES = (
    Measure("pitch_inception", "PIS", 1),
    Measure("family_inception", "IIS", 1),
    Measure("kid", "KID ×10⁻⁴", -1, scale=1e4, to_reference=True),
    Measure("fad", "FAD", -1, to_reference=True),
)
FURTHER_MEASURES = (
    Measure("kid_subsets", "KID ×10⁻⁴ over subsets", -1, scale=1e4, to_reference=True, ranked=False),
    Measure("fad_infinity", "FAD∞", -1, to_reference=True),
    Measure("precision", "precision", 1, decimals=3, to_reference=True),
    Measure("recall", "recall", 1, decimals=3, to_reference=True),
    Measure("density", "density", 1, decimals=3, to_reference=True),
    Measure("coverage", "coverage", 1, decimals=3, to_reference=True),
)
PITCH_MEASURES = (
    Measure("pitch_by_classifier", "pitch by classifier", 1),
    Measure("pitch_by_f0", "pitch by f0", 1),
)
MEASURES = {one.key: one for one in (*PAPER_MEASURES, *FURTHER_MEASURES, *PITCH_MEASURES)}


def kid_space(facts: Mapping[str, Any]) -> str:
    """Whose embedding KID is taken in: the classifier's, or without one that of all other distances."""
    return "classifier" if facts.get("classifier") else embedder(facts)


def embedder(facts: Mapping[str, Any]) -> str:
    """Whose embedding every other distance is taken in; empty where that is not known."""
    embedding = facts.get("embedding")
    return str(embedding.get("name", "")) if isinstance(embedding, Mapping) else ""


class Compared:
    """An evaluation, and on what ground its systems compare."""

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation, self.systems = evaluation, evaluation.systems
        self.made = self.of_kind("baseline", "gansynth", "darkgan")  # the trained instruments
        self.steered = [one for one in self.systems if one.control]  # whose attributes were predicted
        self.scored_on = [name for name in REAL if any(name in one.scores for one in self.systems)]
        self.controlled_on = [name for name in REAL if any(name in one.control for one in self.systems)]
        # Fidelity is compared on conditions of train instruments, as the reference is; control on held-out ones.
        scored = {name for one in self.systems if one.kind != "real" for name in one.scores}
        self.fidelity_on = HELD_OUT if scored == {HELD_OUT} else TRAIN
        self.control_on = TRAIN if self.controlled_on == [TRAIN] else HELD_OUT

    def of_kind(self, *kinds: str) -> list[System]:
        return [one for one in self.systems if one.kind in kinds]

    def real(self, condition: str) -> list[System]:
        """The real notes that sounds of these conditions are measured by: one row or none."""
        return [one for one in self.of_kind("real") if one.name == REAL.get(condition) and condition in one.scores]

    def control(self, system: System) -> Control | None:
        """The control of a system on the conditions compared, or on what others there are."""
        return system.control.get(self.control_on) or next(iter(system.control.values()), None)

    def mean(self, system: System, field: str) -> Estimate:
        """The mean correlation of a system: `mean` of soft labels, `logit_mean` of logits."""
        found: Estimate = getattr(self.control(system), field, MISSING)
        return found

    def one_temperature(self, systems: Iterable[System]) -> bool:
        """Whether the soft labels of all are of one T: their own, or that of the first vocabulary."""
        default = self.evaluation.facts.get("vocabulary_temperature")
        return len({default if one.temperature is None else one.temperature for one in systems}) <= 1

    def one_vocabulary(self, systems: Iterable[System]) -> bool:
        """Whether means of all are over the same attributes."""
        known = [control for one in systems if (control := self.control(one))]
        return len({frozenset(one.name for one in control.attributes) for control in known}) <= 1

    def by_logits(self, systems: Sequence[System]) -> bool:
        """Whether a figure of all must show logits: T or labels differ, and there are correlations of logits."""
        known = any(self.mean(one, LOGITS).known for one in systems)
        return known and not (self.one_vocabulary(systems) and self.one_temperature(systems))

    def rows(
        self, group: str, quantity: str, read: Callable[[System], Estimate], mine: Sequence[System],
        others: Sequence[System], better: Literal[1, 0, -1], decimals: int | None = PLACES,
    ) -> list[Comparison]:  # fmt: skip
        """A quantity of each of `mine` against each of `others`, where both have it."""
        every = [
            Comparison(group, quantity, (one.name, read(one)), (other.name, read(other)), better, decimals)
            for other in others
            for one in mine
        ]
        return [one for one in every if one.known]


# ── verdicts on control ──────────────────────────────────────────────────────────────────────────────────────────────


def control(compared: Compared) -> list[Comparison]:
    """Which instrument follows its attributes best; and against pitch alone, an untrained network, real notes, none."""
    mine, found = [one for one in compared.of_kind("darkgan") if one.control], list[Comparison]()
    if compared.one_vocabulary(mine):
        field = SOFT if compared.one_temperature(mine) else LOGITS
        read = partial(compared.mean, field=field)
        order = sorted((one for one in mine if read(one).known), key=lambda one: -float(read(one)))
        group, quantity = "control: the highest against the other instruments", f"{MEAN[field]}, {compared.control_on}"
        for other in order[1:]:
            found += compared.rows(group, quantity, read, order[:1], [other], 1)
    quantity, read = f"{MEAN[LOGITS]}, {compared.control_on}", partial(compared.mean, field=LOGITS)
    for rival, group in rivals(compared):
        alike = [one for one in mine if compared.one_vocabulary([one, rival])]
        found += compared.rows(group, quantity, read, alike, [rival], 1)
    group, quantity, none = "control: against no correlation", f"{MEAN[SOFT]}, {compared.control_on}", ("none", NOTHING)
    means = [(one.name, e) for one in mine if (e := compared.mean(one, SOFT)).known]
    return found + [Comparison(group, quantity, one, none, 1, PLACES, paired=one[1]) for one in means]


def rivals(compared: Compared) -> list[tuple[System, str]]:
    """What correlates without attributes, and what that shows."""
    pitch = "control: against what pitch alone explains"
    groups = {"baseline": pitch, "gansynth": pitch, "untrained": "control: against a network before training"}
    made = [(one, groups[kind]) for kind in groups for one in compared.of_kind(kind) if one.control]
    notes = [one for one in compared.of_kind("real") if one.name == REAL[HELD_OUT] and HELD_OUT in one.control]
    return made + [(one, "control: against another note of the same instrument") for one in notes]


def unranked(compared: Compared) -> list[str]:
    """Instruments whose means are over other attributes than those of a system they were to compare with."""
    mine = [one for one in compared.of_kind("darkgan") if one.control]
    others = [rival for rival, _ in rivals(compared)] or mine[:1]
    return [one.name for one in mine if not all(compared.one_vocabulary([one, rival]) for rival in others)]


# ── verdicts on fidelity and pitch ───────────────────────────────────────────────────────────────────────────────────


def fidelity(compared: Compared, rivals: str, measures: Iterable[Measure]) -> list[Comparison]:
    """What attributes cost, or bring, against a baseline without; what training brought to anything against none."""
    where, others = compared.fidelity_on, compared.of_kind(rivals)
    mine = compared.made if rivals == "untrained" else compared.of_kind("darkgan")
    without = {"untrained": "a network before training", "baseline": "training without attributes"}
    group = f"fidelity: against {without[rivals]}"
    return [
        row
        for one in measures
        if one.decides(where)
        for row in compared.rows(
            group, f"{one.name}, {where}", partial(one.of, condition=where), mine, others, one.better, one.decimals
        )
    ]


def to_real(compared: Compared) -> list[Comparison]:
    """The instrument that is nearest to real notes, and the one that has the target pitch least often."""
    condition, distances = compared.fidelity_on, [MEASURES[key] for key in ("kid", "fad", "fad_infinity")]
    left = "fidelity: the nearest instrument against real notes"
    pitch = "target pitch: the least accurate instrument against real notes"
    aim = "held-out conditions: the instrument closest to held-out notes, whose distance a perfect one would have"
    where = HELD_OUT if any(HELD_OUT in one.scores for one in compared.made) else condition
    every = [(left, one, condition) for one in distances if condition != HELD_OUT]
    every += [(pitch, one, where) for one in PITCH_MEASURES] + [(aim, one, HELD_OUT) for one in distances]
    return [row for one in every for row in _lowest(compared, *one)]


def _lowest(compared: Compared, group: str, measure: Measure, condition: str) -> list[Comparison]:
    """The instrument with the lowest figure, or the one closest to real notes where lower is no better."""
    read, real = partial(measure.of, condition=condition), compared.real(condition)
    known = [one for one in compared.made if read(one).known]
    if not real or not known:
        return []
    better = measure.better if measure.decides(condition) else 0
    chosen = min(known, key=lambda one: float(read(one)) if better else abs(float(read(one)) - float(read(real[0]))))
    return compared.rows(group, f"{measure.name}, {condition}", read, [chosen], real, better, measure.decimals)


# ── verdicts on figures 2 and 3 ──────────────────────────────────────────────────────────────────────────────────────


def points(curve: Curve | None) -> list[tuple[float, Estimate]]:
    """(increment, figure) of a curve where it is defined."""
    every = zip(curve.increment, curve.mean, curve.low, curve.high, strict=True) if curve else ()
    return [(x, e) for x, *figure in every if (e := Estimate(*figure)).known]


def curves(compared: Compared) -> list[Comparison]:
    """Whether correlation survives where an attribute is raised by δ = 1, and whether the prediction rises at all."""

    def near(system: System, curve: Curve | None, increment: float) -> tuple[str, Estimate]:
        x, found = min(points(curve), key=lambda point: abs(point[0] - increment), default=(0.0, MISSING))
        return f"{system.name}, δ = {x:.2g}", found

    fall, rise, none = [], [], ("no effect", NOTHING)
    correlation = "figure 2: correlation after an attribute is raised by δ"
    prediction = "figure 3: rise of the prediction when an attribute is raised by δ, in standard deviations"
    for one in compared.of_kind("darkgan"):
        first, last = (near(one, one.out_of_distribution, increment) for increment in (0.0, 1.0))
        fall += [Comparison(correlation, "mean correlation", last, first, 1, PLACES)] if last != first else []
        raised = near(one, one.increments, 1.0)
        rise.append(Comparison(prediction, "mean rise", raised, none, 1, PLACES, paired=raised[1]))
    return [one for one in fall + rise if one.known]
