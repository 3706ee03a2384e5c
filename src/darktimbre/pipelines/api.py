"""`darktimbre.train` and `darktimbre.evaluate`: what their verbs do, for Python."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from darktimbre.bundle.classifier import NoteClassifier
from darktimbre.corpus.corpus import Corpus
from darktimbre.evaluation import evaluate as evaluation
from darktimbre.evaluation.results import Evaluation
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.teachers.tagger import Tagger
from darktimbre.training import trainer
from darktimbre.training.recipe import Recipe, load_recipe
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


Instrument = Synthesizer | str | Path
"""An instrument, or where its bundle is: a folder, `starter`, or a hub id."""


def evaluate(
    instruments: Instrument | Sequence[Instrument] | Mapping[str, Instrument],
    corpus: Corpus | str | Path,
    *,
    out: str | Path,
    tagger: str | Tagger = "yamnet",
    classifier: NoteClassifier | str | Path | None = None,
    **options: Any,
) -> Evaluation:
    """Measures instruments as the DarkGAN paper does, beside real notes and an untrained network.

    Args:
        instruments: one or several; a mapping names their rows, which are otherwise called as their recipes are.
        corpus: real notes, or their folder; tagged by the teacher.
        out: folder of the report (`report.html`, `.md`, `.json`). Features are kept in `cache/` below it, so
            that a stopped evaluation resumes.
        tagger: the teacher that the instruments were trained on, or its name.
        classifier: of notes, by the recipe `inception`, or its folder; without one PIS and IIS are left out.
        options: others of `darktimbre.evaluation.evaluate.evaluate`, such as `quick=True`, `fad=False`, `seed=1`.

    Returns:
        the figures of every system, with their confidence intervals.

    Raises:
        UserError: instruments, corpus and evaluators do not go together, or the notes are too few.
    """
    if isinstance(instruments, Instrument):
        instruments = [instruments]
    rows = list(instruments.items()) if isinstance(instruments, Mapping) else [("", one) for one in instruments]
    folder = corpus if isinstance(corpus, Corpus) else Path(corpus)
    return evaluation.evaluate(rows, folder, Path(out), teacher=tagger, classifier=classifier, **options)
