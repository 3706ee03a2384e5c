"""How far a batch of latents is from the standard normal prior: the penalties of Wasserstein autoencoders.

Latents and samples of the prior are `(batch, latent)`; all functions return a scalar.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Of the inverse multiquadrics' C (Tolstikhin et al. 2018, §4)."""


def mmd_rbf(*, latent: Tensor, prior: Tensor) -> Tensor:
    """Squared maximum mean discrepancy, unbiased (Gretton et al. 2012, eq. 3), with the kernel exp(−‖x − y‖² / 2d).

    The bandwidth is that of the prior: the squared distance of two of its samples is 2d on average.
    """
    size = latent.shape[1]
    return _mmd(latent, prior, lambda squared: torch.exp(-squared / (2.0 * size)))


def mmd_imq(*, latent: Tensor, prior: Tensor) -> Tensor:
    """The same with the kernel Σ_s C / (C + ‖x − y‖²), C = s · 2d, over `SCALES` s (Tolstikhin et al. 2018, §4).

    Its tails are heavier than the Gaussian's, so that a latent far out is still drawn in.
    """
    sizes = [scale * 2.0 * latent.shape[1] for scale in SCALES]
    return _mmd(latent, prior, lambda squared: sum((c / (c + squared) for c in sizes), torch.zeros_like(squared)))


def _mmd(latent: Tensor, prior: Tensor, kernel: Callable[[Tensor], Tensor]) -> Tensor:
    first, second = (_mean_of_others(kernel(_squared_distances(one, one))) for one in (latent, prior))
    return first + second - 2.0 * kernel(_squared_distances(latent, prior)).mean()


def _squared_distances(first: Tensor, second: Tensor) -> Tensor:
    return (first[:, None] - second[None]).square().sum(dim=2)


def _mean_of_others(similarity: Tensor) -> Tensor:
    """Mean over pairs of two different samples."""
    count = len(similarity)
    return (similarity.sum() - similarity.diagonal().sum()) / (count * (count - 1))


def sliced_wasserstein(*, latent: Tensor, directions: Tensor) -> Tensor:
    """Squared 2-Wasserstein distance to N(0, I), mean over projections on `directions` (direction, latent) of length 1.

    In one dimension the optimal transport is by order (Kolouri et al. 2019, eq. 10): the i-th smallest of n projections
    goes to where the i-th smallest of n normal numbers lies. The prior's projections are known, so none is sampled.

    Args:
        latent: (batch, latent).
        directions: (direction, latent) unit vectors.
    """
    projected = latent @ directions.T
    return (projected - normal_places(projected)).square().mean()


@torch.no_grad()
def normal_places(projected: Tensor) -> Tensor:
    """Where optimal transport to N(0, 1) takes each number, column by column; as `projected` (batch, direction)."""
    places = torch.empty_like(projected, dtype=torch.float32)
    quantiles = normal_order(len(projected)).to(projected.device)
    return places.scatter_(0, projected.argsort(dim=0), quantiles[:, None].expand(-1, projected.shape[1]))


@lru_cache(maxsize=256)
def normal_order(count: int) -> Tensor:
    """Places of so many sorted numbers (count,), such that normal ones are at rest on average.

    Their expected order statistics m are nearly Φ⁻¹((i − ⅜) / (n + ¼)) (Blom 1958). Drawn to these, normal numbers
    would shrink, for those of a few spread less than single ones do; m · n / Σ m² keeps their scale.
    """
    levels = (torch.arange(count, dtype=torch.float64) + 0.625) / (count + 0.25)
    expected = math.sqrt(2.0) * torch.erfinv(2.0 * levels - 1.0)
    return (expected * count / expected.square().sum().clamp(min=1e-9)).float() if count > 1 else torch.zeros(count)


def classwise_sliced_wasserstein(*, latent: Tensor, classes: Tensor, directions: Tensor) -> Tensor:
    """The same for the latents of each class by themselves: if each class has the prior's distribution, the latent says
    nothing of the class, and the prior fits.

    The mean over all latents of the batch that have a class; one that is alone of its class is drawn to the middle.
    They are sorted among those of their class in the batch alone: where latents of earlier steps, which are not moved,
    have a place in the order too, these can hold the prior's distribution while the batch lies anywhere, and latents
    wander or collapse.

    Args:
        latent: (batch, latent).
        classes: (batch,) int; below 0: of no class, not counted.
        directions: (direction, latent) unit vectors.
    """
    total, count = latent.new_zeros(()), 0
    for one in classes.unique().tolist():
        mine = latent[classes == one]
        if one >= 0:
            distance = sliced_wasserstein(latent=mine, directions=directions)
            total, count = total + len(mine) * distance, count + len(mine)
    return total / max(count, 1)


def energy_distance(*, latent: Tensor, prior: Tensor) -> Tensor:
    """2 E‖x − y‖ − E‖x − x′‖ − E‖y − y′‖ (Székely & Rizzo 2013, eq. 5), unbiased; 0 in expectation only where both are
    of one distribution.

    Rows (note, size) of each may be a latent beside its condition: against the prior beside conditions of other notes,
    it counts what latents say of their conditions as well. Entries should be of one scale. Few latents do: the estimate
    has no bias that they could follow, and no memory of earlier ones, of which they would drift apart.
    """
    across = _distances(latent, prior).mean()
    within = [_mean_of_others(_distances(one, one)) for one in (latent, prior)]
    return 2.0 * across - within[0] - within[1]


def _distances(first: Tensor, second: Tensor) -> Tensor:
    return (_squared_distances(first, second) + 1e-12).sqrt()
