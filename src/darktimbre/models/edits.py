"""Activations read or changed while a network runs: units scaled, a layer moved along a direction, by forward hooks.

Bau et al. (2019), *GAN Dissection*, ablate and insert units; here that is `Scale(layer, units, 0.0)` and a `Shift`. A
`Steered` network has shifts as further controls beside its condition's.
"""

import difflib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from darktimbre.notes.errors import UserError


@dataclass(frozen=True)
class Scale:
    """Multiplies some units (channels) of a layer's output `(batch, unit, …)`; 0 ablates them."""

    layer: str
    units: tuple[int, ...]
    by: float

    def __call__(self, activations: Tensor) -> Tensor:
        count = activations.shape[1]
        if wrong := [unit for unit in self.units if not 0 <= unit < count]:
            raise UserError(f"The layer {self.layer!r} has the units 0 to {count - 1}, but no unit {wrong[0]}.")
        gain = activations.new_ones(count)
        gain[list(self.units)] = self.by
        return activations * _per_unit(gain, activations)


@dataclass(frozen=True)
class Shift:
    """Adds `amount` times a direction, one number a unit, to a layer's output `(batch, unit, …)`."""

    layer: str
    direction: tuple[float, ...]
    amount: float

    def __call__(self, activations: Tensor) -> Tensor:
        count, numbers = activations.shape[1], len(self.direction)
        if count != numbers:
            raise UserError(f"The layer {self.layer!r} has {count} units, the direction {numbers} numbers.")
        return activations + self.amount * _per_unit(activations.new_tensor(self.direction), activations)


Edit = Scale | Shift


@contextmanager
def edited(network: object, *edits: Edit) -> Iterator[None]:
    """The network with its activations edited, in the order given; without edits it is untouched.

    Names of layers and their activations are those of the network that runs: of a synthesizer, the folded one
    (`models/folding.py`), whose stages are the generator's, but for the last, which leaves its norm to what follows.

    Raises:
        UserError: there is no such layer or unit, or the network does not run in torch.
    """
    if edits and not isinstance(network, nn.Module):
        raise UserError("Activations can be edited only where torch runs the network: take --runtime torch.")
    hooks = []
    try:
        for edit in edits:
            layer = layer_of(cast(nn.Module, network), edit.layer)
            hooks.append(layer.register_forward_hook(lambda _module, _inputs, output, edit=edit: edit(output)))
        yield
    finally:
        for hook in hooks:
            hook.remove()


class Activations(dict[str, Tensor]):
    """Layer → its output `(row, unit, …)`; where a network was called row by row, the rows one after another."""

    def keep(self, name: str, module: nn.Module, given: Any, output: Tensor) -> None:
        """A forward hook. What is kept is a copy: a rectifier in place would change the layer's own output."""
        copy = output.clone()
        self[name] = torch.cat([self[name], copy]) if name in self else copy


@contextmanager
def probe(network: nn.Module, *layers: str) -> Iterator[Activations]:
    """Within it, the outputs of some layers are kept, with their gradients; afterwards no hook is left.

    Raises:
        UserError: there is no such layer; the near ones are named.
    """
    seen = Activations()
    handles = []
    try:
        for name in layers:
            handles.append(layer_of(network, name).register_forward_hook(partial(seen.keep, name)))
        yield seen
    finally:
        for handle in handles:
            handle.remove()


class Steered(nn.Module):
    """A network whose condition goes on with amounts of some edits, one a row and edit, kept within [−1, 1].

    An edit is shifts of different layers by one amount.

    The shifts of a layer are one matrix, so that exporters see plain operations; an amount of 0 changes no bit.
    """

    def __init__(self, network: nn.Module, edits: Sequence[Sequence[Shift]]) -> None:
        """`network`: (latent, condition) → picture; a shift's own `amount` is what 1 means.

        Raises:
            UserError: it has no such layer.
        """
        super().__init__()
        self.steered, self.count = network, len(edits)
        self._amounts = threading.local()  # rows are rendered by several threads at once
        for number, layer in enumerate(dict.fromkeys(shift.layer for shifts in edits for shift in shifts)):
            moved = {place: one for place, shifts in enumerate(edits) for one in shifts if one.layer == layer}
            directions = torch.tensor([one.direction for one in moved.values()])
            scaled = directions * torch.tensor([[one.amount] for one in moved.values()])
            self.register_buffer(f"directions{number}", scaled)
            layer_of(network, layer).register_forward_hook(partial(self._shifted, number, list(moved)))

    def _shifted(self, number: int, places: list[int], module: nn.Module, given: object, output: Tensor) -> Tensor:
        moved = self._amounts.now[:, places] @ self.get_buffer(f"directions{number}")  # (row, unit)
        return output + moved.view(*moved.shape, *[1] * (output.ndim - 2))

    def forward(self, latent: Tensor, condition: Tensor) -> Tensor:
        """latent `(batch, latent)`, condition `(batch, size + edit)` → picture."""
        size = condition.shape[1] - self.count
        self._amounts.now = condition[:, size:].clamp(-1.0, 1.0)
        try:
            picture: Tensor = self.steered(latent, condition[:, :size])
        finally:
            del self._amounts.now
        return picture


def layer_of(network: nn.Module, name: str) -> nn.Module:
    """A layer by its name: any named module that is called; containers are not.

    Raises:
        UserError: there is none, the near ones are named; or it is a folded network's last stage (`models/folding.py`).
    """
    named = (network.steered if isinstance(network, Steered) else network).named_modules()
    layers = {name: layer for name, layer in named if name and not isinstance(layer, nn.ModuleList | nn.ModuleDict)}
    if name in layers:
        if getattr(layers[name], "last", False):
            raise UserError(f"The layer {name!r}, as it plays, leaves its norm to what follows: edit an earlier one.")
        return layers[name]
    near = difflib.get_close_matches(name, layers, n=3, cutoff=0.4) or list(layers)[:3]
    raise UserError(f"The network has no layer {name!r}. Did you mean {' or '.join(map(repr, near))}?")


def _per_unit(values: Tensor, activations: Tensor) -> Tensor:
    return values.view(-1, *[1] * (activations.ndim - 2))
