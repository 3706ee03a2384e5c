"""Activations changed while a network runs: units scaled, or a layer moved along a direction, by forward hooks.

Bau et al. (2019), *GAN Dissection*, ablate and insert units; here that is `Scale(layer, units, 0.0)` and a `Shift`.
"""

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

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
    (`models/folding.py`), whose stages leave their last pixel norm to what follows.

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


def layer_of(network: nn.Module, name: str) -> nn.Module:
    """A layer by its name: any named module that is called; containers are not.

    Raises:
        UserError: there is none; the near ones are named.
    """
    named = network.named_modules()
    layers = {name: layer for name, layer in named if name and not isinstance(layer, nn.ModuleList | nn.ModuleDict)}
    if name in layers:
        return layers[name]
    near = difflib.get_close_matches(name, layers, n=3, cutoff=0.4) or list(layers)[:3]
    raise UserError(f"The network has no layer {name!r}. Did you mean {' or '.join(map(repr, near))}?")


def _per_unit(values: Tensor, activations: Tensor) -> Tensor:
    return values.view(-1, *[1] * (activations.ndim - 2))
