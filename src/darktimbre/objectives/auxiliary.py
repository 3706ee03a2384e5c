"""The critic also names the pitch (Odena et al. 2017: auxiliary classifier)."""

from torch import Tensor
from torch.nn.functional import cross_entropy


def pitch_cross_entropy(*, pitch_logits: Tensor, pitch_class: Tensor) -> Tensor:
    """−E[log softmax(logits)_class]: logits `(batch, class)`, classes int64 `(batch,)` → scalar.

    A class of −1 means an unpitched note, which does not count; a batch of only such notes gives 0.
    """
    total = cross_entropy(pitch_logits, pitch_class, ignore_index=-1, reduction="sum")
    return total / (pitch_class >= 0).sum().clamp(min=1)
