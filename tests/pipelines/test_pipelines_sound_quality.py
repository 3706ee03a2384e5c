"""`experiment sound-quality`: its variants fit the starter and cost alike; a tiny one is trained and compared."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.bundle.tiny import PITCHES
from tests.evaluation.band_tones import FAMILIES, band_tones
from tests.pipelines.test_pipelines_experiment import TINY, cheap, unevaluated
from tests.training.tiny import run
from typer.testing import CliRunner

from darktimbre.bundle.bundle import Bundle
from darktimbre.bundle.classifier import NoteClassifier
from darktimbre.cli.main import app
from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.writer import CorpusWriter
from darktimbre.models.inception import InceptionConfig
from darktimbre.models.progressive import Generator
from darktimbre.notes.errors import UserError
from darktimbre.notes.note import Note
from darktimbre.pipelines import experiment_plans
from darktimbre.pipelines.experiment_plans import Request, experiment_of, task_macs
from darktimbre.tagging.ranking import choose
from darktimbre.tagging.store import Tags
from darktimbre.tagging.tag import tag_corpus
from darktimbre.teachers.embedded import EmbeddedTagger
from darktimbre.training.recipe import load_recipe
from darktimbre.training.tasks.note_generator import misfits

REQUEST = Request(name="sound-quality", out=Path("out"), teacher="embedded", seeds=2)


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Two notes, tagged by the embedded teacher."""
    path = tmp_path_factory.mktemp("corpora") / "two"
    with CorpusWriter(path, sample_rate=16_000, samples=16_000, name="two", licence="CC0") as writer:
        for number in range(2):
            note = Note(id=f"n{number}", instrument="i", origin="made", seconds=1.0, pitch=60 + number)
            writer.add(note, (0.1 * np.sin(np.arange(16_000) * 0.1 * (1 + number))).astype(np.float32))
    tag_corpus(Corpus.open(path), EmbeddedTagger.load())
    return Corpus.open(path)


def test_variants_fit_the_starter_and_have_names_of_their_own(tagged):
    starter = Bundle.from_pretrained("starter", discriminator=True)
    variants = [one for one in experiment_of(REQUEST).variants if one.role == "instrument"]
    assert len({one.title for one in variants}) == len({one.resolved().name for one in variants}) == len(variants)
    assert len({one.row for one in variants}) == len(variants) // 2  # two seeds
    for variant in variants:
        recipe = variant.resolved()
        if variant.init_from is None:
            assert recipe.init == "scratch"
        else:
            assert next(misfits(recipe, starter, tagged), None) is None, variant.title


def test_rows_follow_the_start_and_what_it_has_is_no_variant(tmp_path):
    """A starter with partials by number, other pitch classes and no discriminator."""
    old = Bundle.from_pretrained("starter")
    pitches = tuple(range(36, 85))
    network = old.gan.model_copy(
        update={"pitches": pitches, "harmonics": 64, "modulate": False, "condition": 49 + len(old.attributes.names)}
    )
    network = network.model_copy(update={"heads": network.heads.model_copy(update={"pitch": 49})})
    attributes = {**old.config["attributes"], "pitches": list(pitches)}
    config = {**old.config, "network": network.model_dump(mode="json"), "attributes": attributes}
    Bundle(config, Generator(network).state_dict()).save_pretrained(tmp_path / "new")
    variants = [one for one in experiment_of(replace(REQUEST, start=tmp_path / "new")).variants if one.row]
    rows = {one.row for one in variants}
    assert {"energy, teacher", "modulated stages", "paper's DarkGAN", "paper's GANSynth"} <= rows
    assert not {"partials by number", "adversarial"} & rows
    for variant in variants:
        assert variant.resolved().data.pitch_classes == pitches
        assert (variant.resolved().network.harmonics == 64) != variant.row.startswith("paper's")


def test_variants_cost_alike():
    variants, half = (
        [one.resolved() for one in experiment_of(request).variants if one.role == "instrument"]
        for request in (REQUEST, replace(REQUEST, notes=10_000))
    )
    budgets = [recipe.schedule[0].notes * task_macs(recipe) for recipe in variants]
    assert max(budgets) < 1.01 * min(budgets)
    half = [
        one.resolved() for one in experiment_of(replace(REQUEST, notes=10_000)).variants if one.role == "instrument"
    ]
    for whole, short in zip(variants, half, strict=True):
        assert short.schedule[0].notes == pytest.approx(whole.schedule[0].notes / 2, abs=1)
        assert short.optimiser.decay_notes == pytest.approx(whole.optimiser.decay_notes / 2, abs=1)
    with pytest.raises(UserError, match="at least one seed"):
        experiment_of(replace(REQUEST, seeds=0))


def test_a_tiny_one_trains_from_a_bundle_without_discriminator_and_compares_it(tmp_path, monkeypatch):
    cheap(monkeypatch)
    tiny, corpus, calls = tmp_path / "tiny.yaml", band_tones(tmp_path / "tones"), unevaluated(monkeypatch)
    choose(corpus.path, Tags.open(corpus.path, "fake"), corpus.rows("train"), top=2)
    sound = TINY.replace("name: tiny", "name: tiny\ntask: energy\ndistance: {windows: [32]}").replace(", scale: 2", "")
    tiny.write_text("".join(line for line in sound.splitlines(True) if not line.startswith("objectives")))
    start = run(load_recipe(tiny), corpus.path, tmp_path / "start").bundle
    monkeypatch.setattr(experiment_plans, "BASIS", str(tiny))
    rows = (("energy", str(tiny), ()), ("more", str(tiny), ("energy=2",)))
    monkeypatch.setattr(experiment_plans, "FROM_STARTER", rows)
    monkeypatch.setattr(experiment_plans, "FROM_NOTHING", (("from nothing", ()),))
    monkeypatch.setattr(experiment_plans, "YARDSTICKS", ())
    words = ["experiment", "sound-quality", "--teacher", "fake", "--seeds", 1, "--accelerator", "cpu"]
    network = InceptionConfig(sample_rate=8000, stem=4, widths=(16,), embedding=8)
    classifier = NoteClassifier.untrained(network, samples=corpus.samples, pitches=PITCHES, families=FAMILIES)
    classifier.save_pretrained(tmp_path / "classifier")
    words += [
        "--start",
        start,
        "--classifier",
        tmp_path / "classifier",
        "--runs",
        tmp_path / "runs",
        "--corpus",
        corpus.path,
    ]
    result = CliRunner().invoke(app, [str(word) for word in [*words, "--out", tmp_path / "out"]])
    assert result.exit_code == 0, result.output
    ((first, place), *others) = calls[0]["bundles"]
    assert (first, place) == ("starter", str(start))
    assert [title for title, _ in others] == ["energy", "more", "from nothing"]
    origins = [Bundle.from_pretrained(bundle).config["provenance"].get("begun from") for _, bundle in others]
    digest = Bundle.from_pretrained(start).digest[:16]
    assert origins == [f"bundle {digest}", f"bundle {digest}", None]
