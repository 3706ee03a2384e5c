"""A corpus of pictures and recipes so small that a run takes a second: bars in ten places."""

from pathlib import Path
from typing import Any

import numpy as np

from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.writer import CorpusWriter
from darktimbre.notes.note import Note
from darktimbre.training.recipe import Recipe, recipe_from


def make_pictures(path: Path, pictures: int = 60, classes: int = 3) -> Corpus:
    """Pictures of 28 × 28 with a bar whose height tells the class; every fifth is held out."""
    random = np.random.default_rng(5)
    with CorpusWriter(
        path, sample_rate=1, samples=784, picture=(1, 28, 28), name="bars", licence="CC0", split="given"
    ) as writer:
        for number in range(pictures):
            kind = number % classes
            pixels = random.integers(0, 40, (1, 28, 28), dtype=np.uint8)
            pixels[:, 3 + 8 * kind : 7 + 8 * kind, random.integers(0, 8) : random.integers(20, 28)] = 255
            split = {3: "valid", 4: "test"}.get(number % 5, "train")
            note = Note(id=f"p{number}", instrument="bars", origin="made", seconds=0.0, category=str(kind), split=split)
            writer.add_picture(note, pixels)
    return writer.corpus


SHORT: dict[str, Any] = {
    "name": "tiny-digits",
    "schedule": [{"notes": 48, "batch": 4}],
    "precision": "fp32",
    "checkpoint_every": 20,
    "preview_every": 0,
    "journal_every": 12,
}
"""Sections of every recipe: a dozen steps."""


def digit_recipe(**changes: Any) -> Recipe:
    """A conditional DCGAN of a few maps, batches of 4; `changes` replace whole sections."""
    recipe: dict[str, Any] = {
        "task": "picture-gan",
        "averaging": {"half_life": 20},
        "dcgan": {"latent": 4, "conditional": True, "widths": [6, 4, 4], "critic_widths": [4, 4]},
        "objectives": {"adversarial": "logistic", "penalty": {"kind": "none"}, "drift": 0.0},
        "optimiser": {"lr": 0.01, "betas": [0.5, 0.9]},
    }
    return recipe_from(SHORT | recipe | changes)


WGAN: dict[str, Any] = {
    "dcgan": {
        "latent": 4,
        "widths": [6, 4, 4],
        "critic_widths": [4, 4],
        "normalisation": "layer",
        "dropout": 0.0,
    },
    "objectives": {"adversarial": "wasserstein", "drift": 0.0, "critic_steps": 5},
}
"""Sections of a recipe with a gradient penalty and five D steps for one G step."""
