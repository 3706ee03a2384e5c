"""`darktimbre train --evaluate-every`: curves beside a run that is the same without them, and the best state kept."""

import errno
import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tests.training.tiny import NAMES, FakeTagger, make_corpus, tiny_recipe, warm_recipe
from typer.testing import CliRunner, Result

from darktimbre import teachers
from darktimbre.bundle.bundle import Bundle
from darktimbre.cli import console
from darktimbre.cli.main import app
from darktimbre.corpus.corpus import Corpus
from darktimbre.evaluation import validation
from darktimbre.notes.errors import UserError
from darktimbre.pipelines import validation as pipeline
from darktimbre.pipelines.validation_record import Record
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.tagging.store import Tags
from darktimbre.training import checkpoint
from darktimbre.training.recipe import dump_recipe
from darktimbre.training.tasks.gan import GanTask
from darktimbre.training.trainer import Options


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    splits = ("train", "train", "train", "valid", "test")
    return make_corpus(tmp_path_factory.mktemp("corpora") / "tiny", 40, splits=splits).path


@pytest.fixture(autouse=True)
def _cheap_teacher(monkeypatch, tmp_path):
    monkeypatch.setattr(teachers, "load", lambda name, device="cpu", weights=None: FakeTagger())
    monkeypatch.setenv("DARKTIMBRE_HOME", str(tmp_path / "home"))


def recipe_file(folder: Path, *, warm: bool = True, **changes) -> Path:
    path = folder / ("warm.yaml" if warm else "grows.yaml")
    path.write_text(dump_recipe((warm_recipe if warm else tiny_recipe)(**changes)), encoding="utf-8")
    return path


def train(recipe: Path, corpus: Path, run: Path, *more: object, fails: bool = False) -> Result:
    words = ["train", recipe, "--corpus", corpus, "--run", run, "--accelerator", "cpu", *more]
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert fails or result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def words(result: Result) -> str:
    return " ".join(result.output.split())


def state(run: Path) -> tuple[bytes, bytes]:
    return (checkpoint.listing(run)[-1] / checkpoint.TENSORS).read_bytes(), (run / "journal.jsonl").read_bytes()


WATCHED = ("--evaluate-every", 24, "--keep-best", "attribute-correlation")


@pytest.fixture(scope="module", params=["warm", "grows"])
def watched(request, corpus, tmp_path_factory):
    """A whole run with evaluations: (kind, folder, what was said)."""
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(teachers, "load", lambda name, device="cpu", weights=None: FakeTagger())
        result = train(recipe_file(folder, warm=request.param == "warm"), corpus, folder / "run", *WATCHED)
    assert result.exit_code == 0, result.output
    return request.param == "warm", folder / "run", words(result)


def test_training_is_the_same_with_and_without_validation(watched, corpus, tmp_path):
    warm, run, _ = watched
    train(recipe_file(tmp_path, warm=warm), corpus, tmp_path / "run")
    assert state(tmp_path / "run") == state(run)
    assert Bundle.from_pretrained(tmp_path / "run" / "bundle").digest == Bundle.from_pretrained(run / "bundle").digest


def test_lines_curves_picture_and_sentences(watched, corpus):
    warm, run, said = watched
    lines = Record(run)
    assert [line["notes_seen"] for line in lines.lines] == [0, 24, 48, 72]
    assert [line["eligible"] for line in lines.lines] == [warm or seen > 48 for seen in (0, 24, 48, 72)]
    assert lines.head is not None
    valid = Corpus.open(corpus).rows("valid")
    assert (lines.head["split"], lines.head["notes"]) == ("valid", len(valid))
    assert set(lines.head["levels"]) == {"untrained", "real"}
    for found in (*lines.lines, *lines.head["levels"].values()):
        assert 0 <= found["pitch_accuracy"] <= 1
        assert all(found[name] is None or -1 <= found[name] <= 1 for name in validation.METRICS)
    assert (run / "evaluations.png").read_bytes()[:4] == b"\x89PNG"
    assert "8 valid notes" in said
    assert "72 notes: attribute correlation" in said
    assert "that is 3 of them" in said
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    curve = events.Scalars("evaluation/pitch accuracy")
    assert [point.step for point in curve] == [0, 24, 48, 72]
    assert {"evaluation/pitch accuracy (real)", "evaluation/attribute correlation"} <= set(events.Tags()["scalars"])


def test_best_is_the_instrument_of_the_best_line_and_records_how_it_was_chosen(watched):
    warm, run, said = watched
    best = Bundle.from_pretrained(run / "best", discriminator=True)
    chosen = best.config["provenance"]["chosen_by"]
    grown = [line for line in Record(run).lines if warm or line["notes_seen"] > 48]
    top = max(grown, key=lambda line: (line["attribute_correlation"], -line["notes_seen"]))
    assert chosen == {
        "metric": "attribute_correlation", "value": top["attribute_correlation"], "split": "valid",
        "notes_seen": top["notes_seen"],
    }  # fmt: skip
    assert best.config["provenance"]["notes_seen"] == top["notes_seen"]
    assert best.discriminator is not None
    Synthesizer.from_pretrained(run / "best").render(seed=1)
    assert ("bundle and best are the same state" in said) == (top["notes_seen"] == 72)
    assert ("best is the state after" in said) == (top["notes_seen"] != 72)


