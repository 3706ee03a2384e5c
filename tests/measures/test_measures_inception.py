"""Inception score: its two ends, a case worked out by hand, torchmetrics."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from torchmetrics.image.inception import InceptionScore

from darktimbre.measures.inception import inception_score, inception_score_splits


def test_sounds_all_heard_alike_score_one() -> None:
    assert inception_score(np.full((40, 7), 1 / 7)) == pytest.approx(1.0, abs=1e-12)
    assert inception_score(np.tile([0.7, 0.2, 0.1, 0.0], (9, 1))) == pytest.approx(1.0, abs=1e-12)
    assert inception_score(np.tile([0.0, 1.0], (9, 1))) == 1.0


def test_certain_and_evenly_spread_sounds_score_the_number_of_classes() -> None:
    assert inception_score(np.tile(np.eye(12), (5, 1))) == pytest.approx(12.0)
    # certain, but class 0 three times as often as class 1: exp of the entropy of (3/4, 1/4)
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert inception_score(np.eye(5)[[0, 0, 0, 1]]) == pytest.approx(np.exp(entropy))


def test_two_sounds_by_hand() -> None:
    p, q = np.array([0.9, 0.1]), np.array([0.3, 0.7])
    middle = (p + q) / 2
    kl = 0.5 * (p * np.log(p / middle)).sum() + 0.5 * (q * np.log(q / middle)).sum()
    assert inception_score([p, q]) == pytest.approx(np.exp(kl))


def test_order_of_sounds_and_classes_does_not_matter() -> None:
    random = np.random.default_rng(0)
    each = random.dirichlet(np.full(8, 0.3), 200)
    turned = each[random.permutation(200)][:, random.permutation(8)]
    assert inception_score(turned) == pytest.approx(inception_score(each), rel=1e-13)
    # rows given twice are the same distribution
    assert inception_score(np.tile(each, (2, 1))) == pytest.approx(inception_score(each), rel=1e-13)


def test_as_torchmetrics() -> None:
    logits = np.random.default_rng(1).normal(0, 3, (300, 11))
    metric = InceptionScore(feature=torch.nn.Identity(), splits=1)
    metric.update(torch.tensor(logits))
    assert inception_score(np.exp(log_softmax(logits, axis=1))) == pytest.approx(float(metric.compute()[0]), rel=1e-9)


def test_splits_are_seeded_and_lie_below_the_whole() -> None:
    each = np.random.default_rng(2).dirichlet(np.full(8, 0.2), 200)
    mean, std = inception_score_splits(each, splits=10, seed=3)
    assert inception_score_splits(each, splits=10, seed=3) == (mean, std)
    assert inception_score_splits(each, splits=10, seed=4) != (mean, std)
    assert 1 < mean < inception_score(each)
    assert std > 0


def test_float32_softmax_is_taken_for_a_distribution_and_logits_are_not() -> None:
    each = np.random.default_rng(3).dirichlet(np.ones(500), 50)
    assert inception_score(each.astype(np.float32)) == pytest.approx(inception_score(each), rel=1e-6)
    with pytest.raises(ValueError, match="distribution"):
        inception_score(np.random.default_rng(4).normal(size=(5, 3)))
    with pytest.raises(ValueError, match="distribution"):
        inception_score([[0.5, np.nan]])
    with pytest.raises(ValueError, match="split"):
        inception_score_splits(each, splits=51)
