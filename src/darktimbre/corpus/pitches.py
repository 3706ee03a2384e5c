"""Which pitch a sound file has, before it is decoded: what a table says, else the root note in the file, else its name.

What only the sound shows, `--estimate-pitch`, comes last and is `ingest.Completed`'s.
"""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from darktimbre.audio.files import root_note
from darktimbre.corpus.naming import OCTAVES, Named, Names, read_names
from darktimbre.notes.pitch import SEMITONES, note_name

TABLE, ROOT, NAME, SOUND = "table", "files' root notes", "names", "sound"
"""Where a pitch can come from, the most trusted first."""

_DEFAULT_ROOT = 60  # what editors write that were told no note
_DEFAULT_FROM = 3  # files that have it, beside no file of another note, before it is taken for that


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a file's pitch."""

    pitch: int | None  # MIDI number
    source: str  # `TABLE`, `ROOT` or `NAME`; empty where there is none
    named: Named  # what else the name says


@dataclass(slots=True)
class Found:
    """What is known of all files."""

    known: dict[str, Known]
    doubts: list[tuple[str, str]] = field(default_factory=list)  # (file, why a name or root note is not believed)
    remarks: list[str] = field(default_factory=list)


def find_pitches(src: Path, files: Sequence[str], tabled: Mapping[str, int], middle_c: str = "") -> Found:
    """Reads names and root notes of all files below a folder.

    Args:
        src: the folder.
        files: paths below it.
        tabled: pitches that tables give.
        middle_c: "C3" or "C4": the name of MIDI 60, as names are to be read. Without it, C4 is, unless numbers or root
            notes in a folder show that another is.
    """
    folders: dict[str, dict[str, str]] = defaultdict(dict)  # folder → file → stem
    for file in files:
        folders[os.path.dirname(file)][file] = PurePosixPath(file).stem
    names = {folder: read_names(stems.values(), middle_c) for folder, stems in folders.items()}
    roots = {file: root for file in files if (root := root_note(src / file)) is not None}
    found = Found({})
    meaningless = {file for folder, stems in folders.items() for file in _same(stems, roots, names[folder].named)}
    defaults = {
        file for file in meaningless if names[os.path.dirname(file)].named[PurePosixPath(file).stem].pitch is None
    }
    if len(defaults) < _DEFAULT_FROM:
        meaningless -= defaults
    for file in sorted(meaningless):
        found.doubts.append((file, f"its root note {roots.pop(file)} is that of all files beside it"))
    shifts: dict[int, list[str]] = defaultdict(list)
    for folder, stems in folders.items():
        shift = _read_folder(found, stems, names[folder], roots, tabled, middle_c)
        if shift and not middle_c:
            shifts[shift].append(folder or src.resolve().name)
    for shift, where in shifts.items():
        others = f" and other folders ({len(where) - 1})" if len(where) > 1 else ""
        found.remarks.append(
            f"Names in {where[0]}{others} count {note_name(60 - shift)} as MIDI 60, as numbers or root notes beside "
            "them show, and were read so; --middle-c C3 or C4 decides otherwise."
        )
    if found.doubts:
        file, why = found.doubts[0]
        found.remarks.append(
            f"Names and root notes that were not believed: {len(found.doubts)}, such as {file}: {why}. "
            "remarks.csv lists them."
        )
    return found


def _same(stems: Mapping[str, str], roots: Mapping[str, int], named: Mapping[str, Named]) -> list[str]:
    """Files of a folder whose root note may mean nothing, for all have the same: although their names differ; or 60,
    which editors write that were told no note, in files whose names say nothing."""
    rooted = [file for file in stems if file in roots]
    if len({roots[file] for file in rooted}) != 1:
        return []
    pitches = {pitch for file in rooted if (pitch := named[stems[file]].pitch) is not None}
    return rooted if len(pitches) > 1 or (not pitches and roots[rooted[0]] == _DEFAULT_ROOT) else []


def _read_folder(
    found: Found,
    stems: Mapping[str, str],
    names: Names,
    roots: Mapping[str, int],
    tabled: Mapping[str, int],
    middle_c: str,
) -> int:
    """Adds what is known of the files of one folder; semitones by which its names are read higher than C4 = 60."""
    here = {file: roots[file] for file in stems if file in roots}
    shift = names.shift or 0
    if not middle_c and names.shift is None and (shift := _usual_shift(here, names.named, stems)):
        # The names of files without a root note are read as those beside them.
        names = read_names(stems.values(), next(name for name, octaves in OCTAVES.items() if octaves == shift))
    numbered = _numbered(here, stems, names.named)
    for file, stem in stems.items():
        named, root = names.named[stem], here.get(file)
        if stem in numbered:
            named = replace(named, rest=numbered[stem])
        if file in tabled:
            found.known[file] = Known(tabled[file], TABLE, named)
        elif root is not None:
            if named.pitch not in (None, root):
                found.doubts.append((file, f"its name says {named.pitch}, its root note is {root}, which is believed"))
            found.known[file] = Known(root, ROOT, named)
        else:
            found.known[file] = Known(named.pitch, NAME if named.pitch is not None else "", named)
            if named.doubt:
                found.doubts.append((file, named.doubt))
    return shift


def _usual_shift(roots: Mapping[str, int], named: Mapping[str, Named], stems: Mapping[str, str]) -> int:
    """Octaves, in semitones, by which root notes lie above names in most files of a folder; 0 where they do not."""
    apart = [root - pitch for file, root in roots.items() if (pitch := named[stems[file]].pitch) is not None]
    if not apart:
        return 0
    usual, often = Counter(apart).most_common(1)[0]
    return usual if usual % SEMITONES == 0 and 2 * often > len(apart) and usual in OCTAVES.values() else 0


def _numbered(roots: Mapping[str, int], stems: Mapping[str, str], named: Mapping[str, Named]) -> dict[str, str]:
    """Stem → instrument of files that differ in a running number alone and whose root notes differ ("Marimba-01")."""
    alike: dict[str, dict[str, int]] = defaultdict(dict)
    for file, root in roots.items():
        if named[stems[file]].pitch is None:
            alike[re.sub(r"[ _.-]*\d+$", "", stems[file])][stems[file]] = root
    return {stem: rest for rest, group in alike.items() if len(set(group.values())) > 1 for stem in group}
