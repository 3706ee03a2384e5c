"""The folder of a run: what may be started or resumed in it, and its plan; the keeper writes the rest."""

import shutil
from collections.abc import Callable
from pathlib import Path

from darktimbre.corpus.corpus import Corpus
from darktimbre.notes.errors import UserError
from darktimbre.training import checkpoint
from darktimbre.training.plan import Plan, make_plan
from darktimbre.training.reading import dump_recipe
from darktimbre.training.recipe import Recipe

PLAN, RECIPE, JOURNAL, BUNDLE, BOARD = "run.json", "recipe.yaml", "journal.jsonl", "bundle", "tensorboard"


def prepare(run: Path, recipe: Recipe, corpus: Corpus, *, resume: bool, say: Callable[[str], None]) -> None:
    """Makes a new run's folder, or checks that the one there is the one to resume.

    Raises:
        UserError: a run is there and `resume` is not asked for; or it is another run; or the folder cannot be written.
    """
    there = (run / PLAN).is_file()
    if there and not resume:
        raise UserError(f"{run} already holds a run: go on with --resume, or choose another folder.")
    if there:
        Plan.load(run / PLAN).refuse_other(recipe, corpus)
        snapshot, said = checkpoint.load_latest(run)
        for sentence in said:
            say(sentence)
        if snapshot is None:
            say("There is no good checkpoint yet: the run begins at its start.")
        return
    if run.exists() and not _empty(run):
        raise UserError(f"{run} is not empty and holds no run: choose another folder.")
    if resume:
        say(f"There is no run in {run} yet: a new one begins.")
    # Where no bundle is begun from, the representation is fitted to them, which may take a while.
    say(f"Reading the {len(corpus):,} notes of {corpus.name}.")
    plan, _ = make_plan(recipe, corpus)
    for sentence in plan.said:
        say(sentence)
    try:
        run.mkdir(parents=True, exist_ok=True)
        (run / RECIPE).write_text(dump_recipe(plan.recipe), encoding="utf-8")
        plan.save(run / PLAN)
    except OSError as error:
        shutil.rmtree(run, ignore_errors=True)
        raise UserError(f"{run} cannot be written: {error.strerror}.") from error


def _empty(run: Path) -> bool:
    """Nothing there but what a run killed in its first moment may leave."""
    return run.is_dir() and all(path.name == RECIPE or path.name.endswith(".partial") for path in run.iterdir())
