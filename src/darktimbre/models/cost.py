"""What a network costs, counted without running it: parameters, multiplications and activations, for `--dry-run`."""

from dataclasses import dataclass
from typing import Any

import torch

from darktimbre.models.config import ProgressiveConfig
from darktimbre.models.layers import EqualisedConv, EqualisedLinear, VectorToGrid
from darktimbre.models.progressive import Discriminator, Generator


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Cost of one network at one stage, fully faded in.

    `macs` are multiply-accumulates a note as the published network does them, before the exact short cuts: convolutions
    after up-sampling at full size, down-sampling after the full convolution, the first layer as the linear map it is.
    """

    parameters: int
    macs: int  # per note
    macs_by_stage: tuple[int, ...]  # of the grid of each stage; the vector's layers count to stage 0
    activations: int  # numbers put out by all layers, per note


def cost(config: ProgressiveConfig, network: type[Generator] | type[Discriminator], stage: int | None = None) -> Cost:
    """Count for a network of `config` working at `stage` (the last by default). Allocates nothing."""
    stage = config.last if stage is None else stage
    with torch.device("meta"):
        built: Any = network(config)
    by_stage, activations = [0] * (config.last + 1), 0

    def count(products: int, outputs: int, number: int) -> None:
        nonlocal activations
        by_stage[number] += products
        activations += outputs

    def size(number: int) -> int:
        return config.sizes[number][0] * config.sizes[number][1]

    for name, layer in built.named_modules():
        if not isinstance(layer, EqualisedConv | EqualisedLinear | VectorToGrid):
            continue
        room, _, rest = name.partition(".")
        if room == "partials":  # the branch of the last stage, on a grid of its own
            positions = built.partials.positions
            nearest = int(rest.split(".")[1]) if rest.startswith("stages") else len(positions) - 1
            each = positions[nearest] if isinstance(layer, EqualisedConv) else 1
            if stage == config.last:
                count(layer.weight.numel() * each, layer.weight.shape[0] * each, config.last)
            continue
        place = rest.partition(".")[0]
        number = int(place) if place.isdigit() else 0  # the grid and the mapping have none
        if room == "stages" and network is Discriminator:
            number += 1  # the critic's list begins with stage 1
        if number > stage or (room in ("to_picture", "from_picture") and number != stage):
            continue
        if isinstance(layer, EqualisedConv):
            count(layer.weight.numel() * size(number), layer.weight.shape[0] * size(number), number)
        else:
            count(layer.weight.numel(), layer.weight.shape[0], number)
    parameters = sum(parameter.numel() for parameter in built.parameters())
    return Cost(parameters=parameters, macs=sum(by_stage), macs_by_stage=tuple(by_stage), activations=activations)
