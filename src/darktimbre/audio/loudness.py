"""How loud plain arrays are, in dB relative to full scale (dBFS: a full-scale square wave has an RMS level of 0)."""

import numpy as np
from numpy.typing import NDArray


def peak_dbfs(waves: NDArray[np.floating]) -> NDArray[np.float64]:
    """Level of the largest sample of each sound: (…, sample) → (…); -inf for digital silence."""
    return _decibels(np.abs(waves).max(axis=-1, initial=0.0))


def rms_dbfs(waves: NDArray[np.floating]) -> NDArray[np.float64]:
    """Root-mean-square level of each sound: (…, sample) → (…); -inf for digital silence."""
    return _decibels(np.sqrt(np.mean(np.square(waves, dtype=np.float64), axis=-1)))


def _decibels(amplitude: NDArray[np.floating]) -> NDArray[np.float64]:
    amplitude = np.asarray(amplitude, dtype=np.float64)
    return 20.0 * np.log10(amplitude, out=np.full(amplitude.shape, -np.inf), where=amplitude > 0)


def at_peak(waves: NDArray[np.float32], peak_db: float) -> NDArray[np.float32]:
    """Waves (note, sample), each brought to one peak in dB relative to full scale; silence stays."""
    peaks = np.abs(waves).max(axis=1, keepdims=True)
    return waves * (np.float32(10 ** (peak_db / 20)) / np.maximum(peaks, np.float32(1 / 32768)))
