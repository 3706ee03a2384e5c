"""A trained model as a folder: `config.json`, `model.safetensors` and a model card (`README.md`); never a pickle."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, Self, TypeVar, cast

import safetensors.torch
from pydantic import BaseModel, ValidationError
from torch import nn

from darktimbre.audio.atomic import atomic_file, atomic_folder, read_json
from darktimbre.bundle import weights as tensors
from darktimbre.bundle.card import model_card
from darktimbre.bundle.facts import Facts
from darktimbre.bundle.weights import Weights
from darktimbre.bundle.where import CARD, CONFIG, WEIGHTS
from darktimbre.notes.bounded import first_mistake
from darktimbre.notes.errors import UserError
from darktimbre.notes.text import json_text, legible

FORMAT = 1

Sizes = TypeVar("Sizes", bound=BaseModel)
Network = TypeVar("Network", bound=nn.Module)


class Form(NamedTuple):
    """What a model folder is built from and how its card is written."""

    sizes: type[BaseModel]
    network: type[nn.Module]
    template: str  # of the card, in `templates/`
    tags: tuple[str, ...]  # of the card's front matter


@dataclass(frozen=True)
class ModelFolder(Generic[Sizes, Network]):
    """A frozen network and what is known about it. A subclass names its kind, its network and its card.

    `config` holds plain JSON types: `format` (1) and `kind` (unless an instrument), `network` (the fields of the
    network's configuration), and `recipe`, `provenance`, `metrics` (optional), which the card shows. Subclasses add
    keys of their own.

    Attributes:
        config: as above.
        weights: the network's state.
        origin: folder it was read from, for messages.
    """

    kind: ClassVar[str | None]  # of config.json; also what messages call it
    recipe: ClassVar[str]  # `darktimbre train RECIPE` makes one
    template: ClassVar[str] = "model"  # of the card, in `templates/`; this one suits any network
    tags: ClassVar[tuple[str, ...]] = ()  # of the card's front matter
    built_from: ClassVar[type[BaseModel]]
    built: ClassVar[type[nn.Module]]
    facts: ClassVar[type[Facts]] = Facts  # what is expected of `config` beside the network
    unshortened: ClassVar[tuple[str, ...]] = ()  # files that `half` leaves as they are

    config: dict[str, Any]
    weights: Weights = field(repr=False)
    origin: str = field(default="this model", kw_only=True)

    @classmethod
    def from_pretrained(cls, name: str | Path) -> Self:
        """Reads a model from its folder.

        Raises:
            UserError: there is none, or it is of another kind or a later format, or damaged.
        """
        path = Path(name).expanduser()
        if not (path / CONFIG).is_file():
            inner = path / "bundle"
            trained = f"`darktimbre train {cls.recipe}` makes one"
            hint = f"it holds one: use {inner}" if (inner / CONFIG).is_file() else trained
            raise UserError(f"There is no {cls.kind} in {path}; {hint}.")
        return cls(cls._read_config(path / CONFIG), tensors.read(path / WEIGHTS), origin=str(path))

    def save_pretrained(self, path: str | Path, *, half: bool = False) -> Path:
        """Writes the folder, whole or not at all.

        Args:
            path: the folder; what was there is replaced.
            half: store all weights in float16 (half the size; computing is in float32 all the same).

        Raises:
            UserError: a weight is not finite, or does not fit float16.
        """
        stored = {
            name: tensors.storable(weights, half=half and name not in self.unshortened)
            for name, weights in self._files().items()
        }
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_folder(path) as folder:
            for name, text in self._texts(stored[WEIGHTS]).items():
                (folder / name).write_text(legible(text), encoding="utf-8")
            for name, weights in stored.items():
                safetensors.torch.save_file(weights, folder / name, metadata={"format": "pt"})
                (folder / name).chmod((folder / CONFIG).stat().st_mode)  # safetensors writes for the owner alone
        return path

    def save_card(self, path: str | Path) -> None:
        """Writes configuration and model card anew into a model's folder; weights, and all else there, stay.

        Each of the two files appears whole or not at all.
        """
        for name, text in self._texts(self.weights).items():
            with atomic_file(Path(path) / name) as temporary:
                temporary.write_text(legible(text), encoding="utf-8")

    @property
    def form(self) -> Form:
        """What this one is built from; a kind with several architectures chooses here."""
        return Form(self.built_from, self.built, self.template, self.tags)

    @cached_property
    def network(self) -> Sizes:
        """Sizes of the network.

        Raises:
            UserError: they are missing, or not ones this version can build.
        """
        try:
            return cast(Sizes, self.form.sizes(**self.config["network"]))
        except (TypeError, KeyError, ValueError) as error:
            raise UserError(
                f"{self.origin}: `network` in {CONFIG} is not one this version can build ({clause(error)})."
            ) from error

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the weights and the sizes they are used with."""
        return tensors.digest(self.weights, also=self.network.model_dump_json())

    @cached_property
    def module(self) -> Network:
        """The network, float32, frozen, in evaluation mode."""
        return self.build()

    def build(self) -> Network:
        """The network anew, float32, frozen, in evaluation mode.

        Raises:
            UserError: a weight is missing, left over or of another shape.
        """
        return cast(Network, tensors.filled(lambda: self.form.network(self.network), self.weights, self._weights_file))

    def refuse_misfit(self) -> None:
        """Raises UserError where a weight is missing, left over or of another shape; allocates nothing."""
        tensors.refuse_misfit(self.weights, lambda: self.form.network(self.network), self._weights_file)

    def names(self, key: str) -> tuple[Any, ...]:
        """A list of the configuration, such as `classes`.

        Raises:
            UserError: it is no list.
        """
        names = self.config.get(key)
        if not isinstance(names, list | tuple):
            raise UserError(f"{self.origin}: `{key}` in {CONFIG} is no list of names.")
        return tuple(names)

    def refuse_unnamed(self, **counts: int) -> None:
        """Raises UserError where a list of the configuration is not as long as the network's outputs."""
        for key, count in counts.items():
            if len(self.names(key)) != count:
                raise UserError(f"{self.origin}: `{key}` in {CONFIG} does not name the network's {count} classes.")

    @property
    def _weights_file(self) -> str:
        return f"{self.origin}/{WEIGHTS}"

    def _files(self) -> dict[str, Weights]:
        return {WEIGHTS: self.weights}

    def _texts(self, weights: Weights) -> dict[str, str]:
        head = {"format": FORMAT, **({"kind": self.kind} if self.kind else {})}
        config = head | {key: value for key, value in self.config.items() if key not in ("format", "kind")}
        return {
            CONFIG: json_text(config, indent=2),
            CARD: model_card(self.form.template, config | self._told, weights, self.form.tags),
        }

    @property
    def _told(self) -> dict[str, Any]:
        """What its card tells beside the configuration."""
        return {}

    @classmethod
    def _read_config(cls, path: Path) -> dict[str, Any]:
        try:
            config = read_json(path)
        except (OSError, ValueError) as error:
            raise UserError(f"{path} cannot be read as JSON ({error}).") from error
        wanted = f"{path} is not the configuration of {_one(cls.kind)}"
        if not isinstance(config, dict) or "format" not in config:
            raise UserError(f"{wanted}: it names no `format`.")
        if config.get("kind") != cls.kind:
            raise UserError(f"{wanted}, but of {_one(config.get('kind'))}: `darktimbre train {cls.recipe}` makes one.")
        if config["format"] != FORMAT:
            raise UserError(
                f"{path} is of format {config['format']!r}, this darktimbre reads format {FORMAT}: update darktimbre."
            )
        try:
            cls.facts.model_validate(config)
        except ValidationError as error:
            raise UserError(f"{path} does not describe {_one(cls.kind)} ({first_mistake(error)}).") from error
        return config


def clause(error: Exception) -> str:
    """What is wrong with a description, by the error that reading it raised."""
    if isinstance(error, ValidationError):
        return first_mistake(error)
    return f"{error} is missing" if isinstance(error, KeyError) else str(error).splitlines()[0]


def _one(kind: str | None) -> str:
    """A kind of model with its article."""
    return f"{'an' if str(kind)[0] in 'aeiou' else 'a'} {kind}" if kind else "an instrument"
