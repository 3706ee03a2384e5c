"""A finished note → where a sampler may loop it, if it may at all: synthesizer → (loops) → sampler.

A loop is taken only where the note holds its level, for a struck bar that rings for ever at half its strength is no
longer that bar; where the waveform around the loop's end resembles that around its start; and where, joined by a
crossfade, it sounds no rougher and no less steady than the note itself does.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

MATCH = 0.5  # least normalised cross-correlation of what surrounds start and end
DRIFT = 1.0  # dB, most that the level differs between start and end
SLOPE = 8.0  # dB/s, most that the level falls or rises over the note's middle
SHORTEST, LONGEST = 0.15, 0.6  # s; a shorter loop would be little but its crossfade
FADE = 0.05  # s over which the loop's end turns into what precedes its start, and back
WINDOW = 2 * FADE  # s compared, centred on start and end: what the crossfade mixes
MIDDLE = (0.2, 0.92)  # of the note: after its attack, before its end fades
ROUGHER = 1.5  # most that the spectrum moves in the loop, against the 90th percentile of how it moves in the note
STEADY, SMOOTH = 1.0, 1.0  # dB of level and of spectrum below which no loop is refused for being less steady or smooth
_ENDS = 24  # places tried for the loop's end
_BLOCK = 0.05  # s of sound whose level is one point of the slope
_TURNS = 6  # of the loop are compared with the note
_FRAME, _FRAME_STEP = 0.046, 0.02  # s of sound in a spectrum, and from one to the next


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop that was found."""

    start: int  # first sample of the loop
    end: int  # last sample of the loop, played before it jumps back to `start`
    match: float  # normalised cross-correlation of the sound around both places before the crossfade, up to 1
    drift: float  # dB by which it is louder at the end than at the start

    @property
    def length(self) -> int:
        """Samples of one turn."""
        return self.end - self.start + 1


def find_loop(wave: NDArray[np.floating], rate: int, hz: float | None = None) -> Loop | None:
    """The best loop of a note, or None where there is none that meets the bounds above.

    The longest of nearly equally good loops is taken, since what changes slowly in a sound (sample,) is then kept.
    Where the fundamental `hz` is known, the loop is a whole number of its periods, to the nearest sample.
    """
    sound = np.asarray(wave, np.float64)
    first, last = (round(share * len(sound)) for share in MIDDLE)
    half = round(WINDOW * rate / 2)
    fade = round(FADE * rate)
    margin = max(half, fade)
    shortest, longest = round(SHORTEST * rate), round(LONGEST * rate)
    if last - first < shortest + 2 * margin or abs(slope(sound[first:last], rate)) > SLOPE:
        return None
    best: tuple[float, Loop] | None = None
    lowest_end = first + margin + shortest
    for end in np.linspace(lowest_end, last - margin, _ENDS).astype(int):
        loop = _best_start(sound, int(end), max(first + margin, int(end) - longest), shortest, half, rate, hz)
        if loop is not None:
            value = loop.match - 0.01 * abs(loop.drift) + 0.01 * loop.length / longest
            best = max(best or (value, loop), (value, loop), key=lambda item: item[0])
    if best is None or not sounds_like(sound, best[1], rate):
        return None
    return best[1]


def sounds_like(sound: NDArray[np.float64], loop: Loop, rate: int) -> bool:
    """Whether the loop, joined and played several times over, is about as smooth and as steady as the note's middle."""
    first, last = (round(share * len(sound)) for share in MIDDLE)
    middle = sound[first:last]
    turn = bake(sound.astype(np.float32), loop, rate)[loop.start : loop.end + 1].astype(np.float64)
    looped = np.tile(turn, _TURNS)
    smooth = motion(looped, rate).max() <= max(SMOOTH, ROUGHER * float(np.percentile(motion(middle, rate), 90)))
    return bool(smooth and np.ptp(levels(looped, rate)) <= max(STEADY, float(np.ptp(levels(middle, rate)))))


