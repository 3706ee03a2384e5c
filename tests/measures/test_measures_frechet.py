"""Fréchet distance: Gaussians with known distance, degenerate sets, streaming, independent routes, and what N does."""

import numpy as np
import pytest
import torch
from scipy import linalg
from torchmetrics.image.fid import FrechetInceptionDistance, _compute_fid

from darktimbre.measures.frechet import (
    Moments,
    ReferenceParts,
    frechet_distance,
    frechet_infinity,
    frechet_standard_error,
    notes_for_full_rank,
    notes_for_infinity,
)


def with_moments(mean: np.ndarray, covariance: np.ndarray, notes: int, seed: int = 0) -> np.ndarray:
    """Features whose sample moments are exactly these."""
    white = np.random.default_rng(seed).normal(size=(notes, len(mean)))
    white -= white.mean(axis=0)
    white = white @ np.linalg.inv(np.linalg.cholesky(np.cov(white.T))).T
    return mean + white @ np.linalg.cholesky(covariance).T


def known(deviations: np.ndarray) -> Moments:
    """A centred Gaussian, known exactly."""
    reference = Moments()
    root = np.diag(deviations).astype(float)
    count = 2 * len(deviations)
    reference.add(np.concatenate([root, -root]) * ((count - 1) / 2) ** 0.5)
    return reference


def by_sqrtm(x: np.ndarray, y: np.ndarray) -> float:
    a, b = np.cov(x.T), np.cov(y.T)
    root = linalg.sqrtm(a @ b)
    return float(np.square(x.mean(0) - y.mean(0)).sum() + np.trace(a) + np.trace(b) - 2 * np.trace(root).real)


def distance(x: np.ndarray, y: np.ndarray) -> float:
    return frechet_distance(Moments().add(x), Moments().add(y))


def test_gaussians_along_the_same_axes() -> None:
    # ‖μ - ν‖² + Σ (σ - τ)²
    x = with_moments(np.array([1.0, 2, 3]), np.diag([1.0, 4, 9]), 50)
    y = with_moments(np.array([1.0, 0, 3]), np.diag([4.0, 4, 1]), 30, seed=1)
    assert distance(x, y) == pytest.approx(4 + (1 + 0 + 4), rel=1e-12)


def test_gaussians_askew_in_the_plane() -> None:
    # tr √M of a 2 × 2 matrix is √(tr M + 2·√det M)
    a, b = np.array([[2.0, 0.7], [0.7, 1.0]]), np.array([[1.0, -0.5], [-0.5, 3.0]])
    x, y = with_moments(np.zeros(2), a, 40), with_moments(np.zeros(2), b, 40, seed=1)
    overlap = np.sqrt(np.trace(a @ b) + 2 * np.sqrt(np.linalg.det(a) * np.linalg.det(b)))
    assert distance(x, y) == pytest.approx(3 + 4 - 2 * overlap, rel=1e-12)


def test_as_scipys_sqrtm_and_torchmetrics() -> None:
    random = np.random.default_rng(2)
    x = random.uniform(size=(300, 20)) @ random.normal(size=(20, 20))
    y = random.uniform(size=(200, 20)) @ random.normal(size=(20, 20)) + 0.3
    here, there = torch.tensor(x), torch.tensor(y)
    assert distance(x, y) == pytest.approx(by_sqrtm(x, y), rel=1e-9)
    functional = _compute_fid(here.mean(0), here.T.cov(), there.mean(0), there.T.cov())
    assert distance(x, y) == pytest.approx(float(functional), rel=1e-9)
    network = torch.nn.Identity()
    network.num_features = 20
    metric = FrechetInceptionDistance(feature=network, normalize=True).set_dtype(torch.float64)
    metric.update(here, real=True)
    metric.update(there, real=False)
    assert distance(x, y) == pytest.approx(float(metric.compute()), rel=1e-9)


