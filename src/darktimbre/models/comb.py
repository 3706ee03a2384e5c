"""Where the harmonics of a pitch lie in a picture: a fixed map that spares the generator from learning geometry."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from darktimbre.models.layers import pack

MAIN_LOBE = 2.0  # bins: half width of a Hann window's main lobe


class HarmonicMask(nn.Module):
    """One-hot pitch → the picture an ideal harmonic tone of that pitch leaves in a Hann-windowed spectrum.

    For bin k, with d the signed distance in bins to the nearest harmonic h·f0, h ≥ 1:
    `lobe = max(0, 1 − |d| / 2)` and `offset = d / 2` inside the main lobe (|d| < 2), 0 outside. The first has the
    support of a partial's magnitude, the second the shape of the centred instantaneous frequency (up to sign).
    A soft one-hot gives the pitch between, on a logarithmic frequency axis; entries that sum to less than one fade the
    comb, so that an unpitched note (all zero) has none.

    The buffers want float32: run at lower precision by autocast, not by converting the module.
    """

    log_f0: Tensor
    bin_hz: Tensor

    def __init__(self, pitches: Sequence[int], frequency: int, bands: int, bin_hz: float, first_bin: int) -> None:
        super().__init__()
        self.bands, self.spacing = bands, bin_hz
        f0 = [math.log(440.0) + (pitch - 69) / 12 * math.log(2.0) for pitch in pitches]
        self.register_buffer("log_f0", torch.tensor(f0, dtype=torch.float32), persistent=False)
        centres = (torch.arange(frequency, dtype=torch.float32) + first_bin) * bin_hz
        self.register_buffer("bin_hz", centres, persistent=False)

    @property
    def channels(self) -> int:
        """Maps that `forward` returns."""
        return 2 * self.bands

    def forward(self, condition: Tensor) -> Tensor:
        """condition `(batch, size)` → `(batch, 2·bands, frequency/bands, 1)`, constant over frames."""
        f0, total = self._fundamental(condition)
        harmonic = self._nearest(f0)
        distance = (self.bin_hz - harmonic * f0) / self.spacing  # bins
        lobe = (1.0 - distance.abs() / MAIN_LOBE).clamp(min=0.0)
        offset = torch.where(lobe > 0.0, distance / MAIN_LOBE, torch.zeros_like(distance))
        comb = torch.stack([lobe, offset], dim=1) * total.clamp(0.0, 1.0)[:, :, None]
        return pack(comb[..., None], self.bands).to(condition.dtype)

    def numbers(self, condition: Tensor) -> Tensor:
        """condition `(batch, size)` → number of the harmonic nearest to each bin, `(batch, frequency)` int64 ≥ 1."""
        return self._nearest(self._fundamental(condition)[0]).long()

    def _fundamental(self, condition: Tensor) -> tuple[Tensor, Tensor]:
        """f0 in Hz, and the sum of the one-hot's entries, each `(batch, 1)`."""
        one_hot = condition[:, : len(self.log_f0)].to(self.log_f0.dtype)
        total = one_hot.sum(dim=1, keepdim=True)
        return torch.exp((one_hot * self.log_f0).sum(dim=1, keepdim=True) / total.clamp(min=1e-6)), total

    def _nearest(self, f0: Tensor) -> Tensor:
        return (self.bin_hz / f0).round().clamp(min=1.0)
