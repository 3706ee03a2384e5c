"""The trainer: plan → steps → journal, checkpoints, callbacks → bundle. The only file that knows Lightning Fabric."""

import math
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Literal

import torch
from lightning_fabric import Fabric
from torch import Tensor

from darktimbre.audio.workers import end_with_parent
from darktimbre.corpus.corpus import Corpus
from darktimbre.models.convolution import computes_bf16
from darktimbre.notes.errors import UserError
from darktimbre.training import checkpoint, run_folder
from darktimbre.training.distributed import DistributedContext, Precision
from darktimbre.training.journal import JOURNAL, Journal, Meter
from darktimbre.training.progress import ProgressLine
from darktimbre.training.recipe import Recipe
from darktimbre.training.schedule import Schedule
from darktimbre.training.tasks.base import Outcome, Plan, task_of
from darktimbre.training.tensorboard import TensorBoard

Reason = Literal["interrupted", "time"]
AGREE_EVERY = 8  # steps between those at which several processes agree on whether to stop


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where and on what a run happens; nothing here changes its result."""

    corpus: Path  # folder of the corpus
    run: Path  # folder of the run
    resume: bool = False  # go on from the last good checkpoint
    devices: int | Literal["auto"] = "auto"  # processes on this machine ("auto": all GPUs, or one process on the CPU)
    nodes: int = 1  # machines
    accelerator: str = "auto"  # `auto`, `cpu` or `cuda`
    minutes: float | None = None  # end after this much time, with a checkpoint and, where it can play yet, a bundle
    half: bool = False  # store the bundle's generator in float16


class Diverged(UserError):
    """A loss is not a finite number; the sentence names step, losses and the last good checkpoint."""


class Callback:
    """Watches a run on its first process, every so many examples, and changes nothing.

    It may fail: an error ends the run, after a checkpoint of the step. What it writes into the run's folder it writes
    within `checkpoint.saving`.
    """

    every: int  # examples between calls of `step`; one more is made at the run's end

    def start(self, trainer: "Trainer") -> None:
        """Before the first step of a new or resumed run: forgets what it saw after `trainer.notes_seen`, for that will
        come again, and makes up for a step that was due here and was left out by the interruption."""

    def step(self, trainer: "Trainer") -> None:
        """After a step at which it is due; before the checkpoint of that step, so that this one has been seen."""

    def closing(self, run: Path, outcome: Outcome) -> list[str]:
        """After the run: what was found, in sentences."""
        return []


def train(
    recipe: Recipe, options: Options, *, say: Callable[[str], None] = print, callbacks: Sequence[Callback] = ()
) -> Outcome:
    """Runs a recipe to its end, or to an interruption from which `resume` goes on exactly; `say` prints a sentence.

    On the CPU the result is a pure function of recipe, corpus, number of threads and number of processes.

    Raises:
        UserError: recipe, corpus and run folder do not go together, another process is training in the folder, the disk
            is full, or the losses diverged.
    """
    fabric = _fabric(recipe, options)
    fabric.launch()
    if fabric.local_rank > 0:  # else it would wait for the others, for as long as the library that connects them does
        end_with_parent()
    with run_folder.alone(options.run) if fabric.is_global_zero else nullcontext():
        return Trainer(recipe, options, fabric, say, callbacks).fit()


class Trainer:
    """One run, as it stands; callbacks read these attributes and change none of them."""

    def __init__(
        self,
        recipe: Recipe,
        options: Options,
        fabric: Fabric,
        say: Callable[[str], None] = print,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        self.options, self.run, self.fabric, self.first = options, options.run, fabric, fabric.is_global_zero
        self.say = say if self.first else (lambda sentence: None)
        self.context = _context(fabric)
        self.on_gpu = self.context.device.type != "cpu"
        corpus = Corpus.open(options.corpus, of=task_of(recipe).corpus_of)
        if self.first:
            run_folder.prepare(self.run, recipe, corpus, resume=options.resume, say=self.say)
        fabric.barrier()
        plan = Plan.load(self.run / run_folder.PLAN)
        self.recipe, self.schedule = plan.recipe, Schedule(plan.recipe)
        check_batches(self.schedule, self.context.world)
        self.task = task_of(self.recipe)(plan, corpus, self.context)  # networks in training
        self.meter, self.notes_seen, journal_offset = Meter(), 0, 0  # mean losses since the last line of the journal
        self.reported: dict[str, float] = {}  # those of the last line of the journal
        snapshot = checkpoint.load_latest(self.run)[0] if options.resume else None
        if snapshot is None:
            self.task.initialise()
        else:
            self.task.restore(snapshot.tensors)
            self.meter.restore(snapshot.meta["meter"])
            self.notes_seen, journal_offset = snapshot.notes_seen, snapshot.meta["journal_offset"]
            self.reported = snapshot.meta["losses"]
            self.say(f"Resumed after {self.notes_seen:,} notes.")
        self.state = self.schedule.before(self.notes_seen)  # the step just made; before the first one, that one
        self.losses: dict[str, Tensor] = {}  # unweighted, of the step just made
        self.reason: Reason | None = None  # why the run ends after this step
        self.stop = Stop(options.minutes)
        self.progress = ProgressLine(
            self.schedule, self.task.costs(), self.notes_seen, shown=self.first, until=self.stop.until
        )
        self.callbacks = callbacks if self.first else ()  # all that is written is written by the first process
        if self.first:
            self.board = TensorBoard(self.run / run_folder.BOARD)
            self.journal = Journal(self.run / JOURNAL, journal_offset)

    def fit(self) -> Outcome:
        """Trains from here to the end, or to a reason to stop; what was trained is saved as a bundle."""
        with self._writing(), self.progress, self.stop.on_signals():
            for callback in self.callbacks:
                with undisturbed():
                    callback.start(self)
            reason = self._loop()
        bundle = self._save_bundle() if self.first and reason != "interrupted" else None
        self.fabric.barrier()
        return Outcome(reason, self.notes_seen, bundle)

    def _loop(self) -> Literal["done"] | Reason:
        """Steps until the schedule's end or a reason to stop; the state at that point is saved."""
        start, context = self.notes_seen, self.context
        if self.stopping():
            return "interrupted"
        while not self.done:
            self.state = self.schedule.at(self.notes_seen)
            new_shapes = self.notes_seen == start or self.state.starts_phase
            with context.autocast.checked(context.device, context.mean, self.say) if new_shapes else nullcontext():
                self.losses = self.task.step(self.state)
            self.meter.add(self.losses)
            self.notes_seen += self.state.batch
            self.reason = self._agreed_reason()
            reports, saves = self.reaches(self.recipe.journal_every), self.reaches(self.recipe.checkpoint_every)
            if reports or saves or self.reason or not self.on_gpu:  # on a GPU, reading a loss waits for it
                self._refuse_divergence()
            if reports or saves or self.reason:
                self.meter.agree(self.context.mean)
            self.progress.step(self.state, self.meter)
            if reports:
                self._report()
            if self.reason is None or (self.reason == "time" and self.done):
                self._call_callbacks()
            if saves or self.reason:
                self._save()
            if self.recipe.preview_every and self.reaches(self.recipe.preview_every):
                self._preview()
            if self.reason and not self.done:
                return self.reason
        return "done"

    def _call_callbacks(self) -> None:
        """Calls those that are due; where one fails, what was trained since the last checkpoint is not lost."""
        for callback in [callback for callback in self.callbacks if self.reaches(callback.every)]:
            try:
                with undisturbed():
                    callback.step(self)
            except UserError:
                raise
            except Exception:
                self._refuse_divergence()
                self._save()
                raise
            if self.context.world == 1:
                self.reason = self.reason or self.stop.reason  # Ctrl-C may have come meanwhile

    # ------------------------------------------------------------------------
    # For callbacks

    @property
    def total(self) -> int:
        """Examples of the whole run."""
        return self.schedule.total

    @property
    def done(self) -> bool:
        """Whether the schedule has come to its end."""
        return self.notes_seen >= self.total

    def reaches(self, every: int) -> bool:
        """Whether the step just made reaches a multiple of `every` examples, or the end; before the first one, yes."""
        return not self.notes_seen or self.schedule.crosses(self.state, every)

    def stopping(self) -> bool:
        """Whether a callback should give up, for Ctrl-C is immediate.

        Among several processes it never should: they agree on when to stop, and its work must not be missing by then.
        """
        return self.context.world == 1 and self.stop.reason == "interrupted"

    def log(self, values: Mapping[str, float]) -> None:
        """Adds a point to curves in TensorBoard."""
        with checkpoint.saving(self.run):
            self.board.curves(self.notes_seen, values)

    # ------------------------------------------------------------------------
    # What is written

    def _report(self) -> None:
        """A line of the journal; the same and the speed as curves."""
        if self.first:
            self.reported = self.meter.means()
            speed = {"speed/notes a second": self.progress.speed} if self.progress.speed else {}
            curves = {f"loss/{name}": value for name, value in self.reported.items()}
            with checkpoint.saving(self.run):
                self.journal.write(self.state, self.reported)
            self.log({**curves, "schedule/alpha": self.state.alpha, **speed})
        self.meter.clear()

    def _save(self) -> None:
        """A checkpoint; the journal is on disk before it."""
        if self.first:
            with checkpoint.saving(self.run):
                self.journal.sync()
            meta = {"journal_offset": self.journal.offset, "meter": self.meter.state(), "losses": self.reported}
            checkpoint.save(self.run, checkpoint.Snapshot(self.notes_seen, self.task.tensors(), meta))

    def _preview(self) -> None:
        """Fixed notes in TensorBoard, of a task that can play any, and what else it keeps over training."""
        if self.first:
            with checkpoint.saving(self.run), undisturbed():
                if (instrument := self.task.preview(self.state)) is not None:
                    self.board.preview(self.notes_seen, instrument)
                for folder, tensors in self.task.snapshots().items():
                    run_folder.keep_snapshot(self.run / folder, self.notes_seen, tensors)

    def _save_bundle(self) -> Path | None:
        """What was trained, where it can be used yet."""
        with checkpoint.saving(self.run):
            state = self.schedule.at(self.notes_seen)
            path = self.task.save(self.run / run_folder.BUNDLE, state, self.reported, half=self.options.half)
        if path is None:
            coming = self.schedule.next_event(self.notes_seen)
            self.say(f"No bundle yet: {self.task.unfinished} ({coming}).")
        return path

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Closes journal and TensorBoard; after an error, a full disk that refuses their last lines is no news."""
        failed = True
        try:
            yield
            failed = False
        finally:
            with suppress(UserError) if failed else nullcontext(), checkpoint.saving(self.run):
                for written in (self.journal, self.board) if self.first else ():
                    written.close()

    # ------------------------------------------------------------------------
    # When to stop

    def _agreed_reason(self) -> Reason | None:
        """Why to stop after this step; several processes ask each other now and then, so that all stop together."""
        if self.context.world == 1:
            return self.stop.reason
        if self.state.step % AGREE_EVERY:
            return None
        mine = [float(self.stop.reason == reason) for reason in ("interrupted", "time")]
        interrupted, time_is_up = self.context.mean(torch.tensor(mine, device=self.context.device)).tolist()
        return "interrupted" if interrupted else "time" if time_is_up else None

    def _refuse_divergence(self) -> None:
        """Ends the run where a loss is no number, before anything of it is kept.

        Raises:
            Diverged: step and losses in words, and the last good checkpoint.
        """
        latest = torch.stack([loss.detach().float() for loss in self.losses.values()])
        if self.meter.finite() and bool(latest.isfinite().all()):
            return
        state, kept = self.state, checkpoint.listing(self.run)
        shown = ", ".join(f"{name} {value.item():.4g}" for name, value in self.losses.items())
        last = f"the last good checkpoint is {kept[-1]}" if kept else "there is no checkpoint yet"
        raise Diverged(
            f"Training diverged at step {state.step + 1} ({self.notes_seen:,} notes seen, {state.phase}, stage "
            f"{state.stage + 1}): {shown}; {last}. {self.task.remedy}; "
            f"another recipe needs a new run{self.recipe.next_run}."
        )


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


class Stop:
    """Whether the run should end after the step in hand, and why."""

    def __init__(self, minutes: float | None = None) -> None:
        self.until = time.monotonic() + 60 * minutes if minutes is not None else None
        self.interrupted = False

    @property
    def reason(self) -> Reason | None:
        """`interrupted`, `time` or None."""
        if self.interrupted:
            return "interrupted"
        return "time" if self.until is not None and time.monotonic() >= self.until else None

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """The first Ctrl-C (or SIGTERM) stops after the step in hand, the second one at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def interrupt(number: int, frame: FrameType | None) -> None:
            if self.interrupted:
                raise KeyboardInterrupt
            self.interrupted = True

        before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