def test_equal_sets_are_at_zero_and_no_distance_is_below_it() -> None:
    random = np.random.default_rng(3)
    wide = random.normal(size=(200, 30)) * 10.0 ** -np.arange(30)  # condition 1e58
    flat = random.normal(size=(8, 30))  # rank 7
    still = np.ones((9, 30))
    sets = [wide, flat, still, random.normal(size=(100, 30)), np.zeros((2, 30))]
    for x in sets:
        assert 0 <= distance(x, x) < 1e-12 * max(1.0, np.trace(np.cov(x.T)))
        assert 0 <= distance(x, x[::-1]) < 1e-12 * max(1.0, np.trace(np.cov(x.T)))
        for y in sets:
            assert distance(x, y) >= 0
            assert distance(x, y) == pytest.approx(distance(y, x), rel=1e-10, abs=1e-12)


def test_sets_of_low_rank() -> None:
    # On lines at a right angle nothing overlaps: the traces remain. On one line it is (σ - τ)².
    line, other = np.zeros((2, 11, 6))
    line[:, 0], other[:, 1] = np.linspace(-1, 1, 11), np.linspace(-2, 2, 11)
    assert distance(line, other) == pytest.approx(line[:, 0].var(ddof=1) + other[:, 1].var(ddof=1))
    assert distance(line, 3 * line) == pytest.approx((2 * line[:, 0].std(ddof=1)) ** 2)
    assert distance(line, np.zeros((5, 6))) == pytest.approx(line[:, 0].var(ddof=1))  # and a point
    assert distance(np.ones((3, 6)), np.zeros((5, 6))) == 6.0


def test_order_and_rotation_do_not_matter() -> None:
    random = np.random.default_rng(4)
    x, y = random.uniform(size=(900, 50)).astype(np.float32), random.uniform(size=(700, 50)) ** 1.1
    assert distance(x[random.permutation(900)], y[random.permutation(700)]) == pytest.approx(distance(x, y), rel=1e-9)
    turned = np.linalg.qr(random.normal(size=(50, 50)))[0]
    assert distance(x @ turned + 5, y @ turned + 5) == pytest.approx(distance(x, y), rel=1e-9)
    assert distance(4 * x, 4 * y) == pytest.approx(16 * distance(x, y), rel=1e-9)


def test_moments_in_parts_are_those_of_the_whole_even_far_from_zero() -> None:
    random = np.random.default_rng(5)
    x = 1e6 + random.normal(size=(5000, 7))
    parts = Moments()
    for first, stop in ((0, 1), (1, 2), (2, 2), (2, 700), (700, 5000)):
        parts.add(x[first:stop])
    merged = Moments().merge(Moments().add(x[:900])).merge(Moments()).merge(Moments().add(x[900:]))
    for moments in (parts, merged, Moments().add(x)):
        assert moments.count == 5000
        assert moments.mean == pytest.approx(x.mean(axis=0), rel=1e-14)
        assert moments.covariance == pytest.approx(np.cov(x.T), abs=1e-8)


def test_what_comes_after_a_distance_still_counts() -> None:
    random = np.random.default_rng(6)
    x, y = random.normal(size=(2, 60, 4))
    growing, fixed = Moments().add(x[:30]), Moments().add(y)
    before = frechet_distance(growing, fixed)
    assert frechet_distance(growing.add(x[30:]), fixed) == pytest.approx(distance(x, y), rel=1e-12)
    assert before != distance(x, y)


def test_rank_needs_one_note_more_than_dimensions() -> None:
    random = np.random.default_rng(7)
    for notes, full in ((notes_for_full_rank(9), True), (notes_for_full_rank(9) - 1, False)):
        moments = Moments().add(random.normal(size=(notes, 9)))
        assert bool(np.linalg.matrix_rank(moments.covariance) == 9) is full
        assert (moments.root.shape[1] == 9) is full


