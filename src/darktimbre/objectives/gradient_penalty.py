"""Penalties on the slope of a critic: WGAN-GP (Gulrajani et al. 2017, eq. 3) and R1 (Mescheder et al. 2018, eq. 9)."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

Score = Callable[[Tensor], Tensor]
Reduction = Literal["mean", "sum"]


def gradient_penalty(
    score: Score, *, real: Tensor, fake: Tensor, alphas: Tensor, target: float = 1.0, reduction: Reduction = "mean"
) -> Tensor:
    """E[(‖∇ D(x̂)‖₂ − target)²] at x̂ = alpha · real + (1 − alpha) · fake; a scalar to differentiate further.

    `score`: pictures `(batch, …)` → scores `(batch,)`; `alphas`: `(batch,)` in [0, 1], drawn by the caller, so that the
    function is deterministic. `reduction="sum"` adds over the batch, as the published DarkGAN code does: its λ then
    grows with the batch size; it is there for parity only.
    """
    alphas = alphas.to(real.dtype).view(-1, *[1] * (real.dim() - 1))
    between = torch.lerp(fake.detach(), real.detach(), alphas).requires_grad_()
    slopes = (_squared_slopes(score, between) + 1e-12).sqrt()  # so that a flat critic has a gradient too
    penalty = (slopes - target).square()
    return penalty.sum() if reduction == "sum" else penalty.mean()


def r1_penalty(score: Score, *, real: Tensor) -> Tensor:
    """R1: E[‖∇ D(real)‖₂²], a scalar to differentiate further; its weight in the loss is γ/2."""
    return _squared_slopes(score, real.detach().requires_grad_()).mean()


def _squared_slopes(score: Score, pictures: Tensor) -> Tensor:
    """‖∇ D(x)‖₂² per note, `(batch,)`, in at least float32."""
    (gradient,) = torch.autograd.grad(score(pictures).sum(), pictures, create_graph=True)
    gradient = gradient.to(torch.promote_types(gradient.dtype, torch.float32))
    return gradient.square().flatten(1).sum(dim=1)
