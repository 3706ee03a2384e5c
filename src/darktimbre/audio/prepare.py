"""From a file to what a corpus stores of it, in one call that can be sent to another process."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from darktimbre.audio import onsets
from darktimbre.audio.files import Source, UnreadableSound, read
from darktimbre.audio.loudness import LEAST, is_silent
from darktimbre.audio.pitch import yin
from darktimbre.audio.shape import Fit, fade_out, fit_length, resample, to_mono

_FULL_SCALE = 32767 / 32768  # the largest value 16 bits hold
_BEYOND_SECONDS = 0.1  # read beyond the length kept, so that the resampler's filter does not see an end that is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The one shape all sounds of a corpus are brought into."""

    sample_rate: int  # in Hz
    samples: int  # length
    fade: int = 0  # samples of the fade-out of sounds that have to be cut
    estimate_pitch: bool = False  # whether to measure the fundamental frequency as well
    trim: bool = False  # whether to cut the silence before the sound


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A sound in its corpus's shape."""

    samples: NDArray[np.float32]  # (sample,) float32 within [-1, 1)
    seconds: float  # length of the whole file
    fit: Fit  # what was done to its length
    lowered: bool = False  # whether it exceeded full scale and was made quieter
    one_channel: bool = False  # whether its channels cancel each other, so that the loudest was taken
    trimmed: float = 0.0  # seconds of silence that were cut before it
    f0: float = float("nan")  # measured fundamental frequency in Hz; NaN when none was found or requested
    confidence: float = 0.0  # of `f0`, in [0, 1]


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Part of a file: one note of a recording of several."""

    path: Path
    start: float  # s
    seconds: float
    last: bool  # whether it runs to the end of the file; else it is faded out, for another note follows


def prepare(source: Source | Excerpt, shape: Shape) -> Prepared:
    """Reads a file (or the content of one, or a part), mixes it to mono, resamples it and fits its length.

    Raises:
        UnreadableSound: nothing usable is in it (see `files.read`), it is silent, or too short for a single sample.
    """
    wanted = shape.samples / shape.sample_rate
    if isinstance(source, Excerpt):
        start, part = source.start, source.seconds
        sound = read(source.path, min(wanted + _BEYOND_SECONDS, part), start)
    else:
        start, part = onsets.first_sound(source) or 0.0 if shape.trim else 0.0, None
        sound = read(source, wanted + _BEYOND_SECONDS, start)
    mixed = to_mono(sound.samples)
    mono = mixed.wave
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
    if is_silent(mono[: max(round(wanted * sound.rate), 1)], sound.rate):
        raise UnreadableSound(_silent(source, wanted))
    if isinstance(source, Excerpt) and not source.last and len(samples) < shape.samples:
        fade = min(shape.fade, len(samples))
        samples[len(samples) - fade :] *= fade_out(fade)
    fitted, fit = fit_length(samples, shape.samples, shape.fade)
    if np.abs(fitted).max() < LEAST / 2:  # nothing but zeros in 16 bits, as where all lies above half the rate
        raise UnreadableSound(_silent(source, wanted))
    excess = max(fitted.max() / _FULL_SCALE, -fitted.min())
    if excess > 1.0:  # a filter's overshoot
        fitted = fitted / np.float32(excess)
    f0, confidence = float("nan"), 0.0
    if shape.estimate_pitch:
        found, sure = yin(fitted[None, : len(samples)], shape.sample_rate)
        f0, confidence = float(found[0]), float(sure[0])
    return Prepared(
        samples=fitted,
        seconds=sound.seconds - start if part is None else part,
        fit=fit,
        lowered=peak > 1.0,
        one_channel=mixed.one_channel,
        trimmed=start if part is None else 0.0,
        f0=f0,
        confidence=confidence,
    )


def _silent(source: Source | Excerpt, seconds: float) -> str:
    begin = None if isinstance(source, Excerpt) else onsets.first_sound(source)
    later = (
        f"; the sound begins at {begin:.3g} s, and `import folder --trim` cuts what is before"
        if begin is not None and begin > seconds / 2
        else ""
    )
    return f"silent: there is no sound in its first {seconds:g} s, mixed to mono{later}"
