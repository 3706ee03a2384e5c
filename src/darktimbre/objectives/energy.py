"""The conditional energy score: how well a generator's samples fit a note, without a critic.

Gneiting & Raftery (2007), *Strictly proper scoring rules, prediction, and estimation*, §4.3. Where two samples y₁, y₂
of one condition are compared with the note x that the condition is of, the expected score is least where they have the
notes' own distribution: samples away from the notes cost, and so do samples that are all alike.

A distance is Euclidean between *features* `(batch, place, dimension)` and the mean over places, such as the patches of
a spectrogram. Its score is proper for the distribution of each place's vector; what no place holds together is not
compared, so several kinds of features are used at once.
"""

import math

import torch
from torch import Tensor

from darktimbre.objectives.inversion import TINY, modulus
from darktimbre.representation import stft

PATCH = (8, 4)  # bins × frames
SLOW, FAST = 4.0, 12.0  # Hz, between which vibrato and tremolo lie
FLOOR = 1e-3  # of a full-scale sinusoid: magnitude below which log magnitudes hardly differ, −60 dB


def energy_score(*, first: Tensor, second: Tensor, real: Tensor) -> Tensor:
    """E[½ (d(y₁, x) + d(y₂, x)) − ½ d(y₁, y₂)], an unbiased estimate of E d(y, x) − ½ E d(y, y′) (eq. 21); a scalar.

    All are features `(batch, place, dimension)`: of two independent samples of each condition, and of its note.
    """
    return 0.5 * (distance(first, real) + distance(second, real) - distance(first, second)).mean()


def distance(first: Tensor, second: Tensor) -> Tensor:
    """Mean over places of ‖a − b‖, features `(batch, place, dimension)` → `(batch,)`; its derivative at 0 is 0."""
    return ((first - second).square().sum(dim=2) + TINY).sqrt().mean(dim=1)


# ----------------------------------------------------------------------------
# Features


def patches(levels: Tensor) -> Tensor:
    """Log-magnitudes `(batch, frequency, frame)` → `(batch, patch, 32)`: 8 bins × 4 frames, half overlapping."""
    (bins, frames), halves = PATCH, [size // 2 for size in PATCH]
    return levels.unfold(1, bins, halves[0]).unfold(2, frames, halves[1]).flatten(3).flatten(1, 2)


def columns(levels: Tensor) -> Tensor:
    """Log-magnitudes `(batch, frequency, frame)` → `(batch, frame, frequency)`: a place is a frame's spectrum."""
    return levels.transpose(1, 2)


def modulations(levels: Tensor, *, frame_rate: float) -> Tensor:
    """Log-magnitudes `(batch, frequency, frame)` → `(batch, frequency, rate)`: how deep each bin is modulated at 4 to
    12 Hz, by a discrete Fourier transform over all frames under a Hann window. When is left open: samples that waver in
    another phase are alike. `frame_rate` in Hz."""
    frames = levels.shape[2]
    window = torch.hann_window(frames, periodic=True, device=levels.device)
    rates = torch.fft.rfftfreq(frames, 1 / frame_rate)
    within = (rates >= SLOW) & (rates <= FAST)
    return modulus(torch.fft.rfft(levels * (2 / window.sum() * window), dim=2)[:, :, within.to(levels.device)])


def phasors(frequencies: Tensor, magnitudes: Tensor) -> Tensor:
    """Instantaneous frequencies f in units of π a hop, and linear magnitudes m ≥ 0 → √m · e^{iπf}, `(batch, bin, 2)`.

    −1 and 1 are the same frequency, and where nothing sounds it means nothing. Both are `(batch, frequency, frame)`.
    """
    turns, weight = math.pi * frequencies, (magnitudes + TINY).sqrt()
    return torch.stack([weight * torch.cos(turns), weight * torch.sin(turns)], dim=-1).flatten(1, 2)


def log_spectra(waves: Tensor, *, window: int) -> Tensor:
    """Waves `(batch, sample)` → log(|X| + floor) `(batch, frame, frequency)`; `window` in samples, the hop ¼."""
    spectra = modulus(stft.forward(waves, n_fft=window, hop=window // 4))
    return torch.log(spectra * (4 / window) + FLOOR)  # a full-scale sinusoid under a Hann window has |X| = window / 4
