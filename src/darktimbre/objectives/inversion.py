"""How near sound made of a spectrogram is to the sound it was made of: magnitudes, and phases where there is sound.

Spectra are complex, `(batch, frame, frequency)`. Arık, Jun & Diamos (2018), *Fast spectrogram inversion using
multi-head convolutional neural networks*, section III; anti-wrapping: Ai & Ling (2023), *Neural speech phase prediction
based on parallel estimation architecture and anti-wrapping losses*, equations 5 to 8.
"""

import math

import torch
from torch import Tensor

TINY = 1e-12  # added to squares under a root, so that silence has a derivative


def modulus(spectra: Tensor) -> Tensor:
    """|X| of complex spectra, with a bounded derivative at 0."""
    real, imag = torch.view_as_real(spectra).unbind(-1)
    return torch.sqrt(real * real + imag * imag + TINY)


def convergence_loss(*, made: Tensor, real: Tensor) -> Tensor:
    """Spectral convergence, E over notes of ‖|Y| − |X|‖ / ‖X‖ (Frobenius), of magnitudes `(batch, …)` → scalar."""
    apart = (made - real).square().flatten(1).sum(dim=1)
    return torch.sqrt((apart + TINY) / (real.square().flatten(1).sum(dim=1) + TINY)).mean()


def log_magnitude_loss(*, made: Tensor, real: Tensor, floor: float) -> Tensor:
    """E|log(|Y| + floor) − log(|X| + floor)| of magnitudes ≥ 0 of one shape → scalar."""
    return (torch.log(made + floor) - torch.log(real + floor)).abs().mean()


def weighted_phase_loss(*, made: Tensor, real: Tensor) -> Tensor:
    """E over notes of Σ (|X||Y| − Re X·Re Y − Im X·Im Y) / Σ |X|², of complex spectra → scalar.

    Arık et al.'s weighted phase loss: |X||Y|(1 − cos of the angle between them), here relative to the note's energy.
    """
    (x, xi), (y, yi) = (torch.view_as_real(spectra).unbind(-1) for spectra in (real, made))
    apart = modulus(real) * modulus(made) - x * y - xi * yi
    return (apart.sum(dim=(1, 2)) / (real.abs().square().sum(dim=(1, 2)) + TINY)).mean()


def anti_wrapped(angle: Tensor) -> Tensor:
    """|x − 2π·round(x / 2π)|: how far an angle is from a whole turn, in [0, π]."""
    return (angle - 2 * math.pi * torch.round(angle / (2 * math.pi))).abs()


def instantaneous_frequency_loss(*, made: Tensor, real: Tensor) -> Tensor:
    """How far the phase's growth from frame to frame is from the real one's, anti-wrapped, in radians → scalar.

    E over notes of Σ |X_t||X_{t−1}| f(∠Y_t Y*_{t−1} − ∠X_t X*_{t−1}) / Σ |X_t||X_{t−1}|: the weight keeps silence,
    where phase means nothing, out of it.
    """
    growth = (real[:, 1:] * real[:, :-1].conj()).detach()
    return _mean_by(anti_wrapped(angle(made[:, 1:] * made[:, :-1].conj()) - growth.angle()), growth.abs())


def advance_loss(*, advance: Tensor, real: Tensor) -> Tensor:
    """How far `advance` `(batch, frame − 1, frequency)`, in radians, is from the phase's growth from each frame to the
    next in the real spectra; weight and wrapping as above → scalar."""
    growth = (real[:, 1:] * real[:, :-1].conj()).detach()
    return _mean_by(anti_wrapped(advance - growth.angle()), growth.abs())


def angle(spectra: Tensor) -> Tensor:
    """∠X, with a derivative that is finite everywhere: where |X|² < 1e-12 the angle is that of X + 1e-6."""
    real, imag = torch.view_as_real(spectra).unbind(-1)
    return torch.atan2(imag, torch.where(real.square() + imag.square() < TINY, real + 1e-6, real))


def _mean_by(error: Tensor, weight: Tensor) -> Tensor:
    return ((weight * error).sum(dim=(1, 2)) / (weight.sum(dim=(1, 2)) + TINY)).mean()
