"""`darktimbre experiment` on tiny networks: whole, interrupted and resumed, from the cache, refused in a sentence."""

import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.bundle.tiny import tiny_bundle
from tests.evaluation.band_tones import BandTagger, band_tones
from tests.evaluation.tones import RATE, SAMPLES
from typer.testing import CliRunner, Result

from darktimbre import teachers
from darktimbre.cli import console
from darktimbre.cli.main import app
from darktimbre.corpus.corpus import Corpus
from darktimbre.notes.errors import UserError
from darktimbre.pipelines import experiment as pipeline
from darktimbre.pipelines import experiment_plans
from darktimbre.pipelines.experiment import corpus_places
from darktimbre.pipelines.experiment_plans import Experiment, Request, Sounds, Variant, experiment_of, numbers_of
from darktimbre.pipelines.experiment_runs import Run, TimeLeft, digest_of, run_of
from darktimbre.tagging.ranking import choose, read_attributes
from darktimbre.tagging.store import Tags
from darktimbre.training import checkpoint
from darktimbre.training.recipe import difference, load_recipe
from darktimbre.training.tasks import gan, supervised

TINY = f"""
name: tiny
init: scratch
data:
  seconds: {SAMPLES / RATE}
  pitches: [59, 61]
  attributes: 2
  teacher: fake
  codec: {{kind: if, n_fft: 512, hop: 128, frames: 16}}
network:
  latent: 4
  start: [16, 4]
  growth: [[32, 8], [64, 16]]
  widths: [8, 6, 4]
  hidden: 8
  grow: false
  bands: 4
schedule: [{{notes: 32, batch: 4, scale: 2}}]
objectives: {{adversarial: logistic, penalty: {{kind: zero-centred, every: 4}}}}
averaging: {{half_life: 20}}
precision: fp32
checkpoint_every: 12
preview_every: 0
journal_every: 8
"""

CLASSIFIER = """
name: listening
task: inception
data: {pitches: null, attributes: 0, teacher: fake}
inception: {stem: 6, widths: [16, 16], embedding: 16, semitones: 0, dropout: 0.1}
schedule: [{notes: 32, batch: 8}]
precision: fp32
checkpoint_every: 16
preview_every: 0
journal_every: 16
"""

ESTIMATE = pipeline.estimate_times


def design(folder: Path):
    """An experiment of a classifier, a baseline, and a variant for each temperature."""
    tiny, classifier = recipes(folder)

    def designed(request: Request) -> Experiment:
        at = [(f"T={t:g}", (f"name=tiny-T{t:g}", f"data.temperature={t:g}")) for t in request.temperatures]
        variants = (
            Variant("classifier", classifier, role="classifier"),
            Variant("baseline", tiny, ("name=tiny-baseline", "data.attributes=0")),
            *(Variant(title, tiny, overrides) for title, overrides in at),
        )
        return Experiment("tiny", "a test", (Sounds("notes", SAMPLES / RATE, (59, 61)),), variants, ("No GANSynth.",))

    return designed


def recipes(folder: Path) -> tuple[str, str]:
    """Files of the instruments' recipe and of the classifier's."""
    files = folder / "tiny.yaml", folder / "classifier.yaml"
    for file, text in zip(files, (TINY, CLASSIFIER), strict=True):
        file.write_text(text)
    return str(files[0]), str(files[1])


def variants_in(folder: Path) -> tuple[Variant, ...]:
    request = Request(name="tiny", out=folder, teacher="fake", temperatures=(1.0, 2.0))
    return design(folder)(request).variants


def cheap(patched: pytest.MonkeyPatch) -> None:
    """A teacher that costs nothing, no SoundFont, no estimates of time."""
    patched.setattr(teachers, "load", lambda name, device="cpu", weights=None: BandTagger())
    patched.setattr(pipeline, "installed_soundfonts", list)
    patched.setattr(pipeline, "estimate_times", lambda runs, device: None)


@pytest.fixture(autouse=True)
def _tiny_experiment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cheap(monkeypatch)
    monkeypatch.setitem(experiment_plans.EXPERIMENTS, "tiny", design(tmp_path))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return band_tones(tmp_path_factory.mktemp("corpora") / "tones").path


