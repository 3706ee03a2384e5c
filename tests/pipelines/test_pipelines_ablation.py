"""`darktimbre experiment wae-ablation`: its plan; on tiny networks whole, from the cache, and cut short."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.evaluation.styled_tones import styled_corpus
from typer.testing import CliRunner, Result

from darktimbre.cli.main import app
from darktimbre.evaluation import latent_pictures
from darktimbre.evaluation.latents import LatentStudy
from darktimbre.measures import probes
from darktimbre.notes.errors import UserError
from darktimbre.pipelines import experiment as pipeline
from darktimbre.pipelines import experiment_plans
from darktimbre.pipelines.experiment_plans import WAE, Experiment, Request, Sounds, Variant, experiment_of
from darktimbre.training.recipe import difference, load_recipe

AUTOENCODER = """
name: tiny
task: autoencoder
data:
  seconds: 0.5
  codec: {kind: mel-logmag, n_fft: 256, hop: 64, mel_bands: 32, frames: 64}
network:
  encoder_widths: [4, 4, 4, 4, 4]
  decoder_widths: [4, 4, 4, 4, 4]
  dense: [8, 8]
  embedding: 4
  partial_width: 4
  harmonics: 8
  discriminator_width: 8
autoencoder: {prior: {directions: 4}}
optimiser: {betas: [0.9, 0.99]}
schedule: [{notes: 24, batch: 4}]
precision: fp32
checkpoint_every: 12
preview_every: 12
journal_every: 8
"""

CLASSIFIER = """
name: of-styles
task: inception
data: {pitches: null, attributes: 0, families: styles}
inception: {stem: 6, widths: [16], embedding: 16, semitones: 0, dropout: 0.1}
schedule: [{notes: 32, batch: 8}]
precision: fp32
checkpoint_every: 16
preview_every: 0
journal_every: 16
"""

COUNTS = ("latents=150", "real=12", "prior=6", "swaps=6", "mixtures=2", "steps=3", "reconstructions=6", "inversions=2")


def design(folder: Path):
    for name, text in (("tiny", AUTOENCODER), ("classifier", CLASSIFIER)):
        (folder / f"{name}.yaml").write_text(text)

    def designed(request: Request) -> Experiment:
        settings = {"wae-style": "{}", "wae-class-prior": "{kind: class-sliced, directions: 4}"}
        models = [
            Variant(f"{row}, seed 0", str(folder / "tiny.yaml"), (f"name={row}", f"autoencoder.prior={prior}"), row=row)
            for row, prior in settings.items()
        ]
        classifier = Variant("classifier", str(folder / "classifier.yaml"), role="classifier")
        return Experiment("wae-ablation", "a test", (Sounds("notes"),), (classifier, *models), report="latents")

    return designed


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path, str]]:
    """A whole experiment: its folder, its corpus, what was printed."""
    folder = tmp_path_factory.mktemp("ablation")
    corpus = styled_corpus(folder / "corpus").path
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probes, "PASSES", 5)
        patch.setattr(latent_pictures, "DRAWN", 40)
        patch.setattr(latent_pictures, "FRAMES", 2)
        patch.setattr(pipeline, "estimate_times", lambda runs, device: None)
        patch.setitem(experiment_plans.EXPERIMENTS, "wae-ablation", design(folder))
        result = call(folder, corpus)
        assert result.exit_code == 0, result.output
        yield folder, corpus, " ".join(result.output.split())


def call(folder: Path, corpus: Path, *more: object) -> Result:
    words: list[object] = ["experiment", "wae-ablation", "--corpus", corpus, "--runs", folder / "runs"]
    words += ["--out", folder / "out", "--accelerator", "cpu", "--quick"]
    words += [part for count in COUNTS for part in ("--set", count)]
    result = CliRunner().invoke(app, [str(word) for word in (*words, *more)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_a_report_of_all_models(whole: tuple[Path, Path, str]) -> None:
    folder, _, printed = whole
    out = folder / "out"
    assert "report.html" in printed
    data = json.loads((out / "report.json").read_text(), parse_constant=pytest.fail)
    assert list(data["rows"]) == ["wae-style", "wae-class-prior"]
    assert data["waiting"] == []
    assert {one["claim"] for one in data["claims"]} >= {"WAE-style does not follow its style input"}
    ways = {one["name"] for one in data["models"]["wae-style, seed 0"]["inversions"]}
    assert {"griffin-lim", "phase-gradient"} <= ways
    assert (out / "scatter.html").is_file()
    assert {"t-sne", "latents", "reconstructions", "control"} == {one.stem for one in (out / "figures").glob("*.png")}
    text = (out / "report.md").read_text()
    assert "A\\*" in text or "A*" in text
    assert "leakage of style" in text


def test_the_same_command_measures_nothing_again(
    whole: tuple[Path, Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, corpus, _ = whole
    before = (folder / "out" / "report.json").read_bytes()
    monkeypatch.setattr(LatentStudy, "measure", lambda *given, **more: pytest.fail("measured again"))
    assert call(folder, corpus).exit_code == 0
    assert (folder / "out" / "report.json").read_bytes() == before


def test_when_the_time_is_up_the_trained_ones_are_reported(whole: tuple[Path, Path, str], tmp_path: Path) -> None:
    folder, corpus, _ = whole
    copied = Path(shutil.copytree(folder / "runs", tmp_path / "runs"))
    shutil.rmtree(next(copied.glob("wae-class-prior-*")))
    (tmp_path / "out").mkdir()
    result = call(tmp_path, corpus, "--minutes", 0)
    assert result.exit_code == 0
    assert "Until then, those that are trained are reported." in " ".join(result.output.split())
    data = json.loads((tmp_path / "out" / "report.json").read_text())
    assert list(data["rows"]) == ["wae-style"]
    assert data["waiting"] == ["wae-class-prior, seed 0"]


def test_refusals(whole: tuple[Path, Path, str], tmp_path: Path) -> None:
    folder, _, _ = whole
    one = styled_corpus(tmp_path / "one", styles=("dull",)).path
    assert "nothing to tell apart" in " ".join(call(folder, one).output.split())
    assert "--set takes counts" in " ".join(call(folder, one, "--set", "priors=4").output.split())


# ----------------------------------------------------------------------------
# The plan


def plan(**given: object) -> Experiment:
    return experiment_of(Request(name="wae-ablation", out=Path("out"), **given))  # type: ignore[arg-type]


@pytest.fixture
def untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(experiment_plans.EXPERIMENTS, "wae-ablation", experiment_plans.wae_ablation)


@pytest.mark.usefixtures("untouched")
def test_every_model_by_seeds_and_two_classifiers_of_different_kinds() -> None:
    found = plan(seeds=2)
    models = [one for one in found.variants if one.role == "instrument"]
    assert [one.row for one in models] == 2 * [*WAE, "wae-class-prior, 16 dimensions"]
    assert [one.resolved().seed for one in models] == 6 * [0] + 6 * [1]
    assert len({one.title for one in models}) == 12
    first, second = (one.resolved() for one in found.variants if one.role == "classifier")
    assert first.data.families == second.data.families == "styles"
    changed = " ".join(difference(first, second))
    assert all(key in changed for key in ("windows", "widths", "seed"))
    assert found.sounds[0].grid == "strings"


@pytest.mark.usefixtures("untouched")
def test_shorter_trainings_keep_their_proportions() -> None:
    plain, short = load_recipe("wae-fader", ()), plan(notes=1600).variants[5].resolved()
    part = 1600 / sum(one.notes for one in plain.schedule)
    assert sum(one.notes for one in short.schedule) == 1600
    assert short.optimiser.decay_notes == round(part * plain.optimiser.decay_notes)
    quick = plan(quick=True)
    assert sum(one.role == "instrument" for one in quick.variants) == len(WAE) + 1
    assert any("one seed" in one for one in quick.remarks)
    given = plan(classifier=Path("mine"))
    assert all(one.role == "instrument" for one in given.variants)


@pytest.mark.usefixtures("untouched")
def test_impossible_plans_are_refused() -> None:
    with pytest.raises(UserError, match="at least one seed"):
        plan(seeds=0)
    with pytest.raises(UserError, match="sizes of the latent"):
        plan(latents=(0,))
