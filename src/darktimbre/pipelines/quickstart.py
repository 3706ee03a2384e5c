"""From nothing to an instrument and its sounds: render notes → tag → train → keep the better → evaluate → sounds.

Everything lies in one folder, with `quickstart.json`: what it was started with and how long each step took.
"""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch

from darktimbre import teachers
from darktimbre.audio.atomic import is_empty, write_json
from darktimbre.bundle.bundle import Bundle
from darktimbre.bundle.where import has_starter
from darktimbre.corpus.builtin import render_builtin
from darktimbre.corpus.corpus import Corpus, is_corpus
from darktimbre.corpus.fluid import load_library
from darktimbre.corpus.soundfont import installed_soundfonts, render_soundfont
from darktimbre.evaluation.conditions import held_out_rows, known_rows
from darktimbre.evaluation.examples import beside_real
from darktimbre.evaluation.validation import Validation, independent_embedder
from darktimbre.notes.errors import UserError
from darktimbre.pipelines import fine_tuning
from darktimbre.pipelines.steps import Reporter, make_or_reuse, recorded
from darktimbre.synthesizer.sound_files import MANIFEST, remove_sounds, render_random, render_scale, render_sweep
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.tagging.ranking import choose
from darktimbre.tagging.tag import tag_corpus
from darktimbre.teachers.tagger import Tagger
from darktimbre.teachers.weights import kept
from darktimbre.training import checkpoint
from darktimbre.training.recipe import Recipe, load_recipe
from darktimbre.training.trainer import Options, train

BUILTIN = "built-in orchestra"
"""What renders the notes where there is no SoundFont."""

STARTER, TRAINED = "starter", "trained"

BANKS, PROGRAMS = range(17), range(120)  # General MIDI and its variations, without the sound effects at its end
VELOCITIES = (60, 110)
RATE = 16_000  # Hz
RANDOM = 12  # random notes
ENOUGH = 1.0  # seconds of training time that are not worth resuming for


@dataclass(frozen=True)
class Settings:
    """What a quickstart was started with; to resume it, the same must be given."""

    notes: int
    sounds: str  # path of a SoundFont, or `BUILTIN`
    recipe: str  # name or path
    teacher: str  # whose tags are the conditions
    weights: str  # its weights file, or "" for the one that is kept or shipped
    from_scratch: bool  # whether the starter is left aside

    def resolved(self) -> Recipe:
        """The recipe with these settings."""
        changes, default = [], self.recipe == fine_tuning.RECIPE
        if self.from_scratch or (default and not has_starter()):
            changes.append("init=scratch")
        elif default:
            changes += fine_tuning.fine_tuning(STARTER)
        if default and self.weights:  # a teacher in the loss is the one that is kept
            changes.append("teacher=null")
        return load_recipe(self.recipe, [*changes, f"data.teacher={self.teacher}"])


def available_sounds() -> tuple[str, str]:
    """A SoundFont where FluidSynth can render one, else the built-in orchestra and why."""
    remedy = "`apt install fluidsynth fluid-soundfont-gm` brings real instruments"
    try:
        load_library()
    except UserError:
        return BUILTIN, f"FluidSynth is not installed ({remedy})"
    fonts = installed_soundfonts()
    return (str(fonts[0]), "") if fonts else (BUILTIN, f"No SoundFont is installed ({remedy})")


def available_teacher() -> str:
    """YAMNet where its weights are kept, else the teacher in the package."""
    return "yamnet" if kept("yamnet") else "embedded"


