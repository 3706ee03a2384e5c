"""A trained classifier of notes on disk: `config.json`, `model.safetensors`, a card; evaluation listens through it.

Training writes it (`darktimbre train inception`), evaluation reads it. Like an instrument it holds no pickle.
"""

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from darktimbre.audio.atomic import atomic_folder
from darktimbre.bundle import weights as tensors
from darktimbre.bundle.classifier_card import classifier_card
from darktimbre.bundle.where import CARD, CONFIG, WEIGHTS
from darktimbre.models.inception import Heard, Inception, InceptionConfig
from darktimbre.notes.errors import UserError

FORMAT = 1
KIND = "classifier"


@dataclass(frozen=True)
class Classifier:
    """A frozen network that names pitch and instrument family, and what it is known to be worth.

    `config` holds plain JSON types:

    - `format`: 1; `kind`: `classifier`;
    - `network`: fields of `InceptionConfig`; `samples`: length of the notes it was trained on;
    - `pitches`: MIDI numbers, `families`: names, `attributes`: names, each in the order of the logits;
    - `teacher` (optional): `name`, `digest` and `temperature` of the soft labels;
    - `recipe`, `provenance`, `metrics` (optional): written to the card. `metrics` has the accuracies on each split.

    Attributes:
        config: as above.
        weights: the network's state.
        origin: folder it was read from, for messages.
    """

    config: dict[str, Any]
    weights: tensors.Weights = field(repr=False)
    origin: str = "this classifier"

    def __post_init__(self) -> None:
        network = self.network
        for key, count in (
            ("pitches", network.pitches),
            ("families", network.families),
            ("attributes", network.attributes),
        ):
            named = self.config.get(key)
            if not isinstance(named, list | tuple) or len(named) != count:
                raise UserError(f"{self.origin}: `{key}` in {CONFIG} does not name the network's {count} classes.")
        if not isinstance(self.config.get("samples"), int) or self.config["samples"] < 1:
            raise UserError(f"{self.origin}: `samples` in {CONFIG} is no number of samples.")
        tensors.refuse_misfit(self.weights, lambda: Inception(network), f"{self.origin}/{WEIGHTS}")

    @classmethod
    def from_pretrained(cls, folder: Path | str) -> "Classifier":
        """Reads a classifier from its folder.

        Raises:
            UserError: there is none, or it is of a later format, damaged, or another kind of bundle.
        """
        path = Path(folder).expanduser()
        if not (path / CONFIG).is_file():
            inner = path / "bundle"
            hint = f"; it holds one: use {inner}" if (inner / CONFIG).is_file() else ""
            raise UserError(f"There is no classifier in {path}{hint or ' (`darktimbre train inception` makes one)'}.")
        return cls(_read_config(path / CONFIG), tensors.read(path / WEIGHTS), str(path))

    @classmethod
    def untrained(
        cls,
        network: InceptionConfig,
        *,
        samples: int,
        pitches: tuple[int, ...] = (),
        families: tuple[str, ...] = (),
        attributes: tuple[str, ...] = (),
        seed: int = 0,
    ) -> "Classifier":
        """Random weights that follow from `seed` alone; numbers of classes are taken from the names."""
        counts = {"pitches": len(pitches), "families": len(families), "attributes": len(attributes)}
        network = network.model_copy(update=counts)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            weights = Inception(network).state_dict()
        config = {
            "network": network.model_dump(mode="json"),
            "samples": samples,
            "pitches": list(pitches),
            "families": list(families),
            "attributes": list(attributes),
        }
        return cls(config, weights)

    def save_pretrained(self, folder: Path | str) -> Path:
        """Writes the folder, whole or not at all; what was there is replaced.

        Raises:
            UserError: a weight is not finite.
        """
        stored = tensors.plain(self.weights)
        config = {
            "format": FORMAT,
            "kind": KIND,
            **{key: value for key, value in self.config.items() if key not in ("format", "kind")},
        }
        path = Path(folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_folder(path) as made:
            (made / CONFIG).write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
            (made / CARD).write_text(classifier_card(config, parameters=_parameters(stored)), encoding="utf-8")
            safetensors.torch.save_file(stored, made / WEIGHTS, metadata={"format": "pt"})
            (made / WEIGHTS).chmod((made / CONFIG).stat().st_mode)  # safetensors writes for the owner alone
        return path

    @cached_property
    def network(self) -> InceptionConfig:
        """Sizes of the network."""
        try:
            return InceptionConfig(**self.config["network"])
        except (TypeError, KeyError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(
                f"{self.origin}: `network` in {CONFIG} is not one this version can build ({reason})."
            ) from error

    @property
    def pitches(self) -> tuple[int, ...]:
        """MIDI number of each pitch class; empty where it was trained without pitch."""
        return tuple(self.config["pitches"])

    @property
    def families(self) -> tuple[str, ...]:
        """Name of each instrument family; "other" are the notes whose family was not known."""
        return tuple(self.config["families"])

    @property
    def sample_rate(self) -> int:
        """Rate in Hz of the waves it wants."""
        return self.network.sample_rate

    @property
    def samples(self) -> int:
        """Length of the notes it was trained on."""
        return int(self.config["samples"])

    @property
    def dimension(self) -> int:
        """Numbers of an embedding."""
        return self.network.embedding

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the weights and the sizes they are used with."""
        return tensors.digest(self.weights, also=self.network.model_dump_json())

    @cached_property
    def module(self) -> Inception:
        """The network, float32, frozen, in evaluation mode."""
        with torch.random.fork_rng(devices=[]):  # the random start is thrown away; the caller's state must not move
            built = Inception(self.network)
        built.load_state_dict(self.weights)
        return built.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.no_grad()
    def hear(self, waves: Tensor) -> Heard:
        """What is heard in waves (batch, sample) at `sample_rate`; a note of another length is heard all the same.

        Returns:
            pitch (batch, pitch) and family (batch, family) logits, embedding (batch, dimension), attributes (batch,
            attribute) logits; float32 on the CPU.
        """
        if waves.dim() != 2 or not waves.shape[1]:
            raise ValueError(f"waves are (batch, sample); got {tuple(waves.shape)}.")
        heard: Heard = self.module(waves.to("cpu", torch.float32))
        return heard


def _parameters(weights: tensors.Weights) -> int:
    return sum(tensor.numel() for name, tensor in weights.items() if "running_" not in name and "num_" not in name)


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as JSON ({error}).") from error
    if not isinstance(config, dict) or config.get("kind") != KIND:
        raise UserError(f"{path} is not the configuration of a classifier: `darktimbre train inception` makes one.")
    if config.get("format") != FORMAT:
        raise UserError(
            f"{path} is of format {config.get('format')!r}, this darktimbre reads format {FORMAT}: update darktimbre."
        )
    return config
