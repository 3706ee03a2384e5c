"""`darktimbre train --evaluate-every`: while a run goes on, its instrument plays a few valid notes and is listened to.

training hands a view of the run in, evaluation judges: only the command line knows both. What is found goes into
`evaluations.jsonl`, `evaluations.png` and TensorBoard; the best state by a metric is kept as a bundle in `best/`.
"""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from darktimbre.cli.observing_ear import NOTES, SPLIT, BrokenOff, Ear, metrics_of
from darktimbre.cli.observing_files import BEST, LINES, PICTURE, Lines, draw, in_words
from darktimbre.notes.errors import UserError
from darktimbre.training import checkpoint
from darktimbre.training.progress import duration

if TYPE_CHECKING:
    from darktimbre.corpus.corpus import Corpus
    from darktimbre.synthesizer.synthesizer import Synthesizer
    from darktimbre.teachers.tagger import Tagger
    from darktimbre.training.observer import View
    from darktimbre.training.recipe.schema import Recipe

ELIGIBLE = "eligible"  # in a line: whether the instrument was whole, so that it could be kept


class Evaluations:
    """An observer of a run (see `training.observer.Observer`).

    Attributes:
        every: notes between evaluations.
        keep_best: metric by which `best/` is chosen; None keeps none.
        lines: what was found so far; None before the run has begun.
    """

    def __init__(
        self, corpus: "Corpus", tagger: "Tagger | None", every: int, keep_best: str | None,
        say: Callable[[str], None], *, half: bool = False, notes: int = NOTES,
    ) -> None:  # fmt: skip
        self.corpus, self.tagger, self.every, self.keep_best = corpus, tagger, every, keep_best
        self.say, self.half, self.notes = say, half, notes
        self.lines: Lines | None = None
        self.unfinished = False
        self._ear: Ear | None = None
        self._best: float | None = None

    # ------------------------------------------------------------------------
    # What training calls

    def begin(self, view: "View") -> None:
        """Cuts back what was seen after `view.notes_seen`, measures a new run's levels, and looks if that is due."""
        instrument = self._instrument(view)
        self._ear = Ear.of(self.corpus, instrument.attributes, self.tagger, self.notes)
        self.lines = Lines(view.run)
        with checkpoint.told(view.run):
            self.lines.cut(view.notes_seen)
            self._recall(view)
        missing = view.due and not any(line["notes_seen"] == view.notes_seen for line in self.lines.each)
        self._tell_cost(view, instrument)
        try:
            self._levels(view, instrument)
            if missing:
                self._evaluate(view, instrument)
        except BrokenOff:
            self.unfinished = True

    def look(self, view: "View") -> None:
        """Evaluates the run as it stands."""
        try:
            self._evaluate(view, self._instrument(view))
        except BrokenOff:
            self.unfinished = True

    # ------------------------------------------------------------------------

    def closing(self, run: Path) -> list[str]:
        """Which of `bundle` and `best` is which, in the end."""
        said = []
        if self.unfinished:
            said.append("The evaluation under way was broken off; --resume makes up for it.")
        if self.lines is None or not self.lines.each:
            return said
        said.append(f"{len(self.lines.each)} evaluations: {run / LINES}, drawn in {run / PICTURE}.")
        chosen = chosen_by(run / BEST)
        if chosen is None or self.keep_best is None:
            return said
        metric = str(chosen["metric"])
        last, notes = self.lines.each[-1], len(self._judge.asked.rows)
        if (run / "bundle" / "config.json").is_file() and last["notes_seen"] == chosen["notes_seen"]:
            said.append(f"bundle and best are the same state: the last one is the best by {in_words(metric)}.")
            return said
        said.append(
            f"best is the state after {chosen['notes_seen']:,} notes, the best by {in_words(metric)} "
            f"({chosen['value']:.3f}) on {notes} {SPLIT} notes; bundle is the state at the end "
            f"({_number(last.get(metric))} when last evaluated, after {last['notes_seen']:,} notes). As best was "
            f"chosen on the {SPLIT} split, only the test split can judge it fairly."
        )
        return said

    @property
    def _judge(self) -> Ear:
        assert self._ear is not None
        return self._ear

    def _instrument(self, view: "View") -> "Synthesizer":
        instrument = view.training.preview(view.moment)
        assert instrument is not None  # `observer_for` lets no other task through
        weights = instrument.bundle.weights
        for name, tensor in weights.items():  # in training they lie channels-last; from here on as in a file
            weights[name] = tensor.detach().clone(memory_format=torch.contiguous_format)
        return instrument

    def _tell_cost(self, view: "View", instrument: "Synthesizer") -> None:
        notes, seconds = len(self._judge.asked.rows), self._judge.seconds(instrument, time.perf_counter)
        ahead = view.total // self.every - view.notes_seen // self.every + (view.total % self.every > 0)
        self.say(
            f"An evaluation listens to {notes} {SPLIT} notes, which takes about {duration(seconds)}; every "
            f"{self.every:,} notes, that is {ahead} of them, about {duration(seconds * ahead)} in all."
        )

    def _levels(self, view: "View", instrument: "Synthesizer") -> None:
        """What the untrained network and real notes reach; measured once a run."""
        assert self.lines is not None
        facts = self._judge.facts()
        head = self.lines.head
        if head is not None and {key: head.get(key) for key in facts} == facts:
            return
        if head is not None:
            self.say(f"{self.lines.path} is of other notes or another teacher: it begins anew.")
        levels = {
            "untrained": self._judge.untrained(instrument, view.stopping),
            "real": self._judge.real(instrument, view.stopping),
        }
        with checkpoint.told(view.run):
            self.lines.begin({**facts, "levels": levels})
        for name, found in levels.items():
            self.say(f"{name}: {_told(found)}")

    def _evaluate(self, view: "View", instrument: "Synthesizer") -> None:
        assert self.lines is not None
        found = self._judge.judge(instrument, view.stopping)
        eligible = view.moment.scale >= instrument.bundle.network.last  # a growing network is no instrument before
        with checkpoint.told(view.run):
            better = eligible and self._keep(view, instrument, found)
            self.lines.add({"notes_seen": view.notes_seen, ELIGIBLE: eligible, **found})
        levels = self.lines.head["levels"] if self.lines.head else {}
        curves = {f"evaluation/{in_words(name)}": value for name, value in found.items() if value is not None}
        for level, those in levels.items():
            curves |= {f"evaluation/{in_words(k)} ({level})": v for k, v in those.items() if v is not None}
        view.curves(curves)
        chosen = chosen_by(view.run / BEST) if self.keep_best else None
        with checkpoint.told(view.run):
            draw(
                self.lines, tuple(found), view.run / PICTURE, name=view.run.name,
                best=(chosen["metric"], chosen["notes_seen"]) if chosen else None,
            )  # fmt: skip
        self.say(f"{view.notes_seen:,} notes: {_told(found)}{'; the best so far, kept in best' if better else ''}")

    # ------------------------------------------------------------------------
    # The best state, as a bundle

    def _keep(self, view: "View", instrument: "Synthesizer", found: dict[str, float | None]) -> bool:
        """Writes `best/` where this is the best so far."""
        if self.keep_best is None or (value := found.get(self.keep_best)) is None:
            return False
        if self._best is not None and value <= self._best:
            return False
        self._best = value
        config = instrument.bundle.config
        config["provenance"] |= {
            "notes_seen": view.notes_seen,
            "chosen_by": {"metric": self.keep_best, "value": value, "split": SPLIT, "notes_seen": view.notes_seen},
        }
        config["metrics"] = {
            **config.get("metrics", {}),
            f"{SPLIT} notes": {"notes": len(self._judge.asked.rows), **found},
        }
        instrument.bundle.save_pretrained(view.run / BEST, half=self.half)
        return True

    def _recall(self, view: "View") -> None:
        """What is to be beaten, after an interruption: `best/`; where that is of later notes, it goes, for it will come
        again, and the best of the lines that could have been kept counts."""
        assert self.lines is not None
        metric, chosen = self.keep_best, chosen_by(view.run / BEST)
        if metric is None or chosen is None:
            return
        if chosen["metric"] != metric:
            raise UserError(
                f"{view.run / BEST} was chosen by {in_words(chosen['metric'])}: go on with --keep-best "
                f"{chosen['metric'].replace('_', '-')}, or move that folder away."
            )
        if chosen["notes_seen"] <= view.notes_seen:
            self._best = float(chosen["value"])
            return
        shutil.rmtree(view.run / BEST)
        values = [line[metric] for line in self.lines.each if line.get(ELIGIBLE) and line.get(metric) is not None]
        self._best = max(values, default=None)


