"""What a run's validations leave in its folder: a line each in `evaluations.jsonl`, and curves in `evaluations.png`."""

import json
import os
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from darktimbre.audio.atomic import atomic_file
from darktimbre.audio.pictures import panels
from darktimbre.notes.errors import UserError
from darktimbre.notes.text import json_text
from darktimbre.pipelines.steps import recorded

LINES, PICTURE, BEST = "evaluations.jsonl", "evaluations.png", "best"
MADE, REAL, UNTRAINED = "#1b6ca8", "#2e7d32", "#8a8a8a"  # colours of the curve and of the two levels

Line = dict[str, Any]


def in_words(metric: str) -> str:
    """`pitch_accuracy` → "pitch accuracy"."""
    return metric.replace("_", " ")


class Record:
    """`evaluations.jsonl`: first what is measured on and its levels, then one line a validation.

    There is no clock in it, so that a resumed run's equals an uninterrupted one's.
    """

    def __init__(self, run: Path) -> None:
        """Reads what is there; a last line that was cut short is left out.

        Raises:
            UserError: the file is none of these.
        """
        self.path = run / LINES
        self.head: Line | None = None  # what is measured on, with `levels`; None before it is known
        self.lines: list[Line] = []  # the validations, by notes seen
        if not self.path.exists():
            return
        try:
            read = [json.loads(line) for line in self.path.read_bytes().split(b"\n")[:-1] if line]
            self.head, self.lines = (read[0], read[1:]) if read else (None, [])
            if self.head is not None:
                self.head["levels"]
            [line["notes_seen"] for line in self.lines]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{self.path} cannot be read ({error}): delete it, the run itself does not need it."
            ) from None

    def cut(self, notes_seen: int) -> None:
        """Forgets later validations, for they will come again, and a last line that was cut short."""
        self.lines = [line for line in self.lines if line["notes_seen"] <= notes_seen]
        if self.path.exists() and self.path.read_bytes() != self._whole():
            self._rewrite()

    def start(self, head: Line) -> None:
        """Starts the file anew."""
        self.head, self.lines = head, []
        self._rewrite()

    def add(self, line: Line) -> None:
        """Appends a validation; on disk for certain."""
        self.lines.append(line)
        with self.path.open("ab") as file:
            file.write(_bytes(line))
            file.flush()
            os.fsync(file.fileno())

    def _rewrite(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(self.path) as temporary:
            temporary.write_bytes(self._whole())

    def _whole(self) -> bytes:
        return b"".join(map(_bytes, ([self.head] if self.head else []) + self.lines))


def _bytes(line: Line) -> bytes:
    return json_text(line, indent=None).encode()


def chosen_by(bundle: Path) -> Line | None:
    """By what metric, its value and after how many notes a bundle was chosen; None where it was not."""
    chosen = recorded(bundle / "config.json", "provenance", "chosen_by")
    try:
        return {key: kind(chosen[key]) for key, kind in (("metric", str), ("value", float), ("notes_seen", int))}
    except (ValueError, KeyError, TypeError):
        return None


def draw(record: Record, metrics: tuple[str, ...], path: Path, *, name: str, best: Line | None) -> None:
    """One panel a metric: its curve over notes seen, with the levels of real notes and of the untrained network.

    A ring marks the state that is kept, where `best` says by what it was chosen (`chosen_by`).
    """
    head, words = record.head, [in_words(metric) for metric in metrics]
    assert head is not None
    heading = f"{name}: {head['notes']} {head['split']} notes of {head['instruments']} instruments"
    with panels(path, words, heading=heading, across="thousand notes seen", size=(3.8, 3.4)) as axes:
        for axis, metric in zip(axes, metrics, strict=True):
            kept = best["notes_seen"] if best and best["metric"] == metric else None
            _panel(axis, record, head["levels"], metric, kept)


def _panel(axis: Axes, record: Record, levels: Line, metric: str, best: int | None) -> None:
    for level, colour in (("real", REAL), ("untrained", UNTRAINED)):
        value = levels[level].get(metric)
        if value is not None:
            axis.axhline(value, color=colour, linestyle="--", linewidth=1, label=f"{level} {value:.2f}")
    points = [(line["notes_seen"] / 1000, line[metric]) for line in record.lines if line.get(metric) is not None]
    axis.plot(*zip(*points, strict=True) if points else ((), ()), "o-", color=MADE, markersize=3, label="this run")
    for x, y in points:
        if best is not None and x == best / 1000:
            axis.plot(x, y, "o", markersize=10, fillstyle="none", color=MADE, label=f"kept in {BEST}: {y:.2f}")
    axis.set_xlim(left=0)
    axis.legend(fontsize=7, framealpha=0.8, edgecolor="none")
