"""Inception score: its two ends, a case worked out by hand, torchmetrics."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from torchmetrics.image.inception import InceptionScore

from darktimbre.measures.inception import inception_score, inception_score_error


def test_equal_predictions_score_one() -> None:
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


def test_error_is_that_of_leaving_out_one_instrument_after_another() -> None:
    random = np.random.default_rng(2)
    each, groups = random.dirichlet(np.full(5, 0.2), 60), random.integers(0, 7, 60)
    left = np.array([inception_score(each[groups != group]) for group in range(7)])
    expected = np.sqrt(6 / 7 * np.square(left - left.mean()).sum())
    assert inception_score_error(each, groups) == pytest.approx(expected, rel=1e-9)
    alone = inception_score_error(each)
    assert alone == pytest.approx(inception_score_error(each, np.arange(60)), rel=1e-12)
    assert np.isnan(inception_score_error(each, np.zeros(60)))
    assert inception_score_error(np.eye(3)[[0, 0, 1, 2]]) > 0  # classes that one note alone has
    assert inception_score_error(np.full((9, 4), 0.25), np.arange(9) // 3) == pytest.approx(0, abs=1e-9)


def test_error_is_the_spread_of_repeated_draws_of_instruments() -> None:
    # an instrument is predicted as one family, whatever its note
    random, groups = np.random.default_rng(5), np.repeat(np.arange(40), 20)
    share = np.array([0.5, 0.2, 0.1, 0.1, 0.1])
    found, stated, naive = [], [], []
    for _ in range(150):
        family = random.choice(5, 40, p=share)[groups]
        each = 0.9 * np.eye(5)[family] + 0.1 * random.dirichlet(np.ones(5), 800)
        found.append(inception_score(each))
        stated.append(inception_score_error(each, groups))
        naive.append(inception_score_error(each))
    assert np.std(found) / 1.5 < np.mean(stated) < 1.5 * np.std(found)
    assert np.mean(naive) < np.std(found) / 3


def test_float32_softmax_is_taken_for_a_distribution_and_logits_are_not() -> None:
    each = np.random.default_rng(3).dirichlet(np.ones(500), 50)
    assert inception_score(each.astype(np.float32)) == pytest.approx(inception_score(each), rel=1e-6)
    with pytest.raises(ValueError, match="distribution"):
        inception_score(np.random.default_rng(4).normal(size=(5, 3)))
    with pytest.raises(ValueError, match="distribution"):
        inception_score([[0.5, np.nan]])
    with pytest.raises(ValueError, match="one group a note"):
        inception_score_error(each, np.zeros(51))
