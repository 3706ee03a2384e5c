"""The loop: plan → steps → journal, checkpoints, previews → bundle. The only file that knows Lightning Fabric."""

import math
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from lightning_fabric import Fabric

from darktimbre.corpus.corpus import Corpus
from darktimbre.notes.errors import UserError
from darktimbre.training import checkpoint, run_folder
from darktimbre.training.distributed import DistributedContext, computes_bf16
from darktimbre.training.journal import Meter
from darktimbre.training.keeper import Keeper, NoKeeper
from darktimbre.training.observer import Observer
from darktimbre.training.precision import Precision
from darktimbre.training.progress import Progress
from darktimbre.training.recipe.schema import Recipe
from darktimbre.training.schedule import Schedule
from darktimbre.training.stopping import Stop, refuse_divergence
from darktimbre.training.tasks.base import Outcome, Plan, Task, task_of

ACCELERATORS = ("cpu", "cuda")
AGREE_EVERY = 8  # steps between the moments at which several processes agree on whether to stop


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where and on what a run happens; nothing here changes its result.

    Attributes:
        corpus: folder of the corpus.
        run: folder of the run.
        resume: go on from the last good checkpoint.
        devices: processes on this machine ("auto": all GPUs, or one process on the CPU).
        nodes: machines.
        accelerator: `auto`, `cpu` or `cuda`.
        minutes: end after this much time, with a checkpoint and, where it can play yet, a bundle.
        half: store the bundle's generator in float16.
    """

    corpus: Path
    run: Path
    resume: bool = False
    devices: int | Literal["auto"] = "auto"
    nodes: int = 1
    accelerator: str = "auto"
    minutes: float | None = None
    half: bool = False


Reason = Literal["done", "interrupted", "time"]


def train_recipe(
    recipe: Recipe, options: Options, *, say: Callable[[str], None] = print, observer: Observer | None = None
) -> Outcome:
    """Runs a recipe to its end, or to an interruption from which `resume` goes on exactly.

    On the CPU the result is a pure function of recipe, corpus, number of threads and number of processes.

    Args:
        recipe: what to train.
        options: where and on what.
        say: prints a sentence.
        observer: looks at the run on the first process now and then, e.g. to evaluate; it changes nothing.

    Raises:
        UserError: recipe, corpus and run folder do not go together, another process is training in the folder, the disk
            is full, or the losses diverged.
    """
    fabric = _fabric(recipe, options)
    fabric.launch()
    with run_folder.alone(options.run) if fabric.is_global_zero else nullcontext():
        return _train(recipe, options, fabric, say, observer)


def _train(
    recipe: Recipe, options: Options, fabric: Fabric, say: Callable[[str], None], observer: Observer | None
) -> Outcome:
    hardware = _hardware(fabric)
    say = say if fabric.is_global_zero else (lambda sentence: None)
    corpus = Corpus.open(options.corpus, of=task_of(recipe).corpus_of)
    if fabric.is_global_zero:
        run_folder.prepare(options.run, recipe, corpus, resume=options.resume, say=say)
    fabric.barrier()
    plan = Plan.load(options.run / run_folder.PLAN)
    schedule = Schedule(plan.recipe)
    _check_batches(schedule, hardware.world, recipe.pac)
    snapshot = checkpoint.load_latest(options.run)[0] if options.resume else None
    training = task_of(plan.recipe)(plan, corpus, hardware)
    if snapshot is None:
        training.initialise()
    meter, seen, offset = Meter(), 0, 0
    if snapshot is not None:
        training.restore(snapshot.tensors)
        meter.restore(snapshot.meta["meter"])
        seen, offset = snapshot.notes_seen, snapshot.meta["journal_offset"]
        say(f"Resumed after {seen:,} notes.")
    stop = Stop(options.minutes)
    with (
        Keeper(options.run, training, offset, observer) if fabric.is_global_zero else NoKeeper() as keeper,
        Progress(schedule, training.costs(), seen, shown=fabric.is_global_zero, until=stop.until) as progress,
        stop.listening(),
    ):
        keeper.begin(schedule, seen, _may_break_off(stop, hardware))
        reason, seen = _run(training, schedule, hardware, meter, keeper, stop, progress, seen, say)
    bundle = keeper.bundle(schedule, seen, half=options.half, say=say) if reason != "interrupted" else None
    fabric.barrier()
    return Outcome(reason, seen, bundle)


def _run(
    training: Task, schedule: Schedule, hardware: DistributedContext, meter: Meter, keeper: "Keeper | NoKeeper",
    stop: Stop, progress: Progress, seen: int, say: Callable[[str], None],
) -> tuple[Reason, int]:  # fmt: skip
    """Steps from `seen` until the schedule's end or a reason to stop; the state at that point is saved."""
    recipe, on_gpu = schedule.recipe, hardware.device.type != "cpu"
    breaks_off = _may_break_off(stop, hardware)
    if breaks_off():
        return "interrupted", seen
    first = seen
    while seen < schedule.total:
        moment = schedule.at(seen)
        other_shapes = seen == first or moment.begins
        with hardware.autocast.checked(hardware.device, hardware.mean, say) if other_shapes else nullcontext():
            losses = training.step(moment)
        meter.add(losses)
        seen += moment.batch
        reports, keeps = (
            schedule.crosses(moment, recipe.journal_every),
            schedule.crosses(moment, recipe.checkpoint_every),
        )
        reason = _agreed(stop, hardware, moment.step)
        if reports or keeps or reason or not on_gpu:  # on a GPU every look at a loss would wait for it
            refuse_divergence(moment, losses, meter, keeper.run)
        if reports or keeps or reason:
            meter.agree(hardware.mean)
        progress.step(moment, meter)
        if reports:
            keeper.report(moment, meter, progress)
            meter.clear()
        ends = seen >= schedule.total
        if reason is None or (reason == "time" and ends):
            try:
                looked = keeper.look(schedule, moment, breaks_off)
            except UserError:
                raise
            except Exception:  # training is sound: what it learned since the last checkpoint is not lost
                refuse_divergence(moment, losses, meter, keeper.run)
                keeper.save(seen, meter)
                raise
            if looked and hardware.world == 1:
                reason = reason or stop.reason  # it may have been asked meanwhile
        if keeps or reason:
            keeper.save(seen, meter)
        if recipe.preview_every and schedule.crosses(moment, recipe.preview_every):
            keeper.preview(moment)
        if reason and not ends:
            return reason, seen
    return "done", seen


