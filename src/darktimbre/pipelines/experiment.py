"""An experiment: sounds → tags → every variant trained → one evaluation; interruptible, the same command resumes."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from darktimbre import teachers
from darktimbre.audio.atomic import write_json
from darktimbre.corpus.corpus import Corpus, is_corpus
from darktimbre.corpus.grids import grids, render_grid
from darktimbre.corpus.soundfont import installed_soundfonts, render_soundfont
from darktimbre.evaluation.conditions import RealNotes
from darktimbre.evaluation.diversity import DiversityStudy
from darktimbre.evaluation.diversity_report import summary
from darktimbre.evaluation.diversity_report import write as write_diversity
from darktimbre.evaluation.evaluate import evaluate
from darktimbre.evaluation.systems import (
    Evaluators,
    Instrument,
    embedding_dimension,
    held_out_splits,
    refuse_few_notes,
    refuse_mismatches,
)
from darktimbre.notes.attributes import CLASSES
from darktimbre.notes.errors import UserError
from darktimbre.notes.text import quoted
from darktimbre.pipelines.experiment_plans import AGAIN, Experiment, Request, Sounds, Variant, experiment_of
from darktimbre.pipelines.experiment_runs import RATE, Run, TimeLeft, digest_of, estimate_times, recipe_on, runs_of
from darktimbre.pipelines.steps import Reporter, make_or_reuse
from darktimbre.tagging.ranking import choose, rank, read_attributes
from darktimbre.tagging.tag import tag_corpus
from darktimbre.teachers.tagger import Tagger
from darktimbre.training.dataset import choose_attributes, note_dataset
from darktimbre.training.progress import duration
from darktimbre.training.trainer import device_of


class ExperimentPipeline:
    """One call of an experiment: what is decided at its start, and every variant's run."""

    def __init__(self, request: Request, reporter: Reporter) -> None:
        """Decides what is to be done.

        Raises:
            UserError: there is no such experiment, accelerator, count or bundle, or nothing to render sounds from.
        """
        if request.gansynth:  # nothing is looked up on a hub
            place = request.gansynth.expanduser().resolve()
            request = replace(request, gansynth=place)
            if not place.is_dir():
                raise UserError(f"--gansynth is a folder with a bundle on this machine, and {place} is none.")
        self.ends = None if request.minutes is None else time.monotonic() + 60 * request.minutes
        self.device = device_of(request.accelerator)
        self.check_counts(request)
        self.experiment = experiment_of(request)
        self.font = soundfont_of(request)
        self.places = corpus_places(self.experiment, request)
        self.request, self.reporter = request, reporter
        self.runs: list[Run] = []  # in the order of training, once the corpora are at hand

    def check_counts(self, request: Request) -> None:
        """Decides how many notes the evaluation takes.

        Raises:
            UserError: a count is none.
        """
        self.profile = request.profile

    def run(self) -> None:
        """Everything that is not done yet, up to the report.

        Raises:
            UserError: something is missing or does not go together, said before anything is trained.
            KeyboardInterrupt: on Ctrl-C, with everything finished so far, and the run under way, kept.
        """
        request, say, experiment = self.request, self.reporter.say, self.experiment
        say(f"{experiment.name}: {experiment.says}.")
        for remark in experiment.remarks:
            self.reporter.warn(remark)
        if request.dry_run:
            self.find_runs({sounds.name: self.ready(sounds) for sounds in experiment.sounds})
            say(f"Nothing was done. The report would be written to {request.out}.")
            return
        tagger = self.load_tagger()  # what is missing is said at once
        self.find_runs({sounds.name: self.make_corpus(sounds, tagger) for sounds in experiment.sounds}, tagger)
        self.write_record()
        if not self.train():
            self.show()
            waiting = ", ".join(run.variant.title for run in self.runs if not run.done())
            self.time_is_up(waiting)
            return
        self.write_record()
        if self.ends is not None and time.monotonic() >= self.ends:
            say("All variants are trained; the same command without --minutes evaluates.")
            return
        say("All variants are trained: the evaluation starts.")
        self.evaluate()
        out = request.out
        say(f"The report is in {out / 'report.html'}; the same as {out / 'report.md'} and {out / 'report.json'}.")

    def load_tagger(self) -> Tagger | None:
        """The teacher whose tags are the conditions; None where there are none."""
        return teachers.load(self.request.teacher, device=self.device, weights=self.request.weights)

    def time_is_up(self, waiting: str) -> None:
        """Not all variants are trained; those that are not, in words."""
        self.reporter.say(f"The time is up; the same command resumes with {waiting}, and evaluates when all are done.")

    # ------------------------------------------------------------------------
    # Sounds: rendered and tagged, each once

    def ready(self, sounds: Sounds) -> Corpus | None:
        """A corpus that is there and tagged, for a dry run; None where it is not."""
        place = self.places[sounds.name]
        if not is_corpus(place) and place != self.request.corpus:
            self.reporter.say(f"The {sounds.name} would be rendered into {place} and tagged first.")
            return None
        corpus = Corpus.open(place)
        try:
            for variant in self.trained_on(sounds):
                digest_of(recipe_on(variant, corpus), corpus)
        except UserError as error:
            self.reporter.say(f"The {sounds.name} would be prepared first: {error}")
            return None
        return corpus

    def make_corpus(self, sounds: Sounds, tagger: Tagger | None) -> Corpus:
        """A corpus, rendered and tagged, as far as it is not.

        Raises:
            UserError: the one given is none; FluidSynth is missing; its tags or attributes do not fit.
        """
        place = self.places[sounds.name]
        there = is_corpus(place) or place == self.request.corpus
        corpus = make_or_reuse(lambda: Corpus.open(place) if there else None, partial(self.render, sounds))
        if tagger is not None:
            tag(corpus, tagger, self.trained_on(sounds), self.reporter)
        return corpus

    def render(self, sounds: Sounds) -> Corpus:
        """SoundFont → corpus."""
        place, (low, high) = self.places[sounds.name], sounds.pitches
        if sounds.grid:
            self.reporter.say(f"Rendering the grid {sounds.grid} into {place}.")
            fonts = [self.request.soundfont] if self.request.soundfont else None
            with self.reporter.progress("rendering") as update:
                return render_grid(place, grids()[sounds.grid], fonts, sample_rate=RATE, progress=update)
        assert self.font is not None  # `corpus_places` requires one
        self.reporter.say(f"Rendering {sounds.name} from {self.font} into {place}.")
        with self.reporter.progress("rendering") as update:
            corpus = render_soundfont(
                place,
                [self.font],
                pitches=range(low, high + 1),
                velocities=sounds.velocities,
                seconds=sounds.seconds,
                sample_rate=RATE,
                name=f"{self.font.stem} {sounds.seconds:g} s",
                progress=update,
            )
        self.reporter.say(f"{len(corpus):,} notes.")
        return corpus

    def trained_on(self, sounds: Sounds) -> list[Variant]:
        """The variants whose corpus that is."""
        return [variant for variant in self.experiment.variants if variant.sounds == sounds.name]

    # ------------------------------------------------------------------------
    # Runs

    def find_runs(self, corpora: Mapping[str, Corpus | None], tagger: Tagger | None = None) -> None:
        """Finds every variant's run and shows how far it is; with a tagger, what the end would refuse is refused."""
        self.runs = runs_of(self.experiment.variants, corpora, self.request.runs)
        if tagger is not None:
            self.check_evaluation(tagger)
        estimate_times(self.runs, self.device)
        self.show()

    @property
    def instruments(self) -> list[Run]:
        """The runs that are compared."""
        return [run for run in self.runs if run.variant.role == "instrument"]

    @property
    def corpus(self) -> Corpus:
        """What all are evaluated on."""
        corpus = self.instruments[0].corpus
        assert corpus is not None
        return corpus

    def check_evaluation(self, tagger: Tagger) -> None:
        """Requires of corpus, teacher and the user's own bundles what training and evaluation will require of them.

        Raises:
            UserError: rates, lengths or weights differ, or notes are too few.
        """
        request, corpus = self.request, self.corpus
        given = [Instrument.load(title, place) for title, place in self.experiment.beside]
        given += [Instrument.load("GANSynth", request.gansynth)] if request.gansynth else []
        refuse_mismatches(given, corpus, Evaluators.load(tagger, classifier=request.classifier))
        known = [set(one.attributes.pitches) for one in given]
        for run in self.instruments:
            assert run.corpus is not None
            attributes = choose_attributes(run.recipe.data, run.corpus)
            known.append(set(attributes.pitches))
            if not run.done():
                note_dataset(run.recipe.data, run.corpus, attributes)
        pitched = [pitches for pitches in known if pitches]
        common = tuple(sorted(set.intersection(*pitched))) if pitched else ()
        if pitched and not common:
            raise UserError("The instruments have no pitch in common: leave --gansynth out, and evaluate it by itself.")
        notes, count = self.profile.notes, self.profile.reference
        real = RealNotes.chosen(corpus, common, held_out_splits(given), count=count, seed=request.seed)
        if request.fad:
            refuse_few_notes(notes, len(real.reference), tagger, embedding_dimension(tagger, corpus))

    def train(self) -> bool:
        """Trains what is not done, in order; False where the time was up before all was done.

        Raises:
            KeyboardInterrupt: on Ctrl-C, after the run's state is saved.
        """
        todo, say = [run for run in self.runs if not run.done()], self.reporter.say
        paces: dict[str, float] = {}
        for place, run in enumerate(todo, start=1):
            minutes = None if self.ends is None else (self.ends - time.monotonic()) / 60
            if minutes is not None and minutes <= 0:
                return False
            time_left = TimeLeft(run, todo[place:], paces, say)
            number = f"{len(self.runs) - len(todo) + place} of {len(self.runs)}"
            say(f"{run.variant.title} ({number}): {run.folder}; whole experiment: {time_left.in_words()}")
            outcome = run.train(time_left, minutes=minutes, accelerator=self.request.accelerator)
            if outcome.reason == "interrupted":
                raise KeyboardInterrupt
            if outcome.reason == "time" and not run.done():
                return False
        return True

    def show(self) -> None:
        """The table of variants: what is done, half done, to do, and how long what is left takes."""
        runs, say = self.runs, self.reporter.say
        left = [None if run.done() else run.left() for run in runs]
        rows = [
            (run.variant.title, run.state(), f"{run.total:,}", "–" if time is None else f"about {duration(time)}")
            for run, time in zip(runs, left, strict=True)
        ]
        self.reporter.table(("variant", "state", "notes", "time left"), rows)
        for run in runs:
            if run.folder is not None:
                say(f"{run.variant.title}: {run.folder}")
        if (done := left.count(None)) == len(runs):
            say(f"All {done} variants are trained.")
        else:
            others = duration(sum(filter(None, left)))
            say(f"{done} of {len(runs)} variants are done; the others take about {others} at this machine's speed now.")

    def write_record(self) -> None:
        """`experiment.json` beside the report: which runs it rests on."""
        corpora = {run.variant.sounds: run.corpus for run in self.runs if run.corpus is not None}
        record = {
            "experiment": self.experiment.name,
            "remarks": list(self.experiment.remarks),
            "corpora": {name: {"path": str(one.path), "digest": one.digest} for name, one in corpora.items()},
            "runs": [run.to_json() for run in self.runs],
        }
        write_json(self.request.out / "experiment.json", record)

    # ------------------------------------------------------------------------
    # The report

    def evaluate(self) -> None:
        """Compares the instruments, as `darktimbre evaluate` does or by their diversity."""
        request, experiment = self.request, self.experiment
        trained = next((run.bundle for run in self.runs if run.variant.role == "classifier"), None)
        evaluators: dict[str, Any] = {
            "teacher": request.teacher,
            "weights": request.weights,
            "classifier": request.classifier or trained,
            "device": self.device,
        }
        rows: list[tuple[str, Any]] = [*experiment.beside]
        rows += [(run.variant.title, run.bundle) for run in self.instruments]
        settings: dict[str, Any] = {"fad": request.fad, "seed": request.seed}
        with self.reporter.progress("preparing") as update:
            if experiment.report == "paper":
                rows += [("GANSynth", request.gansynth)] if request.gansynth else []
                settings |= {"quick": request.quick, "counts": request.counts, "card": request.card}
                settings |= {"remarks": experiment.remarks, "warn": self.reporter.warn, "update": update}
                evaluate(rows, self.corpus.path, request.out, **evaluators, **settings)
                return
            request.out.mkdir(parents=True, exist_ok=True)
            study = DiversityStudy(
                [Instrument.load(title, place, self.device) for title, place in rows], self.corpus,
                Evaluators.load(**evaluators), request.out, profile=self.profile, update=update, **settings,
            )  # fmt: skip
            found = study.compare(AGAIN if AGAIN in dict(rows) else "")
        before = found.evaluation
        runs = {run.variant.title: {"folder": str(run.folder), "notes": run.total} for run in self.runs}
        facts, left_out = {**before.facts, "games": runs}, (*experiment.remarks, *before.left_out)
        found = replace(found, evaluation=replace(before, left_out=left_out, facts=facts))
        write_diversity(found, request.out)
        self.reporter.say(summary(found))


