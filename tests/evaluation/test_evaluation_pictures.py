"""Evaluating digits: scores of predictions that are known in advance; a collapse is what it is said to be."""

import numpy as np
import pytest

from darktimbre.bundle.pictures import PicturePredictions
from darktimbre.evaluation.pictures import Scores, collapse, scores_of, within_classes

CLASSES = 10


def seen_as(named: np.ndarray, embedding: np.ndarray | None = None) -> PicturePredictions:
    """Pictures named with certainty."""
    if embedding is None:
        embedding = np.random.default_rng(0).normal(size=(len(named), 4)).astype(np.float32)
    return PicturePredictions(np.eye(CLASSES, dtype=np.float32)[named], embedding)


def real(named: np.ndarray) -> Scores:
    return scores_of(seen_as(named), named)


def test_perfect_pictures_score_as_real_ones_do():
    target = np.arange(400) % CLASSES
    scores = scores_of(seen_as(target), target, real(target))
    assert (scores.accuracy, scores.covered, scores.collapsed) == (1.0, 10, "")
    assert scores.inception_score == pytest.approx(10)
    assert scores.diversity == pytest.approx([1.0] * CLASSES)
    assert scores.class_accuracy == (1.0,) * CLASSES


def test_each_class_is_scored_by_its_targets():
    target = np.arange(400) % CLASSES
    named = np.where(target == 3, 8, target)
    scores = scores_of(seen_as(named), target, real(target))
    assert scores.accuracy == pytest.approx(0.9)
    assert [share for share, right in zip(scores.shares, scores.class_accuracy, strict=True) if right == 0] == [0.0]
    assert scores.shares[8] == pytest.approx(0.2)
    assert scores.covered == 9


def test_a_generator_of_one_picture_a_class_has_no_diversity_though_every_class_is_there():
    target = np.arange(400) % CLASSES
    embedding = np.eye(CLASSES, dtype=np.float32)[target]
    scores = scores_of(seen_as(target, embedding), np.zeros(0, np.int64), real(target))
    assert scores.accuracy is None
    assert scores.diversity == (0.0,) * CLASSES
    assert scores.to_json()["lowest_variety"] == 0
    assert scores.collapsed == "pictures of a class are 0.00 as varied as real ones"
    assert "accuracy" not in scores.to_json()


def test_classes_that_never_come_have_no_diversity_and_are_not_covered():
    named = np.zeros(50, np.int64)
    scores = scores_of(seen_as(named), np.zeros(0, np.int64), real(np.arange(400) % CLASSES))
    assert isinstance(scores, Scores)
    assert scores.covered == 1
    assert min(scores.diversity) == 0
    assert scores.collapsed == "1 of 10 classes are covered"


@pytest.mark.parametrize(
    ("covered", "score", "diversity", "expected"),
    [
        (8, 5.0, 0.6, ""),
        (7, 9.0, 1.0, "7 of 10 classes are covered"),
        (10, 4.89, 1.0, "the inception score is 4.89, of real pictures 9.80"),
        (10, 9.8, 0.49, "pictures of a class are 0.49 as varied as real ones"),
    ],
)
def test_collapse_is_few_classes_or_a_low_inception_score_or_classes_of_one_picture(
    covered, score, diversity, expected
):
    assert collapse(covered, CLASSES, score, 9.8, diversity) == expected


def test_distance_is_within_classes_alone():
    embedding = np.array([[0, 0], [3, 4], [100, 0], [100, 1], [7, 7]], np.float32)
    found = within_classes(embedding, np.array([0, 0, 1, 1, 2]), 4)
    np.testing.assert_allclose(found[:2], [5, 1])
    assert np.isnan(found[2:]).all()
