"""How loud plain arrays are, in dB relative to full scale (dBFS: a full-scale square wave has an RMS level of 0)."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEAST = 1 / 32768  # the least that 16 bits hold but zero
SILENT = 1.5 * LEAST  # what does not reach this is dither at most
_LONGEST_PERIOD = 0.05  # s


def peak_dbfs(waves: NDArray[np.floating]) -> NDArray[np.float64]:
    """Level of the largest sample of each sound: (…, sample) → (…); -inf for digital silence."""
    return _decibels(np.abs(waves).max(axis=-1, initial=0.0))


def rms_dbfs(waves: NDArray[np.floating]) -> NDArray[np.float64]:
    """Root-mean-square level of each sound: (…, sample) → (…); -inf for digital silence."""
    return _decibels(np.sqrt(np.mean(np.square(waves, dtype=np.float64), axis=-1)))


def is_silent(wave: NDArray[np.floating], rate: float) -> bool:
    """Whether a sound (sample,) is none: apart from a constant offset, nothing of it is more than 16 bits' dither.

    What is shorter than the longest period that is heard, 50 ms, has no offset: there, a constant is a click.
    """
    if len(wave) < _LONGEST_PERIOD * rate:
        return not wave.size or float(np.abs(wave).max()) < LEAST / 2
    return float(np.abs(wave - wave.mean(dtype=np.float64)).max()) < SILENT


def _decibels(amplitude: NDArray[np.floating]) -> NDArray[np.float64]:
    amplitude = np.asarray(amplitude, dtype=np.float64)
    return 20.0 * np.log10(amplitude, out=np.full(amplitude.shape, -np.inf), where=amplitude > 0)


def at_peak(waves: NDArray[np.float32], peak_db: ArrayLike, floor: float = LEAST) -> NDArray[np.float32]:
    """Waves (note, sample), each brought to a peak in dB relative to full scale, one or one per note; what does not
    reach the amplitude `floor` becomes silence."""
    wanted = np.power(10.0, np.asarray(peak_db, np.float64) / 20).astype(np.float32)
    return waves * peak_gain(np.abs(waves).max(axis=1, keepdims=True), wanted.reshape(-1, 1), floor)


def peak_gain(peaks: Any, wanted: Any, floor: float) -> Any:
    """Factors that bring amplitudes `peaks` to those `wanted`; 0 where they lie below the floor, for what is there is
    noise. Arrays or tensors: graphs that are exported compute the same."""
    return wanted / peaks.clip(min=floor) * (peaks >= floor)
