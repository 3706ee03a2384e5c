"""Rendered notes kept for the page: what has been heard once sounds at once."""

from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

Wave = NDArray[np.float32]
Source = float | None
NoteId = tuple[str, Source]  # patch key, pitch


class Cache:
    """Rendered notes by patch and pitch, the longest unused thrown out first; never more than `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self.limit, self.bytes = limit, 0
        self._waves: OrderedDict[NoteId, Wave] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waves)

    def get(self, name: NoteId) -> Wave | None:
        """The note, if it is there; it is used herewith."""
        wave = self._waves.get(name)
        if wave is not None:
            self._waves.move_to_end(name)
        return wave

    def put(self, name: NoteId, wave: Wave) -> None:
        """Keeps a note as long as there is room."""
        replaced = self._waves.pop(name, None)
        self.bytes += wave.nbytes - (0 if replaced is None else replaced.nbytes)
        self._waves[name] = wave
        while self.bytes > self.limit:
            self.bytes -= self._waves.popitem(last=False)[1].nbytes
