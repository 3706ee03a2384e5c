"""`darktimbre.train` and `darktimbre.evaluate`: what their verbs do, for Python."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from darktimbre.corpus.corpus import Corpus
from darktimbre.training import trainer
from darktimbre.training.recipe.load import load_recipe
from darktimbre.training.recipe.schema import Recipe
from darktimbre.training.tasks.base import Outcome


def train(
    recipe: Recipe | str | Path,
    *,
    corpus: Corpus | str | Path,
    run: str | Path | None = None,
    say: Callable[[str], None] = print,
    **options: Any,
) -> Outcome:
    """Runs a recipe to its end, or to an interruption after which `resume=True` goes on exactly.

    On the CPU the result is a pure function of recipe, corpus, number of threads and number of processes.

    Args:
        recipe: what to train: a `Recipe`, the name of one in the package, or a YAML file.
        corpus: what to train on, or its folder; tagged by the recipe's teacher.
        run: folder of the run: checkpoints, journal, previews and, in `bundle/`, the instrument. By default
            `runs/NAME-OF-THE-RECIPE`.
        say: prints a sentence.
        options: others of `darktimbre.training.trainer.Options`, such as `minutes=5`, `resume=True`, `devices=2`.

    Returns:
        why it ended (`reason`: "done", "interrupted" or "time"), after how many notes (`notes_seen`), and the folder of
        the `bundle`, or None where there is none yet.

    Raises:
        UserError: recipe, corpus and run folder do not go together, another process is training in the folder, the disk
            is full, or the losses diverged.
    """
    chosen = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    folder = corpus.path if isinstance(corpus, Corpus) else Path(corpus)
    placed = trainer.Options(corpus=folder, run=Path(run) if run else Path("runs") / chosen.name, **options)
    return trainer.train(chosen, placed, say=say)
