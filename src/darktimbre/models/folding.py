"""A trained generator made ready to play: the same function, fewer operations; used by the synthesizer and export.

Everything that training needs and playing does not is multiplied out once, at load:
- equalised scales go into plain weights;
- nearest up-sampling and the 3 × 3 convolution after it become one transposed convolution (`upsampling_kernel`);
- the comb's convolution is computed for three frames, since the comb is constant over frames;
- the last stage's pixel norm is applied to the picture instead of to the features it is a linear map of;
- features stay channels-last, the layout in which CPU convolutions and channel norms are fastest;
- where asked for, convolutions multiply bfloat16. All else stays in float32: with torch's autocast, which rounds norms
  and the picture as well, the sound's magnitudes differ by 8 dB more.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from darktimbre.models.autoencoder import Decoder
from darktimbre.models.layers import EqualisedConv, VectorToGrid, held_conv, pixel_norm, unpack, upsampling_kernel
from darktimbre.models.progressive import (
    Generator,
    GeneratorStage,
    Modulation,
    harmonically_masked,
    input_vector,
    laid_on,
)


def rectify(features: Tensor, slope: float) -> Tensor:
    """Leaky ReLU in place, as an operation that exporters support."""
    return F.leaky_relu(features, slope, inplace=True)


class FoldedModulation(nn.Module):
    """`Modulation` with its scale multiplied out."""

    weight: Tensor
    bias: Tensor

    def __init__(self, modulation: Modulation) -> None:
        super().__init__()
        self.register_buffer("weight", modulation.linear.scaled().detach().clone())
        self.register_buffer("bias", modulation.linear.bias.detach().clone())

    def forward(self, features: Tensor, vector: Tensor) -> Tensor:
        scale, shift = F.linear(vector, self.weight, self.bias)[:, :, None, None].chunk(2, dim=1)
        return features * (1.0 + scale) + shift


class FoldedGrid(nn.Module):
    """`VectorToGrid` as one matrix whose product already lies channels-last in memory."""

    weight: Tensor
    bias: Tensor

    def __init__(self, grid: VectorToGrid) -> None:
        super().__init__()
        channels, frequency, frame = grid.shape
        self.size = (frequency, frame)
        weight = grid.scaled().detach().unflatten(0, (channels, frequency, frame))
        self.register_buffer("weight", weight.permute(1, 2, 0, 3).flatten(0, 2).clone())  # (frequency, frame, channel)
        self.register_buffer("bias", grid.bias.detach().repeat(frequency * frame))

    def forward(self, vector: Tensor) -> Tensor:
        return F.linear(vector, self.weight, self.bias).unflatten(1, (*self.size, -1)).permute(0, 3, 1, 2)


class FoldedShape(nn.Module):
    """A 1 × 1 convolution behind a pixel norm: W · (x / rms) + b = (W · x) / rms + b, so that the norm touches the few
    channels that come out."""

    weight: Tensor
    bias: Tensor

    def __init__(self, convolution: EqualisedConv) -> None:
        super().__init__()
        self.register_buffer("weight", convolution.scaled().detach()[:, :, 0, 0].clone())
        self.register_buffer("bias", convolution.bias.detach().clone())

    def forward(self, features: Tensor) -> Tensor:
        loudness = torch.rsqrt(features.square().mean(dim=1, keepdim=True) + 1e-8)
        # As a matrix product: a 1 × 1 convolution's last bits depend on the number of threads (oneDNN splits its sum).
        maps = F.linear(features.permute(0, 2, 3, 1), self.weight).permute(0, 3, 1, 2)
        return maps * loudness + self.bias[:, None, None]


class FoldedStage(nn.Module):
    """`GeneratorStage`; the last one leaves its last pixel norm to what follows, where it is cheapest."""

    first_weight: Tensor
    first_bias: Tensor
    comb_weight: Tensor  # of the comb's maps; no inputs where there is no comb
    second_weight: Tensor
    second_bias: Tensor

    def __init__(self, stage: GeneratorStage, last: bool, bf16: bool = False) -> None:
        super().__init__()
        self.factor, self.slope, self.last = stage.factor, stage.slope, last
        self.kind = kind = torch.bfloat16 if bf16 else torch.float32  # of the trunk's convolutions
        first = stage.first.scaled().detach()
        trunk = first[:, : stage.inputs]
        kernel = trunk if stage.factor == (1, 1) else upsampling_kernel(trunk, stage.factor)
        self.register_buffer("first_weight", kernel.to(kind).contiguous(memory_format=torch.channels_last))
        self.register_buffer("first_bias", stage.first.bias.detach().to(kind, copy=True))
        self.register_buffer("comb_weight", first[:, stage.inputs :].clone())
        self.convolutions = 1 if stage.second is None else 2
        if stage.second is not None:
            second = stage.second.scaled().detach()
            self.register_buffer("second_weight", second.to(kind).contiguous(memory_format=torch.channels_last))
            self.register_buffer("second_bias", stage.second.bias.detach().to(kind, copy=True))
        self.modulation = None if stage.modulation is None else FoldedModulation(stage.modulation)

    def forward(self, features: Tensor, comb: Tensor | None = None, vector: Tensor | None = None) -> Tensor:
        features = features.to(self.kind)
        if self.factor == (1, 1):
            features = F.conv2d(features, self.first_weight, self.first_bias, padding=1)
        else:
            features = F.conv_transpose2d(features, self.first_weight, self.first_bias, self.factor, padding=1)
        features = features.float()
        if comb is not None:
            features = features + held_conv(comb, self.comb_weight, features.shape[3])
        if self.modulation is not None and vector is not None:
            features = self.modulation(features, vector)
        features = rectify(features, self.slope)
        if self.convolutions == 2:
            features = pixel_norm(features).to(self.kind)
            features = rectify(F.conv2d(features, self.second_weight, self.second_bias, padding=1).float(), self.slope)
        return features if self.last else pixel_norm(features)


class FoldedPath(nn.Module):
    """A vector's way through a grid and stages to maps: the generator's own, or that of its partials by number."""

    def __init__(
        self, grid: VectorToGrid, stages: nn.ModuleList, shape: EqualisedConv, slope: float, bf16: bool = False
    ) -> None:
        super().__init__()
        self.grid, self.shape, self.slope = FoldedGrid(grid), FoldedShape(shape), slope
        self.stages = nn.ModuleList(
            FoldedStage(cast(GeneratorStage, stage), stage is stages[-1], bf16) for stage in stages
        )

    def forward(self, vector: Tensor, comb: Tensor | None = None) -> Tensor:
        """`comb`: what the last stage sees."""
        features = pixel_norm(rectify(self.grid(vector), self.slope))
        for number, stage in enumerate(self.stages, start=1):
            features = stage(features, comb if number == len(self.stages) else None, vector)
        maps: Tensor = self.shape(features)
        return maps


class FoldedGenerator(FoldedPath):
    """(latent, condition) → the last stage's picture, equal to the generator it was folded from; inference only.

    With `bf16` about as equal as bfloat16's 8 bits: 0.5 to 1 % rms of a trained network's picture.
    """

    def __init__(self, generator: Generator, bf16: bool = False) -> None:
        config = generator.config
        to_picture = cast(EqualisedConv, generator.to_picture[str(config.last)])
        super().__init__(generator.grid, generator.stages, to_picture, config.negative_slope, bf16)
        self.config, self.comb = config, generator.comb
        self.whiten, self.mapping = generator.whiten, generator.mapping
        self.partials: FoldedPath | None = None
        if generator.partials is not None:
            branch = generator.partials
            self.partials = FoldedPath(branch.grid, branch.stages, branch.shape, branch.slope, bf16)

    def forward(self, latent: Tensor, condition: Tensor) -> Tensor:  # type: ignore[override]
        """latent `(batch, latent)`, condition `(batch, size)` → `(batch, channel, frequency, frame)`."""
        vector = input_vector(self, latent, condition)
        shown = None if self.comb is None else self.comb(condition)
        maps = super().forward(vector, shown)
        picture = unpack(maps if shown is None else harmonically_masked(maps, shown), self.config.bands)
        if self.partials is not None and self.comb is not None and shown is not None:
            comb = unpack(shown, self.config.bands)
            picture = picture + laid_on(comb, self.partials(vector), self.comb.numbers(condition))
        return torch.tanh(picture) if self.config.tanh else picture


def fold(generator: Generator | Decoder, bf16: bool = False) -> nn.Module:
    """A network that generates, for inference: of a growing one its last stage, fully faded in, equal within rounding
    and much faster on a CPU, with `bf16` by convolutions of bfloat16; a decoder has nothing to be multiplied out."""
    return FoldedGenerator(generator, bf16).eval() if isinstance(generator, Generator) else generator.eval()
