"""The corpus on disk, read: a table of notes and memory-mapped audio of one length; tags and spectra start from here.

CORPUS/
  corpus.json       rate, length, digest, provenance, licence, counts, shards
  notes.parquet     one row per note: the fields of `Note` and two levels
  audio/00000.npy   int16 (row, sample), `SHARD_ROWS` rows a file, in the table's order
  rejected.csv      what was not taken, and why
  remarks.csv       what was taken in another way than its file or its name may suggest; only where there is such

A corpus may hold pictures instead (digits, to learn GANs on): corpus.json then has `picture`, their shape, and a row of
a shard is a picture's pixels, `PIXEL` times 0 to 255. Whoever opens a corpus says which it wants.
"""

import csv
import hashlib
import math
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, Field, ValidationError

from darktimbre.audio.atomic import read_json
from darktimbre.corpus.splits import SPLITS
from darktimbre.notes.bounded import LARGEST, LARGEST_ARRAY, SampleRate, first_mistake, shortened
from darktimbre.notes.errors import UserError
from darktimbre.notes.note import Note
from darktimbre.notes.text import quoted

FORMAT = "darktimbre-corpus-1"
SHARD_ROWS = 1024
FULL_SCALE = 32768.0  # the value libsndfile uses too, so 16-bit files pass through bit for bit
PIXEL = 128  # what a pixel's 0 to 255 is multiplied by in a shard

_TEXT, _WHOLE, _REAL = pa.string(), pa.int16(), pa.float32()
SCHEMA = pa.schema(
    [
        pa.field("id", _TEXT, nullable=False),
        pa.field("instrument", _TEXT, nullable=False),
        pa.field("origin", _TEXT, nullable=False),
        pa.field("seconds", pa.float64(), nullable=False),
        pa.field("pitch", _WHOLE),
        pa.field("velocity", _WHOLE),
        pa.field("family", _TEXT),
        pa.field("source", _TEXT),
        pa.field("category", _TEXT),
        pa.field("subcategory", _TEXT),
        pa.field("tags", pa.list_(_TEXT), nullable=False),
        pa.field("styles", pa.list_(_TEXT), nullable=False),
        pa.field("split_key", _TEXT, nullable=False),
        pa.field("split", _TEXT, nullable=False),
        pa.field("peak_db", _REAL, nullable=False),
        pa.field("rms_db", _REAL, nullable=False),
    ]
)
"""Columns of `notes.parquet`: `Note`, then peak and root mean square of the stored sound in dB below full scale."""


_AGAIN = "make the corpus again with --force"


