"""Where sounds begin in a recording: the end of leading silence, and the onsets of single notes. A file is read in
blocks, so that an hour of it needs little memory.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from darktimbre.audio.files import Source, blocks
from darktimbre.audio.loudness import SILENT
from darktimbre.audio.shape import to_mono

_FRAME = 0.01  # s
_BLOCK = 1000  # frames
_BEFORE = 0.015  # s kept before an onset: attacks begin before they are loud
_LEADING_DB = 45.0  # below the loudest frame; what is quieter is the silence before a sound
_LOOKED_THROUGH = 600.0  # s in which a first sound is looked for
_SHORTEST = 0.08  # s between two onsets
_ATTACK = 3  # frames from the beginning of an attack to the greatest rise
_QUIET_DB = 40.0  # below the loudest frame; notes quieter than this are noises
_ENDED_DB = 60.0  # below the loudest frame; from here to the next onset nothing sounds
_BANDS = 40
_RISE_DB = 4.0  # mean rise of the bands at an onset, above what is usual around it
_AROUND = 20  # frames to both sides that say what is usual
_FLOOR_DB = 80.0  # below the loudest band; what is quieter counts as this


class Span(NamedTuple):
    """A note in a recording, in seconds."""

    start: float
    stop: float


def first_sound(source: Source) -> float | None:
    """Seconds of silence before the sound, 0 where it begins at once; None where there is none in ten minutes.

    Silence is what lies 45 dB below the loudest 10 ms. Raises UnreadableSound, as `files.read`.
    """
    levels, step = [], _FRAME
    for frames, rate in _frames(source, _LOOKED_THROUGH):
        levels.append(_levels(frames))
        step = frames.shape[1] / rate
    level = np.concatenate(levels) if levels else np.zeros(0)
    if not level.size or level.max() < SILENT:
        return None
    begin = int(np.argmax(level >= level.max() * 10 ** (-_LEADING_DB / 20)))
    return 0.0 if begin <= 1 else round(begin * step - _BEFORE, 4)


def notes(source: Source) -> list[Span]:
    """The notes of a recording, each from its onset to the next or to where it has died away.

    An onset is where the spectrum rises (spectral flux): the mean over 40 bands of the rise in dB within 20 ms exceeds
    its mean over the 0.4 s around. A band is compared with itself and its neighbours before, which passes over vibrato
    (Böck & Widmer, Maximum Filter Vibrato Suppression for Onset Detection, DAFx 2013). Raises UnreadableSound, as
    `files.read`.
    """
    levels, spectra, step = [], [], _FRAME
    before = np.zeros((0, 0), np.float32)
    for frames, rate in _frames(source):
        step = frames.shape[1] / rate
        levels.append(_levels(frames))
        if not before.size:
            before = np.full((3, frames.shape[1]), frames[0, 0])
        spectra.append(_bands(frames, before, rate))
        before = np.concatenate([before, frames])[-3:]
    if not levels:
        return []
    level, bands = np.concatenate(levels), np.concatenate(spectra)
    loudest = float(level.max())
    if loudest < SILENT:
        return []
    rise = _rise(bands)
    around = np.convolve(np.pad(rise, _AROUND, mode="edge"), np.ones(2 * _AROUND + 1) / (2 * _AROUND + 1), "valid")
    wait = round(_SHORTEST / _FRAME)
    loud = np.array([level[at : at + 10].max() for at in range(len(level))]) >= loudest * 10 ** (-_QUIET_DB / 20)
    onsets: list[int] = []
    for at in np.flatnonzero((rise > around + _RISE_DB) & loud).tolist():
        if rise[at] < rise[max(at - wait, 0) : at + wait + 1].max() or (onsets and at - onsets[-1] < wait):
            continue
        onsets.append(at)
    sounding = level >= loudest * 10 ** (-_ENDED_DB / 20)
    spans = []
    for at, following in zip(onsets, [*onsets[1:], len(level)], strict=True):
        loud_at = np.flatnonzero(sounding[at:following])
        stop = at + int(loud_at[-1]) + 1 if loud_at.size else following
        start = max((at - _ATTACK) * step, 0.0)
        end = (following - _ATTACK if following < len(level) and stop > following - _ATTACK else stop) * step
        spans.append(Span(round(start, 4), round(end, 4)))
    return [span for span in spans if span.stop - span.start >= _SHORTEST / 2]  # a click is no note


def _frames(source: Source, longest: float = np.inf) -> Iterator[tuple[NDArray[np.float32], int]]:
    """(frame, sample) of the mono mix, each about 10 ms, and the rate; the last is filled up with its last value."""
    done = 0.0
    for block, rate in blocks(source, _FRAME, _BLOCK):
        mono = np.nan_to_num(to_mono(block).wave, posinf=0.0, neginf=0.0)
        size = max(round(_FRAME * rate), 1)
        yield np.pad(mono, (0, -len(mono) % size), mode="edge").reshape(-1, size), rate
        done += _BLOCK * _FRAME
        if done >= longest:
            return


def _levels(frames: NDArray[np.float32]) -> NDArray[np.float64]:
    """Half the distance of the extremes of each frame, which no constant offset changes."""
    return np.asarray(np.ptp(frames, axis=1) / 2, dtype=np.float64)


def _bands(frames: NDArray[np.float32], before: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """(frame, band) largest magnitudes in bands of equal width in octaves, 60 Hz to 10 kHz, of windows of 40 ms.

    A window ends with its frame; `before` are the three frames before the first.
    """
    size = frames.shape[1]
    wave = np.concatenate([before.ravel(), frames.ravel()])
    windows = np.lib.stride_tricks.sliding_window_view(wave, 4 * size)[::size]
    spectrum = np.abs(np.fft.rfft(windows * np.hanning(4 * size), axis=1)).astype(np.float32)
    top = min(10_000.0, 0.45 * rate)
    edges = np.geomspace(60.0, top, _BANDS + 1) * 4 * size / rate
    starts = np.unique(np.clip(edges[:-1].round().astype(int), 1, spectrum.shape[1] - 1))
    return np.maximum.reduceat(spectrum, starts, axis=1)


def _rise(bands: NDArray[np.float32]) -> NDArray[np.float64]:
    """(frame,) mean rise in dB of the bands within two frames."""
    floor = bands.max() * 10 ** (-_FLOOR_DB / 20)
    decibels = 20 * np.log10(np.maximum(bands, floor))
    before = np.pad(decibels, ((2, 0), (0, 0)), constant_values=20 * np.log10(floor))[:-2]
    widened = np.maximum(before, np.maximum(np.roll(before, 1, axis=1), np.roll(before, -1, axis=1)))
    return np.asarray(np.maximum(decibels - widened, 0.0).mean(axis=1), dtype=np.float64)
