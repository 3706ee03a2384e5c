"""An evaluation → what of it compares, and the verdicts as rows: which instrument is better at what, and which is not.

Soft labels of different temperatures are different quantities, and so are means over different attributes. The
reference is of train instruments, so that distances to it decide nothing on held-out conditions.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from darktimbre.evaluation.results import Control, Curve, Evaluation, System
from darktimbre.report.estimates import MISSING, Better, Estimate
from darktimbre.report.tables import Comparison

TRAIN, HELD_OUT = "train", "held-out"  # where conditions come from
REAL = {TRAIN: "real notes", HELD_OUT: "held-out notes"}
"""The row of real notes that sounds of these conditions are measured by: no instrument can be expected to do better."""
MADE = ("baseline", "gansynth", "darkgan")
PLACES = 2  # after the point of a correlation, as in the paper
DISTANCES = ("kid", "fad", "fad_infinity")
MEAN = {"mean": "mean ρ of soft labels", "logit_mean": "mean ρ of logits"}


@dataclass(frozen=True)
class Measure:
    """A figure of `Scores`, and how it is read.

    Attributes:
        key: field of `Scores`.
        name: what it is called.
        better: 1 where higher is better, −1 where lower is.
        missing: why there may be no figure.
        scale: what is shown is the figure times this.
        decimals: places after the point; None for as many as the uncertainty warrants.
        to_reference: whether it is taken to the reference, which is of train instruments: of sounds that follow the
            conditions of other instruments, nearer is then no better.
        ranked: whether its spread is a standard error, so that figures can be told apart by it.
    """

    key: str
    name: str
    better: Better
    missing: str = "not measured"
    scale: float = 1.0
    decimals: int | None = None
    to_reference: bool = False
    ranked: bool = True

    def heading(self, facts: Mapping[str, Any]) -> str:
        """The name with an arrow to the better side, and of KID whose embedding it is taken in."""
        space = kid_space(facts) if self.key.startswith("kid") else ""
        return f"{self.name}{f', {space}' if space else ''}\u00a0{'↑' if self.better > 0 else '↓'}"

    def decides(self, condition: str) -> bool:
        """Whether it tells better from worse for sounds of these conditions."""
        return self.ranked and not (self.to_reference and condition == HELD_OUT)

    def of(self, system: System, condition: str) -> Estimate:
        """The figure of a system, as it is shown."""
        scores = system.scores.get(condition)
        found = MISSING if scores is None else getattr(scores, self.key)
        assert isinstance(found, Estimate)
        return found.times(self.scale)


_NO_CLASSES = "it needs a classifier of this corpus that knows the pitches or families"
_NO_PITCH = "the sounds have no target pitch, or the classifier does not know it"
_TOO_FEW = "not measured; a covariance of full rank needs more notes than the embedding has dimensions"
_TOO_FEW_TO_EXTRAPOLATE = "not measured; with fewer than about three notes a dimension its bias is no straight line"

PAPER_MEASURES = (
    Measure("pitch_inception", "PIS", 1, _NO_CLASSES),
    Measure("family_inception", "IIS", 1, _NO_CLASSES),
    Measure("kid", "KID ×10⁻⁴", -1, scale=1e4, to_reference=True),
    Measure("fad", "FAD", -1, _TOO_FEW, to_reference=True),
)
FURTHER_MEASURES = (
    Measure("kid_subsets", "KID ×10⁻⁴ over subsets", -1, scale=1e4, to_reference=True, ranked=False),
    Measure("fad_infinity", "FAD∞", -1, _TOO_FEW_TO_EXTRAPOLATE, to_reference=True),
    Measure("precision", "precision", 1, decimals=3, to_reference=True),
    Measure("recall", "recall", 1, decimals=3, to_reference=True),
    Measure("density", "density", 1, decimals=3, to_reference=True),
    Measure("coverage", "coverage", 1, decimals=3, to_reference=True),
)
PITCH_MEASURES = (
    Measure("pitch_by_classifier", "pitch by classifier", 1, _NO_PITCH),
    Measure("pitch_by_f0", "pitch by f0", 1, _NO_PITCH),
)
MEASURES = {one.key: one for one in (*PAPER_MEASURES, *FURTHER_MEASURES, *PITCH_MEASURES)}


def kid_space(facts: Mapping[str, Any]) -> str:
    """Whose embedding KID is taken in: the classifier's, or without one that of all other distances."""
    return "classifier" if facts.get("classifier") else embedder(facts)


def embedder(facts: Mapping[str, Any]) -> str:
    """Whose embedding every other distance is taken in; empty where that is not known."""
    embedding = facts.get("embedding")
    return str(embedding.get("name", "")) if isinstance(embedding, Mapping) else ""


