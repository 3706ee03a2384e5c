"""What of a note's partials a copy keeps: how far they stand out of their surroundings, and how they are modulated.

Both compare two spectrograms of levels in dB on one frequency axis, linear or mel: a note and its reconstruction. A
latent of few numbers loses fine structure first: partials flatten towards their surroundings, vibrato and tremolo
vanish.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

HARMONICS = 16  # of a note that are looked at
LOUD = 40.0  # dB below a note's loudest frame: quieter frames do not count
LEAST = 6.0  # dB: what stands out less is no partial
AUDIBLE = 50.0  # dB below the loudest partial: quieter ones do not count
SLOW, FAST = 4.0, 12.0  # Hz, ends of the modulation that is vibrato and tremolo
BENT = 3.0  # cents: deviations of frequency below are what a spectrogram of a steady tone has itself


class Partials(NamedTuple):
    """Partials of some notes over time; NaN where a partial or a frame does not count.

    Attributes:
        level: `(note, harmonic, frame)` dB of the highest band within a quarter of the fundamental around k·f0.
        height: `(note, harmonic, frame)` dB by which that exceeds the surroundings: the highest band half way to the
            neighbouring harmonics, of as wide a range, so that noise has a height of 0 and not that of its maxima.
        cents: `(note, harmonic, frame)` where the partial is, beside k·f0: the centre of gravity of the power around.
    """

    level: Floats
    height: Floats
    cents: Floats


def partials(levels: ArrayLike, centres: ArrayLike, f0: ArrayLike, *, harmonics: int = HARMONICS) -> Partials:
    """Reads the partials out of spectrograms.

    Args:
        levels: `(note, frequency, frame)` in dB.
        centres: `(frequency,)` Hz of the bands, ascending.
        f0: `(note,)` Hz; NaN for notes without pitch, which have no partials.
        harmonics: how many, from the fundamental up; those that bands do not resolve are left out.

    Raises:
        ValueError: shapes do not go together.
    """
    spectrograms, hertz, base = (np.asarray(one, np.float64) for one in (levels, centres, f0))
    if spectrograms.ndim != 3 or hertz.shape != spectrograms.shape[1:2] or base.shape != spectrograms.shape[:1]:
        raise ValueError(
            f"spectrograms {spectrograms.shape}, bands {hertz.shape} and notes {base.shape} do not go together"
        )
    shape = (len(spectrograms), harmonics, spectrograms.shape[2])
    level, height, cents = (np.full(shape, np.nan) for _ in range(3))
    for note in np.flatnonzero(base > 0):
        for number in range(1, harmonics + 1):
            middle, reach = number * base[note], base[note] / 4
            if middle + base[note] > hertz[-1]:
                break
            peak = np.abs(hertz - middle) <= reach
            apart = np.abs(np.abs(hertz - middle) - base[note] / 2) <= base[note] / 8
            low, high = apart & (hertz < middle), apart & (hertz > middle)
            if not (peak.any() and high.any() and (low.any() or number == 1)):
                continue  # bands are wider than half a fundamental: no surroundings to stand out of
            here = spectrograms[note, peak]
            place = (note, number - 1)
            level[place] = here.max(axis=0)
            height[place] = level[place] - spectrograms[note, apart].max(axis=0)
            power = 10 ** ((here - here.max(axis=0)) / 10)
            gravity = (power * hertz[peak, None]).sum(axis=0) / power.sum(axis=0)
            cents[place] = 1200 * np.log2(gravity / middle)
    return Partials(level, height, cents)


def loud_frames(levels: ArrayLike, below: float = LOUD) -> NDArray[np.bool_]:
    """Which frames `(note, frame)` of levels in dB `(note, frequency, frame)` have a band within `below` dB of the
    note's loudest one."""
    loudest = np.asarray(levels, np.float64).max(axis=1)
    return np.asarray(loudest >= loudest.max(axis=1, keepdims=True) - below)


