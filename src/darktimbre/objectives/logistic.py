"""The non-saturating logistic losses (Goodfellow et al. 2014), with scores as logits of "real"."""

from torch import Tensor
from torch.nn.functional import softplus


def critic_loss(*, real: Tensor, fake: Tensor) -> Tensor:
    """−E[log σ(D(real))] − E[log(1 − σ(D(fake)))], scores `(batch,)` → scalar."""
    return softplus(-real).mean() + softplus(fake).mean()


def generator_loss(*, fake: Tensor) -> Tensor:
    """−E[log σ(D(fake))], scores `(batch,)` → scalar."""
    return softplus(-fake).mean()