def call(*more: object, corpus: Path | None = None, temperatures: str = "1,2", fails: bool = False) -> Result:
    words: list[object] = ["experiment", "tiny", "--teacher", "fake", "--temperatures", temperatures]
    words += ["--accelerator", "cpu", *(["--corpus", corpus] if corpus else []), *more]
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert fails or result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def said(result: Result) -> str:
    return " ".join(result.output.split())


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the evaluation was called with, instead of it."""
    return unevaluated(monkeypatch)


def unevaluated(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []

    def evaluate(bundles, corpus, out, *, warn, update, **more) -> None:
        calls.append({"bundles": bundles, "corpus": corpus, "out": out, **more})

    monkeypatch.setattr(pipeline, "evaluate", evaluate)
    return calls


def weights(runs: Path) -> dict[str, bytes]:
    """Last checkpoint of every run."""
    return {
        run.name: (checkpoint.listing(run)[-1] / checkpoint.TENSORS).read_bytes()
        for run in sorted(runs.iterdir())
        if run.name != "corpora"
    }


@pytest.fixture(scope="module")
def whole(corpus: Path, tmp_path_factory: pytest.TempPathFactory):
    """An uninterrupted experiment: (folder of runs, of the report, its output, the evaluation's arguments)."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patched:
        cheap(patched)
        patched.setitem(experiment_plans.EXPERIMENTS, "tiny", design(folder))
        calls = unevaluated(patched)
        result = call("--runs", folder / "runs", "--out", folder / "out", "--set", "notes=24", corpus=corpus)
    assert result.exit_code == 0, result.output
    return folder / "runs", folder / "out", said(result), calls


def test_every_variant_is_trained_and_is_a_row_of_the_report(whole, corpus) -> None:
    runs, out, output, (arguments,) = whole
    places = {path.name.rpartition("-")[0]: path / "bundle" for path in runs.iterdir()}
    assert arguments == {
        "bundles": [("baseline", places["tiny-baseline"]), ("T=1", places["tiny-T1"]), ("T=2", places["tiny-T2"])],
        "corpus": corpus, "out": out, "teacher": "fake", "weights": None, "classifier": places["listening"],
        "quick": False, "counts": {"notes": 24}, "fad": True, "card": True, "seed": 0, "device": "cpu",
        "remarks": ("No GANSynth.",),
    }  # fmt: skip
    names = sorted(path.name for path in runs.iterdir())
    assert [name.rpartition("-")[0] for name in names] == ["listening", "tiny-T1", "tiny-T2", "tiny-baseline"]
    assert all(len(name.rpartition("-")[2]) == 12 for name in names)
    noted = json.loads((out / "experiment.json").read_text())
    assert [run["done"] for run in noted["runs"]] == [True] * 4
    assert noted["runs"][2]["digest"][:12] in noted["runs"][2]["folder"]
    assert "0 of 4 variants are done" in output
    assert "No GANSynth." in output


def test_second_call_trains_nothing_and_takes_runs_as_they_are(whole, corpus, tmp_path, evaluated, monkeypatch) -> None:
    runs = whole[0]
    before = {path: path.stat().st_mtime_ns for path in runs.rglob("*") if path.is_file()}
    for task in (gan.GanTask, supervised.SupervisedTask):
        monkeypatch.setattr(task, "step", None)
    # The recipes' files lie elsewhere now: what counts is what is in them.
    result = call(
        "--runs", runs, "--out", tmp_path / "out", "--quick", "--seed", 5, "--no-fad", "--no-card", corpus=corpus
    )
    assert result.exit_code == 0, result.output
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert "All 4 variants are trained." in said(result)
    (arguments,) = evaluated
    assert [arguments[name] for name in ("quick", "seed", "fad", "card")] == [True, 5, False, False]


def test_minutes_that_are_up_when_all_is_trained_leave_the_evaluation(whole, corpus, tmp_path, evaluated) -> None:
    output = said(call("--runs", whole[0], "--out", tmp_path / "out", "--minutes", 0, corpus=corpus))
    assert "All variants are trained; the same command without --minutes evaluates." in output
    assert not evaluated


def test_another_temperature_trains_only_that_one(whole, corpus, tmp_path, evaluated) -> None:
    words = ("--runs", whole[0], "--out", tmp_path / "out", "--dry-run")
    assert "3 of 4 variants are done" in said(call(*words, corpus=corpus, temperatures="1,3"))
    assert not evaluated


def test_interrupted_or_killed_in_the_second_variant_it_resumes(whole, corpus, tmp_path, evaluated, monkeypatch):
    made, original = 0, gan.GanTask.step

    def interrupted(self, state):
        nonlocal made
        made += 1
        if made == 5:
            os.kill(os.getpid(), signal.SIGINT)
        if made == 11:
            raise RuntimeError("killed")  # as by kill -9: nothing is saved
        return original(self, state)

    runs, out = tmp_path / "runs", tmp_path / "out"
    with monkeypatch.context() as patched:
        patched.setattr(gan.GanTask, "step", interrupted)
        result = call("--runs", runs, "--out", out, corpus=corpus)
        assert result.exit_code == 130
        assert "run the same command to resume" in said(result)
        output = said(call("--runs", runs, "--out", out, "--dry-run", corpus=corpus))
        assert "1 of 4 variants are done" in output
        assert "half done at 20 notes" in output
        assert str(call("--runs", runs, "--out", out, corpus=corpus, fails=True).exception) == "killed"
    assert not evaluated
    result = call("--runs", runs, "--out", out, corpus=corpus)
    assert result.exit_code == 0, result.output
    assert "2 of 4 variants are done" in said(result)
    assert "half done at 0 notes" in said(result)
    assert len(evaluated) == 1
    assert weights(runs) == weights(whole[0])


def test_minutes_bound_the_session_and_unfinished_variants_are_named(corpus, tmp_path, evaluated) -> None:
    runs, out = tmp_path / "runs", tmp_path / "out"
    result = call("--runs", runs, "--out", out, "--minutes", 0.0001, corpus=corpus)
    assert result.exit_code == 0, result.output
    assert "The time is up; the same command resumes with classifier, baseline, T=1, T=2" in said(result)
    assert not evaluated
    assert not json.loads((out / "experiment.json").read_text())["runs"][0]["done"]


def test_dry_run_writes_nothing(corpus, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(teachers, "load", None)
    monkeypatch.setattr(pipeline, "estimate_times", ESTIMATE)
    (tmp_path / "Font.sf2").write_bytes(b"a font")
    words = ("--runs", tmp_path / "runs", "--out", tmp_path / "out", "--dry-run")
    output = said(call(*words, corpus=corpus))
    assert "to do" in output
    assert "Nothing was done" in output
    monkeypatch.setattr(pipeline, "installed_soundfonts", lambda: [tmp_path / "Font.sf2"])
    output = said(call(*words))
    assert "would be rendered into" in output
    assert "Font-0.25s-" in output.replace(" ", "")
    assert not (tmp_path / "runs").exists()
    assert not (tmp_path / "out").exists()


def test_sounds_are_rendered_and_tagged_once_where_none_are_given(tmp_path, evaluated, monkeypatch) -> None:
    calls: list[dict[str, Any]] = []

    def render(out, fonts, **more):
        calls.append({"fonts": fonts, **more})
        return band_tones(out, tagged=False)

    (tmp_path / "Font.sf2").write_bytes(b"a font")
    monkeypatch.setattr(pipeline, "installed_soundfonts", lambda: [tmp_path / "Font.sf2"])
    monkeypatch.setattr(pipeline, "render_soundfont", render)
    for _ in range(2):
        result = call("--runs", tmp_path / "runs", "--out", tmp_path / "out", "--minutes", 0)
        assert result.exit_code == 0, result.output
    assert len(calls) == 1
    assert (list(calls[0]["pitches"]), calls[0]["velocities"]) == ([59, 60, 61], (50, 90, 120))
    assert "2 attributes are chosen" not in said(result)  # the second time they are there


def test_what_cannot_be_done_is_refused_before_anything_is_made(corpus, tmp_path, monkeypatch) -> None:
    def refused(*more: object, **options: Any) -> str:
        result = call("--runs", tmp_path / "runs", "--out", tmp_path / "out", *more, **options)
        assert result.exit_code == 2, result.output
        assert not (tmp_path / "runs").exists()
        assert not (tmp_path / "out").exists()
        return said(result)

    assert "apt install fluidsynth" in refused()
    assert "--scale is one of small, paper" in refused("--scale", "huge", corpus=corpus)
    assert "--temperatures takes numbers above 0" in refused(corpus=corpus, temperatures="1,-2")
    assert "There is no corpus in" in refused(corpus=tmp_path / "nowhere")
    assert "nowhere" in refused("--gansynth", tmp_path / "nowhere", corpus=corpus)
    assert "a folder with a bundle on this machine" in refused("--gansynth", "someone/gansynth", corpus=corpus)
    assert "COUNT=N" in refused("--set", "notes", corpus=corpus)
    assert "did you mean notes?" in refused("--set", "nots=9", corpus=corpus)
    assert "--accelerator is one of auto, cpu, cuda" in refused("--accelerator", "tpu", corpus=corpus)
    assert "needs at least 5 notes" in refused("--set", "notes=4", corpus=corpus)
    assert "would have one name" in refused(corpus=corpus, temperatures="1,1.0000001")
    short = band_tones(tmp_path / "short", instruments=3, takes=2).path
    assert "leave it out with --no-fad" in refused(corpus=short)

    def missing(name, device="cpu", weights=None):
        raise UserError("The weights of yamnet are not on this machine.")

    monkeypatch.setattr(teachers, "load", missing)
    assert "are not on this machine" in refused(corpus=corpus)
    result = CliRunner().invoke(app, ["experiment", "mode-collapse", "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "there are darkgan-paper" in said(result)


def test_gansynth_of_another_rate_is_refused_before_anything_is_trained(corpus, tmp_path) -> None:
    codec = {**tiny_bundle().config["codec"], "sample_rate": 4000}
    bundle = tiny_bundle(codec=codec).save_pretrained(tmp_path / "gansynth")
    result = call("--runs", tmp_path / "runs", "--out", tmp_path / "out", "--gansynth", bundle, corpus=corpus)
    assert result.exit_code == 2
    assert "GANSynth plays at 4000 Hz" in said(result)
    assert not (tmp_path / "runs").exists()


def test_rendered_sounds_are_kept_by_all_that_they_follow_from(tmp_path) -> None:
    def request(font: Path) -> Request:
        return Request(name="tiny", out=tmp_path, runs=tmp_path, soundfont=font)

    def place(font: bytes = b"a font", **sounds: Any) -> Path:
        (tmp_path / "Font.sf2").write_bytes(font)
        one = Experiment("tiny", "a test", (Sounds("notes", **sounds),), ())
        return corpus_places(one, request(tmp_path / "Font.sf2"))["notes"]

    assert place() == place()
    others = place(b"b font"), place(pitches=(44, 70)), place(velocities=(50, 90)), place(seconds=2.0)
    assert len({place(), *others}) == 5
    with pytest.raises(UserError, match="cannot be read"):
        corpus_places(Experiment("tiny", "a test", (Sounds("notes"),), ()), request(tmp_path / "no.sf2"))


def test_list_of_the_users_own_is_kept_and_the_classifier_follows_it(tmp_path) -> None:
    corpus = band_tones(tmp_path / "tones", instruments=3)
    choose(corpus.path, Tags.open(corpus.path, "fake"), corpus.rows("train"), top=1)
    tiny, listening = recipes(tmp_path)
    classifier = Variant("classifier", listening, ("data.attributes=2",), role="classifier")
    instrument = Variant("T=1", tiny, ("data.attributes=1",))
    pipeline.tag(corpus, BandTagger(), [classifier, instrument], console)
    assert len(read_attributes(corpus.path, "fake")) == 1
    assert run_of(classifier, corpus, tmp_path).recipe.data.attributes == 1
    pipeline.tag(corpus, BandTagger(), [classifier, Variant("T=1", tiny)], console)
    assert len(read_attributes(corpus.path, "fake")) == 2
    assert run_of(classifier, corpus, tmp_path).recipe == classifier.resolved()


def test_time_left_follows_the_clock_and_the_pace_of_the_task(tmp_path) -> None:
    classifier, _, instrument, _ = (
        Run(variant, variant.resolved(), parts=[(0, 32, 3200.0)]) for variant in variants_in(tmp_path)
    )
    now, lines = 0.0, []
    whole = TimeLeft(classifier, [instrument], {}, lines.append, lambda: now)
    whole.start(SimpleNamespace(notes_seen=0))
    for seen in range(1, 32):
        now = 200.0 * seen  # twice as long as estimated
        whole.step(SimpleNamespace(notes_seen=seen, total=32))
    # After 600 s the classifier has 29 notes of 200 s left, an hour later 11; the instrument its 3,200 s as estimated.
    assert lines == [
        "classifier: 3 of 32 notes; whole experiment: about 2 h 30 min left",
        "classifier: 21 of 32 notes; whole experiment: about 1 h 30 min left",
    ]
    assert whole.paces == {"classifier": pytest.approx(2.0)}


# ----------------------------------------------------------------------------
# The experiment as data


def test_small_scale_is_one_recipe_at_several_temperatures() -> None:
    """Word for word what the runs of the published report were trained by."""
    request = Request(name="darkgan-paper", out=Path("out"), teacher="yamnet", temperatures=(1.0, 1.5))
    long = [
        "init=scratch", "schedule=[{notes: 10000, batch: 8, scale: 3}]", "optimiser.decay_notes=10000",
        "warm_start.notes=48000",
    ]  # fmt: skip
    own = [
        ["name=darkgan-small-baseline", "data.attributes=0", "data.temperature=1"],
        ["name=darkgan-small-T1", "data.temperature=1"],
        ["name=darkgan-small-T1.5", "data.temperature=1.5"],
    ]
    for variant, changes in zip(experiment_of(request).variants[1:], own, strict=True):
        assert difference(variant.resolved(), load_recipe("darkgan-small", [*long, *changes])) == []


def test_paper_scale_renders_a_second_corpus_for_gansynth_or_says_that_it_is_left_out() -> None:
    def chosen(scale: str, **more: Any) -> Experiment:
        settings = {"name": "darkgan-paper", "out": Path("out"), "teacher": "cnn14", "temperatures": (1.0,)}
        return experiment_of(Request(**settings, scale=scale, **more))

    paper = chosen("paper")
    assert [variant.title for variant in paper.variants] == ["classifier", "baseline", "DarkGAN T=1", "GANSynth"]
    lengths = {sounds.name: sounds.seconds for sounds in paper.sounds}
    for variant in paper.variants:
        recipe = variant.resolved()
        if recipe.task == "gan":
            assert recipe.data.seconds == lengths[variant.sounds]
        assert recipe.data.teacher == "cnn14" or not recipe.data.attributes
    assert paper.remarks == ()
    for left_out in (chosen("small"), chosen("paper", corpus=Path("mine"))):
        assert len(left_out.sounds) == 1
        assert "GANSynth is left out" in left_out.remarks[0]
    assert chosen("small", gansynth=Path("mine")).remarks == ()


def test_digest_is_of_recipe_corpus_and_tags(corpus, tmp_path) -> None:
    opened, recipe = Corpus.open(corpus), variants_in(tmp_path)[1].resolved()
    digest = digest_of(recipe, opened)
    assert digest == digest_of(recipe, Corpus.open(corpus))
    assert digest_of(recipe, band_tones(tmp_path / "other", instruments=6)) != digest
    assert digest_of(recipe.model_copy(update={"seed": 1}), opened) != digest


def test_folder_with_another_run_in_it_is_refused(whole, corpus, tmp_path) -> None:
    variants, opened = variants_in(tmp_path), Corpus.open(corpus)
    found = [run_of(variant, opened, whole[0]) for variant in variants]
    assert all(run.done() for run in found)
    moved = tmp_path / "runs"
    moved.mkdir()
    assert found[2].folder is not None
    assert found[3].folder is not None
    (moved / found[2].folder.name).symlink_to(found[3].folder)
    with pytest.raises(UserError, match="does not hold what its name says"):
        run_of(variants[2], opened, moved)


def test_a_bundle_of_a_session_cut_short_is_not_taken_for_the_end(whole, tmp_path) -> None:
    place = next(path for path in whole[0].iterdir() if path.name.startswith("tiny-T1-"))
    variant = variants_in(tmp_path)[2]
    assert Run(variant, variant.resolved(), folder=place).done()
    short = tmp_path / "short" / "bundle"
    short.mkdir(parents=True)
    config = json.loads((place / "bundle" / "config.json").read_text())
    config["provenance"]["notes_seen"] = 12
    (short / "config.json").write_text(json.dumps(config))
    run = Run(variant, variant.resolved(), None, "", short.parent, [(0, 32, 64.0)])
    assert (run.done(), run.state()) == (False, "to do")
    assert run.left(8) == pytest.approx(48.0)


@pytest.mark.parametrize(("text", "found"), [("1,1.5,2", (1.0, 1.5, 2.0)), (" 5, 1,1 ", (1.0, 5.0))])
def test_temperatures_are_read(text: str, found: tuple[float, ...]) -> None:
    assert numbers_of(text, "--temperatures", (1.0, 2.0)) == found


@pytest.mark.parametrize("text", ["", "warm", "0", "-1,2", "1,inf", "nan"])
def test_other_temperatures_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="--temperatures takes numbers above 0"):
        numbers_of(text, "--temperatures", (1.0, 2.0))
