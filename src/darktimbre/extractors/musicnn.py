"""MusiCNN (Pons & Serra 2019), a tagger of music that no training here ever uses: sound → features to measure by.

Its front end differs from the teachers' (96 bands of Slaney's mel scale, power and not magnitude, filters as tall as an
instrument's spectrum and as long as a rhythm), and so does what it was trained on (MagnaTagATune): a sound that only
exploits the teacher gains nothing here.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from darktimbre.teachers import weights
from darktimbre.teachers.frozen import Frozen, fitting, read_converted
from darktimbre.teachers.musicnn_files import (
    BANDS,
    FRONT,
    MIDDLE,
    MIDDLE_MAPS,
    POOLED,
    TAGS,
    TEMPORAL_KERNELS,
    TEMPORAL_MAPS,
    TIMBRAL_KERNELS,
    TIMBRAL_MAPS,
    UNITS,
)

RATE = 16_000  # Hz
FFT, HOP = 512, 256  # samples
PATCH = 187  # frames, 3 s: what it was trained on
AT_ONCE = 16  # patches

# ── front end ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def slaney_mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slaney's mel scale: straight up to 1 kHz (15 mel), 27 mel to each factor of 6.4 above."""
    return np.where(hz < 1000, hz * 3 / 200, 15 + 27 * np.log(np.maximum(hz, 1000) / 1000) / np.log(6.4))


def slaney_hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse of `slaney_mel`."""
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp(np.log(6.4) * (mel - 15) / 27))


@cache
def mel_matrix() -> NDArray[np.float32]:
    """(257 FFT bins, 96 bands) from 0 to 8 kHz: triangles in Hz of area 1, as librosa's."""
    edges = slaney_hertz(np.linspace(0.0, slaney_mel(np.array(RATE / 2)), BANDS + 2))
    bins = np.linspace(0.0, RATE / 2, FFT // 2 + 1)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return (np.maximum(0.0, np.minimum(rising, falling)) * 2 / (edges[2:] - edges[:-2])).astype(np.float32)


def log_mel(waves: Tensor) -> Tensor:
    """(batch, sample) in [-1, 1] at 16 kHz, 257 samples at least → (batch, frame, 96): log₁₀(10⁴ · mel power + 1).

    Frames are centred, the ends mirrored. (The official code rounds the mel power to 16 bits, which makes loud partials
    infinite; here it is not rounded.)
    """
    window = torch.hann_window(FFT, periodic=True, dtype=waves.dtype, device=waves.device)
    spectrum = torch.stft(waves, FFT, HOP, window=window, center=True, pad_mode="reflect", return_complex=True)
    power = spectrum.real.square() + spectrum.imag.square()
    return torch.log10(1e4 * (power.transpose(1, 2) @ torch.from_numpy(mel_matrix()).to(power)) + 1)


def patches(frames: Tensor) -> Tensor:
    """(batch, frame, band) → (batch, patch, frame, band), the patches evenly spread so that every frame is in one.

    A note of up to 3 s is one patch of its own length: all that follows the convolutions are a maximum and a mean over
    time, which silence up to 3 s would change. One of 4 s is two patches of 3 s that overlap.
    """
    length = frames.shape[1]
    if length <= PATCH:
        return frames[:, None]
    count = -(-length // PATCH)
    starts = np.linspace(0, length - PATCH, count).round().astype(int)
    return torch.stack([frames[:, start : start + PATCH] for start in starts], 1)


# ── network ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class Affine(nn.Module):
    """x · weight + bias along dimension 1: a batch norm that no longer learns."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, input: Tensor) -> Tensor:
        shape = (1, -1) + (1,) * (input.dim() - 2)
        return input * self.weight.view(shape) + self.bias.view(shape)


class Block(nn.Module):
    """Convolution, ReLU, norm: (batch, 1, frame, feature) → (batch, map, frame, feature), as many frames as before."""

    def __init__(self, kernel: tuple[int, int], maps: int) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(1, maps, kernel), Affine(maps)
        self.before, self.after = (kernel[0] - 1) // 2, kernel[0] // 2  # TensorFlow's "SAME": one more at the end

    def forward(self, input: Tensor) -> Tensor:
        padded = F.pad(input, (0, 0, self.before, self.after))
        normed: Tensor = self.norm(F.relu(self.convolution(padded)))
        return normed


class Features(NamedTuple):
    """Of each patch."""

    pooled: Tensor  # (patch, 1506): maximum and mean over time of every feature, alternating, as its norm scales them
    units: Tensor  # (patch, 200): the penultimate layer
    tags: Tensor  # (patch, 50): logits of MagnaTagATune's tags


class Musicnn(nn.Module):
    """The network behind the front end: timbral and temporal filters → three residual layers → pooling → dense."""

    def __init__(self) -> None:
        super().__init__()
        self.input = Affine(1)
        self.timbral = nn.ModuleList(Block(kernel, TIMBRAL_MAPS) for kernel in TIMBRAL_KERNELS)
        self.temporal = nn.ModuleList(Block(kernel, TEMPORAL_MAPS) for kernel in TEMPORAL_KERNELS)
        self.middle = nn.ModuleList(Block((7, FRONT if n == 0 else MIDDLE_MAPS), MIDDLE_MAPS) for n in range(MIDDLE))
        self.pooled, self.dense, self.units = Affine(POOLED), nn.Linear(POOLED, UNITS), Affine(UNITS)
        self.tags = nn.Linear(UNITS, TAGS)

    def forward(self, mel: Tensor) -> Features:
        """(patch, frame, 96 bands) → features."""
        seen = self.input(mel[:, None])
        front = [block(seen).amax(3) for block in (*self.timbral, *self.temporal)]  # (patch, map, frame)
        layers = [torch.cat(front, 1)]
        for number, block in enumerate(self.middle):
            found = block(layers[-1].transpose(1, 2)[:, None]).squeeze(3)
            layers.append(found + layers[-1] if number else found)
        every = torch.cat(layers, 1)  # (patch, 753, frame)
        pooled = self.pooled(torch.stack([every.amax(2), every.mean(2)], 2).flatten(1))
        units = self.units(F.relu(self.dense(pooled)))
        return Features(pooled, units, self.tags(units))


class MusicnnEmbedder(Frozen[Musicnn]):
    """MusiCNN as an `Embedder`: its features pooled over time, 1,506 numbers, the mean over the patches of a sound.

    The penultimate layer keeps what MagnaTagATune's tags need alone: a ridge regression on its 200 numbers predicts
    YAMNet's logits of unseen instruments with a correlation of 0.48, one on the pooled features with 0.59.
    """

    name = "musicnn"
    sample_rate = RATE

    @classmethod
    def load(cls, path: Path | None = None, device: str = "cpu") -> "MusicnnEmbedder":
        """From the file that `darktimbre weights add musicnn` or `fetch musicnn` keeps.

        Raises:
            UserError: there is none, or it is another file.
        """
        path = path or weights.locate("musicnn")
        tensors, digest = read_converted(path)
        network = Musicnn()
        network.load_state_dict(fitting(path, "MusiCNN", tensors, Musicnn))
        return cls(network, digest, device)

    @torch.inference_mode()
    def embed(self, waves: Tensor) -> Tensor:
        """(batch, sample) in [-1, 1] at 16 kHz → (batch, 1506)."""
        parts = patches(log_mel(waves.to(self.device, torch.float32)))
        pooled = torch.cat([self.network(part).pooled for part in parts.flatten(0, 1).split(AT_ONCE)])
        return pooled.unflatten(0, parts.shape[:2]).mean(1)
