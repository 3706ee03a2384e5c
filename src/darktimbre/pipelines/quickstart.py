"""From nothing to an instrument and its sounds: render notes → tag → train → evaluate on held-out notes → sounds.

Everything lies in one folder, with `quickstart.json`: what it was started with and how long each step took.
"""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from darktimbre import teachers
from darktimbre.audio.atomic import atomic_file
from darktimbre.bundle.bundle import Bundle
from darktimbre.bundle.where import has_starter
from darktimbre.corpus.builtin import render_builtin
from darktimbre.corpus.corpus import Corpus, is_corpus
from darktimbre.corpus.fluid import load_library
from darktimbre.corpus.soundfont import installed_soundfonts, render_soundfont
from darktimbre.evaluation.conditions import held_out_rows
from darktimbre.evaluation.examples import beside_real
from darktimbre.evaluation.validation import quick_report
from darktimbre.notes.errors import UserError
from darktimbre.pipelines.steps import Reporter, Step, make_or_reuse, recorded
from darktimbre.synthesizer.sound_files import MANIFEST, render_random, render_scale, render_sweep
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.tagging.ranking import choose
from darktimbre.tagging.tag import tag_corpus
from darktimbre.teachers.tagger import Tagger
from darktimbre.teachers.weights import kept
from darktimbre.training import checkpoint
from darktimbre.training.recipe.load import load_recipe
from darktimbre.training.recipe.schema import Recipe
from darktimbre.training.trainer import Options, train_recipe

BUILTIN = "built-in orchestra"
"""What renders the notes where there is no SoundFont."""

STARTER_RECIPE = "darkgan-small"
"""The recipe that the starter was trained by."""

FINE_TUNING_RATE = 0.0001
"""Learning rate of training on from the starter: the one at which its own training ended.

Measured on 384 held-out notes: at the full rate 6,592 notes took pitch accuracy from 1.00 to 0.94 and attribute
correlation from 0.39 to 0.27; at this one 2,264 notes left 0.99 and 0.32. A corpus of 2,400 notes is soon memorised,
whatever the rate.
"""

BANKS, PROGRAMS = range(17), range(120)  # General MIDI and its variations, without the sound effects at its end
VELOCITIES = (60, 110)
RATE = 16_000  # Hz
SWEPT, RANDOM = 3, 12  # attributes swept, random notes
ENOUGH = 1.0  # seconds of training time that are not worth resuming for
STEPS = 5


# ----------------------------------------------------------------------------
# What a quickstart was started with, and how far it is


@dataclass(frozen=True)
class Settings:
    """What a quickstart was started with; to resume it, the same must be given.

    Attributes:
        notes: how many notes are rendered.
        sounds: path of a SoundFont, or `BUILTIN`.
        recipe: name or path of the recipe.
        teacher: whose tags are the conditions.
        weights: its weights file, or "" for the one that is kept or shipped.
        from_scratch: whether the starter is left aside.
    """

    notes: int
    sounds: str
    recipe: str
    teacher: str
    weights: str
    from_scratch: bool

    def resolved(self) -> Recipe:
        """The recipe with these settings."""
        changes = [f"data.teacher={self.teacher}", *(["init=scratch"] if self.from_scratch else [])]
        if self.recipe == STARTER_RECIPE and has_starter() and not self.from_scratch:
            changes.append(f"optimiser.lr={FINE_TUNING_RATE}")
        return load_recipe(self.recipe, changes)

    @property
    def renderer(self) -> str:
        """What renders the notes, in words."""
        return f"the {BUILTIN}" if self.sounds == BUILTIN else f"FluidSynth ({Path(self.sounds).name})"


