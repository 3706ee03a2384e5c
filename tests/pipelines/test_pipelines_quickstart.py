"""The quickstart on a tiny recipe: whole, interrupted anywhere and resumed, trained on, continued from a starter."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner, Result

from darktimbre import teachers
from darktimbre.bundle import where
from darktimbre.bundle.bundle import Bundle
from darktimbre.cli import console
from darktimbre.cli.main import app
from darktimbre.corpus import builtin, fluid
from darktimbre.evaluation import validation
from darktimbre.notes.errors import UserError
from darktimbre.pipelines import quickstart as pipeline
from darktimbre.pipelines.quickstart import BUILTIN, RANDOM, Quickstart, Settings
from darktimbre.training.tasks import gan

NAMES = ("Drum", "Flute", "Trumpet", "Zither")
NOTES = 120

RECIPE = """
name: tiny
init: auto
data:
  seconds: 0.25
  pitches: [58, 61]
  attributes: 3
  codec: {kind: if, n_fft: 512, hop: 128, frames: 32}
network:
  latent: 4
  start: [4, 8]
  growth: [[8, 16], [16, 32]]
  widths: [8, 6, 4]
  hidden: 8
  grow: false
  bands: 16
  pitch_comb: true
  whiten: true
schedule:
  - {notes: LENGTH, batch: 8, scale: 2}
objectives: {adversarial: logistic, penalty: {kind: zero-centred, every: 4}}
averaging: {half_life: 20}
precision: fp32
checkpoint_every: 16
preview_every: 0
journal_every: 16
"""


class PlainTagger:
    """A teacher whose logits are four plain features of a sound."""

    digest, sample_rate, labels = "e" * 64, 16_000, NAMES

    def __init__(self, name: str = "embedded") -> None:
        self.name = name

    def logits(self, waves: torch.Tensor) -> torch.Tensor:
        """(batch, sample) → (batch, 4)."""
        loud, rough, late = waves.std(1), waves.diff(dim=1).std(1), waves[:, 2000:].std(1)
        features = torch.stack([9 * loud - 1, 20 * rough - 1, 9 * late - 1, 3 * rough / (loud + 1e-4) - 1], 1)
        return 3 * features / (1 + features.abs())  # never so sure that the probability is 1 in float32

    def embed(self, waves: torch.Tensor) -> torch.Tensor:
        """(batch, sample) → (batch, 4)."""
        return self.logits(waves)


def cheap(patched: pytest.MonkeyPatch, folder: Path) -> None:
    """A teacher that costs nothing, no kept weights, no starter."""
    patched.setattr(teachers, "load", lambda name, device="cpu", weights=None: PlainTagger(name))
    patched.setenv("DARKTIMBRE_HOME", str(folder / "home"))
    patched.setattr(where, "shipped_folder", lambda _name: folder / "no starter")


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cheap(monkeypatch, tmp_path)


def recipe(folder: Path, notes: int = 48) -> Path:
    """The tiny recipe with a schedule of so many notes."""
    path = folder / f"tiny-{notes}.yaml"
    path.write_text(RECIPE.replace("LENGTH", str(notes)))
    return path


def quickstart(run: Path, *more: object, notes: int = 48) -> Result:
    """The command, as a user types it; the schedule ends long before the minute does."""
    words = ["quickstart", "--run", run, "--builtin", "--notes", NOTES, "--minutes", 1]
    words += ["--recipe", recipe(run.parent, notes), *more]
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def figures(run: Path) -> dict[str, Any]:
    """The report without what no two runs share."""
    report = json.loads((run / "report.json").read_text())
    del report["seconds"]
    return report


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory):
    """An uninterrupted quickstart: its folder and what it printed."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patched:
        cheap(patched, folder)
        result = quickstart(folder / "run")
    assert result.exit_code == 0, result.output
    return folder / "run", result.output


