"""A corpus of harmonic tones and a teacher of their brightness and loudness: small data for evaluations."""

from pathlib import Path

import numpy as np
import torch
from tests.bundle.tiny import DIGEST, NAMES, PITCHES

from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.writer import CorpusWriter
from darktimbre.notes.note import Note
from darktimbre.notes.pitch import midi_to_hz
from darktimbre.tagging.tag import tag_corpus

RATE, SAMPLES = 8000, 2000


class ToneTagger:
    """A teacher whose logits are brightness and loudness; its third label is constant."""

    name, digest, sample_rate, labels = "fake", DIGEST, RATE, ("Nothing", *NAMES)

    def logits(self, waves: torch.Tensor) -> torch.Tensor:
        """(batch, sample) → (batch, 4)."""
        loud = waves.std(1)
        bright = waves.diff(dim=1).std(1) / (loud + 1e-6)
        still = torch.zeros_like(loud)
        return torch.stack([still, 4 * bright - 2, 30 * loud - 2, still - 3], 1)

    def embed(self, waves: torch.Tensor) -> torch.Tensor:
        """(batch, sample) → (batch, 4)."""
        return self.logits(waves)


def tone_corpus(path: Path) -> Corpus:
    """Six instruments of harmonic tones, two in each split; one note of another pitch, one instrument of one note."""
    random, time = np.random.default_rng(3), np.arange(SAMPLES) / RATE
    with CorpusWriter(path, sample_rate=RATE, samples=SAMPLES, name="tones", split="given") as writer:

        def add(instrument: int, number: int, midi: int | None) -> None:
            hertz = midi_to_hz(midi or 60)
            tilt, level = random.uniform(0.3, 3), random.uniform(0.02, 0.4)
            wave = sum(np.sin(2 * np.pi * hertz * k * time) * k**-tilt for k in range(1, 8))
            split = ("train", "valid", "test")[instrument % 3]
            name = f"i{instrument}"
            note = Note(id=f"{name}-{number}", instrument=name, origin="made", seconds=0.25, pitch=midi, split=split)
            writer.add(note, (level * wave / np.abs(wave).max()).astype(np.float32))

        for instrument in range(6):
            for number in range(9):
                add(instrument, number, PITCHES[number % 3])
        add(1, 90, 72)
        add(4, 91, None)
        add(7, 0, 60)
    opened = Corpus.open(path)
    tag_corpus(opened, ToneTagger())
    return opened
