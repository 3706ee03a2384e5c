"""Loops: found where a sound repeats itself and joined without a click; refused where it does not."""

import numpy as np
import pytest
from numpy.typing import NDArray

from darktimbre.export import loops
from darktimbre.export.loops import Loop, bake, find_loop

RATE = 44_100


def tone(hz: float, seconds: float = 1.0, partials: int = 8, wobble: float = 0.0) -> NDArray[np.float32]:
    time = np.arange(round(seconds * RATE)) / RATE
    wave = sum(np.sin(2 * np.pi * n * hz * time + n * n) / n for n in range(1, partials + 1))
    shape = np.minimum(1, time / 0.02) * np.minimum(1, (seconds - time) / 0.02)
    return (0.2 * wave * shape * (1 + wobble * np.sin(2 * np.pi * 5 * time))).astype(np.float32)


def played(wave: NDArray[np.float32], loop: Loop, turns: int) -> NDArray[np.float32]:
    """What a sampler plays of it: up to the loop's end, then the loop again and again."""
    body = wave[loop.start : loop.end + 1]
    return np.concatenate([wave[: loop.end + 1], *[body] * turns])


@pytest.mark.parametrize("hz", [103.83, 220.0, 440.0, 1000.0 / 3])
def test_a_steady_tone_loops_without_a_click(hz: float) -> None:
    wave = tone(hz)
    loop = find_loop(wave, RATE, hz)
    assert loop is not None
    assert loop.match > 0.99
    periods = loop.length * hz / RATE
    assert abs(periods - round(periods)) * RATE / hz <= 1.0  # a whole number of periods, to a sample
    baked = bake(wave, loop, RATE)
    sound = played(baked, loop, 20)
    # The second difference is large at a click; at the joints it must not exceed what the tone itself has.
    curve = np.abs(np.diff(sound.astype(np.float64), 2))
    joints = [loop.end + turn * loop.length for turn in range(20)]
    at_joints = max(curve[joint - 3 : joint + 3].max() for joint in joints)
    assert at_joints <= 1.02 * curve[loop.start : loop.end - 700].max()
    # Energy between the partials, over twenty turns: the joints add no more than the tone's own window leaves there.
    steady = sound[loop.start : loop.start + 20 * loop.length].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(steady * np.hanning(len(steady)))) ** 2
    frequency = np.fft.rfftfreq(len(steady), 1 / RATE)
    off = np.abs(frequency / hz - np.rint(frequency / hz)) > 0.2
    assert 10 * np.log10(spectrum[off].sum() / spectrum.sum()) < -45


def test_level_and_phase_go_on_over_the_joint() -> None:
    wave = tone(220.0)
    loop = find_loop(wave, RATE, 220.0)
    assert loop is not None
    sound = played(bake(wave, loop, RATE), loop, 20)[loop.start :]
    blocks = sound[: len(sound) // 2205 * 2205].reshape(-1, 2205).astype(np.float64)
    level = 10 * np.log10((blocks**2).mean(axis=1))
    assert np.ptp(level) < 0.1
    turn = np.angle((blocks * np.exp(-2j * np.pi * 220.0 / RATE * np.arange(blocks.size).reshape(blocks.shape))).sum(1))
    # At most half a sample of rounding a turn: the phase moves slowly and never jumps.
    assert np.abs(np.diff(np.unwrap(turn))).max() < 2 * np.pi * 220.0 / RATE


def test_a_decaying_tone_is_refused() -> None:
    time = np.arange(RATE) / RATE
    for decay in (10.0, 20.0, 60.0):  # dB/s
        assert find_loop(tone(220.0) * 10 ** (-decay * time / 20), RATE, 220.0) is None
    assert find_loop(tone(220.0) * 10 ** (-2.0 * time / 20), RATE, 220.0) is not None


def test_noise_silence_and_glides_are_refused() -> None:
    noise = np.random.default_rng(0).standard_normal(RATE).astype(np.float32) * 0.1
    time = np.arange(RATE) / RATE
    glide = (0.3 * np.sin(2 * np.pi * (300 * time + 150 * time**2))).astype(np.float32)
    for wave in (noise, noise * 10 ** (-0.2 * time), np.zeros(RATE, np.float32), glide):
        assert find_loop(wave, RATE) is None
    assert find_loop(tone(220.0, seconds=0.15), RATE, 220.0) is None  # no room


def test_what_is_returned_meets_the_stated_bounds() -> None:
    for seed in range(6):
        noise = np.random.default_rng(seed).standard_normal(RATE) * 0.03
        wave = (tone(180.0 + 20 * seed, wobble=0.1) + noise).astype(np.float32)
        loop = find_loop(wave, RATE, 180.0 + 20 * seed)
        if loop is not None:
            assert loop.match >= loops.MATCH
            assert abs(loop.drift) <= loops.DRIFT
            assert loops.SHORTEST * RATE <= loop.length <= loops.LONGEST * RATE


def test_the_crossfade_leaves_all_but_the_loops_end_and_no_step_behind_it() -> None:
    wave = tone(220.0) + np.float32(0.001)
    loop = Loop(start=15_000, end=30_001, match=1.0, drift=0.0)  # a bad loop, so that the fade has something to do
    baked = bake(wave, loop, RATE)
    fade = round(loops.FADE * RATE)
    changed = np.flatnonzero(baked != wave)
    assert changed.min() > loop.end - fade
    assert changed.max() <= loop.end + fade
    assert baked[loop.end + 1] == pytest.approx(wave[loop.start], abs=1e-6)  # the jump back goes on as it is
    largest = np.abs(np.diff(wave, 2)).max()
    assert np.abs(np.diff(baked, 2)).max() < 1.2 * largest  # without looping there is no step either


def test_level_does_not_change_what_is_found() -> None:
    wave = tone(330.0, wobble=0.05)
    assert find_loop(wave, RATE, 330.0) == find_loop((wave * np.float32(0.125)), RATE, 330.0)