def test_everything_is_there_and_the_report_says_what_it_is(whole) -> None:
    run, output = whole
    report = json.loads((run / "report.json").read_text())
    for name in ("trained", "untrained", "real"):
        assert 0 <= report[name]["pitch_accuracy"] <= 1
        assert -1 <= report[name]["attribute_correlation"] <= 1
    assert report["real"]["pitch_accuracy"] > 0.7
    assert report["bundle"]["notes_seen"] == 48
    kept = Bundle.from_pretrained(run / "instrument")
    assert report["bundle"]["digest"] == kept.digest == Bundle.from_pretrained(run / "training" / "bundle").digest
    assert (report["kept"], report["notes_seen"]) == ("trained", 48)
    assert kept.config["provenance"]["kept"]["why"] == report["why"]
    assert "started from random weights" in report["why"]
    assert report["teacher"] == {"name": "embedded", "digest": "e" * 64}
    metrics = kept.config["metrics"]
    assert metrics["pitch_accuracy"]["trained"] == report["trained"]["pitch_accuracy"]
    card = (run / "instrument" / "README.md").read_text()
    assert "| attribute correlation / untrained |" in card
    assert "Last losses of training: " in card
    assert report["sounds"] == BUILTIN
    assert {"render", "tag", "train", "compare", "report", "sounds"} <= report["seconds"].keys()
    assert "Training saw 48 notes in" in " ".join(output.split())
    assert "no instrument of the valid and test rows was part of" in report["held_out"]
    files = json.loads((run / "sounds" / "manifest.json").read_text())["files"]
    verbs = [entry["verb"] for entry in files]
    assert (verbs.count("scale"), verbs.count("sweep"), verbs.count("random")) == (4, 15, RANDOM)
    assert all((run / "sounds" / entry["file"]).is_file() for entry in files)
    assert (run / "spectrograms.png").read_bytes().startswith(b"\x89PNG")
    assert "ships no starter" in output
    assert f"{report['trained']['pitch_accuracy']:.3f}" in output
    assert "pitch accuracy" in output


def test_done_once_nothing_is_done_again(whole, monkeypatch) -> None:
    run, _ = whole
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file() and "tags" not in path.parts}
    before.pop(run / "quickstart.json")
    for name in ("render_builtin", "Validation", "render_scale"):
        monkeypatch.setattr(pipeline, name, None)
    monkeypatch.setattr(gan.GanTask, "step", None)
    result = quickstart(run)
    assert result.exit_code == 0, result.output
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert "recipe has come to its end" in result.output


def stop(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_interrupted_in_every_step_and_resumed_it_ends_the_same(whole, tmp_path, monkeypatch) -> None:
    run, made = tmp_path / "run", 0
    original_step = gan.GanTask.step

    def interrupted_step(self, state):
        nonlocal made
        made += 1
        if made == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return original_step(self, state)

    places = [
        (builtin, "play", stop),
        (PlainTagger, "logits", stop),
        (Quickstart, "train", stop),
        (gan.GanTask, "step", interrupted_step),
        (validation, "round_trip_source", stop),
        (pipeline, "render_sweep", stop),
    ]
    for room, name, broken in places:
        with monkeypatch.context() as patched:
            patched.setattr(room, name, broken)
            result = quickstart(run)
        assert result.exit_code == 130, (name, result.output)
        assert "run the same command to resume" in result.stderr
        if name == "step":
            assert json.loads((run / "quickstart.json").read_text())["seconds"]["train"] > 0
    result = quickstart(run)
    assert result.exit_code == 0, result.output
    assert figures(run) == figures(whole[0])
    for path in (whole[0] / "sounds").iterdir():
        if path.suffix == ".wav":
            assert path.read_bytes() == (run / "sounds" / path.name).read_bytes()


def test_larger_minutes_train_on_and_evaluate_anew(tmp_path) -> None:
    run = tmp_path / "run"
    assert quickstart(run, "--minutes", 0.01, notes=400_000).exit_code == 0
    first = figures(run)["bundle"]
    result = quickstart(run, "--minutes", 0.12, notes=400_000)
    assert result.exit_code == 0, result.output
    assert figures(run)["bundle"]["notes_seen"] > first["notes_seen"]
    assert figures(run)["bundle"]["digest"] != first["digest"]
    again = quickstart(run, "--minutes", 0.12, notes=400_000)
    assert "larger --minutes resumes it" in again.output


def settings(run: Path, **changes: Any) -> Settings:
    """Those of the tiny quickstart."""
    same = {"notes": NOTES, "sounds": BUILTIN, "recipe": str(recipe(run.parent)), "teacher": "embedded", "weights": ""}
    return Settings(**{**same, "from_scratch": False, **changes})


def test_time_of_a_killed_training_counts_up_to_its_last_checkpoint(whole, tmp_path, monkeypatch) -> None:
    minutes: list[float] = []

    def train(recipe, options, say):
        minutes.append(options.minutes)
        raise UserError("far enough")

    monkeypatch.setattr(pipeline, "train", train)
    run = tmp_path / "run"
    kept = run / "training" / "checkpoints" / "000000000016"
    kept.mkdir(parents=True)
    os.utime(kept, (1000.0, 1000.0))
    state = Quickstart(run, settings(run), console, {"train": 10.0}, training_since=970.0)
    with pytest.raises(UserError, match="far enough"):
        state.train(2.0)
    assert minutes == [pytest.approx((120 - 40) / 60)]
    found = Quickstart.find(run, console)
    assert found is not None
    assert found.training_since is None
    assert found.seconds["train"] == pytest.approx(40, abs=1)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [(["--notes", "80"], "notes 120, not 80"), (["--from-scratch"], "from scratch False, not True")],
)
def test_other_options_in_the_same_folder_are_refused(whole, more, sentence) -> None:
    result = quickstart(whole[0], *more)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert "--run" in result.stderr


