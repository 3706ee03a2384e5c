"""Every recipe for digits, shrunk, runs digits → steps → checkpoint → resume → model → grid, at the command line."""

import json

import matplotlib.image
import pytest
from tests.training.digits import make_pictures
from typer.testing import CliRunner

from darktimbre.bundle.pictures import PictureClassifier, PictureGan
from darktimbre.cli.main import app
from darktimbre.pipelines import validation
from darktimbre.training import checkpoint
from darktimbre.training.recipe import load_recipe, recipe_names
from darktimbre.training.tasks.base import task_of


def shrunk(recipe):
    return task_of(recipe).shrunk(recipe)


GANS = [name for name in recipe_names() if load_recipe(name).task == "picture-gan"]


@pytest.fixture(autouse=True)
def _fewer_scored(monkeypatch):
    monkeypatch.setattr(validation, "SCORED", 500)
    monkeypatch.setattr(validation, "PREVIEWED", 100)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_pictures(tmp_path_factory.mktemp("pictures") / "bars").path


@pytest.fixture(scope="module")
def classifier(corpus, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "classifier"
    status, said = train("digits-classifier", "--smoke", "--corpus", corpus, "--run", run)
    assert status == 0, said
    assert "The classifier is in" in said
    return run / "bundle"


def train(*arguments) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["train", *map(str, arguments), "--accelerator", "cpu"])
    return result.exit_code, " ".join(result.output.split())


@pytest.mark.parametrize("name", GANS)
def test_recipe_runs_resumes_and_leaves_scores_and_pictures(name, corpus, classifier, tmp_path):
    options = ["--smoke", "--corpus", corpus, "--classifier", classifier]
    status, said = train(name, *options, "--run", tmp_path / "whole")
    assert status == 0, said
    assert train(name, *options, "--run", tmp_path / "parts", "--minutes", "0")[0] == 0
    status, said = train(name, *options, "--run", tmp_path / "parts", "--resume")
    assert status == 0, said
    states = [checkpoint.listing(tmp_path / run)[-1] / checkpoint.TENSORS for run in ("whole", "parts")]
    assert states[0].read_bytes() == states[1].read_bytes()
    for file in ("evaluations.jsonl", "scores.json", "digits.png"):
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "parts" / file).read_bytes(), file
    whole = tmp_path / "whole"
    assert matplotlib.image.imread(whole / "digits.png").shape[0] > 100
    assert matplotlib.image.imread(whole / "losses.png").shape[1] > 400
    assert len(list((whole / "previews").iterdir())) == 1
    scores = json.loads((whole / "scores.json").read_text())
    assert scores["generated"]["pictures"] == 500
    assert ("accuracy" in scores["generated"]) == (name == "digits-conditional")
    assert sum(scores["shares"].values()) == pytest.approx(1, abs=1e-3)
    model = PictureGan.from_pretrained(whole / "bundle")
    assert model.conditional == (name == "digits-conditional")
    assert "trained on real pictures alone" in (whole / "bundle" / "README.md").read_text()
    assert model.config["metrics"]["judged"]


def test_classifier_is_trained_once_beside_the_corpus(tmp_path, monkeypatch):
    from darktimbre.training import recipe as reading

    corpus = make_pictures(tmp_path / "bars").path
    short = shrunk(reading.load_recipe("digits-classifier"))
    original = reading.load_recipe
    monkeypatch.setattr(
        validation, "load_recipe", lambda name, sets=(): short if name == "digits-classifier" else original(name, sets)
    )
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(reading.dump_recipe(shrunk(original("digits-dcgan"))), encoding="utf-8")
    status, said = train(recipe, "--corpus", corpus, "--run", tmp_path / "a")
    assert status == 0, said
    assert "First a classifier of digits is trained" in said
    assert PictureClassifier.from_pretrained(corpus / "classifier" / "bundle").classes == ("0", "1", "2")
    status, said = train(recipe, "--corpus", corpus, "--run", tmp_path / "b")
    assert status == 0, said
    assert "First a classifier" not in said


def test_mistakes_are_named(corpus, classifier, tmp_path):
    other = make_pictures(tmp_path / "other", classes=2).path
    for arguments, sentence in (
        (["digits-dcgan", "--corpus", other, "--classifier", classifier], "distinguishes 0, 1, 2, the corpus has 0, 1"),
        (["digits-dcgan", "--corpus", corpus, "--classifier", tmp_path], "There is no picture-classifier in"),
        (["digits-classifier", "--corpus", corpus, "--classifier", classifier], "--classifier scores the digits"),
        (["digits-dcgan", "--corpus", corpus, "--keep-best", "logit-correlation"], "--keep-best is for instruments"),
    ):
        status, said = train(*arguments, "--run", tmp_path / "run")
        assert status == 2, said
        assert sentence in said
        assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", [*GANS, "digits-classifier"])
def test_dry_run_prints_sizes(name, corpus):
    status, said = train(name, "--dry-run", "--corpus", corpus)
    assert status == 0, said
    assert "36 of 60 pictures of bars are trained on" in said
    assert "parameters" in said
    assert "about" in said
