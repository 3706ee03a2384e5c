"""Raised attributes: closed forms, invariances, and what a bootstrap over notes and attributes must and must not do."""

import numpy as np
import pytest

from darktimbre.evaluation.control import (
    even_steps,
    increment_in_deviations,
    mean_over_attributes,
    raised_correlation,
    resampled_counts,
    shifts,
)


def test_increments_are_the_papers() -> None:
    assert len(shifts()) == 51
    assert shifts()[0] == pytest.approx(1e-3)
    assert shifts()[-1] == pytest.approx(10**0.6)
    assert np.allclose(np.diff(np.log10(shifts())), 3.6 / 50)
    assert even_steps() == pytest.approx([k / 5 for k in range(26)])
    assert even_steps(10)[0] == 0.0
    assert even_steps(10)[-1] == 5.0
    assert shifts(9)[::9] == pytest.approx([shifts()[0], shifts()[-1]])  # fewer steps, the same ends


def plain(asked: np.ndarray, heard: np.ndarray) -> np.ndarray:
    return raised_correlation(asked, heard, np.ones((1, len(asked))))[0]


def in_deviations(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return increment_in_deviations(before, after, np.ones((1, len(before))))[0]


def test_correlation_of_a_raised_attribute_is_numpys_and_ignores_gain_and_offset() -> None:
    random = np.random.default_rng(0)
    asked = random.random(40)
    heard = 0.3 * asked + 0.1 * random.standard_normal((5, 40))
    found = plain(asked, heard)
    assert found == pytest.approx([np.corrcoef(asked, row)[0, 1] for row in heard], abs=1e-12)
    assert plain(asked + 4.0, 7 * heard - 2) == pytest.approx(found, abs=1e-12)
    assert plain(asked, -heard) == pytest.approx(-found, abs=1e-12)
    assert plain(1e-200 * asked, 1e200 * heard) == pytest.approx(found, abs=1e-12)


def test_a_count_is_as_good_as_repeating_the_note() -> None:
    random = np.random.default_rng(4)
    asked, heard = random.random(12), random.random((3, 12))
    counts = random.integers(0, 4, (6, 12)).astype(float)
    for row, found, moved in zip(
        counts,
        raised_correlation(asked, heard, counts),
        increment_in_deviations(asked, heard, counts),
        strict=True,
    ):
        notes = np.repeat(np.arange(12), row.astype(int))
        assert found == pytest.approx([np.corrcoef(asked[notes], one[notes])[0, 1] for one in heard], abs=1e-12)
        difference = (heard - asked)[:, notes].mean(axis=1)
        assert moved == pytest.approx(difference / asked[notes].std(), rel=1e-12)


def test_faint_labels_keep_their_digits_under_a_great_increment() -> None:
    asked = np.linspace(1e-9, 2e-9, 20).astype(np.float32)
    heard = np.stack([asked + np.float32(0.5), asked])  # the first is rounded flat
    assert np.ptp(heard[0]) == 0
    assert plain(asked, heard) == pytest.approx([0.0, 1.0])


def test_an_answer_that_stays_put_follows_nothing_and_a_constant_question_asks_nothing() -> None:
    asked = np.arange(5.0)
    assert plain(asked, np.full((2, 5), 0.1)).tolist() == [0.0, 0.0]
    assert np.isnan(plain(np.full(5, 0.1), np.stack([asked, asked]))).all()
    counts = np.array([[1.0, 1, 1, 1, 1], [3, 2, 0, 0, 0], [1, 1, 0, 0, 1]])
    some = np.array([0.1, 0.1, 0.2, 0.3, 0.7])  # in the second draw all values are one
    assert np.isnan(raised_correlation(some, asked[None], counts)[:, 0]).tolist() == [False, True, False]
    assert raised_correlation(asked, some[None], counts)[1, 0] == 0.0
    assert np.isnan(increment_in_deviations(some, asked[None], counts)[:, 0]).tolist() == [False, True, False]


def test_an_increment_is_told_in_deviations_of_what_was_heard_without_it() -> None:
    before = np.array([0.1, 0.2, 0.3, 0.4])
    after = np.stack([before, before + 0.25, before[::-1]])
    expected = [0.0, 0.25 / np.std(before), 0.0]
    assert in_deviations(before, after) == pytest.approx(expected, abs=1e-12)
    assert in_deviations(10 * before, 10 * after) == pytest.approx(expected, abs=1e-12)
    assert in_deviations(before, before[None])[0] == 0.0
    assert np.isnan(in_deviations(np.full(4, 0.1), after)).all()


def test_resamples_take_whole_instruments() -> None:
    groups = np.array([4, 7, 4, 4, 9, 9])
    counts = resampled_counts(groups, 50, seed=0)
    assert counts.shape == (51, 6)
    assert (counts[0] == 1).all()
    assert (counts[:, 0] == counts[:, 2]).all()
    assert (counts[:, 0] == counts[:, 3]).all()
    assert (counts[:, 4] == counts[:, 5]).all()
    assert (counts[:, [0, 1, 4]].sum(axis=1) == 3).all()  # as many instruments as there are
    assert len(np.unique(counts, axis=0)) > 5
    assert np.array_equal(counts, resampled_counts(groups, 50, seed=0))


def test_the_mean_is_over_attributes_that_are_defined_and_the_interval_holds_it() -> None:
    random = np.random.default_rng(1)
    each = random.standard_normal((200, 6, 3)) * 0.1 + np.array([0.0, 1.0, 2.0])
    each[:, 4] = np.nan
    found = mean_over_attributes(each, 30, seed=0)
    assert found.attributes == 5
    assert found.mean == pytest.approx(each[0, [0, 1, 2, 3, 5]].mean(axis=0))
    assert (found.low < found.mean).all()
    assert (found.mean < found.high).all()


def test_the_interval_is_as_wide_as_theory_says() -> None:
    """Over attributes alone the standard error of a mean of n is s / √n; over notes alone it is that of the draws."""
    random = np.random.default_rng(2)
    values = random.standard_normal(50)
    over_attributes = mean_over_attributes(np.tile(values[None, :, None], (2000, 1, 1)), 100, seed=0)
    half = 1.96 * values.std() / np.sqrt(50)
    assert (over_attributes.high - over_attributes.low)[0] / 2 == pytest.approx(half, rel=0.1)
    draws = 0.3 * random.standard_normal(2000)
    over_notes = mean_over_attributes(np.tile(draws[:, None, None], (1, 50, 1)), 100, seed=0)
    assert (over_notes.high - over_notes.low)[0] / 2 == pytest.approx(1.96 * 0.3, rel=0.1)


def test_without_attributes_or_resamples_there_is_no_interval() -> None:
    assert np.isnan(mean_over_attributes(np.full((5, 2, 3), np.nan), 9, seed=0).mean).all()
    assert mean_over_attributes(np.zeros((5, 0, 3)), 9, seed=0).attributes == 0
    alone = mean_over_attributes(np.ones((1, 2, 3)), 9, seed=0)
    assert alone.mean.tolist() == [1.0, 1.0, 1.0]
    assert np.isnan(alone.low).all()


def test_of_what_there_is_one_the_interval_does_not_speak() -> None:
    random = np.random.default_rng(3)
    one_attribute = mean_over_attributes(random.standard_normal((400, 1, 1)), 40, seed=0)
    assert one_attribute.low < one_attribute.high
    one_of_each = mean_over_attributes(random.standard_normal((400, 1, 1)), 1, seed=0)
    assert np.isnan([one_of_each.low, one_of_each.high]).all()
    values = np.tile(random.standard_normal((1, 40, 1)), (400, 1, 1))
    few, many = (mean_over_attributes(values, groups, seed=0) for groups in (3, 40))
    assert few.high - few.low > many.high - many.low  # few instruments: wider
