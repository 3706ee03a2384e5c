"""YAMNet's front end in float: sound → log-mel patches of 0.96 s. The embedded teacher's too, and nearly VGGish's.

16 kHz, 25 ms periodic Hann windows every 10 ms, 512-point FFT, 64 HTK-mel bands from 125 to 7500 Hz, log(x + 0.001),
patches of 96 frames every 48. YAMNet's official code does the same; the TensorFlow Lite file has a quantised mel
matrix, which distorts quiet bands and is therefore not used. VGGish's is log(x + 0.01), in patches that do not overlap.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

RATE = 16_000  # Hz
WINDOW = 400  # samples, 25 ms
HOP = 160  # samples, 10 ms
FFT = 512  # points
BANDS = 64
LOWEST, HIGHEST = 125.0, 7500.0  # Hz
OFFSET = 1e-3  # inside the logarithm
PATCH_FRAMES = 96  # 0.96 s
PATCH_HOP = 7_680  # samples, 0.48 s
PATCH = (PATCH_FRAMES - 1) * HOP + WINDOW  # 15600 samples that one patch looks at


def hz_to_mel(hz: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """HTK's mel scale."""
    return np.asarray(1127.0 * np.log1p(np.asarray(hz, dtype=np.float64) / 700.0))


@cache
def mel_matrix() -> NDArray[np.float32]:
    """(257 FFT bins, 64 bands): triangles that are straight in mel (as TensorFlow builds them), the DC bin left out."""
    edges = np.linspace(hz_to_mel(LOWEST), hz_to_mel(HIGHEST), BANDS + 2)
    bins = hz_to_mel(np.linspace(0.0, RATE / 2, FFT // 2 + 1))[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    matrix = np.maximum(0.0, np.minimum(rising, falling))
    matrix[0] = 0.0
    return matrix.astype(np.float32)


def patch_count(samples: int, hop: int = PATCH_HOP) -> int:
    """How many patches a sound of so many samples (at 16 kHz) is cut into; at least one.

    The official code rounds up, so that a note of one second would get a second patch that is half silence. Here a
    remainder counts as a patch only when it reaches half a hop (0.24 s): one second is one patch, four are seven.
    """
    return 1 + max(0, (samples - PATCH + hop // 2) // hop)


def patches(waves: Tensor, *, offset: float = OFFSET, hop: int = PATCH_HOP) -> Tensor:
    """Log-mel patches of a batch of equally long sounds.

    Args:
        waves: (batch, sample) in [-1, 1] at 16 kHz; shorter than one patch is padded with silence.
        offset: inside the logarithm.
        hop: samples from patch to patch, a multiple of `HOP`.

    Returns:
        (batch, patch, 96 frames, 64 bands) of the waves' type and device.
    """
    count = patch_count(waves.shape[-1], hop)
    needed = PATCH + (count - 1) * hop
    waves = F.pad(waves, (0, max(0, needed - waves.shape[-1])))[:, :needed]
    window = torch.hann_window(WINDOW, periodic=True, dtype=waves.dtype, device=waves.device)
    frames = waves.unfold(-1, WINDOW, HOP) * window  # (batch, frame, 400)
    magnitude = torch.fft.rfft(frames, n=FFT).abs()  # (batch, frame, 257)
    mel = magnitude @ torch.from_numpy(mel_matrix()).to(magnitude)
    return (mel + offset).log().unfold(1, PATCH_FRAMES, hop // HOP).transpose(2, 3)


def mean_over_patches(
    network: Callable[[Tensor], Tensor], waves: Tensor, at_once: int | None = None, **options: float
) -> Tensor:
    """A network's mean output over the patches of each sound, (batch, dimension).

    `network`: (patch, 96 frames, 64 bands) → (patch, dimension), on `at_once` patches a call (None: on all); `waves`
    and `options` as `patches` takes them.
    """
    parts = patches(waves, **options)  # type: ignore[arg-type]
    flat = parts.flatten(0, 1)
    answers = torch.cat([network(part) for part in flat.split(at_once or len(flat))])
    return answers.unflatten(0, parts.shape[:2]).mean(1)
