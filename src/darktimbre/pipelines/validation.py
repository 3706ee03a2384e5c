"""Validation while a run trains (`darktimbre train --evaluate-every`), as training callbacks.

Training hands in a view of the run, evaluation measures; only here both are known. Of instruments, a few notes of the
valid split go into `evaluations.jsonl`, `evaluations.png` and TensorBoard, and the best state by a metric is kept as a
bundle in `best/`. Of GANs of digits, a classifier's figures go there too, and into `previews/` and `losses.png`; at the
end into `digits.png`, `scores.json` and the card.
"""

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from darktimbre import teachers
from darktimbre.audio.atomic import write_json
from darktimbre.bundle.pictures import PictureClassifier, PictureGan
from darktimbre.corpus.classes import class_indices
from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.plots import PICTURES_OF_A_CLASS, draw_rows
from darktimbre.evaluation.pictures import Scores, draw_classes, scores_of
from darktimbre.evaluation.validation import SPLIT, Validation, independent_embedder, metrics_of
from darktimbre.notes.attributes import WITHOUT_TEACHER, teacher_mismatch
from darktimbre.notes.errors import UserError
from darktimbre.notes.text import quoted
from darktimbre.pipelines.steps import Reporter, make_or_reuse, recorded
from darktimbre.pipelines.validation_record import BEST, LINES, PICTURE, Record, chosen_by, draw, in_words
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.tagging.store import Tags
from darktimbre.teachers.tagger import Tagger
from darktimbre.training import checkpoint
from darktimbre.training.dataset import PictureDataset, picture_dataset
from darktimbre.training.journal import draw_losses
from darktimbre.training.progress import duration
from darktimbre.training.recipe import Recipe, load_recipe
from darktimbre.training.run_folder import BUNDLE, PLAN
from darktimbre.training.schedule import Schedule
from darktimbre.training.tasks.base import Outcome, task_of
from darktimbre.training.tasks.digit_gan import DigitGanTask
from darktimbre.training.trainer import Callback, Options, Trainer, device_of, train

ELIGIBLE = "eligible"  # in a line: whether the network had its full size, so that the state could be kept
GRID, PREVIEWS, SCORES, CLASSIFIER = "digits.png", "previews", "scores.json", "classifier"
PREVIEWED, SCORED = 2_000, 10_000  # pictures scored now and then, and at the end
SEED = 20210  # of what is drawn: the same latents in every run and at every validation


class Interrupted(Exception):
    """The user does not want to wait for the rest of a validation."""


# ----------------------------------------------------------------------------
# Instruments


