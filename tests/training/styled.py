"""A corpus of tones in two styles, some without style or pitch, and a recipe of an autoencoder for it."""

from pathlib import Path
from typing import Any

import numpy as np

from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.writer import CorpusWriter
from darktimbre.notes.note import Note
from darktimbre.training.recipe import Recipe, recipe_from

RATE, SAMPLES = 8000, 1984
STYLES = (("bright", "short"), ("dark", "short"), ("dark",), ())


def make_styled(
    path: Path,
    notes: int = 24,
    styles: tuple[tuple[str, ...], ...] = STYLES,
    *,
    pitched: bool = True,
    rate: int = RATE,
    samples: int = SAMPLES,
) -> Corpus:
    """Note i has the tags `styles[i mod len(styles)]`; every twelfth has no pitch."""
    time, random = np.arange(samples) / rate, np.random.default_rng(2)
    with CorpusWriter(path, sample_rate=rate, samples=samples, name="styled", licence="CC0", split="given") as writer:
        for number in range(notes):
            tags, midi = styles[number % len(styles)], 45 + 3 * (number % 11)
            tilt = 0.5 if "bright" in tags else 2.0
            hertz = 440 * 2 ** ((midi - 69) / 12)
            tone = sum(np.sin(2 * np.pi * hertz * k * time) / k**tilt for k in range(1, 6))
            tone *= np.exp(-time * (20 if "short" in tags else 2)) * random.uniform(0.05, 0.3)
            note = Note(
                id=f"n{number}", instrument=f"i{number}", origin="made", seconds=samples / rate, styles=tags,
                pitch=midi if pitched and number % 12 != 5 else None, split="valid" if number % 8 == 7 else "train",
            )  # fmt: skip
            writer.add(note, tone.astype(np.float32))
    return Corpus.open(path)


def styled_recipe(**changes: Any) -> Recipe:
    """Spectrograms of 32 × 32, four maps; `changes` are those of the section `autoencoder`, or whole sections."""
    whole = ("data", "network", "optimiser", "schedule", "preview_every")
    sections = {key: changes.pop(key) for key in whole if key in changes}
    recipe: dict[str, Any] = {
        "name": "styled",
        "task": "autoencoder",
        "data": {
            "seconds": SAMPLES / RATE,
            "codec": {"kind": "mel-logmag", "n_fft": 256, "hop": 64, "mel_bands": 32, "frames": 32},
        },
        "network": {
            "encoder_widths": [4] * 5, "decoder_widths": [4] * 5, "dense": [8, 8], "embedding": 4,
            "partial_width": 4, "harmonics": 8, "discriminator_width": 8,
        },
        "autoencoder": {"prior": {"directions": 4}} | changes,
        "optimiser": {"betas": [0.9, 0.99]},
        "schedule": [{"notes": 24, "batch": 4}],
        "precision": "fp32",
        "checkpoint_every": 20,
        "preview_every": 0,
        "journal_every": 12,
    }  # fmt: skip
    return recipe_from(recipe | sections)
