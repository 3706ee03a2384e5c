"""A bundle is trained on with another teacher's tags where that teacher knows its attributes; what changes is said."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.training.tiny import Ear, make_corpus, warm_recipe

from darktimbre.bundle.bundle import Bundle
from darktimbre.corpus.corpus import Corpus
from darktimbre.notes.errors import UserError
from darktimbre.tagging.tag import tag_corpus
from darktimbre.training.tasks.gan import GanTask
from darktimbre.training.trainer import Options, train


class OtherEar(Ear):
    """The same labels in another order, other weights."""

    name, digest, labels = "embedded", "f" * 64, ("Flute", "Bell", "Drum")


class Deaf(Ear):
    """Lacks a label."""

    name, digest, labels = "cnn14", "0" * 64, ("Bell", "Drum", "Gong")


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> tuple[Corpus, Path]:
    """A corpus tagged by three teachers, and a bundle that learnt from the first."""
    folder = tmp_path_factory.mktemp("other")
    corpus = make_corpus(folder / "corpus")
    for tagger in (OtherEar(), Deaf()):
        tag_corpus(corpus, tagger)
    outcome = train(
        warm_recipe(), Options(corpus=corpus.path, run=folder / "run", accelerator="cpu"), say=lambda _: None
    )
    assert outcome.bundle is not None
    return corpus, outcome.bundle


def going_on(bundle: Path, teacher: str):
    """The recipe, from a bundle, by a teacher's tags."""
    recipe = warm_recipe(init=str(bundle))
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"teacher": teacher, "attributes": 3})})


def test_the_same_teacher_changes_nothing_and_nothing_is_said_of_it(begun) -> None:
    corpus, bundle = begun
    plan = GanTask.make_plan(going_on(bundle, "yamnet"), corpus)
    assert plan.attributes == Bundle.from_pretrained(bundle).attributes
    assert not any("labels by" in sentence for sentence in plan.messages)


def test_another_teacher_with_all_labels_is_followed_from_here_on(begun, tmp_path) -> None:
    corpus, bundle = begun
    recipe = going_on(bundle, "embedded")
    plan = GanTask.make_plan(recipe, corpus)
    before = Bundle.from_pretrained(bundle).attributes
    assert plan.init_from is not None
    assert plan.attributes == replace(before, teacher="embedded", teacher_digest="f" * 64)
    assert any("labels by yamnet" in sentence and "follow embedded" in sentence for sentence in plan.messages)
    said: list[str] = []
    options = Options(corpus=corpus.path, run=tmp_path / "run", accelerator="cpu")
    outcome = train(recipe, options, say=said.append)
    assert outcome.bundle is not None
    assert Bundle.from_pretrained(outcome.bundle).attributes == plan.attributes
    assert any("follow embedded" in sentence for sentence in said)


def test_a_teacher_that_lacks_a_label_is_refused(begun) -> None:
    corpus, bundle = begun
    with pytest.raises(UserError, match=r"cnn14 has no label 'Flute'.*--from-scratch"):
        GanTask.make_plan(going_on(bundle, "cnn14"), corpus)