def soundfont_of(request: Request) -> Path | None:
    """The SoundFont that sounds would be rendered from: the one given, else one that the system has."""
    return request.soundfont or next(iter(installed_soundfonts()), None)


def corpus_places(experiment: Experiment, request: Request) -> dict[str, Path]:
    """Where each corpus is, or will be; the name of one to be rendered holds a digest of all that it follows from.

    Raises:
        UserError: nothing is given and there is no SoundFont to render from.
    """
    font, places = soundfont_of(request), {}
    for index, sounds in enumerate(experiment.sounds):
        if index == 0 and request.corpus is not None:
            places[sounds.name] = request.corpus
            continue
        if sounds.grid:
            settings = repr((grids()[sounds.grid], request.soundfont, RATE))
            key = hashlib.sha256(settings.encode()).hexdigest()[:12]
            places[sounds.name] = request.runs / "corpora" / f"{sounds.grid}-{key}"
            continue
        if font is None:
            raise UserError(
                "No --corpus is given, and the system has no SoundFont to render one from: `apt install fluidsynth "
                "fluid-soundfont-gm` brings one, or give --soundfont FILE, or a --corpus made by `darktimbre render` "
                "or `darktimbre import`."
            )
        try:
            with font.open("rb") as handle:
                held = hashlib.file_digest(handle, "sha256").digest()
        except OSError as error:
            raise UserError(f"The SoundFont {font} cannot be read ({error.strerror}): give another.") from None
        settings = repr((sounds.seconds, sounds.pitches, sounds.velocities, RATE))
        key = hashlib.sha256(held + settings.encode()).hexdigest()[:12]
        places[sounds.name] = request.runs / "corpora" / f"{font.stem}-{sounds.seconds:g}s-{key}"
    return places


