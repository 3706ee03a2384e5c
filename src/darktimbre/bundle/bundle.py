"""A trained instrument on disk: `config.json`, `model.safetensors` (averaged generator), a model card. Never a pickle.

Training writes it, the synthesizer reads it; nothing else crosses between the two.
"""

import json
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, get_args

import safetensors.torch
import torch

from darktimbre.audio.atomic import atomic_file, atomic_folder
from darktimbre.bundle import weights as tensors
from darktimbre.bundle.card import model_card
from darktimbre.bundle.where import CARD, CONFIG, DISCRIMINATOR, WEIGHTS, find
from darktimbre.models.progressive import Discriminator, Generator, ProgressiveConfig
from darktimbre.notes.attributes import Attributes
from darktimbre.notes.errors import UserError
from darktimbre.representation.codec import Codec, codec_from_config
from darktimbre.representation.config import Inversion

FORMAT = 1
_PARTS = ("network", "attributes", "codec")

Weights = tensors.Weights
Network = TypeVar("Network", bound=torch.nn.Module)


@dataclass(frozen=True)
class Bundle:
    """One instrument: what it is made of and its weights.

    `config` holds plain JSON types:

    - `format`: 1;
    - `network`: fields of `ProgressiveConfig`; `attributes`: `Attributes.to_json()`; `codec`: `Codec.to_config()`;
    - `baseline` (optional): one value per attribute, what the synthesizer uses for attributes that are not given; the
      median soft label of the training split is a good choice;
    - `examples` (optional): attribute values of some training notes, rows as long as the attribute list; what
      `darktimbre synth random` draws its timbres from;
    - `recipe`, `provenance`, `metrics` (optional): written to the model card.

    Attributes:
        config: as above.
        weights: state of the averaged generator.
        discriminator: state of the discriminator, where further training is meant to start from this bundle.
        origin: folder it was read from, for messages.
    """

    config: dict[str, Any]
    weights: Weights = field(repr=False)
    discriminator: Weights | None = field(default=None, repr=False)
    origin: str = "this bundle"

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
        config = _read_config(folder / CONFIG)
        weights = tensors.read(folder / WEIGHTS)
        critic = None
        if discriminator and (folder / DISCRIMINATOR).is_file():
            critic = tensors.read(folder / DISCRIMINATOR)
        return cls(config, weights, critic, origin=str(folder))

    def inverted_by(self, inversion: str) -> "Bundle":
        """The same instrument, whose pictures become sound another way (`CodecConfig.inversion`).

        Raises:
            UserError: there is no such way, or the instrument paints its phases itself.
        """
        if self.codec().phase:
            raise UserError(
                f"{self.origin}: this instrument paints its phases itself, so there is nothing to choose: leave out "
                "--inversion."
            )
        known = get_args(Inversion)
        if inversion not in known:
            raise UserError(f"There is no inversion {inversion!r}; choose one of {', '.join(known)}.")
        config = {**self.config, "codec": {**self.config["codec"], "inversion": inversion}}
        return replace(self, config=config)

    def save_pretrained(self, path: str | Path, *, half: bool = False) -> Path:
        """Writes the bundle's folder, whole or not at all.

        Args:
            path: the folder; what was there is replaced.
            half: store all weights in float16 (half the size; playing and training compute in float32 all the same).

        Raises:
            UserError: a weight is not finite, or does not fit float16.
        """
        weights = _stored(self.weights, half)
        discriminator = None if self.discriminator is None else _stored(self.discriminator, half)
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_folder(path) as folder:
            for name, text in self._card(weights).items():
                (folder / name).write_text(text, encoding="utf-8")
            for name, stored in ((WEIGHTS, weights), (DISCRIMINATOR, discriminator)):
                if stored is not None:
                    safetensors.torch.save_file(stored, folder / name, metadata={"format": "pt"})
                    (folder / name).chmod((folder / CONFIG).stat().st_mode)  # safetensors writes for the owner alone
        return path

    def save_card(self, path: str | Path) -> None:
        """Writes configuration and model card anew into a bundle's folder; weights, and all else there, stay.

        Each of the two files appears whole or not at all.
        """
        for name, text in self._card(self.weights).items():
            with atomic_file(Path(path) / name) as temporary:
                temporary.write_text(text, encoding="utf-8")

    def _card(self, weights: Weights) -> dict[str, str]:
        config = {"format": FORMAT, **{key: value for key, value in self.config.items() if key != "format"}}
        return {
            CONFIG: json.dumps(config, indent=2, ensure_ascii=False) + "\n",
            CARD: model_card(config, weights=weights),
        }

    @cached_property
    def attributes(self) -> Attributes:
        """The controls of the instrument."""
        try:
            return Attributes.from_json(self.config["attributes"])
        except (TypeError, KeyError) as error:
            raise UserError(f"{self.origin}: `attributes` in {CONFIG} is damaged ({error}).") from error

    @cached_property
    def network(self) -> ProgressiveConfig:
        """The plan of the networks."""
        try:
            return ProgressiveConfig(**self.config["network"])
        except (TypeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(
                f"{self.origin}: `network` in {CONFIG} is not one this version can build ({reason})."
            ) from error

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the generator's weights as they are held here."""
        return tensors.digest(self.weights)

    def codec(self) -> Codec:
        """The picture ⇄ sound pair the generator was trained with, with its fitted scaling."""
        try:
            return codec_from_config(self.config["codec"])
        except (TypeError, KeyError, ValueError) as error:
            raise UserError(f"{self.origin}: `codec` in {CONFIG} is damaged ({error}).") from error

    def generator(self) -> Generator:
        """The averaged generator, float32, in evaluation mode.

        Raises:
            UserError: a weight is missing, left over or of another shape.
        """
        tensors.refuse_misfit(self.weights, lambda: Generator(self.network), f"{self.origin}/{WEIGHTS}")
        return _filled(Generator, self.network, self.weights)

    def critic(self) -> Discriminator | None:
        """The discriminator, where the bundle was read with one."""
        if self.discriminator is None:
            return None
        tensors.refuse_misfit(self.discriminator, lambda: Discriminator(self.network), f"{self.origin}/{DISCRIMINATOR}")
        return _filled(Discriminator, self.network, self.discriminator)


def _stored(weights: Weights, half: bool) -> Weights:
    """The weights as they are written; UserError where one is not finite, in float16 if that is asked for."""
    if half:
        weights = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
    return tensors.plain(weights)


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as JSON ({error}).") from error
    if not isinstance(config, dict) or "format" not in config:
        raise UserError(f"{path} is not the configuration of a darktimbre bundle: it names no `format`.")
    if config["format"] != FORMAT:
        raise UserError(
            f"{path} is of format {config['format']!r}, this darktimbre reads format {FORMAT}: update darktimbre."
        )
    return config


def _filled(kind: type[Network], plan: ProgressiveConfig, weights: Weights) -> Network:
    with torch.random.fork_rng(
        devices=[]
    ):  # the random start is thrown away; the caller's generator state must not move
        module = kind(plan)
    module.load_state_dict({n: t.float() if t.is_floating_point() else t for n, t in weights.items()})
    return module.eval().requires_grad_(False)
