"""Latents against their prior: closed forms, scipy's distances, what is expected of normal draws, collapse."""

import numpy as np
import pytest
from scipy import stats

from darktimbre.measures.prior import effective_rank, normal_deviation, sliced_distance

RANDOM = np.random.default_rng(0)


def test_deviation_by_dimension_against_scipy() -> None:
    latents = RANDOM.standard_normal((400, 3)) * (1, 0.5, 2) + (0, 0.3, -1)
    found = normal_deviation(latents)
    quantiles = stats.norm.ppf((np.arange(400) + 0.5) / 400)
    for place in range(3):
        reference = stats.wasserstein_distance(latents[:, place], quantiles)
        assert found.distance[place] == pytest.approx(reference)
    np.testing.assert_allclose(found.mean, latents.mean(axis=0))
    np.testing.assert_allclose(found.deviation, latents.std(axis=0))
    # W1 of N(m, 1) and N(0, 1) is |m|, of N(0, s²) and N(0, 1) |s − 1|·√(2/π).
    assert normal_deviation(quantiles[:, None] + 0.7).distance[0] == pytest.approx(0.7)
    assert normal_deviation(3 * quantiles[:, None]).distance[0] == pytest.approx(2 * np.sqrt(2 / np.pi), rel=0.02)


def test_normal_draws_are_as_far_as_expected() -> None:
    latents = RANDOM.standard_normal((800, 4))
    found = normal_deviation(latents)
    assert found.distance.max() < 2.5 * found.expected
    sliced = sliced_distance(latents)
    assert sliced.distance < 1.5 * sliced.expected
    assert normal_deviation(latents + 0.5).distance.min() > 5 * found.expected


def test_effective_rank_in_closed_form() -> None:
    square = np.array([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    assert effective_rank(square) == pytest.approx(2)
    share = np.array([9, 1]) / 10  # variances 9 : 1
    assert effective_rank(square * (3, 1)) == pytest.approx(np.exp(-(share * np.log(share)).sum()))
    assert effective_rank(np.outer([1.0, 2, 5], [1, 2, 3])) == pytest.approx(1)
    assert effective_rank(np.full((5, 3), 1e3)) == 0  # a collapsed latent
    assert effective_rank(np.full((5, 3), 0.1)) == 0


def test_effective_rank_is_of_the_shape_alone() -> None:
    latents = RANDOM.standard_normal((500, 4)) * (4, 2, 1, 0.2)
    turned = np.linalg.qr(RANDOM.standard_normal((4, 4)))[0]
    assert 1 < effective_rank(latents) < 4
    assert effective_rank(latents @ turned * 1e-6 + 8) == pytest.approx(effective_rank(latents), rel=1e-6)
    assert effective_rank(RANDOM.standard_normal((4000, 3))) > 2.99


def test_sliced_distance_of_shifted_codes_is_the_shift_along_the_directions() -> None:
    # In one dimension every direction is ±1: the distance is the Wasserstein-2 distance, of N(m, s²) √(m² + (s − 1)²).
    quantiles = stats.norm.ppf((np.arange(2000) + 0.5) / 2000)[:, None]
    assert sliced_distance(2 * quantiles + 1).distance == pytest.approx(np.sqrt(2), rel=0.01)
    # A shift m in d dimensions is seen as θᵀm, whose mean square is |m|²/d.
    moved = np.array([3.0, 0, 0]) + RANDOM.standard_normal((4000, 3))
    assert sliced_distance(moved).distance == pytest.approx(np.sqrt(3), rel=0.08)


def test_a_collapsed_code_is_far_from_the_prior() -> None:
    # Of points the distance is the prior's own deviation, 1; of a plane in three dimensions it is in between.
    assert sliced_distance(np.zeros((1000, 3))).distance == pytest.approx(1, abs=0.01)
    flat = RANDOM.standard_normal((1000, 3)) * (1, 1, 0)
    assert sliced_distance(flat).distance > 4 * sliced_distance(flat).expected
