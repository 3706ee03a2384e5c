"""The harmonic comb against its definition, bin by bin, and against the spectrum of a real tone."""

import numpy as np
import pytest
import torch

from darktimbre.models.comb import HarmonicMask
from darktimbre.notes.pitch import midi_to_hz

PITCHES = (44, 57, 69)
BIN_HZ = 7.8125


def comb_of(condition: list[float], bands: int = 1) -> torch.Tensor:
    return HarmonicMask(PITCHES, 1024, bands, BIN_HZ, 1)(torch.tensor([[*condition, 0.3, 0.7]]))


def by_hand(f0: float) -> np.ndarray:
    hertz = (np.arange(1024) + 1) * BIN_HZ
    distances = (hertz[:, None] - np.arange(1, 200) * f0) / BIN_HZ  # (row, harmonic)
    nearest = distances[np.arange(1024), np.abs(distances).argmin(axis=1)]
    lobe = np.maximum(0.0, 1.0 - np.abs(nearest) / 2)
    offset = np.where(np.abs(nearest) < 2, nearest / 2, 0.0)
    return np.stack([lobe, offset])


def assert_same(comb: np.ndarray, expected: np.ndarray) -> None:
    """Up to float32's rounding of f0, and except where that decides on which side of the lobe's edge a bin lies."""
    edge = (np.maximum(comb[0], expected[0]) < 1e-3) & (np.maximum(abs(comb[1]), abs(expected[1])) > 0.99)
    assert edge.sum() <= 2
    np.testing.assert_allclose(comb[:, ~edge], expected[:, ~edge], atol=2e-3)


@pytest.mark.parametrize("number", range(3))
def test_definition(number: int) -> None:
    condition = [0.0] * 3
    condition[number] = 1.0
    comb = comb_of(condition)
    assert comb.shape == (1, 2, 1024, 1)
    assert_same(comb[0, :, :, 0].numpy(), by_hand(midi_to_hz(PITCHES[number])))


def test_numbers_are_those_of_the_nearest_harmonics() -> None:
    mask, condition = HarmonicMask(PITCHES, 1024, 4, BIN_HZ, 1), torch.tensor([[0.0, 1.0, 0.0, 0.3]])
    hertz, f0 = (np.arange(1024) + 1) * BIN_HZ, midi_to_hz(57)
    nearest = 1 + np.abs(hertz[:, None] - np.arange(1, 200) * f0).argmin(axis=1)
    assert mask.numbers(condition)[0].tolist() == nearest.tolist()


def test_soft_one_hot_is_the_pitch_between() -> None:
    assert_same(comb_of([0.0, 0.5, 0.5])[0, :, :, 0].numpy(), by_hand(midi_to_hz(63)))


def test_unpitched_has_no_comb() -> None:
    assert comb_of([0.0, 0.0, 0.0]).abs().max() == 0
    torch.testing.assert_close(comb_of([0.5, 0.0, 0.0]), 0.5 * comb_of([1.0, 0.0, 0.0]))


def test_packing_follows_the_picture() -> None:
    plain, packed = comb_of([0.0, 1.0, 0.0]), comb_of([0.0, 1.0, 0.0], bands=4)
    assert packed.shape == (1, 8, 256, 1)
    for band in range(4):
        torch.testing.assert_close(packed[0, band], plain[0, 0, band::4])
        torch.testing.assert_close(packed[0, 4 + band], plain[0, 1, band::4])


def test_lobes_lie_where_a_real_tone_sounds() -> None:
    f0, seconds = midi_to_hz(57), np.arange(2048) / 16000
    tone = sum(np.cos(2 * np.pi * harmonic * f0 * seconds) for harmonic in range(1, 30))
    spectrum = np.abs(np.fft.rfft(tone * np.hanning(2049)[:-1]))[1:]
    lobe = comb_of([0.0, 1.0, 0.0])[0, 0, :, 0].numpy()
    upto = int(29 * f0 / BIN_HZ)
    energy = spectrum[:upto] ** 2
    assert energy[lobe[:upto] > 0].sum() / energy.sum() > 0.999
    assert (lobe[:upto] > 0).mean() < 0.2  # 4 of 28 bins
