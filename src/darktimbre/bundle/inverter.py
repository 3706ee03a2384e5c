"""A trained inversion network on disk: training writes it (`darktimbre train inversion`), synthesizer and export use
it through the codec that it is handed to."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from darktimbre.bundle import where
from darktimbre.bundle.model_folder import ModelFolder
from darktimbre.bundle.where import CONFIG, SHIPPED_INVERTER
from darktimbre.models.inversion import InversionConfig, InversionNetwork
from darktimbre.models.inversion_folded import fold
from darktimbre.notes.errors import UserError
from darktimbre.representation.config import CodecConfig

SAME = ("sample_rate", "samples", "n_fft", "hop", "floor")  # settings of both codec and network


@dataclass(frozen=True)
class InverterFolder(ModelFolder[InversionConfig, InversionNetwork]):
    """A frozen network that makes waves of log-mel spectrograms, and what is known about it.

    `config` holds, beside what every model folder does: `network`, fields of `InversionConfig`, which name the codec it
    is for; `metrics` (optional): how near its sounds come, by split.
    """

    kind, recipe, template = "inverter", "inversion", "inverter"
    tags = ("audio",)
    built_from, built = InversionConfig, InversionNetwork

    origin: str = field(default="this inverter", kw_only=True)

    def __post_init__(self) -> None:
        self.refuse_misfit()

    @classmethod
    def from_pretrained(cls, name: str | Path) -> Self:
        """Reads an inverter from its folder; `inverter` is the one shipped in the package.

        Raises:
            UserError: there is none, or it is of another kind or a later format, or damaged.
        """
        path = Path(name).expanduser()
        if str(name) == SHIPPED_INVERTER and not (path / CONFIG).is_file():
            if not where.has_shipped(SHIPPED_INVERTER):
                raise UserError(
                    "This installation ships no inverter; train one with `darktimbre train inversion`, or choose "
                    "another inversion (--inversion phase-gradient)."
                )
            path = where.shipped_folder(SHIPPED_INVERTER)
        return super().from_pretrained(path)

    @classmethod
    def untrained(cls, network: InversionConfig, *, seed: int = 0) -> "InverterFolder":
        """Random weights that follow from `seed` alone."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            weights = InversionNetwork(network).state_dict()
        return cls({"network": network.model_dump(mode="json")}, weights)

    def refuse_other_codec(self, codec: CodecConfig) -> None:
        """Refuses a codec whose spectrograms the network was not trained on; its fitted scaling does not matter.

        Raises:
            UserError: naming what differs.
        """
        if difference := codec_difference(self.network, codec):
            raise UserError(
                f"{self.origin} was trained on other spectrograms ({difference}): train one for this codec with "
                "`darktimbre train inversion`, or choose another inversion (--inversion phase-gradient)."
            )

    @torch.no_grad()
    def invert(self, log_magnitude: Tensor, pitch: Tensor | None = None) -> Tensor:
        """Waves `(batch, sample)` of log magnitudes `(batch, band, frame)` and MIDI pitches `(batch,)`; see
        `representation.codec.Inverter`."""
        waves: Tensor = self.folded(log_magnitude, pitch)
        return waves

    @cached_property
    def folded(self) -> nn.Module:
        """The network made ready to play."""
        return fold(self.module)


def codec_difference(network: InversionConfig, codec: CodecConfig) -> str | None:
    """What of a codec is not what a network was trained on, in words; None where they fit."""
    wanted: dict[str, Any] = {name: getattr(network, name) for name in SAME}
    wanted |= {"kind": "mel-logmag", "mel_bands": network.bands, "frames": network.frames}
    given = {name: getattr(codec, name) for name in wanted} | {"frames": codec.picture_frames}
    differing = [f"{name} {wanted[name]}, not {given[name]}" for name in wanted if wanted[name] != given[name]]
    return ", ".join(differing) or None


def inversion_config(codec: CodecConfig, **sizes: Any) -> InversionConfig:
    """The network for a codec.

    Raises:
        UserError: the codec's spectrograms hold a phase, or are not of mel bands.
        ValueError: sizes that cannot be built.
    """
    if codec.kind != "mel-logmag":
        raise UserError(f"A learned inversion is for spectrograms of kind mel-logmag, not {codec.kind}.")
    facts = {name: getattr(codec, name) for name in SAME}
    return InversionConfig(**facts, bands=codec.mel_bands, frames=codec.picture_frames, **sizes)
