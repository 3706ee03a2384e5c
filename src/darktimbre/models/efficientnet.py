"""EfficientNet-lite (Tan & Le 2019; "lite": no squeeze-and-excitation, ReLU6 for SiLU), a classifier of photographs.

picture ─► stem ─► blocks ─► head ─► mean over places ─► logits

It is here to be looked into, never trained: the published weights hold batch norms, which `from_published` multiplies
into the convolutions, so that a layer is a convolution and a rectifier.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from darktimbre.notes.errors import UserError

# (repeats, kernel, stride, expansion, outputs) of each group of blocks, of the width and depth of B0
GROUPS = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
          (1, 3, 1, 6, 320))  # fmt: skip
STEM, HEAD, EPSILON = 32, 1280, 1e-3  # maps of the first and last convolution; of the batch norms


@dataclass(frozen=True)
class EfficientNetConfig:
    """`depth` multiplies the blocks of all groups but the first and last; `size`: a picture's side in pixels."""

    depth: float = 1.0
    size: int = 224
    classes: int = 1000


LITE = {"lite0": EfficientNetConfig(), "lite1": EfficientNetConfig(depth=1.1, size=240)}


class Convolution(nn.Conv2d):
    """k × k with TensorFlow's `same` padding: where the padding is uneven, the right and lower edge get more."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, kernel // 2 if stride == 1 else 0, groups=groups)

    def forward(self, input: Tensor) -> Tensor:
        if self.stride[0] > 1:
            height, width = (self._missing(side) for side in input.shape[2:])
            input = F.pad(input, (width // 2, width - width // 2, height // 2, height - height // 2))
        return super().forward(input)

    def _missing(self, side: int) -> int:
        step, kernel = self.stride[0], self.kernel_size[0]
        return max((math.ceil(side / step) - 1) * step + kernel - side, 0)


class Block(nn.Module):
    """1 × 1 to more maps, k × k on each map alone, 1 × 1 back to fewer (Sandler et al. 2018, fig. 4), plus input."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expand = Convolution(inputs, inner, 1) if expansion > 1 else nn.Identity()
        self.each = Convolution(inner, inner, kernel, stride, groups=inner)
        self.project = Convolution(inner, outputs, 1)
        self.residual, self.rectified = stride == 1 and inputs == outputs, expansion > 1

    def forward(self, maps: Tensor) -> Tensor:
        inner = F.relu6(self.expand(maps)) if self.rectified else maps
        made: Tensor = self.project(F.relu6(self.each(inner)))
        return made + maps if self.residual else made


class EfficientNetLite(nn.Module):
    """Pictures → logits of the 1,000 classes of ImageNet."""

    def __init__(self, config: EfficientNetConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = nn.Sequential(Convolution(3, STEM, 3, stride=2), nn.ReLU6())
        self.blocks = nn.Sequential()
        before = STEM
        for place, (repeats, kernel, stride, expansion, outputs) in enumerate(GROUPS):
            fixed = place in (0, len(GROUPS) - 1)
            for number in range(repeats if fixed else math.ceil(config.depth * repeats)):
                self.blocks.append(Block(before, outputs, kernel, 1 if number else stride, expansion))
                before = outputs
        self.head = nn.Sequential(Convolution(before, HEAD, 1), nn.ReLU6())
        self.logits = nn.Linear(HEAD, config.classes)

    def forward(self, picture: Tensor) -> Tensor:
        """`(batch, 3, height, width)`, red, green and blue from 0 to 1 → `(batch, class)` logits."""
        seen = (255 * picture - 127) / 128
        logits: Tensor = self.logits(self.head(self.blocks(self.stem(seen))).mean((2, 3)))
        return logits

    @classmethod
    def from_published(cls, config: EfficientNetConfig, published: Mapping[str, Tensor]) -> "EfficientNetLite":
        """The network, frozen, with published weights, whose batch norms become part of the convolutions before them.

        Raises:
            UserError: the weights are of another network.
        """
        network = cls(config)
        try:
            weights = {"logits.weight": published["_fc.weight"], "logits.bias": published["_fc.bias"]}
            weights |= _joined(published, "_conv_stem", "_bn0", "stem.0") | _joined(
                published, "_conv_head", "_bn1", "head.0"
            )
            for place, block in enumerate(network.blocks):
                layers = (("_depthwise_conv", "_bn1", "each"), ("_project_conv", "_bn2", "project"))
                for convolution, norm, name in (*layers, ("_expand_conv", "_bn0", "expand"))[
                    : 3 if block.rectified else 2
                ]:
                    there = f"_blocks.{place}."
                    weights |= _joined(published, there + convolution, there + norm, f"blocks.{place}.{name}")
            network.load_state_dict(weights)
        except (KeyError, RuntimeError) as error:
            raise UserError(
                "These weights are not of this EfficientNet-lite: install darktimbre[images] anew."
            ) from error
        return network.eval().requires_grad_(False)


def _joined(published: Mapping[str, Tensor], convolution: str, norm: str, name: str) -> dict[str, Tensor]:
    """Convolution, then batch norm γ · (x − μ) / √(σ² + ε) + β, as one convolution."""
    gain = published[f"{norm}.weight"] * torch.rsqrt(published[f"{norm}.running_var"] + EPSILON)
    weight = published[f"{convolution}.weight"] * gain[:, None, None, None]
    return {
        f"{name}.weight": weight,
        f"{name}.bias": published[f"{norm}.bias"] - gain * published[f"{norm}.running_mean"],
    }