def _conditions(held: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Where conditions came from, over all systems: train, held-out, then whatever else."""
    names = {name: None for one in held for name in one}
    return tuple(name for name in REAL if name in names) + tuple(name for name in names if name not in REAL)


class Compared:
    """An evaluation, and on what ground its systems compare.

    Attributes:
        evaluation, systems: as given.
        scored_on, controlled_on: all conditions of scores, and of control.
        fidelity_on: the conditions that fidelity is compared on: those of train instruments, as the reference is.
        control_on: the conditions that control is compared on: held-out ones where there are any.
        steered: the systems whose attributes were predicted.
    """

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation, self.systems = evaluation, evaluation.systems
        self.scored_on = _conditions(one.scores for one in self.systems)
        self.controlled_on = _conditions(one.control for one in self.systems)
        made = _conditions(one.scores for one in self.systems if one.kind != "real")
        self.fidelity_on = TRAIN if TRAIN in made or not made else made[0]
        known = self.controlled_on
        self.control_on = HELD_OUT if HELD_OUT in known or not known else known[0]
        self.steered = [one for one in self.systems if one.control]

    def of_kind(self, *kinds: str) -> list[System]:
        """Systems of these kinds, in the order of the tables."""
        return [one for one in self.systems if one.kind in kinds]

    def real(self, condition: str) -> System | None:
        """The real notes that sounds of these conditions are measured by."""
        rows = (one for one in self.of_kind("real") if one.name == REAL.get(condition) and condition in one.scores)
        return next(rows, None)

    def control(self, system: System) -> Control | None:
        """The control of a system on the conditions compared, or on what others there are."""
        return system.control.get(self.control_on) or next(iter(system.control.values()), None)

    def one_temperature(self, systems: Iterable[System]) -> bool:
        """Whether the soft labels of all are of one T: their own, or that of the first vocabulary."""
        default = self.evaluation.facts.get("vocabulary_temperature")
        return len({default if one.temperature is None else one.temperature for one in systems}) <= 1

    def one_vocabulary(self, systems: Iterable[System]) -> bool:
        """Whether means of all are over the same attributes."""
        known = [control for one in systems if (control := self.control(one))]
        return len({frozenset(one.name for one in control.attributes) for control in known}) <= 1

    def mean(self, systems: Sequence[System]) -> Literal["mean", "logit_mean"] | None:
        """The field of `Control` that compares: of soft labels; of logits where T differs; none where labels do."""
        if not self.one_vocabulary(systems):
            return None
        return "mean" if self.one_temperature(systems) else "logit_mean"

    def by_logits(self, systems: Sequence[System]) -> bool:
        """Whether a figure of all must show logits: T or labels differ, and there are correlations of logits."""
        controls = [control for one in systems if (control := self.control(one))]
        known = any(one.logit_correlation.known for control in controls for one in control.attributes)
        return (known or any(one.logit_mean.known for one in controls)) and self.mean(systems) != "mean"


# ── verdicts on control ──────────────────────────────────────────────────────────────────────────────────────────────


def control(compared: Compared) -> list[Comparison]:
    """Which instrument follows its attributes best; and against pitch alone, an untrained network, real notes, none."""
    known = [(one, held) for one in compared.of_kind("darkgan") if (held := compared.control(one))]
    found = []
    if which := compared.mean([one for one, _ in known]):
        means = [(one.name, e) for one, held in known if (e := getattr(held, which)).known]
        means.sort(key=lambda pair: -float(pair[1]))
        group, quantity = "the highest against the other instruments", f"{MEAN[which]}, {compared.control_on}"
        found += [Comparison(group, quantity, means[0], one, 1, PLACES) for one in means[1:]]
    quantity = f"{MEAN['logit_mean']}, {compared.control_on}"
    for rival, group in rivals(compared):
        theirs = compared.control(rival)
        found += [
            Comparison(group, quantity, (one.name, held.logit_mean), (rival.name, theirs.logit_mean), 1, PLACES)
            for one, held in known
            if theirs and compared.one_vocabulary([one, rival])
        ]
    quantity, zero = f"{MEAN['mean']}, {compared.control_on}", ("none", Estimate(0.0))
    found += [
        Comparison("against no correlation", quantity, (one.name, held.mean), zero, 1, PLACES, paired=held.mean)
        for one, held in known
    ]
    return [one for one in found if one.known]


def rivals(compared: Compared) -> list[tuple[System, str]]:
    """What correlates without attributes, and what that shows."""
    groups = dict.fromkeys(("baseline", "gansynth"), "against what pitch alone explains")
    groups["untrained"] = "against a network before training"
    notes = [one for one in compared.of_kind("real") if one.name == REAL[HELD_OUT] and HELD_OUT in one.control]
    made = [(one, groups[one.kind]) for kind in groups for one in compared.of_kind(kind)]
    return made + [(one, "against another note of the same instrument") for one in notes]


def unranked(compared: Compared) -> list[str]:
    """Instruments whose means are over other attributes than those of a system they were to compare with."""
    mine = [one for one in compared.of_kind("darkgan") if one.control]
    others = [rival for rival, _ in rivals(compared)] or mine[:1]
    return [one.name for one in mine if not all(compared.one_vocabulary([one, rival]) for rival in others)]


# ── verdicts on fidelity and pitch ───────────────────────────────────────────────────────────────────────────────────


def to_baseline(compared: Compared, measures: Iterable[Measure]) -> list[Comparison]:
    """What attributes cost, or bring, in fidelity."""
    return _against(compared, ("darkgan",), "baseline", "against training without attributes", measures)


def to_untrained(compared: Compared, measures: Iterable[Measure]) -> list[Comparison]:
    """Whether training was good for anything."""
    return _against(compared, MADE, "untrained", "against a network before training", measures)


def _against(
    compared: Compared, kinds: Sequence[str], other: str, group: str, measures: Iterable[Measure]
) -> list[Comparison]:
    where, deciding = compared.fidelity_on, [one for one in measures if one.decides(compared.fidelity_on)]
    every = [
        Comparison(group, f"{m.name}, {where}", *((s.name, m.of(s, where)) for s in pair), m.better, m.decimals)
        for pair in ((one, rival) for rival in compared.of_kind(other) for one in compared.of_kind(*kinds))
        for m in deciding
    ]
    return [one for one in every if one.known]


def to_real(compared: Compared) -> list[Comparison]:
    """The instrument that is nearest to real notes, and the one that has the target pitch least often."""
    condition, distances = compared.fidelity_on, [MEASURES[key] for key in DISTANCES]
    held_out = any(HELD_OUT in one.scores for one in compared.of_kind(*MADE))
    left = "the distance that is left: the nearest instrument against real notes"
    pitch = "target pitch: the least accurate instrument against real notes"
    aim = "held-out conditions: the instrument closest to held-out notes, whose distance a perfect one would have"
    every = [
        *(_lowest(compared, one, condition, left) for one in distances if condition != HELD_OUT),
        *(_lowest(compared, one, HELD_OUT if held_out else condition, pitch) for one in PITCH_MEASURES),
        *(_lowest(compared, one, HELD_OUT, aim) for one in distances),
    ]
    return [one for one in every if one and one.known]


def _lowest(compared: Compared, measure: Measure, condition: str, group: str) -> Comparison | None:
    """The instrument with the lowest figure, or the one closest to real notes where lower is no better."""
    real = compared.real(condition)
    known = [(one.name, e) for one in compared.of_kind(*MADE) if (e := measure.of(one, condition)).known]
    if not real or not known:
        return None
    truth, better = measure.of(real, condition), measure.better if measure.decides(condition) else 0
    chosen = min(known, key=lambda pair: float(pair[1]) if better else abs(float(pair[1]) - float(truth)))
    quantity = f"{measure.name}, {condition}"
    return Comparison(group, quantity, chosen, (real.name, truth), better, measure.decimals)


# ── verdicts on figures 2 and 3 ──────────────────────────────────────────────────────────────────────────────────────


def points(curve: Curve | None) -> list[tuple[float, Estimate]]:
    """(increment, figure) of a curve where it is defined."""
    every = zip(curve.increment, curve.mean, curve.low, curve.high, strict=True) if curve else ()
    return [(x, e) for x, *figure in every if (e := Estimate(*figure)).known]


def curves(compared: Compared) -> list[Comparison]:
    """Whether correlation survives where an attribute is raised by δ = 1, and whether the prediction rises at all."""

    def near(curve: Curve | None, increment: float) -> tuple[float, Estimate]:
        return min(points(curve), key=lambda point: abs(point[0] - increment), default=(0.0, MISSING))

    fall, rise = [], []
    for one in compared.of_kind("darkgan"):
        a, b = ((f"{one.name}, δ = {x:.2g}", e) for x, e in (near(one.out_of_distribution, x) for x in (1.0, 0.0)))
        group = "figure 2: correlation after an attribute is raised by δ"
        fall += [Comparison(group, "mean correlation", a, b, 1, PLACES)] if a != b else []
        x, e = near(one.increments, 1.0)
        mine, none = (f"{one.name}, δ = {x:.2g}", e), ("no effect", Estimate(0.0))
        group = "figure 3: rise of the prediction when an attribute is raised by δ, in standard deviations"
        rise.append(Comparison(group, "mean rise", mine, none, 1, PLACES, paired=e))
    return [one for one in fall + rise if one.known]


def halved(compared: Compared) -> list[tuple[str, float]]:
    """(instrument, δ) from where the correlation of figure 2 is below half of its first value."""
    found = []
    for one in compared.of_kind("darkgan"):
        along = points(one.out_of_distribution)
        below = [x for x, e in along if 2 * float(e) < float(along[0][1])]
        found += [(one.name, min(below))] if below and float(along[0][1]) > 0 else []
    return found
