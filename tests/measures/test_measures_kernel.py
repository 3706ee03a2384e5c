"""Kernel distance: unbiased at any size, closed forms of Gaussians, torchmetrics, blocks, order and precision."""

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import polynomial_kernel
from torchmetrics.image.kid import KernelInceptionDistance, poly_mmd

from darktimbre.measures import kernel, tables
from darktimbre.measures.kernel import kernel_distance, polynomial_mmd


def plain_mmd(x: np.ndarray, y: np.ndarray) -> float:
    """By scikit-learn's kernel, sums as written."""
    n, m = len(x), len(y)
    xx, yy, xy = (polynomial_kernel(*pair, degree=3, gamma=1 / x.shape[1]) for pair in ((x, x), (y, y), (x, y)))
    own = (xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1))
    return float(own - 2 * xy.mean())


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "blocks", lambda rows: tables.blocks(rows, 7))


def test_two_notes_a_side_by_hand() -> None:
    x, y = np.array([[1.0], [2.0]]), np.array([[0.0], [3.0]])
    # k(1, 2) = 27, k(0, 3) = 1; across: 1, 64, 1, 343
    assert polynomial_mmd(x, y) == pytest.approx(27 + 1 - 2 * (1 + 64 + 1 + 343) / 4)


@pytest.mark.usefixtures("small_blocks")
def test_as_scikit_learns_kernel_over_uneven_blocks_and_sets() -> None:
    random = np.random.default_rng(0)
    for n, m in ((20, 20), (20, 9), (7, 15), (2, 2), (8, 50)):
        x, y = random.uniform(size=(n, 5)), random.normal(size=(m, 5))
        assert polynomial_mmd(x, y) == pytest.approx(plain_mmd(x, y), rel=1e-11)


def test_as_torchmetrics() -> None:
    random = np.random.default_rng(1)
    x, y = random.uniform(size=(60, 12)), random.normal(0.3, 0.6, (60, 12))
    here, there = torch.tensor(x), torch.tensor(y)
    assert polynomial_mmd(x, y) == pytest.approx(float(poly_mmd(here, there)), rel=1e-11)
    metric = KernelInceptionDistance(feature=torch.nn.Identity(), subsets=2, subset_size=60).set_dtype(torch.float64)
    metric.update(here, real=True)
    metric.update(there, real=False)
    assert polynomial_mmd(x, y) == pytest.approx(float(metric.compute()[0]), rel=1e-11)


def test_its_subsets_have_torchmetrics_mean_and_deviation() -> None:
    random = np.random.default_rng(2)
    x, y = random.uniform(size=(200, 6)), random.uniform(size=(200, 6)) ** 1.5
    ours = kernel_distance(x, y, subsets=400, subset_size=50)
    metric = KernelInceptionDistance(feature=torch.nn.Identity(), subsets=400, subset_size=50).set_dtype(torch.float64)
    metric.update(torch.tensor(x), real=True)
    metric.update(torch.tensor(y), real=False)
    torch.manual_seed(0)
    mean, std = (float(one) for one in metric.compute())
    assert ours.mean == pytest.approx(mean, abs=4 * std * (2 / 400) ** 0.5)
    assert ours.std == pytest.approx(std, rel=0.2)  # four standard errors of a ratio of two, each of 400


@pytest.mark.usefixtures("small_blocks")
def test_each_subset_is_the_distance_of_its_notes() -> None:
    random = np.random.default_rng(3)
    x, y = random.normal(size=(30, 4)), random.normal(1, 1, (24, 4))
    found = kernel_distance(x, y, subsets=6, subset_size=9, seed=5)
    draws = np.random.default_rng(5)
    each = []
    for _ in range(6):
        rows = draws.choice(30, 9, replace=False)
        each.append(plain_mmd(x[rows], y[draws.choice(24, 9, replace=False)]))
    assert found.value == pytest.approx(plain_mmd(x, y), rel=1e-11)
    assert (found.mean, found.std) == pytest.approx((np.mean(each), np.std(each)), rel=1e-11)
    assert (found.subsets, found.subset_size) == (6, 9)


def test_unbiased_with_ten_notes() -> None:
    # Of two centred Gaussians, third moments vanish: MMD² = 3·‖Σ₁ - Σ₂‖² / d².
    random, wide = np.random.default_rng(4), np.array([1.5, 1.0, 0.5])
    truth = 3 * np.square(wide**2 - 1).sum() / 9
    for deviation, expected in ((np.ones(3), 0.0), (wide, truth)):
        found = [
            polynomial_mmd(random.normal(size=(10, 3)), random.normal(size=(10, 3)) * deviation) for _ in range(800)
        ]
        assert np.mean(found) == pytest.approx(expected, abs=4 * np.std(found) / 800**0.5)
        assert np.std(found) / 800**0.5 < 0.1 * truth  # that would be seen


def test_many_notes_come_near_the_closed_form() -> None:
    random = np.random.default_rng(5)
    mean = np.array([0.5, 0.0])
    # k = (t + 1)³, t = x·y/2. With a shift: E t = μ·ν/2, E t² = tr(M N)/4 and E t³ = Σ (third moments)/8.
    x, y = random.normal(size=(2500, 2)), mean + random.normal(size=(2500, 2))
    # of y: E y₀³ and, three times in the tensor, E y₀ y₁²; those of x vanish
    cubes = {(0, 0, 0): 3 * mean[0] + mean[0] ** 3, (0, 1, 1): mean[0]}
    squared = cubes[0, 0, 0] ** 2 + 3 * cubes[0, 1, 1] ** 2
    expected = 3 * (mean @ mean) / 2 + 3 * (mean[0] ** 4) / 4 + squared / 8
    assert polynomial_mmd(x, y) == pytest.approx(expected, rel=0.15)


