"""Units of a generator switched off, one by one, to zero and to their mean: what each causes in the sounds.

The average causal effect of a unit on a quantity is the mean over notes of its change (Bau et al. 2019, §3.2). Units
whose removal brings generated notes nearer to real ones draw artefacts (ibid., §4.2).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from darktimbre.dissection.cache import Cell, Cells
from darktimbre.dissection.effects import Describer, Floats, Notes, differences, rendered
from darktimbre.dissection.hooks import probe
from darktimbre.measures.interval import bootstrap_means
from darktimbre.measures.kernel import polynomial_mmd
from darktimbre.models.edits import Edit, Scale, Shift
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.synthesizer import Synthesizer

WAYS = ("zero", "mean")
NULL = 0.95  # of the other units of a layer, whose effects a named one exceeds


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


def stages(network: nn.Module, wanted: Iterable[str] = ()) -> list[str]:
    """The layers of a generator that are switched off: its stages, or those named. Raises UserError: there are none."""
    names = [name for name, _ in network.named_modules() if name.startswith("stages.") and name.count(".") == 1]
    if unknown := [name for name in wanted if name not in names]:
        raise UserError(f"The generator has no stage {unknown[0]!r}; it has {', '.join(names) or 'none'}.")
    return list(wanted) or names


def activations(network: nn.Module, notes: Notes, layers: list[str]) -> dict[str, Floats]:
    """Means over places of each layer's units (note, unit)."""
    with torch.no_grad(), probe(network, *layers) as seen:
        network(torch.from_numpy(notes.latent), torch.from_numpy(notes.condition))
    return {name: found.flatten(2).mean(2).numpy() for name, found in seen.items()}


def switched_off(
    instrument: Synthesizer,
    network: nn.Module,
    notes: Notes,
    layers: list[str],
    describer: Describer,
    real: Floats,
    cells: Cells,
    *,
    done: Callable[[int, int], None] = lambda done, total: None,
) -> dict[Unit, dict[str, Floats]]:
    """For each unit: the differences (note, quantity) of either way, and how far the sounds then are from real ones.

    `network` is what `instrument` plays by, unfolded, so that its last stage can be edited too; `real` embeddings of
    held-out notes. Keys: "zero", "mean" (note, quantity), "kid" (2,): less than "kid before" where it draws artefacts.
    """
    means = {name: found.mean(0) for name, found in activations(network, notes, layers).items()}
    before = describer.describe(rendered(instrument, notes), notes.midi)
    units = [Unit(name, number) for name in layers for number in range(len(means[name]))]
    distance = polynomial_mmd(real, before.embedding)

    def make(unit: Unit) -> Cell:
        cell: Cell = {}
        distances = []
        for way in WAYS:
            waves = rendered(instrument, notes, unit.off(means[unit.layer], way))
            after = describer.describe(waves, notes.midi)
            cell[way] = torch.from_numpy(differences(before, after))
            distances.append(polynomial_mmd(real, after.embedding) - distance)
        return cell | {"kid": torch.tensor(distances)}

    found = {}
    for place, unit in enumerate(units):
        cell = cells.cell(f"{unit.layer}-{unit.number}", lambda unit=unit: make(unit))  # type: ignore[misc]
        found[unit] = {key: value.numpy() for key, value in cell.items()}
        done(place + 1, len(units))
    return found


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
