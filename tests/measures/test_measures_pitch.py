"""Pitch hits: the border at fifty cents, octaves, and notes without pitch."""

import numpy as np
import pytest

from darktimbre.measures.pitch import interval_cents, pitch_within


def test_intervals_in_cents() -> None:
    assert interval_cents([880.0, 440.0, 415.3047], [440.0] * 3) == pytest.approx([1200.0, 0.0, -100.0], abs=1e-3)


def test_the_border_is_at_fifty_cents_either_way() -> None:
    reference = np.full(4, 261.6)
    f0 = reference * 2 ** (np.array([49.9, -49.9, 50.1, -50.1]) / 1200)
    assert pitch_within(f0, reference) == 0.5
    assert pitch_within(f0, reference, cents=51) == 1.0


def test_an_octave_off_is_a_miss_and_so_is_no_pitch() -> None:
    assert pitch_within([220.0, np.nan, 0.0, 440.0], [440.0] * 4) == 0.25


def test_moving_all_notes_by_one_interval_changes_nothing() -> None:
    random = np.random.default_rng(0)
    reference = random.uniform(80, 800, 200)
    f0 = reference * 2 ** (random.normal(0, 50, 200) / 1200)
    assert pitch_within(f0, reference) == pitch_within(3 * f0, 3 * reference)


def test_no_notes_have_no_share_and_silence_has_no_reference() -> None:
    assert np.isnan(pitch_within([], []))
    with pytest.raises(ValueError, match="above 0 Hz"):
        pitch_within([440.0], [0.0])
