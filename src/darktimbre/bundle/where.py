"""Finds the folder of a bundle by its name: a local folder, one shipped in the package, or a Hugging Face hub id."""

import re
from importlib import resources
from pathlib import Path

import huggingface_hub  # loads what is used of it, when it is used

from darktimbre.notes.errors import UserError

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
DISCRIMINATOR = "discriminator.safetensors"
ENCODER = "encoder.safetensors"
INVERTER = "inverter.safetensors"
EDITS = "edits.safetensors"
LATENTS = "latents.safetensors"
LATENT_NAMES = "latents.json"
CARD = "README.md"

INSTRUMENTS = {"starter": "darkgan-small", "strings": "wae-class-prior"}
"""The instruments that the package may hold, each by the recipe that trains such a one."""

ENCODING = "darktimbre-encoder"
"""The recipe of an instrument steered with words that also encodes sounds."""

SHIPPED_INVERTER = "inverter"  # name of the package's own learned inversion

_HUB_ID = re.compile(r"(?P<id>[\w][\w.-]*/[\w][\w.-]*)(@(?P<revision>[\w./-]+))?")


def is_part(path: Path) -> bool:
    """Whether a file of a bundle's folder is a part of it, by its name."""
    return path.name in (CONFIG, CARD, LATENT_NAMES) or path.suffix == ".safetensors"


def shipped_folder(name: str) -> Path:
    """Where the package keeps its own trained instruments and inversion (package data)."""
    return Path(str(resources.files("darktimbre.bundle") / name))


def has_shipped(name: str) -> bool:
    """Whether this installation ships an instrument, or the inversion, of that name."""
    return (shipped_folder(name) / CONFIG).is_file()


def has_starter() -> bool:
    """Whether this installation ships a starter instrument."""
    return has_shipped("starter")


def find(name: str | Path, *, discriminator: bool = False) -> Path:
    """The local folder of a bundle.

    A local folder wins; then `starter` and `strings`, the instruments shipped in the package; then `user/name` or
    `user/name@revision` on the Hugging Face hub, which is the only case that uses the network.

    Args:
        name: folder, name of a shipped instrument, or hub id.
        discriminator: also fetch the discriminator of a hub bundle (training goes on from it; playing never needs it).

    Raises:
        UserError: nothing of that name was found.
    """
    text = str(name)
    path = Path(name).expanduser()
    if (path / CONFIG).is_file():
        return path
    if text in INSTRUMENTS:
        if has_shipped(text):
            return shipped_folder(text)
        raise UserError(
            f"This installation ships no {text} instrument; train one with `darktimbre train {INSTRUMENTS[text]}`."
        )
    if path.is_dir():
        inner = path / "bundle"
        if (inner / CONFIG).is_file():
            raise UserError(f"{path} is not a bundle but holds one: use {inner}.")
        raise UserError(f"{path} is not a bundle: there is no {CONFIG} in it.")
    if path.exists():
        raise UserError(f"{path} is a file; a bundle is the folder that holds {CONFIG} and {WEIGHTS}.")
    match = _HUB_ID.fullmatch(text)
    if match is None or (path.parent.exists() and path.parent != Path(".")):
        names = ", ".join(f"`{name}`" for name in INSTRUMENTS)
        raise UserError(f"There is no bundle at {text}. Give its folder, {names}, or a hub id such as user/name.")
    return _fetch(match["id"], match["revision"], discriminator=discriminator)


def _fetch(hub_id: str, revision: str | None, *, discriminator: bool) -> Path:
    patterns = [CONFIG, WEIGHTS, CARD, ENCODER, INVERTER, LATENTS, LATENT_NAMES, EDITS]
    patterns += [DISCRIMINATOR] if discriminator else []
    try:
        folder = Path(str(huggingface_hub.snapshot_download(hub_id, revision=revision, allow_patterns=patterns)))
    except (OSError, ValueError) as error:  # every error of the hub's client is one of these, being offline included
        at = f" at revision {revision}" if revision else ""
        raise UserError(
            f"There is no folder {hub_id} here, and the Hugging Face hub gave no bundle {hub_id}{at}"
            f" ({type(error).__name__}). Check the name and the connection, or give a local folder."
        ) from error
    if not (folder / CONFIG).is_file():
        raise UserError(f"{hub_id} on the Hugging Face hub is not a darktimbre bundle: it has no {CONFIG}.")
    return folder
