"""A trained generator made ready to play: the same function, fewer operations; used by the synthesizer and export.

Everything that training needs and playing does not is multiplied out once, at load:
- equalised scales go into plain weights;
- nearest up-sampling and the 3 × 3 convolution after it become one transposed convolution (`upsampling_kernel`);
- the comb's convolution is computed for three frames, since the comb is constant over frames;
- the last pixel norm is applied to the picture instead of to the features it is a linear map of;
- features stay channels-last, the layout in which CPU convolutions and channel norms are fastest.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from darktimbre.models.autoencoder import Decoder
from darktimbre.models.layers import EqualisedConv, held_conv, pixel_norm, unpack, upsampling_kernel
from darktimbre.models.progressive import Generator, GeneratorStage, harmonically_masked


def rectify(features: Tensor, slope: float) -> Tensor:
    """Leaky ReLU in place, as an operation that exporters support."""
    return F.leaky_relu(features, slope, inplace=True)


class FoldedStage(nn.Module):
    """`GeneratorStage` without its last pixel norm, which the caller applies where it is cheapest."""

    first_weight: Tensor
    first_bias: Tensor
    comb_weight: Tensor  # of the comb's maps; no inputs where there is no comb
    second_weight: Tensor
    second_bias: Tensor

    def __init__(self, stage: GeneratorStage) -> None:
        super().__init__()
        self.factor, self.slope = stage.factor, stage.slope
        first = stage.first.scaled().detach()
        trunk = first[:, : stage.inputs]
        kernel = trunk if stage.factor == (1, 1) else upsampling_kernel(trunk, stage.factor)
        self.register_buffer("first_weight", kernel.contiguous(memory_format=torch.channels_last))
        self.register_buffer("first_bias", stage.first.bias.detach().clone())
        self.register_buffer("comb_weight", first[:, stage.inputs :].clone())
        self.convolutions = 1 if stage.second is None else 2
        if stage.second is not None:
            second = stage.second.scaled().detach()
            self.register_buffer("second_weight", second.contiguous(memory_format=torch.channels_last))
            self.register_buffer("second_bias", stage.second.bias.detach().clone())

    def forward(self, features: Tensor, comb: Tensor | None = None) -> Tensor:
        if self.factor == (1, 1):
            features = F.conv2d(features, self.first_weight, self.first_bias, padding=1)
        else:
            features = F.conv_transpose2d(features, self.first_weight, self.first_bias, self.factor, padding=1)
        if comb is not None:
            features = features + held_conv(comb, self.comb_weight, features.shape[3])
        features = rectify(features, self.slope)
        if self.convolutions == 1:
            return features
        return rectify(F.conv2d(pixel_norm(features), self.second_weight, self.second_bias, padding=1), self.slope)


class FoldedGenerator(nn.Module):
    """(latent, condition) → the last stage's picture, equal to the generator it was folded from; inference only."""

    grid_weight: Tensor
    grid_bias: Tensor
    picture_weight: Tensor
    picture_bias: Tensor

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.config = config = generator.config
        channels, frequency, frame = generator.grid.shape
        # Rows ordered (frequency, frame, channel), so that the product already lies channels-last in memory.
        weight = generator.grid.scaled().detach().unflatten(0, (channels, frequency, frame))
        self.register_buffer("grid_weight", weight.permute(1, 2, 0, 3).flatten(0, 2).clone())
        self.register_buffer("grid_bias", generator.grid.bias.detach().repeat(frequency * frame))
        self.comb, self.whiten = generator.comb, generator.whiten
        self.stages = nn.ModuleList(FoldedStage(cast(GeneratorStage, stage)) for stage in generator.stages)
        to_picture = cast(EqualisedConv, generator.to_picture[str(config.last)])
        self.register_buffer("picture_weight", to_picture.scaled().detach().clone())
        self.register_buffer("picture_bias", to_picture.bias.detach().clone())

    def forward(self, latent: Tensor, condition: Tensor) -> Tensor:
        """latent `(batch, latent)`, condition `(batch, size)` → `(batch, channel, frequency, frame)`."""
        conditioned = condition if self.whiten is None else self.whiten(condition)
        vector = torch.cat([conditioned, latent], dim=1)
        if self.config.normalise_input:
            vector = pixel_norm(vector)
        frequency, frame = self.config.start
        grid = F.linear(vector, self.grid_weight, self.grid_bias).unflatten(1, (frequency, frame, -1))
        features = rectify(grid.permute(0, 3, 1, 2), self.config.negative_slope)
        shown = None
        for number, stage in enumerate(self.stages):
            shown = self.comb(condition) if self.comb is not None and number == self.config.last else None
            features = stage(pixel_norm(features), shown)
        # W · (x / rms) + b = (W · x) / rms + b: the norm touches a few channels instead of all.
        loudness = torch.rsqrt(features.square().mean(dim=1, keepdim=True) + 1e-8)
        # As a matrix product: a 1 × 1 convolution's last bits depend on the number of threads (oneDNN splits its sum).
        maps = F.linear(features.permute(0, 2, 3, 1), self.picture_weight[:, :, 0, 0]).permute(0, 3, 1, 2)
        maps = maps * loudness + self.picture_bias[:, None, None]
        picture = unpack(maps if shown is None else harmonically_masked(maps, shown), self.config.bands)
        return torch.tanh(picture) if self.config.tanh else picture


def fold(generator: Generator | Decoder) -> nn.Module:
    """A network that generates, for inference: of a growing one its last stage, fully faded in, equal within rounding
    and much faster on a CPU; a decoder has nothing to be multiplied out."""
    return FoldedGenerator(generator).eval() if isinstance(generator, Generator) else generator.eval()
