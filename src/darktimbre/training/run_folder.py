"""The folder of a run: what may be started or resumed in it, and its plan; the trainer writes the rest."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import safetensors.torch
from torch import Tensor

from darktimbre.audio.atomic import atomic_file, hold, is_litter
from darktimbre.corpus.corpus import Corpus
from darktimbre.notes.attributes import teacher_mismatch
from darktimbre.notes.errors import UserError
from darktimbre.tagging.store import Tags
from darktimbre.training import checkpoint
from darktimbre.training.recipe import Recipe, difference, dump_recipe
from darktimbre.training.tasks.base import Plan, task_of

PLAN, RECIPE, BUNDLE, BOARD = "run.json", "recipe.yaml", "bundle", "tensorboard"
LOCK = ".lock"  # empty; held while a process trains here
FREE = ("checkpoint_every", "preview_every")
"""Keys that may differ on resuming: they decide nothing about weights or journal."""


@contextmanager
def alone(run: Path) -> Iterator[None]:
    """Keeps other processes of this machine from training in a folder; the kernel lets go when this one ends or is
    killed.

    Raises:
        UserError: another process is training there; or the folder cannot be written.
    """
    if run.exists() and not (run / PLAN).is_file() and not _empty(run):
        yield  # something else is there: `prepare` refuses it, and nothing is left in it
        return
    new = not run.exists()
    try:
        run.mkdir(parents=True, exist_ok=True)
        held = (run / LOCK).open("ab")
    except OSError as error:
        raise UserError(f"{run} cannot be written: {error.strerror}.") from error
    with held:
        hold(held.fileno(), f"Another process is training in {run}: wait for it, or name another --run.")
        try:
            yield
        finally:
            if run.is_dir() and [path.name for path in run.iterdir()] == [LOCK]:  # nothing was started
                with suppress(PermissionError):  # Windows removes nothing that is open
                    (run / LOCK).unlink()
                    if new:
                        run.rmdir()


def prepare(run: Path, recipe: Recipe, corpus: Corpus, *, resume: bool, say: Callable[[str], None]) -> None:
    """Makes a new run's folder, or checks that the one there is the one to resume.

    Raises:
        UserError: a run is there and `resume` is false; or it is another run; or the folder cannot be written.
    """
    there = (run / PLAN).is_file()
    if there and not resume:
        raise UserError(f"{run} already holds a run: go on with --resume, or choose another folder.")
    if there:
        refuse_other(Plan.load(run / PLAN), recipe, corpus)
        snapshot, messages = checkpoint.load_latest(run)
        for sentence in messages:
            say(sentence)
        if snapshot is None:
            say("There is no good checkpoint yet: the run starts anew.")
        return
    if run.exists() and not _empty(run):
        raise UserError(f"{run} is not empty and holds no run: choose another folder.")
    if resume:
        say(f"There is no run in {run} yet: a new one starts.")
    # Without a bundle to start from, the representation is fitted to them, which may take a while.
    task = task_of(recipe)
    say(f"Reading the {len(corpus):,} {'pictures' if task.corpus_of == 'pictures' else 'notes'} of {corpus.name}.")
    plan = task.make_plan(recipe, corpus)
    for sentence in plan.messages:
        say(sentence)
    try:
        run.mkdir(parents=True, exist_ok=True)
        with atomic_file(run / RECIPE) as temporary:
            temporary.write_text(dump_recipe(plan.recipe), encoding="utf-8")
        plan.save(run / PLAN)
    except OSError as error:
        shutil.rmtree(run, ignore_errors=True)
        raise UserError(f"{run} cannot be written: {error.strerror}.") from error


def refuse_other(plan: Plan, recipe: Recipe, corpus: Corpus) -> None:
    """Refuses to resume with another recipe or corpus, and says what differs."""
    same = recipe.model_copy(update={key: getattr(plan.requested, key) for key in FREE})
    if changes := difference(plan.requested, same):
        shown = "; ".join(changes[:8]) + ("; …" if len(changes) > 8 else "")
        raise UserError(
            f"The run was started with another recipe ({shown}): resume with the same one, or start a new run."
        )
    if corpus.digest != plan.corpus["digest"]:
        raise UserError(
            f"The run was started with the corpus {plan.corpus['name']} ({plan.corpus['digest'][:12]}…), "
            f"{corpus.path} is another one ({corpus.digest[:12]}…): resume with the same one, or start a new run."
        )
    teacher = plan.attributes.labelled_by
    tags = Tags.open(corpus.path, plan.recipe.data.teacher) if teacher else None
    if differs := teacher_mismatch(
        "The run was started with labels by", teacher, f"the tags of {corpus.path} are by", tags
    ):
        again = f"start a new run{recipe.next_run}"
        raise UserError(f"{differs}. The tags were made anew since the run was started: {again}.")


def keep_snapshot(folder: Path, notes_seen: int, tensors: dict[str, Tensor]) -> None:
    """Writes `NNNNNNNN.safetensors`, named by the notes seen, into a folder of a run."""
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_file(folder / f"{notes_seen:08d}.safetensors") as temporary:
        safetensors.torch.save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary)


def _empty(run: Path) -> bool:
    """Nothing there but what a run killed while it is made may leave."""
    return run.is_dir() and all(
        path.name in (RECIPE, LOCK) or path.name.endswith(".partial") or is_litter(path) for path in run.iterdir()
    )
