"""Augmentations do what their units say, and nothing where the recipe asks for nothing."""

import numpy as np
import pytest
import torch

from darktimbre.training.dataset import augmented
from darktimbre.training.recipe.schema import Augment

RATE = 16_000
TIME = np.arange(RATE) / RATE
SINE = torch.from_numpy((0.25 * np.sin(2 * np.pi * 1000 * TIME)).astype(np.float32))[None]


def moves(level: float = 0.5, delay: float = 0.0, speed: float = 0.5) -> np.ndarray:
    return np.array([[level, delay, speed]], np.float32)


def test_in_the_middle_nothing_moves():
    assert torch.equal(augmented(SINE, moves(), Augment(gain_db=6, shift_ms=5, cents=50), RATE), SINE)
    assert not Augment()
    assert Augment(cents=1)


def test_level_is_in_decibels_and_stops_at_full_scale():
    louder = augmented(SINE, moves(level=1.0), Augment(gain_db=6), RATE)
    assert float(louder.abs().max() / SINE.abs().max()) == pytest.approx(10 ** (6 / 20), rel=1e-5)
    assert float(augmented(SINE, moves(level=1.0), Augment(gain_db=40), RATE).abs().max()) == pytest.approx(1, rel=1e-5)


def test_delay_is_in_milliseconds_and_brings_silence():
    later = augmented(SINE, moves(delay=1.0), Augment(shift_ms=4), RATE)
    assert torch.equal(later[:, 64:-160], SINE[:, :-224])  # but for the last 10 ms, which fade
    assert not later[:, :64].any()


@pytest.mark.parametrize("move", [{"delay": 1.0}, {"speed": 0.0}])
def test_what_is_pushed_out_of_the_window_ends_softly(move):
    """A cymbal that still rings at the end of its second must not end in a click."""
    ending = augmented(SINE, moves(**move), Augment(shift_ms=4, cents=40), RATE)[0]
    assert ending[-1] == 0
    assert ending[-160:].abs().max() <= 0.26
    assert ending[-16:].abs().max() < 0.02


@pytest.mark.parametrize(("speed", "cents"), [(0.0, -50), (1.0, 50)])
def test_speed_is_in_cents(speed, cents):
    moved = augmented(SINE, moves(speed=speed), Augment(cents=50), RATE)[0, 4000:12000].double().numpy()
    spectrum = np.fft.rfft(moved * np.hanning(8000), 1 << 19)
    hertz = np.abs(spectrum).argmax() * RATE / (1 << 19)
    assert 1200 * np.log2(hertz / 1000) == pytest.approx(cents, abs=0.3)


def test_each_note_of_a_batch_moves_by_its_own_numbers():
    several = np.random.default_rng(0).random((3, 3), dtype=np.float32)
    choices = Augment(gain_db=3, shift_ms=4, cents=30)
    together = augmented(SINE.repeat(3, 1), several, choices, RATE)
    alone = [augmented(SINE, several[number : number + 1], choices, RATE) for number in range(3)]
    assert torch.equal(together, torch.cat(alone))
    assert together.shape == (3, RATE)