SPECTRA = {"independent": np.ones(32), "falling": np.arange(1.0, 33) ** -0.5}


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1.2, 0.2)])
@pytest.mark.parametrize(("real", "fake"), [(3, 3), (6, 3), (3, 12), (12, 12)])
def test_no_bias_is_left_with_few_notes_on_both_sides(
    spectrum: str, scale: float, shift: float, real: int, fake: int
) -> None:
    random, deviations = np.random.default_rng(8), SPECTRA[spectrum]
    truth = np.square(deviations).sum() * ((scale - 1) ** 2 + shift**2)
    found = []
    for seed in range(24):
        x = deviations * random.normal(size=(32 * real, 32))
        y = deviations * (shift + scale * random.normal(size=(32 * fake, 32)))
        found.append(frechet_infinity(x, y, seed=seed))
    values = np.array([one.value for one in found])
    bias = np.mean([one.distance for one in found]) - truth
    left = values.mean() - truth
    assert abs(left) < 0.06 * bias + 3 * values.std(ddof=1) / 24**0.5  # the extrapolation's own limit, and chance
    assert abs(left) < 0.15 * bias
    stated = np.mean([one.standard_error for one in found])
    assert values.std(ddof=1) / 2 < stated < 2 * values.std(ddof=1)  # reference drawn anew too, which is not counted


def test_what_600_notes_of_128_dimensions_say_of_one_distribution() -> None:
    x, y = np.random.default_rng(20).normal(size=(2, 600, 128))
    found = frechet_infinity(x, y)
    assert found.distance > 12
    assert abs(found.value) < 3 * found.standard_error < 2


def test_standard_error_is_the_spread_of_repeated_draws() -> None:
    random, deviations = np.random.default_rng(9), np.arange(1.0, 13) ** -0.5
    reference = known(deviations)
    draws = [0.5 + 1.3 * deviations * random.normal(size=(300, 12)) for _ in range(80)]
    spread = np.std([frechet_distance(reference, Moments().add(draw)) for draw in draws])
    stated = [frechet_standard_error(reference, draw) for draw in draws]
    assert np.mean(stated) == pytest.approx(spread, rel=0.25)  # three standard errors of a deviation from 80


def test_a_constant_shift_has_the_error_of_a_mean() -> None:
    # One dimension, equal variances, far away: distance ≈ (μ̄ - ν)², whose error is 2·|μ - ν|·σ/√n.
    y = 1000 + np.random.default_rng(10).normal(size=(500, 1))
    assert frechet_standard_error(known(np.ones(1)), y) == pytest.approx(2000 * y.std(ddof=1) / 500**0.5, rel=0.01)


@pytest.mark.parametrize("shift", [0.3, 1.0])
def test_notes_of_one_instrument_are_not_counted_as_independent(shift: float) -> None:
    # 40 instruments of 20 notes: most of what a note is, its instrument is
    random, deviations = np.random.default_rng(12), np.arange(1.0, 9) ** -0.5
    reference, groups = known(deviations), np.repeat(np.arange(40), 20)
    found, stated, naive = [], [], []
    for _ in range(60):
        level = 0.9 * random.normal(size=(40, 8))[groups] + 0.19**0.5 * random.normal(size=(800, 8))
        fake = deviations * (shift + 1.2 * level)
        found.append(frechet_distance(reference, Moments().add(fake)))
        stated.append(frechet_standard_error(reference, fake, groups))
        naive.append(frechet_standard_error(reference, fake))
    spread = np.std(found)
    assert spread / 1.5 < np.mean(stated) < 1.5 * spread
    assert np.mean(naive) < spread / 2.5


