"""What an edit causes: the same notes rendered without and with it; and units of a generator switched off, one by one.

Observed correlations do not cause; so whatever is said of a unit or a direction is measured by intervention (Bau et al.
2019, *GAN Dissection*). Every note is its own control. The average causal effect of a unit on a quantity is the mean
over notes of its change (§3.2); units whose removal brings generated notes nearer to real ones draw artefacts (§4.2).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from darktimbre.extractors.described import Floats
from darktimbre.measures.interval import bootstrap_means
from darktimbre.models.edits import Edit, Scale, Shift, probe
from darktimbre.synthesizer.synthesizer import Synthesizer

WAYS = ("zero", "mean")
NULL = 0.95  # of the other units of a layer, whose effects a named one exceeds


@dataclass(frozen=True)
class Notes:
    """Notes to be generated: what the network is fed, and the pitch wanted; `groups`: whose notes belong together."""

    condition: Floats  # (note, size)
    latent: Floats  # (note, latent)
    midi: NDArray[np.float64]  # (note,), NaN where there is none
    groups: NDArray[np.int64]  # (note,)

    def __len__(self) -> int:
        return len(self.condition)

    def first(self, count: int) -> "Notes":
        return Notes(self.condition[:count], self.latent[:count], self.midi[:count], self.groups[:count])


def rendered(instrument: Synthesizer, notes: Notes, edits: Sequence[Edit] = ()) -> Floats:
    """The notes (note, sample) as the instrument plays them, with its activations edited."""
    before = instrument.edits
    try:
        instrument.edits = (*before, *edits)
        return instrument.waves(notes.condition, notes.latent)
    finally:
        instrument.edits = before


@dataclass(frozen=True)
class Unit:
    """A channel of a layer."""

    layer: str
    number: int

    def off(self, means: Floats, to: str) -> tuple[Edit, ...]:
        """Edits that set it to zero, or to its mean over notes; `means` (unit,) of its layer."""
        edits: tuple[Edit, ...] = (Scale(self.layer, (self.number,), 0.0),)
        if to == "mean":
            along = [0.0] * len(means)
            along[self.number] = 1.0
            edits += (Shift(self.layer, tuple(along), float(means[self.number])),)
        return edits


def activations(network: nn.Module, notes: Notes, layers: list[str]) -> dict[str, Floats]:
    """Means over places of each layer's units (note, unit)."""
    with torch.no_grad(), probe(network, *layers) as seen:
        network(torch.from_numpy(notes.latent), torch.from_numpy(notes.condition))
    return {name: found.flatten(2).mean(2).numpy() for name, found in seen.items()}


@dataclass(frozen=True)
class Effect:
    """What a unit causes on one quantity: the mean over notes and its interval, and whether it is clear."""

    value: float
    low: float
    high: float
    null: float  # size of effect that `NULL` of the units of its layer stay below

    @property
    def clear(self) -> bool:
        """Its interval leaves out 0, and it exceeds what units of its layer do at random."""
        return (self.low > 0 or self.high < 0) and abs(self.value) > self.null


def effects(
    found: dict[Unit, dict[str, Floats]], groups: NDArray[np.int64], way: str, *, seed: int = 0
) -> dict[Unit, list[Effect]]:
    """Effects of every unit on every quantity, against the null of its layer."""
    intervals = {unit: bootstrap_means(cell[way], groups, seed=seed) for unit, cell in found.items()}
    sizes: dict[str, list[NDArray[np.float64]]] = {}
    for unit, interval in intervals.items():
        sizes.setdefault(unit.layer, []).append(np.abs(interval[0]))
    null = {name: np.quantile(np.nan_to_num(np.stack(each)), NULL, axis=0) for name, each in sizes.items()}
    return {
        unit: [
            Effect(float(v), float(a), float(b), float(n)) for v, a, b, n in zip(*table, null[unit.layer], strict=True)
        ]
        for unit, table in intervals.items()
    }
