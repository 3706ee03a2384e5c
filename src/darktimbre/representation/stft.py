"""Short-time Fourier transform and its exact inverse, batched: the first step of every picture of sound.

Frames are centred (frame t looks at samples around t·hop, zeros outside the sound), the window is a periodic Hann.
Spectra are kept as `(batch, frame, frequency)`, the order in which the FFT writes them; pictures turn them round once.
The inverse is the least-squares one of Griffin & Lim (1984), equation 6: overlap-add of the windowed frames divided by
the sum of squared windows, taken exactly at every sample, edges included.
"""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional


def frame_count(samples: int, hop: int) -> int:
    """How many centred frames a sound of `samples` has: 16000 samples at hop 512 have 32."""
    return 1 + samples // hop


@lru_cache(maxsize=32)
def hann(n_fft: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The periodic Hann window `(n_fft,)`, computed in float64 once for each kind and place of tensor."""
    with torch.inference_mode(False), torch.no_grad():  # a cached inference tensor could not serve a later backward
        return torch.hann_window(n_fft, periodic=True, dtype=torch.float64).to(device=device, dtype=dtype)


@lru_cache(maxsize=32)
def synthesis_gain(n_fft: int, hop: int, frames: int, samples: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """`(samples,)`: one over the sum of squared windows that cover each sample."""
    with torch.inference_mode(False), torch.no_grad():
        square = torch.hann_window(n_fft, periodic=True, dtype=torch.float64).square()
        cover = overlap_add(square.expand(1, frames, n_fft), hop)[0, n_fft // 2 :][:samples]
        return cover.reciprocal().to(device=device, dtype=dtype)


def overlap_add(pieces: Tensor, hop: int) -> Tensor:
    """Pieces `(batch, frame, n_fft)` laid `hop` apart and summed → `(batch, sample)`; hop divides n_fft.

    Where n_fft = r·hop, output block b is the sum over j < r of the j-th block of piece b - j: r shifted additions.
    """
    batch, frames, n_fft = pieces.shape
    parts = n_fft // hop
    blocks = pieces.reshape(batch, frames, parts, hop)
    total = functional.pad(blocks[:, :, 0], (0, 0, 0, parts - 1))
    for part in range(1, parts):
        total[:, part : part + frames] += blocks[:, :, part]
    return total.view(batch, -1)


def forward(waves: Tensor, *, n_fft: int, hop: int, frames: int | None = None) -> Tensor:
    """Waves `(batch, sample)` → complex spectra `(batch, frame, frequency)`, frequency = n_fft/2 + 1.

    `frames` above `frame_count` adds frames of the silence after the sound. Equal to
    `torch.stft(..., center=True, pad_mode="constant")`, transposed.
    """
    samples = waves.shape[-1]
    if frames is None:
        frames = frame_count(samples, hop)
    before = n_fft // 2
    after = max(0, (frames - 1) * hop + n_fft - before - samples)
    padded = functional.pad(waves, (before, after))
    pieces = padded.unfold(-1, n_fft, hop)[:, :frames]
    return torch.fft.rfft(pieces * hann(n_fft, waves.dtype, waves.device))


def parts(spectra: Tensor, first_bin: int = 0) -> tuple[Tensor, Tensor]:
    """Complex spectra `(batch, frame, frequency)` → real and imaginary part, each `(batch, frequency, frame)`.

    One strided copy splits and turns both.
    """
    real, imag = torch.view_as_real(spectra)[:, :, first_bin:].permute(3, 0, 2, 1).contiguous()
    return real, imag


def joined(real: Tensor, imag: Tensor, first_bin: int = 0) -> Tensor:
    """The inverse of `parts`; the bins below `first_bin` are zero."""
    real, imag = (functional.pad(part.transpose(1, 2), (first_bin, 0)) for part in (real, imag))
    return torch.complex(real, imag)


def inverse(spectra: Tensor, *, n_fft: int, hop: int, samples: int) -> Tensor:
    """Complex spectra `(batch, frame, frequency)` → waves `(batch, samples)`, exact for spectra that `forward` made."""
    frames = spectra.shape[1]
    assert n_fft % hop == 0, "the hop divides the window"
    assert n_fft >= 4 * hop, "and is at most a quarter of it, so that every sample is covered well"
    assert frames >= frame_count(samples, hop), "every sample lies under a frame"
    pieces = torch.fft.irfft(spectra, n=n_fft)
    pieces = pieces.mul_(hann(n_fft, pieces.dtype, pieces.device))  # in place: it stays in the cache
    waves = overlap_add(pieces, hop)[:, n_fft // 2 : n_fft // 2 + samples]
    return waves * synthesis_gain(n_fft, hop, frames, samples, pieces.dtype, pieces.device)
