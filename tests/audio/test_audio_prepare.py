"""A file becomes a note of the corpus's shape, whatever its rate, channels, length and level."""

import io

import numpy as np
import pytest
import soundfile

from darktimbre.audio.files import UnreadableSound
from darktimbre.audio.prepare import Shape, prepare

SHAPE = Shape(sample_rate=16_000, samples=16_000, fade=160, estimate_pitch=True)


def sound(samples: np.ndarray, rate: int, subtype: str = "PCM_16") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype=subtype)
    return file.getvalue()


def tone(rate: int, seconds: float, hz: float = 220.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)


@pytest.mark.parametrize(("seconds", "fit"), [(0.4, "padded"), (1.0, "exact"), (2.5, "cut")])
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 96_000])
def test_length_rate_and_pitch(rate: int, seconds: float, fit: str) -> None:
    prepared = prepare(sound(np.stack([tone(rate, seconds)] * 2, axis=1), rate), SHAPE)
    assert prepared.samples.shape == (16_000,)
    assert prepared.fit == fit
    assert prepared.seconds == pytest.approx(seconds, abs=1e-3)
    assert prepared.f0 == pytest.approx(220, rel=0.002)
    inside = slice(400, int(16_000 * min(seconds, 1.0)) - 400)
    expected = tone(16_000, 1.0)
    assert np.abs(prepared.samples[inside] - expected[inside]).max() < 2e-3


def test_sixteen_bits_at_the_right_rate_pass_bit_for_bit() -> None:
    samples = np.random.default_rng(0).integers(-32768, 32767, 16_000).astype(np.int16)
    samples[:2] = -32768, 32767
    prepared = prepare(sound(samples, 16_000), SHAPE)
    assert (np.rint(prepared.samples * 32768) == samples).all()


def test_what_is_too_loud_is_lowered_and_not_clipped() -> None:
    prepared = prepare(sound(40 * tone(44_100, 1.0), 44_100, "FLOAT"), SHAPE)
    assert prepared.lowered
    assert 0.99 < np.abs(prepared.samples).max() <= 32767 / 32768
    assert prepared.f0 == pytest.approx(220, rel=0.002)


@pytest.mark.parametrize(
    ("samples", "rate", "reason"),
    [
        (np.zeros(20_000), 16_000, "silent"),
        (np.concatenate([np.zeros(60_000), tone(16_000, 1.0)]), 16_000, "silent"),
        (np.full(16_000, 0.3), 16_000, "silent"),
        (np.full(3_000, -0.9), 44_100, "silent"),
        (0.3 + np.random.default_rng(0).integers(-1, 2, 16_000) / 32768, 16_000, "silent"),  # dither
        (np.stack([np.full(16_000, 0.3), np.full(16_000, -0.3)], axis=1), 16_000, "silent"),
        (np.ones(2), 192_000, "shorter than one sample"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(samples: np.ndarray, rate: int, reason: str) -> None:
    with pytest.raises(UnreadableSound, match=reason):
        prepare(sound(samples, rate), SHAPE)


def test_an_offset_is_kept_and_channels_of_opposite_phase_are_not_mixed() -> None:
    prepared = prepare(sound(tone(16_000, 1.0) + 0.2, 16_000), SHAPE)
    assert prepared.samples.mean() == pytest.approx(0.2, abs=1e-3)
    opposite = prepare(sound(np.stack([tone(16_000, 1.0), -tone(16_000, 1.0)], axis=1), 16_000), SHAPE)
    assert opposite.one_channel
    assert opposite.f0 == pytest.approx(220, rel=0.002)


def test_huge_values_do_not_overflow() -> None:
    prepared = prepare(sound(1e38 * np.stack([tone(16_000, 1.0)] * 3, axis=1), 16_000, "FLOAT"), SHAPE)
    assert np.isfinite(prepared.samples).all()
