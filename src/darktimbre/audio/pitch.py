"""Measures the pitch of finished sounds: before they enter a corpus, and after a model has made them."""

import numpy as np
from numpy.typing import NDArray

_HOP_SECONDS = 0.032
_LOUD_DB = 20.0  # frames quieter than this below the loudest one of their note are not measured
_FRAMES_AT_ONCE = 256  # keeps the spectra of one block inside the processor's cache


def yin(
    waves: NDArray[np.floating], rate: int, fmin: float = 50.0, fmax: float = 2500.0, threshold: float = 0.15
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """One fundamental frequency for each note by YIN (de Cheveigné & Kawahara 2002, steps 1 to 5).

    Every loud frame of a note is measured; the note's pitch is the median over its voiced frames, those whose
    normalised difference function falls below `threshold`.

    Args:
        waves: (batch, sample), any scale.
        rate: samples per second.
        fmin: lowest frequency looked for, in Hz; the frames get two of its periods.
        fmax: highest frequency looked for, in Hz; at most half of `rate`.
        threshold: absolute threshold of step 4 (the paper: 0.1 to 0.15).

    Returns:
        Frequency in Hz (batch,), NaN where no frame is voiced (silence, noise, a sound too short for a frame), and
        confidence (batch,) in [0, 1]: the voiced share of the loud frames times their median periodicity 1 - d'(τ).

    Raises:
        ValueError: `waves` has not two axes, or the range of frequencies is empty.
    """
    waves = np.asarray(waves, dtype=np.float32)
    if waves.ndim != 2:
        raise ValueError(f"yin takes waves of shape (batch, sample), not {waves.shape}.")
    if not 0 < fmin < fmax <= rate / 2:
        raise ValueError(f"The range {fmin} to {fmax} Hz is not one that sounds at {rate} Hz can be searched for.")
    batch, samples = waves.shape
    longest = int(np.ceil(rate / fmin)) + 1  # lags 0 … longest; one more than needed, for the parabola
    window = max(2 * longest, int(0.03 * rate))
    frequency, confidence = np.full(batch, np.nan), np.zeros(batch)
    if samples < window + longest or batch == 0:
        return frequency, confidence

    frames = np.lib.stride_tricks.sliding_window_view(waves, window + longest, axis=1)[:, :: int(_HOP_SECONDS * rate)]
    power = np.einsum("bfs,bfs->bf", frames, frames, dtype=np.float64)
    loudest = power.max(axis=1, keepdims=True)
    loud = (power >= loudest * 10 ** (-_LOUD_DB / 10)) & (power > 0) & np.isfinite(loudest)
    note, frame = np.nonzero(loud)
    lag, aperiodicity = np.empty(len(note)), np.empty(len(note))
    for start in range(0, len(note), _FRAMES_AT_ONCE):
        block = slice(start, start + _FRAMES_AT_ONCE)
        lag[block], aperiodicity[block] = _periods(
            frames[note[block], frame[block]], window, longest, int(rate / fmax), threshold
        )

    voiced = aperiodicity < threshold
    loud = np.bincount(note, minlength=batch)
    found = np.bincount(note[voiced], minlength=batch)
    has = found > 0
    frequency[has] = _median_by(rate / lag[voiced], found)[has]
    periodicity = 1.0 - np.clip(_median_by(aperiodicity[voiced], found)[has], 0.0, 1.0)
    confidence[has] = found[has] / loud[has] * periodicity
    return frequency, confidence


def _periods(
    frames: NDArray[np.float32], window: int, longest: int, shortest: int, threshold: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Period in samples and d' at it, for each frame of (frame, window + longest)."""
    difference = _difference(frames, window, longest)
    # Step 3, cumulative mean normalised difference d'(τ) = d(τ) / (1/τ Σ_{j≤τ} d(j)); d'(0) = 1.
    total = np.cumsum(difference[:, 1:], axis=1)
    normalised = np.ones_like(difference)
    np.divide(difference[:, 1:] * np.arange(1, longest + 1), total, out=normalised[:, 1:], where=total > 0)

    # Step 4: the first dip under the threshold; failing that, the deepest (then the frame counts as unvoiced).
    first, last = max(shortest, 1), longest - 1
    here, before, after = (normalised[:, first + k : last + 1 + k] for k in (0, -1, 1))
    dip = (here < before) & (here <= after) & (here < threshold)
    best = np.where(dip.any(axis=1), dip.argmax(axis=1), here.argmin(axis=1))
    row = np.arange(len(frames))
    depth = here[row, best]

    # Step 5, a parabola through the three points around the dip; of d and not d', whose slant would pull it aside.
    left, middle, right = (difference[row, first + best + k] for k in (-1, 0, 1))
    curvature = left - 2 * middle + right
    shift = np.zeros_like(depth)
    np.divide(0.5 * (left - right), curvature, out=shift, where=curvature > 0)
    return first + best + np.clip(shift, -1, 1), depth


def _difference(frames: NDArray[np.float32], window: int, longest: int) -> NDArray[np.float64]:
    """Step 2, d(τ) = Σ_{j<window} (x_j - x_{j+τ})² for τ = 0 … longest, from energies and one FFT correlation."""
    from scipy import fft  # here, because its import takes longer than that of all else a decoding process needs

    # Equal levels keep float32 transforms exact enough for quiet notes too.
    frames = frames / np.abs(frames).max(axis=1, keepdims=True)
    size = fft.next_fast_len(window + longest, real=True)
    spectrum = fft.rfft(frames, size, axis=1)
    head = fft.rfft(frames[:, :window], size, axis=1)
    correlation = fft.irfft(spectrum * np.conj(head), size, axis=1)[:, : longest + 1]
    energy = np.zeros((len(frames), window + longest + 1))
    np.cumsum(np.square(frames, dtype=np.float64), axis=1, out=energy[:, 1:])
    shifted = energy[:, window : window + longest + 1] - energy[:, : longest + 1]
    return np.maximum(shifted[:, :1] + shifted - 2.0 * correlation, 0.0)


def _median_by(values: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Median of each run of `counts` consecutive values; NaN for an empty run."""
    owner = np.repeat(np.arange(len(counts)), counts)
    ordered = values[np.lexsort((values, owner))]
    end = np.cumsum(counts)
    start = end - counts
    medians = np.full(len(counts), np.nan)
    has = counts > 0
    low, high = start + (counts - 1) // 2, start + counts // 2
    medians[has] = (ordered[low[has]] + ordered[high[has]]) / 2
    return medians
