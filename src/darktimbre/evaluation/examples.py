"""Sounds and spectrograms to accompany the figures: real notes, and what instruments generate from their conditions."""

import re
from collections.abc import Mapping, Sequence
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
from darktimbre.notes.text import portable
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


def file_name(name: str) -> str:
    """A row's name in lower-case letters, digits, dots and hyphens, and no name that Windows reserves."""
    return portable(re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.") or "instrument")


class SoundFolder:
    """`sounds/` in the folder of a report."""

    def __init__(self, folder: Path, rate: int) -> None:
        self.folder, self.rate, self.taken = folder, rate, set[str]()

    def write(
        self,
        name: str,
        waves: NDArray[np.float32],
        groups: Sequence[str],
        titles: Sequence[str] = (),
        files: Sequence[str] = (),
    ) -> tuple[Sound, ...]:
        """Keeps waves (note, sample) as `sounds/NAME/FILE.wav`, by default numbered, with the name as their title."""
        place = file_name(name)
        while place in self.taken:  # names may differ in what is no part of a file's name
            place += "-"
        self.taken.add(place)
        (self.folder / FOLDER / place).mkdir(parents=True, exist_ok=True)
        files, titles = files or [f"{n:02d}" for n in range(1, len(waves) + 1)], titles or [name] * len(waves)
        sounds = [Sound(f"{FOLDER}/{place}/{file}.wav", *of) for file, *of in zip(files, titles, groups, strict=True)]
        for sound, wave in zip(sounds, waves, strict=True):
            write(self.folder / sound.file, wave, self.rate)
        return tuple(sounds)


class Examples(SoundFolder):
    """The notes that every row of the tables is illustrated by."""

    def __init__(self, folder: Path, corpus: Corpus, rows: NDArray[np.int64], *, count: int, seed: int) -> None:
        """Chooses `count` of the rows, each of another instrument as long as there are."""
        super().__init__(folder, corpus.sample_rate)
        shuffled = rows[np.random.default_rng(seed).permutation(len(rows))]
        self.rows = np.sort(one_an_instrument(shuffled, corpus.column("instrument"))[:count])
        self.corpus, self.seed = corpus, seed
        self.targets = [f"target: {sound}{pitch}" for sound, pitch in titles(corpus, self.rows)]

    def of(self, one: Instrument) -> tuple[Sound, ...]:
        """What an instrument generates from the notes' pitch and attributes."""
        target = Conditions.of(self.corpus, self.rows, one.attributes)
        latent = one.synthesizer.latents(self.seed, len(self.rows))
        return self.write(one.name, self._generated(one, target.condition, latent), self.targets)

    def raised(self, one: Instrument, attribute: str) -> tuple[Sound, ...]:
        """What an instrument generates from the first note's condition, with an attribute raised by `RAISED`."""
        many, target = len(RAISED), Conditions.of(self.corpus, self.rows[:1], one.attributes)
        condition = target.condition.repeat(many, axis=0)
        column = len(one.attributes.pitches) + one.attributes.names.index(attribute)
        condition[:, column] += np.asarray(RAISED, np.float32)
        waves = self._generated(one, condition, one.synthesizer.latents(self.seed).repeat(many, axis=0))
        titles = [f"{attribute} {increment:+g}" for increment in RAISED]
        return self.write(f"{one.name}, {attribute}", waves, [f"{one.name}: {attribute} raised"] * many, titles)

    def _generated(
        self, one: Instrument, condition: NDArray[np.float32], latent: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        source = generated_source(one.synthesizer, condition, latent, samples=self.corpus.samples)
        return source.waves(0, source.count)


def beside_real(
    synthesizer: Synthesizer,
    corpus: Corpus,
    path: Path,
    *,
    rows: NDArray[np.int64],
    columns: int = 6,
    seed: int = 0,
    others: Mapping[str, Synthesizer] | None = None,
) -> Path:
    """Draws spectrograms of notes of different instruments above generated ones of the same conditions, as a PNG.

    Args:
        synthesizer: what generates.
        corpus: tagged by the instrument's teacher.
        path: of the PNG.
        rows: held-out notes, of which at most `columns` are shown.
        columns: notes at most.
        seed: of the latents.
        others: instruments with the same attributes, by what their rows are called: rows between the two.
    """
    _, first = np.unique(corpus.column("instrument")[rows], return_index=True)  # one note an instrument
    firsts = first if len(first) > 1 else np.arange(len(rows))
    chosen = rows[firsts[np.unique(np.linspace(0, len(firsts) - 1, columns).round().astype(int))]]
    target, named = Conditions.of(corpus, chosen, synthesizer.attributes), titles(corpus, chosen, 22)
    shown, waves = [f"real: {sound}{pitch}" for sound, pitch in named], [*corpus.waves(chosen)]
    for name, one in {**(others or {}), "generated": synthesizer}.items():
        waves += [*one.waves(target.condition, one.latents(seed, len(chosen)))]
        shown += [f"{name}{pitch}" for _, pitch in named]
    return spectrogram_grid(
        waves,
        synthesizer.sample_rate,
        shown,
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
