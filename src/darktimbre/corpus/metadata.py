"""`metadata.csv` beside sounds: the audiofolder convention, one row a file, with what is known of it."""

import csv
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from darktimbre.notes.errors import UserError
from darktimbre.notes.note import FAMILIES, SOURCES
from darktimbre.notes.pitch import parse_note_name

FILE = "file_name"
_COLUMNS = ("pitch", "velocity", "instrument", "family", "source", "category", "subcategory", "tags", "split")
_SPLITS = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "validation": "valid",
    "dev": "valid",
    "test": "test",
}


@dataclass(slots=True)
class Metadata:
    """What tables of metadata say."""

    # file (relative to the imported folder) → fields of its `Note`
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    mistakes: dict[str, str] = field(default_factory=dict)  # file → what is wrong with its row
    unused: set[str] = field(default_factory=set)  # columns nobody here understands


def read_metadata(folder: Path, tables: list[str]) -> Metadata:
    """Reads the tables named, relative to `folder`; their file names are relative to the folder of each table.

    Columns understood: `file_name`; `pitch` (MIDI number or note name), `velocity`, `instrument`, `family` and
    `source` (NSynth's), `category`, `subcategory`, `tags` (separated by ; or |), `split`. Empty cells say nothing.

    Raises:
        UserError: a table cannot be read, or lacks the column `file_name`.
    """
    metadata = Metadata()
    for table in tables:
        base = PurePosixPath(table).parent
        try:
            with (folder / table).open(encoding="utf-8-sig", newline="") as handle:
                reader = csv.DictReader(handle)
                columns = {(name or "").strip().lower(): name for name in reader.fieldnames or ()}
                if FILE not in columns:
                    raise UserError(f"{folder / table} has no column {FILE!r}; add it, or move the table away.")
                metadata.unused |= set(columns) - {FILE, "", *_COLUMNS}
                for row in reader:
                    _read_row(metadata, base, {key: (row[name] or "").strip() for key, name in columns.items()})
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise UserError(
                f"{folder / table} cannot be read as a table ({error}); mend it, or move it away."
            ) from None
    return metadata


def _read_row(metadata: Metadata, base: PurePosixPath, cells: dict[str, str]) -> None:
    if not cells[FILE]:
        return
    parts: list[str] = []
    for part in (base / cells[FILE].replace("\\", "/")).parts:
        if part == ".." and parts:
            parts.pop()
        elif part != ".":
            parts.append(part)
    file = "/".join(parts)
    try:
        metadata.rows[file] = _fields(cells)
    except ValueError as error:
        metadata.mistakes[file] = f"metadata.csv: {error}"


def _fields(cells: dict[str, str]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for column in _COLUMNS:
        text = cells.get(column, "")
        if not text:
            continue
        if column == "pitch":
            fields[column] = _pitch(text)
        elif column == "velocity":
            fields[column] = _whole(text, 1, 127, "velocity")
        elif column in ("family", "source"):
            fields[column] = _one_of(text, FAMILIES if column == "family" else SOURCES, column)
        elif column == "tags":
            fields[column] = tuple(tag.strip() for tag in text.replace("|", ";").split(";") if tag.strip())
        elif column == "split":
            fields[column] = _SPLITS[_one_of(text, tuple(_SPLITS), column)]
        else:
            fields[column] = text
    return fields


def _pitch(text: str) -> int:
    try:
        return parse_note_name(text)
    except ValueError:
        return _whole(text, 0, 127, "pitch")


def _whole(text: str, low: int, high: int, what: str) -> int:
    try:
        number = float(text)  # spreadsheets write 60.0
        if number != int(number) or not low <= number <= high:
            raise ValueError
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no {what}; it should be {low} to {high}") from None
    return int(number)


def _one_of(text: str, known: tuple[str, ...], what: str) -> str:
    key = text.lower().replace(" ", "_")
    if key not in known:
        raise ValueError(f"{text!r} is no {what}; it should be one of {', '.join(known)}")
    return key
