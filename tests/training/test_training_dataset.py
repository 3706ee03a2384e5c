"""What a run trains on: waves changed at random, and the class tree as hard labels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tests.training.tiny import RATE, SAMPLES, tiny_recipe

from darktimbre.corpus.classes import class_indices, family_of
from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.writer import CorpusWriter
from darktimbre.notes.errors import UserError
from darktimbre.notes.note import Note
from darktimbre.objectives.distillation import distillation_loss
from darktimbre.representation.codec import codec_from_config
from darktimbre.training.dataset import augmented, choose_attributes, label_mask, note_dataset
from darktimbre.training.recipe import Augment, Data
from darktimbre.training.tasks.gan import GanTask
from darktimbre.training.tasks.note_classifier import families_of
from darktimbre.training.tasks.note_generator import network_config

PLACES = [("drums", "kick"), ("drums", "kick"), ("drums", "snare"), ("synths", None), ("drums", "clap"), ("fx", "kick")]
NAMES = ("drums", "fx", "synths", "drums/clap", "drums/kick", "drums/snare", "fx/kick")


def one_shots(path: Path, places=PLACES) -> Corpus:
    random = np.random.default_rng(3)
    with CorpusWriter(path, sample_rate=RATE, samples=SAMPLES, name="shots", split="given") as writer:
        for number, (category, subcategory) in enumerate(places):
            note = Note(id=f"n{number}", instrument=f"i{number}", origin="made", seconds=SAMPLES / RATE, split="train")
            note = replace(note, category=category, subcategory=subcategory)
            writer.add(note, 0.1 * random.standard_normal(SAMPLES) * np.exp(-np.arange(SAMPLES) / 40))
    return writer.corpus


def data(**changes) -> Data:
    return Data(seconds=SAMPLES / RATE, pitches=None, attributes=1, teacher="classes", **changes)


@pytest.mark.parametrize(
    ("places", "sentence"),
    [
        ([("drums/808", None), ("drums", "kick")], "has a / in its name"),
        ([("Drums", "kick"), ("drums", "snare")], "differ in letter case alone"),
        ([("drums", "Kick"), ("drums", "kick")], "differ in letter case alone"),
    ],
)
def test_names_that_would_be_mixed_up_are_refused(tmp_path, places, sentence):
    with pytest.raises(UserError, match=sentence):
        choose_attributes(data(), one_shots(tmp_path / "c", places))


def test_labels_are_class_and_subclass_one_hot_each(tmp_path):
    corpus = one_shots(tmp_path / "c")
    attributes = choose_attributes(data(), corpus)
    assert attributes.names == NAMES  # classes first, both sorted; "kick" of two classes is two
    assert attributes.teacher == "classes"
    dataset = note_dataset(data(), corpus, attributes)
    assert set(np.unique(dataset.soft_labels)) == {0.0, 1.0}
    said = [tuple(NAMES[column] for column in np.flatnonzero(row)) for row in dataset.soft_labels]
    assert said == [
        ("drums", "drums/kick"), ("drums", "drums/kick"), ("drums", "drums/snare"), ("synths",),
        ("drums", "drums/clap"), ("fx", "fx/kick"),
    ]  # fmt: skip
    assert dataset.baseline == [0.0] * len(NAMES)  # with nothing set any class is played, not the most frequent one


def test_other_classes_have_another_digest(tmp_path):
    first = choose_attributes(data(), one_shots(tmp_path / "a"))
    again = choose_attributes(data(), one_shots(tmp_path / "b", PLACES[::-1]))
    other = choose_attributes(data(), one_shots(tmp_path / "c", PLACES[:-1]))
    assert first == again
    assert first.teacher_digest != other.teacher_digest


def test_without_folders_there_are_no_classes(tmp_path):
    with pytest.raises(UserError, match=r"knows no classes.*render --kits"):
        choose_attributes(data(), one_shots(tmp_path / "c", [(None, None)] * 3))


def test_class_and_subclass_are_dropped_independently_and_as_often_as_set():
    said = label_mask(NAMES, drop_class=0.3, drop_subclass=0.2, seed=1, notes_seen=40, batch=20_000)
    classes, subclasses = said[:, :3], said[:, 3:]
    assert (classes == classes[:, :1]).all()
    assert (subclasses == subclasses[:, :1]).all()
    dropped = 1 - torch.stack([classes[:, 0], subclasses[:, 0]], 1)
    assert dropped.mean(0).tolist() == pytest.approx([0.3, 0.2], abs=0.015)
    assert float(dropped.prod(1).mean()) == pytest.approx(0.06, abs=0.01)
    again = label_mask(NAMES, drop_class=0.3, drop_subclass=0.2, seed=1, notes_seen=40, batch=20_000)
    assert torch.equal(said, again)
    other = label_mask(NAMES, drop_class=0.3, drop_subclass=0.2, seed=1, notes_seen=41, batch=20_000)
    assert not torch.equal(said, other)


def test_dropped_labels_have_no_part_in_the_loss():
    logits = torch.randn(4, 7, requires_grad=True)
    mask = torch.ones(4, 7)
    mask[1, 3:] = 0
    distillation_loss(student_logits=logits, soft_labels=torch.ones(4, 7), temperature=1.0, label_mask=mask).backward()
    assert logits.grad is not None
    assert torch.equal(logits.grad == 0, mask == 0)


def test_the_condition_has_no_dropped_labels(tmp_path):
    corpus = one_shots(tmp_path / "c")
    dataset = note_dataset(data(), corpus, choose_attributes(data(), corpus))
    mask = torch.ones(2, len(NAMES))
    mask[1, 3:] = 0
    condition = dataset.condition(np.array([0, 2]), mask)
    assert [[NAMES[c] for c in row.nonzero()[:, 0]] for row in condition] == [["drums", "drums/kick"], ["drums"]]


def test_notes_may_be_brought_to_one_peak(tmp_path):
    corpus = one_shots(tmp_path / "c")
    plain, level = (
        note_dataset(data(peak_db=peak), corpus, choose_attributes(data(), corpus)) for peak in (None, -6.0)
    )
    index = np.array([0, 3])
    before, after = plain.waves(index), level.waves(index)
    assert torch.equal(before, torch.from_numpy(corpus.waves(index)))
    assert after.abs().amax(1).tolist() == pytest.approx([10 ** (-6 / 20)] * 2)
    torch.testing.assert_close(after / after.abs().amax(1, keepdim=True), before / before.abs().amax(1, keepdim=True))


def test_families_of_a_classifier_may_be_classes_or_leaves(tmp_path):
    corpus = one_shots(tmp_path / "c")
    assert families_of(data(families="category"), corpus) == ("drums", "fx", "synths")
    leaves = families_of(data(families="subcategory"), corpus)
    assert leaves == ("drums/clap", "drums/kick", "drums/snare", "fx/kick", "synths")
    rows = np.arange(len(corpus))
    assert class_indices(family_of(corpus, rows, "subcategory"), leaves).tolist() == [1, 1, 2, 4, 0, 3]
    assert families_of(data(), corpus) == ()  # no NSynth family is known of any


def test_hard_labels_have_no_temperature_and_are_taken_whole():
    with pytest.raises(ValidationError, match="temperature is 1"):
        data(temperature=1.5)
    with pytest.raises(ValidationError, match="set teacher to classes"):
        Data(drop_subclass=0.2)


def test_the_plan_makes_room_for_every_class(tmp_path):
    recipe = tiny_recipe()
    recipe = recipe.model_copy(update={"data": data(codec=recipe.data.codec)})
    plan = GanTask.make_plan(recipe, one_shots(tmp_path / "c"))
    assert plan.attributes.size == len(NAMES)
    assert network_config(plan.recipe, plan.attributes, codec_from_config(plan.codec)).heads.attributes == len(NAMES)


# ----------------------------------------------------------------------------
# Augmentations do what their units say, and nothing where the recipe has none


WIDE = 16_000
TIME = np.arange(WIDE) / WIDE
SINE = torch.from_numpy((0.25 * np.sin(2 * np.pi * 1000 * TIME)).astype(np.float32))[None]


def moves(level: float = 0.5, delay: float = 0.0, speed: float = 0.5) -> np.ndarray:
    return np.array([[level, delay, speed]], np.float32)


def test_in_the_middle_nothing_moves():
    assert torch.equal(augmented(SINE, moves(), Augment(gain_db=6, shift_ms=5, cents=50), WIDE), SINE)
    assert not Augment()
    assert Augment(cents=1)


def test_level_is_in_decibels_and_stops_at_full_scale():
    louder = augmented(SINE, moves(level=1.0), Augment(gain_db=6), WIDE)
    assert float(louder.abs().max() / SINE.abs().max()) == pytest.approx(10 ** (6 / 20), rel=1e-5)
    assert float(augmented(SINE, moves(level=1.0), Augment(gain_db=40), WIDE).abs().max()) == pytest.approx(1, rel=1e-5)


def test_delay_is_in_milliseconds_and_brings_silence():
    later = augmented(SINE, moves(delay=1.0), Augment(shift_ms=4), WIDE)
    assert torch.equal(later[:, 64:-160], SINE[:, :-224])  # but for the last 10 ms, which fade
    assert not later[:, :64].any()


@pytest.mark.parametrize("move", [{"delay": 1.0}, {"speed": 0.0}])
def test_what_is_pushed_out_of_the_window_ends_softly(move):
    """A cymbal that still rings at the end of its second must not end in a click."""
    ending = augmented(SINE, moves(**move), Augment(shift_ms=4, cents=40), WIDE)[0]
    assert ending[-1] == 0
    assert ending[-160:].abs().max() <= 0.26
    assert ending[-16:].abs().max() < 0.02


@pytest.mark.parametrize(("speed", "cents"), [(0.0, -50), (1.0, 50)])
def test_speed_is_in_cents(speed, cents):
    moved = augmented(SINE, moves(speed=speed), Augment(cents=50), WIDE)[0, 4000:12000].double().numpy()
    spectrum = np.fft.rfft(moved * np.hanning(8000), 1 << 19)
    hertz = np.abs(spectrum).argmax() * WIDE / (1 << 19)
    assert 1200 * np.log2(hertz / 1000) == pytest.approx(cents, abs=0.3)


def test_each_note_of_a_batch_moves_by_its_own_numbers():
    several = np.random.default_rng(0).random((3, 3), dtype=np.float32)
    choices = Augment(gain_db=3, shift_ms=4, cents=30)
    together = augmented(SINE.repeat(3, 1), several, choices, WIDE)
    alone = [augmented(SINE, several[number : number + 1], choices, WIDE) for number in range(3)]
    assert torch.equal(together, torch.cat(alone))
    assert together.shape == (3, WIDE)