@dataclass
class Quickstart:
    """A quickstart: its folder, what `quickstart.json` in it holds, and its steps."""

    folder: Path
    settings: Settings
    reporter: Reporter
    seconds: dict[str, float] = field(default_factory=dict)  # spent on each step so far
    training_since: float | None = None  # start of the training under way, seconds since 1970; None between trainings
    trained_whole: bool = False  # whether the recipe has come to its end

    def __post_init__(self) -> None:
        self.corpus, self.training, self.sounds = (self.folder / name for name in ("corpus", "training", "sounds"))
        self.bundle, self.kept = self.training / "bundle", self.folder / "instrument"
        self.report, self.spectrograms = self.folder / "report.json", self.folder / "spectrograms.png"

    @classmethod
    def find(cls, folder: Path, reporter: Reporter) -> "Quickstart | None":
        """The quickstart that was started in a folder, if any.

        Raises:
            UserError: the folder holds something else.
        """
        file = folder / "quickstart.json"
        if not file.exists():
            if folder.exists() and (not folder.is_dir() or not is_empty(folder)):
                raise UserError(f"{folder} is not empty and holds no quickstart: choose another folder with --run.")
            return None
        try:
            data = json.loads(file.read_text(encoding="utf-8"))
            return cls(folder, Settings(**data.pop("settings")), reporter, **data)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{file} cannot be read ({error}): delete {folder}, or choose another --run.") from None

    @classmethod
    def start_or_resume(cls, folder: Path, given: dict[str, Any], reporter: Reporter) -> "Quickstart":
        """The quickstart in a folder; `given` are settings, None where what is at hand, or was taken then, is taken.

        Raises:
            UserError: the folder holds something else, or a quickstart of other settings; there is no such recipe.
        """
        if (there := cls.find(folder, reporter)) is not None:
            before = asdict(there.settings)
            differs = [
                f"{key.replace('_', ' ')} {before[key]}, not {value}"
                for key, value in given.items()
                if value not in (None, before[key])
            ]
            if differs:  # two quickstarts would be mixed in one folder
                changes = "; ".join(differs)
                raise UserError(f"{folder} was started with {changes}: give the same options, or another --run.")
            return there
        sounds, why = (given["sounds"], "") if given["sounds"] else available_sounds()
        if why:
            reporter.warn(f"{why}: the notes are rendered by the {BUILTIN}.")
        chosen = {"sounds": sounds, "teacher": given["teacher"] or available_teacher()}
        new = cls(folder, Settings(**{**given, **chosen, "weights": given["weights"] or ""}), reporter)
        new.settings.resolved()  # before anything is made, for it may be unreadable
        new.save()
        return new

    def save(self) -> None:
        """Writes `quickstart.json`."""
        progress = {"training_since": self.training_since, "trained_whole": self.trained_whole}
        data = {"settings": asdict(self.settings), "seconds": self.seconds, **progress}
        write_json(self.folder / "quickstart.json", data)

    @contextmanager
    def clock(self, step: str) -> Iterator[None]:
        """Adds the time spent inside to a step, also where it is interrupted."""
        started = time.monotonic()
        try:
            yield
        finally:
            self._spend(step, time.monotonic() - started)

    def _spend(self, step: str, seconds: float) -> None:
        self.seconds[step] = round(self.seconds.get(step, 0.0) + seconds, 2)
        self.save()

    # ------------------------------------------------------------------------
    # The steps

    def run(self, minutes: float) -> dict[str, Any]:
        """All six steps, each reused where its result is there; returns the report (`report.json`).

        Raises:
            UserError: what is missing, in a sentence.
            KeyboardInterrupt: on Ctrl-C, with everything finished so far kept.
        """
        settings, reporter, clock = self.settings, self.reporter, self.clock
        device = "cuda" if torch.cuda.is_available() else "cpu"
        by = f"the {BUILTIN}" if settings.sounds == BUILTIN else f"FluidSynth ({Path(settings.sounds).name})"
        reporter.heading(f"1/6  Notes, rendered by {by}")
        corpus = make_or_reuse(self.find_notes, self.render, clock("render"))
        reporter.heading(f"2/6  Tags by {settings.teacher}")
        tagger = teachers.load(settings.teacher, device=device, weights=settings.weights or None)
        with clock("tag"):
            self.tag(corpus, tagger)
        reporter.heading(f"3/6  Training {settings.recipe} for {minutes:g} minutes")
        self.train(minutes)
        reporter.heading("4/6  The better of the trained instrument and what it started from")
        trained = Bundle.from_pretrained(self.bundle, discriminator=True)
        start = self.start_of(trained)
        given = (self.kept, trained, start)
        better = partial(fine_tuning.keep_better, *given, corpus, tagger, reporter, device=device)
        kept = make_or_reuse(partial(fine_tuning.find_kept, *given), better, clock("compare"))
        reporter.heading("5/6  Report: the instrument on held-out notes")
        instrument = Synthesizer(kept, device)
        find = partial(self.find_report, instrument)
        make = partial(self.evaluate, corpus, tagger, instrument, trained, start)
        report = make_or_reuse(find, make, clock("report"))
        reporter.heading("6/6  Sounds")
        make_or_reuse(partial(self.find_sounds, instrument), partial(self.render_sounds, report))
        return report

    def find_notes(self) -> Corpus | None:
        """The corpus, where it is there."""
        if not is_corpus(self.corpus):
            return None
        corpus = Corpus.open(self.corpus)
        self.reporter.say(f"{len(corpus):,} notes are there.")
        return corpus

    def render(self) -> Corpus:
        """Notes → `corpus/`."""
        data, started = self.settings.resolved().data, time.monotonic()
        low, high = data.pitches or (44, 69)
        common: dict[str, Any] = {"pitches": range(low, high + 1), "seconds": data.seconds, "sample_rate": RATE}
        common |= {"limit": self.settings.notes, "name": "quickstart"}
        with self.reporter.progress("rendering") as update:
            if self.settings.sounds == BUILTIN:
                corpus = render_builtin(self.corpus, **common, progress=update)
            else:
                font: dict[str, Any] = {"banks": BANKS, "programs": PROGRAMS, "velocities": VELOCITIES}
                corpus = render_soundfont(self.corpus, [self.settings.sounds], **font, **common, progress=update)
        silent = corpus.meta["counts"].get("silent", 0)
        left_out = f"; {silent} silent ones left out" if silent else ""
        self.reporter.say(f"{len(corpus):,} notes in {time.monotonic() - started:.0f} s{left_out}.")
        return corpus

    def tag(self, corpus: Corpus, tagger: Tagger) -> None:
        """Corpus × teacher → tags beside the corpus (only what is missing), and the attributes chosen from them."""
        started, counts = time.monotonic(), list[int]()
        with self.reporter.progress(f"tagging with {tagger.name}", len(corpus)) as update:

            def progress(done: int, total: int) -> None:
                counts.append(done)
                update(done, total)

            # Tags of other weights are made anew: nothing but this quickstart rests on them.
            tags = tag_corpus(corpus, tagger, progress, force=not self.training.exists())
        recipe = self.settings.resolved()
        wanted = recipe.data.attributes
        top, names = (wanted, None) if isinstance(wanted, int) else (len(wanted), wanted)
        if recipe.init in ("auto", STARTER) and has_starter():  # training goes on from the starter, where it fits
            known = Bundle.from_pretrained(STARTER).attributes.names
            names = known if len(known) == wanted and set(known) <= set(tags.labels) else names
        ranked = choose(corpus.path, tags, corpus.rows("train"), top=top, names=names) if top else []
        new, spent = counts[-1] - counts[0] if counts else 0, time.monotonic() - started
        what = f"{new:,} notes tagged by {tagger.name} in {spent:.0f} s" if new else "The tags are there"
        self.reporter.say(f"{what}; {len(ranked)} attributes: {', '.join(item.name for item in ranked[:6])}, …")

    def train(self, minutes: float) -> None:
        """Corpus + tags → `training/` with its bundle, until `minutes` were spent on it in all.

        Raises:
            UserError: the time was too short for a bundle.
            KeyboardInterrupt: on Ctrl-C; the run is saved.
        """
        if self.training_since is not None:  # killed: the time up to its last checkpoint counts
            saved = checkpoint.listing(self.training)
            spent = max(0.0, saved[-1].stat().st_mtime - self.training_since) if saved else 0.0
            self.training_since = None
            self._spend("train", spent)
        left = 60 * minutes - self.seconds.get("train", 0.0)
        if (left <= ENOUGH or self.trained_whole) and (self.bundle / "config.json").is_file():
            more = "the recipe has come to its end" if self.trained_whole else "a larger --minutes resumes it"
            self.reporter.say(f"Trained for {self.seconds['train'] / 60:.1f} minutes; {more}.")
            return
        resume = (self.training / "run.json").is_file()
        if not resume:
            shutil.rmtree(self.training, ignore_errors=True)  # killed before its first step
        minutes = max(left, ENOUGH) / 60
        options = Options(corpus=self.corpus, run=self.training, resume=resume, devices=1, minutes=minutes)
        self.training_since = time.time()
        self.save()
        try:
            with self.clock("train"):
                outcome = train(self.settings.resolved(), options, say=self.reporter.say)
            self.trained_whole = outcome.reason == "done"
        finally:
            self.training_since = None
            self.save()
        if outcome.reason == "interrupted":
            raise KeyboardInterrupt
        if outcome.bundle is None:
            raise UserError(
                f"After {outcome.notes_seen:,} notes there is nothing to play yet: give training more time with "
                "--minutes."
            )

    @staticmethod
    def start_of(trained: Bundle) -> Bundle | None:
        """The starter, where the training went on from it."""
        origin = str(trained.config["provenance"].get("begun from", ""))
        return Bundle.from_pretrained(STARTER) if origin.startswith(STARTER) and has_starter() else None

    def find_report(self, instrument: Synthesizer) -> dict[str, Any] | None:
        """The report, where it is whole and of this instrument."""
        if recorded(self.report, "bundle", "digest") != instrument.bundle.digest or not self.spectrograms.is_file():
            return None
        self.reporter.say(f"The report is there: {self.report}")
        return dict(recorded(self.report))

    def evaluate(
        self, corpus: Corpus, tagger: Tagger, instrument: Synthesizer, trained: Bundle, start: Bundle | None
    ) -> dict[str, Any]:
        """Instrument → the report, figures in the bundle's card, spectrograms of generated notes beside real ones.

        On notes of the test split, where the valid notes chose what is kept.
        """
        kept, attributes = instrument.bundle.config["provenance"]["kept"], trained.attributes
        both = {TRAINED: trained, **({STARTER: start} if start and fine_tuning.alike(trained, start) else {})}
        name = TRAINED if kept["trained_on"] else STARTER
        others = {other: Synthesizer(one, instrument.device) for other, one in both.items() if other != name}
        test = ("test",) if others and len(known_rows(corpus, ("test",), attributes.pitches)) else ("valid", "test")
        rows = held_out_rows(corpus, attributes, test)
        with self.reporter.progress("evaluating", unit="sounds") as update:
            embedder = independent_embedder(instrument.device.type)
            validation = Validation(corpus, attributes, rows, tagger if attributes.names else None, embedder)
            found = validation.report(instrument, others, update, name)
            if instrument.attributes == attributes:  # a starter that is kept may know another teacher
                beside_real(instrument, corpus, self.spectrograms, rows=rows)
            else:
                beside_real(Synthesizer(trained, instrument.device), corpus, self.spectrograms, rows=rows)
        by = "instrument" if self.settings.sounds == BUILTIN else "a hash of bank and program"
        starter = ", nor of the training of the starter that it goes on from" if start else ""
        report = {
            **found,
            "kept": name,
            "why": kept["why"],
            "notes_seen": trained.config["provenance"]["notes_seen"],
            "probe": embedder.name,
            "held_out": f"Figures are of the {' and '.join(test)} split. Splits are by {by}, the same in every corpus: "
            f"no instrument of the valid and test rows was part of this training{starter}.",
            "sounds": Path(self.settings.sounds).name,
            "corpus": {"name": corpus.name, "notes": len(corpus), "digest": corpus.digest},
            "teacher": {"name": tagger.name, "digest": tagger.digest},
            "bundle": {
                "digest": instrument.bundle.digest,
                "notes_seen": instrument.bundle.config["provenance"]["notes_seen"],
                "begun_from": trained.config["provenance"].get("begun from") or "random weights",
            },
        }
        bundle = Bundle.from_pretrained(self.kept, discriminator=True)
        metrics = bundle.config.setdefault("metrics", {})
        for figure in ("pitch_accuracy", "attribute_correlation", "probe_correlation"):
            metrics[figure] = {kind: report[kind][figure] for kind in (name, "untrained", "real")}
        metrics |= {key: report[key] for key in ("temperature",) if key in report}
        metrics["held_out_notes"] = report["notes"]
        bundle.save_pretrained(self.kept)
        write_json(self.report, {**report, "seconds": self.seconds})
        return report

    def find_sounds(self, instrument: Synthesizer) -> int | None:
        """Number of sounds, where all are there and of this instrument; random notes are written last."""
        files = recorded(self.sounds / MANIFEST, "files") or []
        if any(file.get("weights_sha256") != instrument.bundle.digest for file in files):
            return None
        return len(files) if sum(file.get("verb") == "random" for file in files) == RANDOM else None

    def render_sounds(self, report: dict[str, Any]) -> int:
        """Instrument → `sounds/`: a scale, sweeps of the attributes it follows best, random notes; their number.

        The times of all steps are then in the report.
        """
        remove_sounds(self.sounds)
        with self.clock("sounds"):
            instrument = Synthesizer.from_pretrained(self.kept)
            written = [render_scale(instrument, self.sounds)] if instrument.attributes.pitches else []
            written += [render_sweep(instrument, self.sounds, name) for name in report["steerable"]]
            written.append(render_random(instrument, self.sounds, count=RANDOM))
        for paths in written:
            each = f"{len(paths)} sound(s) of {instrument.seconds:.2g} s"
            self.reporter.say(f"{each} in {self.sounds}: {paths[0].name} …")
        write_json(self.report, {**report, "seconds": self.seconds})
        return sum(map(len, written))
