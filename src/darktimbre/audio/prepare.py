"""From a file to what a corpus stores of it, in one call that can be sent to another process."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from darktimbre.audio.files import UnreadableSound, read
from darktimbre.audio.pitch import yin
from darktimbre.audio.shape import Fit, fit_length, resample, to_mono

_FULL_SCALE = 32767 / 32768  # the largest value 16 bits hold
_SILENT = 0.5 / 32768  # what 16 bits would store as nothing but zeros
_BEYOND_SECONDS = 0.1  # read beyond the length kept, so that the resampler's filter does not see an end that is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The one shape all sounds of a corpus are brought into."""

    sample_rate: int  # in Hz
    samples: int  # length
    fade: int = 0  # samples of the fade-out of sounds that have to be cut
    estimate_pitch: bool = False  # whether to measure the fundamental frequency as well


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A sound in its corpus's shape."""

    samples: NDArray[np.float32]  # (sample,) float32 within [-1, 1)
    seconds: float  # length of the whole file
    fit: Fit  # what was done to its length
    lowered: bool = False  # whether it exceeded full scale and was made quieter
    f0: float = float("nan")  # measured fundamental frequency in Hz; NaN when none was found or requested
    confidence: float = 0.0  # of `f0`, in [0, 1]


def prepare(source: str | Path | bytes, shape: Shape) -> Prepared:
    """Reads a file (or the content of one), mixes it to mono, resamples it and fits its length.

    Raises:
        UnreadableSound: nothing usable is in it (see `files.read`), it is silent, or too short for a single sample.
    """
    sound = read(source, shape.samples / shape.sample_rate + _BEYOND_SECONDS)
    mono = to_mono(sound.samples)
    if not np.isfinite(mono).all():
        raise UnreadableSound("its levels are beyond what can be mixed to mono")
    peak = float(np.abs(mono).max())
    if peak > 1.0:  # float files may be louder than full scale; before the filter, so that it never meets absurd values
        mono = mono / np.float32(peak)
    samples = resample(mono, sound.rate, shape.sample_rate)
    if not len(samples):
        raise UnreadableSound(
            f"shorter than one sample at {shape.sample_rate} Hz ({len(mono)} frames at {sound.rate} Hz)"
        )
    fitted, fit = fit_length(samples, shape.samples, shape.fade)
    if np.abs(fitted).max() < _SILENT:
        raise UnreadableSound(
            f"silent: there is no sound in its first {shape.samples / shape.sample_rate:g} s, mixed to mono"
        )
    excess = max(fitted.max() / _FULL_SCALE, -fitted.min())
    if excess > 1.0:  # a filter's overshoot
        fitted = fitted / np.float32(excess)
    f0, confidence = float("nan"), 0.0
    if shape.estimate_pitch:
        found, sure = yin(fitted[None, : len(samples)], shape.sample_rate)
        f0, confidence = float(found[0]), float(sure[0])
    return Prepared(samples=fitted, seconds=sound.seconds, fit=fit, lowered=peak > 1.0, f0=f0, confidence=confidence)
