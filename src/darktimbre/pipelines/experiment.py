"""An experiment: sounds → tags → every variant trained → one evaluation; interruptible, the same command resumes."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from darktimbre import teachers
from darktimbre.audio.atomic import atomic_file
from darktimbre.bundle.bundle import Bundle
from darktimbre.bundle.classifier import Classifier
from darktimbre.corpus.corpus import Corpus, is_corpus
from darktimbre.corpus.soundfont import installed_soundfonts, render_soundfont
from darktimbre.evaluation.conditions import RealNotes
from darktimbre.evaluation.diversity import DiversityStudy
from darktimbre.evaluation.diversity_report import summary
from darktimbre.evaluation.diversity_report import write as write_diversity
from darktimbre.evaluation.profile import PAPER, QUICK, Profile
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
from darktimbre.pipelines.experiment_plans import AGAIN, Choices, Experiment, Sounds, Variant, experiment_of
from darktimbre.pipelines.experiment_runs import Run, TimeLeft, digest_of, estimate_times, recipe_on, runs_of
from darktimbre.pipelines.steps import Reporter, Step, make_or_reuse
from darktimbre.tagging.ranking import choose, rank, read_attributes
from darktimbre.tagging.tag import tag_corpus
from darktimbre.teachers.tagger import Tagger
from darktimbre.training.dataset import choose_attributes, note_dataset
from darktimbre.training.progress import duration
from darktimbre.training.trainer import ACCELERATORS

RATE = 16_000  # Hz


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be done, where and how.

    Attributes:
        name: of the experiment.
        out: folder of the report.
        choices: what the experiment leaves to choose.
        runs: where runs and rendered sounds are cached.
        corpus: real notes of 1 s; None: rendered from a SoundFont.
        soundfont: to render from; None: one that the system has.
        weights: weights file of the teacher.
        minutes: end this session's training after so long.
        dry_run: say what would be done.
        quick: fewer notes in the evaluation than the paper's.
        counts: of notes in the evaluation that are changed.
        fad: whether notes too few for the Fréchet distance are refused.
        card: whether figures are written into the bundles' cards.
        seed: of the evaluation.
        accelerator: `auto`, `cpu` or `cuda`.
    """

    name: str
    out: Path
    choices: Choices = field(default_factory=Choices)
    runs: Path = Path("runs/experiments")
    corpus: Path | None = None
    soundfont: Path | None = None
    weights: Path | None = None
    minutes: float | None = None
    dry_run: bool = False
    quick: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    fad: bool = True
    card: bool = True
    seed: int = 0
    accelerator: str = "auto"

    @property
    def profile(self) -> Profile:
        """How many notes the evaluation takes."""
        return (QUICK if self.quick else PAPER).with_counts(self.counts)

    @property
    def device(self) -> str:
        """Where the teacher and the evaluation compute.

        Raises:
            UserError: there is no such accelerator.
        """
        if self.accelerator not in ("auto", *ACCELERATORS):
            known = ", ".join(("auto", *ACCELERATORS))
            raise UserError(f"--accelerator is one of {known}, not {self.accelerator!r}.")
        if self.accelerator == "cuda" and not torch.cuda.is_available():
            raise UserError("There is no CUDA GPU here: train with --accelerator cpu.")
        return "cuda" if self.accelerator != "cpu" and torch.cuda.is_available() else "cpu"


def run_experiment(request: Request, reporter: Reporter, evaluate: Callable[..., Any]) -> None:
    """Everything that is not done yet, up to the report; `evaluate` writes that of bundles (`darktimbre evaluate`).

    Raises:
        UserError: something is missing or does not go together, said before anything is made.
        KeyboardInterrupt: on Ctrl-C, with everything finished so far, and the run under way, kept.
    """
    ends = None if request.minutes is None else time.monotonic() + 60 * request.minutes
    device, profile, choices = request.device, request.profile, request.choices
    if choices.gansynth:
        choices = replace(choices, gansynth=bundle_folder(choices.gansynth))
    experiment = experiment_of(request.name, choices)
    places = corpus_places(experiment, request)
    reporter.say(f"{experiment.name}: {experiment.says}.")
    for remark in experiment.remarks:
        reporter.warn(remark)
    if request.dry_run:
        runs = runs_of(experiment.variants, ready_corpora(experiment, places, request, reporter), request.runs)
        estimate_times(runs, device)
        show(runs, reporter)
        reporter.say(f"Nothing was done. The report would be written to {request.out}.")
        return
    tagger = teachers.load(choices.teacher, device=device, weights=request.weights)  # what is missing is said at once
    corpora = {
        sounds.name: make_corpus(places[sounds.name], sounds, experiment, request, tagger, reporter)
        for sounds in experiment.sounds
    }
    runs = runs_of(experiment.variants, corpora, request.runs)
    first = corpora[experiment.sounds[0].name]
    check_evaluation(runs, choices, first, tagger, profile, fad=request.fad, seed=request.seed)
    estimate_times(runs, device)
    show(runs, reporter)
    write_record(request.out, experiment, runs)
    if not train_all(runs, ends, request.accelerator, reporter):
        show(runs, reporter)
        waiting = ", ".join(run.variant.title for run in runs if not run.done)
        reporter.say(f"The time is up; the same command resumes with {waiting}, and evaluates when all are done.")
        return
    write_record(request.out, experiment, runs)
    if ends is not None and time.monotonic() >= ends:
        reporter.say("All variants are trained; the same command without --minutes evaluates.")
        return
    reporter.say("All variants are trained: the evaluation starts.")
    rows = [(run.variant.title, run.bundle) for run in runs if run.variant.role == "instrument"]
    trained = next((run.bundle for run in runs if run.variant.role == "classifier"), None)
    classifier = choices.classifier or trained
    if experiment.report == "diversity":
        compare(rows, first, classifier, tagger, experiment, runs, request, reporter)
        return
    rows += [("GANSynth", choices.gansynth)] if choices.gansynth else []
    evaluate(
        rows,
        first.path,
        request.out,
        teacher=choices.teacher,
        weights=request.weights,
        classifier=classifier,
        quick=request.quick,
        counts=request.counts,
        fad=request.fad,
        card=request.card,
        seed=request.seed,
        device=device,
        remarks=experiment.remarks,
    )


