"""Some held-out notes and every instrument's answer to them → wavs to listen to beside the figures."""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from darktimbre.audio.files import write
from darktimbre.corpus.corpus import Corpus
from darktimbre.evaluation.results import Sound
from darktimbre.notes.pitch import note_name

RAISED = (0.0, 0.5, 1.0)  # what is added to an attribute, to hear it
FOLDER = "sounds"


class Examples:
    """The notes that every row of the tables is listened to by."""

    def __init__(self, folder: Path, corpus: Corpus, rows: NDArray[np.int64], *, count: int, seed: int) -> None:
        """Chooses `count` of the rows, each of another instrument as long as there are."""
        shuffled = rows[np.random.default_rng(seed).permutation(len(rows))]
        _, first = np.unique(corpus.column("instrument")[shuffled], return_index=True)
        others = np.setdiff1d(np.arange(len(shuffled)), first)
        self.rows = np.sort(shuffled[np.concatenate([np.sort(first), others])[:count]])
        self.folder, self.corpus = folder, corpus
        self.taken: set[str] = set()

    def titles(self) -> list[str]:
        """What each note is: sound and pitch."""
        notes = [self.corpus.note(int(row)) for row in self.rows]
        called = [(note.tags[0] if note.tags else note.subcategory or note.instrument)[:32] for note in notes]
        return [
            name if note.pitch is None else f"{name}, {note_name(note.pitch)}"
            for name, note in zip(called, notes, strict=True)
        ]

    def real(self, name: str) -> tuple[Sound, ...]:
        """The notes themselves."""
        return self._kept(name, self.corpus.waves(self.rows), [f"asked: {title}" for title in self.titles()])

    def answers(self, name: str, waves: NDArray[np.float32]) -> tuple[Sound, ...]:
        """An instrument's answers (note, sample) to the notes' pitch and attributes, in the order of `rows`."""
        return self._kept(name, waves, [f"asked: {title}" for title in self.titles()])

    def raised(self, name: str, waves: NDArray[np.float32], attribute: str) -> tuple[Sound, ...]:
        """One note with an attribute raised by `RAISED`."""
        groups = [f"{attribute} raised"] * len(waves)
        titles = [f"{attribute} {increment:+g}" for increment in RAISED[: len(waves)]]
        return self._kept(f"{name}, {attribute}", waves, groups, titles)

    def _kept(
        self, name: str, waves: NDArray[np.float32], groups: list[str], titles: list[str] | None = None
    ) -> tuple[Sound, ...]:
        place = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "instrument"
        while place in self.taken:  # names may differ in what is no part of a file's name
            place += "-"
        self.taken.add(place)
        (self.folder / FOLDER / place).mkdir(parents=True, exist_ok=True)
        kept = []
        for number, (wave, group) in enumerate(zip(waves, groups, strict=True), start=1):
            file = f"{FOLDER}/{place}/{number:02d}.wav"
            write(self.folder / file, wave, self.corpus.sample_rate)
            kept.append(Sound(file, titles[number - 1] if titles else name, group))
        return tuple(kept)
