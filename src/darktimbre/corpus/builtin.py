"""A small orchestra in numpy → corpus: for machines without FluidSynth, and for tests that need notes at once."""

import hashlib
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.plan import plan
from darktimbre.corpus.writer import CorpusWriter, Writing
from darktimbre.notes.errors import UserError
from darktimbre.notes.note import Note
from darktimbre.notes.pitch import midi_to_hz

Array = NDArray[np.float64]

_FADE_SECONDS = 0.01
VELOCITIES = (40, 65, 90, 105, 120)


@dataclass(frozen=True, slots=True)
class Strike:
    """One note to be played: fundamental in Hz, force 0–1, times in seconds (sample,), rate in Hz, its own noise."""

    hz: float
    force: float
    time: Array
    rate: int
    noise: np.random.Generator


def _partials(
    strike: Strike, ratios: Array, levels: Array, *, decay: Array | None = None, detune: float = 0.0
) -> Array:
    """Sum of sines below the Nyquist frequency.

    Args:
        strike: the note.
        ratios: (partial,) frequencies over the fundamental.
        levels: (partial,) amplitudes.
        decay: (partial,) seconds to fall by 60 dB; they do not fall without it.
        detune: spread in cents of random detuning.
    """
    hz = strike.hz * ratios * 2.0 ** (strike.noise.normal(0.0, 1.0, len(ratios)) * detune / 1200.0)
    phases = strike.noise.uniform(0.0, 2 * np.pi, len(ratios))
    keep = hz < 0.46 * strike.rate
    waves = np.sin(2 * np.pi * hz[keep, None] * strike.time + phases[keep, None]) * levels[keep, None]
    if decay is not None:
        waves *= 10.0 ** (-3.0 * strike.time / np.maximum(decay[keep, None], 1e-3))
    return np.asarray(waves.sum(axis=0))


def _harmonics(strike: Strike, levels: Array, *, cents: float, vibrato: tuple[float, float]) -> Array:
    """Harmonics 1, 2, 3, … below the Nyquist frequency, `cents` beside the note's pitch.

    `vibrato` is its depth in cents and its rate in Hz; it sets in during the first 0.4 s.
    """
    hz = strike.hz * 2.0 ** (cents / 1200.0)
    depth, speed = vibrato
    bend = 2.0 ** (depth / 1200.0 * np.clip(strike.time / 0.4, 0.0, 1.0) * np.sin(2 * np.pi * speed * strike.time))
    wheel = np.exp(2j * np.pi * hz * np.cumsum(bend) / strike.rate)
    phases = np.exp(2j * np.pi * strike.noise.uniform(0.0, 1.0, len(levels)))
    coefficients = (levels * phases)[: int(0.46 * strike.rate / hz)]
    sound = np.zeros(len(strike.time), dtype=np.complex128)
    for coefficient in coefficients[::-1]:  # Horner's scheme: a polynomial in the turning wheel, no sine per harmonic
        sound += coefficient
        sound *= wheel
    return np.asarray(sound.imag)


def _swell(strike: Strike, attack: float) -> Array:
    """Envelope that rises within `attack` seconds and stays."""
    return 1.0 - np.exp(-strike.time * 5.0 / attack)


def _hiss(strike: Strike, low: float, high: float) -> Array:
    """Noise between two frequencies in Hz, of unit RMS."""
    size = len(strike.time)
    spectrum = np.fft.rfft(strike.noise.normal(0.0, 1.0, size))
    hz = np.fft.rfftfreq(size, 1.0 / strike.rate)
    spectrum *= np.exp(
        -0.5 * (np.log2(np.maximum(hz, 1.0) / np.sqrt(low * high)) / max(np.log2(high / low), 0.1) * 2.0) ** 2
    )
    sound = np.fft.irfft(spectrum, size)
    return np.asarray(sound / max(float(np.sqrt(np.mean(sound**2))), 1e-9))


def plucked(*, ring: float, bright: float, place: float) -> Callable[[Strike], Array]:
    """Plucked string (Karplus & Strong 1983) with a fractional delay; `ring` s to −60 dB, plucked at `place` of it."""

    def play(strike: Strike) -> Array:
        from scipy.signal import lfilter

        period = strike.rate / strike.hz
        soft = (1.0 - bright) * 0.25
        whole = int(period - 1.0)
        part = period - 1.0 - whole
        loop = 10.0 ** (-3.0 / (ring * strike.hz)) * np.convolve([soft, 1.0 - 2.0 * soft, soft], [1.0 - part, part])
        burst = np.zeros(len(strike.time))
        burst[: whole + 1] = strike.noise.uniform(-1.0, 1.0, whole + 1)
        colour = np.exp(-2.5 * (1.0 - bright * strike.force))
        burst = lfilter([colour], [1.0, colour - 1.0], burst)
        comb = np.zeros(max(2, round(place * period)) + 1)
        comb[0], comb[-1] = 1.0, -1.0
        # The loop's filter is as long as a period, so the whole string is one recursive filter.
        return np.asarray(lfilter(comb, np.concatenate([[1.0], np.zeros(whole - 1), -loop]), burst))

    return play


