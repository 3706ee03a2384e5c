"""A trained instrument on disk: training writes it, the synthesizer reads it."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from torch import nn

from darktimbre.audio.atomic import is_litter, read_json
from darktimbre.bundle import edits as kept
from darktimbre.bundle import weights as tensors
from darktimbre.bundle import where
from darktimbre.bundle.edits import KeptEdit
from darktimbre.bundle.encoded import EncodedNotes
from darktimbre.bundle.facts import InstrumentFacts
from darktimbre.bundle.inverter import InverterFolder
from darktimbre.bundle.model_folder import Form, ModelFolder, clause
from darktimbre.bundle.weights import Weights
from darktimbre.bundle.where import CONFIG, DISCRIMINATOR, EDITS, ENCODER, INVERTER, LATENT_NAMES, LATENTS
from darktimbre.models.autoencoder import AutoencoderConfig, Decoder, Encoder
from darktimbre.models.edits import Steered
from darktimbre.models.folding import fold
from darktimbre.models.inversion import InversionConfig, InversionNetwork
from darktimbre.models.inversion_folded import fold as fold_inverter
from darktimbre.models.progressive import Discriminator, Generator, PictureEncoder, ProgressiveConfig
from darktimbre.notes.attributes import Attributes
from darktimbre.notes.errors import UserError
from darktimbre.representation.codec import Codec, Inverter, codec_from_config
from darktimbre.representation.config import Inversion

LEARNED = "learned"  # the inversion by a trained network
PROGRESSIVE, AUTOENCODER = "progressive", "autoencoder"

_PARTS = ("network", "attributes", "codec")
_FORMS = {
    PROGRESSIVE: Form(
        ProgressiveConfig,
        Generator,
        "instrument",
        ("audio", "music", "audio-synthesis", "gan", "knowledge-distillation", "darkgan"),
    ),
    AUTOENCODER: Form(
        AutoencoderConfig,
        Decoder,
        "autoencoder",
        ("audio", "music", "audio-synthesis", "wasserstein-autoencoder", "timbre-transfer"),
    ),
}


def refuse_foreign(folder: Path) -> None:
    """Refuses a folder that a bundle must not take the place of.

    Raises:
        UserError: it is there and holds anything but a bundle: another program's model, or files beside one.
    """
    if not folder.exists():
        return
    try:
        ours = {"format", *_PARTS} <= read_json(folder / CONFIG).keys()
    except (OSError, ValueError, AttributeError):
        ours = False
    if not ours:
        raise UserError(f"{folder} is there and holds no bundle: name another folder.")
    others = [path for path in folder.iterdir() if not is_litter(path) and not where.is_part(path)]
    if others:
        raise UserError(f"{folder} holds {others[0].name} beside a bundle: move it away, or name another folder.")


@dataclass(frozen=True)
class Bundle(ModelFolder[ProgressiveConfig | AutoencoderConfig, Generator | Decoder]):
    """One instrument: what it is made of and its weights.

    `config` holds, beside what every model folder does:

    - `architecture`: "autoencoder"; left out of those whose generator is a progressive GAN's;
    - `network`: fields of `ProgressiveConfig` or `AutoencoderConfig`; `attributes`: `Attributes.to_json()`; `codec`:
      `Codec.to_config()`;
    - `baseline` (optional): one value per attribute, what the synthesizer uses for attributes that are not given; the
      median soft label of the training split is a good choice;
    - `examples` (optional): attribute values of some training notes, rows as long as the attribute list; what
      `darktimbre synth random` draws its timbres from;
    - `level` (optional): `peak_db`, the one peak in dB to which all notes were brought for training;
    - `inverter` (with the weights of one): `network` and `digest` of its folder, see `joined`.

    Attributes:
        weights: state of the averaged generator, or of the decoder.
        discriminator: state of the discriminator, where further training is meant to start from this bundle.
        encoder: state of an encoder, which places sounds of one's own in the latent space.
        inverter: state of the network that makes sound of its spectrograms.
        encoded: some training notes in the latent space.
        edits: of its activations, which are sliders when it plays.
    """

    kind, recipe = None, "darkgan-small"
    facts = InstrumentFacts

    discriminator: Weights | None = field(default=None, repr=False)
    encoder: Weights | None = field(default=None, repr=False)
    inverter: Weights | None = field(default=None, repr=False)
    encoded: EncodedNotes | None = field(default=None, repr=False)
    edits: tuple[KeptEdit, ...] = field(default=(), repr=False)
    origin: str = field(default="this bundle", kw_only=True)

    unshortened = (LATENTS, EDITS)

    def __post_init__(self) -> None:
        missing = [part for part in _PARTS if not isinstance(self.config.get(part), dict)]
        if missing:
            raise UserError(f"{self.origin}: {CONFIG} lacks {', '.join(missing)}; it is no darktimbre bundle.")
        if self.architecture not in _FORMS:
            raise UserError(f"{self.origin} is of the architecture {self.architecture!r}: update darktimbre.")
        for key, rows in (("baseline", [self.config.get("baseline")]), ("examples", self.config.get("examples") or [])):
            if wrong := [row for row in rows if row is not None and len(row) != len(self.attributes.names)]:
                raise UserError(
                    f"{self.origin}: `{key}` in {CONFIG} has {len(wrong[0])} values for {len(self.attributes.names)} "
                    "attributes."
                )
        if (self.inverter is None) != ("inverter" not in self.config):
            raise UserError(
                f"{self.origin}: {INVERTER} and `inverter` in {CONFIG} belong together, and one is missing: copy the "
                "whole folder again."
            )
        if self.encoder is not None:
            tensors.refuse_misfit(self.encoder, self._untrained_encoder, f"{self.origin}/{ENCODER}")
        if self.inverter is not None:
            self._refuse_other_inverter(self.inverter)
        if self.encoded is not None:
            held = self.encoded.latent.shape[1], self.encoded.styles.shape[1]
            if held != (getattr(self.network, "latent", 0), len(self.attributes.names)):
                raise UserError(f"{self.origin}: {LATENTS} and {LATENT_NAMES} are of another instrument: delete both.")
        if self.edits:
            kept.refuse_misfit(self.edits, self.attributes.names, self.editable, f"{self.origin}/{EDITS}")

    @classmethod
    def from_pretrained(cls, name: str | Path, *, discriminator: bool = False) -> "Bundle":
        """Reads a bundle from a folder, the package (`starter`, `strings`) or the Hugging Face hub.

        Args:
            name: where it is; see `darktimbre.bundle.where.find`.
            discriminator: also read the discriminator, if the bundle has one.

        Raises:
            UserError: not found, of a later format, damaged, or parts of it do not belong together.
        """
        folder = where.find(name, discriminator=discriminator)
        config = cls._read_config(folder / CONFIG)
        wanted = [ENCODER, INVERTER, *([DISCRIMINATOR] if discriminator else [])]
        parts: dict[str, Any] = {
            file.split(".")[0]: tensors.read(folder / file) for file in wanted if (folder / file).is_file()
        }
        weights = tensors.read(folder / where.WEIGHTS)
        edits = kept.read(folder / EDITS, weights)
        return cls(config, weights, **parts, encoded=EncodedNotes.read(folder), edits=edits, origin=str(folder))

    # ------------------------------------------------------------------------
    # Other bundles made of this one

    def joined(self, inverter: InverterFolder) -> "Bundle":
        """The same instrument with a trained network as its inversion.

        Raises:
            UserError: the network inverts another representation.
        """
        inverter.refuse_other_codec(self.codec().config)
        described = {"network": inverter.config["network"], "digest": inverter.digest}
        return replace(self, config={**self.config, "inverter": described}, inverter=inverter.weights)

    def inverted_by(self, inversion: str | Path) -> "Bundle":
        """The same instrument with another inversion of its spectrograms.

        Args:
            inversion: one of the codec's own (`CodecConfig.inversion`); `learned`, the network in the bundle or else
                the one in the package; or the folder of a trained network.

        Raises:
            UserError: there is no such inversion, it is of another representation, or the instrument generates the
                phase itself.
        """
        if self.codec().phase:
            raise UserError(
                f"{self.origin}: this instrument generates its phases itself, so there is nothing to choose: leave out "
                "--inversion."
            )
        known = get_args(Inversion)
        if inversion in known:
            config = {key: value for key, value in self.config.items() if key != "inverter"}
            config["codec"] = {**self.config["codec"], "inversion": inversion}
            return replace(self, config=config, inverter=None)
        if inversion == LEARNED:
            return (
                self
                if self.inverter is not None
                else self.joined(InverterFolder.from_pretrained(where.SHIPPED_INVERTER))
            )
        if not Path(inversion).expanduser().is_dir():
            raise UserError(
                f"There is no inversion {str(inversion)!r}; choose one of {', '.join(known)}, {LEARNED}, or the folder "
                "of a trained one."
            )
        return self.joined(InverterFolder.from_pretrained(inversion))

    def with_edits(self, edits: Sequence[KeptEdit]) -> "Bundle":
        """The same instrument with these edits instead of its own. Raises UserError: they are of another network."""
        return replace(self, edits=tuple(edits))

    def without_latents(self) -> "Bundle":
        """The same instrument without its training notes' latents and names."""
        return replace(self, encoded=None)

    # ------------------------------------------------------------------------
    # What it holds

    @property
    def architecture(self) -> str:
        """What kind of network generates its spectrograms."""
        return str(self.config.get("architecture", PROGRESSIVE))

    @property
    def form(self) -> Form:
        """Networks and card of its architecture."""
        return _FORMS[self.architecture]

    @property
    def gan(self) -> ProgressiveConfig:
        """Sizes of a GAN's networks.

        Raises:
            UserError: it is of another architecture.
        """
        if not isinstance(self.network, ProgressiveConfig):
            raise UserError(f"{self.origin} is no GAN, but an {self.architecture}: name another bundle.")
        return self.network

    @property
    def autoencoder(self) -> AutoencoderConfig:
        """Sizes of an autoencoder's networks.

        Raises:
            UserError: it is of another architecture.
        """
        if not isinstance(self.network, AutoencoderConfig):
            raise UserError(
                f"{self.origin} is no autoencoder but of the architecture {self.architecture}: name one that "
                f"`darktimbre train {where.INSTRUMENTS['strings']}` made."
            )
        return self.network

    @cached_property
    def attributes(self) -> Attributes:
        """The controls of the instrument."""
        try:
            return Attributes.from_json(self.config["attributes"])
        except (TypeError, KeyError, ValueError) as error:
            raise UserError(f"{self.origin}: `attributes` in {CONFIG} is damaged ({clause(error)}).") from error

    @property
    def sliders(self) -> Attributes:
        """What is set when playing: the attributes, then the edits by their names."""
        return replace(self.attributes, names=(*self.attributes.names, *(edit.name for edit in self.edits)))

    @property
    def editable(self) -> dict[str, int]:
        """Units of each layer that edits may move: the stages that are alike as trained and as played."""
        if isinstance(self.network, AutoencoderConfig):
            return {f"stages.{number}": width for number, width in enumerate(self.network.decoder_widths[1:])}
        return {f"stages.{number}": width for number, width in enumerate(self.network.widths[:-1])}

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the generator's weights as they are held here: what patches and exported networks belong to."""
        return tensors.digest(self.weights)

    @cached_property
    def sound_digest(self) -> str:
        """SHA-256 over all weights that sounds follow from: `digest` where there is no learned inversion."""
        inverter = self.inverter_folder()
        if inverter is None:
            return self.digest
        return hashlib.sha256((self.digest + inverter.digest).encode()).hexdigest()

    @property
    def level_db(self) -> float | None:
        """The one peak in dB that all notes had in training; None where they were of no one level."""
        level = self.config.get("level")
        peak = level.get("peak_db") if isinstance(level, dict) else None
        if not isinstance(peak, int | float) or isinstance(peak, bool) or not math.isfinite(peak):
            return None
        return float(peak)

    def codec(self, *, inverter: Inverter | None = None) -> Codec:
        """The spectrogram ⇄ sound pair the generator was trained with, with its fitted scaling; see `Codec`."""
        try:
            return codec_from_config(self.config["codec"], inverter=inverter)
        except UserError as error:
            raise UserError(f"{self.origin}, {CONFIG}: {error}") from error

    def generator(self) -> Generator | Decoder:
        """The averaged generator, or the decoder; see `build`."""
        return self.build()

    def played(self, bf16: bool = False) -> nn.Module:
        """The network that plays: `generator` folded, whose condition is that of `sliders`.

        Args:
            bf16: whether a GAN's convolutions multiply bfloat16, which is faster where the processor has such units.
        """
        network = fold(self.generator(), bf16)
        return Steered(network, [edit.shifts(self.editable) for edit in self.edits]) if self.edits else network

    def critic(self) -> Discriminator | None:
        """The discriminator, where the bundle was read with one."""
        if self.discriminator is None:
            return None
        file = f"{self.origin}/{DISCRIMINATOR}"
        return tensors.filled(lambda: Discriminator(self.gan), self.discriminator, file)

    def require_encoder(self) -> Weights:
        """The encoder's state.

        Raises:
            UserError: the instrument has none.
        """
        if self.encoder is None:
            raise UserError(
                f"{self.origin} has no encoder, so sounds cannot be placed in its latent space: take one that "
                f"`darktimbre train {where.INSTRUMENTS['strings']}` or `darktimbre train {where.ENCODING}` makes."
            )
        return self.encoder

    def encoder_network(self) -> Encoder | PictureEncoder:
        """The encoder, float32, frozen, in evaluation mode; raises as `require_encoder`."""
        weights: Weights = self.require_encoder()
        return tensors.filled(self._untrained_encoder, weights, f"{self.origin}/{ENCODER}")

    def _untrained_encoder(self) -> Encoder | PictureEncoder:
        return PictureEncoder(self.gan) if self.architecture == PROGRESSIVE else Encoder(self.autoencoder)

    def inverter_network(self) -> Inverter | None:
        """The network that makes sound of its spectrograms, as `codec` is handed it; None where it has none."""
        inverter = self.inverter_folder()
        return None if inverter is None else fold_inverter(inverter.build())

    def inverter_folder(self) -> InverterFolder | None:
        """The same network as training continues it; None where it has none."""
        if self.inverter is None:
            return None
        return InverterFolder(self.config["inverter"], self.inverter, origin=f"{self.origin}/{INVERTER}")

    def _refuse_other_inverter(self, weights: Weights) -> None:
        try:
            plan = InversionConfig(**self.config["inverter"]["network"])
        except (TypeError, KeyError, ValueError) as error:
            raise UserError(
                f"{self.origin}: `inverter` in {CONFIG} is not one this version can build ({clause(error)})."
            ) from error
        tensors.refuse_misfit(weights, lambda: InversionNetwork(plan), f"{self.origin}/{INVERTER}")
        inverter = self.inverter_folder()
        assert inverter is not None
        inverter.refuse_other_codec(self.codec().config)

    def edit_tensors(self) -> Weights:
        """The edits as their file holds them."""
        return kept.stored(self.edits, self.weights)

    def _files(self) -> dict[str, Weights]:
        parts = {
            DISCRIMINATOR: self.discriminator,
            ENCODER: self.encoder,
            INVERTER: self.inverter,
            LATENTS: None if self.encoded is None else self.encoded.tensors(),
            EDITS: self.edit_tensors() if self.edits else None,
        }
        return super()._files() | {file: weights for file, weights in parts.items() if weights is not None}

    @property
    def _told(self) -> dict[str, Any]:
        return {"edits": self.edits}

    def _texts(self, weights: Weights) -> dict[str, str]:
        names = {} if self.encoded is None else {LATENT_NAMES: self.encoded.names_json()}
        return super()._texts(weights) | names
