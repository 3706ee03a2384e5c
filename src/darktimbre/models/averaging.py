"""The averaged generator: what is bundled and played, a slow mean of the trained one over notes seen."""

import torch
from torch import nn


def decay(notes: float, half_life: float) -> float:
    """β = ½^(notes / half_life): the weight an average keeps after `notes` more notes (both count notes)."""
    return 0.5 ** (notes / half_life)


@torch.no_grad()
def average_into(averaged: nn.Module, trained: nn.Module, *, notes: float, half_life: float) -> None:
    """averaged ← β · averaged + (1 − β) · trained, in place, for parameters; buffers are copied.

    `notes`: notes of the step just taken; `half_life`: notes after which a weight counts half. Splitting the same
    notes into other batches of constant weights gives the same average. Raises KeyError when the networks differ.
    """
    weight = 1.0 - decay(notes, half_life)
    source = dict(trained.named_parameters())
    names = [name for name, _ in averaged.named_parameters()]
    targets = [parameter.data for parameter in averaged.parameters()]
    torch._foreach_lerp_(targets, [source[name].data for name in names], weight)
    buffers = dict(trained.named_buffers())
    for name, buffer in averaged.named_buffers():
        buffer.copy_(buffers[name])
