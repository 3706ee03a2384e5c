"""What a SoundFont offers, read from its own tables without loading a sample: presets, name, copyright."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from darktimbre.notes.errors import UserError

_RECORD = 38  # bytes of a preset header (SoundFont 2.04 specification, §7.2)
_LARGEST = 1 << 24  # no honest table of names is larger; a header may claim anything

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


def read_table(path: Path) -> Table:
    """Reads the tables of a SoundFont (`.sf2`, `.sf3`).

    Raises:
        UserError: the file is missing, is no SoundFont, or is cut short.
    """
    presets: set[Preset] = set()
    info: dict[bytes, str] = {}
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            length = file.tell()
            file.seek(0)
            if (head := file.read(12))[:4] != b"RIFF" or head[8:] != b"sfbk":
                raise ValueError("it does not begin as a SoundFont does")
            for name, start, size in _chunks(file, length):
                file.seek(start)
                kind = file.read(4) if name == b"LIST" else b""
                if kind not in (b"INFO", b"pdta"):
                    continue
                for part, place, bytes_ in _chunks(file, start + size):
                    if bytes_ <= _LARGEST and (part == b"phdr" or kind == b"INFO"):
                        file.seek(place)
                        raw = file.read(bytes_)
                        if part == b"phdr":
                            for at in range(
                                0, len(raw) - 2 * _RECORD + 1, _RECORD
                            ):  # the last record only ends the list
                                title, program, bank = struct.unpack_from("<20sHH", raw, at)
                                presets.add(Preset(bank, program, _text(title)))
                        else:
                            info[part] = _text(raw)
    except OSError as error:
        raise UserError(f"The SoundFont {path} cannot be opened: {error.strerror or error}.") from None
    except (ValueError, struct.error) as error:
        raise UserError(f"{path} is not a SoundFont that can be read: {error}.") from None
    if not presets:
        raise UserError(f"The SoundFont {path} lists no presets.")
    return Table(tuple(sorted(presets)), info.get(b"INAM", path.stem), info.get(b"ICOP", ""))


def read_tables(path: Path) -> dict[bytes, bytes]:
    """The tables of presets, instruments and samples of a SoundFont, by their four letters, as they stand.

    Raises:
        UserError: the file is missing, is no SoundFont, or lacks one of them.
    """
    found: dict[bytes, bytes] = {}
    try:
        with path.open("rb") as file:
            length = file.seek(0, 2)
            file.seek(12)
            for name, start, size in _chunks(file, length):
                file.seek(start)
                if name != b"LIST" or file.read(4) != b"pdta":
                    continue
                for part, place, bytes_ in _chunks(file, start + size):
                    if bytes_ <= _LARGEST:
                        file.seek(place)
                        found[part] = file.read(bytes_)
    except OSError as error:
        raise UserError(f"The SoundFont {path} cannot be opened: {error.strerror or error}.") from None
    except (ValueError, struct.error) as error:
        raise UserError(f"{path} is not a SoundFont that can be read: {error}.") from None
    if lacking := [name for name in _TABLES if name not in found]:
        raise UserError(f"{path} is not a SoundFont that can be read: it lacks the table {lacking[0].decode()}.")
    return found


def list_presets(path: Path | str) -> tuple[Preset, ...]:
    """The presets of a SoundFont in order of bank and program.

    Raises:
        UserError: as `read_table`.
    """
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
