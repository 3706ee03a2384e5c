"""Frozen networks from files that others made: their tensors, each checked, and the network in use."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from darktimbre.audio.atomic import atomic_file
from darktimbre.audio.download import sha256
from darktimbre.notes.errors import UserError

Network = TypeVar("Network", bound=nn.Module)
Weights = dict[str, Tensor]


def unpickled(path: Path, kind: str, allowed: Sequence[Any] = ()) -> Any:
    """What a PyTorch checkpoint of some `kind` holds; no pickled code is run.

    `allowed`: as `torch.serialization.safe_globals` takes it, beside tensors and plain values. Raises UserError: the
    file is damaged, or holds something else.
    """
    try:
        with torch.serialization.safe_globals(list(allowed)):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises anything from EOFError to UnpicklingError on damaged files
        raise UserError(
            f"{path} can't be read as a {kind} checkpoint: it is damaged, cut short or something else; get it again."
        ) from error


def fitting(
    path: Path,
    name: str,
    weights: Mapping[str, Tensor],
    build: Callable[[], nn.Module],
    *,
    spare: str = "\0",
    hint: Callable[[str], str] = lambda key: ".",
) -> dict[str, Tensor]:
    """The tensors of a network, float32; `build` is called on the meta device.

    Args:
        path: where they are from.
        name: of the network.
        weights: name → tensor.
        build: makes the network.
        spare: tensors with this prefix may be there, and are left out.
        hint: key of a tensor of another shape → end of the sentence.

    Raises:
        UserError: a tensor is missing, left over, of another shape, or holds what is no number.
    """
    with torch.device("meta"):
        expected = {key: tuple(value.shape) for key, value in build().state_dict().items()}
    if missing := sorted(expected.keys() - weights.keys()):
        raise UserError(f"{path} is not {name}: {len(missing)} tensors are missing, first {missing[0]}.")
    if extra := sorted(key for key in weights.keys() - expected.keys() if not key.startswith(spare)):
        raise UserError(f"{path} is not {name}: it has {len(extra)} tensors too many, first {extra[0]}.")
    for key, shape in expected.items():
        if tuple(weights[key].shape) != shape:
            raise UserError(f"{path} is not {name}: {key} is {tuple(weights[key].shape)} instead of {shape}{hint(key)}")
        if not bool(torch.isfinite(weights[key]).all()):
            raise UserError(f"{path} is damaged: {key} holds values that are no numbers; get it again.")
    kept = {key: weights[key] for key in expected}
    return {key: value.float() if value.is_floating_point() else value for key, value in kept.items()}


def write_converted(path: Path, name: str, weights: Weights, source_digest: str) -> None:
    """Keeps tensors as safetensors with the digest of the official file, so that what they compute stays comparable."""
    with atomic_file(path) as temporary:
        save_file(
            {key: value.contiguous() for key, value in weights.items()},
            temporary,
            metadata={"teacher": name, "source_sha256": source_digest},
        )


def read_converted(path: Path) -> tuple[Weights, str]:
    """What `write_converted` kept, and the digest of the official file. Raises UserError: it is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} can't be read as converted weights ({error}); add them again.") from error
    return weights, metadata.get("source_sha256") or sha256(path)


class Frozen(Generic[Network]):
    """A network in evaluation mode on a device, and the digest of the file its weights came from."""

    def __init__(self, network: Network, digest: str, device: str = "cpu") -> None:
        network.eval().requires_grad_(False)
        self.network: Network = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.digest = digest
        self.device = torch.device(device)