class NoteValidation(Callback):
    """Validates an instrument on fixed notes of the valid split; the best state by `keep_best` is kept as a bundle."""

    validation: Validation
    interrupted = False
    _best: float | None = None

    def __init__(
        self, options: Options, tagger: Tagger | None, every: int, keep_best: str | None, say: Callable[[str], None]
    ) -> None:
        """`every` is in notes; `keep_best` is one of `METRICS`, None keeps none."""
        self.options, self.tagger, self.every, self.keep_best, self.say = options, tagger, every, keep_best, say
        self.record = Record(options.run)

    def start(self, view: Trainer) -> None:
        """Forgets what was seen after `view.notes_seen`, measures a new run's levels, and validates if that is due."""
        instrument, record, seen = _instrument(view), self.record, view.notes_seen
        corpus = Corpus.open(self.options.corpus)
        embedder = independent_embedder(device_of(self.options.accelerator))
        self.validation = Validation.of_valid_notes(corpus, instrument.attributes, self.tagger, embedder)
        with checkpoint.saving(view.run):
            record.cut(seen)
            self._recall_best(view)
        notes, seconds = len(self.validation.target.rows), self.validation.seconds(instrument)
        ahead = view.total // self.every - seen // self.every + (view.total % self.every > 0)
        self.say(
            f"A validation takes {notes} {SPLIT} notes and about {duration(seconds)}; every {self.every:,} notes, that "
            f"is {ahead} of them, about {duration(seconds * ahead)} in all."
        )
        missing = view.reaches(self.every) and all(line["notes_seen"] != seen for line in record.lines)
        with suppress(Interrupted):
            self._measure_levels(view, instrument)
            if missing:
                self._validate(view, instrument)

    def step(self, view: Trainer) -> None:
        """Validates the run as it stands."""
        with suppress(Interrupted):
            self._validate(view, _instrument(view))

    def closing(self, run: Path, outcome: Outcome) -> list[str]:
        """Which of `bundle` and `best` is which, in the end."""
        sentences, lines, chosen = [], self.record.lines, chosen_by(run / BEST)
        if self.interrupted:
            sentences.append("The validation under way was interrupted; --resume makes up for it.")
        if lines:
            sentences.append(f"{len(lines)} evaluations: {run / LINES}, drawn in {run / PICTURE}.")
        if not lines or chosen is None or self.keep_best is None:
            return sentences
        metric, last, notes = in_words(chosen["metric"]), lines[-1], (self.record.head or {}).get("notes")
        if (run / BUNDLE / "config.json").is_file() and last["notes_seen"] == chosen["notes_seen"]:
            return [*sentences, f"bundle and best are the same state: the last one is the best by {metric}."]
        return [
            *sentences,
            f"best is the state after {chosen['notes_seen']:,} notes, the best by {metric} ({chosen['value']:.3f}) on "
            f"{notes} {SPLIT} notes; bundle is the state at the end ({_number(last.get(chosen['metric']))} when last "
            f"validated, after {last['notes_seen']:,} notes). As best was chosen on the {SPLIT} split, only the test "
            "split can evaluate it fairly.",
        ]

    def _interrupts(self, view: Trainer) -> Callable[[int], None]:
        """What ends a validation, called after each of its blocks of notes, where the run is to stop."""

        def check(notes: int) -> None:
            if view.stopping():
                self.interrupted = True
                raise Interrupted

        return check

    def _measure_levels(self, view: Trainer, instrument: Synthesizer) -> None:
        """What the untrained network and real notes reach; measured once a run."""
        facts, head = self.validation.facts(), self.record.head
        if head is not None and {key: head.get(key) for key in facts} == facts:
            return
        if head is not None:
            self.say(f"{self.record.path} is of other notes or another teacher: it is started anew.")
        levels = {
            name: measure(instrument, self._interrupts(view)).metrics()
            for name, measure in (("untrained", self.validation.untrained), ("real", self.validation.real))
        }
        with checkpoint.saving(view.run):
            self.record.start({**facts, "levels": levels})
        for name, found in levels.items():
            self.say(f"{name}: {_in_short(found)}")

    def _validate(self, view: Trainer, instrument: Synthesizer) -> None:
        found = self.validation.trained(instrument, self._interrupts(view)).metrics()
        eligible = view.state.scale >= instrument.bundle.gan.last  # a growing network is no instrument before
        with checkpoint.saving(view.run):
            better = eligible and self._keep_best(view, instrument, found)
            self.record.add({"notes_seen": view.notes_seen, ELIGIBLE: eligible, **found})
        levels = self.record.head["levels"] if self.record.head else {}
        curves = {f"evaluation/{in_words(name)}": value for name, value in found.items()}
        for level, those in levels.items():
            curves |= {f"evaluation/{in_words(name)} ({level})": value for name, value in those.items()}
        view.log({name: value for name, value in curves.items() if value is not None})
        best = chosen_by(view.run / BEST) if self.keep_best else None
        with checkpoint.saving(view.run):
            draw(self.record, tuple(found), view.run / PICTURE, name=view.run.name, best=best)
        self.say(f"{view.notes_seen:,} notes: {_in_short(found)}{'; the best so far, kept in best' if better else ''}")

    def _keep_best(self, view: Trainer, instrument: Synthesizer, found: dict[str, float | None]) -> bool:
        """Writes `best/` where this is the best so far."""
        metric = self.keep_best
        value = found.get(metric) if metric else None
        if value is None or (self._best is not None and value <= self._best):
            return False
        self._best = value
        config, seen = instrument.bundle.config, view.notes_seen
        chosen = {"metric": metric, "value": value, "split": SPLIT, "notes_seen": seen}
        config["provenance"] |= {"notes_seen": seen, "chosen_by": chosen}
        figures = {"notes": len(self.validation.target.rows), **found}
        if self.validation.attributes.names:
            figures["temperature"] = self.validation.attributes.temperature
        config["metrics"] = {**config.get("metrics", {}), f"{SPLIT} notes": figures}
        instrument.bundle.save_pretrained(view.run / BEST, half=self.options.half)
        return True

    def _recall_best(self, view: Trainer) -> None:
        """What is to be beaten, after an interruption: `best/`; where that is of later notes, it is removed, for it
        will come again, and the best of the lines that could have been kept counts."""
        metric, chosen = self.keep_best, chosen_by(view.run / BEST)
        if metric is None or chosen is None:
            return
        if chosen["metric"] != metric:
            raise UserError(
                f"{view.run / BEST} was chosen by {in_words(chosen['metric'])}: resume with --keep-best "
                f"{chosen['metric'].replace('_', '-')}, or move that folder away."
            )
        if chosen["notes_seen"] <= view.notes_seen:
            self._best = chosen["value"]
            return
        shutil.rmtree(view.run / BEST)
        values = [line[metric] for line in self.record.lines if line.get(ELIGIBLE) and line.get(metric) is not None]
        self._best = max(values, default=None)


