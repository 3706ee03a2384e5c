"""The Wasserstein losses of critic and generator (Arjovsky et al. 2017; Karras et al. 2018 for the drift term)."""

from torch import Tensor


def critic_loss(*, real: Tensor, fake: Tensor) -> Tensor:
    """E[D(fake)] − E[D(real)], scores `(batch,)` → scalar: minus the estimated distance."""
    return fake.mean() - real.mean()


def generator_loss(*, fake: Tensor) -> Tensor:
    """−E[D(fake)], scores `(batch,)` → scalar."""
    return -fake.mean()


def drift(*, real: Tensor) -> Tensor:
    """E[D(real)²], scores `(batch,)` → scalar: keeps scores near zero, where floats are fine (weight ε = 0.001)."""
    return real.square().mean()