def test_groups_of_one_note_are_no_groups_and_one_group_has_no_error() -> None:
    fake = np.random.default_rng(13).normal(size=(50, 3))
    reference = known(np.ones(3))
    alone = frechet_standard_error(reference, fake)
    assert frechet_standard_error(reference, fake, np.arange(50)[::-1]) == pytest.approx(alone, rel=1e-12)
    assert np.isnan(frechet_standard_error(reference, fake, np.zeros(50)))
    twice, instruments = np.concatenate([fake, fake]), np.tile(np.arange(50), 2)
    # a note given twice is no further note; n - 1 of the covariance differs
    assert frechet_standard_error(reference, twice, instruments) == pytest.approx(alone, rel=0.02)


def test_the_extrapolation_by_hand() -> None:
    random = np.random.default_rng(11)
    x, y = random.normal(size=(300, 5)), 1 + random.normal(size=(200, 5))
    found = frechet_infinity(x, y, seed=3)
    quarters = [np.array_split(np.random.default_rng(3).permutation(n), 4) for n in (300, 200)]
    halves = []
    for pair in ((0, 1), (2, 3), (0, 2), (1, 3), (0, 3), (1, 2)):
        rows, others = (np.concatenate([side[one] for one in pair]) for side in quarters)
        halves.append(distance(x[rows], y[others]))
    assert found.distance == pytest.approx(distance(x, y), rel=1e-9)
    assert found.halves == pytest.approx(halves, rel=1e-9)
    assert found.value == pytest.approx(2 * distance(x, y) - np.mean(halves), rel=1e-9)
    error = frechet_standard_error(Moments().add(x), y)
    assert found.standard_error == pytest.approx(
        np.hypot(error, np.std(np.reshape(halves, (3, 2)).mean(axis=1), ddof=1) / 3**0.5), rel=1e-6
    )


def test_parts_of_the_reference_serve_all_that_is_compared() -> None:
    random = np.random.default_rng(14)
    x, y = random.normal(size=(60, 5)), 1 + random.normal(size=(40, 5))
    groups = np.arange(40) // 4
    parts = ReferenceParts(x, seed=3)
    found = frechet_infinity(parts, y, groups=groups)
    assert found == frechet_infinity(x, y, groups=groups, seed=3) == frechet_infinity(parts, y, groups=groups)
    error = frechet_standard_error(parts.whole, y, groups)
    assert found == frechet_infinity(parts, y, distance_error=error)
    assert found.value != frechet_infinity(x, y, groups=groups, seed=4).value
    assert frechet_infinity(parts, x).value == pytest.approx(0, abs=1e-6)  # a set with itself


def test_fewer_than_three_notes_a_dimension_are_not_extrapolated_from() -> None:
    x = np.random.default_rng(15).normal(size=(100, 8))
    assert notes_for_infinity(8) == 24
    frechet_infinity(x[:24], x[:24])
    for real, fake in ((100, 23), (23, 100)):
        with pytest.raises(ValueError, match="23 notes are too few to extrapolate from: 24"):
            frechet_infinity(x[:real], x[:fake])
    still = frechet_infinity(np.ones((12, 3)), np.zeros((9, 3)))  # no variance at all
    assert (still.value, still.standard_error) == (pytest.approx(3), pytest.approx(0, abs=1e-12))


def test_what_cannot_be_measured_is_refused() -> None:
    moments = Moments().add(np.eye(3))
    with pytest.raises(ValueError, match="do not go with"):
        moments.add(np.eye(4))
    with pytest.raises(ValueError, match="different dimensions"):
        frechet_distance(moments, Moments().add(np.eye(4)))
    with pytest.raises(ValueError, match="two notes"):
        frechet_distance(moments, Moments().add(np.eye(3)[:1]))
    with pytest.raises(ValueError, match="different dimensions"):
        frechet_infinity(np.zeros((20, 3)), np.zeros((20, 4)))
    with pytest.raises(ValueError, match="one group a note"):
        frechet_standard_error(moments, np.zeros((20, 3)), np.zeros(19))
    with pytest.raises(ValueError, match="not finite"):
        moments.add(np.full((2, 3), np.inf))
