"""Precision, recall, density, coverage: sets where they are known, scikit-learn's neighbours, blocks."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from darktimbre.measures import neighbours, tables
from darktimbre.measures.neighbours import fidelity_and_diversity, radii


def by_scikit_learn(x: np.ndarray, y: np.ndarray, k: int) -> tuple[float, ...]:
    """The definitions as written, on scikit-learn's neighbours."""

    def reach(table: np.ndarray) -> np.ndarray:
        return NearestNeighbors(n_neighbors=k + 1).fit(table).kneighbors(table)[0][:, k]

    index = NearestNeighbors(n_neighbors=len(x), algorithm="brute").fit(x)
    distances, order = index.kneighbors(y)
    far = np.empty((len(y), len(x)))
    np.put_along_axis(far, order, distances, axis=1)
    real, fake = far < reach(x), far < reach(y)[:, None]
    return real.any(axis=1).mean(), fake.any(axis=0).mean(), real.sum() / (k * len(y)), real.any(axis=0).mean()


@pytest.fixture(params=[7, 1024])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "blocks", lambda rows: tables.blocks(rows, request.param))


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("k", [1, 3, 5])
def test_as_scikit_learns_neighbours(k: int) -> None:
    random = np.random.default_rng(k)
    for n, m in ((60, 60), (40, 75), (90, 10)):
        x, y = random.normal(size=(n, 4)), 0.4 + 0.7 * random.normal(size=(m, 4))
        assert fidelity_and_diversity(x, y, k=k)[:4] == pytest.approx(by_scikit_learn(x, y, k), abs=1e-12)
        nearest = NearestNeighbors(n_neighbors=k + 1).fit(x).kneighbors(x)[0]
        assert radii(x, k) == pytest.approx(nearest[:, k], rel=1e-9)


@pytest.mark.usefixtures("block")
def test_a_set_with_itself() -> None:
    x = np.random.default_rng(0).normal(size=(80, 3))
    for other in (x, x[::-1], x.astype(np.float32).astype(np.float64)):
        assert fidelity_and_diversity(other, other)[:4] == (1.0, 1.0, 1.0, 1.0)


def test_sets_far_apart_share_nothing() -> None:
    x = np.random.default_rng(1).normal(size=(50, 3))
    assert fidelity_and_diversity(x, x + 100) == (0, 0, 0, 0, (0, 0, 0, 0))


def test_one_of_two_halves_is_true_to_the_real_and_reaches_half_of_it() -> None:
    random = np.random.default_rng(2)
    left, right = random.normal(size=(2, 200, 3)) + np.array([[[-50.0, 0, 0]], [[50.0, 0, 0]]])
    found = fidelity_and_diversity(np.concatenate([left, right]), left)
    assert (found.precision, found.recall, found.coverage) == (1.0, 0.5, 0.5)
    assert found.density == 1.0
    back = fidelity_and_diversity(left, np.concatenate([left, right]))
    assert (back.precision, back.recall, back.coverage, back.density) == (0.5, 1.0, 1.0, 0.5)


def test_one_and_the_same_sound_is_true_but_not_diverse() -> None:
    x = np.random.default_rng(3).normal(size=(300, 2))
    found = fidelity_and_diversity(x, np.tile(x[np.linalg.norm(x, axis=1).argmin()], (300, 1)) + 1e-9)
    assert found.precision == 1.0
    assert found.coverage < 0.1
    assert found.recall == 0.0


def test_two_draws_of_one_distribution() -> None:
    # density 1, coverage 1 - Π (N-i)/(2N-i)... → 1 - 2^-k for large N (Naeem et al. 2020, §3.3)
    random = np.random.default_rng(4)
    found = np.array([fidelity_and_diversity(*random.normal(size=(2, 400, 3)), k=3)[:4] for _ in range(12)]).mean(
        axis=0
    )
    assert found[2] == pytest.approx(1.0, abs=0.03)
    assert found[3] == pytest.approx(1 - 2.0**-3, abs=0.02)


def test_moving_and_shuffling_changes_nothing_even_far_from_zero() -> None:
    random = np.random.default_rng(5)
    x, y = random.normal(size=(100, 6)), 0.3 + random.normal(size=(80, 6))
    found = fidelity_and_diversity(x, y)
    for pair in ((x[random.permutation(100)], y[random.permutation(80)]), (1e5 + 7 * x, 1e5 + 7 * y)):
        again = fidelity_and_diversity(*pair)
        assert again[:4] == pytest.approx(found[:4])
        assert again.errors == pytest.approx(found.errors)


def test_radii_computed_before_are_used() -> None:
    random = np.random.default_rng(6)
    x, y = random.normal(size=(2, 50, 3))
    assert fidelity_and_diversity(x, y, real_radii=radii(x)) == fidelity_and_diversity(x, y)
    assert fidelity_and_diversity(x, y, real_radii=np.zeros(50)).coverage == 0
    with pytest.raises(ValueError, match="one radius"):
        fidelity_and_diversity(x, y, real_radii=radii(y[:20]))


@pytest.mark.parametrize(("moved", "names"), [("fake", ("precision", "density")), ("real", ("recall", "coverage"))])
def test_errors_are_the_spread_of_repeated_draws_of_instruments(moved: str, names: tuple[str, str]) -> None:
    # An instrument is among the notes of the other side, or far away with all its notes.
    random, groups = np.random.default_rng(8), np.repeat(np.arange(30), 8)
    still = random.normal(size=(300, 2))
    found, stated, naive = [], [], []
    for _ in range(40):
        drawn = random.normal(size=(240, 2)) + 20 * (random.uniform(size=30) < 0.4)[groups][:, None]
        pair = (still, drawn) if moved == "fake" else (drawn, still)
        grouped, alone = fidelity_and_diversity(*pair, **{f"{moved}_groups": groups}), fidelity_and_diversity(*pair)
        assert alone[:4] == grouped[:4]
        for rows, values in ((found, grouped), (stated, grouped.errors), (naive, alone.errors)):
            rows.append([getattr(values, name) for name in names])
    spread = np.std(found, axis=0)
    assert (np.mean(stated, axis=0) < 1.5 * spread).all()
    assert (np.mean(stated, axis=0) > spread / 1.5).all()
    assert (np.mean(naive, axis=0) < spread / 2).all()


def test_repeated_real_notes_have_balls_without_content() -> None:
    x = np.repeat(np.random.default_rng(7).normal(size=(10, 3)), 6, axis=0)
    assert radii(x, 5) == pytest.approx(np.zeros(60), abs=1e-7)


def test_too_few_notes_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 6 notes"):
        fidelity_and_diversity(np.zeros((5, 2)), np.zeros((9, 2)))
    with pytest.raises(ValueError, match="one neighbour"):
        radii(np.zeros((5, 2)), 0)
