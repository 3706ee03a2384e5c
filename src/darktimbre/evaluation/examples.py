"""Sounds and spectrograms to accompany the figures: real notes, and what instruments generate from their conditions."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from darktimbre.audio.files import write
from darktimbre.audio.pictures import spectrogram_grid
from darktimbre.corpus.corpus import Corpus
from darktimbre.evaluation.conditions import Conditions, one_an_instrument
from darktimbre.evaluation.results import Sound
from darktimbre.evaluation.systems import Instrument
from darktimbre.extractors.sources import generated_source
from darktimbre.measures.spectral import log_spectral_distance
from darktimbre.notes.pitch import note_name
from darktimbre.synthesizer.synthesizer import Synthesizer

RAISED = (0.0, 0.5, 1.0)  # increments of an attribute whose effect is demonstrated
FOLDER = "sounds"
WINDOW = 1024  # samples
TOP_HZ = 6000.0  # of spectrograms; above it notes of these pitches have little


def titles(corpus: Corpus, rows: NDArray[np.int64], length: int = 32) -> list[tuple[str, str]]:
    """(sound, pitch) of each note; the pitch is "" where it has none."""
    notes = [corpus.note(int(row)) for row in rows]
    return [
        (
            (note.tags[0] if note.tags else note.subcategory or note.instrument)[:length],
            "" if note.pitch is None else f", {note_name(note.pitch)}",
        )
        for note in notes
    ]


def write_sounds(
    folder: Path,
    place: str,
    files: Sequence[str],
    waves: NDArray[np.float32],
    rate: int,
    titles: Sequence[str],
    groups: Sequence[str],
) -> tuple[Sound, ...]:
    """Writes waves (note, sample) as `sounds/PLACE/FILE.wav` below `folder`, each with a title and a group."""
    (folder / FOLDER / place).mkdir(parents=True, exist_ok=True)
    sounds = [Sound(f"{FOLDER}/{place}/{file}.wav", *of) for file, *of in zip(files, titles, groups, strict=True)]
    for sound, wave in zip(sounds, waves, strict=True):
        write(folder / sound.file, wave, rate)
    return tuple(sounds)


def file_name(name: str) -> str:
    """A row's name in lower-case letters, digits, dots and hyphens."""
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.") or "instrument"


class Examples:
    """The notes that every row of the tables is illustrated by."""

    def __init__(self, folder: Path, corpus: Corpus, rows: NDArray[np.int64], *, count: int, seed: int) -> None:
        """Chooses `count` of the rows, each of another instrument as long as there are."""
        shuffled = rows[np.random.default_rng(seed).permutation(len(rows))]
        self.rows = np.sort(one_an_instrument(shuffled, corpus.column("instrument"))[:count])
        self.folder, self.corpus = folder, corpus
        self.taken: set[str] = set()

    def real(self, name: str) -> tuple[Sound, ...]:
        """The notes themselves."""
        return self.write(name, self.corpus.waves(self.rows))

    def of(self, one: Instrument, seed: int) -> tuple[Sound, ...]:
        """What an instrument generates from the notes' pitch and attributes."""
        target = Conditions.of(self.corpus, self.rows, one.attributes)
        latent = one.synthesizer.latents(seed, len(self.rows))
        return self.write(one.name, self._generated(one, target.condition, latent))

    def raised(self, one: Instrument, attribute: str, seed: int) -> tuple[Sound, ...]:
        """What an instrument generates from the first note's condition, with an attribute raised by `RAISED`."""
        target = Conditions.of(self.corpus, self.rows[:1], one.attributes)
        condition = target.condition.repeat(len(RAISED), axis=0)
        column = len(one.attributes.pitches) + one.attributes.names.index(attribute)
        condition[:, column] += np.asarray(RAISED, np.float32)
        waves = self._generated(one, condition, one.synthesizer.latents(seed).repeat(len(RAISED), axis=0))
        each = [f"{attribute} {increment:+g}" for increment in RAISED]
        return self.write(f"{one.name}, {attribute}", waves, each, [f"{one.name}: {attribute} raised"] * len(RAISED))

    def write(
        self, name: str, waves: NDArray[np.float32], each: list[str] | None = None, groups: list[str] | None = None
    ) -> tuple[Sound, ...]:
        """Keeps sounds (note, sample) of a row, by default one for each of `rows`."""
        place = file_name(name)
        while place in self.taken:  # names may differ in what is no part of a file's name
            place += "-"
        self.taken.add(place)
        groups = groups or [f"target: {sound}{pitch}" for sound, pitch in titles(self.corpus, self.rows)]
        files = [f"{number:02d}" for number in range(1, len(waves) + 1)]
        rate = self.corpus.sample_rate
        return write_sounds(self.folder, place, files, waves, rate, each or [name] * len(waves), groups)

    def _generated(
        self, one: Instrument, condition: NDArray[np.float32], latent: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        source = generated_source(one.synthesizer, condition, latent, samples=self.corpus.samples)
        return source.waves(0, source.count)


def beside_real(
    synthesizer: Synthesizer, corpus: Corpus, path: Path, *, rows: NDArray[np.int64], columns: int = 6, seed: int = 0
) -> Path:
    """Draws spectrograms of notes of different instruments above generated ones of the same conditions.

    Args:
        synthesizer: the instrument.
        corpus: tagged by its teacher.
        path: the PNG.
        rows: held-out rows to choose from.
        columns: how many notes at most.
        seed: of the latents.
    """
    _, first = np.unique(corpus.column("instrument")[rows], return_index=True)  # one note an instrument
    firsts = first if len(first) > 1 else np.arange(len(rows))
    chosen = rows[firsts[np.unique(np.linspace(0, len(firsts) - 1, columns).round().astype(int))]]
    target = Conditions.of(corpus, chosen, synthesizer.attributes)
    generated = synthesizer.waves(target.condition, synthesizer.latents(seed, len(chosen)))
    named = titles(corpus, chosen, 22)
    return spectrogram_grid(
        [*corpus.waves(chosen), *generated],
        synthesizer.sample_rate,
        [f"real: {sound}{pitch}" for sound, pitch in named] + [f"made{pitch}" for _, pitch in named],
        path,
        columns=len(chosen),
        heading="held-out notes above, generated from their pitch and attributes below",
        top_hz=min(TOP_HZ, synthesizer.sample_rate / 2),
    )


def spectral_distances(real: NDArray[np.float32], generated: NDArray[np.float32]) -> NDArray[np.float64]:
    """Log-spectral distance in dB of pairs of sounds (note, sample) → (note,); Hann windows, a quarter apart."""

    def magnitudes(waves: NDArray[np.float32]) -> NDArray[np.float64]:
        frames = np.lib.stride_tricks.sliding_window_view(waves, WINDOW, axis=1)[:, :: WINDOW // 4]
        return np.abs(np.fft.rfft(frames * np.hanning(WINDOW))).swapaxes(1, 2)

    return log_spectral_distance(magnitudes(real), magnitudes(generated))
