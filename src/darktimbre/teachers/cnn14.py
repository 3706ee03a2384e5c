"""PANNs' Cnn14 (Kong et al. 2020) as a torch module of the official checkpoints' layout: sound → 527 AudioSet logits.

The checkpoints hold their front end as matrices (a DFT written as convolution, a mel basis); here the same spectrogram
is taken by FFT, after the matrices were compared with it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from darktimbre.audio.download import sha256
from darktimbre.notes.errors import UserError
from darktimbre.teachers.frozen import Frozen, fitting, unpickled
from darktimbre.teachers.vocabulary import cnn14_labels

CLASSES = 527
BLOCKS = 6
FLOOR = 1e-10  # power under which the logarithm is cut, −100 dB


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """Log-mel settings: Hann windows of `n_fft` samples every `hop`, Slaney mels from `lowest` to `highest` Hz."""

    rate: int
    n_fft: int
    hop: int
    lowest: float
    highest: float
    bands: int = 64


FRONT_ENDS = {
    "cnn14": FrontEnd(rate=32_000, n_fft=1024, hop=320, lowest=50.0, highest=14_000.0),
    "cnn14-16k": FrontEnd(rate=16_000, n_fft=512, hop=160, lowest=50.0, highest=8_000.0),
}


class _Holder(nn.Module):
    """A place in the checkpoint's tree that holds one tensor."""

    def __init__(self, name: str, *shape: int) -> None:
        super().__init__()
        self.register_buffer(name, torch.zeros(*shape))


class _Block(nn.Module):
    """Two 3 × 3 convolutions with batch norm and ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1: nn.Module = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.conv2: nn.Module = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn1: nn.Module = nn.BatchNorm2d(outputs)
        self.bn2: nn.Module = nn.BatchNorm2d(outputs)

    def forward(self, maps: Tensor) -> Tensor:
        maps = F.relu(self.bn1(self.conv1(maps)), inplace=True)
        return F.relu(self.bn2(self.conv2(maps)), inplace=True)

    def fold(self) -> None:
        """Takes the batch norms into the convolutions; the result is the same map."""

        def fused(conv: nn.Module, norm: nn.Module) -> nn.Module:
            assert isinstance(conv, nn.Conv2d)
            assert isinstance(norm, nn.BatchNorm2d)
            return fuse_conv_bn_eval(conv, norm)

        self.conv1, self.bn1 = fused(self.conv1, self.bn1), nn.Identity()
        self.conv2, self.bn2 = fused(self.conv2, self.bn2), nn.Identity()


class Cnn14(nn.Module):
    """The network; its `state_dict` has the names and shapes of the official one.

    `width`: maps of the first block, doubled by every further one (64 in the official checkpoints).
    """

    def __init__(self, front: FrontEnd, width: int = 64) -> None:
        super().__init__()
        self.front = front
        dft = (front.n_fft // 2 + 1, 1, front.n_fft)
        stft = nn.ModuleDict({part: _Holder("weight", *dft) for part in ("conv_real", "conv_imag")})
        self.spectrogram_extractor = nn.ModuleDict({"stft": stft})
        self.logmel_extractor = _Holder("melW", front.n_fft // 2 + 1, front.bands)
        self.bn0 = nn.BatchNorm2d(front.bands)
        inputs = 1
        for number in range(1, BLOCKS + 1):
            self.add_module(f"conv_block{number}", _Block(inputs, width))
            inputs, width = width, 2 * width
        self.fc1 = nn.Linear(inputs, inputs)
        self.fc_audioset = nn.Linear(inputs, CLASSES)

    def logmel(self, waves: Tensor) -> Tensor:
        """(batch, sample) → (batch, frame, band) in dB."""
        front = self.front
        window = torch.hann_window(front.n_fft, periodic=True, dtype=waves.dtype, device=waves.device)
        spectrum = torch.stft(
            waves, front.n_fft, front.hop, window=window, center=True, pad_mode="reflect", return_complex=True
        )
        mel = spectrum.abs().square().transpose(1, 2) @ self.logmel_extractor.get_buffer("melW")
        return 10.0 * mel.clamp(min=FLOOR).log10()

    def embed(self, waves: Tensor) -> Tensor:
        """(batch, sample) → (batch, 2048)."""
        bands = self.bn0(self.logmel(waves).transpose(1, 2)[..., None])  # (batch, band, frame, 1)
        maps = bands.permute(0, 3, 2, 1).contiguous(memory_format=torch.channels_last)  # (batch, 1, frame, band)
        for number in range(1, BLOCKS + 1):
            maps = self.get_submodule(f"conv_block{number}")(maps)
            if number < BLOCKS:  # the last block's pooling is 1 × 1
                maps = F.avg_pool2d(maps, 2)
        over_bands = maps.mean(3)
        pooled = over_bands.amax(2) + over_bands.mean(2)
        return F.relu(self.fc1(pooled))

    def forward(self, waves: Tensor) -> Tensor:
        """(batch, sample) in [-1, 1] at `front.rate` → (batch, 527) logits."""
        logits: Tensor = self.fc_audioset(self.embed(waves))
        return logits

    def fold(self) -> None:
        """Takes the blocks' batch norms into their convolutions."""
        for number in range(1, BLOCKS + 1):
            block = self.get_submodule(f"conv_block{number}")
            assert isinstance(block, _Block)
            block.fold()


