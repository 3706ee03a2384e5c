"""Mono, rate, length and levels: identities, bounds and an independent resampler."""

import numpy as np
import pytest
from scipy.signal import resample_poly

from darktimbre.audio.loudness import peak_dbfs, rms_dbfs
from darktimbre.audio.shape import fade_out, fit_length, resample, to_mono


def test_mono_is_the_mean_of_the_channels() -> None:
    stereo = np.array([[1.0, 0.5], [0.0, -0.5]], dtype=np.float32)
    assert to_mono(stereo).wave.tolist() == [0.5, 0.0]
    assert to_mono(stereo[:1]).wave.tolist() == [1.0, 0.5]


def test_channels_that_cancel_each_other_are_not_mixed() -> None:
    left, right = np.random.default_rng(0).standard_normal((2, 16_000)).astype(np.float32)
    for channels, one in (
        ([left, -left], True),
        ([left, -0.9 * left], True),
        ([left + 0.5, -0.95 * left + 0.2], True),  # constant offsets apart
        ([left, -0.97 * left + 0.1 * right], True),
        ([left, left], False),
        ([left, right], False),
        ([left, 0 * left], False),
        ([left, -0.3 * left], False),  # much is left
        ([left, *(0 * left for _ in range(15))], False),
        ([0 * left, 0 * left], False),
    ):
        samples = np.stack(channels).astype(np.float32)
        mixed = to_mono(samples)
        assert mixed.one_channel == one
        assert mixed.wave == pytest.approx(samples[0] if one else samples.mean(axis=0), abs=1e-6)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000, 96_000])
def test_a_tone_survives_a_change_of_rate(rate: int) -> None:
    time, target = np.arange(rate) / rate, np.arange(16_000) / 16_000
    changed = resample(np.sin(2 * np.pi * 1000 * time).astype(np.float32), rate, 16_000)
    assert len(changed) == 16_000
    middle = slice(500, -500)  # the filter's ends
    assert np.abs(changed[middle] - np.sin(2 * np.pi * 1000 * target[middle])).max() < 1e-3


def test_what_the_lower_rate_cannot_hold_is_filtered_out() -> None:
    tone = np.sin(2 * np.pi * 12_000 * np.arange(44_100) / 44_100).astype(np.float32)
    assert rms_dbfs(resample(tone, 44_100, 16_000)[500:-500]) < -80  # its sudden beginning and end hold all frequencies


def test_resampling_agrees_with_another_resampler() -> None:
    noise = np.random.default_rng(0).standard_normal(48_000)
    spectrum = np.fft.rfft(noise)
    spectrum[int(6_000 / 48_000 * len(noise)) :] = 0  # both filters are flat below 6 kHz
    wave = np.fft.irfft(spectrum).astype(np.float32)
    ours, theirs = resample(wave, 48_000, 16_000), resample_poly(wave, 1, 3)
    middle = slice(500, -500)
    assert np.abs(ours - theirs)[middle].max() < 5e-3 * np.abs(wave).max()


def test_the_same_rate_is_no_change() -> None:
    wave = np.random.default_rng(0).standard_normal(100).astype(np.float32)
    assert resample(wave, 16_000, 16_000) is wave


def test_fitting_pads_cuts_or_leaves() -> None:
    wave = np.ones(100, dtype=np.float32)
    padded, how = fit_length(wave, 150, 10)
    assert how == "padded"
    assert padded.tolist() == [1.0] * 100 + [0.0] * 50
    exact, how = fit_length(wave, 100, 10)
    assert how == "exact"
    assert exact.tolist() == wave.tolist()
    cut, how = fit_length(wave, 60, 10)
    assert how == "cut"
    assert cut[:50].tolist() == [1.0] * 50
    assert cut[-1] == 0
    assert (np.diff(cut[49:]) < 0).all()
    assert wave.tolist() == [1.0] * 100  # the caller's array is left alone
    assert len(fit_length(wave, 5, 10)[0]) == 5


def test_a_fade_is_half_a_cosine() -> None:
    fade = fade_out(101)
    assert fade[-1] == pytest.approx(0, abs=1e-7)
    assert fade[49] == pytest.approx(0.5, abs=0.02)
    assert len(fade_out(0)) == 0


def test_levels_of_known_waves() -> None:
    time = np.arange(16_000) / 16_000
    waves = np.stack([np.sign(np.sin(2 * np.pi * 100.5 * time + 0.1)), np.sin(2 * np.pi * 100 * time), 0 * time])
    assert peak_dbfs(waves)[:2] == pytest.approx([0, 0], abs=1e-6)
    assert rms_dbfs(waves)[:2] == pytest.approx([0, -3.0103], abs=1e-3)
    assert peak_dbfs(waves)[2] == rms_dbfs(waves)[2] == -np.inf
    assert rms_dbfs(waves[:2] / 10) - rms_dbfs(waves[:2]) == pytest.approx([-20, -20], abs=1e-3)
