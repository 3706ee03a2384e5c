"""Linear ⇄ mel frequency: fewer rows for a picture, at the price of an inverse that is a good guess and not exact.

The mel scale is HTK's, mel = 2595·log10(1 + Hz/700); a band is a triangle over its two neighbours' centres, peak 1.
"""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ..notes.errors import UserError


def hz_to_mel(hz: float) -> float:
    """HTK's mel scale."""
    return 2595.0 * float(np.log10(1.0 + hz / 700.0))


def band_edges(bands: int, low_hz: float, high_hz: float) -> np.ndarray:
    """`(bands + 2,)` float64 Hz, evenly spaced in mel: each band's foot, peak and other foot are three in a row."""
    mels = np.linspace(hz_to_mel(low_hz), hz_to_mel(high_hz), bands + 2)
    return np.asarray(700.0 * (10.0 ** (mels / 2595.0) - 1.0))


def mel_basis(*, rate: int, n_fft: int, bands: int, low_hz: float = 0.0, high_hz: float | None = None) -> np.ndarray:
    """`(band, n_fft/2 + 1)` float64, as librosa.filters.mel(htk=True, norm=None); an empty band is a `UserError`."""
    edges = band_edges(bands, low_hz, rate / 2 if high_hz is None else high_hz)
    bins = np.arange(n_fft // 2 + 1) * (rate / n_fft)
    rise = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    basis = np.maximum(0.0, np.minimum(rise, fall))
    if not (basis.sum(axis=1) > 0).all():
        raise UserError(
            f"{bands} mel bands are finer than the {rate / n_fft:.1f} Hz between the bins of n_fft {n_fft}: "
            "some bands are empty; take fewer bands or a longer n_fft."
        )
    return basis


@lru_cache(maxsize=8)
def mel_pair(rate: int, n_fft: int, bands: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """The basis `(band, bin)` and its spread `(bin, band)`: for each bin the shares, summing to 1, of its bands."""
    with torch.inference_mode(False), torch.no_grad():
        basis = torch.from_numpy(mel_basis(rate=rate, n_fft=n_fft, bands=bands))
        spread = (basis / basis.sum(dim=0).clamp(min=1e-9)).T.contiguous()
        return basis.to(device, dtype), spread.to(device, dtype)


def mel_to_magnitude(mel: Tensor, basis: Tensor, spread: Tensor, *, rounds: int = 10, quiet: float = 1e-6) -> Tensor:
    """Mel magnitudes `(batch, band, frame)` → linear magnitudes `(batch, bin, frame)`, non-negative.

    The multiplicative rule of Lee & Seung (2001) for the least divergence (Richardson-Lucy), from the spread of the
    bands' means. On real notes ten rounds come nearer than a (regularised, clamped) pseudo-inverse: with 256 bands a
    log-spectral distance of 4.5 dB instead of 8.4, with 128 bands 7.3 instead of 12.7. `quiet` keeps silence from 0/0.
    """
    magnitude = spread @ (mel / basis.sum(dim=1)[:, None])
    for _ in range(rounds):
        magnitude = magnitude * (spread @ ((mel + quiet) / (basis @ magnitude + quiet)))
    return magnitude


@lru_cache(maxsize=8)
def band_turns(rate: int, n_fft: int, hop: int, bands: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """`(band, 1)`: half turns of each band's centre frequency in one hop."""
    with torch.inference_mode(False), torch.no_grad():
        centres = torch.from_numpy(band_edges(bands, 0.0, rate / 2)[1:-1])
        return torch.remainder(centres[:, None] * (2 * hop / rate), 2.0).to(device, dtype)


def turns_to_mel(turn_real: Tensor, turn_imag: Tensor, basis: Tensor) -> Tensor:
    """X_t·conj(X_{t-1}) `(batch, bin, frame)` → the bands' instantaneous frequency, half turns `(batch, band, frame)`.

    The products are summed as arrows before the angle is taken, so the strongest partial of a band decides it.
    (GANSynth averages the angles: on real notes, 256 bands, that comes back at 1 dB SNR instead of 11.)
    """
    return torch.atan2(basis @ turn_imag, basis @ turn_real) * (1 / torch.pi)


def mel_to_turns(turns: Tensor, spread: Tensor) -> Tensor:
    """The bands' instantaneous frequency → each bin's: the angle of the mean arrow of the bands it lies in."""
    angle = turns * torch.pi
    return torch.atan2(spread @ torch.sin(angle), spread @ torch.cos(angle)) * (1 / torch.pi)