def chosen_by(bundle: Path) -> dict[str, Any] | None:
    """By what metric, on which split and after how many notes a bundle was chosen; None where it was not."""
    try:
        chosen = json.loads((bundle / "config.json").read_text(encoding="utf-8"))["provenance"]["chosen_by"]
        return {
            "metric": str(chosen["metric"]),
            "value": float(chosen["value"]),
            "notes_seen": int(chosen["notes_seen"]),
        }
    except (OSError, ValueError, KeyError, TypeError):
        return None


def observer_for(
    recipe: "Recipe", corpus: Path, *, every: int | None, keep_best: str | None, weights: Path | None,
    device: str, half: bool, say: Callable[[str], None],
) -> Evaluations | None:  # fmt: skip
    """The observer that the options ask for; what is missing is said before training begins.

    Raises:
        UserError: the metric is none, or none of this recipe's; the teacher's weights are missing or not those that
            tagged the corpus; the corpus has no valid notes.
    """
    from darktimbre.training.tasks.base import task_of

    if every is None:
        if keep_best:
            raise UserError("--keep-best chooses among evaluations: say how often with --evaluate-every NOTES.")
        return None
    if task_of(recipe).evaluated_by != "teacher":
        say(f"A {task_of(recipe).name} makes no sound to evaluate: --evaluate-every is left aside.")
        return None
    from darktimbre.corpus.corpus import Corpus

    metrics = metrics_of(bool(recipe.data.attributes), bool(recipe.data.pitches))
    metric = keep_best.replace("-", "_") if keep_best else None
    if not metrics:
        raise UserError("The recipe has neither attributes nor pitch: there is nothing to ask it for, and to evaluate.")
    if metric is not None and metric not in metrics:
        raise UserError(
            f"--keep-best {keep_best}: for this recipe there are {', '.join(m.replace('_', '-') for m in metrics)}."
        )
    opened = Corpus.open(corpus)
    if not len(opened.rows(SPLIT)):
        raise UserError(
            f"{corpus} has no note in its {SPLIT} split to evaluate on: make the corpus of more instruments, or leave "
            "out --evaluate-every."
        )
    if metric is not None and not len(opened.rows("test")):
        say(
            f"The checkpoint will be chosen on {SPLIT} notes and the corpus holds no test notes to judge it on: how "
            "good it is in the end will look better than it is."
        )
    tagger = _teacher(recipe, corpus, weights, device) if recipe.data.attributes else None
    return Evaluations(opened, tagger, every, metric, say, half=half)


def _teacher(recipe: "Recipe", corpus: Path, weights: Path | None, device: str) -> "Tagger":
    from darktimbre import teachers
    from darktimbre.tagging.store import Tags

    name = recipe.data.teacher
    tagger = teachers.load(name, device=device, weights=weights)
    tags = Tags.open(corpus, name)
    if tags.digest != tagger.digest:
        raise UserError(
            f"The tags of {corpus} are by {name} {tags.digest[:12]}…, the weights at hand are {tagger.digest[:12]}…: "
            "give the right --weights, or tag the corpus again."
        )
    return tagger


def _told(found: dict[str, float | None]) -> str:
    return ", ".join(f"{in_words(name)} {_number(value)}" for name, value in found.items())


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
