"""Interpolations against closed forms: ends, length, angle, and where the great circle is not defined."""

import numpy as np
import pytest

from darktimbre.synthesizer.walks import grid, lerp, slerp, steps, sweep

RNG = np.random.default_rng(0)
A, B = RNG.standard_normal(64), RNG.standard_normal(64)


@pytest.mark.parametrize("way", [lerp, slerp])
def test_both_begin_and_end_where_they_should(way: object) -> None:
    path = way(A, B, [0.0, 1.0])  # type: ignore[operator]
    np.testing.assert_allclose(path[0], A, atol=1e-6)
    np.testing.assert_allclose(path[1], B, atol=1e-6)


def test_the_straight_line() -> None:
    np.testing.assert_allclose(lerp(A, B, [0.25])[0], 0.75 * A + 0.25 * B, atol=1e-6)
    assert lerp(np.ones((3, 4)), np.zeros((3, 4)), steps(5)).shape == (5, 3, 4)


def test_the_great_circle_is_shoemakes_formula_on_unit_vectors() -> None:
    u, v = A / np.linalg.norm(A), B / np.linalg.norm(B)
    omega = np.arccos(u @ v)
    for t in (0.1, 0.5, 0.8):
        expected = np.sin((1 - t) * omega) / np.sin(omega) * u + np.sin(t * omega) / np.sin(omega) * v
        np.testing.assert_allclose(slerp(u, v, [t])[0], expected, atol=1e-6)


def test_length_goes_straight_and_angle_evenly() -> None:
    path = slerp(A, B, steps(9)).astype(np.float64)
    lengths = np.linalg.norm(path, axis=1)
    np.testing.assert_allclose(lengths, np.linspace(np.linalg.norm(A), np.linalg.norm(B), 9), rtol=1e-6)
    unit = path / lengths[:, None]
    angles = np.arccos((unit[1:] * unit[:-1]).sum(axis=1))
    np.testing.assert_allclose(angles, angles[0], rtol=1e-4)


@pytest.mark.parametrize("scale", [1.0, 3.0, 1 + 1e-9])
def test_equal_directions_are_a_straight_line(scale: float) -> None:
    np.testing.assert_allclose(slerp(A, scale * A, steps(5)), lerp(A, scale * A, steps(5)), rtol=1e-6)


@pytest.mark.parametrize("nudge", [0.0, 1e-9])
def test_opposite_points_do_not_pass_through_the_middle(nudge: float) -> None:
    end = -A.copy()
    end[0] += nudge
    path = slerp(A, end, steps(5))
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), np.linalg.norm(A), rtol=1e-6)
    np.testing.assert_allclose(path[[0, 4]], np.stack([A, end]), atol=1e-5)
    assert abs(path[2] @ A) < 1e-4 * (A @ A)


def test_half_way_in_the_plane_is_a_quarter_turn_and_from_zero_a_line() -> None:
    np.testing.assert_allclose(slerp([2, 0], [0, 2], [0.5])[0], [2**0.5, 2**0.5], rtol=1e-6)
    np.testing.assert_allclose(slerp(np.zeros(3), [2, 0, 0], [0.5])[0], [1, 0, 0])


def test_sweep_and_grid_set_only_what_they_name() -> None:
    assert sweep({"a": 0.5}, "b", [0, 1]) == [{"a": 0.5, "b": 0.0}, {"a": 0.5, "b": 1.0}]
    assert sweep({"a": 0.5}, "a", [1]) == [{"a": 1.0}]
    assert grid({}, {"a": [0, 1], "b": [0, 1]}) == [{"a": x, "b": y} for x in (0.0, 1.0) for y in (0.0, 1.0)]