def struck(*, ring: float, stiffness: float = 0.0, tilt: float = 1.0, knock: float = 0.1) -> Callable[[Strike], Array]:
    """Stiff string under a hammer: partials n·√(1 + stiffness·n²), the high ones dying first."""

    def play(strike: Strike) -> Array:
        n = np.arange(1, 41, dtype=np.float64)
        ratios = n * np.sqrt(1.0 + stiffness * n**2) / np.sqrt(1.0 + stiffness)
        levels = n ** -(tilt + 1.2 * (1.0 - strike.force)) * np.abs(np.sin(np.pi * n / 7.3))
        decay = ring * (220.0 / strike.hz) ** 0.5 / (1.0 + 0.12 * n)
        hammer = knock * _hiss(strike, 200.0, 2500.0) * np.exp(-strike.time / 0.012)
        return _partials(strike, ratios, levels, decay=decay, detune=0.6) * _swell(strike, 0.004) + hammer

    return play


def bars(
    *, ratios: Sequence[float], levels: Sequence[float], ring: float, knock: float = 0.1
) -> Callable[[Strike], Array]:
    """Struck bar, plate or bell: few partials at the ratios of its modes."""

    def play(strike: Strike) -> Array:
        modes = np.asarray(ratios, dtype=np.float64)
        heights = np.asarray(levels, dtype=np.float64) * strike.force ** (0.8 * np.arange(len(modes)))
        decay = ring * (440.0 / strike.hz) ** 0.5 / modes**0.7
        click = knock * _hiss(strike, 800.0, 5000.0) * np.exp(-strike.time / 0.006)
        return _partials(strike, modes, heights, decay=decay) * _swell(strike, 0.002) + click

    return play


def modulated(
    *, ratio: float, index: float, ring: float, body: float, attack: float = 0.003
) -> Callable[[Strike], Array]:
    """Frequency modulation (Chowning 1973), modulator at `ratio`; `index` falls in `ring` s, the tone in `body` s."""

    def play(strike: Strike) -> Array:
        time, hz = strike.time, strike.hz
        # Side bands reach about (index + 1)·ratio above the carrier; they must stay below the Nyquist frequency.
        room = max(0.0, (0.45 * strike.rate / hz - 1.0) / ratio - 1.0)
        depth = min(index * strike.force, room) * np.exp(-time * 6.9 / ring)
        tone = np.sin(2 * np.pi * hz * time + depth * np.sin(2 * np.pi * hz * ratio * time))
        return np.asarray(tone * np.exp(-time * 6.9 / body) * _swell(strike, attack))

    return play


def sustained(
    *,
    tilt: float,
    attack: float,
    odd: float = 1.0,
    formants: Sequence[tuple[float, float]] = (),
    breath: float = 0.0,
    vibrato: tuple[float, float] = (0.0, 5.0),
    voices: int = 1,
) -> Callable[[Strike], Array]:
    """Blown, bowed or sung: harmonics that fall by `tilt`, even ones scaled by `odd`, resonances, breath noise.

    `formants` are (centre in Hz, width in Hz); `voices` sound together a few cents apart.
    """

    def play(strike: Strike) -> Array:
        n = np.arange(1, 61, dtype=np.float64)
        levels = n ** -(tilt + 0.8 * (1.0 - strike.force)) * np.where(n % 2 == 0, odd, 1.0)
        if formants:
            hz = strike.hz * n
            levels *= 0.03 + sum(np.exp(-0.5 * ((hz - centre) / width) ** 2) for centre, width in formants)
        sound = np.zeros(len(strike.time))
        for voice in range(voices):
            cents = 9.0 * (voice - (voices - 1) / 2.0)
            sound += _harmonics(strike, levels, cents=cents, vibrato=(vibrato[0], vibrato[1] * (1 + 0.07 * voice)))
        loudness = float(np.sqrt(np.mean(sound**2)))
        air = breath * loudness * _hiss(strike, strike.hz * 1.5, min(strike.hz * 12.0, 0.4 * strike.rate))
        return (sound + air * (1.0 + 2.0 * np.exp(-strike.time / 0.04))) * _swell(strike, attack)

    return play


def drawbars(levels: Sequence[float], *, click: float, tremolo: float) -> Callable[[Strike], Array]:
    """Organ of nine drawbars at the Hammond's ratios, with key click and tremolo."""

    def play(strike: Strike) -> Array:
        ratios = np.array([0.5, 1.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0])
        pulse = 1.0 + tremolo * np.sin(2 * np.pi * 6.2 * strike.time)
        start = click * _hiss(strike, 1000.0, 4000.0) * np.exp(-strike.time / 0.005)
        return _partials(strike, ratios, np.asarray(levels, dtype=np.float64)) * pulse * _swell(strike, 0.01) + start

    return play