# ----------------------------------------------------------------------------
# Processes and precision


def check_batches(schedule: Schedule, world: int) -> None:
    """Refuses batches that cannot be divided among `world` processes."""
    pac = schedule.recipe.pac
    parts = world * pac
    for phase in schedule.phases:
        if phase.batch % parts:
            better = math.ceil(phase.batch / parts) * parts
            packs = f" in packs of {pac}" if pac > 1 else ""
            raise UserError(
                f"A batch of {phase.batch} notes cannot be shared evenly{packs} by {world} processes: take a multiple, "
                f"such as {better}."
            )


def device_of(accelerator: str) -> str:
    """What an accelerator, or `auto`, means on this machine: `cpu` or `cuda`.

    Raises:
        UserError: there is no such accelerator.
    """
    if accelerator == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if accelerator not in ("cpu", "cuda"):
        raise UserError(f"--accelerator is one of auto, cpu, cuda, not {accelerator!r}.")
    if accelerator == "cuda" and not torch.cuda.is_available():
        raise UserError("There is no CUDA GPU here: train with --accelerator cpu.")
    return accelerator


def _fabric(recipe: Recipe, options: Options) -> Fabric:
    accelerator = device_of(options.accelerator)
    several = accelerator == "cuda" and not task_of(recipe).one_process
    devices = options.devices if options.devices != "auto" else max(1, torch.cuda.device_count()) if several else 1
    task_of(recipe).check_processes(devices, options.nodes)
    bf16 = recipe.precision == "bf16" or (recipe.precision == "auto" and computes_bf16(torch.device(accelerator)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Fabric's advice on unused hardware
        return Fabric(
            accelerator=accelerator,
            devices=devices,
            num_nodes=options.nodes,
            strategy="ddp" if devices * options.nodes > 1 else "auto",
            precision="bf16-mixed" if bf16 else "32-true",
        )


def _context(fabric: Fabric) -> DistributedContext:
    def mean(tensor: Tensor) -> Tensor:
        reduced = fabric.all_reduce(tensor, reduce_op="mean")
        assert isinstance(reduced, Tensor)
        return reduced

    precision = Precision(fabric.autocast)
    return DistributedContext(fabric.device, fabric.global_rank, fabric.world_size, precision, mean)
