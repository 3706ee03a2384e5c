"""A whole instrument, small enough for tests: 8 kHz, a quarter of a second, three pitches, random weights."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from darktimbre.bundle.bundle import Bundle
from darktimbre.bundle.encoded import UNPITCHED, EncodedNotes
from darktimbre.bundle.inverter import InverterFolder, inversion_config
from darktimbre.models.autoencoder import AutoencoderConfig, Decoder, Encoder
from darktimbre.models.progressive import Discriminator, Generator, ProgressiveConfig
from darktimbre.notes.attributes import CLASSES, Attributes
from darktimbre.notes.attributes import STYLES as STYLE_TAGS
from darktimbre.representation.codec import codec_from_config

PITCHES = (59, 60, 61)
NAMES = ("Singing bowl", "Trumpet", "Drum")
DIGEST = "d1" * 32
_SHORT = {"sample_rate": 8000, "samples": 4000, "n_fft": 512, "hop": 64, "frames": 64}


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


# ----------------------------------------------------------------------------
# An autoencoder, which plays in the same ways

STYLES = ("plucked", "tremolo", "violins")
LATENT = 3


def tiny_inverter(*, architecture: str = "partials", **codec: Any) -> InverterFolder:
    """A learned inversion for the tiny autoencoder's spectrograms, untrained but that no two bins are equal: which of
    equal ones is a peak would be a matter of rounding."""
    settings = {"kind": "mel-logmag", **_SHORT, "mel_bands": 32, **codec}
    sizes = {"width": 16, "blocks": 1, "filters": 16}
    network = inversion_config(codec_from_config(settings).config, architecture=architecture, **sizes)
    made = InverterFolder.untrained(network, seed=11)
    uneven = {
        name: torch.randn(bias.shape, generator=torch.Generator().manual_seed(12))
        for name, bias in made.weights.items()
        if name == "body.per_bin.bias"
    }
    return InverterFolder(made.config, {**made.weights, **uneven})


def tiny_autoencoder(*, inverter: bool = False, encoder: bool = True, encoded: bool = False, **config: Any) -> Bundle:
    """8 kHz, half a second, three pitches, three styles, three latent numbers; the same weights at every call."""
    attributes = Attributes(pitches=PITCHES, names=STYLES, teacher=STYLE_TAGS)
    codec = codec_from_config(
        {"kind": "mel-logmag", **_SHORT, "mel_bands": 32, "inversion": "phase-gradient", "low": -6.9, "high": 1.0}
    )
    plan = AutoencoderConfig(
        latent=LATENT,
        encoder_widths=(4, 4, 4, 4, 8),
        dense=(16, 16),
        decoder_widths=(8, 8, 8, 8, 8),
        embedding=4,
        harmonics=8,
        partial_width=4,
        pitches=PITCHES,
        styles=len(STYLES),
        bands=32,
        frames=64,
        sample_rate=8000,
        n_fft=512,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(9)
        decoder, encoder_network = Decoder(plan), Encoder(plan)
    whole = {
        "architecture": "autoencoder",
        "network": plan.model_dump(mode="json"),
        "attributes": attributes.to_json(),
        "codec": codec.to_config(),
        "prior": "normal",
        "level": {"peak_db": -1.0},
        "recipe": {"name": "wae-class-prior", "seed": 3},
        "provenance": {"corpus": {"name": "strings", "licence": "CC0", "notes": 640}, "notes_seen": 9000},
        "metrics": {"reconstruction": {"log_spectral_distance": 7.5}},
        **config,
    }
    made = Bundle(
        whole,
        decoder.state_dict(),
        encoder=encoder_network.state_dict() if encoder else None,
        encoded=tiny_encoded() if encoded else None,
    )
    return made.joined(tiny_inverter()) if inverter else made


def tiny_encoded(count: int = 12) -> EncodedNotes:
    """Some notes of the tiny autoencoder's corpus."""
    rows = np.random.default_rng(4)
    return EncodedNotes(
        latent=rows.standard_normal((count, LATENT)).astype(np.float32),
        level_db=rows.uniform(-30, 0, count).astype(np.float32),
        pitch=np.asarray([UNPITCHED, *PITCHES])[np.arange(count) % 4],
        styles=np.eye(len(STYLES), dtype=np.float32)[np.arange(count) % 3],
        names=tuple(f"note {index}" for index in range(count)),
    )
