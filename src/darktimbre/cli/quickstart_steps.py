"""The steps of `darktimbre quickstart`: each looks for its result, and makes it where it is missing or out of date."""

import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from darktimbre.audio.atomic import atomic_file
from darktimbre.cli.console import progress_bar, say
from darktimbre.cli.quickstart_state import BUILTIN, Settings, State
from darktimbre.notes.errors import UserError

if TYPE_CHECKING:
    from darktimbre.corpus.corpus import Corpus
    from darktimbre.teachers.tagger import Tagger
    from darktimbre.training.loop import Outcome

BANKS, PROGRAMS = range(17), range(120)  # General MIDI and its variations, without the sound effects at its end
VELOCITIES = (60, 110)
RATE = 16_000  # Hz
SWEPT, RANDOM = 3, 12  # attributes swept, random notes
ENOUGH = 1.0  # seconds of training time that are not worth going on for


def sounds_at_hand() -> tuple[str, str]:
    """A SoundFont where FluidSynth can play one, else the built-in orchestra; and why."""
    from darktimbre.corpus.fluid import load_library
    from darktimbre.corpus.soundfont import installed_soundfonts

    remedy = "`apt install fluidsynth fluid-soundfont-gm` brings real instruments"
    try:
        load_library()
    except UserError:
        return BUILTIN, f"FluidSynth is not installed ({remedy})"
    fonts = installed_soundfonts()
    return (str(fonts[0]), "") if fonts else (BUILTIN, f"no SoundFont is installed ({remedy})")


def teacher_at_hand() -> str:
    """YAMNet where its weights are kept, else the teacher in the package."""
    from darktimbre.teachers.weights import kept

    return "yamnet" if kept("yamnet") else "embedded"


def device() -> str:
    """Where the teacher listens and the report's notes are made."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def load_teacher(settings: Settings) -> "Tagger":
    """The teacher, ready to listen."""
    from darktimbre import teachers

    return teachers.load(settings.teacher, device=device(), weights=settings.weights or None)


def render(state: State) -> "Corpus":
    """Notes → `corpus/`."""
    from darktimbre.corpus.builtin import render_builtin
    from darktimbre.corpus.corpus import Corpus, is_corpus
    from darktimbre.corpus.soundfont import render_soundfont

    if is_corpus(state.corpus):
        corpus = Corpus.open(state.corpus)
        say(f"{len(corpus):,} notes are there.")
        return corpus
    data = state.settings.resolved().data
    low, high = data.pitches or (44, 69)
    with state.clock("render"), progress_bar() as bar:
        task = bar.add_task("rendering", total=None)
        common: dict[str, Any] = {
            "pitches": range(low, high + 1),
            "seconds": data.seconds,
            "sample_rate": RATE,
            "limit": state.settings.notes,
            "name": "quickstart",
            "progress": lambda done, total: bar.update(task, completed=done, total=total),
        }
        if state.settings.sounds == BUILTIN:
            corpus = render_builtin(state.corpus, **common)
        else:
            font = [state.settings.sounds]
            corpus = render_soundfont(
                state.corpus, font, banks=BANKS, programs=PROGRAMS, velocities=VELOCITIES, **common
            )
    silent = corpus.meta["counts"].get("silent", 0)
    left_out = f"; {silent} silent ones left out" if silent else ""
    say(f"{len(corpus):,} notes in {state.seconds['render']:.0f} s{left_out}.")
    return corpus


def tag(state: State, corpus: "Corpus", tagger: "Tagger") -> None:
    """Corpus × teacher → tags beside the corpus, and the attributes chosen from them."""
    from darktimbre.bundle.bundle import Bundle
    from darktimbre.bundle.where import has_starter
    from darktimbre.tagging.ranking import choose
    from darktimbre.tagging.tag import tag_corpus

    heard: list[int] = []
    with state.clock("tag"), progress_bar() as bar:
        task = bar.add_task(f"{tagger.name} listens", total=len(corpus))

        def progress(done: int, whole: int) -> None:
            heard.append(done)
            bar.update(task, completed=done, total=whole)

        # Tags of other weights are made anew: nothing but this quickstart rests on them.
        tags = tag_corpus(corpus, tagger, progress, force=not state.training.exists())
        recipe = state.settings.resolved()
        wanted = recipe.data.attributes
        names = wanted if isinstance(wanted, tuple) else None
        if recipe.init == "auto" and has_starter():  # what training goes on with, where the starter fits
            known = Bundle.from_pretrained("starter").attributes.names
            names = known if len(known) == wanted and set(known) <= set(tags.labels) else names
        top = wanted if isinstance(wanted, int) else len(wanted)
        ranked = choose(corpus.path, tags, corpus.rows("train"), top=top, names=names) if top else []
    new = heard[-1] - heard[0] if heard else 0
    what = f"{new:,} notes tagged by {tagger.name} in {state.seconds['tag']:.0f} s" if new else "The tags are there"
    some = ", ".join(item.name for item in ranked[:6])
    say(f"{what}; {len(ranked)} attributes: {some}, …")


def train(state: State, minutes: float) -> "Outcome | None":
    """Corpus + tags → `training/`, with its bundle; None where that is there already."""
    from darktimbre.training.checkpoint import listing
    from darktimbre.training.loop import Options, train_recipe

    if state.training_since is not None:  # killed: what its last checkpoint holds was not in vain
        kept = listing(state.training)
        spent = max(0.0, kept[-1].stat().st_mtime - state.training_since) if kept else 0.0
        state.seconds["train"] = round(state.seconds.get("train", 0.0) + spent, 2)
        state.training_since = None
        state.save()
    left = 60 * minutes - state.seconds.get("train", 0.0)
    if (left <= ENOUGH or state.trained_whole) and (state.bundle / "config.json").is_file():
        more = "the recipe has come to its end" if state.trained_whole else "a larger --minutes goes on from there"
        say(f"Trained for {state.seconds['train'] / 60:.1f} minutes; {more}.")
        return None
    resume = (state.training / "run.json").is_file()
    if not resume:
        shutil.rmtree(state.training, ignore_errors=True)  # broken off before it began
    options = Options(corpus=state.corpus, run=state.training, resume=resume, devices=1, minutes=max(left, ENOUGH) / 60)
    state.training_since = time.time()
    state.save()
    try:
        with state.clock("train"):
            outcome = train_recipe(state.settings.resolved(), options, say=say)
        state.trained_whole = outcome.reason == "done"
    finally:
        state.training_since = None
        state.save()
    if outcome.bundle is None and outcome.reason != "interrupted":
        raise UserError(
            f"After {outcome.notes_seen:,} notes there is nothing to play yet: give training more time with --minutes."
        )
    return outcome


def judge(state: State, corpus: "Corpus", tagger: "Tagger", seed: int = 0) -> dict[str, Any]:
    """Instrument → `report.json`, and the picture of generated notes beside real ones."""
    from darktimbre.bundle.where import has_starter
    from darktimbre.evaluation.heldout import held_out_rows
    from darktimbre.evaluation.picture import beside_real
    from darktimbre.evaluation.quick import quick_report
    from darktimbre.synthesizer.synthesizer import Synthesizer

    instrument = Synthesizer.from_pretrained(state.bundle, device())
    before = _read(state.report)
    if before and before["bundle"]["digest"] == instrument.bundle.digest and state.picture.is_file():
        say(f"The report is there: {state.report}")
        return before
    others = {}
    origin = str(instrument.bundle.config["provenance"].get("begun from", ""))
    if origin.startswith("starter") and has_starter():
        others["starter"] = Synthesizer.from_pretrained("starter", device())
    rows = held_out_rows(corpus, instrument.attributes, seed=seed)
    with state.clock("report"), progress_bar("sounds") as bar:
        task = bar.add_task("listening", total=None)
        found = quick_report(
            instrument, corpus, rows, tagger if instrument.attributes.names else None, seed=seed, others=others,
            progress=lambda done, whole: bar.update(task, completed=done, total=whole),
        )  # fmt: skip
        beside_real(instrument, corpus, state.picture, rows=rows, seed=seed)
    report = {
        **found.to_json(),
        "steerable": found.steerable(SWEPT),
        "held_out": _held_out(state.settings, bool(others)),
        "sounds": Path(state.settings.sounds).name,
        "corpus": {"name": corpus.name, "notes": len(corpus), "digest": corpus.digest},
        "teacher": {"name": tagger.name, "digest": tagger.digest},
        "bundle": {
            "digest": instrument.bundle.digest,
            "notes_seen": instrument.bundle.config["provenance"]["notes_seen"],
            "begun_from": origin or "random weights",
        },
    }
    _measured(state, report)
    write_report(state, report)
    return report


def _measured(state: State, report: dict[str, Any]) -> None:
    """The report's figures → metrics and model card of the bundle; its weights stay as they are."""
    from darktimbre.bundle.bundle import Bundle

    bundle = Bundle.from_pretrained(state.bundle, discriminator=True)
    kinds = ("trained", "untrained", "real")
    for figure in ("pitch_accuracy", "attribute_correlation"):
        bundle.config.setdefault("metrics", {})[figure] = {kind: report[kind][figure] for kind in kinds}
    bundle.config["metrics"]["held_out_notes"] = report["notes"]
    bundle.save_pretrained(state.bundle)