# ----------------------------------------------------------------------------
# Sounds: rendered, tagged, attributes chosen, each once


def corpus_places(experiment: Experiment, request: Request) -> dict[str, Path]:
    """Where each corpus is, or will be; the name of one to be rendered holds a digest of all that it follows from.

    Raises:
        UserError: nothing is given and there is no SoundFont to render from.
    """
    font, places = soundfont_of(request), {}
    for index, sounds in enumerate(experiment.sounds):
        if index == 0 and request.corpus is not None:
            places[sounds.name] = request.corpus
        elif font is None:
            raise UserError(
                "No --corpus is given, and the system has no SoundFont to render one from: `apt install fluidsynth "
                "fluid-soundfont-gm` brings one, or give --soundfont FILE, or a --corpus made by `darktimbre render` "
                "or `darktimbre import`."
            )
        else:
            try:
                with font.open("rb") as handle:
                    held = hashlib.file_digest(handle, "sha256").digest()
            except OSError as error:
                raise UserError(f"The SoundFont {font} cannot be read ({error.strerror}): give another.") from None
            settings = repr((sounds.seconds, sounds.pitches, sounds.velocities, RATE))
            key = hashlib.sha256(held + settings.encode()).hexdigest()[:12]
            places[sounds.name] = request.runs / "corpora" / f"{font.stem}-{sounds.seconds:g}s-{key}"
    return places


def soundfont_of(request: Request) -> Path | None:
    """The SoundFont that sounds would be rendered from: the one given, else one that the system has."""
    return request.soundfont or next(iter(installed_soundfonts()), None)


def ready_corpora(
    experiment: Experiment, places: Mapping[str, Path], request: Request, reporter: Reporter
) -> dict[str, Corpus | None]:
    """The corpora that are there and tagged, for a dry run; None for those that are not."""
    found: dict[str, Corpus | None] = {}
    for name, place in places.items():
        found[name] = None
        if not is_corpus(place) and place != request.corpus:
            reporter.say(f"The {name} would be rendered into {place} and tagged first.")
            continue
        corpus = Corpus.open(place)
        try:
            for variant in experiment.variants:
                if variant.sounds == name:
                    digest_of(recipe_on(variant, corpus), corpus)
            found[name] = corpus
        except UserError as error:
            reporter.say(f"The {name} would be prepared first: {error}")
    return found


def make_corpus(
    place: Path, sounds: Sounds, experiment: Experiment, request: Request, tagger: Tagger, reporter: Reporter
) -> Corpus:
    """A corpus of the experiment, rendered and tagged, as far as it is not.

    Raises:
        UserError: the one given is none; FluidSynth is missing; see `tag`.
    """
    step = Step(
        "render",
        find=lambda: Corpus.open(place) if is_corpus(place) or place == request.corpus else None,
        make=lambda: render(place, sounds, request, reporter),
    )
    corpus = make_or_reuse(step, reporter)
    tag(corpus, tagger, [one for one in experiment.variants if one.sounds == sounds.name], reporter)
    return corpus


def render(place: Path, sounds: Sounds, request: Request, reporter: Reporter) -> Corpus:
    """SoundFont → corpus."""
    font, (low, high) = soundfont_of(request), sounds.pitches
    assert font is not None  # `corpus_places` has seen to it
    reporter.say(f"Rendering {sounds.name} from {font} into {place}.")
    with reporter.progress("rendering") as update:
        corpus = render_soundfont(
            place,
            [font],
            pitches=range(low, high + 1),
            velocities=sounds.velocities,
            seconds=sounds.seconds,
            sample_rate=RATE,
            name=f"{font.stem} {sounds.seconds:g} s",
            progress=update,
        )
    reporter.say(f"{len(corpus):,} notes.")
    return corpus


