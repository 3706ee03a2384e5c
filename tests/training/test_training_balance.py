"""Balanced sampling: closed-form wants, counts within one of them, classes even, and nothing but (seed, notes seen)."""

import numpy as np
import pytest

from darktimbre.training.sampling import RowSampler, balanced_order, generator_for, weights

LEAVES = np.array(["a"] * 78 + ["b"] * 23 + ["c"] * 2)


def test_weights_are_n_to_the_minus_b():
    even = weights(LEAVES, 1.0)
    assert [even[leaf == LEAVES].sum() for leaf in "abc"] == pytest.approx([103 / 3] * 3)
    half = weights(LEAVES, 0.5)
    assert half[LEAVES == "a"][0] / half[LEAVES == "c"][0] == pytest.approx((78 / 2) ** -0.5)
    assert half.mean() == pytest.approx(1)


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_every_row_and_every_leaf_comes_as_often_as_wanted_give_or_take_one(exponent):
    wanted = weights(LEAVES, exponent)
    for seed in range(20):
        order = balanced_order(wanted, LEAVES, np.random.default_rng(seed))
        counts = np.bincount(order, minlength=len(LEAVES))
        assert counts.sum() == len(LEAVES)
        assert (np.abs(counts - wanted) < 1 + 1e-9).all()
        for leaf in "abc":
            assert abs(counts[leaf == LEAVES].sum() - wanted[leaf == LEAVES].sum()) < 1 + 1e-9


def test_over_many_epochs_each_row_comes_in_its_proportion():
    wanted = weights(LEAVES, 1.0)
    stream = RowSampler(len(LEAVES), 3, LEAVES, 1.0)
    counts = np.bincount(stream.rows(0, 200 * len(LEAVES)), minlength=len(LEAVES)) / 200
    np.testing.assert_allclose(counts, wanted, atol=6 * np.sqrt(0.25 / 200))  # each epoch is ⌊w⌋ or ⌈w⌉


def test_the_stream_depends_on_seed_and_notes_seen_alone():
    whole = RowSampler(len(LEAVES), 5, LEAVES, 0.7).rows(17, 300)
    parts = [RowSampler(len(LEAVES), 5, LEAVES, 0.7).rows(17 + first, 50) for first in range(0, 300, 50)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_without_balance_the_stream_is_the_permutation_it_always_was():
    plain = RowSampler(30, seed=4).order(2)
    np.testing.assert_array_equal(plain, generator_for(4, "order", 2).permutation(30))
    np.testing.assert_array_equal(plain, RowSampler(30, 4, np.array(["x"] * 30), 0.0).order(2))
