"""When a run ends early: Ctrl-C after the step in hand, a time limit, a loss that is no number."""

import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Literal

import torch
from torch import Tensor

from darktimbre.notes.errors import UserError
from darktimbre.training import checkpoint
from darktimbre.training.journal import Meter
from darktimbre.training.schedule import StepState


class Diverged(UserError):
    """A loss is not a finite number; the sentence names step, losses and the last good checkpoint."""


class Stop:
    """Whether the run should end after the step in hand, and why."""

    def __init__(self, minutes: float | None = None) -> None:
        self.until = time.monotonic() + 60 * minutes if minutes is not None else None
        self.asked = False

    @property
    def reason(self) -> Literal["interrupted", "time"] | None:
        """`interrupted`, `time` or None."""
        if self.asked:
            return "interrupted"
        return "time" if self.until is not None and time.monotonic() >= self.until else None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """The first Ctrl-C (or SIGTERM) asks to stop, the second one stops at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def ask(number: int, frame: FrameType | None) -> None:
            if self.asked:
                raise KeyboardInterrupt
            self.asked = True

        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def refuse_divergence(moment: StepState, losses: Mapping[str, Tensor], meter: Meter, run: Path | None) -> None:
    """Ends the run where a loss is no number, before anything of it is kept.

    Raises:
        Diverged: step and losses in words, and the last good checkpoint.
    """
    if meter.finite() and bool(torch.stack([loss.detach().float() for loss in losses.values()]).isfinite().all()):
        return
    shown = ", ".join(f"{name} {value.item():.4g}" for name, value in losses.items())
    kept = checkpoint.listing(run) if run is not None else []
    last = f"the last good checkpoint is {kept[-1]}" if kept else "there is no checkpoint yet"
    raise Diverged(
        f"Training diverged at step {moment.step + 1} ({moment.notes_seen + moment.batch:,} notes seen, "
        f"{moment.phase}, stage {moment.stage + 1}): {shown}; {last}. A lower optimiser.lr or a higher "
        "objectives.penalty.weight may help; another recipe needs a new run (--init BUNDLE goes on from weights)."
    )
