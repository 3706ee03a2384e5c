"""Named tensors on disk: safetensors in and out, with a sentence where a file or a weight is not what it should be."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError

from darktimbre.notes.errors import UserError

Weights = dict[str, torch.Tensor]


def plain(weights: Mapping[str, torch.Tensor]) -> Weights:
    """Copies on the CPU that share no memory, as safetensors wants them.

    Raises:
        UserError: a weight is not finite.
    """
    copies = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in weights.items()}
    for name, tensor in copies.items():
        if not bool(torch.isfinite(tensor).all()):
            kind = " in float16" if tensor.dtype == torch.float16 else ""
            raise UserError(f"The weight {name} is not finite{kind}: nothing was written.")
    return copies


def read(path: Path) -> Weights:
    """The tensors of a file.

    Raises:
        UserError: it is missing or damaged.
    """
    if not path.is_file():
        raise UserError(f"{path} is missing: the folder is incomplete; copy or make it again.")
    try:
        return safetensors.torch.load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as safetensors ({error}); copy or make it again.") from error


def digest(weights: Mapping[str, torch.Tensor], *, also: str = "") -> str:
    """SHA-256 over names, types, shapes and values, and over a text that decides how they are used."""
    total = hashlib.sha256(also.encode())
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def refuse_misfit(weights: Mapping[str, torch.Tensor], build: Callable[[], torch.nn.Module], origin: str) -> None:
    """Compares names and shapes with a network's, on the meta device: nothing is allocated on a configuration's word.

    Raises:
        UserError: a tensor is missing, left over or of another shape.
    """
    with torch.device("meta"):
        wanted = {name: tuple(tensor.shape) for name, tensor in build().state_dict().items()}
    if missing := sorted(wanted.keys() - weights.keys()):
        raise UserError(f"{origin} lacks {len(missing)} of the network's tensors, {missing[0]} among them.")
    if extra := sorted(weights.keys() - wanted.keys()):
        raise UserError(f"{origin} holds {len(extra)} tensors that the network does not have, {extra[0]} among them.")
    for name, shape in wanted.items():
        if tuple(weights[name].shape) != shape:
            raise UserError(f"{origin}: {name} has the shape {tuple(weights[name].shape)}, the network needs {shape}.")
