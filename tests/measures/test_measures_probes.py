"""Probes: a latent that is independent of a class gives 0, one that holds it 1, whatever classes and recordings are."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier

from darktimbre.measures import probes
from darktimbre.measures.probes import probe

KINDS = ("mlp", "k-nn")


@pytest.mark.parametrize("kind", KINDS)
def test_independent_codes_leak_nothing_however_unequal_the_classes(kind: probes.ProbeKind) -> None:
    random = np.random.default_rng(0)
    label = random.choice(4, 1200, p=(0.85, 0.05, 0.05, 0.05))
    found = probe(random.standard_normal((1200, 3)), label, kind=kind)
    assert abs(found.corrected) < 3 * found.error
    assert abs(found.corrected) < 0.1
    assert (found.chance, found.classes, found.notes, found.left_out) == (0.25, 4, 1200, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_codes_that_hold_the_class_leak_it_all_also_where_no_line_parts_the_classes(kind: probes.ProbeKind) -> None:
    random = np.random.default_rng(1)
    latents = random.standard_normal((900, 3))
    quadrants = (latents[:, 0] > 0) ^ (latents[:, 1] > 0)
    latents[:, :2] += 0.15 * np.sign(latents[:, :2])
    assert probe(latents, quadrants.astype(int), kind=kind).corrected > 0.9
    assert probe(latents * (1e-9, 1e9, 1), quadrants.astype(int), kind=kind).corrected > 0.9  # units do not matter


@pytest.mark.parametrize("kind", KINDS)
def test_half_of_the_class_known_is_half_of_it_leaked(kind: probes.ProbeKind) -> None:
    random = np.random.default_rng(2)
    label = random.integers(0, 5, 3000)
    known = random.random(3000) < 0.5
    latents = np.where(known, label, random.integers(0, 5, 3000))[:, None] + 0.05 * random.standard_normal((3000, 1))
    assert probe(latents, label, kind=kind).corrected == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("kind", KINDS)
def test_notes_of_one_recording_do_not_tell_of_each_other(kind: probes.ProbeKind) -> None:
    # Every recording is a place of its own that says nothing of the class; its notes lie around it.
    random = np.random.default_rng(3)
    recording = np.repeat(np.arange(120), 10)
    label = (random.permutation(120) % 3)[recording]
    latents = random.standard_normal((120, 3))[recording] + 0.01 * random.standard_normal((1200, 3))
    assert probe(latents, label, kind=kind).corrected > 0.5
    assert abs(probe(latents, label, recording, kind=kind).corrected) < 0.2


def test_a_class_of_one_recording_is_counted_as_left_out() -> None:
    random = np.random.default_rng(4)
    label = np.array(["a"] * 50 + ["b"] * 50 + ["c"] * 10 + [""] * 5)
    groups = np.concatenate([np.arange(100), np.full(10, 100), np.arange(5) + 200])
    found = probe(random.standard_normal((115, 2)) + (label == "b")[:, None] * 9, label, groups, kind="k-nn")
    assert (found.left_out, found.notes, found.classes, found.corrected) == (10, 100, 2, 1.0)
    with pytest.raises(ValueError, match="two classes"):
        probe(random.standard_normal((60, 2)), label[40:100], np.minimum(groups[40:100], 50))


@pytest.mark.parametrize("kind", KINDS)
def test_held_out_notes_are_predicted_by_the_others(kind: probes.ProbeKind) -> None:
    random = np.random.default_rng(7)
    label, held_out = np.arange(600) % 3, np.arange(600) >= 400
    latents = random.standard_normal((600, 2)) + 6 * label[:, None]
    found = probe(latents, label, held_out=held_out, kind=kind)
    assert (found.notes, found.classes, found.left_out) == (200, 3, 0)
    assert found.corrected > 0.95
    # What the others hold does not count: here the held-out notes are of one latent.
    latents[held_out] = 6.0
    assert abs(probe(latents, label, held_out=held_out, kind=kind).corrected) < 0.1
    # A recording that is held out in part trains nothing; here all are.
    with pytest.raises(ValueError, match="two classes"):
        probe(latents, label, np.arange(600) % 100, held_out=held_out, kind=kind)


def test_collapsed_codes_leak_nothing_and_are_no_error() -> None:
    label = np.arange(200) % 4
    for kind in KINDS:
        assert abs(probe(np.full((200, 3), 7.0), label, kind=kind).corrected) < 0.15


def test_accuracy_is_the_balanced_one_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = []

    def constant(train, label, test, kind, seed):  # type: ignore[no-untyped-def]
        answers.append(len(test))
        return np.zeros(len(test), np.int64)

    monkeypatch.setattr(probes, "_predicted", constant)
    label = np.random.default_rng(5).choice(3, 300, p=(0.6, 0.3, 0.1))
    found = probe(np.zeros((300, 1)), label)
    assert sum(answers) == 300
    assert found.corrected == pytest.approx(balanced_accuracy_score(label, np.zeros(300), adjusted=True), abs=1e-12)


def test_neighbours_of_equal_classes_are_scikit_learns() -> None:
    random = np.random.default_rng(6)
    label = np.arange(300) % 3
    train, test = random.standard_normal((2, 300, 2)) + label[:, None]
    reference = KNeighborsClassifier(probes.NEIGHBOURS).fit(train, label).predict(test)
    np.testing.assert_array_equal(probes._neighbours(train, label, test), reference)
    again = probe(train, label, kind="k-nn", seed=3)
    assert again == probe(train, label, kind="k-nn", seed=3)


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="one label a note"):
        probe(np.zeros((4, 2)), [0, 1])
