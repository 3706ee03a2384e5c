"""The corpus on disk, written: notes go in one by one, and the folder appears whole or not at all."""

import csv
import hashlib
import json
import math
from collections import Counter
from contextlib import ExitStack
from dataclasses import fields, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any, TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from darktimbre.audio.atomic import atomic_folder, is_disk_full, is_empty
from darktimbre.audio.download import sha256
from darktimbre.audio.loudness import peak_dbfs, rms_dbfs
from darktimbre.corpus.corpus import FORMAT, FULL_SCALE, PIXEL, SCHEMA, SHARD_ROWS, Corpus, is_corpus
from darktimbre.corpus.splits import POLICIES, SPLITS, assign
from darktimbre.notes.errors import UserError
from darktimbre.notes.note import Note
from darktimbre.notes.text import json_text

_FIELDS = tuple(field.name for field in fields(Note))
_QUIETEST_DB = -120.0  # what a silent note is said to measure, since the logarithm of nothing is no number


def _level(decibels: NDArray[np.float64]) -> float:
    return round(max(_QUIETEST_DB, float(decibels)), 3)


def _escaped(text: str) -> str:
    # Not as `notes.text.legible` has it: digests of corpora that there are depend on it.
    return text.encode("utf-8", "backslashreplace").decode()


def _version() -> str:
    try:
        return version("darktimbre")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "unknown"


def check_destination(path: Path, overwrite: bool) -> None:
    """Refuses to write a corpus over what must not be lost; importers call it before any long work.

    Raises:
        UserError: `path` exists and `overwrite` is false, or it holds something that is no corpus.
    """
    if not path.exists():
        return
    if path.is_dir() and is_empty(path):
        return
    if not path.is_dir() or not is_corpus(path):
        raise UserError(f"{path} exists and is no corpus, so it is left alone: name another folder.")
    if not overwrite:
        raise UserError(f"{path} already holds a corpus: name another folder, or add --force to replace it.")


class Writing(TypedDict, total=False):
    """Arguments of `CorpusWriter` that renderers hand on as they are."""

    name: str
    split: str
    seed: int
    overwrite: bool


