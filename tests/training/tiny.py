"""A corpus, tags and recipes so small that a run takes a second: 8 kHz, 31 ms, three pitches, three attributes."""

import hashlib
import itertools
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.writer import CorpusWriter
from darktimbre.notes.note import Note
from darktimbre.tagging.tag import tag_corpus
from darktimbre.training import checkpoint
from darktimbre.training.recipe import Recipe, recipe_from
from darktimbre.training.tasks import gan
from darktimbre.training.tasks.base import Outcome
from darktimbre.training.trainer import Options, train

RATE, SAMPLES, NOTES = 8000, 248, 30
PITCHES = (69, 71)
NAMES = ("Bell", "Drum", "Flute")


class FakeTagger:
    """A teacher whose logits are three plain features of a sound."""

    name, digest, sample_rate, labels = "yamnet", "e" * 64, RATE, NAMES

    def logits(self, waves: torch.Tensor) -> torch.Tensor:
        """(batch, sample) → (batch, 3)."""
        steps = waves.diff(dim=1)
        return torch.stack([10 * waves.std(1) - 1, 20 * steps.std(1) - 1, 5 * waves[:, :60].abs().mean(1) - 1], 1)

    def embed(self, waves: torch.Tensor) -> torch.Tensor:
        """(batch, sample) → (batch, 3)."""
        return self.logits(waves)


def make_corpus(
    path: Path, notes: int = NOTES, rate: int = RATE, samples: int = SAMPLES, splits: tuple[str, ...] = ("train",)
) -> Corpus:
    """Decaying tones of several timbres, tagged; note i is of split i mod len(splits)."""
    random = np.random.default_rng(7)
    time = np.arange(samples) / rate
    with CorpusWriter(path, sample_rate=rate, samples=samples, name="tiny", licence="CC0", split="given") as writer:
        for number in range(notes):
            midi = PITCHES[0] + number % 3
            hertz = 440 * 2 ** ((midi - 69) / 12)
            partials = sum(np.sin(2 * np.pi * hertz * k * time) * random.uniform(0.2, 1) / k for k in range(1, 5))
            wave = (0.3 * partials * np.exp(-time * random.uniform(1, 60))).astype(np.float32)
            place = {"pitch": midi, "split": splits[number % len(splits)]}
            about = {"id": f"n{number}", "instrument": f"i{number % 5}", "origin": "made", "seconds": samples / rate}
            writer.add(Note(**about, **place), wave)
    corpus = Corpus.open(path)
    tag_corpus(corpus, FakeTagger())
    return corpus


def run(
    recipe: Recipe, corpus: Path, folder: Path, said: list[str] | None = None, callbacks: Any = (), **options: Any
) -> Outcome:
    """Trains on the CPU; the sentences for the user go into `said`."""
    chosen = Options(corpus=corpus, run=folder, accelerator="cpu", **options)
    return train(recipe, chosen, say=([] if said is None else said).append, callbacks=callbacks)


def fingerprint(folder: Path) -> dict[str, str]:
    """Digests of the last checkpoint, state and all, of the journal and of the bundle's configuration."""
    last = checkpoint.listing(folder)[-1]
    files = (last / checkpoint.TENSORS, last / checkpoint.META, folder / "journal.jsonl", folder / "bundle/config.json")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def stop_in_step(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """As if Ctrl-C came during that step of the session."""
    made, original = itertools.count(1), gan.GanTask.step

    def step(self, state):
        if next(made) == number:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, state)

    monkeypatch.setattr(gan.GanTask, "step", step)


def tiny_recipe(**changes: Any) -> Recipe:
    """Two sizes (8 × 4 → 16 × 8), the second faded in; batches of 4. `changes` replace whole sections."""
    recipe: dict[str, Any] = {
        "name": "tiny",
        "data": {
            "seconds": SAMPLES / RATE,
            "pitches": list(PITCHES),
            "attributes": list(NAMES),
            "codec": {"kind": "if", "n_fft": 32, "hop": 8, "frames": 32},
        },
        "network": {
            "latent": 4,
            "start": [4, 8],
            "growth": [[8, 16], [16, 32]],
            "widths": [8, 6, 4],
            "hidden": 8,
        },
        "schedule": [
            {"notes": 24, "batch": 4},
            {"notes": 24, "batch": 4, "fade": 12},
            {"notes": 24, "batch": 4, "fade": 12},
        ],
        "averaging": {"half_life": 20},
        "precision": "fp32",
        "checkpoint_every": 20,
        "preview_every": 0,
        "journal_every": 12,
    }
    return recipe_from(recipe | changes)


def warm_recipe(**changes: Any) -> Recipe:
    """One size, a warm start, anchored adversarial training: the shape of `darkgan-small`."""
    small: dict[str, Any] = {
        "network": {
            "latent": 4,
            "start": [4, 8],
            "growth": [[8, 16], [8, 32]],
            "widths": [8, 6, 4],
            "hidden": 8,
            "grow": False,
            "bands": 2,
            "pitch_comb": True,
            "posterior": True,
        },
        "schedule": [{"notes": 40, "batch": 4, "scale": 2}],
        "warm_start": {"notes": 32, "batch": 8, "anchor": 0.5, "kl_ramp": 16},
        "objectives": {"adversarial": "logistic", "penalty": {"kind": "zero-centred", "weight": 1.0, "every": 3}},
    }
    return tiny_recipe(**(small | changes))
