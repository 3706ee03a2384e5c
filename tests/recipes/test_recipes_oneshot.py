"""The recipes for one-shots, shrunk: folders → corpus → steps → resume → bundle → a kick where that is asked for."""

from pathlib import Path

import numpy as np
import pytest
from tests.recipes.shrunk import shrunk, trained_whole_and_in_parts
from tests.training.tiny import run

from darktimbre.bundle.classifier import NoteClassifier
from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.writer import CorpusWriter
from darktimbre.evaluation.one_shots import ANYTHING, measure_classes
from darktimbre.notes.note import Note
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.training.recipe import recipe_names

RATE = 16_000
NAMES = ("drums", "synths", "drums/kick", "drums/snare")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight noises in three leaves; the last of each kind is held out."""
    path, random = tmp_path_factory.mktemp("corpora") / "shots", np.random.default_rng(1)
    places = [("drums", "kick")] * 4 + [("drums", "snare")] * 2 + [("synths", None)] * 2
    with CorpusWriter(path, sample_rate=RATE, samples=RATE, name="shots", licence="CC0", split="given") as writer:
        for number, (category, subcategory) in enumerate(places):
            note = Note(
                id=f"n{number}", instrument=f"i{number}", origin="made", seconds=1.0, category=category,
                subcategory=subcategory, split="test" if number in (3, 5, 7) else "train",
            )  # fmt: skip
            writer.add(note, 0.1 * random.standard_normal(RATE) * np.exp(-np.arange(RATE) / (400 * (number + 1))))
    return path


def trained(name: str, corpus: Path, folder: Path) -> Path:
    outcome = run(shrunk(name), corpus, folder)
    assert outcome.bundle is not None
    return outcome.bundle


@pytest.mark.parametrize("name", [name for name in recipe_names() if name.startswith("oneshot-")])
def test_resumed_equals_uninterrupted(name, corpus, tmp_path):
    trained_whole_and_in_parts(name, corpus, tmp_path)


def test_classes_are_sliders_and_the_classifier_scores_them(corpus, tmp_path):
    instrument = Synthesizer.from_pretrained(trained("oneshot-classes", corpus, tmp_path / "instrument"))
    assert instrument.attributes.names == NAMES
    kick, anything = instrument.render(attributes={"drums": 1, "drums/kick": 1}, seed=3), instrument.render(seed=3)
    assert np.isfinite(kick).all()
    assert not np.array_equal(kick, anything)
    classifier = NoteClassifier.from_pretrained(trained("oneshot-classifier", corpus, tmp_path / "classifier"))
    assert classifier.families == ("drums/kick", "drums/snare", "synths")
    found, sounds = measure_classes(instrument, classifier, Corpus.open(corpus), notes=3)
    assert [row.name for row in found.rows] == list(NAMES) == list(sounds)
    assert [row.held_out for row in found.rows] == [2, 1, 1, 1]
    for row in found.rows:
        shares = (row.real, row.coded, row.generated)
        assert all(share is not None and 0 <= share <= 1 for share in shares)
    of_class = {row.name: row.generated_class for row in found.rows}
    assert of_class["drums"] is None
    assert all((row.generated_class or 0) >= (row.generated or 0) for row in found.rows if "/" in row.name)
    assert [row.name for row in found.rows if row.finest] == ["synths", "drums/kick", "drums/snare"]
    leaves = [row.generated for row in found.rows if row.finest]
    assert found.leaves["generated"] == pytest.approx(np.mean(leaves))  # a class without subclasses counts as a leaf
    assert (found.leaves["rows"], found.proven["rows"]) == (3, 3)


def test_without_classes_there_is_one_row(corpus, tmp_path):
    instrument = Synthesizer.from_pretrained(trained("oneshot-gan", corpus, tmp_path / "instrument"))
    classifier = NoteClassifier.from_pretrained(trained("oneshot-classifier", corpus, tmp_path / "classifier"))
    found, _ = measure_classes(instrument, classifier, Corpus.open(corpus), notes=4)
    (row,) = found.rows
    assert (row.name, row.generated, row.held_out, found.leaves["generated"]) == (ANYTHING, None, 0, None)
    assert row.most[0] in classifier.families
