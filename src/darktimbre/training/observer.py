"""Who looks at a run while it goes on (training → observer): what is shown, when, and that looking changes nothing.

Training and evaluation are strangers; the command line hands an observer in that knows both.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from darktimbre.training.schedule import StepState
    from darktimbre.training.tasks.base import Task


@dataclass(frozen=True)
class View:
    """A run as it stands between two steps.

    Attributes:
        run: its folder.
        training: its networks; `preview(moment)` is the instrument they are.
        moment: the step just made; before the first one, that one.
        notes_seen: notes seen so far.
        total: notes of the whole run.
        due: whether the observer's time has come at this very point; at the start of a run it has.
        curves: adds a point to curves in TensorBoard, at `notes_seen`.
        stopping: whether the user, or the clock, has asked the run to end; a look is then broken off.
    """

    run: Path
    training: "Task"
    moment: "StepState"
    notes_seen: int
    total: int
    due: bool
    curves: Callable[[Mapping[str, float]], None]
    stopping: Callable[[], bool]


class Observer(Protocol):
    """Looks at a run on the first process, every so many notes.

    It may fail: an error ends the run, after a checkpoint of the step. What it writes into the run's folder it writes
    within `checkpoint.told`.

    Attributes:
        every: notes between looks; one more is taken at the run's end.
    """

    every: int

    def begin(self, view: View) -> None:
        """Before the first step of a new or resumed run: forgets what it saw after `view.notes_seen`, for it will come
        again, and looks if that is due here and was not done before the interruption."""
        ...

    def look(self, view: View) -> None:
        """After a step at which a look is due; before the checkpoint of that step, so that this one has its look."""
        ...


@contextmanager
def undisturbed() -> Iterator[None]:
    """Puts back what is global and could reach a run's numbers: torch's random state and number of threads."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    threads = torch.get_num_threads()
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
