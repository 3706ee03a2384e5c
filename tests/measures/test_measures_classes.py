"""Shares of classes and how many are covered, against counts by hand."""

import numpy as np
import pytest

from darktimbre.measures.classes import class_shares, classes_covered


def test_shares_are_counts_by_the_total():
    assert class_shares([0, 2, 2, 3], 5).tolist() == [0.25, 0, 0.5, 0.25, 0]
    assert class_shares(np.arange(30) % 10, 10).tolist() == pytest.approx([0.1] * 10)


def test_covered_is_a_tenth_of_an_equal_share():
    assert classes_covered([0.1] * 10) == 10
    assert classes_covered([0.91, *[0.01] * 9]) == 10
    assert classes_covered([0.999, *[0.001 / 9] * 9]) == 1
    assert classes_covered([0.5, 0.5, 0, 0], part=1.0) == 2


@pytest.mark.parametrize("wrong", [[], [[0]], [-1], [3]])
def test_what_is_no_class_is_refused(wrong):
    with pytest.raises(ValueError, match="names"):
        class_shares(wrong, 3)
