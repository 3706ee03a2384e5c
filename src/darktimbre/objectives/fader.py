"""Fader networks: a discriminator tells the style from the latent, the encoder hides it (Lample et al. 2017)."""

import math

from torch import Tensor
from torch.nn import functional as F


def style_cross_entropy(*, logits: Tensor, style: Tensor) -> Tensor:
    """−E log P(y | z), the latent discriminator's loss (eq. 2); a scalar. Notes of no style (−1) do not count.

    Args:
        logits: (batch, style).
        style: (batch,) int.
    """
    counted = style >= 0
    return F.cross_entropy(logits[counted], style[counted]) if bool(counted.any()) else logits.sum() * 0.0


def hidden_style(*, logits: Tensor, style: Tensor) -> Tensor:
    """−E log (1 − P(y | z)), the encoder's term (eq. 3) for more than two styles; a scalar.

    Unlike −(cross-entropy) it is bounded below, by 0: a discriminator that is already wrong is not pushed on. One that
    is certain still has a gradient, since 1 − P is summed over the other styles, not taken from 1.
    """
    counted = style >= 0
    if not bool(counted.any()):
        return logits.sum() * 0.0
    known = logits[counted].float()
    others = known.scatter(1, style[counted][:, None], -math.inf)
    return (known.logsumexp(dim=1) - others.logsumexp(dim=1)).mean()