def skin(*, drop: float, ring: float, rattle: float, low: float, high: float) -> Callable[[Strike], Array]:
    """Drum: a sine whose pitch drops by `drop` octaves onto its own, and noise between `low` and `high` Hz."""

    def play(strike: Strike) -> Array:
        hz = strike.hz * 0.5 * 2.0 ** (drop * np.exp(-strike.time / 0.03))
        tone = np.sin(2 * np.pi * np.cumsum(hz) / strike.rate) * np.exp(-strike.time * 6.9 / ring)
        noise = (
            rattle * (0.4 + 0.6 * strike.force) * _hiss(strike, low, high) * np.exp(-strike.time * 6.9 / (0.7 * ring))
        )
        return np.asarray((1.0 - rattle) * tone + noise)

    return play


@dataclass(frozen=True, slots=True)
class Instrument:
    """One member of the orchestra: what it is called, where NSynth would file it, how it sounds."""

    name: str
    family: str | None
    source: str
    play: Callable[[Strike], Array]


_SOUNDS = {one.__name__: one for one in (plucked, struck, bars, modulated, sustained, drawbars, skin)}


def _instruments() -> Iterator[Instrument]:
    text = files("darktimbre.corpus").joinpath("data/orchestra.toml").read_text(encoding="utf-8")
    for name, one in tomllib.loads(text).items():
        yield Instrument(name, one.get("family"), one["source"], _SOUNDS[one["sound"]](**one["given"]))


ORCHESTRA = tuple(_instruments())
"""The instruments; those without a family are drums, whose notes have no pitch."""


def play(instrument: Instrument, pitch: int, velocity: int, samples: int, rate: int) -> NDArray[np.float32]:
    """One note, (sample,) in [-1, 1]; the same arguments always give the same samples."""
    seed = hashlib.blake2b(f"{instrument.name}:{pitch}:{velocity}".encode(), digest_size=8).digest()
    time = np.arange(samples, dtype=np.float64) / rate
    strike = Strike(midi_to_hz(pitch), velocity / 127.0, time, rate, np.random.default_rng(int.from_bytes(seed, "big")))
    sound = instrument.play(strike)
    sound *= 0.8 * (velocity / 127.0) ** 1.3 / max(float(np.abs(sound).max()), 1e-9)
    if fade := min(samples, round(_FADE_SECONDS * rate)):
        sound[-fade:] *= np.cos(np.linspace(0.0, np.pi / 2, fade)) ** 2
    return sound.astype(np.float32)


def render_builtin(
    out: Path | str,
    *,
    pitches: Sequence[int] = tuple(range(44, 70)),
    velocities: Sequence[int] = VELOCITIES,
    seconds: float = 1.0,
    sample_rate: int = 16_000,
    limit: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    **writing: Unpack[Writing],
) -> Corpus:
    """Plays the built-in orchestra into a corpus; arguments as `soundfont.render_soundfont`.

    Raises:
        UserError: an argument is out of range, or `out` is taken.
    """
    if not (0 < seconds <= 60 and 4_000 <= sample_rate <= 96_000):
        raise UserError("The built-in orchestra plays up to 60 seconds a note at 4,000 to 96,000 Hz.")
    if wrong := [pitch for pitch in pitches if not 21 <= pitch <= 108]:
        raise UserError(f"The built-in orchestra plays MIDI 21 to 108, not {wrong[0]}.")
    if wrong := [velocity for velocity in velocities if not 1 <= velocity <= 127]:
        raise UserError(f"There is no MIDI velocity {wrong[0]}; it runs from 1 to 127.")
    samples = round(seconds * sample_rate)
    plans = plan(len(ORCHESTRA), pitches, velocities, limit)
    total = sum(map(len, plans))
    provenance = {
        "made_by": "darktimbre render --builtin", "orchestra": [instrument.name for instrument in ORCHESTRA],
        "pitches": sorted(set(pitches)), "velocities": sorted(set(velocities)), "limit": limit,
    }  # fmt: skip
    with CorpusWriter(
        out, sample_rate=sample_rate, samples=samples, licence="MIT", provenance=provenance, **writing
    ) as writer:
        for instrument, keys in zip(ORCHESTRA, plans, strict=True):
            drum = instrument.family is None
            for pitch, velocity in keys:
                note = Note(
                    id=f"builtin_{instrument.name.replace(' ', '-')}-{pitch:03d}-{velocity:03d}",
                    pitch=None if drum else pitch,
                    velocity=velocity,
                    instrument=f"builtin:{instrument.name}",
                    family=instrument.family,
                    source=instrument.source,
                    category="drums" if drum else instrument.family,
                    subcategory=instrument.name,
                    origin=f"builtin:{instrument.name}",
                    seconds=seconds,
                )
                writer.add(note, play(instrument, pitch, velocity, samples, sample_rate))
                if progress:
                    progress(len(writer), total)
    return writer.corpus
