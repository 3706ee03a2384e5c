"""A frozen teacher's view of sounds with gradients to the sounds, for losses; `Tagger.logits` has none.

YAMNet's front end is differentiable: a window, |FFT|, whose derivative torch sets to 0 where it is 0, a matrix, and a
logarithm away from 0.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from darktimbre.teachers import logmel
from darktimbre.teachers.yamnet import SEPARABLE, PatchTagger

LAYERS = range(2, len(SEPARABLE) + 2)
"""Numbers of the layers whose maps can be looked at."""


class Responses(NamedTuple):
    """What a teacher makes of sounds."""

    logits: Tensor  # (batch, label)
    embedding: Tensor  # (batch, dimension)
    layers: dict[int, Tensor]  # number → maps, a place for each time and band, (batch, place, channel)


def responses(tagger: PatchTagger[Any], waves: Tensor, layers: Sequence[int] = ()) -> Responses:
    """What `tagger` makes of waves (batch, sample) in [-1, 1] at 16 kHz, in float32; gradients flow to the waves alone.

    Logits and embedding are those of `tagger.logits` and `tagger.embed`; `layers`: numbers of `LAYERS`.
    """
    with torch.autocast(waves.device.type, enabled=False), _kept(tagger.network, layers) as maps:
        parts = logmel.patches(waves.float())
        embedding = tagger.network.embed(parts.flatten(0, 1)).unflatten(0, parts.shape[:2]).mean(1)
        logits = tagger.logits_of(embedding)
    places = {number: found.flatten(2).transpose(1, 2) for number, found in maps.items()}  # (batch · patch, place, …)
    return Responses(
        logits, embedding, {number: found.reshape(len(waves), -1, found.shape[2]) for number, found in places.items()}
    )


@contextmanager
def _kept(network: nn.Module, layers: Sequence[int]) -> Iterator[dict[int, Tensor]]:
    """The maps that some layers put out within the context."""
    maps: dict[int, Tensor] = {}

    def keep(number: int, module: nn.Module, given: Any, found: Tensor) -> None:
        maps[number] = found

    handles = [network.get_submodule(f"layer{n}").register_forward_hook(partial(keep, n)) for n in layers]
    try:
        yield maps
    finally:
        for handle in handles:
            handle.remove()
