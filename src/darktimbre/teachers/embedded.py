"""The teacher that ships with the package: YAMNet made small, distilled from it on rendered notes.

It gives all 521 of YAMNet's logits, so that a corpus can be tagged offline. Its first layers are YAMNet's; the
wide ones behind them, which hold nine tenths of its 3.7 M parameters, are products of two narrow matrices: fitted to
YAMNet in closed form by `compress`, then trained on by the recipe `tagger`. What that reaches stands in
`data/embedded.md`.
"""

from importlib.resources import as_file, files
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from darktimbre.audio.atomic import atomic_file
from darktimbre.audio.download import sha256
from darktimbre.notes.errors import UserError
from darktimbre.teachers.frozen import fitting
from darktimbre.teachers.yamnet import CLASSES, EMBEDDING, SEPARABLE, PatchTagger, SameConv, Separable

WHOLE = 6  # layers that are as in YAMNet
RANKS = {7: 96, 8: 80, 9: 80, 10: 80, 11: 64, 12: 64, 13: 64, 14: 64}
"""Inner width of the pointwise convolution of each layer behind them."""
HEAD_RANK = 64


class Narrow(nn.Module):
    """A separable block whose pointwise convolution is the product of two, `rank` wide in between."""

    def __init__(self, inputs: int, outputs: int, stride: int, rank: int) -> None:
        super().__init__()
        self.depthwise = SameConv(inputs, inputs, stride=stride, groups=inputs)
        self.inner = nn.Conv2d(inputs, rank, 1, bias=False)
        self.outer = nn.Conv2d(rank, outputs, 1)

    def spread(self, maps: Tensor) -> Tensor:
        """What the pointwise convolution sees: (batch, inputs, height, width)."""
        return F.relu(self.depthwise(maps), inplace=True)

    def forward(self, maps: Tensor) -> Tensor:
        return F.relu(self.outer(self.inner(self.spread(maps))), inplace=True)


class EmbeddedNetwork(nn.Module):
    """Log-mel patches → standardised YAMNet logits; about 0.96 M parameters, no batch norms.

    Training minimises the squared error of `forward` against `standardise(teacher_logits)`, plus a binary cross-entropy
    on `restore(forward(...))`. It starts from `compress.compress`, which also sets the two buffers; `fit_labels` sets
    them alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layer1 = SameConv(1, 32, stride=2)
        width = 32
        for number, (stride, wider) in enumerate(SEPARABLE, start=2):
            block = Separable(width, wider, stride) if number <= WHOLE else Narrow(width, wider, stride, RANKS[number])
            self.add_module(f"layer{number}", block)
            width = wider
        self.neck = nn.Linear(EMBEDDING, HEAD_RANK, bias=False)
        self.head = nn.Linear(HEAD_RANK, CLASSES)
        self.register_buffer("label_mean", torch.zeros(CLASSES))
        self.register_buffer("label_spread", torch.ones(CLASSES))

    def fit_labels(self, teacher_logits: Tensor) -> None:
        """Takes mean and standard deviation per label from (note, 521) logits of the training split."""
        self.get_buffer("label_mean").copy_(teacher_logits.mean(0))
        self.get_buffer("label_spread").copy_(teacher_logits.std(0).clamp(min=1e-3))

    def standardise(self, logits: Tensor) -> Tensor:
        """Teacher logits → what `forward` should give."""
        return (logits - self.get_buffer("label_mean")) / self.get_buffer("label_spread")

    def restore(self, standardised: Tensor) -> Tensor:
        """Inverse of `standardise`."""
        return standardised * self.get_buffer("label_spread") + self.get_buffer("label_mean")

    def stem(self, patches: Tensor) -> Tensor:
        """The layers that are YAMNet's: (patch, 96 frames, 64 bands) → (patch, 256, 12, 8)."""
        maps = F.relu(self.layer1(patches[:, None].contiguous(memory_format=torch.channels_last)), inplace=True)
        for number in range(2, WHOLE + 1):
            maps = self.get_submodule(f"layer{number}")(maps)
        return maps

    def embed(self, patches: Tensor) -> Tensor:
        """(patch, 96 frames, 64 bands) → (patch, 64)."""
        maps = self.stem(patches)
        for number in RANKS:
            maps = self.get_submodule(f"layer{number}")(maps)
        found: Tensor = self.neck(maps.mean((2, 3)))
        return found

    def forward(self, patches: Tensor) -> Tensor:
        """(patch, 96 frames, 64 bands) → (patch, 521) standardised logits."""
        answer: Tensor = self.head(self.embed(patches))
        return answer


def save(path: Path, network: EmbeddedNetwork, metadata: dict[str, str]) -> None:
    """Stores the weights as safetensors: matrices in float16, the small vectors in float32."""
    tensors = {
        key: (value.half() if value.dim() > 1 else value.float()).contiguous().cpu()
        for key, value in network.state_dict().items()
    }
    with atomic_file(path) as temporary:
        save_file(tensors, temporary, metadata={"teacher": "embedded", **metadata})
        temporary.chmod(0o644)  # safetensors writes for its owner alone


class EmbeddedTagger(PatchTagger[EmbeddedNetwork]):
    """The embedded network as a `Tagger`; a sound longer than a patch has the mean of its patches' logits."""

    name = "embedded"

    @classmethod
    def load(cls, path: Path | None = None, device: str = "cpu") -> "EmbeddedTagger":
        """From a file of `save`, by default the one in the package. Raises UserError: the file is something else."""
        if path is None:
            shipped = files("darktimbre.teachers").joinpath("data/embedded.safetensors")
            if not shipped.is_file():
                raise UserError("This installation lacks the embedded teacher's weights; install darktimbre again.")
            with as_file(shipped) as found:
                return cls.load(found, device)
        try:
            weights = load_file(path)
        except Exception as error:
            raise UserError(f"{path} can't be read as safetensors ({error}).") from error
        network = EmbeddedNetwork()
        network.load_state_dict(fitting(path, "the embedded teacher", weights, EmbeddedNetwork))
        return cls(network, sha256(path), device)

    def logits_of(self, embedding: Tensor) -> Tensor:
        return self.network.restore(self.network.head(embedding))
