"""Named tensors on disk: safetensors in and out, with a sentence where a file or a weight is not what it should be."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from darktimbre.notes.errors import UserError

Weights = dict[str, Tensor]
Network = TypeVar("Network", bound=nn.Module)


def state_of(module: nn.Module) -> Weights:
    """The module's state on the CPU, in memory of its own."""
    return {name: tensor.detach().cpu().clone() for name, tensor in module.state_dict().items()}


def storable(weights: Mapping[str, Tensor], *, half: bool = False) -> Weights:
    """Copies on the CPU that share no memory, as safetensors wants them; in float16 with `half`.

    Raises:
        UserError: a weight is not finite, or does not fit float16.
    """
    stored = {}
    for name, tensor in weights.items():
        copy = tensor.detach().cpu().contiguous().clone()
        stored[name] = copy.half() if half and copy.is_floating_point() else copy
        if not bool(torch.isfinite(stored[name]).all()):
            kind = " in float16" if copy.dtype != stored[name].dtype else ""
            raise UserError(f"The weight {name} is not finite{kind}: nothing was written.")
    return stored


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


def digest(weights: Mapping[str, Tensor], *, also: str = "") -> str:
    """SHA-256 over names, types, shapes and values, and over a text that decides how they are used."""
    total = hashlib.sha256(also.encode())
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def refuse_misfit(weights: Mapping[str, Tensor], build: Callable[[], nn.Module], file: str) -> None:
    """Compares names and shapes with a network's, on the meta device, which allocates nothing.

    Raises:
        UserError: a tensor of the file is missing, left over or of another shape.
    """
    with torch.device("meta"):
        wanted = {name: tuple(tensor.shape) for name, tensor in build().state_dict().items()}
    if missing := sorted(wanted.keys() - weights.keys()):
        raise UserError(f"{file} lacks {len(missing)} of the network's tensors, {missing[0]} among them.")
    if extra := sorted(weights.keys() - wanted.keys()):
        raise UserError(f"{file} holds {len(extra)} tensors that the network does not have, {extra[0]} among them.")
    for name, shape in wanted.items():
        if tuple(weights[name].shape) != shape:
            raise UserError(f"{file}: {name} has the shape {tuple(weights[name].shape)}, the network needs {shape}.")


def filled(build: Callable[[], Network], weights: Mapping[str, Tensor], file: str) -> Network:
    """A network with these weights, float32, frozen, in evaluation mode.

    Raises:
        UserError: a tensor of the file is missing, left over, of another shape, or not finite.
    """
    refuse_misfit(weights, build, file)
    for name, tensor in weights.items():
        if not bool(torch.isfinite(tensor).all()):
            raise UserError(f"{file}: {name} is not finite, so the file is damaged: copy or make it again.")
    with torch.random.fork_rng(devices=[]):  # the random start is thrown away; the caller's state must not move
        network = build()
    network.load_state_dict({n: t.float() if t.is_floating_point() else t for n, t in weights.items()})
    return network.eval().requires_grad_(False)
