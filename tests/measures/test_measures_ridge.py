"""Ridge regression: scikit-learn's, exact without penalty, in any units, with a λ that unseen groups choose."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge as Reference
from sklearn.preprocessing import StandardScaler

from darktimbre.measures.ridge import ridge


def some_notes(notes: int = 120, dimension: int = 9) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    x = random.normal(size=(notes, dimension)) * np.logspace(-3, 3, dimension) + 5
    y = ((x - 5) / np.logspace(-3, 3, dimension)) @ random.normal(size=(dimension, 4)) + random.normal(size=(notes, 4))
    return x, y, np.repeat(np.arange(notes // 6), 6)


@pytest.mark.parametrize("penalty", [0.01, 1.0])
def test_it_is_scikit_learns_on_standardised_features(penalty: float) -> None:
    x, y, groups = some_notes()
    found = ridge(x, y, groups, penalties=(penalty,))
    scaled = StandardScaler().fit_transform(x)
    expected = Reference(alpha=penalty * len(x)).fit(scaled, y).predict(scaled)
    assert np.allclose(found.predict(x), expected, rtol=1e-6, atol=1e-8)


def test_fewer_notes_than_dimensions_make_no_difference() -> None:
    random = np.random.default_rng(2)
    x, y = random.normal(size=(30, 50)), random.normal(size=(30, 3))
    scaled = StandardScaler().fit_transform(x)
    expected = Reference(alpha=0.1 * len(x)).fit(scaled, y).predict(scaled)
    assert np.allclose(ridge(x, y, penalties=(0.1,)).predict(x), expected, rtol=1e-6, atol=1e-8)


def test_without_penalty_a_linear_map_is_found_and_units_do_not_matter() -> None:
    x, _, groups = some_notes()
    y = x @ np.arange(18.0).reshape(9, 2) + 3
    assert np.allclose(ridge(x, y, groups, penalties=(0.0,)).predict(x), y, rtol=1e-5)
    units = np.logspace(2, -2, 9)
    assert np.allclose(ridge(x * units, y, groups).predict(x * units), ridge(x, y, groups).predict(x), rtol=1e-8)


def test_constant_columns_are_predicted_as_they_are() -> None:
    x, y, groups = some_notes()
    x[:, 2], y[:, 1] = 7.0, -4.0
    found = ridge(x, y, groups).predict(x + np.eye(9)[2])
    assert np.allclose(found[:, 1], -4.0)
    assert np.isfinite(found).all()


def test_unseen_groups_choose_the_penalty() -> None:
    """Features that only name the group fit all within groups and nothing beyond: λ grows, and the error is 1."""
    random = np.random.default_rng(1)
    groups = np.repeat(np.arange(40), 5)
    names = np.repeat(random.normal(size=(40, 60)), 5, axis=0) + 0.01 * random.normal(size=(200, 60))
    targets = np.repeat(random.normal(size=(40, 3)), 5, axis=0)
    apart, together = ridge(names, targets, groups), ridge(names, targets)
    assert apart.penalty > together.penalty
    assert apart.error == pytest.approx(1.0, abs=0.15)
    assert together.error < 0.2


def test_one_group_takes_the_largest_penalty_and_shapes_are_checked() -> None:
    x, y, _ = some_notes()
    alone = ridge(x, y, np.zeros(len(x)), penalties=(0.1, 10.0))
    assert (alone.penalty, np.isnan(alone.error)) == (10.0, True)
    with pytest.raises(ValueError, match="targets"):
        ridge(x, y[:-1])
