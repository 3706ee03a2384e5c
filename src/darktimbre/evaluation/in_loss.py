"""An evaluation → which figures a training loss held, which are independent, and whether control may be adversarial."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

from darktimbre.evaluation.comparison import LOGITS, MEASURES, PLACES, Compared, embedder
from darktimbre.evaluation.results import HELD_OUT, Estimate, Independent, System
from darktimbre.extractors.sources import ROUND_TRIP
from darktimbre.report.estimates import MISSING
from darktimbre.report.tables import Column, Table, column, ranked

IN_LOSS, INDEPENDENT = "in the loss", "independent"
SHARE = 0.25  # of the teacher's gain that an independent gain below makes control doubtful
LEAST = 0.02  # of the ceiling: a smaller gain by the teacher is none
ANOTHER_NOTE = "held-out notes"  # the row whose probe was given another note of each instrument

Read = Callable[[System], Estimate]


@dataclass(frozen=True)
class Figure:
    """A figure of a sound's quality or control, and whether a loss held what measures it."""

    name: str
    read: Read
    in_loss: bool = False
    better: Literal[1, 0, -1] = 1  # 0 where no side is better: an aim is to be met
    decimals: int | None = PLACES


def independent(field: str, condition: str, system: System) -> Estimate:
    """One of the figures of `Independent`."""
    found: Estimate = getattr(system.independent.get(condition, Independent()), field)
    return found


def figures(compared: Compared) -> list[Figure]:
    """Those that some system has, what a loss held first.

    The labels of a teacher are in the loss of every instrument that they steer. Its embedding is where the bundle says
    that the network itself was (`provenance.teacher_in_loss`).
    """
    near, of = compared.fidelity_on, partial(partial, independent)
    name, labels, network = embedder(compared.evaluation.facts), bool(compared.of_kind("darkgan")), held(compared)

    def scored(key: str, condition: str) -> Read:
        return partial(MEASURES[key].of, condition=condition)

    every = [
        Figure("ρ of logits, teacher", partial(compared.mean, field=LOGITS), labels),
        Figure(f"FAD, {name}", scored("fad", near), network, -1, None),
        Figure(f"coverage, {name}", scored("coverage", near), network),
        Figure("ρ of logits, probe", of("probe", HELD_OUT)),
        Figure("ρ of logits, probe of the classifier", of("probe_by_classifier", HELD_OUT)),
        Figure("KID, MusiCNN", of("kid", near), better=-1, decimals=None),
        Figure("coverage, MusiCNN", of("coverage", near)),
        Figure("pitch, YIN", scored("pitch_by_f0", HELD_OUT)),
        Figure("pitch, SwiftF0", of("pitch_by_swift", HELD_OUT)),
        Figure("level beside real notes, dB", of("level", HELD_OUT), better=0, decimals=1),
        Figure("distance at one condition", of("at_condition", HELD_OUT), better=0),
        Figure("unevenness of partials", of("unevenness", HELD_OUT), better=0),
        Figure("4–12 Hz modulation", of("modulation", HELD_OUT), better=0),
    ]
    known = [one for one in every if any(one.read(system).known for system in compared.systems)]
    return sorted(known, key=lambda one: not one.in_loss)


def held(compared: Compared) -> bool:
    """Whether the loss of an instrument held the network that distances are taken in."""
    mine = compared.evaluation.facts.get("embedding")
    digest = mine.get("digest") if isinstance(mine, Mapping) else None
    losses = [one.facts.get("teacher_in_loss") for one in compared.made]
    return any(isinstance(one, Mapping) and one.get("digest") == digest for one in losses)


def table(compared: Compared) -> Table:
    """Systems × figures, in the loss and independent; of those with a better side the best is marked."""
    systems, columns = compared.systems, []
    among = [one.kind not in ("real", "untrained") for one in systems]
    for one in figures(compared):
        values = [one.read(system) for system in systems]
        cells = column("", values, decimals=one.decimals).cells
        if one.better:
            cells = ranked(values, one.better, among, one.decimals)
        arrow = {1: "\u00a0↑", -1: "\u00a0↓", 0: ""}[one.better]
        columns.append(Column(one.name + arrow, cells, IN_LOSS if one.in_loss else INDEPENDENT))
    return Table("in-loss", "sounds", [one.name for one in systems], columns)


# ---------------------------------------------------------------------------------------------------------------------
# gain = (ρ − ρ of the reference) / ρ of the round trip;   doubtful where the probe's gain < ¼ of the teacher's
# ---------------------------------------------------------------------------------------------------------------------
def doubts(compared: Compared) -> tuple[str, ...]:
    """A sentence for each instrument whose control may be adversarial: the teacher's gain is not the probe's.

    The reference is the first steered instrument; for that one no control, whose correlations are 0. Both gains are
    shares of what the round trip reaches, because the probe of a real note is less sure than the teacher.
    """
    steered = [one for one in compared.of_kind("darkgan") if one.control]
    trip = next((one for one in compared.systems if one.name == ROUND_TRIP), None)
    reads: tuple[Read, Read] = (partial(compared.mean, field=LOGITS), partial(independent, "probe", HELD_OUT))
    sentences = []
    for place, one in enumerate(steered):
        reference = steered[0] if place else None
        gains = []
        for read in reads:
            ceiling = float(read(trip)) if trip and read(trip).known else 1.0
            start = float(read(reference)) if reference else 0.0
            gains.append((float(read(one)) - start) / ceiling)
        teacher, probe = gains
        if teacher >= LEAST and probe < SHARE * teacher:
            against = reference.name if reference else "no control"
            sentences.append(
                f"The control of {one.name} may be adversarial: against {against} its correlation gains {teacher:.2f} "
                f"of what the codec's round trip reaches by the teacher, but {probe:.2f} by the probe, of features "
                "that no loss held: less than a quarter."
            )
    return tuple(sentences)


def card(system: System, compared: Compared) -> tuple[str, dict[str, Estimate]]:
    """For a model card: which figures the loss held, and the independent ones with the probe's ceilings."""
    every = figures(compared)
    found = {one.name: one.read(system) for one in every if not one.in_loss}
    for name in (ROUND_TRIP, ANOTHER_NOTE):
        rows = [one for one in compared.systems if one.name == name]
        ceiling = independent("probe", HELD_OUT, rows[0]) if rows else MISSING
        found[f"ρ of logits, probe, of {'another note' if name == ANOTHER_NOTE else 'the ' + name}"] = ceiling
    return "; ".join(one.name for one in every if one.in_loss), found
