"""Tags on disk: `CORPUS/tags/TEACHER/tags.json` and one float16 logits file for each audio shard, row for row."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from darktimbre.notes.errors import UserError
from darktimbre.notes.text import quoted

FORMAT = "darktimbre-tags-1"


def folder(corpus_path: Path | str, teacher: str) -> Path:
    """Where the tags of one teacher lie."""
    return Path(corpus_path) / "tags" / teacher


def shard_file(tags: Path, index: int) -> Path:
    """Logits of one audio shard."""
    return tags / f"{index:05d}.npy"


def read_meta(tags: Path) -> dict[str, Any] | None:
    """Contents of `tags.json`, or None when there is none yet. Raises UserError: it is there and unreadable."""
    try:
        meta = json.loads((tags / "tags.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{tags / 'tags.json'} cannot be read ({error}); tag again with --force.") from None
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise UserError(f"{tags / 'tags.json'} is not of the format {FORMAT!r}; tag again with --force.")
    return meta


def load_shard(tags: Path, index: int, rows: int, labels: int) -> NDArray[np.float16] | None:
    """One shard's logits as a read-only memory map (row, label), or None when it is absent or not whole."""
    try:
        logits = np.load(shard_file(tags, index), mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return logits if logits.dtype == np.float16 and logits.shape == (rows, labels) else None


class Tags:
    """The logits of one teacher over a whole corpus.

    Attributes:
        path: the folder.
        meta: contents of `tags.json`.
        labels: names in the order of the logits.
        name: of the teacher.
        digest: SHA-256 of the teacher's weights.
    """

    def __init__(self, path: Path, meta: dict[str, Any], shards: list[NDArray[np.float16]]) -> None:
        self.path = path
        self.meta = meta
        self.labels: tuple[str, ...] = tuple(meta["labels"])
        self.name: str = meta["teacher"]
        self.digest: str = meta["digest"]
        self._shards = shards
        self._starts = np.concatenate([[0], np.cumsum(meta["rows"])]).astype(np.int64)

    @classmethod
    def open(cls, corpus_path: Path | str, teacher: str) -> "Tags":
        """The tags that `teacher` gave to the corpus in a folder.

        Raises:
            UserError: there are none, tagging did not finish, or the corpus has changed since.
        """
        path = folder(corpus_path, teacher)
        command = f"darktimbre tag {quoted(corpus_path)} --teacher {teacher}"
        meta = read_meta(path)
        if meta is None:
            raise UserError(f"The corpus {corpus_path} has no tags by {teacher} yet: run `{command}`.")
        try:
            corpus_digest = json.loads((Path(corpus_path) / "corpus.json").read_text(encoding="utf-8"))["digest"]
        except (OSError, ValueError, KeyError, TypeError):
            corpus_digest = None
        if corpus_digest != meta["corpus"]:
            raise UserError(f"The corpus {corpus_path} has changed since it was tagged: run `{command} --force`.")
        shards = []
        for index, rows in enumerate(meta["rows"]):
            shard = load_shard(path, index, rows, len(meta["labels"]))
            if shard is None:
                raise UserError(
                    f"Tagging of {corpus_path} did not finish (at shard {index}): run `{command}` to go on."
                )
            shards.append(shard)
        return cls(path, meta, shards)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def logits(self, rows: ArrayLike | None = None) -> NDArray[np.float32]:
        """Logits of some rows in their order, or of all: (row, label) float32."""
        if rows is None:
            return np.concatenate(self._shards).astype(np.float32)
        wanted = np.atleast_1d(np.asarray(rows, dtype=np.int64))
        if wanted.size and (wanted.min() < 0 or wanted.max() >= len(self)):
            raise IndexError(f"Rows {wanted.min()} to {wanted.max()} of {len(self)} tagged notes.")
        out = np.empty((len(wanted), len(self.labels)), dtype=np.float32)
        home = np.searchsorted(self._starts, wanted, side="right") - 1
        for index in np.unique(home):
            here = home == index
            out[here] = self._shards[index][wanted[here] - self._starts[index]]
        return out

    def columns(self, names: ArrayLike) -> NDArray[np.int64]:
        """Where some labels stand among `labels`. Raises UserError: the teacher lacks one of them."""
        place = {name: index for index, name in enumerate(self.labels)}
        wanted = [str(name) for name in np.atleast_1d(np.asarray(names, dtype=object))]
        if unknown := [name for name in wanted if name not in place]:
            raise UserError(f"The teacher's labels do not contain {', '.join(map(repr, unknown))}.")
        return np.array([place[name] for name in wanted], dtype=np.int64)
