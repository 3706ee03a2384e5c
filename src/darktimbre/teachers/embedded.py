"""The teacher that ships with the package: a small network of our own, distilled from YAMNet, on its log-mel patches.

It answers with all 521 of YAMNet's logits, so that a corpus can be tagged offline. Trained by the recipe `tagger`; what
it reaches stands in `weights/embedded.md`.
"""

from importlib.resources import as_file, files
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from darktimbre.notes.errors import UserError
from darktimbre.teachers import logmel
from darktimbre.teachers.digest import sha256
from darktimbre.teachers.vocabulary import yamnet_labels

CLASSES = 521
STEM = 16  # maps of the first layer
FULL = ((2, 32), (1, 32), (2, 64), (1, 64), (2, 96), (1, 96))
"""(stride, width) of the full 3 × 3 blocks: where maps are large and few, these train faster than separable ones."""
SEPARABLE = ((1, 256), (1, 256), (2, 512))
"""(stride, width) of the separable blocks behind them, where the parameters are."""
EMBEDDING = 512
CENTRE, SPREAD = -3.0, 2.5  # of log-mel values of notes, so that the network sees about unit size


class _Full(nn.Module):
    """A 3 × 3 convolution with batch norm; the input is added where the shape stays."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv: nn.Module = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(outputs)
        self.skip = stride == 1 and inputs == outputs

    def forward(self, maps: Tensor) -> Tensor:
        new = F.relu(self.norm(self.conv(maps)))
        return maps + new if self.skip else new


class _Separable(nn.Module):
    """Depthwise 3 × 3, then pointwise 1 × 1, each with batch norm."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.depthwise: nn.Module = nn.Conv2d(inputs, inputs, 3, stride, padding=1, groups=inputs, bias=False)
        self.norm1: nn.Module = nn.BatchNorm2d(inputs)
        self.pointwise: nn.Module = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.norm2: nn.Module = nn.BatchNorm2d(outputs)
        self.skip = stride == 1 and inputs == outputs

    def forward(self, maps: Tensor) -> Tensor:
        new = F.relu(self.norm2(self.pointwise(F.relu(self.norm1(self.depthwise(maps))))))
        return maps + new if self.skip else new