def _instrument(view: Trainer) -> Synthesizer:
    instrument = view.task.preview(view.state)
    assert instrument is not None  # `VALIDATIONS` lets no other task through
    weights = instrument.bundle.weights
    for name, tensor in weights.items():  # in training they lie channels-last; from here on as in a file
        weights[name] = tensor.detach().clone(memory_format=torch.contiguous_format)
    return instrument


def _in_short(found: dict[str, float | None]) -> str:
    return ", ".join(f"{in_words(name)} {_number(value)}" for name, value in found.items())


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


# ----------------------------------------------------------------------------
# GANs of digits


class DigitValidation(Callback):
    """Draws digits by class and scores them by a classifier of real ones."""

    def __init__(self, corpus: Corpus, classifier: PictureClassifier, every: int) -> None:
        """`every` is in pictures."""
        self.every, self.classifier = every, classifier
        split, rows = next((split, rows) for split in ("test", "valid", "train") if len(rows := corpus.rows(split)))
        label = class_indices(corpus.column("category")[rows], classifier.classes)
        rows, label = rows[label >= 0][:SCORED], label[label >= 0][:SCORED]
        self.split, self.count = split, len(rows)
        self.real = scores_of(classifier.predict(corpus.pictures(rows)), label)

    def start(self, view: Trainer) -> None:
        """Forgets what was seen after `view.notes_seen`; of a new run, writes down by what it is scored."""
        record = Record(view.run)
        with checkpoint.saving(view.run):
            record.cut(view.notes_seen)
            if record.head is None:
                levels = {"real": {"accuracy": self.real.accuracy, "inception_score": self.real.inception_score}}
                record.start({"judge": self.classifier.digest, "split": self.split, "levels": levels})

    def step(self, view: Trainer) -> None:
        """Draws and scores the generator as it stands."""
        task = view.task
        assert isinstance(task, DigitGanTask)  # `VALIDATIONS`
        scores, rows = self._scored(task.model(view.notes_seen, {}), PREVIEWED)
        line, name = scores.to_json(), task.recipe.name
        with checkpoint.saving(view.run):
            Record(view.run).add({"notes_seen": view.notes_seen, **line})
            view.log({f"judged/{key}": float(value) for key, value in line.items() if not isinstance(value, str)})
            heading = f"{name} after {view.notes_seen:,} pictures: {scores.in_short()}"
            draw_rows(rows, view.run / PREVIEWS / f"{view.notes_seen:09d}.png", heading=heading)
            draw_losses(view.run, heading=name, unit="pictures")

    def closing(self, run: Path, outcome: Outcome) -> list[str]:
        """Scores what was trained on more pictures: `digits.png`, `scores.json`, and the figures in its card."""
        if outcome.bundle is None:
            return []
        model = PictureGan.from_pretrained(outcome.bundle)
        scores, rows = self._scored(model, SCORED)
        name, table, figures = model.config["recipe"]["name"], scores.beside(self.real), self.real.to_json()
        real = {"split": self.split, "pictures": self.count, "judge": self.classifier.digest}
        real |= {key: figures[key] for key in ("accuracy", "inception_score")}
        shares = dict(zip(model.classes, (round(share, 4) for share in scores.shares), strict=True))
        with checkpoint.saving(run):
            draw_losses(run, heading=name, unit="pictures")
            draw_rows(rows, run / GRID, heading=f"{name}: {scores.in_short()}")
            write_json(run / SCORES, {"real": real, "generated": scores.to_json(), "shares": shares})
            model.with_metrics({"judged": table, "judge": self.method()}).save_pretrained(outcome.bundle)
        return [
            *(f"  {row['figure']}: {row['generated']} (real: {row['real']})" for row in table),
            f"Its digits are drawn in {run / GRID}, the figures are in {run / SCORES}.",
        ]

    def method(self) -> str:
        """How the scores came about, and how far the classifier can be trusted."""
        return (
            f"Scored on {SCORED:,} generated and {self.count:,} real pictures of the {self.split} split by a "
            f"classifier ({self.classifier.digest[:12]}) that was trained on real pictures alone and names "
            f"{self.real.accuracy:.2%} of those right. A class is covered where it has at least a tenth of an equal "
            "share; diversity is the mean distance of two pictures of a class in the classifier's embedding, by that "
            "of real ones; a collapse is fewer than eight tenths of the classes, or less than half of the real "
            "pictures' inception score or diversity."
        )

    def _scored(self, model: PictureGan, count: int) -> tuple[Scores, list[tuple[str, np.ndarray]]]:
        """Scores, and a row of pictures of each class: as conditioned, or else as the classifier names them."""
        target = draw_classes(model, count)
        pictures = model.pictures(model.latents(SEED, count), target)
        predicted = self.classifier.predict(pictures)
        scores = scores_of(predicted, target, self.real)
        named = target if len(target) else predicted.probabilities.argmax(1)
        word = "right" if scores.class_accuracy else "of all"
        figures = scores.class_accuracy or scores.shares
        rows = [
            (f"{name} ({figures[place]:.0%} {word})", pictures[named == place][:PICTURES_OF_A_CLASS])
            for place, name in enumerate(model.classes)
        ]
        return scores, rows