def test_resumed_evaluations_equal_uninterrupted_ones(watched, corpus, tmp_path, monkeypatch):
    warm, whole, _ = watched
    original = GanTask.step

    def crash(self, state):
        if state.step >= 7:
            raise RuntimeError("the power is cut")
        return original(self, state)

    recipe, run = recipe_file(tmp_path, warm=warm), tmp_path / "run"
    with monkeypatch.context() as patched:
        patched.setattr(GanTask, "step", crash)
        result = train(recipe, corpus, run, *WATCHED, fails=True)
    assert str(result.exception) == "the power is cut"
    assert len(Record(run).lines) >= 2  # later than the checkpoint, or as late
    result = train(recipe, corpus, run, "--resume", *WATCHED)
    assert result.exit_code == 0, result.output
    for name in ("evaluations.jsonl", "best/config.json", "best/model.safetensors", "evaluations.png"):
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name


def test_after_an_interruption_only_what_could_be_kept_is_to_be_beaten(tmp_path):
    """`best/` of later notes goes; a validation before full size, however good, does not count."""
    callback = pipeline.NoteValidation(Options(corpus=tmp_path, run=tmp_path), None, 24, "pitch_accuracy", print)
    callback.record.start({"levels": {}})
    for seen, eligible, value in ((24, False, 0.9), (48, True, 0.2), (72, True, 0.3)):
        callback.record.add({"notes_seen": seen, "eligible": eligible, "pitch_accuracy": value})

    def resumed(at: int, best: int) -> float | None:
        (tmp_path / "best").mkdir(exist_ok=True)
        chosen = {"metric": "pitch_accuracy", "value": 0.5, "notes_seen": best}
        (tmp_path / "best/config.json").write_text(json.dumps({"provenance": {"chosen_by": chosen}}))
        callback._recall_best(SimpleNamespace(run=tmp_path, notes_seen=at))  # type: ignore[arg-type]
        return callback._best

    assert resumed(at=72, best=72) == 0.5
    assert (tmp_path / "best").is_dir()
    assert resumed(at=72, best=96) == 0.3
    assert not (tmp_path / "best").exists()
    callback.record.cut(24)
    assert resumed(at=24, best=96) is None


def test_torn_last_line_is_gone_for_good_after_resuming(tmp_path):
    lines = Record(tmp_path)
    lines.start({"levels": {}})
    lines.add({"notes_seen": 0})
    with lines.path.open("ab") as file:
        file.write(b'{"notes_se')
    again = Record(tmp_path)
    again.cut(0)
    again.add({"notes_seen": 24})
    assert Record(tmp_path).lines == [{"notes_seen": 0}, {"notes_seen": 24}]
    before = lines.path.stat().st_mtime_ns
    Record(tmp_path).cut(24)  # nothing to forget, nothing written
    assert lines.path.stat().st_mtime_ns == before


@pytest.mark.parametrize("where", ["reading", "writing"])
def test_only_a_failure_to_write_is_reported_as_one_to_save_the_run(where, corpus, tmp_path, monkeypatch):
    def broken(*_, **__):
        raise OSError(errno.EIO, "Input/output error")

    places = {"reading": (validation.Validation, "trained"), "writing": (pipeline, "draw")}
    monkeypatch.setattr(*places[where], broken)
    result = train(recipe_file(tmp_path), corpus, tmp_path / "run", *WATCHED, fails=True)
    assert result.exit_code != 0
    assert isinstance(result.exception, OSError) == (where == "reading")
    assert ("The run could not be saved" in words(result)) == (where == "writing")


def test_ctrl_c_interrupts_a_validation_at_once_and_resuming_makes_up_for_it(watched, corpus, tmp_path, monkeypatch):
    warm, whole, _ = watched
    recipe, run, made = recipe_file(tmp_path, warm=warm), tmp_path / "run", 0
    original = validation.TeacherExtractor.extract
    monkeypatch.setattr(validation, "BATCH", 2)

    def extract(self, waves, rate):
        nonlocal made
        made += 1
        if made == 17:  # two for the cost, four blocks each of two levels and of the first validation: in the second
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, waves, rate)

    with monkeypatch.context() as patched:
        patched.setattr(validation.TeacherExtractor, "extract", extract)
        result = train(recipe, corpus, run, *WATCHED)
    assert result.exit_code == 130
    assert made == 17
    assert "was interrupted" in words(result)
    assert checkpoint.load_latest(run)[0].notes_seen == 24
    assert [line["notes_seen"] for line in Record(run).lines] == [0]
    assert train(recipe, corpus, run, "--resume", *WATCHED).exit_code == 0
    assert [line["notes_seen"] for line in Record(run).lines] == [0, 24, 48, 72]
    assert state(run) == state(whole)


