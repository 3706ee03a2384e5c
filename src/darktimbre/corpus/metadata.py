"""`metadata.csv` beside sounds: the audiofolder convention, one row a file, with what is known of it."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from darktimbre.notes.errors import UserError
from darktimbre.notes.note import FAMILIES, SOURCES
from darktimbre.notes.pitch import parse_note_name

FILE = "file_name"
_LISTS = ("tags", "styles")  # several words in a cell
_COLUMNS = ("pitch", "velocity", "instrument", "family", "source", "category", "subcategory", *_LISTS, "split")
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


def read_metadata(folder: Path, tables: list[str], style_columns: Sequence[str] = ()) -> Metadata:
    """Reads the tables named, relative to `folder`; their file names are relative to the folder of each table.

    Columns understood: `file_name`; `pitch` (MIDI number or note name), `velocity`, `instrument`, `family` and
    `source` (NSynth's), `category`, `subcategory`, `tags` and `styles` (separated by ; or |), `split`. Empty cells say
    nothing.

    Args:
        folder: that is imported.
        tables: paths below it.
        style_columns: columns, of any name, whose words are the styles of a note; by default `styles` alone.

    Raises:
        UserError: a table cannot be read, or lacks the column `file_name`; no table has a column of styles.
    """
    metadata = Metadata()
    wanted = tuple(column.strip().lower() for column in style_columns)
    seen: set[str] = set()
    for table in tables:
        base = PurePosixPath(table).parent
        try:
            with (folder / table).open(encoding="utf-8-sig", newline="") as handle:
                reader = csv.DictReader(handle)
                columns = {(name or "").strip().lower(): name for name in reader.fieldnames or ()}
                if FILE not in columns:
                    raise UserError(f"{folder / table} has no column {FILE!r}; add it, or move the table away.")
                metadata.unused |= set(columns) - {FILE, "", *_COLUMNS, *wanted}
                seen |= set(columns) - {FILE, ""}
                for row in reader:
                    cells = {key: (row[name] or "").strip() for key, name in columns.items()}
                    _read_row(metadata, base, cells, wanted)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise UserError(
                f"{folder / table} cannot be read as a table ({error}); mend it, or move it away."
            ) from None
    if missing := [column for column in wanted if column not in seen]:
        raise UserError(_no_column(folder, missing[0], seen))
    return metadata


def _no_column(folder: Path, column: str, seen: set[str]) -> str:
    if not seen:
        return (
            f"There is no metadata.csv in {folder} to read the column {column!r} of: write one (file_name,{column}), "
            "or take class folders as styles when training (--set data.styles=category)."
        )
    return f"No metadata.csv in {folder} has a column {column!r}; there are {', '.join(sorted(seen))}."


def _read_row(metadata: Metadata, base: PurePosixPath, cells: dict[str, str], style_columns: Sequence[str]) -> None:
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
        if style_columns:
            words = [word for column in style_columns for word in _words(cells.get(column, ""))]
            metadata.rows[file]["styles"] = tuple(dict.fromkeys(words))
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
        elif column in _LISTS:
            fields[column] = _words(text)
        elif column == "split":
            fields[column] = _SPLITS[_one_of(text, tuple(_SPLITS), column)]
        else:
            fields[column] = text
    return fields


def _words(text: str) -> tuple[str, ...]:
    """The words in a cell. A plus with space around it stands between tags elsewhere, so it cannot be in one."""
    return tuple(word.strip().replace(" + ", "+") for word in text.replace("|", ";").split(";") if word.strip())


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