@dataclass
class State:
    """The folder of a quickstart, and `quickstart.json` in it.

    Attributes:
        folder: where everything is.
        settings: what it was started with.
        seconds: time spent on each step so far.
        training_since: when the training under way was started (seconds since 1970); None between trainings.
        trained_whole: whether the recipe has come to its end.
    """

    folder: Path
    settings: Settings
    seconds: dict[str, float] = field(default_factory=dict)
    training_since: float | None = None
    trained_whole: bool = False

    def __post_init__(self) -> None:
        self.corpus, self.training = self.folder / "corpus", self.folder / "training"
        self.bundle, self.sounds = self.training / "bundle", self.folder / "sounds"
        self.report, self.picture = self.folder / "report.json", self.folder / "spectrograms.png"

    @classmethod
    def find(cls, folder: Path) -> "State | None":
        """The quickstart that was started in a folder, if any.

        Raises:
            UserError: the folder holds something else.
        """
        file = folder / "quickstart.json"
        if not file.exists():
            if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
                raise UserError(f"{folder} is not empty and holds no quickstart: choose another folder with --run.")
            return None
        try:
            data = json.loads(file.read_text(encoding="utf-8"))
            settings = Settings(**data["settings"])
            return cls(folder, settings, data["seconds"], data["training_since"], data["trained_whole"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{file} cannot be read ({error}): delete {folder}, or choose another --run.") from None

    @classmethod
    def start_or_resume(cls, folder: Path, given: dict[str, Any], reporter: Reporter) -> "State":
        """The quickstart in a folder; `given` are settings, None where the default, or what is there, is taken.

        Raises:
            UserError: the folder holds something else, or a quickstart of other settings; there is no such recipe.
        """
        if (state := cls.find(folder)) is None:
            sounds, why = (given["sounds"], "") if given["sounds"] else available_sounds()
            if why:
                reporter.warn(f"{why[0].upper()}{why[1:]}: the notes are rendered by the {BUILTIN}.")
            teacher = given["teacher"] or available_teacher()
            weights = given["weights"] or ""
            state = cls(folder, Settings(**{**given, "sounds": sounds, "teacher": teacher, "weights": weights}))
            state.settings.resolved()  # before anything is made, for it may be unreadable
            state.save()
            return state
        there = asdict(state.settings)
        differs = [
            f"{key.replace('_', ' ')} {there[key]}, not {value}"
            for key, value in given.items()
            if value not in (None, there[key])
        ]
        if differs:  # two quickstarts would be mixed in one folder
            raise UserError(
                f"{folder} was started with {'; '.join(differs)}: give the same options, or another folder with --run."
            )
        return state

    def save(self) -> None:
        """Writes `quickstart.json`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        data = asdict(self)
        del data["folder"]
        _write_json(self.folder / "quickstart.json", data)

    @contextmanager
    def clock(self, step: str) -> Iterator[None]:
        """Adds the time spent inside to a step, also where it is interrupted."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[step] = round(self.seconds.get(step, 0.0) + time.monotonic() - began, 2)
            self.save()


def available_sounds() -> tuple[str, str]:
    """A SoundFont where FluidSynth can render one, else the built-in orchestra and why."""
    remedy = "`apt install fluidsynth fluid-soundfont-gm` brings real instruments"
    try:
        load_library()
    except UserError:
        return BUILTIN, f"FluidSynth is not installed ({remedy})"
    fonts = installed_soundfonts()
    return (str(fonts[0]), "") if fonts else (BUILTIN, f"no SoundFont is installed ({remedy})")


def available_teacher() -> str:
    """YAMNet where its weights are kept, else the teacher in the package."""
    return "yamnet" if kept("yamnet") else "embedded"


# ----------------------------------------------------------------------------
# The steps


def run_quickstart(state: State, minutes: float, reporter: Reporter) -> dict[str, Any]:
    """All five steps, each reused where its result is there; returns the report (`report.json`).

    Raises:
        UserError: what is missing, in a sentence.
        KeyboardInterrupt: on Ctrl-C, with everything finished so far kept.
    """
    settings, device = state.settings, "cuda" if torch.cuda.is_available() else "cpu"
    reporter.heading(f"1/{STEPS}  Notes, rendered by {settings.renderer}")
    corpus = make_or_reuse(
        Step(
            "render",
            find=lambda: Corpus.open(state.corpus) if is_corpus(state.corpus) else None,
            make=lambda: render(state, reporter),
            reused=lambda there: f"{len(there):,} notes are there.",
        ),
        reporter,
        state.clock,
    )
    reporter.heading(f"2/{STEPS}  Tags by {settings.teacher}")
    tagger = teachers.load(settings.teacher, device=device, weights=settings.weights or None)
    with state.clock("tag"):
        tag(state, corpus, tagger, reporter)
    reporter.heading(f"3/{STEPS}  Training {settings.recipe} for {minutes:g} minutes")
    train(state, minutes, reporter)
    reporter.heading(f"4/{STEPS}  Report: the instrument on held-out notes")
    instrument = Synthesizer.from_pretrained(state.bundle, device)
    report = make_or_reuse(
        Step(
            "report",
            find=lambda: _report_of(state, instrument),
            make=lambda: evaluate(state, corpus, tagger, instrument, reporter),
            reused=lambda there: f"The report is there: {state.report}",
        ),
        reporter,
        state.clock,
    )
    reporter.heading(f"5/{STEPS}  Sounds")
    sounds = Step("sounds", lambda: _sounds_of(state, instrument), lambda: play(state, report, reporter))
    make_or_reuse(sounds, reporter)
    return report


def render(state: State, reporter: Reporter) -> Corpus:
    """Notes → `corpus/`."""
    data, began = state.settings.resolved().data, time.monotonic()
    low, high = data.pitches or (44, 69)
    with reporter.progress("rendering") as update:
        common: dict[str, Any] = {
            "pitches": range(low, high + 1),
            "seconds": data.seconds,
            "sample_rate": RATE,
            "limit": state.settings.notes,
            "name": "quickstart",
            "progress": update,
        }
        if state.settings.sounds == BUILTIN:
            corpus = render_builtin(state.corpus, **common)
        else:
            fonts = [state.settings.sounds]
            corpus = render_soundfont(
                state.corpus, fonts, banks=BANKS, programs=PROGRAMS, velocities=VELOCITIES, **common
            )
    silent = corpus.meta["counts"].get("silent", 0)
    left_out = f"; {silent} silent ones left out" if silent else ""
    reporter.say(f"{len(corpus):,} notes in {time.monotonic() - began:.0f} s{left_out}.")
    return corpus


def tag(state: State, corpus: Corpus, tagger: Tagger, reporter: Reporter) -> None:
    """Corpus × teacher → tags beside the corpus (only what is missing), and the attributes chosen from them."""
    began, counts = time.monotonic(), list[int]()
    with reporter.progress(f"tagging with {tagger.name}", len(corpus)) as update:

        def progress(done: int, total: int) -> None:
            counts.append(done)
            update(done, total)

        # Tags of other weights are made anew: nothing but this quickstart rests on them.
        tags = tag_corpus(corpus, tagger, progress, force=not state.training.exists())
    recipe = state.settings.resolved()
    wanted = recipe.data.attributes
    names = wanted if isinstance(wanted, tuple) else None
    if recipe.init == "auto" and has_starter():  # training goes on from the starter, where it fits
        known = Bundle.from_pretrained("starter").attributes.names
        names = known if len(known) == wanted and set(known) <= set(tags.labels) else names
    top = wanted if isinstance(wanted, int) else len(wanted)
    ranked = choose(corpus.path, tags, corpus.rows("train"), top=top, names=names) if top else []
    new = counts[-1] - counts[0] if counts else 0
    what = f"{new:,} notes tagged by {tagger.name} in {time.monotonic() - began:.0f} s" if new else "The tags are there"
    reporter.say(f"{what}; {len(ranked)} attributes: {', '.join(item.name for item in ranked[:6])}, …")


def train(state: State, minutes: float, reporter: Reporter) -> None:
    """Corpus + tags → `training/` with its bundle, until `minutes` were spent on it in all.

    Raises:
        UserError: the time was too short for a bundle.
        KeyboardInterrupt: on Ctrl-C; the run is saved.
    """
    if state.training_since is not None:  # killed: the time up to its last checkpoint counts
        saved = checkpoint.listing(state.training)
        spent = max(0.0, saved[-1].stat().st_mtime - state.training_since) if saved else 0.0
        state.seconds["train"] = round(state.seconds.get("train", 0.0) + spent, 2)
        state.training_since = None
        state.save()
    left = 60 * minutes - state.seconds.get("train", 0.0)
    if (left <= ENOUGH or state.trained_whole) and (state.bundle / "config.json").is_file():
        more = "the recipe has come to its end" if state.trained_whole else "a larger --minutes resumes it"
        reporter.say(f"Trained for {state.seconds['train'] / 60:.1f} minutes; {more}.")
        return
    resume = (state.training / "run.json").is_file()
    if not resume:
        shutil.rmtree(state.training, ignore_errors=True)  # killed before its first step
    options = Options(corpus=state.corpus, run=state.training, resume=resume, devices=1, minutes=max(left, ENOUGH) / 60)
    state.training_since = time.time()
    state.save()
    try:
        with state.clock("train"):
            outcome = train_recipe(state.settings.resolved(), options, say=reporter.say)
        state.trained_whole = outcome.reason == "done"
    finally:
        state.training_since = None
        state.save()
    if outcome.reason == "interrupted":
        raise KeyboardInterrupt
    if outcome.bundle is None:
        raise UserError(
            f"After {outcome.notes_seen:,} notes there is nothing to play yet: give training more time with --minutes."
        )


def evaluate(
    state: State, corpus: Corpus, tagger: Tagger, instrument: Synthesizer, reporter: Reporter, seed: int = 0
) -> dict[str, Any]:
    """Instrument → the report, figures in the bundle's card, spectrograms of generated notes beside real ones."""
    origin = str(instrument.bundle.config["provenance"].get("begun from", ""))
    from_starter = origin.startswith("starter") and has_starter()
    others = {"starter": Synthesizer.from_pretrained("starter", instrument.device)} if from_starter else {}
    rows = held_out_rows(corpus, instrument.attributes, seed=seed)
    with reporter.progress("evaluating", unit="sounds") as update:
        teacher = tagger if instrument.attributes.names else None
        found = quick_report(instrument, corpus, rows, teacher, seed=seed, others=others, progress=update)
        beside_real(instrument, corpus, state.picture, rows=rows, seed=seed)
    by = "instrument" if state.settings.sounds == BUILTIN else "a hash of bank and program"
    report = {
        **found.to_json(),
        "steerable": found.steerable(SWEPT),
        "held_out": (
            f"Splits are by {by}, the same in every corpus: no instrument of the valid and test rows was part of this "
            f"training{', nor of the training of the starter that it goes on from' if others else ''}."
        ),
        "sounds": Path(state.settings.sounds).name,
        "corpus": {"name": corpus.name, "notes": len(corpus), "digest": corpus.digest},
        "teacher": {"name": tagger.name, "digest": tagger.digest},
        "bundle": {
            "digest": instrument.bundle.digest,
            "notes_seen": instrument.bundle.config["provenance"]["notes_seen"],
            "begun_from": origin or "random weights",
        },
    }
    bundle = Bundle.from_pretrained(state.bundle, discriminator=True)
    metrics = bundle.config.setdefault("metrics", {})
    for figure in ("pitch_accuracy", "attribute_correlation"):
        metrics[figure] = {kind: report[kind][figure] for kind in ("trained", "untrained", "real")}
    metrics["held_out_notes"] = report["notes"]
    bundle.save_pretrained(state.bundle)
    _write_json(state.report, {**report, "seconds": state.seconds})
    return report


def play(state: State, report: dict[str, Any], reporter: Reporter) -> int:
    """Instrument → `sounds/`: a scale, sweeps of the attributes it follows best, random notes; returns their number.

    The times of all steps are then in the report.
    """
    shutil.rmtree(state.sounds, ignore_errors=True)
    with state.clock("sounds"):
        instrument = Synthesizer.from_pretrained(state.bundle)
        written = [render_scale(instrument, state.sounds)] if instrument.attributes.pitches else []
        written += [render_sweep(instrument, state.sounds, name) for name in report["steerable"]]
        written.append(render_random(instrument, state.sounds, count=RANDOM))
    for paths in written:
        reporter.say(f"{len(paths)} sound(s) of {instrument.seconds:.2g} s in {state.sounds}: {paths[0].name} …")
    _write_json(state.report, {**report, "seconds": state.seconds})
    return sum(map(len, written))


def _report_of(state: State, instrument: Synthesizer) -> dict[str, Any] | None:
    """The report, where it is of this instrument and whole."""
    if recorded(state.report, "bundle", "digest") != instrument.bundle.digest or not state.picture.is_file():
        return None
    report: dict[str, Any] = json.loads(state.report.read_text(encoding="utf-8"))
    return report


def _sounds_of(state: State, instrument: Synthesizer) -> int | None:
    """Number of sounds, where all are there and of this instrument; the random notes are written last."""
    if recorded(state.sounds / MANIFEST, "weights_sha256") != instrument.bundle.digest:
        return None
    files = recorded(state.sounds / MANIFEST, "files")
    return len(files) if sum(file["verb"] == "random" for file in files) == RANDOM else None


def _write_json(file: Path, data: dict[str, Any]) -> None:
    with atomic_file(file) as temporary:
        temporary.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