def tag(corpus: Corpus, tagger: Tagger, variants: Sequence[Variant], reporter: Reporter) -> None:
    """Tags, and as many ranked attributes as the variants need; a list that is there and long enough is kept.

    Long enough is what the instruments need: the classifier takes fewer (`experiment_runs.recipe_on`).

    Raises:
        UserError: the tags are by other weights, or a list of the user's own is too short.
    """
    wanted = {"instrument": 0}
    by_tags = [one for one in variants if (data := one.resolved().data).attributes and data.teacher != CLASSES]
    if not by_tags:
        return
    for variant in by_tags:
        count = variant.resolved().data.attributes
        wanted[variant.role] = max(wanted.get(variant.role, 0), count if isinstance(count, int) else 0)
    enough, top = wanted["instrument"], max(wanted.values())
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


def check_evaluation(
    runs: Sequence[Run], choices: Choices, corpus: Corpus, tagger: Tagger, profile: Profile, *, fad: bool, seed: int
) -> None:
    """Requires of corpus, teacher and the user's own bundles what training and evaluation will require of them.

    Args:
        runs: every variant, on its corpus.
        choices: which bundles the user brings along.
        corpus: what all are evaluated on.
        tagger: the teacher.
        profile: how many notes.
        fad: whether notes too few for the Fréchet distance are refused.
        seed: of the evaluation.

    Raises:
        UserError: rates, lengths or weights differ, or notes are too few.
    """
    guests = []
    if choices.gansynth:
        guests = [Instrument.load("GANSynth", choices.gansynth)]
    classifier = Classifier.from_pretrained(choices.classifier) if choices.classifier else None
    refuse_mismatches(guests, corpus, Evaluators(tagger, tagger, classifier))
    known = [set(one.attributes.pitches) for one in guests]
    for run in runs:
        if run.variant.role == "instrument":
            assert run.corpus is not None
            attributes = choose_attributes(run.recipe.data, run.corpus)
            known.append(set(attributes.pitches))
            if not run.done:
                note_dataset(run.recipe.data, run.corpus, attributes)
    pitched = [pitches for pitches in known if pitches]
    common = tuple(sorted(set.intersection(*pitched))) if pitched else ()
    if pitched and not common:
        raise UserError("The instruments have no pitch in common: leave --gansynth out, and evaluate it by itself.")
    real = RealNotes.chosen(corpus, common, held_out_splits(guests), count=profile.reference, seed=seed)
    if fad:
        refuse_few_notes(profile.notes, len(real.reference), tagger, embedding_dimension(tagger, corpus))


# ----------------------------------------------------------------------------
# Training and what is said of it


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
        number = len(runs) - len(todo) + place + 1
        reporter.say(
            f"{run.variant.title} ({number} of {len(runs)}): {run.folder}; whole experiment: {time_left.in_words()}"
        )
        outcome = run.train(time_left, minutes=minutes, accelerator=accelerator, say=reporter.say)
        if outcome.reason == "interrupted":
            raise KeyboardInterrupt
        if outcome.reason == "time" and not run.done:
            return False
    return True


def show(runs: Sequence[Run], reporter: Reporter) -> None:
    """The table of variants: what is done, half done, to do, and how long what is left takes."""
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
    out.mkdir(parents=True, exist_ok=True)
    with atomic_file(out / "experiment.json") as temporary:
        temporary.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


# ----------------------------------------------------------------------------
# The report of diversity


def compare(
    rows: Sequence[tuple[str, Path]],
    corpus: Corpus,
    classifier: Path | None,
    tagger: Tagger,
    experiment: Experiment,
    runs: Sequence[Run],
    request: Request,
    reporter: Reporter,
) -> None:
    """Evaluates (title, bundle) of every variant, the one that others are compared with first; writes the report.

    Raises:
        UserError: they do not go together; the sentence says what to do.
    """
    instruments = [Instrument.load(title, place, request.device) for title, place in rows]
    evaluators = Evaluators(tagger, tagger, Classifier.from_pretrained(classifier) if classifier else None)
    request.out.mkdir(parents=True, exist_ok=True)
    with reporter.progress("preparing") as update:
        study = DiversityStudy(
            instruments,
            corpus,
            evaluators,
            request.out,
            profile=request.profile,
            seed=request.seed,
            fad=request.fad,
            update=update,
        )
        found = study.compare(AGAIN if AGAIN in dict(rows) else "")
    games = {run.variant.title: {"folder": str(run.folder), "notes": run.total} for run in runs}
    evaluation = replace(
        found.evaluation,
        left_out=(*experiment.remarks, *found.evaluation.left_out),
        facts={**found.evaluation.facts, "games": games},
    )
    found = replace(found, evaluation=evaluation)
    write_diversity(found, request.out)
    reporter.say(summary(found))
    out = request.out
    reporter.say(f"The report is in {out / 'report.html'}; the same as {out / 'report.md'} and {out / 'report.json'}.")
