"""An experiment: sounds → tags → every variant trained → one evaluation; interruptible, the same command resumes."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from darktimbre import teachers
from darktimbre.bundle.bundle import Bundle
from darktimbre.bundle.classifier import Classifier
from darktimbre.corpus.corpus import Corpus, is_corpus
from darktimbre.corpus.soundfont import installed_soundfonts, render_soundfont
from darktimbre.evaluation.conditions import RealNotes
from darktimbre.evaluation.diversity import DiversityStudy
from darktimbre.evaluation.diversity_report import summary
from darktimbre.evaluation.diversity_report import write as write_diversity
from darktimbre.evaluation.evaluate import evaluate
from darktimbre.evaluation.profile import Profile
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
from darktimbre.pipelines.experiment_plans import AGAIN, Experiment, Request, Sounds, Variant, experiment_of
from darktimbre.pipelines.experiment_runs import Run, TimeLeft, digest_of, estimate_times, recipe_on, runs_of
from darktimbre.pipelines.steps import Reporter, Step, make_or_reuse, write_json
from darktimbre.tagging.ranking import choose, rank, read_attributes
from darktimbre.tagging.tag import tag_corpus
from darktimbre.teachers.tagger import Tagger
from darktimbre.training.dataset import choose_attributes, note_dataset
from darktimbre.training.progress import duration
from darktimbre.training.trainer import ACCELERATORS

RATE = 16_000  # Hz


def run_experiment(request: Request, reporter: Reporter) -> None:
    """Everything that is not done yet, up to the report.

    Raises:
        UserError: something is missing or does not go together, said before anything is made.
        KeyboardInterrupt: on Ctrl-C, with everything finished so far, and the run under way, kept.
    """
    ends = None if request.minutes is None else time.monotonic() + 60 * request.minutes
    device = device_of(request.accelerator)
    profile = request.profile
    if request.gansynth:
        request = replace(request, gansynth=bundle_folder(request.gansynth))
    experiment = experiment_of(request)
    places = corpus_places(experiment, request)
    reporter.say(f"{experiment.name}: {experiment.says}.")
    for remark in experiment.remarks:
        reporter.warn(remark)
    if request.dry_run:
        corpora = {name: ready_corpus(name, place, experiment, request, reporter) for name, place in places.items()}
        runs = runs_of(experiment.variants, corpora, request.runs)
        show(runs, device, reporter)
        reporter.say(f"Nothing was done. The report would be written to {request.out}.")
        return
    tagger = teachers.load(request.teacher, device=device, weights=request.weights)  # what is missing is said at once
    corpora = {one.name: make_corpus(one, places, experiment, request, tagger, reporter) for one in experiment.sounds}
    runs = runs_of(experiment.variants, corpora, request.runs)
    check_evaluation(runs, request, profile, tagger)
    show(runs, device, reporter)
    write_record(request.out, experiment, runs)
    if not train_all(runs, ends, request.accelerator, reporter):
        show(runs, device, reporter)
        waiting = ", ".join(run.variant.title for run in runs if not run.done)
        reporter.say(f"The time is up; the same command resumes with {waiting}, and evaluates when all are done.")
        return
    write_record(request.out, experiment, runs)
    if ends is not None and time.monotonic() >= ends:
        reporter.say("All variants are trained; the same command without --minutes evaluates.")
        return
    reporter.say("All variants are trained: the evaluation starts.")
    (compare if experiment.report == "diversity" else evaluate_all)(runs, request, experiment, device, reporter)
    out = request.out
    reporter.say(f"The report is in {out / 'report.html'}; the same as {out / 'report.md'} and {out / 'report.json'}.")


def device_of(accelerator: str) -> str:
    """Where the teacher and the evaluation compute.

    Raises:
        UserError: there is no such accelerator.
    """
    if accelerator not in ("auto", *ACCELERATORS):
        raise UserError(f"--accelerator is one of {', '.join(('auto', *ACCELERATORS))}, not {accelerator!r}.")
    if accelerator == "cuda" and not torch.cuda.is_available():
        raise UserError("There is no CUDA GPU here: train with --accelerator cpu.")
    return "cuda" if accelerator != "cpu" and torch.cuda.is_available() else "cpu"


# ----------------------------------------------------------------------------
# Sounds: rendered, tagged, attributes chosen, each once


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


def ready_corpus(name: str, place: Path, experiment: Experiment, request: Request, reporter: Reporter) -> Corpus | None:
    """A corpus that is there and tagged, for a dry run; None where it is not."""
    if not is_corpus(place) and place != request.corpus:
        reporter.say(f"The {name} would be rendered into {place} and tagged first.")
        return None
    corpus = Corpus.open(place)
    try:
        for variant in experiment.variants:
            if variant.sounds == name:
                digest_of(recipe_on(variant, corpus), corpus)
    except UserError as error:
        reporter.say(f"The {name} would be prepared first: {error}")
        return None
    return corpus


def make_corpus(
    sounds: Sounds,
    places: dict[str, Path],
    experiment: Experiment,
    request: Request,
    tagger: Tagger,
    reporter: Reporter,
) -> Corpus:
    """A corpus of the experiment, rendered and tagged, as far as it is not.

    Raises:
        UserError: the one given is none; FluidSynth is missing; see `tag`.
    """
    place, font, (low, high) = places[sounds.name], soundfont_of(request), sounds.pitches

    def render() -> Corpus:
        assert font is not None  # `corpus_places` has seen to it
        reporter.say(f"Rendering {sounds.name} from {font} into {place}.")
        settings = {"velocities": sounds.velocities, "seconds": sounds.seconds, "sample_rate": RATE}
        with reporter.progress("rendering") as update:
            name = f"{font.stem} {sounds.seconds:g} s"
            rendered = render_soundfont(
                place, [font], pitches=range(low, high + 1), name=name, progress=update, **settings
            )
        reporter.say(f"{len(rendered):,} notes.")
        return rendered

    def find() -> Corpus | None:
        return Corpus.open(place) if is_corpus(place) or place == request.corpus else None

    corpus = make_or_reuse(Step("render", find, render), reporter)
    tag(corpus, tagger, [one for one in experiment.variants if one.sounds == sounds.name], reporter)
    return corpus


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
    enough, top = (
        max((count for role, count in counts if isinstance(count, int) and role in roles), default=0)
        for roles in (("instrument",), ("instrument", "classifier", "start"))
    )
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
            f"`darktimbre attributes {corpus.path} --teacher {tagger.name} --top {enough}`."
        )
    choose(corpus.path, tags, rows, top=top)
    reporter.say(f"{top} attributes are chosen: {', '.join(ranked[:6])}, …")


# ----------------------------------------------------------------------------
# What would be refused at the end, said before anything is trained


def bundle_folder(place: Path) -> Path:
    """The absolute folder of an instrument of the user's; nothing is looked up on a hub.

    Raises:
        UserError: it is no folder, or its bundle cannot be read.
    """
    folder = place.expanduser().resolve()
    if not folder.is_dir():
        raise UserError(f"--gansynth is a folder with a bundle on this machine, and {place} is none.")
    Bundle.from_pretrained(folder)
    return folder


def check_evaluation(runs: Sequence[Run], request: Request, profile: Profile, tagger: Tagger) -> None:
    """Requires of corpus, teacher and the user's own bundles what training and evaluation will require of them.

    Raises:
        UserError: rates, lengths or weights differ, or notes are too few.
    """
    instruments = [run for run in runs if run.variant.role == "instrument"]
    corpus = instruments[0].corpus
    assert corpus is not None
    guests = [Instrument.load("GANSynth", request.gansynth)] if request.gansynth else []
    classifier = Classifier.from_pretrained(request.classifier) if request.classifier else None
    refuse_mismatches(guests, corpus, Evaluators(tagger, tagger, classifier))
    known = [set(one.attributes.pitches) for one in guests]
    for run in instruments:
        assert run.corpus is not None
        attributes = choose_attributes(run.recipe.data, run.corpus)
        known.append(set(attributes.pitches))
        if not run.done:
            note_dataset(run.recipe.data, run.corpus, attributes)
    pitched = [pitches for pitches in known if pitches]
    common = tuple(sorted(set.intersection(*pitched))) if pitched else ()
    if pitched and not common:
        raise UserError("The instruments have no pitch in common: leave --gansynth out, and evaluate it by itself.")
    real = RealNotes.chosen(corpus, common, held_out_splits(guests), count=profile.reference, seed=request.seed)
    if request.fad:
        refuse_few_notes(profile.notes, len(real.reference), tagger, embedding_dimension(tagger, corpus))


# ----------------------------------------------------------------------------
# Training, and what is said of it


def train_all(runs: Sequence[Run], ends: float | None, accelerator: str, reporter: Reporter) -> bool:
    """Trains what is not done, in order; False where the time was up before all was done.

    Raises:
        KeyboardInterrupt: on Ctrl-C, after the run's state is saved.
    """
    todo = [run for run in runs if not run.done]
    paces: dict[str, float] = {}
    for place, run in enumerate(todo):
        minutes = None if ends is None else (ends - time.monotonic()) / 60
        if minutes is not None and minutes <= 0:
            return False
        time_left = TimeLeft(run, todo[place + 1 :], paces, reporter.say)
        number, whole = len(runs) - len(todo) + place + 1, time_left.in_words()
        reporter.say(f"{run.variant.title} ({number} of {len(runs)}): {run.folder}; whole experiment: {whole}")
        outcome = run.train(time_left, minutes=minutes, accelerator=accelerator, say=reporter.say)
        if outcome.reason == "interrupted":
            raise KeyboardInterrupt
        if outcome.reason == "time" and not run.done:
            return False
    return True


def show(runs: Sequence[Run], device: str, reporter: Reporter) -> None:
    """The table of variants: what is done, half done, to do, and how long what is left takes."""
    estimate_times(runs, device)
    rows = [
        (run.variant.title, run.state, f"{run.total:,}", "–" if run.done else f"about {duration(run.left())}")
        for run in runs
    ]
    reporter.table(("variant", "state", "notes", "time left"), rows)
    for run in runs:
        if run.folder is not None:
            reporter.say(f"{run.variant.title}: {run.folder}")
    done = sum(run.done for run in runs)
    if done == len(runs):
        reporter.say(f"All {done} variants are trained.")
        return
    left = duration(sum(run.left() for run in runs))
    reporter.say(f"{done} of {len(runs)} variants are done; the others take about {left} at this machine's speed now.")


def write_record(out: Path, experiment: Experiment, runs: Sequence[Run]) -> None:
    """`experiment.json` beside the report: which runs it rests on."""
    corpora = {run.variant.sounds: run.corpus for run in runs if run.corpus is not None}
    record = {
        "experiment": experiment.name,
        "remarks": list(experiment.remarks),
        "corpora": {name: {"path": str(one.path), "digest": one.digest} for name, one in corpora.items()},
        "runs": [run.to_json() for run in runs],
    }
    write_json(out / "experiment.json", record)


# ----------------------------------------------------------------------------
# The reports


def evaluate_all(
    runs: Sequence[Run], request: Request, experiment: Experiment, device: str, reporter: Reporter
) -> None:
    """Every instrument by `darktimbre evaluate`."""
    rows, corpus, classifier = _compared(runs, request)
    rows += [("GANSynth", request.gansynth)] if request.gansynth else []
    with reporter.progress("preparing") as update:
        evaluate(
            rows,
            corpus.path,
            request.out,
            teacher=request.teacher,
            weights=request.weights,
            classifier=classifier,
            quick=request.quick,
            counts=request.counts,
            fad=request.fad,
            card=request.card,
            seed=request.seed,
            device=device,
            remarks=experiment.remarks,
            warn=reporter.warn,
            update=update,
        )


def compare(runs: Sequence[Run], request: Request, experiment: Experiment, device: str, reporter: Reporter) -> None:
    """Diversity and quality of every instrument beside those of the first one."""
    rows, corpus, classifier = _compared(runs, request)
    instruments = [Instrument.load(title, place, device) for title, place in rows]
    evaluators = Evaluators.load(request.teacher, request.weights, classifier=classifier, device=device)
    settings = {"profile": request.profile, "seed": request.seed, "fad": request.fad}
    request.out.mkdir(parents=True, exist_ok=True)
    with reporter.progress("preparing") as update:
        study = DiversityStudy(instruments, corpus, evaluators, request.out, update=update, **settings)
        found = study.compare(AGAIN if AGAIN in dict(rows) else "")
    games = {run.variant.title: {"folder": str(run.folder), "notes": run.total} for run in runs}
    before = found.evaluation
    evaluation = replace(
        before, left_out=(*experiment.remarks, *before.left_out), facts={**before.facts, "games": games}
    )
    found = replace(found, evaluation=evaluation)
    write_diversity(found, request.out)
    reporter.say(summary(found))


def _compared(runs: Sequence[Run], request: Request) -> tuple[list[tuple[str, Path]], Corpus, Path | None]:
    """(title, bundle) of every instrument, the corpus that they are evaluated on, and the classifier."""
    instruments = [run for run in runs if run.variant.role == "instrument"]
    trained = next((run.bundle for run in runs if run.variant.role == "classifier"), None)
    corpus = instruments[0].corpus
    assert corpus is not None
    return [(run.variant.title, run.bundle) for run in instruments], corpus, request.classifier or trained
