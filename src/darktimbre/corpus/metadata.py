"""`metadata.csv` beside sounds: the audiofolder convention, one row a file, with what is known of it.

Read as spreadsheets write them: separated by commas, semicolons or tabs, in UTF-8, UTF-16 or Windows' encoding, with
decimal commas; also `metadata.tsv` and `metadata.jsonl`, and under names in capitals. File names are compared in
Unicode's composed form (NFC), for macOS keeps them decomposed.
"""

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from darktimbre.corpus.naming import OCTAVES
from darktimbre.notes.errors import UserError
from darktimbre.notes.note import FAMILIES, SOURCES
from darktimbre.notes.pitch import parse_note_name

FILE = "file_name"
_AS_FILE = ("filename", "file")  # columns that are taken for it where it is missing
_LISTS = ("tags", "styles")  # several words in a cell
_COLUMNS = ("pitch", "velocity", "instrument", "family", "source", "category", "subcategory", *_LISTS, "split")
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "test": "test",
}
"""What splits are called, in tables and as folders."""


@dataclass(slots=True)
class Metadata:
    """What tables of metadata say; files are paths relative to the imported folder, composed (`composed`)."""

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)  # file → fields of its `Note`
    mistakes: dict[str, str] = field(default_factory=dict)  # file → what is wrong with its row
    table: dict[str, str] = field(default_factory=dict)  # file → the table that names it
    unused: set[str] = field(default_factory=set)  # columns nobody here understands
    remarks: list[str] = field(default_factory=list)  # sentences about the tables


def composed(path: str) -> str:
    """The path as names are compared."""
    return unicodedata.normalize("NFC", path)


def read_metadata(folder: Path, tables: list[str], style_columns: Sequence[str] = (), middle_c: str = "") -> Metadata:
    """Reads every table found below a folder; paths in a table are relative to the folder it lies in.

    Columns understood: `file_name`; `pitch` (MIDI number or note name), `velocity`, `instrument`, `family` and
    `source` (NSynth's), `category`, `subcategory`, `tags` and `styles` (separated by ; or |), `split`. Empty cells say
    nothing. Two rows of one file must not disagree. A table without `file_name` is another program's, and passed over
    with a remark, unless it lies in the folder itself and has columns of ours.

    Args:
        folder: that is imported.
        tables: paths below it.
        style_columns: columns, of any name, whose words are the styles of a note; by default `styles` alone.
        middle_c: "C3" where note names count it as MIDI 60; else C4 is.

    Raises:
        UserError: a table in the folder itself cannot be read or lacks the column `file_name`; no table has a column of
            styles.
    """
    metadata = Metadata()
    wanted = tuple(_column(column) for column in style_columns)
    seen: set[str] = set()
    for table in tables:
        own = "/" not in table
        try:
            columns, rows = _read_table(folder / table)
        except (OSError, UnicodeDecodeError, csv.Error, ValueError, RecursionError) as error:
            reason = f"{folder / table} cannot be read as a table ({error})"
            if own:
                raise UserError(f"{reason}; mend it, or move it away.") from None
            metadata.remarks.append(f"{reason}; it was passed over.")
            continue
        name = next((name for name in (FILE, *_AS_FILE) if name in columns), None)
        if name is None:
            found = ", ".join(columns) or "none"
            if own and (not columns or not {*_COLUMNS, *wanted}.isdisjoint(columns)):
                raise UserError(
                    f"{folder / table} has no column {FILE!r}, only {found}: add it, or move the table away."
                )
            metadata.remarks.append(f"{folder / table} has no column {FILE!r} (but {found}), so it was passed over.")
            continue
        metadata.unused |= set(columns) - {name, "", *_COLUMNS, *wanted}
        seen |= set(columns) - {name, ""}
        for cells in rows:
            _read_row(metadata, table, cells.get(name, ""), cells, wanted, OCTAVES.get(middle_c, 0))
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


# ----------------------------------------------------------------------------
# Tables


