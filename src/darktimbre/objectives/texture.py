"""What the mean error of log-magnitudes blurs: the contrast of partials, and how they move.

A network that minimises E|made − real| makes the median of what may be: beating and vibrato whose phase it does not
know come out flat. These compare differences along frequency, and modulation spectra without their phase.
"""

import math
from functools import lru_cache

import torch
from torch import Tensor

SPAN, STEP = 32, 8  # frames of a window of the modulation spectrum, and between two of them


def contrast_error(*, made: Tensor, real: Tensor) -> Tensor:
    """E|Δ made − Δ real|, Δ the difference of neighbouring bands of `(batch, frequency, frame)`; a scalar."""
    return ((made - real).diff(dim=1)).abs().mean()


def modulation_error(*, made: Tensor, real: Tensor, first: int = 2, last: int = 6) -> Tensor:
    """E| |M made| − |M real| |, M the short-time Fourier transform of each band's level over frames; a scalar.

    Of the windows of `SPAN` frames the bins `first` to `last` count, multiples of the frame rate / SPAN: at 62.5 frames
    a second 3.9 to 11.7 Hz, where vibrato and tremolo lie. Levels are `(batch, frequency, frame)`.
    """
    return (_modulation(made, first, last) - _modulation(real, first, last)).abs().mean()


def grouped(levels: Tensor, bands: int) -> Tensor:
    """Mean level of so many neighbouring bands at a time: `(batch, frequency, frame)` → `(batch, group, frame)`.

    What all bands of a group do together stays, what each does by itself averages out. The last bands, too few for a
    group, do not count.
    """
    return levels.unfold(1, bands, bands).mean(dim=-1)


def broadband(levels: Tensor, nepers: float) -> Tensor:
    """Level of a note's power over all bands, `(batch, frequency, frame)` → `(batch, 1, frame)`, in the same unit, one
    of which is `nepers` of natural-log magnitude."""
    return torch.logsumexp(levels.float() * (2 * nepers), dim=1, keepdim=True) / (2 * nepers)


def _modulation(levels: Tensor, first: int, last: int) -> Tensor:
    """`(batch, frequency, window · bin)` amplitudes: a sinusoid of amplitude a has a at its frequency."""
    cosine, sine = (levels.float() @ _waves(levels.shape[2], first, last).to(levels.device)).chunk(2, dim=-1)
    return (cosine.square() + sine.square() + 1e-8).sqrt()


@lru_cache(maxsize=4)
def _waves(frames: int, first: int, last: int) -> Tensor:
    """(frame, 2 · window · bin): the transform of all windows as one matrix, cosines, then sines."""
    with torch.inference_mode(False), torch.no_grad():
        window = torch.hann_window(SPAN, periodic=True, dtype=torch.float64)
        turns = torch.arange(SPAN, dtype=torch.float64)[:, None] * torch.arange(first, last + 1) / SPAN
        waves = torch.stack([torch.cos(2 * math.pi * turns), torch.sin(2 * math.pi * turns)])
        waves = waves * (2 * window / window.sum())[:, None]  # (2, SPAN, bin)
        starts = range(0, frames - SPAN + 1, STEP)
        placed = torch.zeros(frames, 2, len(starts), waves.shape[2])
        for number, start in enumerate(starts):
            placed[start : start + SPAN, :, number] = waves.transpose(0, 1).float()
        return placed.flatten(1)