def dft_matrices(front: FrontEnd) -> tuple[Tensor, Tensor]:
    """(real, imaginary) parts of the windowed DFT, (n_fft / 2 + 1, 1, n_fft), as the checkpoints hold them."""
    n = np.arange(front.n_fft)
    # n·k is reduced modulo n_fft before the cosine so that large products lose no digits.
    phase = 2.0 * np.pi * (np.outer(np.arange(front.n_fft // 2 + 1), n) % front.n_fft) / front.n_fft
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * n / front.n_fft)
    real, imaginary = np.cos(phase) * window, -np.sin(phase) * window
    return torch.from_numpy(real[:, None].astype(np.float32)), torch.from_numpy(imaginary[:, None].astype(np.float32))


def _arrays() -> list[Any]:
    """What makes a NumPy array out of pickled bytes: the 16 kHz checkpoint also holds its sampler's state."""
    from numpy._core.multiarray import _reconstruct

    kinds = [type(np.dtype(kind)) for kind in ("int64", "float64", "bool")]
    names = ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct")  # before and after NumPy 2
    return [*((_reconstruct, name) for name in names), np.ndarray, np.dtype, *kinds]


def read_checkpoint(path: Path, name: str) -> dict[str, Tensor]:
    """The `model` of an official checkpoint, every tensor checked; no pickled code is run.

    Raises:
        UserError: the file is damaged, of another network, or of another front end.
    """
    document = unpickled(path, "PANNs", _arrays())
    weights = document.get("model") if isinstance(document, dict) else None
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise UserError(f"{path} is not a PANNs checkpoint: it holds no dictionary of tensors under 'model'.")
    front = FRONT_ENDS[name]

    def hint(key: str) -> str:
        return "; is it the checkpoint of the other sample rate?" if "extractor" in key else "."

    weights = fitting(path, name, weights, lambda: Cnn14(front), hint=hint)
    for part, matrix in zip(("conv_real", "conv_imag"), dft_matrices(front), strict=True):
        if not torch.allclose(weights[f"spectrogram_extractor.stft.{part}.weight"], matrix, atol=1e-4):
            raise UserError(
                f"{path} was trained with another spectrogram than {name}'s ({part} differs from a Hann-windowed DFT)."
            )
    return weights


class Cnn14Tagger(Frozen[Cnn14]):
    """Cnn14 as a `Tagger`. It takes a sound whole, as in training; one shorter than a second is padded with silence."""

    def __init__(self, network: Cnn14, name: str, digest: str, device: str = "cpu") -> None:
        network.eval().requires_grad_(False)
        network.fold()
        super().__init__(network, digest, device)
        self.name = name
        self.sample_rate = network.front.rate

    @property
    def labels(self) -> tuple[str, ...]:
        return cnn14_labels()

    @classmethod
    def load(cls, path: Path, name: str = "cnn14", device: str = "cpu") -> "Cnn14Tagger":
        """From `Cnn14_mAP=0.431.pth` (name "cnn14") or `Cnn14_16k_mAP=0.438.pth` ("cnn14-16k").

        Raises:
            UserError: the file is not that checkpoint.
        """
        weights = read_checkpoint(path, name)
        with torch.device("meta"):
            network = Cnn14(FRONT_ENDS[name])
        network.load_state_dict(weights, strict=True, assign=True)
        return cls(network, name, sha256(path), device)

    def _prepared(self, waves: Tensor) -> Tensor:
        waves = waves.to(self.device, torch.float32)
        return F.pad(waves, (0, max(0, self.sample_rate - waves.shape[-1])))

    @torch.inference_mode()
    def logits(self, waves: Tensor) -> Tensor:
        """(batch, sample) in [-1, 1] at `sample_rate` → (batch, 527)."""
        return self.network(self._prepared(waves))

    @torch.inference_mode()
    def embed(self, waves: Tensor) -> Tensor:
        """(batch, sample) → (batch, 2048)."""
        return self.network.embed(self._prepared(waves))
