"""Magnitude → phase in one pass, frame after frame: every peak is a sinusoid whose phase runs on at its frequency.

Beauregard, Harish & Wyse (2015), *Single pass spectrogram inversion*: a peak's frequency comes from a parabola through
three bins, its phase from the frame before, and the bins around follow the peak as under a Hann window. It has no idea
of an attack: `phase_gradient` is the better pass, and this one the simple way that it is measured against.
"""

import torch
from torch import Tensor


def single_pass(magnitude: Tensor, *, n_fft: int, hop: int) -> Tensor:
    """Magnitudes `(batch, frame, frequency)` → complex spectra of these magnitudes; phases are autograd's constants."""
    with torch.no_grad():
        place, peak = peaks(magnitude)
        index = torch.arange(magnitude.shape[-1], device=magnitude.device)
        # Phases run to thousands of radians: in float64, and counted from the frames' middles.
        advance = (2 * torch.pi * hop / n_fft) * place.double() + lobe(index - place)
        phase = torch.zeros_like(advance)
        phase[:, 0] = advance[:, 0]
        for frame in range(1, magnitude.shape[1]):
            phase[:, frame] = phase[:, frame - 1].gather(-1, peak[:, frame]) + advance[:, frame]
        phase += torch.pi * (index % 2)  # counted from the frames' starts, as a spectrum has it
        units = torch.polar(torch.ones_like(phase), phase)
    kind = torch.complex128 if magnitude.dtype == torch.float64 else torch.complex64
    return magnitude * units.to(kind)


def peaks(magnitude: Tensor) -> tuple[Tensor, Tensor]:
    """For each bin the peak it belongs to, uphill from it: its place between the bins (in bins), and its own bin.

    A parabola through the peak bin and its neighbours a, b, c lies highest at (a - c) / (2(a - 2b + c)) from it. A bin
    that no peak is uphill from is its own.
    """
    bins = magnitude.shape[-1]
    index = torch.arange(bins, device=magnitude.device).expand_as(magnitude)
    rise = magnitude[..., 1:] > magnitude[..., :-1]
    below, here, above = magnitude[..., :-2], magnitude[..., 1:-1], magnitude[..., 2:]
    top = (here > below) & (here > above)
    offset = torch.where(top, 0.5 * (below - above) / (below - 2 * here + above), 0.0)
    offset, top = (torch.nn.functional.pad(part, (1, 1)) for part in (offset, top))
    left = torch.where(top, index, -1).cummax(dim=-1).values
    right = torch.where(top, index, bins).flip(-1).cummin(dim=-1).values.flip(-1)
    peak = torch.where(torch.nn.functional.pad(rise, (0, 1)), right, left)
    peak = torch.where((peak < 0) | (peak >= bins), index, peak)
    return peak + offset.gather(-1, peak), peak


def lobe(distance: Tensor) -> Tensor:
    """The phase (0 or π, modulo 2π) that a Hann window's transform has at a distance in bins from a sinusoid.

    Its main lobe reaches two bins to either side; then its sign changes with every bin.
    """
    return torch.pi * (distance.abs().floor() - 1).clamp(min=0)
