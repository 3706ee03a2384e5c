"""Rows and random numbers of a step depend on seed and notes seen alone."""

import numpy as np
import pytest
import torch

from darktimbre.training.distributed import DistributedContext
from darktimbre.training.sampling import PURPOSES, RowSampler, normal, uniform


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
        (seed, purpose, moment): tuple(normal(seed, purpose, moment, (4,)).tolist())
        for seed in (0, 1)
        for purpose in PURPOSES
        for moment in (0, 8, 16)
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
