"""`darktimbre experiment mode-seeking` on tiny networks: one setting a variant, one start, a report."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.bundle.tiny import PITCHES
from tests.evaluation.band_tones import FAMILIES, band_tones
from tests.pipelines.test_pipelines_experiment import TINY, cheap
from typer.testing import CliRunner, Result

from darktimbre.bundle.classifier import NoteClassifier
from darktimbre.cli.main import app
from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.writer import CorpusWriter
from darktimbre.evaluation.diversity_report import TRADE
from darktimbre.evaluation.results import Evaluation
from darktimbre.models.inception import InceptionConfig
from darktimbre.notes.errors import UserError
from darktimbre.notes.note import Note
from darktimbre.pipelines.experiment_plans import AGAIN, WITHOUT, Request, experiment_of, numbers_of
from darktimbre.pipelines.experiment_runs import Start, digest_of, recipe_on
from darktimbre.tagging.ranking import choose
from darktimbre.tagging.store import Tags
from darktimbre.training.recipe import difference, load_recipe
from darktimbre.training.tasks import gan
from darktimbre.training.tasks.base import Plan

WARM = TINY.replace("  bands: 4\n", "  bands: 4\n  posterior: true\n") + "warm_start: {notes: 16, batch: 4}\n"
VARIANTS = [WITHOUT, "mode seeking 0.5", "no minibatch deviation", "pac 2", AGAIN]
SETTINGS = [
    ("ms0.5", "mode_seeking"), ("no-deviation", "minibatch_stddev"), ("pac2", "pac"), ("without-again", "seed")
]  # fmt: skip
COUNTS = ("notes=24", "reference=24", "latents=3", "conditions=2", "pitches=1", "subset_size=8", "resamples=20")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory):
    """A whole experiment: (folder, its corpus, what was said)."""
    folder = tmp_path_factory.mktemp("mode-seeking")
    corpus = band_tones(folder / "tones")
    choose(corpus.path, Tags.open(corpus.path, "fake"), corpus.rows("train"), top=2)
    (folder / "warm.yaml").write_text(WARM)
    network = InceptionConfig(sample_rate=8000, stem=4, widths=(16,), embedding=8)
    NoteClassifier.untrained(
        network, samples=corpus.samples, pitches=PITCHES, families=FAMILIES
    ).save_pretrained(folder / "classifier")  # fmt: skip
    with pytest.MonkeyPatch.context() as patched:
        cheap(patched)
        result = call(folder, corpus.path)
    assert result.exit_code == 0, result.output
    return folder, corpus.path, " ".join(result.output.split())


def call(folder: Path, corpus: Path, *more: object) -> Result:
    words: list[object] = ["experiment", "mode-seeking", "--recipe", folder / "warm.yaml", "--teacher", "fake"]
    words += ["--corpus", corpus, "--runs", folder / "runs", "--out", folder / "out", "--mode-seeking", "0.5"]
    words += ["--accelerator", "cpu", "--notes", 16, "--no-fad", "--quick", "--classifier", folder / "classifier"]
    words += [part for count in COUNTS for part in ("--set", count)]
    result = CliRunner().invoke(app, [str(word) for word in (*words, *more)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def runs_in(folder: Path) -> dict[str, Path]:
    return {path.name.rpartition("-")[0]: path for path in (folder / "runs").iterdir()}


def test_variants_continue_from_one_start_and_differ_in_one_setting(whole) -> None:
    folder, _, _ = whole
    runs = runs_in(folder)
    tiny = {"start", "without", "ms0.5", "no-deviation", "pac2", "without-again"}
    assert set(runs) == {f"tiny-{name}" for name in tiny} | {"start-without-deviation", "start-pac2"}
    plans = {name: Plan.load(path / "run.json") for name, path in runs.items() if name.startswith("tiny-")}
    plain = plans["tiny-without"]
    for name, key in SETTINGS:
        other = plans[f"tiny-{name}"].requested.model_copy(update={"name": plain.requested.name})
        changes = [one.split(":")[0].rpartition(".")[2] for one in difference(plain.requested, other)]
        assert [one for one in changes if one != "init"] == [key]
    assert plain.requested.init == str(runs["tiny-start"] / "bundle")
    assert plans["tiny-no-deviation"].requested.init == str(runs["start-without-deviation"])
    assert plain.requested.warm_start is None
    seen = {
        name: json.loads((path / "bundle" / "config.json").read_text()) for name, path in runs.items() if "tiny" in name
    }
    assert {config["provenance"]["notes_seen"] for config in seen.values()} == {16, 20}  # the start: one step more


def test_second_call_trains_nothing_wherever_the_recipe_is_started_from(whole, monkeypatch) -> None:
    folder, corpus, _ = whole
    cheap(monkeypatch)
    monkeypatch.setattr(gan.GanTask, "step", None)
    before = (folder / "out" / "report.json").read_bytes()
    result = call(folder, corpus)
    assert result.exit_code == 0, result.output
    assert f"All {1 + len(VARIANTS)} variants are trained." in " ".join(result.output.split())
    assert (folder / "out" / "report.json").read_bytes() == before


def test_a_start_of_the_users_own_is_known_by_what_it_holds(whole, tmp_path, monkeypatch) -> None:
    folder, corpus, _ = whole
    cheap(monkeypatch)
    start = runs_in(folder)["tiny-start"] / "bundle"
    copied = shutil.copytree(start, tmp_path / "elsewhere")
    output = " ".join(call(folder, corpus, "--start", start, "--dry-run").output.split())
    assert f"0 of {len(VARIANTS)} variants are done" in output
    digests = [Start.at(place).digest for place in (start, copied)]
    assert digests[0] == digests[1]
    (copied / "discriminator.safetensors").unlink()
    refused = call(folder, corpus, "--start", copied)
    assert refused.exit_code == 2
    assert "holds no discriminator" in refused.output
    with pytest.raises(UserError, match="is without minibatch deviation"):
        Start(start, "", minibatch_stddev=False).fitted(load_recipe(folder / "warm.yaml"), tmp_path)


def test_the_report_can_be_read_by_people_and_by_what_reads_evaluations(whole) -> None:
    folder, _, said = whole
    report = json.loads((folder / "out" / "report.json").read_text())
    assert [one["name"] for one in report["diversity"]] == ["real notes", *VARIANTS]
    assert [variant["setting"]["mode_seeking"] for variant in report["diversity"][1:3]] == [0, 0.5]
    assert [one.name for one in Evaluation.from_json(report).systems] == ["real notes", *VARIANTS]
    page = (folder / "out" / "report.html").read_text()
    assert page.count("<audio") == len(FAMILIES) * (1 + 3 * len(VARIANTS))
    text = (folder / "out" / "report.md").read_text()
    finding = "Two sounds of one condition that differ in the latent alone are"
    for words in (finding, "The same recipe trained again", "NDB/k", "distance at one condition", "Class by class"):
        assert words in text
    assert finding in said
    assert {path.name for path in (folder / "out" / "figures").iterdir()} == {f"{TRADE}.png", f"{TRADE}.svg"}


def test_variants_and_what_is_refused(tmp_path) -> None:
    def choices(scale: str = "small", **more) -> Request:
        return Request(name="mode-seeking", out=tmp_path, scale=scale, **more)

    small, large = (experiment_of(choices(scale)) for scale in ("small", "paper"))
    assert [variant.title for variant in small.variants][:3] == ["classifier", "start", WITHOUT]
    assert {variant.init_from for variant in small.variants[2:]} == {"start"}
    assert "start" not in [variant.title for variant in large.variants]  # the paper's recipe has no warm start
    for experiment in (small, large):
        for variant in experiment.variants:
            assert variant.resolved().name
    (variant,) = (variant for variant in large.variants if variant.title == "mode seeking 0.5")
    assert variant.resolved().objectives.mode_seeking == 0.5
    short = experiment_of(choices("paper", notes=24_840)).variants[1].resolved()
    assert sum(stage.notes for stage in short.schedule) == pytest.approx(24_840, rel=0.001)
    with pytest.raises(UserError, match="inception is of the task inception"):
        experiment_of(choices(recipe="inception"))
    assert numbers_of("0.5,0.05,0.5", "--mode-seeking", (1.0,)) == (0.05, 0.5)


def test_one_shots_of_classes_need_no_tags(tmp_path) -> None:
    with CorpusWriter(tmp_path / "kit", sample_rate=8000, samples=2000, name="kit", split="given") as writer:
        note = Note(id="n", instrument="i", origin="made", seconds=0.25, category="drums", split="train")
        writer.add(note, np.zeros(2000, np.float32))
    experiment = experiment_of(Request(name="mode-seeking", out=tmp_path, recipe="oneshot-classes"))
    assert [variant.recipe for variant in experiment.variants[:2]] == ["oneshot-classifier", "oneshot-classes"]
    assert {variant.resolved().data.teacher for variant in experiment.variants[1:]} == {"classes"}
    variant, corpus = experiment.variants[2], Corpus.open(tmp_path / "kit")
    assert digest_of(recipe_on(variant, corpus), corpus)
