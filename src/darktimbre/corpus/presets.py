"""What a SoundFont offers, read from its own tables without loading a sample: presets, name, copyright, and which
recordings its keys play."""

import struct
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from darktimbre.corpus.general_midi import DRUM_BANK
from darktimbre.notes.errors import UserError

_LARGEST = 1 << 24  # no honest table of names is larger; a header may claim anything

# Records of the "hydra" (SoundFont 2.04 specification, §7), little-endian.
_PRESET, _BAG, _GENERATOR = struct.Struct("<20sHHHIII"), struct.Struct("<HH"), struct.Struct("<HH")
_INSTRUMENT, _SAMPLE = struct.Struct("<20sH"), struct.Struct("<20s26x")
_INSTRUMENT_OF, _KEYS, _SAMPLE_OF = 41, 43, 53  # generators `instrument`, `keyRange`, `sampleID` (§8.1.2)

_TABLES = (b"phdr", b"pbag", b"pgen", b"inst", b"ibag", b"igen", b"shdr")

_PLACES = (
    "/usr/share/sounds/sf2",
    "/usr/share/sounds/sf3",
    "/usr/share/soundfonts",
    "/usr/local/share/soundfonts",
    "/opt/homebrew/share/soundfonts",
    "~/.local/share/soundfonts",
)

# SoundFonts whose files are silent about their terms, by the start of their names.
_LICENCES = {"fluid": "MIT", "musescore": "MIT"}


@dataclass(frozen=True, slots=True, order=True)
class Preset:
    """One preset: bank 0–128 (128 holds drum kits), program 0–127, and the name its maker gave it."""

    bank: int
    program: int
    name: str


@dataclass(frozen=True, slots=True)
class Table:
    """A SoundFont's tables: its presets in order of bank and program, its title, and its copyright line."""

    presets: tuple[Preset, ...]
    title: str
    copyright: str


def read_table(path: Path) -> Table:
    """Reads the presets of a SoundFont (`.sf2`, `.sf3`) and what it says of itself.

    Raises:
        UserError: the file is missing, is no SoundFont, or is cut short.
    """
    found = _read(path)
    raw = found.get(b"phdr", b"")
    whole = len(raw) // _PRESET.size - 1  # the last record only ends the list
    records = _PRESET.iter_unpack(raw[: max(whole, 0) * _PRESET.size])
    presets = sorted({Preset(bank, program, _text(title)) for title, program, bank, *_ in records})
    if not presets:
        raise UserError(f"The SoundFont {path} lists no presets.")
    title = _text(found[b"INAM"]) if b"INAM" in found else path.stem
    return Table(tuple(presets), title, _text(found.get(b"ICOP", b"")))


def read_tables(path: Path) -> dict[bytes, bytes]:
    """The tables of presets, instruments and samples of a SoundFont, by their four letters, as they stand.

    Raises:
        UserError: the file is missing, is no SoundFont, or lacks one of them.
    """
    found = _read(path)
    if lacking := [name for name in _TABLES if name not in found]:
        raise UserError(f"{path} is not a SoundFont that can be read: it lacks the table {lacking[0].decode()}.")
    return found


def _read(path: Path) -> dict[bytes, bytes]:
    """The chunks of a SoundFont's lists INFO and pdta, whose names are all different."""
    found: dict[bytes, bytes] = {}
    try:
        with path.open("rb") as file:
            length = file.seek(0, 2)
            file.seek(0)
            if (head := file.read(12))[:4] != b"RIFF" or head[8:] != b"sfbk":
                raise ValueError("it does not begin as a SoundFont does")
            for name, start, size in _chunks(file, length):
                file.seek(start)
                if name != b"LIST" or file.read(4) not in (b"INFO", b"pdta"):
                    continue
                for part, place, bytes_ in _chunks(file, start + size):
                    if bytes_ <= _LARGEST:
                        file.seek(place)
                        found[part] = file.read(bytes_)
    except OSError as error:
        raise UserError(f"The SoundFont {path} cannot be opened: {error.strerror or error}.") from None
    except (ValueError, struct.error) as error:
        raise UserError(f"{path} is not a SoundFont that can be read: {error}.") from None
    return found


