"""Effects: identities, the filter's gain and cause before effect, closed forms of envelopes, harmonics of the drive."""

import numpy as np
import pytest

from darktimbre.audio.effects import bins_for, driven, enveloped, filtered, layered, minimum_phase

RATE = 16_000
TIME = np.arange(RATE) / RATE
NOISE = np.random.default_rng(0).standard_normal(RATE)


def rms(wave: np.ndarray) -> float:
    return float(np.sqrt(np.square(wave).mean()))


def test_a_layer_is_so_many_decibels_louder() -> None:
    other = np.sin(2 * np.pi * 440 * TIME) * 0.01
    for level in (-12.0, 0, 6):
        assert 20 * np.log10(rms(layered(NOISE, other, level) - NOISE) / rms(NOISE)) == pytest.approx(level, abs=1e-9)
    np.testing.assert_array_equal(layered(NOISE, np.zeros(RATE), 3.0), NOISE)


def test_a_filter_has_its_gains_and_nothing_sounds_before_the_onset() -> None:
    bins = bins_for(RATE)
    hz = np.linspace(0, RATE / 2, bins)
    gain = 10 ** (12 * np.exp(-0.5 * (np.log2(np.maximum(hz, 20) / 900) / 0.2) ** 2) / 20)
    response = minimum_phase(gain)
    np.testing.assert_allclose(np.abs(response), gain, rtol=1e-6)
    late = np.zeros(RATE)
    late[RATE // 2] = 1.0
    made = filtered(late, response)
    assert np.abs(made[: RATE // 2]).max() < 1e-9 * np.abs(made).max()
    np.testing.assert_allclose(filtered(NOISE, minimum_phase(np.ones(bins))), NOISE, atol=1e-12)


def test_envelopes_in_closed_form() -> None:
    tone = np.sign(np.sin(2 * np.pi * 1000 * TIME + 0.1))
    late = np.concatenate([np.zeros(2000), tone[:-2000]])
    made = enveloped(late, RATE, attack=0.02, decay=0.5)
    after = np.abs(made[2000:])
    np.testing.assert_allclose(after, (1 - np.exp(-TIME[:-2000] / 0.02)) * 10 ** (-3 * TIME[:-2000] / 0.5), atol=1e-9)
    assert not made[:2000].any()
    np.testing.assert_array_equal(enveloped(late, RATE, attack=0.0, decay=np.inf), late)
    assert not enveloped(np.zeros(8), RATE, attack=0.1, decay=1.0).any()


def test_drive_adds_harmonics_alone_and_little_of_it_is_the_sound_itself() -> None:
    tone = 0.2 * np.sin(2 * np.pi * 500 * TIME)
    power = np.square(np.abs(np.fft.rfft(driven(tone, 20.0) * np.hanning(RATE))))
    harmonics = np.zeros(len(power), bool)
    for k in range(1, 16):
        harmonics[500 * k - 4 : 500 * k + 5] = True
    assert power[1496:1505].sum() > 0.01 * power[496:505].sum()
    assert power[~harmonics][:7500].sum() < 1e-4 * power.sum()
    quiet = driven(tone, -60.0)
    np.testing.assert_allclose(quiet[200:-200] * 1000 * 0.2, tone[200:-200], atol=1e-3)
    assert len(quiet) == len(tone)
    assert not driven(np.zeros(16), 6.0).any()