# ----------------------------------------------------------------------------
# Which validation a run has


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Those of `darktimbre train` that validation is by."""

    every: int | None = None
    keep_best: str | None = None
    weights: Path | None = None
    classifier: Path | None = None
    smoke: bool = False


def validation_for(recipe: Recipe, options: Options, reporter: Reporter, flags: Flags) -> Callback | None:
    """The callback that the flags request; None where they request none.

    Raises:
        UserError: there is no such metric; the teacher's weights are missing or not those that tagged the corpus; the
            corpus has no valid notes; the classifier has other classes.
    """
    task = task_of(recipe)
    if flags.keep_best and flags.every is None:
        raise UserError("--keep-best chooses among evaluations: say how often with --evaluate-every NOTES.")
    if task.evaluated_by is None:
        return None
    return VALIDATIONS[task.evaluated_by](recipe, options, reporter, flags)


def _note_validation(recipe: Recipe, options: Options, reporter: Reporter, flags: Flags) -> NoteValidation | None:
    every, keep_best = flags.every, flags.keep_best
    if every is None:
        return None
    data, labelled = recipe.data, recipe.data.teacher not in WITHOUT_TEACHER
    metrics = metrics_of(bool(data.attributes), bool(data.pitches), labelled=labelled)
    metric = keep_best.replace("-", "_") if keep_best else None
    if not metrics:
        raise UserError("The recipe has neither attributes nor pitch: there is no condition to validate.")
    if metric is not None and metric not in metrics:
        known = ", ".join(name.replace("_", "-") for name in metrics)
        raise UserError(f"--keep-best {keep_best}: for this recipe there are {known}.")
    corpus = Corpus.open(options.corpus)
    if not len(corpus.rows(SPLIT)):
        raise UserError(
            f"{corpus.path} has no note in its {SPLIT} split to validate on: make the corpus of more instruments, or "
            "leave out --evaluate-every."
        )
    if metric is not None and not len(corpus.rows("test")):
        reporter.say(
            f"The checkpoint will be chosen on {SPLIT} notes and the corpus holds no test notes to evaluate it on: its "
            "figures in the end will be too good."
        )
    tagger = None
    if data.attributes and labelled:
        tagger = teachers.load(data.teacher, device=device_of(options.accelerator), weights=flags.weights)
        tags = Tags.open(corpus.path, data.teacher)
        if differs := teacher_mismatch(f"The tags of {corpus.path} are by", tags, "the teacher given is", tagger):
            raise UserError(f"{differs}. Give the right --weights, or tag the corpus again.")
    return NoteValidation(options, tagger, every, metric, reporter.say)


def _digit_validation(recipe: Recipe, options: Options, reporter: Reporter, flags: Flags) -> DigitValidation:
    corpus = Corpus.open(options.corpus, of="pictures")
    dataset = picture_dataset(recipe.data, corpus)
    found = digit_classifier(dataset, options, flags.classifier, reporter, smoke=flags.smoke)
    return DigitValidation(corpus, found, flags.every or recipe.preview_every or Schedule(recipe).total)


VALIDATIONS: dict[str, Callable[[Recipe, Options, Reporter, Flags], Callback | None]] = {
    "teacher": _note_validation,
    "classifier": _digit_validation,
}
"""What builds the callback, by a task's `evaluated_by`."""