def tag(corpus: Corpus, tagger: Tagger, variants: Sequence[Variant], reporter: Reporter) -> None:
    """Tags, and as many ranked attributes as the variants need; a list that is there and long enough is kept.

    Long enough is what the instruments need: the classifier takes fewer (`experiment_runs.recipe_on`).

    Raises:
        UserError: the tags are by other weights, or a list of the user's own is too short.
    """
    needs = [(one.role, data) for one in variants if (data := one.resolved().data).attributes]
    counts = [(role, data.attributes) for role, data in needs if data.teacher != CLASSES]
    if not counts:
        return
    numbers = [(role, count) for role, count in counts if isinstance(count, int)]  # else their names
    top = max((count for _, count in numbers), default=0)
    enough = max((count for role, count in numbers if role == "instrument"), default=0)
    with reporter.progress(f"tagging with {tagger.name}", len(corpus)) as update:
        tags = tag_corpus(corpus, tagger, update)
    try:
        there: tuple[str, ...] = read_attributes(corpus.path, tagger.name)
    except UserError:
        there = ()
    if len(there) >= (enough if there else top):
        return
    rows = corpus.rows("train")
    ranked = [one.name for one in rank(tags.logits(rows), tags.labels, top=top)]
    if there and tuple(ranked[: len(there)]) != there:
        raise UserError(
            f"{corpus.path} has a list of {len(there)} attributes of your own, the experiment needs {enough}: run "
            f"`darktimbre attributes {quoted(corpus.path)} --teacher {tagger.name} --top {enough}`."
        )
    choose(corpus.path, tags, rows, top=top)
    reporter.say(f"{top} attributes are chosen: {', '.join(ranked[:6])}, …")
