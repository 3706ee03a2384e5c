"""`darktimbre experiment mode-seeking` on tiny networks: one setting a variant, one start, a report."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.bundle.tiny import PITCHES, tiny_bundle
from tests.evaluation.band_tones import FAMILIES, BandTagger, band_tones
from tests.pipelines.test_pipelines_experiment import TINY
from typer.testing import CliRunner, Result

from darktimbre import teachers
from darktimbre.bundle.bundle import Bundle
from darktimbre.bundle.classifier import NoteClassifier
from darktimbre.cli.main import app
from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.writer import CorpusWriter
from darktimbre.evaluation.conditions import ClassConditions, Conditions, class_names
from darktimbre.evaluation.diversity import Diversity, DiversityStudy
from darktimbre.evaluation.diversity_report import AT_CONDITION, TRADE, compare, summary
from darktimbre.evaluation.profile import QUICK
from darktimbre.evaluation.results import Estimate, Evaluation
from darktimbre.evaluation.systems import Evaluators, Instrument
from darktimbre.models.inception import InceptionConfig
from darktimbre.models.surgery import with_pac, without_minibatch_stddev
from darktimbre.notes.errors import UserError
from darktimbre.notes.note import Note
from darktimbre.pipelines import experiment as pipeline
from darktimbre.pipelines.experiment_plans import AGAIN, WITHOUT, Request, experiment_of, numbers_of
from darktimbre.pipelines.experiment_runs import Start, digest_of, recipe_on
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.tagging.ranking import choose
from darktimbre.tagging.store import Tags
from darktimbre.training.dataset import class_labels, tree_of
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
    tags = Tags.open(corpus.path, "fake")
    choose(corpus.path, tags, corpus.rows("train"), top=2)
    (folder / "warm.yaml").write_text(WARM)
    network = InceptionConfig(sample_rate=8000, stem=4, widths=(16,), embedding=8)
    NoteClassifier.untrained(
        network, samples=corpus.samples, pitches=PITCHES, families=FAMILIES
    ).save_pretrained(folder / "classifier")  # fmt: skip
    with pytest.MonkeyPatch.context() as patched:
        quiet(patched)
        result = call(folder, corpus.path)
    assert result.exit_code == 0, result.output
    return folder, corpus.path, " ".join(result.output.split())


def quiet(patched: pytest.MonkeyPatch) -> None:
    patched.setattr(teachers, "load", lambda name, device="cpu", weights=None: BandTagger())
    patched.setattr(pipeline, "installed_soundfonts", list)
    patched.setattr(pipeline, "estimate_times", lambda runs, device: None)


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


def test_arms_go_on_from_one_start_and_differ_in_one_setting(whole) -> None:
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
    assert {config["provenance"]["notes_seen"] for config in seen.values()} == {
        16,
        20,
    }  # the start has one step of game


def test_second_call_trains_nothing_wherever_the_recipe_is_started_from(whole, monkeypatch) -> None:
    folder, corpus, _ = whole
    quiet(monkeypatch)
    monkeypatch.setattr(gan.GanTask, "step", None)
    before = (folder / "out" / "report.json").read_bytes()
    result = call(folder, corpus)
    assert result.exit_code == 0, result.output
    assert f"All {1 + len(VARIANTS)} variants are trained." in " ".join(result.output.split())
    assert (folder / "out" / "report.json").read_bytes() == before


def test_a_start_of_the_users_own_is_known_by_what_it_holds(whole, tmp_path, monkeypatch) -> None:
    folder, corpus, _ = whole
    quiet(monkeypatch)
    start = runs_in(folder)["tiny-start"] / "bundle"
    copied = shutil.copytree(start, tmp_path / "elsewhere")
    told = " ".join(call(folder, corpus, "--start", start, "--dry-run").output.split())
    assert f"0 of {len(VARIANTS)} variants are done" in told
    digests = [Start.at(place).digest for place in (start, copied)]
    assert digests[0] == digests[1]
    (copied / "discriminator.safetensors").unlink()
    refused = call(folder, corpus, "--start", copied)
    assert refused.exit_code == 2
    assert "holds no discriminator" in refused.output
    with pytest.raises(UserError, match="is without minibatch deviation"):
        Start(start, "", minibatch_stddev=False).fitted(load_recipe(folder / "warm.yaml"), tmp_path)


def refitted(bundle: Bundle, discriminator: dict[str, torch.Tensor], **network: object) -> Bundle:
    """The bundle with another discriminator and the network that goes with it."""
    config = {**bundle.config, "network": {**bundle.config["network"], **network}}
    return Bundle(config, bundle.weights, discriminator)


def test_a_critic_without_deviation_judges_as_before_where_there_is_none(whole) -> None:
    bundle = Bundle.from_pretrained(runs_in(whole[0])["tiny-start"] / "bundle", discriminator=True)
    cut = refitted(bundle, without_minibatch_stddev(bundle.discriminator), minibatch_stddev=False)
    picture = torch.randn(1, 2, *bundle.network.picture_size())  # one note alone deviates from nothing
    critic, other = bundle.critic(), cut.critic()
    assert critic is not None
    assert other is not None
    assert other.config.minibatch_stddev is False
    for mine, theirs in zip(critic(picture), other(picture), strict=True):
        if mine is not None:
            assert torch.allclose(mine, theirs, atol=1e-3)  # the deviation of one is 1e-4


def test_the_report_can_be_read_by_people_and_by_what_reads_evaluations(whole) -> None:
    folder, _, said = whole
    told = json.loads((folder / "out" / "report.json").read_text())
    assert [one["name"] for one in told["diversity"]] == ["real notes", *VARIANTS]
    assert [variant["setting"]["mode_seeking"] for variant in told["diversity"][1:3]] == [0, 0.5]
    assert [one.name for one in Evaluation.from_json(told).systems] == ["real notes", *VARIANTS]
    page = (folder / "out" / "report.html").read_text()
    assert page.count("<audio") == len(FAMILIES) * (1 + 3 * len(VARIANTS))
    text = (folder / "out" / "report.md").read_text()
    finding = "Two sounds of one condition that differ in the latent alone are"
    for words in (finding, "The same recipe trained again", "NDB/k", "distance at one condition", "Class by class"):
        assert words in text
    assert finding in said
    assert {path.name for path in (folder / "out" / "figures").iterdir()} == {f"{TRADE}.png", f"{TRADE}.svg"}


def test_a_critic_with_pac_begins_near_the_mean_of_the_notes_scores(whole) -> None:
    bundle = Bundle.from_pretrained(runs_in(whole[0])["tiny-start"] / "bundle", discriminator=True)
    pictures = torch.randn(64, 2, *bundle.network.picture_size(), generator=torch.Generator().manual_seed(0))
    packs = refitted(bundle, with_pac(bundle.discriminator, bundle.network, 2), pac=2)
    critic, packed = bundle.critic(), packs.critic()
    assert critic is not None
    assert packed is not None
    means = critic(pictures).score.unflatten(0, (-1, 2)).mean(1)
    made = packed(pictures).score
    assert torch.corrcoef(torch.stack([made, means]))[0, 1] > 0.95  # not equal: features are rectified once more
    assert 0.5 < made.std() / means.std() < 2
    assert torch.equal(packed(pictures).pitch_logits, critic(pictures).pitch_logits)


class Varied(Synthesizer):
    """Plays real notes of the condition's pitch: always the same one, or one that the latent picks."""

    corpus: Corpus
    choice: int

    def waves(self, condition, latent, batch_size=16):
        pitch = np.asarray(PITCHES)[np.asarray(condition)[:, : len(PITCHES)].argmax(1)]
        picked = (np.abs(np.asarray(latent)[:, 0]) * 1e4).astype(int) % self.choice
        rows = [np.flatnonzero(self.corpus.column("pitch") == one) for one in pitch]
        return self.corpus.waves(np.array([mine[n] for mine, n in zip(rows, picked, strict=True)]))


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Diversity:
    """A collapsed player, a varied one, and the collapsed one again."""
    folder = tmp_path_factory.mktemp("study")
    corpus = band_tones(folder / "tones", takes=8)

    def player(weight: float, choice: int, name: str) -> Instrument:
        bundle = tiny_bundle(recipe={"objectives": {"mode_seeking": weight}})
        bundle.weights["grid.bias"][0] = len(name)  # what was heard is kept by the weights
        one = Varied(bundle)
        one.corpus, one.choice = corpus, choice
        return Instrument(name, one)

    variants = [player(0.0, 1, WITHOUT), player(1.0, 64, "varied"), player(0.0, 1, AGAIN)]
    profile = replace(QUICK, notes=48, reference=36, latents=8, conditions=3, pitches=2, subset_size=12, neighbours=3)
    study = DiversityStudy(
        variants, corpus, Evaluators(BandTagger(), BandTagger()), folder / "out", profile=profile, fad=False
    )
    return study.compare(AGAIN)


