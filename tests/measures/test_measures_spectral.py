"""Distances between sounds: closed forms, invariances, an independent computation."""

import numpy as np
import pytest

from darktimbre.measures.spectral import log_spectral_distance, snr, spectral_convergence


def test_snr_of_a_scaled_copy_is_the_scaling() -> None:
    wave = np.sin(np.arange(1000))
    assert snr(wave, 0.9 * wave) == pytest.approx(20.0)  # the error is a tenth of the signal
    assert snr(np.stack([wave, wave]), np.stack([0.9 * wave, 0.99 * wave])) == pytest.approx([20.0, 40.0])


def test_snr_at_its_ends() -> None:
    wave = np.ones(8)
    assert snr(wave, wave) == np.inf
    assert snr(np.zeros(8), wave) == -np.inf
    assert np.isnan(snr(np.zeros(8), np.zeros(8)))


def test_snr_of_small_integers_is_not_wrapped() -> None:
    loud = np.full(4, 30000, dtype=np.int16)
    assert snr(loud, -loud) == pytest.approx(10 * np.log10(1 / 4))


def test_log_spectral_distance_is_the_gain_in_decibels_symmetric_and_zero_below_the_floor() -> None:
    random = np.random.default_rng(1)
    magnitude = random.uniform(0.5, 2.0, (3, 20, 7))
    assert log_spectral_distance(magnitude, 10 * magnitude, floor=1e-12) == pytest.approx(np.full(3, 20.0))
    first, second = random.uniform(0, 1, (2, 20, 7))
    assert log_spectral_distance(first, second) == pytest.approx(log_spectral_distance(second, first))
    assert log_spectral_distance(first * 1e-7, second * 1e-7) < 1e-3


def test_log_spectral_distance_by_loops() -> None:
    random = np.random.default_rng(2)
    first, second = random.uniform(0, 1, (2, 5, 3))
    frames = []
    for frame in range(3):
        squares = [(20 * np.log10((first[k, frame] + 0.01) / (second[k, frame] + 0.01))) ** 2 for k in range(5)]
        frames.append((sum(squares) / 5) ** 0.5)
    assert log_spectral_distance(first, second, floor=0.01) == pytest.approx(sum(frames) / 3)


def test_spectral_convergence_against_numpys_norm() -> None:
    first, second = np.random.default_rng(3).uniform(0, 1, (2, 9, 6))
    assert spectral_convergence(first, second) == pytest.approx(np.linalg.norm(first - second) / np.linalg.norm(first))
    assert spectral_convergence(first, 1.25 * first) == pytest.approx(0.25)
    assert np.isnan(spectral_convergence(np.zeros((2, 2)), np.zeros((2, 2))))


@pytest.mark.parametrize("measure", [snr, log_spectral_distance, spectral_convergence])
def test_unlike_shapes_are_not_broadcast(measure) -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        measure(np.ones((2, 4, 4)), np.ones((4, 4)))
