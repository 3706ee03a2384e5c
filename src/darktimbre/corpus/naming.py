"""Pitch and velocity as people write them into file names; a rule that is not sure says nothing.

What counts as a pitch (C4 is MIDI 60):

    piano-060-100       MIDI note and velocity, NSynth's way
    midi60 note_60      a number after a word that says so
    Cello C#4, A4v10    a note name with its octave, standing apart or after a lower-case letter
    strings_060         three digits at the very end, 021 to 108, unless the folder shows them to be a running number

What does not: "808 kick 4", "trap clap 1", "synth c 2", "kluck - F" (no octave), "loop_100bpm", "C3 to E3" (which?).
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from darktimbre.notes.pitch import parse_note_name

LOWEST, HIGHEST = 12, 127  # C0 to G9; numbers below are counters, not pitches
_PIANO = range(21, 109)  # what bare three digits may mean

_NSYNTH = re.compile(r"[-_](?P<pitch>\d{3})[-_](?P<velocity>\d{3})$")
_WORD = re.compile(
    r"(?i)(?<![a-z])(?:midi[ _-]?(?P<midi>\d{1,3})|(?:note|pitch|key)[ _-]?(?P<other>\d{2,3}))(?![0-9a-z])"
)
_APART = re.compile(r"(?<![A-Za-z0-9#♯♭.])([A-Ga-g])([#♯b♭s]?)(\d)(?=$|[^A-Za-z0-9#♯♭]|v\d)")
_ATTACHED = re.compile(r"(?<=[a-z])([A-G])([#♯b♭]?)(\d)(?=$|[^A-Za-z0-9#♯♭]|v\d)")
_NUMBER = re.compile(r"[-_](?P<pitch>\d{3})$")
_VELOCITY = re.compile(r"(?i)(?<![a-z])vel(?:ocity)?[ _-]?(?P<velocity>\d{1,3})(?![0-9a-z])")
_LAYER = re.compile(r"(?i)(?:(?<=\d)|(?<=[ _-]))(?:v|rr)\d{1,2}(?![0-9a-z])")  # velocity layer, round robin
# Words after which a letter with a digit counts takes or parts, and words that make a number a tempo or a counter.
_COUNTED = re.compile(
    r"(?i)(?:take|version|ver|mix|part|variation|var|alt|side|track|section|fig|figure|type|dub|bar)[ _-]*$"
)
_TEMPO = re.compile(r"(?i)bpm|loop|tempo|take")
_SEPARATORS = " _-.,+()[]"


@dataclass(frozen=True, slots=True)
class Named:
    """What a file name (without folder and extension) says."""

    pitch: int | None  # MIDI number, or None
    velocity: int | None  # MIDI velocity, or None
    rest: str  # the name without pitch, velocity and layer marks; equal for the notes of one multi-sampled instrument
    bare: bool = False  # whether the pitch rests on three bare digits alone, and siblings may show it to be a counter


def read_name(stem: str) -> Named:
    """Reads one name by itself."""
    nsynth = _NSYNTH.search(stem)
    if nsynth and LOWEST <= int(nsynth["pitch"]) <= HIGHEST and 1 <= int(nsynth["velocity"]) <= 127:
        rest = stem[: nsynth.start()].strip(_SEPARATORS)
        return Named(int(nsynth["pitch"]), int(nsynth["velocity"]), rest)

    velocity = None
    loud = _VELOCITY.search(stem)
    if loud and 1 <= int(loud["velocity"]) <= 127:
        velocity = int(loud["velocity"])
        stem = _without(stem, loud)
    for reading in (_from_word, _from_note, _from_digits):
        found = reading(stem)
        if found is not None:
            pitch, match = found
            rest = _LAYER.sub(" ", _without(stem, match))
            return Named(pitch, velocity, _tidy(rest), bare=reading is _from_digits)
    return Named(None, velocity, _tidy(stem))


def read_names(stems: Iterable[str]) -> dict[str, Named]:
    """Reads the names of one folder together: bare digits that run outside a keyboard's range are counters."""
    read = {stem: read_name(stem) for stem in stems}
    numbers: dict[str, list[int]] = defaultdict(list)
    for stem in read:
        if match := _NUMBER.search(stem):
            numbers[stem[: match.start()]].append(int(match["pitch"]))
    counters = {prefix for prefix, found in numbers.items() if any(number not in _PIANO for number in found)}
    for stem, named in read.items():
        if named.bare and (match := _NUMBER.search(stem)) and stem[: match.start()] in counters:
            read[stem] = replace(named, pitch=None, rest=_tidy(stem), bare=False)
    return read


def _from_word(stem: str) -> tuple[int, re.Match[str]] | None:
    match = _WORD.search(stem)
    if match is None:
        return None
    pitch = int(match["midi"] or match["other"])
    return (pitch, match) if LOWEST <= pitch <= HIGHEST else None


def _from_note(stem: str) -> tuple[int, re.Match[str]] | None:
    found = [match for match in (*_APART.finditer(stem), *_ATTACHED.finditer(stem)) if _plausible(stem, match)]
    pitches = {parse_note_name(match.group()) for match in found}
    if len(pitches) != 1 or not LOWEST <= min(pitches) <= HIGHEST:
        return None
    return pitches.pop(), found[0]


def _plausible(stem: str, match: re.Match[str]) -> bool:
    if _COUNTED.search(stem[: match.start()]) or (stem[: match.start()].endswith("d") and match.group(1) == "B"):
        return False  # "take B2"; "-12dB3"
    try:
        parse_note_name(match.group())
    except ValueError:
        return False  # G#9
    # Small letters are words more often than notes, except with a sharp sign or as the last thing said.
    return match.group(1).isupper() or match.group(2) in {"#", "♯", "♭"} or not stem[match.end() :].strip(_SEPARATORS)


def _from_digits(stem: str) -> tuple[int, re.Match[str]] | None:
    match = _NUMBER.search(stem)
    if match is None or int(match["pitch"]) not in _PIANO or _TEMPO.search(stem):
        return None
    return int(match["pitch"]), match


def _without(stem: str, match: re.Match[str]) -> str:
    return f"{stem[: match.start()]} {stem[match.end() :]}"


def _tidy(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip(_SEPARATORS)