def test_order_of_the_notes_does_not_matter() -> None:
    random = np.random.default_rng(6)
    x, y = random.uniform(size=(1100, 40)), random.uniform(size=(600, 40)) ** 1.05
    found = kernel_distance(x, y, subsets=20, subset_size=300)
    mixed = x[random.permutation(1100)], y[random.permutation(600)]
    assert kernel_distance(*mixed, subsets=20, subset_size=300).value == pytest.approx(found.value, rel=1e-9)
    # float32 products are rounded otherwise in another place of the block: far below what the notes' number leaves open
    first, second = (polynomial_mmd(*(side.astype(np.float32) for side in pair)) for pair in ((x, y), mixed))
    assert abs(first - second) < min(1e-9, 1e-6 * found.std)
    assert polynomial_mmd(y, x) == pytest.approx(polynomial_mmd(x, y), rel=1e-11)
    turned = np.linalg.qr(random.normal(size=(40, 40)))[0]
    assert polynomial_mmd(x @ turned, y @ turned) == pytest.approx(polynomial_mmd(x, y), rel=1e-9)


def test_float32_products_cost_a_millionth_of_the_standard_error() -> None:
    random = np.random.default_rng(7)
    mix = random.normal(size=(256, 256)) * np.arange(1.0, 257) ** -0.5
    x, y = (
        np.maximum(random.normal(size=(1200, 256)) @ mix.T, 0).astype(np.float32) for _ in range(2)
    )  # like YAMNet's
    single, double = kernel_distance(x, y), kernel_distance(x.astype(np.float64), y.astype(np.float64))
    assert abs(single.value - double.value) < 1e-6 * double.std
    assert abs(single.mean - double.mean) < 1e-6 * double.std


def test_same_seed_same_subsets_and_value_without_a_seed() -> None:
    random = np.random.default_rng(8)
    x, y = random.normal(size=(2, 100, 5))
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    one, again, other = (kernel_distance(x, y, subsets=5, subset_size=20, seed=seed) for seed in (1, 1, 2))
    assert one == again
    assert one.mean != other.mean
    assert one.value == other.value == pytest.approx(polynomial_mmd(x, y), rel=1e-11)
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002


@pytest.mark.usefixtures("small_blocks")
def test_error_is_that_of_leaving_out_one_instrument_after_another() -> None:
    random = np.random.default_rng(10)
    x, y, groups = random.normal(size=(30, 4)), random.normal(1, 1, (24, 4)), np.repeat(list("abcd"), [3, 9, 2, 10])
    left = np.array([plain_mmd(x, y[groups != one]) for one in "abcd"])
    found = kernel_distance(x, y, subsets=3, groups=groups)
    assert found.standard_error == pytest.approx(np.sqrt(3 / 4 * np.square(left - left.mean()).sum()), rel=1e-9)
    alone = kernel_distance(x, y, subsets=3)
    assert (alone.value, alone.mean, alone.std) == pytest.approx((found.value, found.mean, found.std), rel=1e-12)
    assert np.isnan(kernel_distance(x, y, groups=np.zeros(24)).standard_error)
    assert np.isnan(kernel_distance(x, y, groups=np.arange(24) > 0).standard_error)  # one note alone has no pair
    with pytest.raises(ValueError, match="one group a note"):
        kernel_distance(x, y, groups=np.zeros(30))


def test_error_is_the_spread_of_repeated_draws() -> None:
    random, groups = np.random.default_rng(11), np.repeat(np.arange(40), 10)
    x = random.normal(size=(500, 4))
    found, stated, naive = [], [], []
    for seed in range(80):
        y = 0.5 + 0.9 * random.normal(size=(40, 4))[groups] + 0.19**0.5 * random.normal(size=(400, 4))
        one = kernel_distance(x, y, subsets=1, groups=groups, seed=seed)
        found.append(one.value)
        stated.append(one.standard_error)
        naive.append(kernel_distance(x, y, subsets=1, seed=seed).standard_error)
    assert np.std(found) / 1.5 < np.mean(stated) < 1.5 * np.std(found)
    assert np.mean(naive) < np.std(found) / 2
    # notes that are independent, by tenths and by more groups than are deleted one by one
    found, tenths, hundredths = [], [], []
    for seed in range(80):
        y = 0.5 + random.normal(size=(400, 4))
        one = kernel_distance(x, y, subsets=1, seed=seed)
        found.append(one.value)
        tenths.append(one.standard_error)
        hundredths.append(kernel_distance(x, y, subsets=1, groups=np.arange(400), seed=seed).standard_error)
    for errors in (tenths, hundredths):
        assert np.std(found) / 1.5 < np.mean(errors) < 1.5 * np.std(found)


def test_subsets_are_at_most_half_of_the_smaller_side() -> None:
    random = np.random.default_rng(9)
    found = kernel_distance(random.normal(size=(50, 3)), random.normal(size=(21, 3)), subsets=20)
    assert found.subset_size == 10
    assert found.std > 0


def test_what_cannot_be_measured_is_refused() -> None:
    x = np.zeros((10, 3))
    with pytest.raises(ValueError, match="different dimensions"):
        polynomial_mmd(x, np.zeros((10, 4)))
    with pytest.raises(ValueError, match="at least 2 notes"):
        polynomial_mmd(x, x[:1])
    with pytest.raises(ValueError, match="not finite"):
        polynomial_mmd(x, np.full((10, 3), np.nan))
    with pytest.raises(ValueError, match="at least 4 notes"):
        kernel_distance(x[:3], x)
