"""NDB: the two-proportion test against χ² and a closed form, chance against shuffling, modes lost and favoured."""

import numpy as np
import pytest
from scipy import stats

from darktimbre.measures import tables
from darktimbre.measures.bins import cell_centres, different_bins, differs, expected_share, nearest_cell


def modes(count: int, weights: tuple[float, ...], seed: int) -> np.ndarray:
    """Notes of well separated modes."""
    random = np.random.default_rng(seed)
    places = 20 * np.eye(len(weights))
    return np.asarray(places[random.choice(len(weights), count, p=weights)] + random.normal(size=(count, len(weights))))


def test_a_cell_differs_where_the_chi_squared_test_says_so() -> None:
    random = np.random.default_rng(0)
    real, fake = random.multinomial(400, np.ones(30) / 30), random.multinomial(300, random.dirichlet(np.ones(30)))
    found = differs(real, fake)
    for a, b, says in zip(real, fake, found, strict=True):
        table = [[a, 400 - a], [b, 300 - b]]
        assert says == (stats.chi2_contingency(table, correction=False).pvalue < 0.05)  # z² is χ² with one degree
    assert 0 < found.sum() < 30


def test_the_closed_form_of_the_test() -> None:
    # p = 0.5, q = 0.4, P = 0.45: z = 0.1 / √(0.45 · 0.55 · 2/n) is 1.96 at n = 190.2
    for n, says in ((190, False), (191, True)):
        half, less = [n / 2, n / 2], [0.4 * n, 0.6 * n]
        assert differs(half, less).tolist() == [says, says]
    assert not differs([10, 20, 0], [10, 20, 0]).any()
    assert differs([0, 50], [50, 50])[0]
    assert differs([0, 5], [0, 9]).tolist() == [False, False]  # an empty cell, and all in one, are no difference


def test_what_chance_gives_is_what_shuffling_gives() -> None:
    random = np.random.default_rng(1)
    real, fake = random.multinomial(200, random.dirichlet(np.ones(12))), random.multinomial(150, np.ones(12) / 12)
    cell = np.repeat(np.arange(12), real + fake)
    shares = []
    for _ in range(2000):
        cell = random.permutation(cell)
        counts = (np.bincount(part, minlength=12) for part in (cell[:200], cell[200:]))
        shares.append(differs(*counts).mean())
    error = np.std(shares) / np.sqrt(len(shares))
    assert expected_share(real, fake) == pytest.approx(np.mean(shares), abs=4 * error)
    assert expected_share([1] * 20, [1] * 20) == 0  # two notes a cell never differ: z is at most √2
    assert expected_share([10**3] * 4, [10**3] * 4) == pytest.approx(0.05, abs=0.003)  # with many, the level


def test_equal_distributions_are_as_different_as_expected() -> None:
    found = [
        different_bins(modes(600, (0.25,) * 4, 2 * seed), modes(600, (0.25,) * 4, 2 * seed + 1), bins=20, seed=seed)
        for seed in range(6)
    ]
    expected, error = np.mean([one.expected for one in found]), found[0].expected_error / np.sqrt(len(found))
    # A little more than expected: the cells fit the very notes they were made from.
    assert expected - 3 * error < np.mean([one.share for one in found]) < expected + 0.05
    assert 0.03 < expected < 0.06


def test_lost_and_favoured_modes_are_counted_each() -> None:
    real = modes(800, (0.25,) * 4, 0)
    lost = different_bins(real, modes(800, (0.5, 0.5, 0.0, 0.0), 1), bins=4)
    assert (lost.share, lost.bins) == (1, 4)
    part = different_bins(real, modes(800, (0.25, 0.25, 0.35, 0.15), 1), bins=4)
    assert part.share == 0.5
    assert lost.expected < 0.1
    assert lost.error == 0  # whichever tenth is left out


def test_cells_are_the_nearest_and_turn_with_the_space(monkeypatch: pytest.MonkeyPatch) -> None:
    real, fake = modes(300, (0.2, 0.3, 0.5), 0), modes(200, (0.4, 0.3, 0.3), 1)
    centres = cell_centres(real, 6)
    whole = nearest_cell(fake, centres)
    distance = np.linalg.norm(fake[:, None] - centres[None], axis=2)
    assert (whole == distance.argmin(axis=1)).all()
    monkeypatch.setattr(tables.blocks, "__defaults__", (7,))
    assert (nearest_cell(fake, centres) == whole).all()
    turned = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    assert (
        different_bins(real @ turned + 5, fake @ turned + 5, bins=6).share == different_bins(real, fake, bins=6).share
    )


def test_k_means_ends_where_each_centre_is_the_mean_of_its_notes() -> None:
    real = modes(400, (0.25,) * 4, 3)
    centres = cell_centres(real, 8, seed=4)
    cells = nearest_cell(real, centres)
    for number, centre in enumerate(centres):
        assert real[cells == number].mean(axis=0) == pytest.approx(centre, abs=1e-6)
    assert cell_centres(real, 8, seed=4).tolist() == centres.tolist()
    assert cell_centres(real.astype(np.float32), 8, seed=4).dtype == np.float64


def test_notes_of_one_instrument_count_together_in_the_error() -> None:
    random = np.random.default_rng(5)
    real = random.normal(size=(500, 2))
    instruments = np.repeat(np.arange(20), 25)
    fake = random.normal(size=(20, 2))[instruments] + 0.1 * random.normal(size=(500, 2))
    alone, together = (different_bins(real, fake, bins=25, fake_groups=groups) for groups in (None, instruments))
    assert together.share == alone.share
    assert together.error > alone.error
    assert np.isnan(different_bins(real, fake, bins=25, fake_groups=np.zeros(500)).error)


@pytest.mark.parametrize(
    ("fake", "bins", "why"),
    [(np.zeros((9, 2)), 10, "at least 10 notes"), (np.zeros((9, 3)), 2, "different dimensions")],
)
def test_too_few_notes_and_other_dimensions_are_refused(fake: np.ndarray, bins: int, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        different_bins(np.zeros((9, 2)), fake, bins=bins)