def test_a_folder_of_something_else_is_refused(tmp_path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("mine")
    result = quickstart(tmp_path / "run")
    assert result.exit_code == 2
    assert "holds no quickstart" in result.stderr
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.txt"]


def test_training_continues_from_a_starter_by_another_teacher_and_both_are_evaluated(
    whole, tmp_path, monkeypatch
) -> None:
    """The starter is kept or left by both evaluators; either way its figures are those of another run."""
    starter = Bundle.from_pretrained(whole[0] / "training" / "bundle", discriminator=True)
    config = {**starter.config, "attributes": {**starter.config["attributes"], "teacher": "yamnet"}}
    Bundle(config, starter.weights, starter.discriminator).save_pretrained(tmp_path / "starter")
    monkeypatch.setattr(where, "shipped_folder", lambda _name: tmp_path / "starter")
    result = quickstart(tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert "goes on from the starter" in result.output
    assert "yamnet" in result.output
    report = figures(tmp_path / "run")
    assert {"starter", "trained"} <= report.keys()
    kept = Bundle.from_pretrained(tmp_path / "run" / "instrument")
    assert kept.digest == (starter.digest if report["kept"] == "starter" else report["bundle"]["digest"])
    assert kept.config["provenance"]["kept"]["why"] == report["why"]
    assert "valid notes" in report["why"]
    assert report["held_out"].startswith("Figures are of the test split")
    assert report["bundle"]["begun_from"].startswith("starter")
    assert "nor of the training of the starter" in report["held_out"]
    attributes = Bundle.from_pretrained(tmp_path / "run" / "training" / "bundle").attributes
    assert attributes.names == starter.attributes.names
    assert attributes.teacher == "embedded"
    scratch = quickstart(tmp_path / "other", "--from-scratch")
    assert scratch.exit_code == 0
    assert "starter" not in figures(tmp_path / "other")


def test_what_is_at_hand_decides_what_renders_and_what_tags(monkeypatch, tmp_path) -> None:
    def missing() -> None:
        raise UserError(fluid.MISSING)

    monkeypatch.setattr(pipeline, "load_library", missing)
    sounds, why = pipeline.available_sounds()
    assert sounds == BUILTIN
    assert "apt install fluidsynth" in why
    monkeypatch.setattr(pipeline, "load_library", lambda: None)
    monkeypatch.setattr(pipeline, "installed_soundfonts", list)
    assert pipeline.available_sounds()[0] == BUILTIN
    monkeypatch.setattr(pipeline, "installed_soundfonts", lambda: [tmp_path / "a.sf2"])
    assert pipeline.available_sounds() == (str(tmp_path / "a.sf2"), "")

    assert pipeline.available_teacher() == "embedded"
    home = tmp_path / "home" / "weights"
    home.mkdir(parents=True)
    (home / "yamnet.safetensors").touch()
    (home / "weights.json").write_text(json.dumps({"yamnet": {"file": "yamnet.safetensors"}}))
    assert pipeline.available_teacher() == "yamnet"
