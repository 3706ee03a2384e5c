"""`--dry-run`: the resolved recipe and what it would cost, as text."""

from pathlib import Path

from darktimbre.corpus.corpus import Corpus
from darktimbre.training.recipe.load import dump_recipe
from darktimbre.training.recipe.schema import Recipe
from darktimbre.training.tasks.base import task_of


def dry_run_report(recipe: Recipe, corpus_path: Path | None, *, accelerator: str = "auto") -> str:
    """The recipe as YAML, then sizes, memory and time of the run; with a corpus also what would be trained on.

    Raises:
        UserError: recipe, corpus and representation do not go together.
    """
    task = task_of(recipe)
    corpus = Corpus.open(corpus_path, of=task.corpus_of) if corpus_path is not None else None
    return "\n".join([dump_recipe(recipe).rstrip(), "", *task.dry_run(recipe, corpus, accelerator)])
