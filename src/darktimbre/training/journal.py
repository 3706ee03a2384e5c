"""What happened in a run, a JSON line each interval, without a clock: resumed equals uninterrupted; and its curves."""

import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from darktimbre.audio.pictures import panels
from darktimbre.notes.errors import UserError
from darktimbre.training.schedule import StepState

JOURNAL, CURVES = "journal.jsonl", "losses.png"
_NOT_LOSSES = ("notes_seen", "step", "phase", "stage", "alpha")
_INK = "#1b6ca8"


class Meter:
    """Means of the losses since the last journal line; its state lies in the checkpoint."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}

    def add(self, losses: Mapping[str, Tensor]) -> None:
        """Takes a step's losses, scalars on any device, without waiting for them."""
        for name, value in losses.items():
            value = value.detach().to(torch.float64 if value.device.type != "mps" else torch.float32)
            self.sums[name] = self.sums[name] + value if name in self.sums else value
            self.counts[name] = self.counts.get(name, 0) + 1

    def finite(self) -> bool:
        """Whether every loss so far is a number."""
        return not self.sums or bool(torch.stack(list(self.sums.values())).isfinite().all())

    def agree(self, mean: Callable[[Tensor], Tensor]) -> None:
        """Replaces each sum by its mean over all processes; every process calls this at the same step."""
        if self.sums:
            agreed = mean(torch.stack(list(self.sums.values())))
            self.sums = dict(zip(self.sums, agreed.unbind(), strict=True))

    def means(self) -> dict[str, float]:
        """Mean of each loss."""
        return {name: float(total) / self.counts[name] for name, total in self.sums.items()}

    def clear(self) -> None:
        """Starts the next interval."""
        self.sums, self.counts = {}, {}

    def state(self) -> dict[str, Any]:
        """Plain types; Python writes and reads floats in JSON without loss."""
        return {name: [float(total), self.counts[name]] for name, total in self.sums.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self.sums = {name: torch.tensor(total, dtype=torch.float64) for name, (total, _) in state.items()}
        self.counts = {name: count for name, (_, count) in state.items()}


class Journal:
    """`journal.jsonl` of a run, appended to."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        """Opens the journal and cuts it to `offset` bytes, where the checkpoint was: the rest will come again.

        Raises:
            UserError: it is shorter than that, so that lines are lost.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = path.open("a+b")
        if (there := self._file.seek(0, os.SEEK_END)) < offset:  # truncating would fill it up with zeros
            self._file.close()
            raise UserError(
                f"{path} has {there} bytes, the checkpoint was saved when it had {offset}: copy the whole run again, "
                "or start a new one."
            )
        self._file.truncate(offset)
        self._file.seek(0, os.SEEK_END)

    @property
    def offset(self) -> int:
        """Length in bytes."""
        return self._file.tell()

    def write(self, state: StepState, losses: Mapping[str, float]) -> None:
        """A line about the interval that ends after the step at `state`."""
        line = {
            "notes_seen": state.notes_seen + state.batch,
            "step": state.step + 1,
            "phase": state.phase,
            "stage": state.stage,
            "alpha": state.alpha,
            **{name: value if math.isfinite(value) else str(value) for name, value in losses.items()},
        }
        self._file.write(json.dumps(line).encode() + b"\n")
        self._file.flush()

    def sync(self) -> None:
        """On disk for certain, before a checkpoint counts on it."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Ends writing."""
        self._file.close()


def read_journal(path: Path) -> list[dict[str, Any]]:
    """All lines of a journal; a last line that was cut short is left out."""
    lines = path.read_bytes().split(b"\n")
    return [json.loads(line) for line in lines[:-1] if line]


def draw_losses(run: Path, *, heading: str, unit: str = "notes") -> Path | None:
    """Draws each loss of the journal over what was seen; None where the journal has no line yet."""
    path = run / JOURNAL
    lines = read_journal(path) if path.is_file() else []
    names = list(dict.fromkeys(key for line in lines for key in line if key not in _NOT_LOSSES))
    if not names:
        return None
    titles, across = [name.replace("_", " ") for name in names], f"thousand {unit} seen"
    with panels(run / CURVES, titles, heading=heading, across=across, size=(3.4, 2.9)) as axes:
        for axis, name in zip(axes, names, strict=True):
            points = [(line["notes_seen"] / 1000, line[name]) for line in lines if isinstance(line.get(name), float)]
            axis.plot([x for x, _ in points], [y for _, y in points], color=_INK, linewidth=1)
    return run / CURVES
