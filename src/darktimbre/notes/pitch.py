"""MIDI note number ⇄ frequency in Hz ⇄ note name (equal temperament, A4 = MIDI 69 = 440 Hz, C4 = MIDI 60)."""

import math
import re
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Midi = TypeVar("Midi", int, "NDArray[np.int64]")

SEMITONES = 12  # of an octave

_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_STEP = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11, "H": 11}
_SIGNS = {"": 0, "#": 1, "♯": 1, "s": 1, "is": 1, "sharp": 1, "b": -1, "♭": -1, "es": -1, "flat": -1}
_SIGN = "|".join(filter(None, _SIGNS))
NAME = rf"[A-Ha-h](?:{_SIGN})?-?\d"
"""Regular expression of what `parse_note_name` reads."""
_NAME = re.compile(rf"([A-Ha-h])({_SIGN})?(-?\d)")


def midi_to_hz(midi: float) -> float:
    """Frequency in Hz of a MIDI note number (fractions allowed)."""
    return 440.0 * 2.0 ** ((midi - 69.0) / 12.0)


def hz_to_midi(hz: float) -> float:
    """MIDI note number, with its fraction, of a frequency in Hz. Raises ValueError: `hz` is not positive."""
    if hz <= 0:
        raise ValueError(f"A frequency must be positive, not {hz} Hz.")
    return 69.0 + 12.0 * math.log2(hz / 440.0)


def note_name(midi: int) -> str:
    """Scientific name of a MIDI note: 60 → "C4", 61 → "C#4"."""
    return f"{_NAMES[midi % 12]}{midi // 12 - 1}"


def octave_of(midi: Midi) -> Midi:
    """Octave of a MIDI note, or of several, in scientific notation: 60 → 4, since it is C4."""
    return midi // SEMITONES - 1


def parse_note_name(text: str, german: bool = False, shift: int = 0) -> int:
    """MIDI number of a scientific note name: "C#4", "C♯4", "Db4", "Cs4" and "Cis4" → 61; "H3" → 59, German for B3.

    Args:
        text: the name.
        german: B is B flat, as it is among names that use H, and "As" is A flat.
        shift: semitones to add: 12 where names count C3 as MIDI 60.

    Raises:
        ValueError: `text` is not a note name, or lies outside MIDI's 0–127.
    """
    match = _NAME.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a note name such as C4, F#3 or Eb2.")
    letter, sign, octave = match[1].upper(), match[2] or "", int(match[3])
    sharp = _SIGNS[sign]
    if sign == "s" and (letter == "E" or (german and letter == "A")):  # German "Es" and "As" are flats
        sharp = -1
    if german and letter == "B" and not sign:
        sharp = -1
    midi = SEMITONES * (octave + 1) + _STEP[letter] + sharp + shift
    if not 0 <= midi <= 127:
        raise ValueError(f"{text!r} lies outside MIDI's range {note_name(-shift)} to {note_name(127 - shift)}.")
    return midi
