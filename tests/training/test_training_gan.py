"""What an instrument is trained on and started from is decided once, or refused with a remedy."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.training.tiny import NAMES, SAMPLES, FakeTagger, make_corpus, run, tiny_recipe, warm_recipe

from darktimbre.bundle.bundle import Bundle
from darktimbre.corpus.corpus import Corpus
from darktimbre.notes.errors import UserError
from darktimbre.tagging.ranking import choose
from darktimbre.tagging.store import Tags
from darktimbre.tagging.tag import tag_corpus
from darktimbre.training.dataset import choose_attributes, note_dataset
from darktimbre.training.distributed import DistributedContext
from darktimbre.training.tasks import note_generator
from darktimbre.training.tasks.base import Plan
from darktimbre.training.tasks.gan import GanTask


def changed(recipe, **data):
    return recipe.model_copy(update={"data": recipe.data.model_copy(update=data)})


def test_plan_reads_back_equal(tiny_corpus, tmp_path):
    plan = GanTask.make_plan(warm_recipe(), Corpus.open(tiny_corpus))
    plan.save(tmp_path / "run.json")
    assert Plan.load(tmp_path / "run.json") == plan
    (tmp_path / "run.json").write_text(json.dumps({"recipe": {}}))
    with pytest.raises(UserError, match="cannot be read"):
        Plan.load(tmp_path / "run.json")


def test_soft_labels_are_the_stored_logits_at_the_temperature(tiny_corpus):
    corpus = Corpus.open(tiny_corpus)
    plan = GanTask.make_plan(changed(tiny_recipe(), temperature=3.0, attributes=("Flute", "Bell")), corpus)
    dataset = note_dataset(plan.recipe.data, corpus, plan.attributes)
    logits = Tags.open(tiny_corpus, "yamnet").logits(dataset.rows)[:, [2, 0]]
    np.testing.assert_allclose(dataset.soft_labels, 1 / (1 + np.exp(-logits / 3)), rtol=1e-5)
    assert plan.attributes.temperature == 3.0
    assert plan.attributes.teacher_digest == "e" * 64
    np.testing.assert_allclose(dataset.baseline, np.median(dataset.soft_labels, axis=0))


def test_only_rows_of_split_and_pitch_range_are_trained_on(tiny_corpus):
    corpus = Corpus.open(tiny_corpus)
    recipe = changed(tiny_recipe(), pitches=(70, 71))
    dataset = note_dataset(recipe.data, corpus, GanTask.make_plan(recipe, corpus).attributes)
    assert len(dataset.rows) == 20
    assert set(corpus.column("pitch")[dataset.rows]) == {70, 71}
    condition = dataset.condition(np.array([0, 1]))
    assert condition.shape == (2, 5)
    torch.testing.assert_close(condition[:, :2].sum(1), torch.ones(2))


def test_without_pitch_and_attributes_the_condition_is_empty(tiny_corpus):
    corpus = Corpus.open(tiny_corpus)
    recipe = changed(tiny_recipe(), pitches=None, attributes=0)
    dataset = note_dataset(recipe.data, corpus, GanTask.make_plan(recipe, corpus).attributes)
    assert len(dataset.rows) == 30
    assert dataset.condition(np.array([0, 1, 2])).shape == (3, 0)


def test_attributes_come_from_the_ranking_in_its_order(tmp_path):
    corpus = make_corpus(tmp_path / "corpus")
    choose(corpus.path, Tags.open(corpus.path, "yamnet"), corpus.rows("train"), names=["Drum", "Bell", "Flute"])
    assert choose_attributes(changed(tiny_recipe(), attributes=2).data, corpus).names == ("Drum", "Bell")
    with pytest.raises(UserError, match=r"asks for 9 attributes, the corpus ranks 3.*--set data.attributes=3"):
        choose_attributes(changed(tiny_recipe(), attributes=9).data, corpus)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"seconds": 4.0}, r"notes of 4 s, .* holds notes of 0.031 s"),
        (
            {"pitches": (20, 30)},
            r"No note of the train split .* pitch from 20 to 30.* 69 to 71: add --set data.pitches=\[69,71\]",
        ),
        ({"split": "test"}, r"No note of the test split"),
        ({"attributes": ("Bell", "Gong")}, r"Gong"),
        ({"teacher": "cnn14"}, r"cnn14"),
        ({"codec": {"kind": "if", "n_fft": 64, "hop": 16}}, r"network of the recipe makes pictures of \(16, 32\)"),
        ({"codec": {"kind": "iff"}}, r"kind"),
    ],
)
def test_what_does_not_go_together_is_refused(tiny_corpus, data, sentence):
    with pytest.raises(UserError, match=sentence):
        GanTask.make_plan(changed(tiny_recipe(), **data), Corpus.open(tiny_corpus))


def test_without_a_starter_auto_starts_from_scratch_and_says_so(tiny_corpus, monkeypatch):
    monkeypatch.setattr(note_generator, "has_starter", lambda: False)
    plan = GanTask.make_plan(tiny_recipe(init="auto"), Corpus.open(tiny_corpus))
    assert plan.init_from is None
    assert "from scratch" in plan.messages[0]


def test_dataset_keeps_rows_and_labels_aligned(tiny_corpus):
    corpus = Corpus.open(tiny_corpus)
    attributes = choose_attributes(tiny_recipe().data, corpus)
    dataset = note_dataset(tiny_recipe().data, corpus, attributes)
    index = np.array([4, 17])
    np.testing.assert_array_equal(dataset.waves(index).numpy(), corpus.waves(dataset.rows[index]))
    assert dataset.attributes.names == NAMES
    assert Path(dataset.corpus.path) == tiny_corpus
    assert dataset.waves(index).shape == (2, SAMPLES)


# ----------------------------------------------------------------------------
# A bundle is trained on with another teacher's tags where that teacher knows its attributes; what changes is said


class OtherTagger(FakeTagger):
    """The same labels in another order, other weights."""

    name, digest, labels = "embedded", "f" * 64, ("Flute", "Bell", "Drum")


class LackingTagger(FakeTagger):
    """Lacks a label."""

    name, digest, labels = "cnn14", "0" * 64, ("Bell", "Drum", "Gong")


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Corpus, Path]:
    """A corpus tagged by three teachers, and a bundle trained on labels by the first."""
    folder = tmp_path_factory.mktemp("other")
    corpus = make_corpus(folder / "corpus")
    for tagger in (OtherTagger(), LackingTagger()):
        tag_corpus(corpus, tagger)
    outcome = run(warm_recipe(), corpus.path, folder / "run")
    assert outcome.bundle is not None
    return corpus, outcome.bundle


def going_on(bundle: Path, teacher: str):
    """The recipe, from a bundle, by a teacher's tags."""
    recipe = warm_recipe(init=str(bundle))
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"teacher": teacher, "attributes": 3})})


