"""Mode seeking: two latents that are far apart should make pictures that are far apart (Mao et al. 2019)."""

from torch import Tensor

EPSILON = 1e-5  # the authors'; a generator that ignores its latent costs 1 / ε, not infinity


def mode_seeking_ratio(*, first: Tensor, second: Tensor, first_latent: Tensor, second_latent: Tensor) -> Tensor:
    """E[d(G(c, z₁), G(c, z₂)) / d(z₁, z₂)], the quantity to be maximised (eq. 3); a scalar.

    Pictures `(batch, …)` made under the same conditions c from latents `(batch, latent)`; both distances are mean
    absolute differences, so that the ratio depends on no size. Pairs with equal latents do not count.
    """
    apart = (first_latent - second_latent).abs().flatten(1).mean(1)
    changed = (first - second).abs().flatten(1).mean(1)
    counts = (apart > 0).to(changed.dtype)
    return (changed / apart.clamp(min=1e-12) * counts).sum() / counts.sum().clamp(min=1)


def mode_seeking_loss(*, first: Tensor, second: Tensor, first_latent: Tensor, second_latent: Tensor) -> Tensor:
    """1 / (ratio + ε), the generator's term of eq. 4, minimised as the authors do; a scalar.

    Theirs is a ratio of two means over the batch, this one the mean of the pairs' ratios, as eq. 3 has it.
    """
    ratio = mode_seeking_ratio(first=first, second=second, first_latent=first_latent, second_latent=second_latent)
    return 1.0 / (ratio + EPSILON)
