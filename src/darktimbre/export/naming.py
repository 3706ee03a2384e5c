"""File names that every sampler takes: plain letters, digits, dash and underscore; notes without the sharp sign.

In an SFZ file `#` begins a directive, and small machines show only ASCII.
"""

import re
import unicodedata
from collections.abc import Iterable

from darktimbre.notes.pitch import note_name
from darktimbre.notes.text import portable


def slug(text: str, longest: int = 32) -> str:
    """ "Violin, fiddle" → "violin-fiddle"; never empty, nor a name that Windows reserves."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return portable(re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:longest].strip("-") or "sound")


def plain_note(midi: int) -> str:
    """A note's name with `s` for sharp: 61 → "Cs4", which `parse_note_name` reads."""
    return note_name(midi).replace("#", "s")


def shortened(names: Iterable[str], longest: int) -> list[str]:
    """The names cut to `longest` characters, still all different: where cutting makes two equal, they are numbered."""
    taken: set[str] = set()
    short: list[str] = []
    for name in names:
        one, number = name[:longest].rstrip("-_"), 1
        while one in taken:
            number += 1
            one = f"{name[: longest - len(str(number))].rstrip('-_')}{number}"
        taken.add(one)
        short.append(one)
    return short