def _read_table(path: Path) -> tuple[list[str], Iterable[dict[str, str]]]:
    """Names of the columns, and the rows as column → text."""
    text = _text(path.read_bytes())
    if path.suffix.lower() == ".jsonl":
        rows = list(_json_lines(text))
        return list(dict.fromkeys(name for row in rows for name in row)), rows
    text = text.lstrip("\r\n")
    delimiter = None
    if (told := re.match(r"sep=(.)\r?\n", text)) is not None:  # Excel's own way to say so
        delimiter, text = told[1], text[told.end() :]
    header = text.split("\n", 1)[0].rstrip("\r")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter or _delimiter(header))
    columns = [_column(name) for name in next(reader, [])]
    return [name for name in columns if name], [
        {name: cell.strip() for name, cell in zip(columns, row, strict=False)} for row in reader
    ]


def _text(content: bytes) -> str:
    """The text of a table in one of the encodings that spreadsheets write.

    Raises:
        UnicodeDecodeError: it is in none of them.
    """
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        if b"\0" in content:
            raise
        return content.decode("cp1252")


def _delimiter(header: str) -> str:
    """The sign between the columns: the one with which the header names a file; else that which makes most columns."""
    columns = {sign: [_column(name) for name in next(csv.reader([header], delimiter=sign), [])] for sign in ",;\t|"}
    named = [sign for sign, names in columns.items() if not {FILE, *_AS_FILE}.isdisjoint(names)]
    return named[0] if named else max(columns, key=lambda sign: len(columns[sign]))


def _column(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip().lower())


def _json_lines(text: str) -> Iterator[dict[str, str]]:
    """Rows of a file with a JSON object in each line (ValueError where a line is none)."""
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        row = json.loads(line)
        if not isinstance(row, dict):
            raise ValueError(f"line {number} is no JSON object")
        yield {_column(name): _cell(value) for name, value in row.items()}


def _cell(value: object) -> str:
    if isinstance(value, list):
        return ";".join(map(_cell, value))
    return "" if value is None else str(value).strip()


# ----------------------------------------------------------------------------
# Rows


def _read_row(
    metadata: Metadata, table: str, name: str, cells: dict[str, str], style_columns: Sequence[str], shift: int
) -> None:
    if not name:
        return
    parts: list[str] = []
    for part in (PurePosixPath(table).parent / name.replace("\\", "/")).parts:
        if part == ".." and parts:
            parts.pop()
        elif part != ".":
            parts.append(part)
    file = composed("/".join(parts))
    metadata.table.setdefault(file, table)
    try:
        fields = _fields(cells, shift)
    except ValueError as error:
        metadata.mistakes[file] = f"{table}: {error}"
        return
    if style_columns:
        fields.pop("styles", None)
        if words := [word for column in style_columns for word in _words(cells.get(column, ""))]:
            fields["styles"] = tuple(dict.fromkeys(words))
    before = metadata.rows.setdefault(file, {})
    for key in before.keys() & fields.keys():
        if before[key] != fields[key]:
            other = metadata.table[file]
            where = table if other == table else f"{other} and {table}"
            metadata.mistakes[file] = f"{where}: two rows of it disagree: {key} {before[key]} and {fields[key]}"
    before |= fields


def _fields(cells: dict[str, str], shift: int) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for column in _COLUMNS:
        text = cells.get(column, "")
        if not text:
            continue
        if column == "pitch":
            fields[column] = _pitch(text, shift)
        elif column == "velocity":
            fields[column] = _whole(text, 1, 127, "velocity")
        elif column in ("family", "source"):
            fields[column] = _one_of(text, FAMILIES if column == "family" else SOURCES, column)
        elif column in _LISTS:
            fields[column] = _words(text)
        elif column == "split":
            fields[column] = SPLIT_NAMES[_one_of(text, tuple(SPLIT_NAMES), column)]
        else:
            fields[column] = text
    return fields


def _words(text: str) -> tuple[str, ...]:
    """The words in a cell. A plus with space around it stands between tags elsewhere, so it cannot be in one."""
    return tuple(word.strip().replace(" + ", "+") for word in text.replace("|", ";").split(";") if word.strip())


def _pitch(text: str, shift: int) -> int:
    try:
        return parse_note_name(text, shift=shift)
    except ValueError:
        return _whole(text, 0, 127, "pitch")


def _whole(text: str, low: int, high: int, what: str) -> int:
    try:
        number = float(text.replace(",", "."))  # spreadsheets write 60.0, or 60,0
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
