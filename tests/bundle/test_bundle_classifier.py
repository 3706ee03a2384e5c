"""A classifier on disk: what is read is what was written, and what is damaged ends in a sentence."""

from pathlib import Path

import pytest
import torch
from tests.bundle.tiny import edit, tiny_bundle

from darktimbre.bundle.classifier import NoteClassifier
from darktimbre.models.inception import InceptionConfig
from darktimbre.notes.errors import UserError

NETWORK = InceptionConfig(sample_rate=8000, stem=4, widths=(16,), embedding=8)
METRICS = {
    "train": {"notes": 90, "instruments": 9, "pitch": {"notes": 80, "accuracy": 0.99}},
    "valid": {
        "notes": 30,
        "instruments": 3,
        "pitch": {"notes": 20, "accuracy": 0.875, "octaves_away": 0.05, "a_semitone_away": 0.0},
        "family": {"notes": 30, "accuracy": 0.5, "mean_over_families": 0.4, "most_frequent_family": 0.3},
        "attributes": {"correlation": 0.625, "count": 2},
    },
    "test": {"notes": 0, "instruments": 0},
    "families_held_out": {
        "brass": {"notes": 20, "accuracy": 0.25, "taken_for": "reed", "how_often": 0.75},
        "reed": {"notes": 0},
    },
}


def tiny_classifier(seed: int = 0) -> NoteClassifier:
    return NoteClassifier.untrained(
        NETWORK, samples=2000, pitches=(60, 61, 62), families=("brass", "reed"), attributes=("Bell",), seed=seed
    )


@pytest.fixture
def saved(tmp_path) -> Path:
    return tiny_classifier().save_pretrained(tmp_path / "classifier")


def test_read_is_what_was_written(saved):
    before, after = tiny_classifier(), NoteClassifier.from_pretrained(saved)
    waves = 0.1 * torch.randn(4, 2000, generator=torch.Generator().manual_seed(1))
    for wanted, found in zip(before.predict(waves), after.predict(waves), strict=True):
        assert torch.equal(wanted, found)
    assert before.digest == after.digest
    assert (after.pitches, after.families) == ((60, 61, 62), ("brass", "reed"))
    assert (after.sample_rate, after.samples, after.dimension) == (8000, 2000, 8)
    assert sorted(path.name for path in saved.iterdir()) == ["README.md", "config.json", "model.safetensors"]


def test_digest_is_of_what_decides_the_answers():
    assert tiny_classifier(0).digest == tiny_classifier(0).digest != tiny_classifier(1).digest
    other = NETWORK.model_copy(update={"floor": 60.0})
    plain = NoteClassifier.untrained(NETWORK, samples=2000, pitches=(60, 61))
    assert plain.digest != NoteClassifier.untrained(other, samples=2000, pitches=(60, 61)).digest
    noted = NoteClassifier({**plain.config, "metrics": METRICS}, plain.weights)
    assert noted.digest == plain.digest


def test_prediction_draws_no_random_numbers_and_takes_no_gradient(saved):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    classifier = NoteClassifier.from_pretrained(saved)
    first = classifier.predict(torch.ones(2, 2000)).embedding
    assert torch.equal(classifier.predict(torch.ones(2, 2000)).embedding, first)
    assert torch.equal(torch.get_rng_state(), before)
    assert not first.requires_grad


def test_card_tells_every_split_and_what_was_confused(tmp_path):
    made = tiny_classifier()
    facts = {
        "metrics": METRICS,
        "provenance": {"corpus": {"name": "Bank", "notes": 1234, "digest": "c0ffee", "licence": "MIT"}},
        "teacher": {"name": "yamnet", "digest": "d1", "temperature": 1.5},
    }
    folder = NoteClassifier({**made.config, **facts}, made.weights).save_pretrained(tmp_path / "card")
    card = (folder / "README.md").read_text()
    for part in (
        "3 pitches (C4 to D4); 2 instrument families (brass, reed); 1 attributes as predicted by yamnet",
        "## Training data\n\n- name: Bank\n- notes: 1234\n- digest: c0ffee\n- licence: MIT\n",
        "- name: yamnet\n- digest: d1\n- temperature: 1.5\n",
        "| | train | valid | test |",
        "| pitch accuracy | 99.0% | 87.5% | – |",
        "| notes with a pitch | 80 | 20 | – |",
        "| instruments | 9 | 3 | 0 |",
        "| family accuracy | – | 50.0% | – |",
        "| correlation with the teacher's logits, mean | – | 0.625 | – |",
        "| brass | 20 | 25% | reed (75%) |",
        "| reed | none | – | – |",
    ):
        assert part in card, part
    assert NoteClassifier.from_pretrained(folder).config["metrics"] == METRICS