def _may_break_off(stop: Stop, hardware: DistributedContext) -> Callable[[], bool]:
    """Whether an observer should give up, for Ctrl-C is immediate.

    Among several processes it never does: they agree on when to stop, and the look must not be missing by then.
    """
    return lambda: hardware.world == 1 and stop.reason == "interrupted"


def _agreed(stop: Stop, hardware: DistributedContext, step: int) -> Reason | None:
    """Why to stop after this step; several processes ask each other now and then, so that all stop together."""
    if hardware.world == 1:
        return stop.reason
    if step % AGREE_EVERY:
        return None
    asked = torch.tensor([float(stop.reason == "interrupted"), float(stop.reason == "time")], device=hardware.device)
    interrupted, time = hardware.mean(asked).tolist()
    return "interrupted" if interrupted else "time" if time else None


def _fabric(recipe: Recipe, options: Options) -> Fabric:
    accelerator = options.accelerator
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    if accelerator not in ACCELERATORS:
        raise UserError(f"--accelerator is one of {', '.join(('auto', *ACCELERATORS))}, not {accelerator!r}.")
    if accelerator == "cuda" and not torch.cuda.is_available():
        raise UserError("There is no CUDA GPU here: train with --accelerator cpu.")
    # GANs of digits train in one process, for their batch norms, and their judge is small.
    here = max(1, torch.cuda.device_count()) if accelerator == "cuda" and not task_of(recipe).one_process else 1
    devices = here if isinstance(options.devices, str) else options.devices
    device = torch.device(accelerator)
    bf16 = recipe.precision == "bf16" or (recipe.precision == "auto" and computes_bf16(device))
    several = devices * options.nodes > 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Fabric's advice on unused hardware
        return Fabric(
            accelerator=accelerator,
            devices=devices,
            num_nodes=options.nodes,
            strategy="ddp" if several else "auto",
            precision="bf16-mixed" if bf16 else "32-true",
        )


def _hardware(fabric: Fabric) -> DistributedContext:
    def mean(tensor: torch.Tensor) -> torch.Tensor:
        reduced = fabric.all_reduce(tensor, reduce_op="mean")
        assert isinstance(reduced, torch.Tensor)
        return reduced

    single = DistributedContext(device=fabric.device, autocast=Precision(fabric.autocast))
    if fabric.world_size == 1:
        return single
    return replace(single, rank=fabric.global_rank, world=fabric.world_size, mean=mean)


def _check_batches(schedule: Schedule, world: int, pac: int) -> None:
    parts = world * pac
    for part in schedule.phases:
        if part.batch % parts:
            better = math.ceil(part.batch / parts) * parts
            packs = f" in packs of {pac}" if pac > 1 else ""
            raise UserError(
                f"A batch of {part.batch} notes cannot be shared evenly{packs} by {world} processes: take a multiple, "
                f"such as {better}."
            )