def test_run_started_without_can_be_resumed_with_validation(corpus, tmp_path):
    recipe, run = recipe_file(tmp_path), tmp_path / "run"
    assert train(recipe, corpus, run, "--minutes", 0).exit_code == 0
    assert train(recipe, corpus, run, "--resume", *WATCHED).exit_code == 0
    assert [line["notes_seen"] for line in Record(run).lines] == [24, 48, 72]


def test_baseline_without_attributes_needs_no_teacher(corpus, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise UserError("no weights")

    monkeypatch.setattr(teachers, "load", refuse)
    data = tiny_recipe().data.model_dump(mode="json") | {"attributes": 0}
    recipe = recipe_file(tmp_path, data=data)
    result = train(recipe, corpus, tmp_path / "run", "--evaluate-every", 40)
    assert result.exit_code == 0, result.output
    assert set(Record(tmp_path / "run").lines[0]) == {"notes_seen", "eligible", "pitch_accuracy"}
    result = train(recipe, corpus, tmp_path / "other", *WATCHED)
    assert result.exit_code == 2
    assert "--keep-best attribute-correlation: for this recipe there are pitch-accuracy." in words(result)


def test_what_is_missing_is_refused_before_training_starts(corpus, tmp_path, monkeypatch):
    recipe, run = recipe_file(tmp_path), tmp_path / "run"

    def refused(*more, on=corpus) -> str:
        result = train(recipe, on, run, *more)
        assert result.exit_code == 2, result.output
        assert not run.exists()
        return words(result)

    assert "say how often with --evaluate-every" in refused("--keep-best", "pitch-accuracy")
    assert "there are attribute-correlation, logit-correlation, probe-correlation" in refused(
        "--evaluate-every", 8, "--keep-best", "fad"
    )
    unheld = make_corpus(tmp_path / "unheld").path
    assert "has no note in its valid split" in refused("--evaluate-every", 8, on=unheld)

    class Other(FakeTagger):
        digest = "f" * 64

    monkeypatch.setattr(teachers, "load", lambda name, device="cpu", weights=None: Other())
    assert "Give the right --weights" in refused("--evaluate-every", 8)

    def missing(*_, **__):
        raise UserError("The weights of yamnet are not on this machine.")

    monkeypatch.setattr(teachers, "load", missing)
    assert "are not on this machine" in refused("--evaluate-every", 8)


@pytest.mark.parametrize("splits", [("train", "valid"), ("train", "valid", "test")])
def test_choosing_where_nothing_is_left_to_evaluate_on_is_said(splits, tmp_path, capsys):
    corpus = make_corpus(tmp_path / "corpus", splits=splits).path
    options = Options(corpus=corpus, run=tmp_path / "run", accelerator="cpu")
    found = pipeline.validation_for(
        warm_recipe(), options, console, pipeline.Flags(every=24, keep_best="pitch-accuracy")
    )
    assert found is not None
    said = " ".join(capsys.readouterr().out.split())
    assert ("holds no test notes to evaluate it on" in said) == ("test" not in splits)


def test_another_metric_is_refused_on_resuming(watched, corpus, tmp_path):
    warm, run, _ = watched
    recipe = recipe_file(tmp_path, warm=warm)
    result = train(recipe, corpus, run, "--resume", "--evaluate-every", 24, "--keep-best", "pitch-accuracy")
    assert result.exit_code == 2
    assert "was chosen by attribute correlation: resume with --keep-best attribute-correlation" in words(result)


def test_correlation_is_that_of_soft_labels_at_the_instruments_temperature(watched, corpus):
    """Against a plain computation from the instrument's own sounds."""
    _, run, _ = watched
    instrument = Synthesizer.from_pretrained(run / "bundle")
    measured = validation.Validation.of_valid_notes(Corpus.open(corpus), instrument.attributes, FakeTagger())
    found = measured.trained(instrument).metrics()
    rows = measured.target.rows
    waves = instrument.waves(measured.target.condition, instrument.latents(0, len(rows)))
    predicted = FakeTagger().logits(torch.from_numpy(waves)).half().float()
    target = torch.from_numpy(Tags.open(corpus, "yamnet").logits(rows))
    at = instrument.attributes.temperature
    pairs = [((target / at).sigmoid(), (predicted / at).sigmoid()), (target, predicted)]
    for (x, y), name in zip(pairs, ("attribute_correlation", "logit_correlation"), strict=True):
        each = [float(np.corrcoef(x[:, i].numpy(), y[:, i].numpy())[0, 1]) for i in range(len(NAMES))]
        assert found[name] == pytest.approx(np.mean(each), abs=1e-3)
