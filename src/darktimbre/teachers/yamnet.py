"""YAMNet as a torch module: log-mel patches → 521 AudioSet logits, by MobileNet v1 (Howard et al. 2017), norms folded.

A sound longer than a patch has the mean of its patches' logits.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from darktimbre.teachers import logmel
from darktimbre.teachers.frozen import Frozen, Network, fitting
from darktimbre.teachers.vocabulary import yamnet_labels
from darktimbre.teachers.yamnet_files import read

SEPARABLE = (
    (1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512), (1, 512), (1, 512), (1, 512), (1, 512), (1, 512),
    (2, 1024), (1, 1024),
)  # fmt: skip
"""(stride, width) of layers 2–14."""

CLASSES = 521
EMBEDDING = 1024
CACHED = 32  # patches at once on a processor: their maps still fit its caches


class SameConv(nn.Conv2d):
    """A 3 × 3 convolution padded as TensorFlow's "SAME": with stride 2, even sizes get it only below and on the right.

    That is a 4 × 4 convolution, padded by one on every side, whose first row and column are zero; asking for it so
    spares a padded copy of the maps (a sixth of the network's time). All sizes that YAMNet halves are even.
    """

    def __init__(self, inputs: int, outputs: int, *, stride: int, groups: int = 1) -> None:
        super().__init__(inputs, outputs, 3, stride=stride, groups=groups, padding=1)

    def forward(self, input: Tensor) -> Tensor:
        weight = F.pad(self.weight, (1, 0, 1, 0)) if self.stride[0] == 2 else self.weight
        return F.conv2d(input, weight, self.bias, self.stride, 1, groups=self.groups)


class Separable(nn.Module):
    """Depthwise 3 × 3, then pointwise 1 × 1, each with its ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.depthwise = SameConv(inputs, inputs, stride=stride, groups=inputs)
        self.pointwise = nn.Conv2d(inputs, outputs, 1)

    def forward(self, input: Tensor) -> Tensor:
        return F.relu(self.pointwise(F.relu(self.depthwise(input), inplace=True)), inplace=True)


class YamnetBody(nn.Module):
    """The network behind the front end; biases hold the folded batch norms."""

    def __init__(self) -> None:
        super().__init__()
        self.layer1 = SameConv(1, 32, stride=2)
        width = 32
        for number, (stride, wider) in enumerate(SEPARABLE, start=2):
            self.add_module(f"layer{number}", Separable(width, wider, stride))
            width = wider
        self.classifier = nn.Linear(EMBEDDING, CLASSES)

    def embed(self, patches: Tensor) -> Tensor:
        """(patch, 96 frames, 64 bands) → (patch, 1024)."""
        maps = F.relu(self.layer1(patches[:, None].contiguous(memory_format=torch.channels_last)), inplace=True)
        for number in range(2, len(SEPARABLE) + 2):
            maps = self.get_submodule(f"layer{number}")(maps)
        return maps.mean((2, 3))

    def forward(self, patches: Tensor) -> Tensor:
        """(patch, 96 frames, 64 bands) → (patch, 521) logits."""
        logits: Tensor = self.classifier(self.embed(patches))
        return logits


class PatchTagger(Frozen[Network]):
    """What YAMNet and the network distilled from it share as `Tagger`s: front end, labels, a mean over patches."""

    sample_rate = logmel.RATE

    @property
    def labels(self) -> tuple[str, ...]:
        return yamnet_labels()

    @torch.inference_mode()
    def embed(self, waves: Tensor) -> Tensor:
        """(batch, sample) in [-1, 1] at 16 kHz → (batch, dimension): the mean over patches."""
        at_once = CACHED if self.device.type == "cpu" else None
        embed: Any = self.network.embed
        return logmel.mean_over_patches(embed, waves.to(self.device, torch.float32), at_once)

    def logits_of(self, embedding: Tensor) -> Tensor:
        """(batch, dimension) → (batch, 521): the embedding's linear map to logits."""
        raise NotImplementedError

    @torch.inference_mode()
    def logits(self, waves: Tensor) -> Tensor:
        """(batch, sample) in [-1, 1] at 16 kHz → (batch, 521): the mean over patches of the logits."""
        return self.logits_of(self.embed(waves))


class YamnetTagger(PatchTagger[YamnetBody]):
    """YAMNet as a `Tagger`."""

    name = "yamnet"

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> "YamnetTagger":
        """From `yamnet.h5` (Keras), `yamnet.tflite`, or a `.safetensors` of our own conversion.

        Raises:
            UserError: the file is none of these, or not a YAMNet.
        """
        weights, digest = read(path)
        body = YamnetBody()
        body.load_state_dict(fitting(path, "YAMNet", weights, YamnetBody))
        return cls(body, digest, device)

    def logits_of(self, embedding: Tensor) -> Tensor:
        return self.network.classifier(embedding)  # the mean over patches commutes with the linear layer