def motion(sound: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    """dB by which the spectrum moves from frame to frame (frame,): root mean square over all bins within 60 dB."""
    size = round(_FRAME * rate)
    frames = np.lib.stride_tricks.sliding_window_view(sound, size)[:: round(_FRAME_STEP * rate)] * np.hanning(size)
    magnitude = np.abs(np.fft.rfft(frames, axis=1))
    decibel = 20 * np.log10(np.maximum(magnitude, 1e-3 * magnitude.max() + 1e-12))
    return np.asarray(np.sqrt((np.diff(decibel, axis=0) ** 2).mean(axis=1)))


def levels(sound: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    """Level of each block in dB (block,)."""
    block = max(1, round(_BLOCK * rate))
    blocks = np.asarray(sound, np.float64)[: len(sound) // block * block].reshape(-1, block)
    return np.asarray(10 * np.log10(np.maximum((blocks**2).mean(axis=1), 1e-12)))


def _best_start(
    sound: NDArray[np.float64], after: int, lowest: int, shortest: int, half: int, rate: int, hz: float | None
) -> Loop | None:
    """The best loop whose last sample is the one before `after`, with its start not before `lowest`."""
    highest = after - shortest
    if highest < lowest:
        return None
    template = sound[after - half : after + half]
    region = sound[lowest - half : highest + half]
    energy = float(template @ template)
    sums = np.concatenate([[0.0], np.cumsum(region**2)])
    energies = sums[2 * half :] - sums[: -2 * half]  # of the region's windows; one for each start
    if energy <= 1e-12 or energies.max() <= 1e-12:
        return None
    products = fftconvolve(region, template[::-1], mode="valid")
    match = products / np.sqrt(np.maximum(energies, 1e-9 * energies.max()) * energy)
    drift = 10 * np.log10(energy / np.maximum(energies, 1e-12))
    lengths = after - (lowest + np.arange(len(match)))
    good = (match >= MATCH) & (np.abs(drift) <= DRIFT)
    if hz is not None:
        periods = lengths * (hz / rate)
        # A sample to either side: the sound is not in tune to the cent, and a rounded period is off by half of one.
        good &= np.abs(periods - np.rint(periods)) <= max(1.0, 0.004 * rate / hz) * hz / rate
    if not good.any():
        return None
    value = np.where(good, match - 0.01 * np.abs(drift) + 0.01 * lengths / (LONGEST * rate), -np.inf)
    at = int(np.argmax(value))
    return Loop(lowest + at, after - 1, float(match[at]), float(drift[at]))


def slope(sound: NDArray[np.floating], rate: int) -> float:
    """dB a second by which a sound rises: the straight line through the levels of its blocks."""
    level = levels(np.asarray(sound, np.float64), rate)
    if len(level) < 2:
        return 0.0
    return float(np.polyfit(np.arange(len(level)) * _BLOCK, level, 1)[0])


def bake(wave: NDArray[np.float32], loop: Loop, rate: int) -> NDArray[np.float32]:
    """The note with a crossfade at the loop's end: its last samples turn into those before the loop's start.

    After the loop's end it turns back over the same time, so that samplers that do not loop play on without a step, and
    interpolation across the end meets what follows the start. Gains keep the power of two sounds of correlation ρ:
    t and 1 - t, over √(t² + (1 - t)² + 2t(1 - t)ρ) (Fink, Holters & Zölzer 2016, signal-matched
    power-complementary crossfading).
    """
    fade = round(FADE * rate)
    fade = min(fade, loop.start, len(wave) - 1 - loop.end)
    offsets = np.arange(-fade, fade)
    t = 0.5 + 0.5 * np.cos(np.pi * offsets / fade) if fade else np.zeros(0)
    gain = 1.0 / np.sqrt(t**2 + (1 - t) ** 2 + 2 * t * (1 - t) * min(max(loop.match, 0.0), 1.0))
    after = loop.end + 1
    here, there = wave[after - fade : after + fade], wave[loop.start - fade : loop.start + fade]
    baked = np.array(wave, np.float32)
    baked[after - fade : after + fade] = gain * ((1 - t) * here + t * there)
    return baked
