"""How far a generated spectrogram is from its target: for the warm start, before adversarial training."""

import math

import torch
from torch import Tensor


def magnitude_error(*, made: Tensor, real: Tensor, power: int = 1) -> Tensor:
    """E|made − real|^power of the log-magnitudes `(batch, frequency, frame)` → scalar; power 1 or 2."""
    difference = made - real
    return difference.abs().mean() if power == 1 else difference.square().mean()


def weighted_magnitude_error(*, made: Tensor, real: Tensor, weight: Tensor) -> Tensor:
    """E over notes of Σ w |made − real| / Σ w: partials stand on few bins and would drown in the mean of all.

    All arguments `(batch, frequency, frame)`, `weight` ≥ 0; a note with all-zero weights counts 0.
    """
    return _weighted((made - real).abs(), weight)


def frequency_error(*, made: Tensor, real: Tensor, weight: Tensor) -> Tensor:
    """E over notes of Σ w · (1 − cos π(made − real)) / Σ w: circular error of instantaneous frequencies, in [0, 2].

    Values `(batch, frequency, frame)` are in units of π a hop, so that −1 and 1 are the same; `weight` ≥ 0 follows the
    magnitude: where nothing sounds, frequency means nothing. A note with all-zero weights counts 0.
    """
    return _weighted(1.0 - torch.cos(math.pi * (made - real)), weight)


def _weighted(error: Tensor, weight: Tensor) -> Tensor:
    return ((weight * error).sum(dim=(1, 2)) / weight.sum(dim=(1, 2)).clamp(min=1e-8)).mean()
