"""A whole instrument, small enough for tests: 8 kHz, a quarter of a second, three pitches, random weights."""

import json
from pathlib import Path
from typing import Any

import torch

from darktimbre.bundle.bundle import Bundle
from darktimbre.models.progressive import Discriminator, Generator, ProgressiveConfig
from darktimbre.notes.attributes import CLASSES, Attributes
from darktimbre.representation.codec import codec_from_config

PITCHES = (59, 60, 61)
NAMES = ("Singing bowl", "Trumpet", "Drum")
DIGEST = "d1" * 32


def tiny_bundle(
    *, pitch_comb: bool = True, discriminator: bool = False, pitched: bool = True, kind: str = "if", **config: Any
) -> Bundle:
    """The same weights at every call with the same arguments."""
    pitches = PITCHES if pitched else ()
    attributes = Attributes(pitches=pitches, names=NAMES, teacher="fake", teacher_digest=DIGEST, temperature=2.0)
    codec = codec_from_config(
        {"kind": kind, "sample_rate": 8000, "samples": 2000, "n_fft": 512, "hop": 128, "frames": 16}
    )
    plan = ProgressiveConfig(
        condition=attributes.size,
        latent=8,
        channels=codec.shape[0],
        start=(16, 4),
        growth=((32, 8), (64, 16)),
        widths=(16, 8, 8),
        bands=4,
        hidden=8,
        heads={"pitch": len(pitches), "attributes": len(NAMES)},
        pitch_comb=pitch_comb and pitched,
        pitches=pitches if pitch_comb else (),
        bin_hz=8000 / 512,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        generator, critic = Generator(plan), Discriminator(plan)
    whole = {
        "network": plan.model_dump(mode="json"),
        "attributes": attributes.to_json(),
        "codec": codec.to_config(),
        "recipe": {"name": "darkgan-small", "seed": 3, "batch": [8, 4]},
        "provenance": {
            "corpus": {"name": "FluidR3_GM", "licence": "MIT", "digest": "c0" * 32, "notes": 2912},
            "teacher": {"name": "fake", "digest": DIGEST},
            "notes_seen": 123456,
        },
        "metrics": {"pitch_accuracy": 0.91, "attribute_correlation": {"mean": 0.3}},
        **config,
    }
    return Bundle(whole, generator.state_dict(), critic.state_dict() if discriminator else None)


def edit(folder: Path, **changes: Any) -> None:
    """Changes entries of a bundle's or a classifier's configuration on disk."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def drum_bundle() -> Bundle:
    """One-shots by class: no pitch, and the names of a class tree in place of a teacher's."""
    made = tiny_bundle(pitched=False)
    attributes = {**made.config["attributes"], "names": ["drums", "drums/kick", "drums/snare"], "teacher": CLASSES}
    return Bundle({**made.config, "attributes": attributes}, made.weights)