def test_collapse_has_no_variety_and_an_arm_that_follows_its_latent_has(studied) -> None:
    real, without, varied, again = studied.rows
    assert without.at_condition.value == pytest.approx(0, abs=1e-6)
    assert varied.at_condition.value > 0.5
    assert varied.gain.value == pytest.approx(varied.at_condition.value, abs=1e-6)
    assert again.gain.value == pytest.approx(0, abs=1e-6)
    assert real.at_condition.value is None
    assert real.within.value > 0
    assert 0 <= varied.bins.value <= without.bins.value <= 1
    assert [one.name for one in real.classes] == list(FAMILIES)
    score = {one.name: one.scores["train"].coverage.value for one in studied.evaluation.systems}
    assert score["varied"] > score[WITHOUT]


def _verdicts(found: Diversity, name: str) -> dict[str, str]:
    return {one.quantity: one.verdict for one in compare(found) if one.group == name}


def test_the_verdict_on_diversity_is_clear_of_what_another_run_does(studied) -> None:
    assert _verdicts(studied, "varied")[AT_CONDITION] == "better"
    assert "More diverse at no loss of quality that could be measured: varied" in summary(studied) or (
        "More diverse, but worse in quality: varied" in summary(studied)
    )
    real, first, other, again = studied.rows

    def says(gain: Estimate, chance: Estimate) -> str:
        rows = (real, first, replace(other, gain=gain), replace(again, gain=chance))
        return _verdicts(replace(studied, rows=rows), "varied")[AT_CONDITION]

    same = replace(studied, rows=(real, first, replace(other, gain=again.gain), again))
    assert _verdicts(same, "varied")[AT_CONDITION] == "undecided"
    assert "No setting made the sounds of one condition more diverse" in summary(same)
    # Clear of 0, but no further than the same recipe trained again: chance of training may have done it.
    twice = Estimate(0.3, 0.2, 0.4)
    assert says(Estimate(0.25, 0.2, 0.3), twice) == "undecided"
    assert says(Estimate(0.6, 0.55, 0.65), twice) == "undecided"  # no further from that run
    assert says(Estimate(0.7, 0.65, 0.75), twice) == "better"
    assert says(Estimate(-0.4, -0.45, -0.35), twice) == "worse"
    assert "No variant was trained twice" in summary(replace(studied, again=""))


