"""Instruments of one brightness each, and a teacher that embeds by bands: what whole evaluations are tested on."""

from pathlib import Path

import numpy as np
import torch
from tests.bundle.tiny import PITCHES
from tests.evaluation.tones import RATE, SAMPLES, ToneTagger

from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.writer import CorpusWriter
from darktimbre.notes.note import Note
from darktimbre.notes.pitch import midi_to_hz
from darktimbre.tagging.tag import tag_corpus

CONSTANT = "Drum"  # the label that does not vary
FAMILIES = ("brass", "mallet")


class BandTagger(ToneTagger):
    """Predicts brightness and loudness; embeds sounds by their loudness in bands."""

    def embed(self, waves: torch.Tensor) -> torch.Tensor:
        """(batch, sample) → (batch, 4): loudness of four bands, in units of 40 dB."""
        bands = torch.fft.rfft(waves).abs()[:, :1000].unflatten(1, (4, 250)).square().mean(2)
        return torch.log10(bands + 1e-6) / 4


def band_tones(path: Path, *, instruments: int = 9, takes: int = 4, tagged: bool = True) -> Corpus:
    """A third of the instruments in each split; every pitch `takes` times, each take at a level of its own."""
    random, time = np.random.default_rng(3), np.arange(SAMPLES) / RATE
    with CorpusWriter(path, sample_rate=RATE, samples=SAMPLES, name="tones", split="given") as writer:
        for instrument in range(instruments):
            tilt = random.uniform(0.3, 3)
            for number in range(takes * len(PITCHES)):
                midi = PITCHES[number % len(PITCHES)]
                level = random.uniform(0.02, 0.4)
                wave = sum(np.sin(2 * np.pi * midi_to_hz(midi) * k * time) * k**-tilt for k in range(1, 8))
                note = Note(
                    id=f"i{instrument}-{number}", instrument=f"i{instrument}", origin="made", seconds=0.25, pitch=midi,
                    family=FAMILIES[instrument % 2], split=("train", "valid", "test")[instrument % 3],
                )  # fmt: skip
                writer.add(note, (level * wave / np.abs(wave).max()).astype(np.float32))
    corpus = Corpus.open(path)
    if tagged:
        tag_corpus(corpus, BandTagger())
    return corpus