class CorpusWriter:
    """Writes a corpus note by note; use it in a `with` block.

        with CorpusWriter(path, sample_rate=16000, samples=16000, licence="CC0-1.0") as writer:
            writer.add(note, samples)
            writer.count("padded")
            writer.reject("broken.wav", "no samples")
        writer.corpus  # the finished corpus, opened

    Any error in the block, Ctrl-C included, leaves what was there before.

    Args:
        path: the folder to make.
        sample_rate: in Hz.
        samples: length of every note in samples.
        picture: (channel, height, width) of a corpus of pictures, whose product `samples` then is; the rate means
            nothing there.
        name: what the corpus is called; the folder's name by default.
        licence: terms of the sounds, as an SPDX identifier or a sentence.
        provenance: where the sounds come from and how they were made; plain JSON types, and nothing that differs
            between two runs, or their digests stay equal while their descriptions do not.
        split: a policy of `splits.POLICIES`.
        seed: of the split.
        overwrite: replace a corpus that is already there.

    Raises:
        UserError: the folder is taken, the disk is full, or the block ends without a single note.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        sample_rate: int,
        samples: int,
        picture: tuple[int, int, int] | None = None,
        name: str = "",
        licence: str = "unknown",
        provenance: dict[str, Any] | None = None,
        split: str = "instrument",
        seed: int = 0,
        overwrite: bool = False,
    ) -> None:
        self.path = Path(path).absolute()
        if split not in POLICIES:
            raise UserError(f"There is no split policy {split!r}; choose one of {', '.join(POLICIES)}.")
        if sample_rate <= 0 or samples <= 0:
            raise ValueError(f"A corpus needs a positive rate and length, not {sample_rate} Hz and {samples} samples.")
        if picture is not None and math.prod(picture) != samples:
            raise ValueError(f"A picture {picture} has {math.prod(picture)} pixels, not {samples}.")
        check_destination(self.path, overwrite)
        self.picture = picture
        self.sample_rate, self.samples = sample_rate, samples
        self.name, self.licence = name or self.path.name, licence
        self.provenance: dict[str, Any] = dict(provenance or {})
        self.split, self.seed = split, seed
        self.counts: Counter[str] = Counter(accepted=0, padded=0, cut=0, rejected=0)
        self.rejected: list[tuple[str, str]] = []
        self.remarked: list[tuple[str, str]] = []
        self._ids: set[str] = set()
        self._columns: dict[str, list[Any]] = {field: [] for field in SCHEMA.names}
        self._buffer = np.empty((SHARD_ROWS, samples), dtype="<i2")
        self._filled = 0
        self._shards: list[dict[str, Any]] = []
        self._rows_hash = hashlib.sha256()
        self._stack = ExitStack()
        self._folder = Path()

    def __enter__(self) -> "CorpusWriter":
        self._folder = self._stack.enter_context(atomic_folder(self.path))
        (self._folder / "audio").mkdir()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                with self._stack:
                    self._finish()
            else:
                self._stack.__exit__(kind, error, trace)
        except OSError as failure:
            if is_disk_full(failure):
                raise _disk_full(self.path) from failure
            raise
        if isinstance(error, OSError) and is_disk_full(error):
            raise _disk_full(self.path) from error

    @property
    def corpus(self) -> Corpus:
        """The corpus, once the block has ended."""
        return Corpus.open(self.path, of="either")

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, note: Note, samples: NDArray[Any]) -> None:
        """Takes one note with its sound: (sample,), float in [-1, 1] or int16, exactly as long as the corpus says.

        Raises:
            ValueError: wrong length, a sample that is not finite, or an id that is already there.
        """
        sound = np.asarray(samples)
        if sound.shape != (self.samples,):
            raise ValueError(f"Note {note.id!r} has the shape {sound.shape}; this corpus takes ({self.samples},).")
        if note.id in self._ids:
            raise ValueError(f"Two notes are called {note.id!r}.")
        if sound.dtype != np.int16:
            if not np.isfinite(sound).all():
                raise ValueError(f"Note {note.id!r} has samples that are not finite.")
            sound = np.clip(np.rint(np.asarray(sound, dtype=np.float64) * FULL_SCALE), -32768, 32767).astype("<i2")
        note = replace(note, split=assign(note, self.split, self.seed))
        level = sound / FULL_SCALE
        row = {
            **{field: getattr(note, field) for field in _FIELDS},
            "tags": list(note.tags),
            "styles": list(note.styles),
            "split_key": note.split_key or note.instrument,
            "peak_db": _level(peak_dbfs(level)),
            "rms_db": _level(rms_dbfs(level)),
        }
        # A file name need not be valid text; its stray bytes are written as escapes, which any table tool reads.
        row = {field: _escaped(value) if isinstance(value, str) else value for field, value in row.items()}
        self._ids.add(note.id)
        # The digest is of the rows' values, not of Parquet's bytes, which change with the library's version.
        # No styles are left out of it, so that corpora have the digests that they had before notes had styles.
        hashed = {field: value for field, value in row.items() if field != "styles" or value}
        self._rows_hash.update(json.dumps(hashed, sort_keys=True, ensure_ascii=True).encode() + b"\n")
        for field, values in self._columns.items():
            values.append(row[field])
        self._buffer[self._filled] = sound
        self._filled += 1
        self.counts["accepted"] += 1
        if self._filled == SHARD_ROWS:
            self._write_shard()

    def add_picture(self, note: Note, pixels: NDArray[np.uint8]) -> None:
        """Takes one picture, (channel, height, width) uint8.

        Raises:
            ValueError: another shape or type, or an id that is already there.
        """
        if pixels.shape != self.picture or pixels.dtype != np.uint8:
            raise ValueError(f"Picture {note.id!r} is {pixels.dtype} {pixels.shape}; this corpus takes {self.picture}.")
        self.add(note, pixels.astype(np.int16).ravel() * PIXEL)

    def count(self, kind: str) -> None:
        """Counts something worth telling of a note: "padded", "cut", …"""
        self.counts[kind] += 1

    def reject(self, file: str, reason: str) -> None:
        """Lists a file that was not taken, and why."""
        self.rejected.append((file, reason))
        self.counts["rejected"] += 1

    def remark(self, file: str, remark: str) -> None:
        """Lists a file that was taken, and what is to be known of how."""
        self.remarked.append((file, remark))

    def _write_shard(self) -> None:
        file = f"audio/{len(self._shards):05d}.npy"
        with (self._folder / file).open("wb") as handle:
            np.lib.format.write_array(handle, self._buffer[: self._filled], allow_pickle=False)
        size = (self._folder / file).stat().st_size
        self._shards.append({"file": file, "rows": self._filled, "bytes": size, "sha256": sha256(self._folder / file)})
        self._filled = 0

    def _finish(self) -> None:
        if not self._ids:
            first = f", the first being {self.rejected[0][0]}: {self.rejected[0][1]}" if self.rejected else ""
            raise UserError(
                f"Not one usable sound was found ({len(self.rejected)} were refused{first}), "
                f"so {self.path} was not made."
            )
        if self._filled:
            self._write_shard()
        pq.write_table(pa.table(self._columns, schema=SCHEMA), self._folder / "notes.parquet", compression="zstd")
        self._write_list("rejected.csv", "reason", self.rejected)
        if self.remarked:
            self._write_list("remarks.csv", "remark", self.remarked)
        for shard in self._shards:
            self._rows_hash.update(shard["sha256"].encode())
        held = Counter(self._columns["split"])
        meta = {
            "format": FORMAT,
            "name": self.name,
            "sample_rate": self.sample_rate,
            "samples": self.samples,
            **({"picture": list(self.picture)} if self.picture else {}),
            "notes": len(self._ids),
            "digest": self._rows_hash.hexdigest(),
            "licence": self.licence,
            "provenance": self.provenance,
            "counts": dict(self.counts),
            "split": {"policy": self.split, "seed": self.seed, "notes": {split: held[split] for split in SPLITS}},
            "created_by": f"darktimbre {_version()}",
            "shards": self._shards,
        }
        (self._folder / "corpus.json").write_text(json_text(meta, indent=2), encoding="utf-8")

    def _write_list(self, name: str, heading: str, listed: list[tuple[str, str]]) -> None:
        with (self._folder / name).open("w", encoding="utf-8", errors="surrogateescape", newline="") as handle:
            rows = csv.writer(handle)
            rows.writerow(["file", heading])
            rows.writerows(listed)


def _disk_full(path: Path) -> UserError:
    return UserError(f"The disk is full: {path} was not written. Make room, or name a folder on another disk.")
