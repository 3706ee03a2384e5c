"""`darktimbre train digits-…`: while a DCGAN learns, its pictures are drawn by class and judged by a classifier.

training hands a view of the run in, evaluation judges: only the command line knows both. What is found goes into
`evaluations.jsonl`, `previews/`, `losses.png` and TensorBoard, at the end into `digits.png`, `scores.json`, the card.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from darktimbre.audio.atomic import atomic_file
from darktimbre.bundle.pictures import PictureClassifier, PictureGan
from darktimbre.cli.observing_files import Lines
from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.picture_plots import COLUMNS, draw_rows
from darktimbre.evaluation.pictures import Real, Scores, draw_classes, judge_real, scores_of
from darktimbre.measures.classes import classes_covered
from darktimbre.notes.errors import UserError
from darktimbre.training import checkpoint
from darktimbre.training.curves import draw_losses
from darktimbre.training.dataset import picture_labels

if TYPE_CHECKING:
    from darktimbre.training.observer import View
    from darktimbre.training.recipe.schema import Recipe
    from darktimbre.training.tasks.digit_gan import DigitGanTask

GRID, PREVIEWS, SCORES, CLASSIFIER = "digits.png", "previews", "scores.json", "classifier"
GLANCE, WHOLE = 2_000, 10_000  # pictures judged now and then, and at the end
SEED = 20210  # of what is drawn: the same latents in every run and at every look


class PictureLooks:
    """An observer of a run (see `training.observer.Observer`).

    Attributes:
        every: pictures seen between looks.
        classifier: what judges.
        real: held-out real pictures as it sees them.
    """

    def __init__(self, corpus: Corpus, classifier: PictureClassifier, every: int) -> None:
        self.every, self.classifier = every, classifier
        split, rows = next((split, rows) for split in ("test", "valid", "train") if len(rows := corpus.rows(split)))
        label = picture_labels(corpus, rows, classifier.classes)
        rows, label = rows[label >= 0][:WHOLE], label[label >= 0][:WHOLE]
        self.split, self.count = split, len(rows)
        self.real: Real = judge_real(classifier, corpus.pictures(rows), label)

    def begin(self, view: "View") -> None:
        """Forgets what was seen after `view.notes_seen`; of a new run, writes down who judges."""
        lines = Lines(view.run)
        with checkpoint.told(view.run):
            lines.cut(view.notes_seen)
            if lines.head is None:
                levels = {"real": {"accuracy": self.real.accuracy, "inception_score": self.real.inception_score}}
                lines.begin({"judge": self.classifier.digest, "split": self.split, "levels": levels})

    def look(self, view: "View") -> None:
        """Draws and judges what is learned so far."""
        training = cast("DigitGanTask", view.training)
        model = training.model(view.notes_seen, {})
        scores, rows = self._judged(model, GLANCE)
        line = scores.to_json()
        with checkpoint.told(view.run):
            Lines(view.run).add({"notes_seen": view.notes_seen, **line})
            view.curves({f"judged/{key}": float(value) for key, value in line.items() if not isinstance(value, str)})
            heading = f"{training.plan.recipe.name} after {view.notes_seen:,} pictures: {in_short(scores)}"
            draw_rows(rows, view.run / PREVIEWS / f"{view.notes_seen:09d}.png", heading=heading)
            draw_losses(view.run, heading=training.plan.recipe.name, unit="pictures")

    def close(self, run: Path, bundle: Path) -> Scores:
        """Judges what was trained, at length: `digits.png`, `scores.json`, and the figures in its card."""
        model = PictureGan.from_pretrained(bundle)
        scores, rows = self._judged(model, WHOLE)
        name = model.config["recipe"]["name"]
        with checkpoint.told(run):
            draw_losses(run, heading=name, unit="pictures")
            draw_rows(rows, run / GRID, heading=f"{name}: {in_short(scores)}")
            judged = {"real": self._real_json(), "generated": scores.to_json(), "shares": dict(
                zip(model.classes, (round(share, 4) for share in scores.shares), strict=True)
            )}  # fmt: skip
            with atomic_file(run / SCORES) as temporary:
                temporary.write_text(json.dumps(judged, indent=1) + "\n", encoding="utf-8")
            model.with_metrics({"judged": self.table(scores), "judge": self.judge_in_words()}).save_pretrained(bundle)
        return scores

    def table(self, scores: Scores) -> list[dict[str, str]]:
        """The figures in words, generated beside real."""
        real = self.real
        rows = []
        if scores.accuracy is not None:
            lowest = min(scores.class_accuracy)
            rows.append(("accuracy", f"{scores.accuracy:.1%} (lowest class {lowest:.1%})", f"{real.accuracy:.1%}"))
        score = f"{scores.inception_score:.2f} ± {scores.inception_score_error:.2f}"
        rows += [
            ("inception score", score, f"{real.inception_score:.2f}"),
            ("classes covered", f"{scores.covered} of {len(scores.shares)}", f"{classes_covered(real.shares)}"),
            ("smallest class", f"{min(scores.shares):.1%}", f"{min(real.shares):.1%}"),
            ("variety within a class", f"{scores.mean_variety:.2f} (lowest {min(scores.variety):.2f})", "1"),
            ("collapse", scores.collapsed or "none", "none"),
        ]
        return [{"figure": figure, "generated": made, "real": truth} for figure, made, truth in rows]

    def judge_in_words(self) -> str:
        """Who judged, and how far it can be trusted."""
        return (
            f"Judged on {WHOLE:,} generated and {self.count:,} real pictures of the {self.split} split by a classifier "
            f"({self.classifier.digest[:12]}) that was trained on real pictures alone and names "
            f"{self.real.accuracy:.2%} of those right. A class is covered where it has at least a tenth of an equal "
            "share; variety is the mean distance of two pictures of a class in the classifier's embedding, by that of "
            "real ones; a collapse is fewer than eight tenths of the classes, or less than half of the real pictures' "
            "inception score."
        )

    def _real_json(self) -> dict[str, Any]:
        return {
            "split": self.split, "pictures": self.count, "accuracy": round(self.real.accuracy, 4),
            "inception_score": round(self.real.inception_score, 3), "judge": self.classifier.digest,
        }  # fmt: skip

    def _judged(self, model: PictureGan, count: int) -> tuple[Scores, list[tuple[str, np.ndarray]]]:
        """Scores, and a row of pictures of each class: as asked for, or else as the classifier names them."""
        asked = draw_classes(model, count)
        pictures = model.pictures(model.latents(SEED, count), asked)
        seen = self.classifier.judge(pictures)
        scores = scores_of(seen, asked, self.real)
        named = asked if len(asked) else seen.probabilities.argmax(1)
        word = "right" if scores.class_accuracy else "of all"
        figures = scores.class_accuracy or scores.shares
        return scores, [
            (f"{name} ({figures[k]:.0%} {word})", pictures[named == k][:COLUMNS])
            for k, name in enumerate(model.classes)
        ]


def in_short(scores: Scores) -> str:
    """The figures in a line."""
    right = f"accuracy {scores.accuracy:.1%}, " if scores.accuracy is not None else ""
    return (
        f"{right}inception score {scores.inception_score:.2f}, {scores.covered} of {len(scores.shares)} classes, "
        f"variety {scores.mean_variety:.2f}"
    )


def looks_for(
    recipe: "Recipe", corpus_path: Path, *, every: int | None, classifier: Path | None, run: Path, smoke: bool,
    accelerator: str, say: Callable[[str], None],
) -> PictureLooks:  # fmt: skip
    """The observer of a run, with the classifier that is given, found beside the corpus, or trained there first.

    Raises:
        UserError: the classifier tells other classes apart, or the corpus cannot be learned from.
    """
    from darktimbre.training.dataset import picture_dataset
    from darktimbre.training.schedule import Schedule

    corpus = Corpus.open(corpus_path, of="pictures")
    classes = picture_dataset(recipe.data, corpus).classes
    if classifier is not None:
        judge = PictureClassifier.from_pretrained(classifier)
    else:
        # One of a smoke test is worth nothing to others: it lies beside the run.
        home = run.with_name(f"{run.name}-{CLASSIFIER}") if smoke else corpus_path / CLASSIFIER
        judge = _kept_or_trained(corpus, home, smoke=smoke, accelerator=accelerator, say=say)
    if judge.classes != classes:
        raise UserError(
            f"{judge.origin} tells {', '.join(judge.classes)} apart, the corpus has {', '.join(classes)}: train one "
            f"with `darktimbre train digits-classifier --corpus {corpus_path}`."
        )
    return PictureLooks(corpus, judge, every or recipe.preview_every or Schedule(recipe).total)


def _kept_or_trained(
    corpus: Corpus, home: Path, *, smoke: bool, accelerator: str, say: Callable[[str], None]
) -> PictureClassifier:
    """The classifier that lies beside a corpus; trained on its real pictures where there is none yet."""
    from darktimbre.training.recipe.load import load_recipe
    from darktimbre.training.run_folder import BUNDLE, PLAN
    from darktimbre.training.tasks.base import task_of
    from darktimbre.training.trainer import Options, train_recipe

    if (home / BUNDLE / "config.json").is_file():
        kept = PictureClassifier.from_pretrained(home / BUNDLE)
        if kept.config.get("provenance", {}).get("corpus", {}).get("digest") == corpus.digest:
            return kept
        raise UserError(
            f"The classifier in {home} was trained on another corpus: delete that folder, or give --classifier."
        )
    say(f"First a classifier that can judge digits is trained, once for this corpus: {home}.")
    recipe = load_recipe("digits-classifier")
    options = Options(corpus=corpus.path, run=home, resume=(home / PLAN).is_file(), accelerator=accelerator)
    outcome = train_recipe(task_of(recipe).shrunk(recipe) if smoke else recipe, options, say=say)
    if outcome.bundle is None:
        raise KeyboardInterrupt  # it was asked to stop; the classifier goes on where it was
    trained = PictureClassifier.from_pretrained(outcome.bundle)
    if trained.accuracy is not None:
        say(f"It names {trained.accuracy:.2%} of held-out digits right.")
    return trained