def _chunks(file: BinaryIO, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(name, position, size) of each chunk from here to `end`; the file is left anywhere."""
    while file.tell() + 8 <= end:
        name, size = struct.unpack("<4sI", file.read(8))
        start = file.tell()
        if start + size > end:
            raise ValueError(f"its chunk {name!r} claims {size} bytes where {end - start} are left")
        yield name, start, size
        file.seek(start + size + size % 2)


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("latin-1").strip()


def list_presets(path: Path | str) -> tuple[Preset, ...]:
    """The presets of a SoundFont in order of bank and program. Raises UserError as `read_table`."""
    return read_table(Path(path)).presets


def installed_soundfonts() -> list[Path]:
    """SoundFonts where systems keep them, Debian's FluidR3 first, each once though several links lead to it."""
    found: dict[Path, Path] = {}
    for place in _PLACES:
        folder = Path(place).expanduser()
        for file in sorted(folder.glob("*.sf[23]")) if folder.is_dir() else []:
            if file.is_file() and (file.resolve() not in found or not file.is_symlink()):
                found[file.resolve()] = file
    return sorted(found.values(), key=lambda file: (not file.stem.startswith("FluidR3"), file.suffix, file.name))


def licence_of(path: Path, table: Table) -> str:
    """The terms of a SoundFont as far as they are known: a licence, its copyright line, or "unknown"."""
    stem = path.stem.lower()
    return next((terms for start, terms in _LICENCES.items() if stem.startswith(start)), table.copyright or "unknown")


# ----------------------------------------------------------------------------
# Keys share recordings: thirty drum kits are not thirty kits' worth of sounds, and three neighbouring keys of a violin
# are one note at three speeds. Whoever holds out a sound must hold out every key of every preset that plays the same
# recording, and so needs to find which do.

Zone = dict[int, int]

Place = tuple[str, int, int, int]
"""SoundFont (its file's name without ending), bank, program, key."""


def is_kit(font: str, bank: int, program: int) -> bool:
    """Whether a preset of any SoundFont is a drum kit."""
    return bank == DRUM_BANK


def recordings(
    files: Sequence[Path],
    of: Callable[[str, int, int], bool] = is_kit,
    *,
    spelled: Callable[[str], str] = str,
    together: Iterable[Iterable[Place]] = (),
) -> dict[Place, str]:
    """The recording that each key of some presets plays: equal names for keys that share one, whatever the velocity.

    Keys that play several recordings (layers, left and right) tie these together: all keys that hang together so have
    one name, that of the first recording in the alphabet. Drum kits that are not rendered count too, so that the name
    does not depend on what is requested. Recordings of the same name in two SoundFonts are taken for one: banks share
    ancestors.

    Args:
        files: SoundFonts.
        of: whether a preset (SoundFont, bank, program) counts; by default the drum kits do.
        spelled: names of samples → names of recordings, where one recording lies in a file under several names.
        together: places that play the same recording though the names do not show it.

    Raises:
        UserError: a file is no SoundFont, or its tables contradict each other.
    """
    played: dict[Place, set[str]] = {}
    for path in files:
        try:
            for place, names in _played(path.stem, read_tables(path), of).items():
                played[place] = {spelled(name) for name in names}
        except (IndexError, struct.error):
            raise UserError(f"{path} is not a SoundFont that can be read: its tables contradict each other.") from None
    leader: dict[str, str] = {}

    def lead(name: str) -> str:
        while leader.setdefault(name, name) != name:
            name = leader[name]
        return name

    tied = [set[str]().union(*(played.get(place, ()) for place in places)) for places in together]
    for names in (*played.values(), *filter(None, tied)):
        first, *others = sorted(names)
        for other in others:
            one, two = sorted((lead(first), lead(other)))
            leader[two] = one
    return {place: lead(min(names)) for place, names in played.items()}


def _played(font: str, tables: dict[bytes, bytes], of: Callable[[str, int, int], bool]) -> dict[Place, set[str]]:
    """Names of the samples that may sound in each place of the presets chosen, whatever the velocity."""
    presets, instruments = list(_PRESET.iter_unpack(tables[b"phdr"])), list(_INSTRUMENT.iter_unpack(tables[b"inst"]))
    names = [_text(name) for (name,) in _SAMPLE.iter_unpack(tables[b"shdr"])]
    found: dict[Place, set[str]] = defaultdict(set)
    for preset, following in pairwise(presets):
        _, program, bank, bag, *_ = preset
        if not of(font, bank, program):
            continue
        for outer in _zones(tables[b"pbag"], tables[b"pgen"], bag, following[3], _INSTRUMENT_OF):
            chosen = outer[_INSTRUMENT_OF]
            bags = instruments[chosen][1], instruments[chosen + 1][1]
            for inner in _zones(tables[b"ibag"], tables[b"igen"], *bags, _SAMPLE_OF):
                (low, high), (lowest, highest) = _span(outer), _span(inner)
                for key in range(max(low, lowest), min(high, highest) + 1):
                    found[font, bank, program, key].add(names[inner[_SAMPLE_OF]])
    return dict(found)


def _zones(bags: bytes, generators: bytes, first: int, stop: int, ends_in: int) -> Iterator[Zone]:
    """Generators of each zone; a first zone without its last generator holds for all others (§7.3, §7.7)."""
    shared: Zone = {}
    for place in range(first, stop):
        begin, end = (_BAG.unpack_from(bags, _BAG.size * (place + step))[0] for step in (0, 1))
        zone: Zone = dict(_GENERATOR.unpack_from(generators, _GENERATOR.size * row) for row in range(begin, end))
        if ends_in in zone:
            yield {**shared, **zone}
        elif place == first:
            shared = zone


def _span(zone: Zone) -> tuple[int, int]:
    """Lowest and highest key of a zone, which its two bytes are."""
    span = zone.get(_KEYS, 127 << 8)
    return span & 255, span >> 8