def test_what_is_not_finite_is_not_written(saved):
    broken = tiny_classifier()
    broken.weights["neck.0.weight"][0, 0] = torch.nan
    with pytest.raises(UserError, match=r"neck.0.weight is not finite: nothing was written"):
        broken.save_pretrained(saved)
    assert NoteClassifier.from_pretrained(saved).digest == tiny_classifier().digest


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda f: (f / "model.safetensors").write_bytes(b"cut"), "cannot be read as safetensors"),
        (lambda f: (f / "model.safetensors").unlink(), "model.safetensors is missing"),
        (lambda f: (f / "config.json").write_text("{"), "cannot be read as JSON"),
        (lambda f: (f / "config.json").write_text("[]"), "not the configuration of a classifier"),
        (lambda f: edit(f, kind="instrument"), "not the configuration of a classifier"),
        (lambda f: edit(f, format=2), "is of format 2, this darktimbre reads format 1"),
        (lambda f: edit(f, pitches=[60]), "`pitches` in config.json does not name the network's 3 classes"),
        (lambda f: edit(f, samples="many"), "`samples`"),
        (lambda f: edit(f, network={"depth": 3}), "`network` in config.json is not one this version can build"),
        (
            lambda f: edit(f, network=NETWORK.model_dump() | {"pitches": 3, "families": 2, "attributes": 1, "stem": 5}),
            r"stem.0.weight has the shape \(4, 2, 7, 3\), the network needs \(5, 2, 7, 3\)",
        ),
        (lambda f: edit(f, network=NETWORK.model_dump() | {"widths": (16, 16)}), "does not name|lacks"),
    ],
)
def test_damage_ends_in_a_sentence(saved, damage, sentence):
    damage(saved)
    with pytest.raises(UserError, match=sentence):
        NoteClassifier.from_pretrained(saved)


def test_what_is_no_classifier_is_reported(tmp_path, saved):
    with pytest.raises(UserError, match=r"There is no classifier in .*darktimbre train inception"):
        NoteClassifier.from_pretrained(tmp_path / "nowhere")
    instrument = tiny_bundle().save_pretrained(tmp_path / "instrument")
    with pytest.raises(UserError, match="not the configuration of a classifier"):
        NoteClassifier.from_pretrained(instrument)
    saved.rename(tmp_path / "bundle")
    with pytest.raises(UserError, match=r"it holds one: use .*bundle"):
        NoteClassifier.from_pretrained(tmp_path)


def test_one_wave_alone_is_a_batch_of_one():
    with pytest.raises(ValueError, match=r"waves are \(batch, sample\)"):
        tiny_classifier().predict(torch.zeros(2000))


@pytest.mark.parametrize(
    ("valid", "sentence"),
    [
        ({"notes": 20, "instruments": 3, "also_in_train": 0}, "hold instruments that are not in the training set"),
        ({"notes": 20, "instruments": 3, "also_in_train": 3}, "further notes of instruments of the training set"),
        ({"notes": 0, "instruments": 0, "also_in_train": 0}, "No note was held out"),
    ],
)
def test_card_says_what_was_held_out(tmp_path, valid, sentence):
    made = tiny_classifier()
    train = {"notes": 80, "instruments": 9, "also_in_train": 9}
    metrics = {"train": train, "valid": valid, "test": {"notes": 0, "instruments": 0, "also_in_train": 0}}
    folder = NoteClassifier({**made.config, "metrics": metrics}, made.weights).save_pretrained(tmp_path / "c")
    assert sentence in (folder / "README.md").read_text()
