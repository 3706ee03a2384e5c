"""How near one sound is to another, as samples and as magnitude spectra: for round trips and for renders."""

import numpy as np
from numpy.typing import ArrayLike


def snr(reference: ArrayLike, estimate: ArrayLike) -> np.ndarray:
    """Signal-to-noise ratio in dB per sound, 10·log10(Σ reference² / Σ (reference - estimate)²).

    Waves `(…, sample)` → `(…,)`; infinite where they are equal, NaN where both are silent.
    """
    first, second = _pair(reference, estimate)
    signal = np.square(first).sum(axis=-1)
    noise = np.square(first - second).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(10 * np.log10(signal / noise))


def log_spectral_distance(reference: ArrayLike, estimate: ArrayLike, *, floor: float = 1e-3) -> np.ndarray:
    """Log-spectral distance in dB per sound: over frames the mean of the root mean square over frequency of
    20·log10((|X| + floor) / (|Y| + floor)).

    Magnitudes `(…, frequency, frame)` → `(…,)`. `floor`, in units of magnitude, is where differences stop to count; the
    figure means little without it. (1e-3 is 114 dB under a full-scale sine with a 2048-sample Hann window.)
    """
    first, second = _pair(reference, estimate)
    decibels = 20 * np.log10((first + floor) / (second + floor))
    return np.asarray(np.sqrt(np.square(decibels).mean(axis=-2)).mean(axis=-1))


def spectral_convergence(reference: ArrayLike, estimate: ArrayLike) -> np.ndarray:
    """‖X - Y‖ / ‖X‖, Frobenius norms, per sound: magnitudes `(…, frequency, frame)` → `(…,)`; NaN for 0/0."""
    first, second = _pair(reference, estimate)
    apart = np.sqrt(np.square(first - second).sum(axis=(-2, -1)))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(apart / np.sqrt(np.square(first).sum(axis=(-2, -1))))


def _pair(reference: ArrayLike, estimate: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.asarray(reference, dtype=np.float64), np.asarray(estimate, dtype=np.float64)
    if first.shape != second.shape:
        raise ValueError(f"the two differ in shape: {first.shape} and {second.shape}")
    return first, second
