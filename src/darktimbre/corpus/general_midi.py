"""General MIDI as data: the name of each program, its group, and the NSynth family and source it comes closest to.

`data/general_midi.csv` has the 128 programs of Level 1 (no family where none comes near); `data/drums.csv` has the drum
on each key in Level 1 and what brush and orchestra kits have instead (Level 2), each with its class and subclass.
"""

import csv
from dataclasses import dataclass
from importlib.resources import files

DRUM_BANK = 128
"""Bank number under which SoundFonts keep their drum kits; there a key is an instrument, not a pitch."""


@dataclass(frozen=True, slots=True)
class Program:
    """One of General MIDI's 128 programs."""

    name: str  # as the standard calls it
    group: str  # its group of eight ("reed", "pipe", …), but timpani and orchestra hit are "percussive"
    family: str | None  # the nearest of `notes.note.FAMILIES`, or None where none comes near (gunshots, timpani)
    source: str  # one of `notes.note.SOURCES`: how the instrument itself makes its sound


def _rows(name: str) -> list[dict[str, str]]:
    text = files("darktimbre.corpus").joinpath("data", name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


PROGRAMS: tuple[Program, ...] = tuple(
    Program(row["name"], row["group"], row["family"] or None, row["source"]) for row in _rows("general_midi.csv")
)
"""General MIDI's programs, by number from 0."""

_KEYS = _rows("drums.csv")

DRUMS: dict[int, str] = {int(row["key"]): row["name"] for row in _KEYS if row["kit"] == "standard"}
"""What General MIDI's drum kit plays on each key, 35 to 81."""

DRUM_CLASSES: dict[str, tuple[str, str]] = {row["name"]: (row["category"], row["subcategory"]) for row in _KEYS}
"""Class and subclass of each drum, by its name."""

_OTHERWISE = {(row["kit"], int(row["key"])): row["name"] for row in _KEYS if row["kit"] != "standard"}
_KITS = {5: "brush", 6: "orchestra"}  # by eight programs, as General MIDI Level 2 lists its drum sets


def drum(program: int, key: int) -> str:
    """What a kit plays on a key, brush and orchestra kits some of their own; "key 30" where nothing is laid down."""
    return _OTHERWISE.get((_KITS.get(program // 8, ""), key)) or DRUMS.get(key, f"key {key}")