def test_quality_is_worse_only_beyond_the_intervals_and_beyond_what_another_run_does(studied) -> None:
    def says(*values: float, spread: float = 0.01) -> str:
        systems = tuple(
            replace(one, scores={"train": replace(one.scores["train"], precision=Estimate(value, spread=spread))})
            for one, value in zip(studied.evaluation.systems, values, strict=True)
        )
        return _verdicts(replace(studied, evaluation=replace(studied.evaluation, systems=systems)), "varied")[
            "precision"
        ]

    assert says(0.9, 0.8, 0.5, 0.79) == "worse"
    assert says(0.9, 0.8, 0.95, 0.79) == "better"
    assert says(0.9, 0.8, 0.5, 0.79, spread=0.2) == "undecided"
    assert says(0.9, 0.8, 0.5, 0.4) == "undecided"
    assert says(0.9, 0.8, 0.5, 0.6) == "undecided"  # worse than either run, but no further than they are apart


def test_arms_and_what_is_refused(tmp_path) -> None:
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
    with pytest.raises(UserError, match="inception trains something else"):
        experiment_of(choices(recipe="inception"))
    assert numbers_of("0.5,0.05,0.5", "--mode-seeking", (1.0,)) == (0.05, 0.5)
    for text in ("", "0", "-1,2", "much", "inf"):
        with pytest.raises(UserError, match="--mode-seeking takes numbers above 0"):
            numbers_of(text, "--mode-seeking", (1.0,))


def test_an_instrument_of_classes_is_asked_as_it_was_trained(tmp_path) -> None:
    with CorpusWriter(tmp_path / "kit", sample_rate=8000, samples=2000, name="kit", split="given") as writer:
        for number, (category, subcategory) in enumerate((("drums", "kick"), ("drums", "snare"), ("synth", ""))):
            note = Note(
                id=f"n{number}", instrument=f"i{number}", origin="made", seconds=0.25, category=category,
                subcategory=subcategory, split="train",
            )  # fmt: skip
            writer.add(note, np.full(2000, 0.1 * number, np.float32))
    corpus = Corpus.open(tmp_path / "kit")
    rows = corpus.rows()
    attributes = tree_of(corpus, rows)
    asked = Conditions.of(corpus, rows, attributes)
    assert asked.condition.tolist() == class_labels(corpus, attributes.names, rows).tolist()
    kind, names, each = class_names(corpus, attributes)
    assert (kind, names, each.tolist()) == ("class", ("drums/kick", "drums/snare", "synth"), [0, 1, 2])
    one_shots = experiment_of(Request(name="mode-seeking", out=tmp_path, recipe="oneshot-classes"))
    assert [variant.recipe for variant in one_shots.variants[:2]] == ["oneshot-classifier", "oneshot-classes"]
    assert {variant.resolved().data.teacher for variant in one_shots.variants[1:]} == {"classes"}
    variant = one_shots.variants[2]
    assert digest_of(recipe_on(variant, corpus), corpus)  # no tags are asked for


def test_classes_are_categories_then_families_then_what_is_heard_most(tmp_path) -> None:
    corpus = band_tones(tmp_path / "tones", instruments=3)
    attributes = tiny_bundle().attributes
    kind, names, each = class_names(corpus, attributes)
    assert (kind, names) == ("family", FAMILIES)
    assert (np.array(names)[each] == corpus.column("family")).all()
    asked = ClassConditions.chosen(corpus, attributes, conditions=3, pitches=2, seed=1)
    assert all(len(np.unique(corpus.column("pitch")[asked.rows[places]])) == 1 for places in asked.together)
    assert all(len(np.unique(asked.classes[places])) == 1 for places in asked.together)
    assert set(asked.rows) <= set(corpus.rows("train"))
    assert len(set(asked.rows)) == len(asked.rows)
