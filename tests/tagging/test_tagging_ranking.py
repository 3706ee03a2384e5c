"""Temperature against its formula; the ranking by hand; the skip list; hand-picked names."""

import json

import numpy as np
import pytest
import torch

from darktimbre.notes.errors import UserError
from darktimbre.notes.temperature import soft_labels
from darktimbre.tagging.ranking import choose, rank, read_attributes, skipped, split_names
from darktimbre.tagging.store import FORMAT, Tags, folder
from darktimbre.teachers.vocabulary import average_precision, yamnet_labels


def test_soft_labels_are_the_formula():
    logits = np.linspace(-30, 30, 61).astype(np.float32)
    for temperature in (0.5, 1.0, 2.0, 5.0):
        expected = 1.0 / (1.0 + np.exp(-logits.astype(np.float64) / temperature))
        np.testing.assert_allclose(soft_labels(logits, temperature), expected, rtol=1e-5)
        np.testing.assert_allclose(soft_labels(torch.from_numpy(logits), temperature).numpy(), expected, rtol=1e-5)


def test_temperature_compresses_and_keeps_the_order():
    logits = np.array([-6.0, -3.0, 1.0, 4.0], dtype=np.float32)
    cold, warm = soft_labels(logits, 1.0), soft_labels(logits, 3.0)
    assert np.all(np.abs(warm - 0.5) < np.abs(cold - 0.5))
    assert np.all(np.diff(warm) > 0)
    np.testing.assert_array_equal(soft_labels(np.array([-1e4, 1e4], dtype=np.float32)), [0.0, 1.0])


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_temperature_must_be_positive(temperature):
    with pytest.raises(ValueError, match="positive"):
        soft_labels(np.zeros(3, np.float32), temperature)


LABELS = ("Music", "Trumpet", "Gong", "Singing bowl")


@pytest.fixture
def logits() -> np.ndarray:
    """Ten notes: Trumpet at half, Gong at a tenth; Music is everywhere."""
    probabilities = np.array([[0.99, 0.5, 0.1, 0.001]]).repeat(10, axis=0)
    return np.log(probabilities / (1 - probabilities)).astype(np.float32)


def test_ranking_by_hand(logits):
    ranked = rank(logits, LABELS)
    assert [item.name for item in ranked] == ["Trumpet", "Gong", "Singing bowl"]  # Music is vague
    precision = average_precision()
    assert ranked[0].score == pytest.approx(np.sqrt(0.5 * precision["Trumpet"]), rel=1e-5)
    assert ranked[1].score == pytest.approx(np.sqrt(0.1 * precision["Gong"]), rel=1e-5)
    assert [item.rank for item in ranked] == [1, 2, 3]
    assert rank(logits, LABELS, skip=())[0].name == "Music"
    assert [item.name for item in rank(logits, LABELS, top=1)] == ["Trumpet"]


def test_p90_is_the_90th_percentile():
    """Loud on one note in ten: the 90th percentile lies just at its edge, the median is silent."""
    logits = np.full((101, 4), -20.0, dtype=np.float32)
    logits[:11, 2] = 3.0
    ranked = rank(logits, LABELS, skip=())
    assert ranked[0].name == "Gong"
    assert ranked[0].p90 == pytest.approx(1 / (1 + np.exp(-3.0)), rel=1e-4)


def test_skip_list_names_real_classes_with_reasons():
    known = set(average_precision())
    reasons = {"umbrella", "setting", "absence", "form", "crowd", "accident"}
    assert set(skipped()) <= known
    assert set(skipped().values()) == reasons
    for name in ("Music", "Musical instrument", "Sound effect", "Silence", "Single-lens reflex camera"):
        assert name in skipped()
    for name in ("Trumpet", "Singing bowl", "Drum", "Distortion", "Sine wave", "Cat"):
        assert name not in skipped()
    assert len(yamnet_labels()) - len(skipped()) > 400  # enough is left for the paper's 128


@pytest.fixture
def tags(tmp_path, logits) -> Tags:
    path = folder(tmp_path, "fake")
    path.mkdir(parents=True)
    (tmp_path / "corpus.json").write_text(json.dumps({"digest": "d"}))
    meta = {
        "format": FORMAT,
        "teacher": "fake",
        "digest": "a" * 64,
        "corpus": "d",
        "rows": [10],
        "labels": list(LABELS),
    }
    (path / "tags.json").write_text(json.dumps(meta))
    np.save(path / "00000.npy", logits.astype(np.float16))
    return Tags.open(tmp_path, "fake")


def test_choice_is_stored_and_read(tmp_path, tags):
    choose(tmp_path, tags, np.arange(10), top=2)
    assert read_attributes(tmp_path, "fake") == ("Trumpet", "Gong")
    choose(tmp_path, tags, np.arange(10), names=["gong", "Music"])  # by hand, even vague ones, in the order given
    assert read_attributes(tmp_path, "fake") == ("Gong", "Music")


def test_bad_choices_are_reported(tmp_path, tags):
    with pytest.raises(UserError, match="Did you mean 'Trumpet'"):
        choose(tmp_path, tags, np.arange(10), names=["Trumpett"])
    with pytest.raises(UserError, match="twice"):
        choose(tmp_path, tags, np.arange(10), names=["Gong", "gong"])
    with pytest.raises(UserError, match="list of names is empty"):
        choose(tmp_path, tags, np.arange(10), names=[])
    with pytest.raises(UserError, match="only 3 classes"):
        choose(tmp_path, tags, np.arange(10), top=128)
    with pytest.raises(UserError, match="training split is empty"):
        choose(tmp_path, tags, np.arange(0))
    with pytest.raises(UserError, match="darktimbre attributes"):
        read_attributes(tmp_path, "fake")


def test_a_choice_by_tags_of_other_weights_is_refused(tmp_path, tags):
    choose(tmp_path, tags, np.arange(10), top=2)
    meta = json.loads((tags.path / "tags.json").read_text())
    (tags.path / "tags.json").write_text(json.dumps({**meta, "digest": "b" * 64}))
    with pytest.raises(UserError, match="other weights"):
        read_attributes(tmp_path, "fake")


def test_names_with_commas_stay_whole():
    labels = yamnet_labels()
    assert split_names("Marimba, xylophone, Gong,trumpet", labels) == ["Marimba, xylophone", "Gong", "trumpet"]
    assert split_names("Gong; Violin, fiddle;", labels) == ["Gong", "Violin, fiddle"]
    assert split_names("Inside, large room or hall", labels) == ["Inside, large room or hall"]