def test_the_same_teacher_changes_nothing_and_nothing_is_said_of_it(tagged) -> None:
    corpus, bundle = tagged
    plan = GanTask.make_plan(going_on(bundle, "yamnet"), corpus)
    assert plan.attributes == Bundle.from_pretrained(bundle).attributes
    assert not any("labels by" in sentence for sentence in plan.messages)


def test_another_teacher_with_all_labels_is_followed_from_here_on(tagged, tmp_path) -> None:
    corpus, bundle = tagged
    recipe = going_on(bundle, "embedded")
    plan = GanTask.make_plan(recipe, corpus)
    before = Bundle.from_pretrained(bundle).attributes
    assert plan.init_from is not None
    assert plan.attributes == replace(before, teacher="embedded", teacher_digest="f" * 64)
    assert any("labels by yamnet" in sentence and "follow embedded" in sentence for sentence in plan.messages)
    said: list[str] = []
    outcome = run(recipe, corpus.path, tmp_path / "run", said)
    assert outcome.bundle is not None
    assert Bundle.from_pretrained(outcome.bundle).attributes == plan.attributes
    assert any("follow embedded" in sentence for sentence in said)


def test_a_teacher_that_lacks_a_label_is_refused(tagged) -> None:
    corpus, bundle = tagged
    with pytest.raises(UserError, match=r"cnn14 has no label 'Flute'.*--from-scratch"):
        GanTask.make_plan(going_on(bundle, "cnn14"), corpus)


def test_a_bundle_replaced_after_the_plan_is_not_started_from(tagged, tmp_path) -> None:
    corpus, trained = tagged
    bundle = Bundle.from_pretrained(trained, discriminator=True)
    place = bundle.save_pretrained(tmp_path / "start")
    task = GanTask(GanTask.make_plan(going_on(place, "yamnet"), corpus), corpus, DistributedContext())
    task.initialise()
    name, tensor = next(iter(bundle.weights.items()))
    replace(bundle, weights=bundle.weights | {name: tensor + 1}).save_pretrained(place)
    with pytest.raises(UserError, match="not there any more: start a new run"):
        task.initialise()
