"""How soft labels are distributed: measured before training, as part of the generator's first layer."""

import torch
from torch import Tensor, nn


class LabelWhitening(nn.Module):
    """Soft labels on a scale that a network can use: (sign(α) √|α| − mean) / deviation, per label.

    Most soft labels lie near 0 and differ in their logarithm; as they are, the first layer hardly sees them. The root
    spreads them and goes on growing beyond 1 (the out-of-range test of DarkGAN §4.4.2 needs that). The statistics are
    those of the training notes, kept with the weights. Before `fit` it leaves the roots as they are.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, pitches: int, labels: int) -> None:
        super().__init__()
        self.pitches = pitches
        self.register_buffer("mean", torch.zeros(labels))
        self.register_buffer("deviation", torch.ones(labels))

    def fit(self, soft: Tensor) -> None:
        """Takes the statistics from soft labels `(note, label)` of the training notes; a label that hardly varies
        keeps a deviation of at least 0.02, so that noise is not blown up."""
        roots = _signed_root(soft)
        self.mean.copy_(roots.mean(dim=0))
        self.deviation.copy_(roots.std(dim=0, correction=0).clamp(min=0.02))

    def forward(self, condition: Tensor) -> Tensor:
        """condition `(batch, size)` → the same with its soft labels standardised; the pitch's one-hot is left alone."""
        one_hot, soft = condition[:, : self.pitches], condition[:, self.pitches :]
        return torch.cat([one_hot, (_signed_root(soft) - self.mean) / self.deviation], dim=1)


def _signed_root(soft: Tensor) -> Tensor:
    """sign(α) √|α|; the tiny addend keeps its gradient finite at 0, where it changes nothing."""
    return (soft.abs() + 1e-12).sqrt() * soft.sign()
