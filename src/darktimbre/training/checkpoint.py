"""A run's whole state on disk: safetensors + JSON under one digest; whole or not at all, the last good ones kept."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from darktimbre.audio.atomic import atomic_folder, clear_leftovers, is_disk_full
from darktimbre.notes.errors import UserError

FORMAT = 1
KEPT = 2  # should the newest one turn out damaged, the one before it is used
TENSORS, META = "state.safetensors", "state.json"


class Damaged(Exception):
    """A checkpoint that is cut short or changed; its sentence says how."""


@dataclass(frozen=True)
class Snapshot:
    """State of a run after some notes."""

    notes_seen: int  # real notes seen
    tensors: dict[str, Tensor]  # weights and optimiser moments by name
    meta: dict[str, Any]  # the rest, plain JSON types


def folder_of(run: Path) -> Path:
    """Where a run keeps its checkpoints."""
    return run / "checkpoints"


def listing(run: Path) -> list[Path]:
    """Checkpoints of a run by notes seen, oldest first; half-written and set-aside ones are not among them."""
    folder = folder_of(run)
    return sorted(path for path in folder.iterdir() if path.name.isdigit()) if folder.is_dir() else []


def save(run: Path, snapshot: Snapshot) -> Path:
    """Writes a checkpoint and removes all but the newest `KEPT`.

    Raises:
        UserError: it could not be written, e.g. the disk is full; earlier checkpoints are untouched.
    """
    path = folder_of(run) / f"{snapshot.notes_seen:012d}"
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in snapshot.tensors.items()}
    with saving(run):
        path.parent.mkdir(parents=True, exist_ok=True)
        _clear_remains(path.parent)
        with atomic_folder(path) as folder:
            write_tensors(tensors, folder / TENSORS)
            meta = {"format": FORMAT, "notes_seen": snapshot.notes_seen, **snapshot.meta}
            meta["digest"] = _digest(folder / TENSORS, meta)
            (folder / META).write_text(json.dumps(meta, indent=1), encoding="utf-8")
    for old in listing(run)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return path


def write_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """The one place where a checkpoint's bytes are written."""
    safetensors.torch.save_file(tensors, path)


def load(path: Path) -> Snapshot:
    """Reads a checkpoint.

    Raises:
        Damaged: a file is missing, cut short or changed.
    """
    try:
        meta = json.loads((path / META).read_text(encoding="utf-8"))
        digest = meta.pop("digest")
        if _digest(path / TENSORS, meta) != digest:
            raise Damaged(f"{path} does not have the digest it was written with")
        if meta["format"] != FORMAT:
            raise UserError(
                f"{path} is of format {meta['format']!r}; this version of darktimbre reads format {FORMAT}."
            )
        return Snapshot(meta["notes_seen"], safetensors.torch.load_file(path / TENSORS), meta)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise Damaged(f"{path} cannot be read ({error})") from error


def load_latest(run: Path) -> tuple[Snapshot | None, list[str]]:
    """The newest good checkpoint, and a sentence for each damaged one, which is set aside; None where there is none."""
    messages: list[str] = []
    for path in reversed(listing(run)):
        try:
            return load(path), messages
        except Damaged as error:
            aside = path.with_name(f"{path.name}.damaged")
            shutil.rmtree(aside, ignore_errors=True)
            path.rename(aside)
            messages.append(f"The checkpoint {error}; it is set aside as {aside.name} and the one before it is used.")
    return None, messages


# ----------------------------------------------------------------------------
# Modules and optimisers as named tensors


def module_tensors(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by `prefix/name`."""
    return {f"{prefix}/{name}": tensor for name, tensor in module.state_dict().items()}


def restore_module(prefix: str, module: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Inverse of `module_tensors`, in place."""
    start = f"{prefix}/"
    module.load_state_dict({name.removeprefix(start): t for name, t in tensors.items() if name.startswith(start)})


def optimiser_tensors(prefix: str, optimiser: torch.optim.Optimizer, module: nn.Module) -> dict[str, Tensor]:
    """Moments and step counts by `prefix/parameter/kind`, for the parameters that have any."""
    return {
        f"{prefix}/{name}/{kind}": value
        for name, parameter in module.named_parameters()
        for kind, value in optimiser.state.get(parameter, {}).items()
    }


def restore_optimiser(
    prefix: str, optimiser: torch.optim.Optimizer, module: nn.Module, tensors: dict[str, Tensor]
) -> None:
    """Inverse of `optimiser_tensors`: what was not stored is forgotten."""
    optimiser.state.clear()
    parameters = dict(module.named_parameters())
    start = f"{prefix}/"
    for key, value in tensors.items():
        if key.startswith(start):
            name, kind = key.removeprefix(start).rsplit("/", 1)
            parameter = parameters[name]
            if value.shape == parameter.shape and kind != "step":  # the parameter's device and memory format
                value = torch.empty_like(parameter).copy_(value)
            elif optimiser.defaults.get("fused"):
                value = value.to(parameter.device)
            optimiser.state.setdefault(parameter, {})[kind] = value


def _digest(tensors: Path, meta: dict[str, Any]) -> str:
    with tensors.open("rb") as handle:
        total = hashlib.file_digest(handle, "sha256")
    total.update(json.dumps(meta, sort_keys=True).encode())
    return total.hexdigest()


def _clear_remains(folder: Path) -> None:
    """What a killed process left half-written, of whatever checkpoint; what a live one is writing stays."""
    for remains in (*folder.glob(".*.*.partial"), *folder.glob(".*.*.old")):
        name, _, _ = remains.name[1:].rsplit(".", 2)
        clear_leftovers(folder / name)


@contextmanager
def saving(run: Path) -> Iterator[None]:
    """Turns a failure to write into the run folder into a sentence that names the last good checkpoint."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        why = f"The run could not be saved ({error})."
        if is_disk_full(error):
            why = "The disk is full: the run could not be saved. Free some space and go on with --resume."
        raise UserError(f"{why} {_last_good(run)}") from error


def _last_good(run: Path) -> str:
    have = listing(run)
    return f"The last good checkpoint is {have[-1]}." if have else "There is no earlier checkpoint."
