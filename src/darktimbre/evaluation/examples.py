"""Some held-out notes and every instrument's answer to them → wavs to listen to beside the figures."""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from darktimbre.audio.files import write
from darktimbre.corpus.corpus import Corpus
from darktimbre.evaluation.conditions import Conditions
from darktimbre.evaluation.pairing import Instrument
from darktimbre.evaluation.results import Sound
from darktimbre.extractors.sources import generated_source
from darktimbre.measures.spectral import log_spectral_distance
from darktimbre.notes.pitch import note_name

RAISED = (0.0, 0.5, 1.0)  # what is added to an attribute, to hear it
FOLDER = "sounds"
WINDOW = 1024  # samples


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

    def of(self, one: Instrument, seed: int) -> tuple[Sound, ...]:
        """An instrument's answers to the notes' pitch and attributes."""
        asked = Conditions.of(self.corpus, self.rows, one.attributes)
        latent = one.synthesizer.latents(seed, len(self.rows))
        return self.answers(one.name, self._made(one, asked.condition, latent))

    def raised(self, one: Instrument, attribute: str, seed: int) -> tuple[Sound, ...]:
        """An instrument's answer to the first note, and with an attribute raised by `RAISED`."""
        asked = Conditions.of(self.corpus, self.rows[:1], one.attributes)
        condition = asked.condition.repeat(len(RAISED), axis=0)
        column = len(one.attributes.pitches) + one.attributes.names.index(attribute)
        condition[:, column] += np.asarray(RAISED, np.float32)
        waves = self._made(one, condition, one.synthesizer.latents(seed).repeat(len(RAISED), axis=0))
        titles = [f"{attribute} {increment:+g}" for increment in RAISED]
        return self._kept(f"{one.name}, {attribute}", waves, [f"{one.name}: {attribute} raised"] * len(RAISED), titles)

    def _made(
        self, one: Instrument, condition: NDArray[np.float32], latent: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        return generated_source(one.synthesizer, condition, latent, samples=self.corpus.samples).waves(
            0, len(condition)
        )

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


def spectral_distances(real: NDArray[np.float32], made: NDArray[np.float32]) -> NDArray[np.float64]:
    """Log-spectral distance in dB of pairs of sounds (note, sample) → (note,); Hann windows, a quarter apart."""

    def magnitudes(waves: NDArray[np.float32]) -> NDArray[np.float64]:
        frames = np.lib.stride_tricks.sliding_window_view(waves, WINDOW, axis=1)[:, :: WINDOW // 4]
        return np.abs(np.fft.rfft(frames * np.hanning(WINDOW))).swapaxes(1, 2)

    return log_spectral_distance(magnitudes(real), magnitudes(made))
