"""Intervals in cents: octaves, notes without pitch, and what has no reference."""

import numpy as np
import pytest

from darktimbre.measures.pitch import interval_cents


def test_intervals_in_cents() -> None:
    assert interval_cents([880.0, 440.0, 415.3047], [440.0] * 3) == pytest.approx([1200.0, 0.0, -100.0], abs=1e-3)


def test_what_has_no_pitch_is_at_no_interval() -> None:
    assert np.isnan(interval_cents([220.0, np.nan, 0.0], [440.0] * 3)).tolist() == [False, True, True]


def test_moving_all_notes_by_one_interval_changes_nothing() -> None:
    random = np.random.default_rng(0)
    reference = random.uniform(80, 800, 200)
    f0 = reference * 2 ** (random.normal(0, 50, 200) / 1200)
    assert interval_cents(3 * f0, 3 * reference) == pytest.approx(interval_cents(f0, reference))


def test_no_notes_have_no_interval_and_silence_is_no_reference() -> None:
    assert interval_cents([], []).size == 0
    with pytest.raises(ValueError, match="above 0 Hz"):
        interval_cents([440.0], [0.0])
