"""Edits of activations that were worth keeping, in a bundle: `edits.safetensors`, by `darktimbre dissect words`.

Each is a direction in the activations of one layer or several, and what it was measured to do. When playing they are
sliders beside the attributes.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from darktimbre.bundle import weights as tensors
from darktimbre.bundle.weights import Weights
from darktimbre.models.edits import Shift
from darktimbre.notes.errors import UserError

FORMAT = 2
MOST = 64  # edits of a bundle
LARGEST = 1 << 20  # bytes of the file
FARTHEST = 100.0  # of a direction's numbers; activations are about 1
AGAIN = "find them anew with `darktimbre dissect words`, or delete the file"

Word = Annotated[str, Field(min_length=1, max_length=80)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class KeptEdit(BaseModel):
    """One edit, and what it does at amount 1 on notes that were held out while it was sought."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Word  # of the slider
    layers: Annotated[tuple[Word, ...], Field(min_length=1, max_length=16)]
    direction: Annotated[
        tuple[Annotated[float, Field(ge=-FARTHEST, le=FARTHEST, allow_inf_nan=False)], ...], Field(max_length=4096)
    ]  # (unit,) added at amount 1, the units of its layers one after another
    effect: Number  # on the word that it is named after, in deviations of the teacher's logits
    also: Annotated[tuple[Word, ...], Field(max_length=4)] = ()  # what else it changes, such as "brighter"
    notes: Annotated[int, Field(ge=1)]  # that this was measured on
    figures: Annotated[dict[Word, Number], Field(max_length=40)] = {}  # all else that was measured

    def shifts(self, editable: dict[str, int]) -> tuple[Shift, ...]:
        """What `models.edits` applies; `editable`: units of the network's layers, which the edit fits."""
        return shifts(self.layers, self.direction, editable)

    @property
    def about(self) -> str:
        """What a slider's hint says."""
        also = f" Also {', '.join(self.also)}." if self.also else ""
        where = ", ".join(self.layers)
        return f"Changes the network's {where}: {self.effect:+.1f} deviations on {self.notes} notes.{also}"


def shifts(layers: Sequence[str], direction: Sequence[float], editable: dict[str, int]) -> tuple[Shift, ...]:
    """A direction over the units of some layers, one after another, as a shift of each."""
    ends = np.cumsum([editable[name] for name in layers])
    return tuple(
        Shift(name, tuple(direction[end - editable[name] : end]), 1.0) for name, end in zip(layers, ends, strict=True)
    )


def network_digest(weights: Weights) -> str:
    """SHA-256 of a network's weights rounded to float16: the same however they are stored."""
    return tensors.digest({n: t.half() if t.is_floating_point() else t for n, t in weights.items()})


def stored(edits: Sequence[KeptEdit], weights: Weights) -> Weights:
    """Edits of the network with these weights, for safetensors."""
    facts = [edit.model_dump(mode="json", exclude={"direction"}) for edit in edits]
    about = json.dumps({"format": FORMAT, "network": network_digest(weights), "edits": facts}, ensure_ascii=False)
    directions = {f"direction.{number}": torch.tensor(edit.direction) for number, edit in enumerate(edits)}
    return {"about": torch.frombuffer(bytearray(about.encode()), dtype=torch.uint8), **directions}


def read(path: Path, weights: Weights) -> tuple[KeptEdit, ...]:
    """Edits of a file; none where there is no file.

    Raises:
        UserError: it is too large, damaged, of another network, or of a later version.
    """
    if not path.is_file():
        return ()
    if path.stat().st_size > LARGEST:
        raise UserError(f"{path} is larger than a file of edits can be: {AGAIN}.")
    held = tensors.read(path)
    try:
        about: dict[str, Any] = json.loads(bytes(held.pop("about").numpy().tobytes()).decode())
        facts, version, network = list(about["edits"]), about["format"], about["network"]
    except (KeyError, ValueError, TypeError, RuntimeError, RecursionError) as error:
        raise UserError(f"{path} is no file of edits: {AGAIN}.") from error
    if version != FORMAT:
        raise UserError(f"{path} is of format {version!r}, this darktimbre reads format {FORMAT}: update darktimbre.")
    if network != network_digest(weights):
        raise UserError(f"{path} holds edits of another network: {AGAIN}.")
    if len(facts) > MOST or held.keys() != {f"direction.{number}" for number in range(len(facts))}:
        raise UserError(f"{path} holds {len(held)} directions for {len(facts)} edits, at most {MOST}: {AGAIN}.")
    try:
        return tuple(
            KeptEdit(**fact, direction=tuple(held[f"direction.{number}"].double().tolist()))
            for number, fact in enumerate(facts)
        )
    except (ValidationError, TypeError) as error:
        first = error.errors(include_url=False)[0] if isinstance(error, ValidationError) else None
        where = ".".join(map(str, first["loc"])) + ": " + first["msg"] if first else str(error)
        raise UserError(f"{path} is damaged ({where}): {AGAIN}.") from error


def refuse_misfit(edits: Sequence[KeptEdit], names: Sequence[str], editable: dict[str, int], path: str) -> None:
    """Raises UserError where edits are too many, share a name, or move a layer that is not there or of another size."""
    if len(edits) > MOST:
        raise UserError(f"{path} holds {len(edits)} edits, a bundle takes {MOST}: {AGAIN}.")
    taken = {name.casefold() for name in names}
    for edit in edits:
        if edit.name.casefold() in taken:
            raise UserError(f"{path}: two sliders are called {edit.name!r}: {AGAIN}.")
        taken.add(edit.name.casefold())
        if wrong := [layer for layer in edit.layers if layer not in editable]:
            known = ", ".join(editable)
            raise UserError(f"{path}: {edit.name!r} edits the layer {wrong[0]!r}; those that can be are {known}.")
        if len(set(edit.layers)) < len(edit.layers):
            raise UserError(f"{path}: {edit.name!r} names a layer twice: {AGAIN}.")
        if len(edit.direction) != (units := sum(editable[layer] for layer in edit.layers)):
            raise UserError(
                f"{path}: {edit.name!r} has {len(edit.direction)} numbers, the layer {', '.join(edit.layers)} has "
                f"{units} units: {AGAIN}."
            )
