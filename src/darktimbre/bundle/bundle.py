"""A trained instrument on disk: training writes it, the synthesizer reads it."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import get_args

from darktimbre.bundle import weights as tensors
from darktimbre.bundle.model_folder import ModelFolder
from darktimbre.bundle.weights import Weights
from darktimbre.bundle.where import CONFIG, DISCRIMINATOR, find
from darktimbre.models.progressive import Discriminator, Generator, ProgressiveConfig
from darktimbre.notes.attributes import Attributes
from darktimbre.notes.errors import UserError
from darktimbre.representation.codec import Codec, Inverter, codec_from_config
from darktimbre.representation.config import Inversion

_PARTS = ("network", "attributes", "codec")


@dataclass(frozen=True)
class Bundle(ModelFolder[ProgressiveConfig, Generator]):
    """One instrument: what it is made of and its weights.

    `config` holds, beside what every model folder does:

    - `network`: fields of `ProgressiveConfig`; `attributes`: `Attributes.to_json()`; `codec`: `Codec.to_config()`;
    - `baseline` (optional): one value per attribute, what the synthesizer uses for attributes that are not given; the
      median soft label of the training split is a good choice;
    - `examples` (optional): attribute values of some training notes, rows as long as the attribute list; what
      `darktimbre synth random` draws its timbres from.

    Attributes:
        weights: state of the averaged generator.
        discriminator: state of the discriminator, where further training is meant to start from this bundle.
    """

    kind, recipe, template = None, "darkgan-small", "instrument"
    tags = ("audio", "music", "audio-synthesis", "gan", "knowledge-distillation", "darkgan")
    built_from, built = ProgressiveConfig, Generator

    discriminator: Weights | None = field(default=None, repr=False)
    origin: str = field(default="this bundle", kw_only=True)

    def __post_init__(self) -> None:
        missing = [part for part in _PARTS if not isinstance(self.config.get(part), dict)]
        if missing:
            raise UserError(f"{self.origin}: {CONFIG} lacks {', '.join(missing)}; it is no darktimbre bundle.")

    @classmethod
    def from_pretrained(cls, name: str | Path, *, discriminator: bool = False) -> "Bundle":
        """Reads a bundle from a folder, the package (`starter`) or the Hugging Face hub (`user/name[@revision]`).

        Args:
            name: where it is; see `darktimbre.bundle.where.find`.
            discriminator: also read the discriminator, if the bundle has one.

        Raises:
            UserError: not found, of a later format, damaged, or its weights do not fit its network.
        """
        folder = find(name, discriminator=discriminator)
        bundle = super().from_pretrained(folder)
        if not discriminator or not (folder / DISCRIMINATOR).is_file():
            return bundle
        return replace(bundle, discriminator=tensors.read(folder / DISCRIMINATOR))

    def inverted_by(self, inversion: str) -> "Bundle":
        """The same instrument with another inversion of its spectrograms (`CodecConfig.inversion`).

        Raises:
            UserError: there is no such inversion, or the instrument generates the phase itself.
        """
        if self.codec().phase:
            raise UserError(
                f"{self.origin}: this instrument generates its phases itself, so there is nothing to choose: leave out "
                "--inversion."
            )
        known = get_args(Inversion)
        if inversion not in known:
            raise UserError(f"There is no inversion {inversion!r}; choose one of {', '.join(known)}.")
        config = {**self.config, "codec": {**self.config["codec"], "inversion": inversion}}
        return replace(self, config=config)

    @cached_property
    def attributes(self) -> Attributes:
        """The controls of the instrument."""
        try:
            return Attributes.from_json(self.config["attributes"])
        except (TypeError, KeyError) as error:
            raise UserError(f"{self.origin}: `attributes` in {CONFIG} is damaged ({error}).") from error

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the generator's weights as they are held here."""
        return tensors.digest(self.weights)

    def codec(self, *, inverter: Inverter | None = None) -> Codec:
        """The spectrogram ⇄ sound pair the generator was trained with, with its fitted scaling; see `Codec`."""
        try:
            return codec_from_config(self.config["codec"], inverter=inverter)
        except (TypeError, KeyError, ValueError) as error:
            raise UserError(f"{self.origin}: `codec` in {CONFIG} is damaged ({error}).") from error

    def generator(self) -> Generator:
        """The averaged generator; see `build`."""
        return self.build()

    def critic(self) -> Discriminator | None:
        """The discriminator, where the bundle was read with one."""
        if self.discriminator is None:
            return None
        file = f"{self.origin}/{DISCRIMINATOR}"
        return tensors.filled(lambda: Discriminator(self.network), self.discriminator, file)

    def _files(self) -> dict[str, Weights]:
        return super()._files() | ({} if self.discriminator is None else {DISCRIMINATOR: self.discriminator})