def is_corpus(path: Path) -> bool:
    """Whether the folder holds a corpus of this program."""
    try:
        meta = read_json(path / "corpus.json")
        return bool(meta["format"].startswith("darktimbre-corpus-"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


class Shard(BaseModel):
    """One audio file, as corpus.json describes it."""

    file: Annotated[str, Field(pattern=r"^audio/[0-9]+\.npy$")]
    rows: Annotated[int, Field(ge=0, le=LARGEST)]
    bytes: Annotated[int, Field(ge=0)]
    sha256: str


class Meta(BaseModel):
    """What of corpus.json is relied on; there is more for people."""

    name: str = ""
    sample_rate: SampleRate
    samples: Annotated[int, Field(ge=1, le=LARGEST_ARRAY)]
    notes: Annotated[int, Field(ge=0)]
    digest: str
    licence: str = ""
    split: dict[str, Any]
    provenance: dict[str, Any] = {}
    counts: dict[str, int] = {}
    shards: list[Shard]


class Corpus:
    """A corpus that was written before; opening it reads the table but no audio.

    Attributes:
        path: the folder.
        meta: contents of `corpus.json`.
        table: the notes, one row each, columns as in `SCHEMA`.
        shards: (first row, row after the last) of each audio file, half-open as Python's ranges.
    """

    def __init__(self, path: Path, meta: dict[str, Any], table: pa.Table) -> None:
        self.path = path
        self.meta = meta
        self.table = table
        stops = np.cumsum([shard["rows"] for shard in meta["shards"]], dtype=np.int64)
        self._starts: NDArray[np.int64] = np.concatenate([np.zeros(1, np.int64), stops])
        self.shards: list[tuple[int, int]] = list(pairwise(self._starts.tolist()))
        self._maps: dict[int, NDArray[np.int16]] = {}
        self._columns: dict[str, NDArray[Any]] = {}

    @classmethod
    def open(cls, path: Path | str, *, of: Literal["sounds", "pictures", "either"] = "sounds") -> "Corpus":
        """Opens the corpus in a folder.

        Args:
            path: the folder.
            of: what the caller can use.

        Raises:
            UserError: there is none, it holds the other kind, it was written by a newer version, or a file of it is
                missing or cut short.
        """
        path = Path(path)
        try:
            meta = read_json(path / "corpus.json")
        except (FileNotFoundError, NotADirectoryError):
            raise UserError(f"There is no corpus in {path}: make one with {_makers(path, of)}.") from None
        except (OSError, ValueError) as error:
            raise UserError(f"{path / 'corpus.json'} cannot be read ({error}); {_AGAIN}.") from None
        if not isinstance(meta, dict) or meta.get("format") != FORMAT:
            found = shortened(repr(meta.get("format") if isinstance(meta, dict) else None))
            raise UserError(
                f"{path / 'corpus.json'} has the format {found}; this version of darktimbre reads {FORMAT!r}."
            )
        if lacking := {"sample_rate", "samples", "notes", "digest", "shards", "split"} - meta.keys():
            raise UserError(f"{path / 'corpus.json'} lacks {', '.join(sorted(lacking))}; {_AGAIN}.")
        try:
            Meta.model_validate(meta)
        except ValidationError as error:
            raise UserError(f"{path / 'corpus.json'} is damaged ({first_mistake(error)}); {_AGAIN}.") from None
        _refuse_other(path, meta, of)
        try:
            table = pq.read_table(path / "notes.parquet")
            table.validate(full=True)
        except (OSError, ValueError, pa.ArrowException) as error:
            why = shortened(str(error))
            raise UserError(f"The table {path / 'notes.parquet'} is damaged ({why}); {_AGAIN}.") from None
        if "styles" not in table.column_names:  # as corpora were before notes had styles
            empty = pa.array([[]] * table.num_rows, SCHEMA.field("styles").type)
            table = table.append_column(SCHEMA.field("styles"), empty)
        if missing := [name for name in SCHEMA.names if name not in table.column_names]:
            raise UserError(f"The table {path / 'notes.parquet'} lacks {', '.join(missing)}; {_AGAIN}.")
        corpus = cls(path, meta, table)
        if table.num_rows != meta["notes"] or corpus._starts[-1] != meta["notes"]:
            raise UserError(
                f"{path} is damaged: corpus.json counts {meta['notes']} notes, the table {table.num_rows}, the audio "
                f"{corpus._starts[-1]}; {_AGAIN}."
            )
        for shard in meta["shards"]:
            corpus._check_size(shard)
        return corpus

    def _check_size(self, shard: dict[str, Any]) -> None:
        file = self.path / shard["file"]
        have = file.stat().st_size if file.is_file() else 0
        needed = max(shard["bytes"], 2 * shard["rows"] * self.samples)  # what is read is allocated by what is there
        if have != shard["bytes"] or have < needed:
            raise UserError(f"The audio shard {file} is damaged: {have} of {needed} bytes are there; {_AGAIN}.")

    @property
    def name(self) -> str:
        """What the corpus is called."""
        return str(self.meta["name"])

    @property
    def sample_rate(self) -> int:
        """Samples a second, in Hz."""
        return int(self.meta["sample_rate"])

    @property
    def samples(self) -> int:
        """Length of every note in samples."""
        return int(self.meta["samples"])

    @property
    def picture(self) -> tuple[int, int, int] | None:
        """(channel, height, width) of a corpus of pictures; None where it holds sounds."""
        shape = self.meta.get("picture")
        return None if shape is None else (shape[0], shape[1], shape[2])

    @property
    def digest(self) -> str:
        """SHA-256 over all rows of the table and all audio; equal digests are equal corpora."""
        return str(self.meta["digest"])

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __repr__(self) -> str:
        if self.picture is not None:
            return f"Corpus({str(self.path)!r}, {len(self)} pictures of {' × '.join(map(str, self.picture))})"
        seconds = self.samples / self.sample_rate
        return f"Corpus({str(self.path)!r}, {len(self)} notes of {seconds:g} s at {self.sample_rate} Hz)"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_maps": {}}  # a worker process maps the files itself

    def note(self, row: int) -> Note:
        """The note in a row (negative rows count from the end, as in a list)."""
        if not -len(self) <= row < len(self):
            raise IndexError(f"Row {row} of a corpus of {len(self)} notes.")
        values = self.table.slice(row % len(self), 1).to_pylist()[0]
        values |= {name: tuple(values[name] or ()) for name in ("tags", "styles")}
        return Note(**{field.name: values[field.name] for field in fields(Note)})

    def column(self, name: str) -> NDArray[Any]:
        """A column of the table as a read-only array (note,).

        What is missing reads -1 among whole numbers and "" among texts; `tags` and `styles` are objects, tuples.

        Raises:
            UserError: there is no such column.
        """
        if name not in self._columns:
            if name not in self.table.column_names:
                raise UserError(
                    f"The corpus {self.path} has no column {name!r}; it has {', '.join(self.table.column_names)}."
                )
            column = self.table.column(name)
            if pa.types.is_list(column.type):
                values = np.empty(len(self), dtype=object)
                values[:] = [tuple(tags or ()) for tags in column.to_pylist()]
            elif pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
                values = np.array([text or "" for text in column.to_pylist()], dtype=np.str_)
            elif pa.types.is_integer(column.type):
                values = column.fill_null(-1).to_numpy().astype(np.int64)
            else:
                values = column.to_numpy().copy()
            values.flags.writeable = False
            self._columns[name] = values
        return self._columns[name]

    def rows(self, split: str | None = None) -> NDArray[np.int64]:
        """Row numbers, ascending: of one split ("train", "valid" or "test"), or all."""
        if split is None:
            return np.arange(len(self), dtype=np.int64)
        if split not in SPLITS:
            raise ValueError(f"There is no split {split!r}; there are {', '.join(SPLITS)}.")
        return np.flatnonzero(self.column("split") == split).astype(np.int64)

    def shard(self, index: int) -> NDArray[np.int16]:
        """One audio file as a read-only memory map, (row, sample) int16.

        Raises:
            UserError: the file is not what `corpus.json` says.
        """
        if index not in self._maps:
            first, stop = self.shards[index]
            file = self.path / self.meta["shards"][index]["file"]
            try:
                audio = np.load(file, mmap_mode="r", allow_pickle=False)
            except (OSError, ValueError) as error:
                raise UserError(f"The audio shard {file} is damaged ({error}); {_AGAIN}.") from None
            if audio.dtype != np.int16 or audio.shape != (stop - first, self.samples):
                raise UserError(f"The audio shard {file} holds {audio.dtype} {audio.shape}; {_AGAIN}.")
            self._maps[index] = audio
        return self._maps[index]

    def int16(self, rows: ArrayLike) -> NDArray[np.int16]:
        """The stored samples of some rows, in their order: (row, sample) int16."""
        wanted = np.atleast_1d(np.asarray(rows, dtype=np.int64))
        if wanted.size and (wanted.min() < 0 or wanted.max() >= len(self)):
            raise IndexError(f"Rows {wanted.min()} to {wanted.max()} of a corpus of {len(self)} notes.")
        out = np.empty((len(wanted), self.samples), dtype=np.int16)
        home = np.searchsorted(self._starts, wanted, side="right") - 1
        for index in np.unique(home):
            here = home == index
            out[here] = self.shard(int(index))[wanted[here] - self._starts[index]]
        return out

    def waves(self, rows: ArrayLike) -> NDArray[np.float32]:
        """The sounds of some rows, in their order: (row, sample) float32 in [-1, 1)."""
        return self.int16(rows).astype(np.float32) / np.float32(FULL_SCALE)

    def pictures(self, rows: ArrayLike) -> NDArray[np.float32]:
        """The pictures of some rows, in their order: (row, channel, height, width) float32, −1 black to 1 white."""
        return self.as_pictures(self.int16(rows))

    def as_pictures(self, stored: NDArray[np.int16]) -> NDArray[np.float32]:
        """What `int16` gives of a corpus of pictures, (row, pixel), as `pictures` has it."""
        assert self.picture is not None  # it was opened as pictures
        pixels = stored.astype(np.float32) / np.float32(PIXEL)
        return (pixels / np.float32(127.5) - np.float32(1.0)).reshape(-1, *self.picture)

    def rejected(self) -> list[tuple[str, str]]:
        """What was not taken when the corpus was made: (file, reason)."""
        file = self.path / "rejected.csv"
        if not file.is_file():
            file = self.path / "quarantine.csv"  # what earlier versions called it
        if not file.is_file():
            return []
        with file.open(encoding="utf-8", errors="surrogateescape", newline="") as handle:
            return [(row["file"], row["reason"]) for row in csv.DictReader(handle)]

    def verify(self) -> None:
        """Reads all audio and compares it with the checksums of `corpus.json`.

        Raises:
            UserError: a file differs; the sentence names it.
        """
        for shard in self.meta["shards"]:
            self._check_size(shard)
            with (self.path / shard["file"]).open("rb") as handle:
                if hashlib.file_digest(handle, "sha256").hexdigest() != shard["sha256"]:
                    raise UserError(f"The audio shard {self.path / shard['file']} is damaged; {_AGAIN}.")


def _makers(path: Path, of: str) -> str:
    if of == "pictures":
        return f"`darktimbre import digits {quoted(path)}`"
    where = quoted(path)
    return (
        f"`darktimbre render {where} --soundfont FILE`, `darktimbre import folder SOUNDS {where}` or "
        f"`darktimbre import nsynth SOURCE {where}`"
    )


def _refuse_other(path: Path, meta: dict[str, Any], of: str) -> None:
    """One sentence where pictures are opened as sounds, or sounds as pictures, or the shape of a picture is none."""
    shape = meta.get("picture")
    if shape is None:
        if of == "pictures":
            raise UserError(f"{path} holds sounds, not pictures: make one of pictures with `darktimbre import digits`.")
        return
    if not (isinstance(shape, list) and len(shape) == 3 and all(type(side) is int and side > 0 for side in shape)):
        raise UserError(f"{path / 'corpus.json'} has {shape!r} for the shape of a picture; {_AGAIN}.")
    if math.prod(shape) != meta["samples"]:
        raise UserError(f"{path / 'corpus.json'}: a picture {shape} is no row of {meta['samples']} pixels; {_AGAIN}.")
    if of == "sounds":
        raise UserError(
            f"{path} holds pictures, not sounds; it is for the digit recipes (`darktimbre train digits-dcgan --corpus "
            f"{quoted(path)}`)."
        )
