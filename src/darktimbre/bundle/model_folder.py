"""A trained network of pictures as a folder: `config.json`, `model.safetensors`, a card; no pickle."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import safetensors.torch
import torch
from pydantic import BaseModel

from darktimbre.audio.atomic import atomic_folder
from darktimbre.bundle import weights as tensors
from darktimbre.bundle.where import CARD, CONFIG, WEIGHTS
from darktimbre.notes.errors import UserError

FORMAT = 1

Sizes = TypeVar("Sizes", bound=BaseModel)


def read_folder(folder: Path | str, *, kind: str, recipe: str) -> tuple[dict[str, Any], tensors.Weights, str]:
    """Configuration, weights and path of a folder of this kind; `recipe` is what would train one.

    Raises:
        UserError: there is none, or it is of another kind or a later format, or damaged.
    """
    path = Path(folder).expanduser()
    if not (path / CONFIG).is_file():
        inner = path / "bundle"
        hint = f"it holds one: use {inner}" if (inner / CONFIG).is_file() else f"`darktimbre train {recipe}` makes one"
        raise UserError(f"There is no {kind} in {path}; {hint}.")
    try:
        config = json.loads((path / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path / CONFIG} cannot be read as JSON ({error}).") from error
    if not isinstance(config, dict) or config.get("kind") != kind:
        found = config.get("kind", "an instrument") if isinstance(config, dict) else "something else"
        raise UserError(f"{path} holds {found}, not a {kind}: `darktimbre train {recipe}` makes one.")
    if config.get("format") != FORMAT:
        raise UserError(
            f"{path / CONFIG} is of format {config.get('format')!r}, this darktimbre reads format {FORMAT}: update "
            "darktimbre."
        )
    return config, tensors.read(path / WEIGHTS), str(path)


def write_folder(
    folder: Path | str, *, kind: str, config: Mapping[str, Any], weights: tensors.Weights, card: str
) -> Path:
    """Writes the folder, whole or not at all; what was there is replaced.

    Raises:
        UserError: a weight is not finite.
    """
    stored = tensors.plain(weights)
    whole = {"format": FORMAT, "kind": kind, **{k: v for k, v in config.items() if k not in ("format", "kind")}}
    path = Path(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_folder(path) as made:
        (made / CONFIG).write_text(json.dumps(whole, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        (made / CARD).write_text(card, encoding="utf-8")
        safetensors.torch.save_file(stored, made / WEIGHTS, metadata={"format": "pt"})
        (made / WEIGHTS).chmod((made / CONFIG).stat().st_mode)  # safetensors writes for the owner alone
    return path


def network_sizes(kind: type[Sizes], config: Mapping[str, Any], origin: str) -> Sizes:
    """`network` of a configuration.

    Raises:
        UserError: it is missing, or not one this version can build.
    """
    try:
        return kind(**config["network"])
    except (TypeError, KeyError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{origin}: `network` in {CONFIG} is not one this version can build ({reason}).") from error


def class_names(config: Mapping[str, Any], origin: str) -> tuple[str, ...]:
    """The names of `classes` in a configuration.

    Raises:
        UserError: they are no list of texts.
    """
    names = config.get("classes")
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise UserError(f"{origin}: `classes` in {CONFIG} is no list of names.")
    return tuple(names)


def parameters(weights: tensors.Weights) -> int:
    """How many numbers were trained: all but what batch norms measured."""
    return sum(t.numel() for name, t in weights.items() if "running_" not in name and "num_" not in name)


def frozen(network: torch.nn.Module, weights: tensors.Weights) -> torch.nn.Module:
    """The network with these weights, in evaluation mode."""
    network.load_state_dict(weights)
    return network.eval().requires_grad_(False)
