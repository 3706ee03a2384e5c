"""Accuracies of a classifier follow from its confusion matrix; examples without a class do not count."""

import numpy as np
import pytest
from sklearn import metrics

from darktimbre.measures.accuracy import accuracy, by_family, confusion_matrix, family_accuracy, pitch_accuracy, recalls


def test_against_scikit_learn():
    random = np.random.default_rng(0)
    label, predicted = random.integers(0, 4, 200), random.integers(0, 4, 200)
    confusion = confusion_matrix(label, predicted, 5)  # nothing is of the last class
    np.testing.assert_array_equal(confusion, metrics.confusion_matrix(label, predicted, labels=range(5)))
    assert accuracy(confusion) == pytest.approx(metrics.accuracy_score(label, predicted))
    assert list(recalls(confusion)) == [0, 1, 2, 3]
    np.testing.assert_allclose([*recalls(confusion).values()], metrics.recall_score(label, predicted, average=None))
    assert family_accuracy(confusion)["mean_over_families"] == pytest.approx(
        metrics.balanced_accuracy_score(label, predicted)
    )


def test_examples_without_a_class_do_not_count():
    confusion = confusion_matrix(np.array([-1, 0, 1, -1]), np.array([0, 0, 0, 1]), 2)
    assert confusion.tolist() == [[1, 0], [1, 0]]
    nothing = confusion_matrix(np.array([-1]), np.array([0]), 2)
    assert pitch_accuracy(nothing, (60, 62)) == family_accuracy(nothing) == {"notes": 0}
    assert by_family(nothing, ("pipe", "reed")) == {"pipe": {"notes": 0}, "reed": {"notes": 0}}


def test_octaves_and_semitones_away():
    label, predicted = np.array([0, 0, 0, 0]), np.array([0, 1, 2, 3])
    found = pitch_accuracy(confusion_matrix(label, predicted, 4), (60, 61, 72, 84))
    assert found == {"notes": 4, "accuracy": 0.25, "octaves_away": 0.5, "a_semitone_away": 0.25}


def test_which_family_is_taken_for_which():
    label, predicted = np.array([0, 0, 0, 0, 1, 2]), np.array([0, 1, 1, 2, 1, 0])
    found = by_family(confusion_matrix(label, predicted, 3), ("pipe", "reed", "string"))
    assert found["pipe"] == {"notes": 4, "accuracy": 0.25, "taken_for": "reed", "how_often": 0.5}
    assert found["reed"] == {"notes": 1, "accuracy": 1.0}
    assert found["string"] == {"notes": 1, "accuracy": 0.0, "taken_for": "pipe", "how_often": 1.0}
