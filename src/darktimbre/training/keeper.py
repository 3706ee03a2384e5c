"""What only the first process of a run writes: journal, checkpoints, previews, the bundle at the end."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from darktimbre.notes.errors import UserError
from darktimbre.training import checkpoint, run_folder
from darktimbre.training.board import Board
from darktimbre.training.checkpoint import Snapshot
from darktimbre.training.journal import Journal, Meter
from darktimbre.training.observer import Observer, View, undisturbed
from darktimbre.training.progress import Progress
from darktimbre.training.schedule import Schedule, StepState
from darktimbre.training.tasks.base import Task


class NoKeeper:
    """The keeper of all other processes: keeps nothing."""

    run: Path | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def report(self, moment: StepState, meter: Meter, progress: Progress) -> None: ...
    def save(self, seen: int, meter: Meter) -> None: ...
    def preview(self, moment: StepState) -> None: ...
    def begin(self, schedule: Schedule, seen: int, stopping: Callable[[], bool]) -> None: ...

    def look(self, schedule: Schedule, moment: StepState, stopping: Callable[[], bool]) -> bool:
        return False

    def bundle(self, schedule: Schedule, seen: int, *, half: bool, say: Callable[[str], None]) -> Path | None:
        return None


class Keeper:
    """Writes the run folder."""

    def __init__(self, run: Path, training: Task, journal_offset: int, observer: Observer | None = None) -> None:
        self.run = run
        self.training = training
        self.observer = observer
        self.journal = Journal(run / run_folder.JOURNAL, journal_offset)
        self.board = Board(run / run_folder.BOARD)
        self.losses: dict[str, float] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with checkpoint.told(self.run):
                self.journal.close()
                self.board.close()
        except UserError:  # a full disk refuses what is left in the buffers as well
            if error is None:
                raise

    def report(self, moment: StepState, meter: Meter, progress: Progress) -> None:
        """A line of the journal; the same and the speed as curves."""
        self.losses = meter.means()
        with checkpoint.told(self.run):
            self.journal.write(moment, self.losses)
        speed: dict[str, Any] = {"speed/notes a second": progress.speed} if progress.speed else {}
        curves = {f"loss/{name}": value for name, value in self.losses.items()}
        with checkpoint.told(self.run):
            self.board.curves(moment.notes_seen + moment.batch, {**curves, "schedule/alpha": moment.alpha, **speed})

    def save(self, seen: int, meter: Meter) -> None:
        """A checkpoint; the journal is on disk before it."""
        with checkpoint.told(self.run):
            self.journal.sync()
        meta = {"journal_offset": self.journal.offset, "meter": meter.state(), "losses": self.losses}
        checkpoint.save(self.run, Snapshot(seen, self.training.tensors(), meta))

    def preview(self, moment: StepState) -> None:
        """Fixed notes to hear and see."""
        with checkpoint.told(self.run):
            self.board.listen(self.training, moment)

    def begin(self, schedule: Schedule, seen: int, stopping: Callable[[], bool]) -> None:
        """Shows the observer the run before its first step, or as it was left."""
        if self.observer is None:
            return
        moment = schedule.at(max(0, seen - schedule.phase_at(seen - 1).batch)) if seen else schedule.at(0)
        due = not seen or schedule.crosses(moment, self.observer.every)
        with undisturbed():
            self.observer.begin(self._view(schedule, moment, seen, due, stopping))

    def look(self, schedule: Schedule, moment: StepState, stopping: Callable[[], bool]) -> bool:
        """Lets the observer look where its time has come after the step at `moment`; whether it did."""
        if self.observer is None or not schedule.crosses(moment, self.observer.every):
            return False
        with undisturbed():
            self.observer.look(self._view(schedule, moment, moment.notes_seen + moment.batch, True, stopping))
        return True

    def _view(self, schedule: Schedule, moment: StepState, seen: int, due: bool, stopping: Callable[[], bool]) -> View:
        def curves(values: Mapping[str, float]) -> None:
            with checkpoint.told(self.run):
                self.board.curves(seen, values)

        return View(self.run, self.training, moment, seen, schedule.total, due, curves, stopping)

    def bundle(self, schedule: Schedule, seen: int, *, half: bool, say: Callable[[str], None]) -> Path | None:
        """The trained instrument, where it can play yet."""
        losses = self.losses
        if not losses and (kept := checkpoint.load_latest(self.run)[0]) is not None:
            losses = kept.meta["losses"]  # a finished run that was resumed
        with checkpoint.told(self.run):
            path = self.training.save(self.run / run_folder.BUNDLE, schedule.at(seen), losses, half=half)
        if path is None:
            say(f"No bundle yet: the network has not grown to its full size ({schedule.next_event(seen)}).")
        return path