class EmbeddedNetwork(nn.Module):
    """Log-mel patches → standardised YAMNet logits; about 0.7 M parameters.

    Training minimises the squared error of `forward` against `standardise(teacher_logits)`, plus a binary cross-entropy
    on `restore(forward(...))`; `fit_labels` sets the two buffers from the training split's tags first.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem: nn.Module = nn.Conv2d(1, STEM, 5, 2, padding=2, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(STEM)
        blocks: list[nn.Module] = []
        width = STEM
        for kind, sizes in ((_Full, FULL), (_Separable, SEPARABLE)):
            for stride, wider in sizes:
                blocks.append(kind(width, wider, stride))
                width = wider
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Linear(EMBEDDING, CLASSES)
        self.register_buffer("label_mean", torch.zeros(CLASSES))
        self.register_buffer("label_spread", torch.ones(CLASSES))

    def fit_labels(self, teacher_logits: Tensor) -> None:
        """Takes mean and standard deviation per label from (note, 521) logits of the training split."""
        self.get_buffer("label_mean").copy_(teacher_logits.mean(0))
        self.get_buffer("label_spread").copy_(teacher_logits.std(0).clamp(min=1e-3))

    def standardise(self, logits: Tensor) -> Tensor:
        """Teacher logits → what `forward` should answer."""
        return (logits - self.get_buffer("label_mean")) / self.get_buffer("label_spread")

    def restore(self, standardised: Tensor) -> Tensor:
        """Inverse of `standardise`."""
        return standardised * self.get_buffer("label_spread") + self.get_buffer("label_mean")

    def embed(self, patches: Tensor) -> Tensor:
        """(patch, 96 frames, 64 bands) → (patch, 512)."""
        maps = ((patches - CENTRE) / SPREAD)[:, None].contiguous(memory_format=torch.channels_last)
        maps = F.relu(self.norm(self.stem(maps)))
        for block in self.blocks:
            maps = block(maps)
        return maps.mean((2, 3))

    def forward(self, patches: Tensor) -> Tensor:
        """(patch, 96 frames, 64 bands) → (patch, 521) standardised logits."""
        answer: Tensor = self.head(self.embed(patches))
        return answer

    def fold(self) -> None:
        """Takes the batch norms into the convolutions; for playing only."""
        from torch.nn.utils.fusion import fuse_conv_bn_eval

        def fused(conv: nn.Module, norm: nn.Module) -> nn.Module:
            assert isinstance(conv, nn.Conv2d)
            assert isinstance(norm, nn.BatchNorm2d)
            return fuse_conv_bn_eval(conv, norm)

        self.stem, self.norm = fused(self.stem, self.norm), nn.Identity()
        for block in self.blocks:
            if isinstance(block, _Full):
                block.conv, block.norm = fused(block.conv, block.norm), nn.Identity()
            elif isinstance(block, _Separable):
                block.depthwise, block.norm1 = fused(block.depthwise, block.norm1), nn.Identity()
                block.pointwise, block.norm2 = fused(block.pointwise, block.norm2), nn.Identity()


def save(path: Path, network: EmbeddedNetwork, metadata: dict[str, str]) -> None:
    """Stores the weights as safetensors: matrices in float16, the small vectors in float32."""
    from safetensors.torch import save_file

    from darktimbre.audio.atomic import atomic_file

    tensors = {
        key: (value.half() if value.dim() > 1 else value.float()).contiguous().cpu()
        for key, value in network.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    with atomic_file(path) as temporary:
        save_file(tensors, temporary, metadata={"teacher": "embedded", **metadata})


class EmbeddedTagger:
    """The embedded network as a `Tagger`; a sound longer than a patch has the mean of its patches' logits."""

    name = "embedded"
    sample_rate = logmel.RATE

    def __init__(self, network: EmbeddedNetwork, digest: str, device: str = "cpu") -> None:
        network.eval().requires_grad_(False)
        network.fold()
        self.network = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.digest = digest
        self.device = torch.device(device)

    @property
    def labels(self) -> tuple[str, ...]:
        return yamnet_labels()

    @classmethod
    def load(cls, path: Path | None = None, device: str = "cpu") -> "EmbeddedTagger":
        """From a file of `save`, by default the one in the package.

        Raises:
            UserError: the file is something else.
        """
        if path is None:
            shipped = files("darktimbre.teachers").joinpath("weights/embedded.safetensors")
            if not shipped.is_file():
                raise UserError("This installation lacks the embedded teacher's weights; install darktimbre again.")
            with as_file(shipped) as found:
                return cls.load(found, device)
        from safetensors.torch import load_file

        try:
            weights = load_file(path)
        except Exception as error:
            raise UserError(f"{path} can't be read as safetensors ({error}).") from error
        network = EmbeddedNetwork()
        expected = {k: tuple(v.shape) for k, v in network.state_dict().items() if not k.endswith("num_batches_tracked")}
        if expected != {key: tuple(value.shape) for key, value in weights.items()}:
            raise UserError(f"{path} does not hold the embedded teacher: its tensors have other names or shapes.")
        network.load_state_dict({key: value.float() for key, value in weights.items()}, strict=False)
        return cls(network, sha256(path), device)

    @torch.inference_mode()
    def logits(self, waves: Tensor) -> Tensor:
        """(batch, sample) in [-1, 1] at 16 kHz → (batch, 521)."""
        return self.network.restore(self.network.head(self.embed(waves)))

    @torch.inference_mode()
    def embed(self, waves: Tensor) -> Tensor:
        """(batch, sample) → (batch, 512): the mean over patches."""
        patches = logmel.patches(waves.to(self.device, torch.float32))
        batch, count = patches.shape[:2]
        return self.network.embed(patches.flatten(0, 1)).view(batch, count, EMBEDDING).mean(1)
