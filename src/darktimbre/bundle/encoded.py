"""Training notes as an autoencoder's latents: the points of the space in which an instrument is played."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from darktimbre.audio.atomic import read_json
from darktimbre.bundle import weights as tensors
from darktimbre.bundle.weights import Weights
from darktimbre.bundle.where import LATENT_NAMES, LATENTS
from darktimbre.notes.errors import UserError
from darktimbre.notes.text import json_text

LARGEST_ROWS = 100_000  # notes that are read
MOST = 5_000  # notes that travel in a bundle
UNPITCHED = -1  # in place of a MIDI number


@dataclass(frozen=True)
class EncodedNotes:
    """Some notes of the training corpus, each by its latent and by what is known of it; row i is one note."""

    latent: NDArray[np.float32]  # (note, latent)
    level_db: NDArray[np.float32]  # (note,) peak of the recorded note, dB relative to full scale
    pitch: NDArray[np.int64]  # (note,) MIDI number; UNPITCHED where there is none
    styles: NDArray[np.float32]  # (note, tag) 0 or 1, in the order of the instrument's attributes
    names: tuple[str, ...]  # of the notes

    def __post_init__(self) -> None:
        shapes = {name: np.shape(getattr(self, name)) for name in _ARRAYS}
        dimensions = {name: 2 if name in ("latent", "styles") else 1 for name in _ARRAYS}
        if any(len(shape) != dimensions[name] or shape[0] != len(self) for name, shape in shapes.items()):
            raise ValueError(f"these are not the latents, levels, pitches and styles of {len(self)} notes: {shapes}")
        if unusable := [name for name in _ARRAYS if not np.isfinite(getattr(self, name)).all()]:
            raise ValueError(f"{unusable[0]} has values that are not finite")
        if len(self) > LARGEST_ROWS:
            raise ValueError(f"{len(self)} notes are more than a bundle holds")
        if len(self) and not UNPITCHED <= np.min(self.pitch) <= np.max(self.pitch) <= 127:
            raise ValueError("pitches are MIDI numbers from 0 to 127")

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def read(cls, folder: Path) -> "EncodedNotes | None":
        """Those of a bundle's folder; None where they were left out.

        Raises:
            UserError: they are damaged, or the one file is there without the other.
        """
        files = folder / LATENTS, folder / LATENT_NAMES
        if not any(file.is_file() for file in files):
            return None
        stored = tensors.read(files[0])
        try:
            names = tuple(map(str, read_json(files[1])))
            arrays = {name: stored[name].numpy().astype(kind) for name, kind in _ARRAYS.items()}
            return cls(names=names, **arrays)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise UserError(
                f"{files[0]} and {files[1].name} do not belong together or are damaged ({error}): copy the bundle "
                "again, or delete both; it then plays without its training notes."
            ) from error

    def tensors(self) -> Weights:
        """All but the names, for safetensors."""
        return {name: torch.from_numpy(np.asarray(getattr(self, name), kind)) for name, kind in _ARRAYS.items()}

    def names_json(self) -> str:
        """The names as the text of their file."""
        return json_text(self.names, indent=0)

    def nearest(self, latent: ArrayLike) -> int:
        """Row of the note nearest to a place (latent,) in the Euclidean sense; of two equally near, the first."""
        away = self.latent - np.asarray(latent, np.float32)
        return int(np.square(away).sum(axis=1).argmin())


def evenly(count: int, most: int = MOST) -> NDArray[np.int64]:
    """Numbers of at most so many of `count` rows, evenly chosen, ascending."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


_ARRAYS: dict[str, Any] = {"latent": np.float32, "level_db": np.float32, "pitch": np.int64, "styles": np.float32}