def partials_kept(original: Partials, copy: Partials, loud: NDArray[np.bool_]) -> Floats:
    """Share of the partials' height that a copy keeps: `(note,)` in [0, 1], NaN without partials.

    Σ_k min(max(h'_k, 0), h_k) / Σ_k h_k, where h_k is the mean height of the original's k-th partial over its loud
    frames `(note, frame)`. A partial that stands out more than the original's does not make up for another that is
    lost. Counted are the original's partials of `LEAST` dB and more, within `AUDIBLE` of its loudest.
    """
    wanted, found = (_mean_over(one.height, loud) for one in (original, copy))
    level = _mean_over(original.level, loud)
    with np.errstate(invalid="ignore"):
        counts = (wanted >= LEAST) & (level >= np.nanmax(_filled(level), axis=1, keepdims=True) - AUDIBLE)
    return _share(wanted, found, counts)


def unevenness(found: Partials, loud: NDArray[np.bool_]) -> Floats:
    """How far levels of neighbouring partials differ: `(note,)` dB, NaN with fewer than three partials.

    mean_k |L_k − (L_{k−1} + L_k + L_{k+1}) / 3|, L_k the mean level of the k-th partial over the loud frames `(note,
    frame)` (the irregularity of Krimphoff, McAdams & Winsberg 1994, as a mean). 0 where levels fall evenly; formants
    and reeds make real notes uneven. Counted are k whose three partials are within `AUDIBLE` of the loudest.
    """
    level = _mean_over(found.level, loud)
    with np.errstate(invalid="ignore"):
        audible = level >= _filled(level).max(axis=1, keepdims=True) - AUDIBLE
    bend = np.abs(level[:, 1:-1] - (level[:, :-2] + level[:, 1:-1] + level[:, 2:]) / 3)
    counts = audible[:, :-2] & audible[:, 1:-1] & audible[:, 2:] & np.isfinite(bend)
    return np.asarray(
        np.where(counts, bend, 0.0).sum(axis=1) / np.where(counts.any(axis=1), counts.sum(axis=1), np.nan)
    )


class ModulationKept(NamedTuple):
    """Of each note `(note,)`, in [0, 1], NaN where the original has none to keep.

    Attributes:
        amplitude: of the partials' levels.
        frequency: of the partials' frequencies.
        depth: dB, root mean square of the original's levels between 4 and 12 Hz.
        bend: cents, the same of its frequencies.
        ratio: depth of the copy's levels over that of the original's; above 1 where the copy is modulated more.
    """

    amplitude: Floats
    frequency: Floats
    depth: Floats
    bend: Floats
    ratio: Floats


def modulation_kept(
    original: Partials, copy: Partials, loud: NDArray[np.bool_], *, frame_rate: float, least_db: float = 0.5
) -> ModulationKept:
    """Share of the depth of the 4 to 12 Hz modulation (vibrato, tremolo) of partials that a copy keeps.

    Depth is the root mean square within that band of the envelope of a partial, its straight line taken off (a decay in
    dB is no modulation). The share is Σ_k min(m'_k, m_k) / Σ_k m_k over the partials that count for `partials_kept`:
    the depth alone, for a latent of few numbers cannot hold the phase of a vibrato. Noise has depth at all frequencies,
    and a copy that is nothing but noise keeps all: `ratio`, and `frame_depth` of both, stand beside it.

    Args:
        original, copy: as `partials` reads them.
        loud: `(note, frame)`; the longest run of loud frames is looked at, half a second of it at least.
        frame_rate: frames a second.
        least_db: mean depth of a note's partials from which on it counts as modulated (in cents, `BENT`).
    """
    notes = len(loud)
    found = np.full((5, notes), np.nan)
    shortest = int(np.ceil(2 * frame_rate / SLOW))
    heights, level = _mean_over(original.height, loud), _mean_over(original.level, loud)
    for note in range(notes):
        first, stop = _longest(loud[note])
        if stop - first < shortest or np.isnan(level[note]).all():
            continue
        counts = (heights[note] >= LEAST) & (level[note] >= np.nanmax(level[note]) - AUDIBLE)
        counts &= np.isfinite(heights[note])
        if not counts.any():
            continue
        for place, (key, least) in enumerate((("level", least_db), ("cents", BENT))):
            wanted, kept = (
                band_depth(getattr(one, key)[note, counts, first:stop], frame_rate) for one in (original, copy)
            )
            found[2 + place, note] = wanted.mean()
            if wanted.mean() >= least and place == 0:
                found[4, note] = kept.sum() / wanted.sum()
            if wanted.mean() >= least:
                found[place, note] = np.minimum(wanted, kept).sum() / wanted.sum()
    return ModulationKept(*found)


