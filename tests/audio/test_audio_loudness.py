"""Levels: closed forms, silence, and sounds brought to one peak."""

import numpy as np
import pytest
import torch

from darktimbre.audio.loudness import LEAST, at_peak, peak_dbfs, peak_gain, rms_dbfs


def test_levels_in_closed_form() -> None:
    square, sine = np.tile([1.0, -1.0], 50), np.sin(2 * np.pi * np.arange(100) / 20) / 2
    assert peak_dbfs(square) == rms_dbfs(square) == 0
    assert rms_dbfs(sine) == pytest.approx(20 * np.log10(0.5 / 2**0.5))
    assert peak_dbfs(np.zeros((2, 4))).tolist() == [-np.inf, -np.inf]


def test_every_sound_has_the_peak_and_its_shape() -> None:
    waves = np.random.default_rng(0).standard_normal((3, 50)).astype(np.float32) * [[0.001], [0.2], [3]]
    found = at_peak(waves.astype(np.float32), -1.0)
    assert found.dtype == np.float32
    np.testing.assert_allclose(peak_dbfs(found), -1.0, atol=1e-5)
    np.testing.assert_allclose(found / np.abs(found).max(axis=1, keepdims=True),
                               waves / np.abs(waves).max(axis=1, keepdims=True), atol=1e-6)  # fmt: skip
    np.testing.assert_array_equal(at_peak(found, -1.0), at_peak(at_peak(found, -1.0), -1.0))
    np.testing.assert_allclose(peak_dbfs(at_peak(found, [-30.0, 6, 0])), [-30, 6, 0], atol=1e-5)


def test_what_is_below_the_floor_is_silence() -> None:
    waves = np.float32([[0, 0], [0.5 * LEAST, 0], [LEAST, 0], [1e-3, -1e-4]])
    found = at_peak(waves, -1.0)
    assert not found[:2].any()
    np.testing.assert_allclose(peak_dbfs(found[2:]), -1.0, atol=1e-5)
    assert not at_peak(waves, -1.0, floor=1.1e-3).any()


def test_gains_of_tensors_are_those_of_arrays() -> None:
    peaks = np.float32([0, 1e-9, 1e-4, 0.02, 3])
    np.testing.assert_array_equal(peak_gain(torch.from_numpy(peaks), 0.5, 1e-3), peak_gain(peaks, 0.5, 1e-3))
