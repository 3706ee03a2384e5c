"""Rows and random numbers of a step are functions of seed and notes seen alone; classes are made even."""

from collections import Counter

import numpy as np
import pytest
import torch

from darktimbre.training.distributed import DistributedContext
from darktimbre.training.sampling import (
    PURPOSES,
    ClassSampler,
    RowSampler,
    balanced_order,
    generator_for,
    normal,
    uniform,
    weights,
)


def test_every_epoch_holds_every_row_once_in_another_order():
    stream = RowSampler(30, seed=1)
    epochs = [stream.rows(30 * epoch, 30) for epoch in range(3)]
    for rows in epochs:
        assert sorted(rows) == list(range(30))
    assert not np.array_equal(epochs[0], epochs[1])


@pytest.mark.parametrize("cuts", [(7, 7, 7, 7, 7), (1, 34), (20, 15), (35,)])
def test_rows_are_the_same_however_the_stream_is_cut(cuts):
    whole = RowSampler(10, seed=5).rows(13, 35)
    stream, place, parts = RowSampler(10, seed=5), 13, []
    for cut in cuts:
        parts.append(stream.rows(place, cut))
        place += cut
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_a_batch_larger_than_the_corpus_is_served():
    rows = RowSampler(3, seed=0).rows(2, 10)
    assert len(rows) == 10
    assert np.bincount(rows, minlength=3).min() >= 3


def test_a_fresh_stream_agrees_in_mid_epoch():
    used = RowSampler(50, seed=9)
    for place in range(0, 400, 8):
        used.rows(place, 8)
    np.testing.assert_array_equal(used.rows(400, 8), RowSampler(50, seed=9).rows(400, 8))


def test_numbers_differ_by_purpose_moment_and_seed_and_are_right_in_distribution():
    drawn = {
        (seed, purpose, state): tuple(normal(seed, purpose, state, (4,)).tolist())
        for seed in (0, 1)
        for purpose in PURPOSES
        for state in (0, 8, 16)
    }
    assert len(set(drawn.values())) == len(drawn)
    many = normal(0, "posterior", 0, (20_000,))
    assert abs(float(many.mean())) < 0.03
    assert abs(float(many.std()) - 1) < 0.03
    inside = uniform(0, "between", 0, (20_000,))
    assert float(inside.min()) >= 0
    assert float(inside.max()) < 1
    assert abs(float(inside.mean()) - 0.5) < 0.01


def test_numbers_do_not_touch_torchs_own_generator():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    normal(0, "posterior", 0, (8,))
    assert torch.equal(before, torch.get_rng_state())


def test_rank_slices_are_consecutive_and_whole():
    parts = [np.arange(24)[DistributedContext(rank=rank, world=3).rank_slice(24)] for rank in range(3)]
    np.testing.assert_array_equal(np.concatenate(parts), np.arange(24))
    assert {len(part) for part in parts} == {8}


# ----------------------------------------------------------------------------
# Balanced sampling: closed-form wants, counts within one of them, classes even, and nothing but (seed, notes seen)


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


def test_classes_take_turns_and_bring_equally_many_rows():
    classes = np.array([0] * 5 + [1] * 40 + [-1] * 7 + [2] * 12)
    sampler = ClassSampler(classes, seed=3, groups=2)
    counts = Counter()
    for step in range(100):
        rows = sampler.rows(8 * step, 8)
        kinds = [set(classes[half]) for half in (rows[:4], rows[4:])]
        assert [len(kind) for kind in kinds] == [1, 1]
        counts.update(classes[rows].tolist())
    assert set(counts.values()) == {200}
    # within a class all rows come before one comes again
    first = np.concatenate([sampler.rows(8 * step, 8) for step in range(20)])
    assert sorted(first[classes[first] == 1]) == list(range(5, 45))


def test_class_batches_are_a_function_of_seed_and_place():
    classes = np.arange(60) % 3
    one, other = (ClassSampler(classes, seed=5, groups=4) for _ in range(2))
    later = one.rows(160, 16)
    for place in (0, 16, 160):
        assert (one.rows(place, 16) == other.rows(place, 16)).all()
    assert (later == one.rows(160, 16)).all()
    assert (later != ClassSampler(classes, seed=6, groups=4).rows(160, 16)).any()
