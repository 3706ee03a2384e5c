"""The keys of an instrument: which pitch the network renders for each, and how far the sound is then re-pitched.

Page, API, MIDI player and export all go by this one mapping.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from darktimbre.audio.shape import resample
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.patch import Patch

if TYPE_CHECKING:
    from darktimbre.synthesizer.synthesizer import Synthesizer

LOWEST, HIGHEST = 21, 108  # MIDI numbers of a piano's keys
BEYOND = 18  # semitones of the keyboard to either side of the trained range
UNPITCHED = 60  # the key on which an instrument without pitch sounds as it was trained


@dataclass(frozen=True, slots=True)
class Key:
    """One key.

    Attributes:
        midi: its number.
        source: pitch the network renders for it; None where the instrument has no pitch.
        semitones: by how much the rendered sound is re-pitched; 0 inside the trained range.
    """

    midi: int
    source: float | None
    semitones: float

    @property
    def speed(self) -> float:
        """How many times as fast the rendered sound runs, 2^(semitones / 12)."""
        return float(2.0 ** (self.semitones / 12.0))


def key_for(instrument: "Synthesizer", midi: int) -> Key:
    """The key of a MIDI number: from the network itself where it can, else from the nearest pitch it was trained on."""
    pitches = instrument.attributes.pitches
    if not pitches:
        return Key(midi, None, float(midi - UNPITCHED))
    if instrument.controls.between and min(pitches) <= midi <= max(pitches):
        return Key(midi, float(midi), 0.0)
    source = instrument.attributes.nearest_pitch(midi)
    return Key(midi, float(source), float(midi - source))


def keyboard(instrument: "Synthesizer", low: int | None = None, high: int | None = None) -> tuple[Key, ...]:
    """All keys from `low` to `high`.

    Left out: the trained range and an octave and a half to either side, as far as a piano reaches.

    Raises:
        UserError: `low` lies above `high`, or either outside MIDI's 0 to 127.
    """
    pitches = instrument.attributes.pitches or (UNPITCHED,)
    first = min(min(pitches), max(LOWEST, min(pitches) - BEYOND)) if low is None else low
    last = max(max(pitches), min(HIGHEST, max(pitches) + BEYOND)) if high is None else high
    if not 0 <= first <= last <= 127:
        raise UserError(f"A keyboard goes up within MIDI 0 to 127, not from {first} to {last}.")
    return tuple(key_for(instrument, midi) for midi in range(first, last + 1))


def sources(instrument: "Synthesizer") -> tuple[float | None, ...]:
    """Every pitch that the network renders for some key, rising; a single None without pitch."""
    pitches = instrument.attributes.pitches
    if not pitches:
        return (None,)
    if instrument.controls.between:
        return tuple(float(midi) for midi in range(min(pitches), max(pitches) + 1))
    return tuple(float(midi) for midi in sorted(pitches))


def nearest_first(rendered: Iterable[float | None], near: float | None) -> list[float | None]:
    """Sources in the order in which someone playing around `near` wants them; of two equally near, the lower."""
    centre = UNPITCHED if near is None else near
    return sorted(rendered, key=lambda source: (0.0, 0.0) if source is None else (abs(source - centre), source))


def render_sources(instrument: "Synthesizer", patch: Patch, wanted: Sequence[float | None]) -> NDArray[np.float32]:
    """(note, sample) of a patch on some pitches of `sources`, at the instrument's rate.

    Raises:
        UserError: an attribute the instrument has not, a pitch out of its range, or a latent or level of another
            instrument.
    """
    conditions = [patch.condition(instrument, source) for source in wanted]
    latent = np.tile(patch.latent_on(instrument), (len(wanted), 1))
    return instrument.waves(np.stack(conditions), latent, level_db=patch.level_db)


def repitch(wave: NDArray[np.float32], key: Key, sample_rate: float, rate: float | None = None) -> NDArray[np.float32]:
    """A rendered source (sample,) as its key sounds, as a sampler would play it: shorter above, longer below.

    Args:
        wave: at `sample_rate`.
        key: re-pitches it.
        sample_rate: samples a second of `wave`.
        rate: samples a second wanted; `sample_rate` if left out.
    """
    return resample(wave, sample_rate * key.speed, sample_rate if rate is None else rate)


def render_key(instrument: "Synthesizer", patch: Patch, midi: int, rate: float | None = None) -> NDArray[np.float32]:
    """(sample,) the note of a key, at the instrument's rate or a given one: what page and exports must equal.

    Raises:
        UserError: an attribute the instrument has not.
    """
    key = key_for(instrument, midi)
    return repitch(render_sources(instrument, patch, [key.source])[0], key, instrument.sample_rate, rate)