def digit_classifier(
    dataset: PictureDataset, options: Options, given: Path | None, reporter: Reporter, *, smoke: bool
) -> PictureClassifier:
    """The classifier that is given, or lies beside the corpus; trained on its real pictures where there is none yet.

    Raises:
        UserError: it has other classes than the corpus, or was trained on another one.
    """
    corpus, run = dataset.corpus, options.run
    # One of a smoke test is worth nothing to others: it lies beside the run.
    home = run.with_name(f"{run.name}-{CLASSIFIER}") if smoke else corpus.path / CLASSIFIER

    def find() -> PictureClassifier | None:
        if given is not None:
            return PictureClassifier.from_pretrained(given)
        if not (home / BUNDLE / "config.json").is_file():
            return None
        if recorded(home / BUNDLE / "config.json", "provenance", "corpus", "digest") != corpus.digest:
            raise UserError(
                f"The classifier in {home} was trained on another corpus: delete that folder, or give --classifier."
            )
        return PictureClassifier.from_pretrained(home / BUNDLE)

    def make() -> PictureClassifier:
        reporter.say(f"First a classifier of digits is trained, once for this corpus: {home}.")
        recipe, resume = load_recipe("digits-classifier"), (home / PLAN).is_file()
        own = Options(corpus=corpus.path, run=home, resume=resume, accelerator=options.accelerator)
        outcome = train(task_of(recipe).shrunk(recipe) if smoke else recipe, own, say=reporter.say)
        if outcome.bundle is None:
            raise KeyboardInterrupt  # the classifier is resumed by the same command
        trained = PictureClassifier.from_pretrained(outcome.bundle)
        if trained.accuracy is not None:
            reporter.say(f"It names {trained.accuracy:.2%} of held-out digits right.")
        return trained

    found = make_or_reuse(find, make)
    if found.classes != dataset.classes:
        raise UserError(
            f"{found.origin} distinguishes {', '.join(found.classes)}, the corpus has {', '.join(dataset.classes)}: "
            f"train one with `darktimbre train digits-classifier --corpus {quoted(corpus.path)}`."
        )
    return found
