"""From a sound as recorded to the one shape a corpus holds: mono, one rate, one length."""

from typing import Literal, NamedTuple

import numpy as np
import soxr
from numpy.typing import NDArray

Fit = Literal["padded", "cut", "exact"]


_CANCELLED = 0.1  # of the channels' energy; what of independent channels is left in their sum is all of it


class Mixed(NamedTuple):
    """A sound mixed to mono."""

    wave: NDArray[np.float32]  # (sample,)
    one_channel: bool  # whether the channels cancel each other, so that the loudest was taken instead of their mean


def to_mono(samples: NDArray[np.float32]) -> Mixed:
    """Mean over the channels: (channel, sample) → (sample,). Of channels that are of opposite phase, so that their sum
    has less than a tenth of their energies' sum (constant offsets apart), the loudest."""
    if len(samples) == 1 or not samples.size:
        return Mixed(samples[0], one_channel=False)
    centred = samples - samples.mean(axis=1, keepdims=True, dtype=np.float64)
    energy = np.einsum("cs,cs->c", centred, centred)
    total = centred.sum(axis=0)
    if np.einsum("s,s->", total, total) < _CANCELLED * energy.sum():
        return Mixed(samples[int(energy.argmax())], one_channel=True)
    return Mixed(samples.mean(axis=0, dtype=np.float32), one_channel=False)


def resample(samples: NDArray[np.float32], rate: float, target: float) -> NDArray[np.float32]:
    """Band-limited change of rate (soxr, high quality) of a sound (sample,) from `rate` to `target` Hz."""
    if rate == target or len(samples) == 0:
        return samples
    resampled: NDArray[np.float32] = soxr.resample(samples, rate, target, quality="HQ")
    return resampled


def fit_length(samples: NDArray[np.float32], length: int, fade: int) -> tuple[NDArray[np.float32], Fit]:
    """The sound (sample,) in a new array (length,), padded with silence or cut; and which was done.

    `fade`: samples of the fade-out of a sound that has to be cut (half a cosine, ending in zero), at most `length`.
    """
    fitted = np.zeros(length, dtype=np.float32)
    kept = samples[:length]
    fitted[: len(kept)] = kept
    if len(samples) < length:
        return fitted, "padded"
    if len(samples) == length:
        return fitted, "exact"
    fade = min(fade, length)
    if fade:
        fitted[-fade:] *= fade_out(fade)
    return fitted, "cut"


def fade_out(length: int) -> NDArray[np.float32]:
    """Half a cosine from nearly 1 down to exactly 0, (length,)."""
    return (0.5 + 0.5 * np.cos(np.pi * np.arange(1, length + 1) / length)).astype(np.float32)
