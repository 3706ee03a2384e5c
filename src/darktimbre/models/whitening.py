"""How soft labels are distributed: measured before training, as part of the generator's first layer."""

from typing import Literal

import torch
from torch import Tensor, nn

FAINT = 1e-4  # a soft label below which its logarithm hardly differs: logit −14 at T = 1.5
LEAST_DEVIATION = {"roots": 0.02, "logarithms": 0.2}  # of a label that hardly varies, so that noise is not blown up


class LabelWhitening(nn.Module):
    """Soft labels on a scale that a network can use: (f(α) − mean) / deviation, per label.

    Most soft labels lie near 0 and differ in their logarithm; as they are, the first layer hardly sees them. f is odd
    and goes on growing beyond 1 (the out-of-range test of DarkGAN §4.4.2 needs that): sign(α) √|α| (`roots`), or
    sign(α) log(1 + |α| / 10⁻⁴) (`logarithms`), which is nearly linear in the teacher's logits. The statistics are those
    of the training notes, kept with the weights. Before `fit`, f(α) is left as it is.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, pitches: int, labels: int, scale: Literal["roots", "logarithms"] = "roots") -> None:
        super().__init__()
        self.pitches, self.scale = pitches, scale
        self.register_buffer("mean", torch.zeros(labels))
        self.register_buffer("deviation", torch.ones(labels))

    def fit(self, soft: Tensor) -> None:
        """Takes the statistics from soft labels `(note, label)` of the training notes."""
        spread = self._spread_out(soft)
        self.mean.copy_(spread.mean(dim=0))
        self.deviation.copy_(spread.std(dim=0, correction=0).clamp(min=LEAST_DEVIATION[self.scale]))

    def forward(self, condition: Tensor) -> Tensor:
        """condition `(batch, size)` → the same with its soft labels standardised; the pitch's one-hot is left alone."""
        return torch.cat([condition[:, : self.pitches], self.standardised(condition[:, self.pitches :])], dim=1)

    def standardised(self, soft: Tensor) -> Tensor:
        """Soft labels `(note, label)` → standardised ones."""
        return (self._spread_out(soft) - self.mean) / self.deviation

    def _spread_out(self, soft: Tensor) -> Tensor:
        if self.scale == "logarithms":
            return (soft.abs() / FAINT).log1p() * soft.sign()
        return (soft.abs() + 1e-12).sqrt() * soft.sign()  # the addend keeps the gradient finite at 0