def frame_depth(levels: ArrayLike, loud: NDArray[np.bool_], *, frame_rate: float) -> Floats:
    """Depth of the 4 to 12 Hz modulation of a whole note's level: `(note,)` dB, NaN where it is too short.

    The level of a frame is that of the sum of its bands' powers. A noise floor that fluctuates in all bands at once is
    audible here, where bands that fluctuate independently even out.

    Args:
        levels: `(note, frequency, frame)` in dB.
        loud: `(note, frame)`; the longest run of loud frames is looked at, half a second of it at least.
        frame_rate: frames a second.
    """
    table = np.asarray(levels, np.float64)
    peak = table.max(axis=1, keepdims=True)
    whole = peak[:, 0] + 10 * np.log10((10 ** ((table - peak) / 10)).sum(axis=1))
    found = np.full(len(table), np.nan)
    for note in range(len(table)):
        first, stop = _longest(loud[note])
        if stop - first >= np.ceil(2 * frame_rate / SLOW):
            found[note] = band_depth(whole[note, first:stop], frame_rate)
    return found


def band_depth(envelopes: ArrayLike, frame_rate: float, low: float = SLOW, high: float = FAST) -> Floats:
    """Root mean square of envelopes `(…, frame)` between two modulation frequencies in Hz, straight line taken off.

    A sine of amplitude a within the band has a/√2. By a Hann window and Parseval's equation. (The window of a
    spectrogram has smoothed the envelope before: 128 ms leave 0.67 of 6 Hz, and little above 10 Hz.)
    """
    from scipy.signal import detrend

    flat = detrend(np.asarray(envelopes, np.float64), axis=-1)
    frames = flat.shape[-1]
    window = np.hanning(frames + 2)[1:-1]
    power = np.square(np.abs(np.fft.rfft(flat * window, axis=-1)))
    hertz = np.fft.rfftfreq(frames, 1 / frame_rate)
    spread = 1.5 * frame_rate / frames  # half the width of the window's main lobe, so that an end keeps its sine
    band = (hertz >= low - spread) & (hertz <= high + spread)
    return np.asarray(np.sqrt(2 * power[..., band].sum(axis=-1) / (frames * np.square(window).sum())))


def _longest(loud: NDArray[np.bool_]) -> tuple[int, int]:
    """(first, stop) of the longest run of loud frames."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], loud.astype(np.int8), [0]])))
    starts, stops = edges[::2], edges[1::2]
    if not len(starts):
        return 0, 0
    place = int((stops - starts).argmax())
    return int(starts[place]), int(stops[place])


def _mean_over(values: Floats, loud: NDArray[np.bool_]) -> Floats:
    """Mean over the loud frames: `(note, harmonic, frame)` → `(note, harmonic)`."""
    weight = loud[:, None, :].astype(np.float64)
    return np.asarray((np.where(loud[:, None, :], values, 0.0)).sum(axis=2) / weight.sum(axis=2).clip(min=1))


def _filled(level: Floats) -> Floats:
    return np.where(np.isnan(level).all(axis=1, keepdims=True), -np.inf, level)


def _share(wanted: Floats, found: Floats, counts: NDArray[np.bool_]) -> Floats:
    kept = np.where(counts, np.minimum(np.nan_to_num(found).clip(min=0), np.nan_to_num(wanted)), 0.0).sum(axis=1)
    total = np.where(counts, np.nan_to_num(wanted), 0.0).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(kept / np.where(total > 0, total, np.nan))
