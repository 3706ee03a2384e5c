"""YIN against tones whose pitch is known, against librosa's own YIN, and against what must not change its answer."""

from collections.abc import Callable
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile

from darktimbre.audio.pitch import yin
from darktimbre.notes.pitch import midi_to_hz

RATE = 16_000


def tones(midi: np.ndarray, partials: int = 8, seconds: float = 0.6, noise: float = 0.0) -> np.ndarray:
    """Decaying harmonic tones, (note, sample), of which no partial passes half the rate."""
    time = np.arange(int(seconds * RATE)) / RATE
    random = np.random.default_rng(1)
    waves = []
    for number in midi:
        f0 = midi_to_hz(number)
        wave = sum(
            np.sin(2 * np.pi * f0 * k * time + random.uniform(0, 6.28)) / k
            for k in range(1, partials + 1)
            if f0 * k < RATE / 2
        )
        waves.append(wave * np.exp(-3 * time) + noise * random.standard_normal(len(time)))
    return np.array(waves)


def cents(found: np.ndarray, midi: np.ndarray) -> np.ndarray:
    return 1200 * np.log2(found / np.array([midi_to_hz(number) for number in midi]))


def test_harmonic_tones_are_found_within_a_few_cents() -> None:
    midi = np.arange(33, 97)  # A1 (55 Hz) to C7 (2093 Hz)
    found, confidence = yin(tones(midi), RATE)
    error = np.abs(cents(found, midi))
    print(f"worst error {error.max():.2f} cents, least confidence {confidence.min():.3f}")
    assert error.max() < 12  # parabolic interpolation is coarser where a period has only 8 samples
    assert error[midi < 72].max() < 3
    assert confidence.min() > 0.8


def test_a_missing_fundamental_is_found() -> None:
    time = np.arange(RATE) / RATE
    wave = sum(np.sin(2 * np.pi * 220 * k * time) for k in (2, 3, 4, 5))
    found, _ = yin(wave[None], RATE)
    assert abs(1200 * np.log2(found[0] / 220)) < 3


def test_it_agrees_with_librosa_on_noisy_tones() -> None:
    midi = np.arange(40, 84, 3)
    waves = tones(midi, noise=0.02)
    found, _ = yin(waves, RATE, fmin=60, fmax=2000)
    for wave, ours in zip(waves, found, strict=True):
        frames = librosa.yin(wave, fmin=60, fmax=2000, sr=RATE, frame_length=2048, trough_threshold=0.15, center=False)
        assert abs(1200 * np.log2(ours / np.median(frames[:8]))) < 10


def test_neither_scale_nor_batch_changes_the_answer() -> None:
    waves = tones(np.array([45, 60, 69]), noise=0.01)
    together, confidence = yin(waves, RATE)
    for index, wave in enumerate(waves):
        alone, sure = yin(1e-4 * wave[None], RATE)
        assert alone[0] == pytest.approx(together[index], rel=1e-5)
        assert sure[0] == pytest.approx(confidence[index], abs=1e-4)


def test_what_has_no_pitch_gets_none() -> None:
    random = np.random.default_rng(0)
    waves = np.stack([np.zeros(8000), random.standard_normal(8000), np.eye(1, 8000, 4000)[0]])
    found, confidence = yin(waves, RATE)
    assert np.isnan(found).all()
    assert (confidence == 0).all()
    short, sure = yin(np.ones((2, 100)), RATE)
    assert np.isnan(short).all()
    assert (sure == 0).all()
    assert yin(np.zeros((0, 8000)), RATE)[0].shape == (0,)


def test_a_noisier_tone_is_less_sure() -> None:
    clean, noisy = (yin(tones(np.array([57]), noise=level), RATE)[1][0] for level in (0.0, 0.15))
    assert clean > noisy


@pytest.mark.parametrize(("fmin", "fmax"), [(500, 100), (0, 100), (100, 9000)])
def test_an_impossible_range_is_refused(fmin: float, fmax: float) -> None:
    with pytest.raises(ValueError, match="range"):
        yin(np.zeros((1, 8000)), RATE, fmin, fmax)


def test_real_nsynth_notes_are_found(shared: Callable[[str], Path]) -> None:
    files = sorted((shared("sounds/nsynth-mini") / "audio").glob("*.wav"))
    waves = np.stack([soundfile.read(file, dtype="float32")[0][:RATE] for file in files])
    found, _ = yin(waves, RATE)
    within = np.abs(cents(found, np.full(len(files), 60))) < 50
    print(f"{within.sum()} of {len(files)} notes within 50 cents")
    assert within.mean() >= 0.9
