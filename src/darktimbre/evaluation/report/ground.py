"""On what ground instruments are compared: which real notes are their bar, and which correlation is alike for them.

Soft labels of different temperatures are different quantities, and so are means over different attributes.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from darktimbre.evaluation.report.numbers import HELD_OUT, TRAIN, finite
from darktimbre.evaluation.results import Control, Estimate, Evaluation, Scores, System

KNOWN = (TRAIN, HELD_OUT)
BARS = {TRAIN: "real notes", HELD_OUT: "held-out notes"}
"""The row of real notes that sounds of these conditions are measured by: no instrument can be asked for more."""

Alike = Literal["mean", "logit_mean"]
"""Field of `Control` whose figures compare."""


def conditions(held: Iterable[dict[str, Scores]] | Iterable[dict[str, Control]]) -> tuple[str, ...]:
    """Where conditions came from, over all systems: train, held-out, then whatever else."""
    names = {name: None for one in held for name in one}
    return tuple(name for name in KNOWN if name in names) + tuple(name for name in names if name not in KNOWN)


def control_on(systems: Sequence[System]) -> str:
    """The conditions that sentences on control are about: held-out ones where there are any."""
    found = conditions([one.control for one in systems])
    return HELD_OUT if HELD_OUT in found or not found else found[0]


def fidelity_on(systems: Sequence[System]) -> str:
    """The conditions that sentences on fidelity are about: those of train instruments, as the reference is."""
    found = conditions([one.scores for one in systems if one.kind != "real"])
    return TRAIN if TRAIN in found or not found else found[0]


def bar(evaluation: Evaluation, condition: str) -> tuple[str, Scores] | None:
    """(name, figures) of the real notes that sounds of these conditions are measured by."""
    for one in evaluation.systems:
        if one.kind == "real" and one.name == BARS.get(condition) and condition in one.scores:
            return one.name, one.scores[condition]
    return None


def control_of(system: System, condition: str) -> Control | None:
    """The control of a system for these conditions, or for what others there are."""
    return system.control.get(condition) or next(iter(system.control.values()), None)


def steered(evaluation: Evaluation) -> list[System]:
    """Systems whose attributes were listened for."""
    return [one for one in evaluation.systems if one.control]


def judged_at(evaluation: Evaluation, system: System) -> float | None:
    """T of the soft labels that a system is judged by: its own, or that of the vocabulary."""
    return system.temperature if system.temperature is not None else evaluation.facts.get("vocabulary_temperature")


def one_temperature(evaluation: Evaluation, systems: Sequence[System]) -> bool:
    """Whether soft labels of all are of one T."""
    return len({judged_at(evaluation, one) for one in systems}) <= 1


def one_vocabulary(systems: Sequence[System], condition: str) -> bool:
    """Whether means of all are over the same attributes."""
    known = (control_of(one, condition) for one in systems)
    return len({frozenset(one.name for one in control.attributes) for control in known if control}) <= 1


def alike(evaluation: Evaluation, systems: Sequence[System], condition: str) -> Alike | None:
    """What compares between systems: the mean of soft labels, of logits where T differs, nothing where labels do."""
    if not one_vocabulary(systems, condition):
        return None
    return "mean" if one_temperature(evaluation, systems) else "logit_mean"


def mean_of(control: Control, which: Alike) -> Estimate:
    """A mean correlation."""
    return control.mean if which == "mean" else control.logit_mean


def by_logits(evaluation: Evaluation, systems: Sequence[System], condition: str) -> bool:
    """Whether a picture of all must show logits: T or labels differ, and there are correlations of logits."""
    controls = [control for one in systems if (control := control_of(one, condition))]
    known = any(finite(one.logit_correlation.value) for control in controls for one in control.attributes)
    known = known or any(finite(control.logit_mean.value) for control in controls)
    return known and alike(evaluation, systems, condition) != "mean"
