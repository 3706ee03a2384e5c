"""Phase ⇄ instantaneous frequency: how a picture keeps the phase of a spectrum in a form a network can generate.

A steady partial turns its phase by the same angle from frame to frame, so the difference is a flat line where the phase
itself is a blur (Engel et al., GANSynth, 2019, section 2.2). Angles are written in half turns (phase / π). Two
conventions, each with its exact inverse (modulo a turn):

raw      wrapped phase difference; the first frame holds the phase itself (GANSynth, DarkGAN).
centred  each bin's own advance 2π·k·hop/n_fft is taken off before wrapping, so that bin k reads how far the partial in
         it lies from the bin's own frequency: with hop = n_fft/4, one bin off reads ±1/2, and the wrap at ±1 lies at
         the edge of a Hann window's main lobe, two bins away. Phase is measured at the window's middle, not at its
         start, so that the first frame is even across a main lobe as well (else neighbours differ by half a turn).

All arrays here are `(batch, frequency, frame)`, as in pictures.
"""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

# Added to every X: silence then has phase 0 and hands the phase after it on, where a bare product with 0 would lose it.
# 16-bit quantisation noise is about 2e-4, so the angle of anything audible moves by less than 1e-8.
NUDGE = 1e-12


@lru_cache(maxsize=32)
def own_turns(
    first_bin: int, bins: int, n_fft: int, hop: int, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Half turns, in [0, 2), of the bins' own frequencies in half a window and in one hop: each `(frequency, 1)`."""
    with torch.inference_mode(False), torch.no_grad():
        k = torch.arange(first_bin, first_bin + bins, dtype=torch.int64)[:, None]  # whole numbers: nothing is rounded
        start = (k * (n_fft // 2) % n_fft).double() * (2 / n_fft)
        advance = (k * hop % n_fft).double() * (2 / n_fft)
        return start.to(device, dtype), advance.to(device, dtype)


def wrap(turns: Tensor) -> Tensor:
    """Any angle in half turns → the same angle in [-1, 1]."""
    return turns - 2 * torch.round(turns / 2)


def turn_per_frame(real: Tensor, imag: Tensor) -> tuple[Tensor, Tensor]:
    """X_t·conj(X_{t-1}) as real and imaginary part; the first frame is X itself (its forerunner counts as 1)."""
    real = real + NUDGE
    real_before = functional.pad(real[..., :-1], (1, 0), value=1.0)
    imag_before = functional.pad(imag[..., :-1], (1, 0))
    return real * real_before + imag * imag_before, imag * real_before - real * imag_before


def spectrum_to_if(real: Tensor, imag: Tensor, *, own: tuple[Tensor, Tensor] | None) -> Tensor:
    """Real and imaginary part of a spectrum → instantaneous frequency in [-1, 1], same shape.

    One atan2 of X_t·conj(X_{t-1}) stands for the wrapped difference of two. `own`: `own_turns` for the centred
    convention, None for the raw one.
    """
    turn_real, turn_imag = turn_per_frame(real, imag)
    turns = torch.atan2(turn_imag, turn_real) * (1 / torch.pi)
    return turns if own is None else wrap(_take_off(turns, own))


def phase_to_if(phase: Tensor, *, own: tuple[Tensor, Tensor] | None) -> Tensor:
    """Phase in radians → instantaneous frequency in [-1, 1]: the definition, by differences."""
    turns = phase / torch.pi
    turns = torch.cat([turns[..., :1], turns[..., 1:] - turns[..., :-1]], dim=-1)
    return wrap(turns if own is None else _take_off(turns, own))


def if_to_phase(turns: Tensor, *, own: tuple[Tensor, Tensor] | None) -> Tensor:
    """Instantaneous frequency → phase in radians, within ±π: the inverse of `phase_to_if`, by a sum over frames."""
    if own is not None:
        start, advance = own
        turns = torch.cat([turns[..., :1] - start, turns[..., 1:] + advance], dim=-1)
    return wrap(torch.cumsum(turns, dim=-1)) * torch.pi


def coherent_turns(turns: Tensor, magnitude: Tensor, *, own: tuple[Tensor, Tensor], reach: int) -> Tensor:
    """Centred instantaneous frequency → the same, with all bins of a main lobe turning together; for generated ones.

    A partial fills a main lobe of about five bins. Where a network puts their frequencies a little apart, they drift
    out of phase from frame to frame and cancel. Each bin therefore takes the mean turn, as a phasor weighted by energy,
    of the bins up to `reach` to either side: near a partial that is the partial's own frequency. The idea is the phase
    locking of Laroche & Dolson (1999, section III) without its choice of peaks. On a real picture, whose lobes agree,
    little changes. `turns` and `magnitude` are `(batch, frequency, frame)`, `own` is `own_turns`.
    """
    energy, angles = magnitude.square(), torch.cat([turns[..., :1], turns[..., 1:] + own[1]], dim=-1) * torch.pi

    def gathered(part: Tensor) -> Tensor:
        return functional.avg_pool2d(energy * part, (2 * reach + 1, 1), stride=1, padding=(reach, 0))

    mean = torch.atan2(gathered(torch.sin(angles)), gathered(torch.cos(angles)) + NUDGE) / torch.pi
    return torch.cat([mean[..., :1], mean[..., 1:] - own[1]], dim=-1)


def _take_off(turns: Tensor, own: tuple[Tensor, Tensor]) -> Tensor:
    # The middle of the window is half a window after its start, where the FFT measures: its phase is that much further.
    start, advance = own
    return torch.cat([turns[..., :1] + start, turns[..., 1:] - advance], dim=-1)
