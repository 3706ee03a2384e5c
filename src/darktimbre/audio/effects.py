"""Sounds made into other sounds of the same pitch: layers, filters, envelopes, drive; arrays (sample,) in and out."""

import math

import numpy as np
import soxr
from numpy.typing import NDArray

Wave = NDArray[np.float64]

OVERSAMPLING = 4  # of the drive: partials that it adds beyond half the rate fold back from there, and are weak
ONSET = 0.02  # share of the peak at which a sound begins


def layered(wave: Wave, other: Wave, level_db: float) -> Wave:
    """A sound and another, which is so many dB louder than the first (root mean square)."""
    energy, others = float(np.square(wave).mean()), float(np.square(other).mean())
    return wave + other * (10 ** (level_db / 20) * math.sqrt(energy / others)) if others else wave


def minimum_phase(gain: Wave) -> NDArray[np.complex128]:
    """Response (bin,) of the causal filter with these gains (bin,), all above 0, at the frequencies of a real FFT.

    Its log is the spectrum of the folded cepstrum of log(gain) (Oppenheim & Schafer, *Discrete-Time Signal Processing*,
    §13.5), so that nothing sounds before an onset.
    """
    size = 2 * (len(gain) - 1)
    cepstrum = np.fft.irfft(np.log(gain), size)
    cepstrum[1 : size // 2] *= 2
    cepstrum[size // 2 + 1 :] = 0
    return np.exp(np.fft.rfft(cepstrum))


def filtered(wave: Wave, response: NDArray[np.complex128]) -> Wave:
    """A sound through a filter of `bins_for(len(wave))` values, which ring on no longer than the sound."""
    size = 2 * (len(response) - 1)
    return np.fft.irfft(np.fft.rfft(wave, size) * response, size)[: len(wave)]


def bins_for(samples: int) -> int:
    """Bins of a real FFT in which a filter's tail does not wrap around a sound of so many samples."""
    return 2 ** math.ceil(math.log2(2 * samples)) // 2 + 1


def enveloped(wave: Wave, rate: int, *, attack: float, decay: float) -> Wave:
    """A sound that from its onset on rises as 1 − exp(−t / attack), and falls by 60 dB in `decay`; both in seconds, 0
    and infinity change nothing."""
    peak = float(np.abs(wave).max(initial=0.0))
    if not peak:
        return wave
    onset = int(np.argmax(np.abs(wave) >= ONSET * peak))
    time = np.maximum(np.arange(len(wave)) - onset, 0) / rate
    rise = -np.expm1(-time / attack) if attack else 1.0
    return np.asarray(wave * rise * 10 ** (-3 * time / decay))


def driven(wave: Wave, gain_db: float) -> Wave:
    """A sound at a peak of 1, turned up by so many dB and bent by tanh; at 0 dB hardly, partials are added above."""
    peak = float(np.abs(wave).max(initial=0.0))
    if not peak:
        return wave
    loud = soxr.resample(wave * (10 ** (gain_db / 20) / peak), 1, OVERSAMPLING, quality="HQ")
    return np.asarray(soxr.resample(np.tanh(loud), OVERSAMPLING, 1, quality="HQ")[: len(wave)])
