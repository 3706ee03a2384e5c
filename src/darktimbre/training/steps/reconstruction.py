"""How far a made picture is from the real one, weighted as the recipe's warm start says."""

from collections.abc import Callable

import torch
from torch import Tensor

from darktimbre.models.progressive import Verdict
from darktimbre.objectives.reconstruction import frequency_error, magnitude_error, weighted_magnitude_error
from darktimbre.training.recipe import WarmStart

Loudness = Callable[[Tensor], Tensor]
"""Log-magnitude channel (batch, frequency, frame), scaled by the codec → linear magnitude, 1 at the loudest."""


def reconstruction_loss(warm: WarmStart, *, made: Tensor, real: Tensor, loudness: Loudness | None) -> Tensor:
    """Magnitude error everywhere, and again where something sounds; there also circular frequency error. Scalar."""
    made = made.float()
    loss = magnitude_error(made=made[:, 0], real=real[:, 0], power=warm.magnitude_power)
    if loudness is not None:
        magnitude = loudness(real[:, 0])
        weight = (magnitude / magnitude.amax(dim=(1, 2), keepdim=True)) ** warm.loudness_power
        loss = loss + warm.loud * weighted_magnitude_error(made=made[:, 0], real=real[:, 0], weight=weight)
        loss = loss + warm.frequency * frequency_error(made=made[:, 1], real=real[:, 1], weight=weight)
    return loss


def posterior_of(verdict: Verdict) -> tuple[Tensor, Tensor]:
    """Mean and log-variance (batch, latent) of z given the picture; the latter kept where its exponential is sane."""
    assert verdict.posterior is not None  # the recipe was checked
    mean, log_variance = verdict.posterior.chunk(2, dim=1)
    return mean, log_variance.clamp(-10.0, 4.0)


def drawn(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """z = μ + σ ε (Kingma & Welling 2014, eq. 10)."""
    return mean + torch.exp(0.5 * log_variance) * noise
