"""Activations read while a network runs; they are changed by `models/edits.py`, whose layers' names these are too."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from darktimbre.models.edits import edited, layer_of

__all__ = ["edited", "probe"]


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