def write_report(state: State, report: dict[str, Any]) -> None:
    """Writes `report.json` with the time every step has taken so far."""
    report["seconds"] = state.seconds
    with atomic_file(state.report) as temporary:
        temporary.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _held_out(settings: Settings, from_starter: bool) -> str:
    by = "instrument" if settings.sounds == BUILTIN else "a hash of bank and program"
    also = ", nor by the starter it began from" if from_starter else ""
    return (
        f"Splits are by {by}, the same in every corpus: no instrument of the valid and test rows was heard in this "
        f"training{also}."
    )


def _read(file: Path) -> dict[str, Any] | None:
    try:
        report: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        report["bundle"]["digest"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return report


def play(state: State, report: dict[str, Any]) -> int:
    """Instrument → `sounds/`: a scale, sweeps of the attributes it follows best, random notes; returns their number."""
    from darktimbre.synthesizer.sound_files import MANIFEST, render_random, render_scale, render_sweep
    from darktimbre.synthesizer.synthesizer import Synthesizer

    instrument = Synthesizer.from_pretrained(state.bundle)
    if not _whole(state.sounds / MANIFEST, instrument.bundle.digest):
        shutil.rmtree(state.sounds, ignore_errors=True)
        with state.clock("sounds"):
            if instrument.attributes.pitches:
                render_scale(instrument, state.sounds)
            for name in report["steerable"]:
                render_sweep(instrument, state.sounds, name)
            render_random(instrument, state.sounds, count=RANDOM)
        write_report(state, report)
    return len(list(state.sounds.glob("*.wav")))


def _whole(manifest: Path, digest: str) -> bool:
    """Whether all sounds are there, by this instrument; the random notes are written last."""
    try:
        told = json.loads(manifest.read_text(encoding="utf-8"))
        return bool(
            told["weights_sha256"] == digest and sum(one["verb"] == "random" for one in told["files"]) == RANDOM
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False
