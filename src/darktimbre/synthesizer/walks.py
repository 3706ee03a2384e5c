"""Ways through an instrument's controls: straight and great-circle lines, the pad, attribute sweeps.

Pure functions on arrays; the synthesizer turns what they return into sound.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float32]


def lerp(start: ArrayLike, end: ArrayLike, at: ArrayLike) -> Array:
    """Straight line (1 − t) · start + t · end: two points (…,), positions t (step,) → (step, …) float32."""
    a, b = np.asarray(start, np.float64), np.asarray(end, np.float64)
    t = np.asarray(at, np.float64).reshape(-1, *[1] * a.ndim)
    return ((1 - t) * a + t * b).astype(np.float32)


def slerp(start: ArrayLike, end: ArrayLike, at: ArrayLike) -> Array:
    """Great-circle interpolation (Shoemake 1985), with the length going straight from the one to the other.

    Gaussian latents lie near a sphere; a straight line between two of them passes through its inside, where the
    network was never trained. With Ω the angle between the directions u and v of the points: sin((1 − t)Ω)/sin Ω · u
    + sin(tΩ)/sin Ω · v. Nearly equal directions fall back to `lerp`. Opposite directions have no one great circle:
    the way then leads over a fixed direction at a right angle to `start`.

    Two points (latent,), positions t (step,) → (step, latent) float32.
    """
    a, b = np.asarray(start, np.float64), np.asarray(end, np.float64)
    t = np.asarray(at, np.float64).reshape(-1, 1)
    length_a, length_b = np.linalg.norm(a), np.linalg.norm(b)
    if length_a == 0 or length_b == 0 or a.size < 2:
        return lerp(a, b, at)
    u, v = a / length_a, b / length_b
    cosine = float(np.clip(u @ v, -1.0, 1.0))
    # Half-angle form: arccos loses half the digits near 0 and π, the arctangent none.
    angle = 2.0 * np.arctan2(np.linalg.norm(u - v), np.linalg.norm(u + v))
    if angle < 1e-6:
        return lerp(a, b, at)
    if np.pi - angle < 1e-6:
        side = _right_angle_to(u)
    else:
        side = (v - cosine * u) / np.sin(angle)
    direction = np.cos(t * angle) * u + np.sin(t * angle) * side
    return (((1 - t) * length_a + t * length_b) * direction).astype(np.float32)


def _right_angle_to(unit: NDArray[np.float64]) -> NDArray[np.float64]:
    axis = np.zeros_like(unit)
    axis[np.argmin(np.abs(unit))] = 1.0  # the axis least along `unit`
    side = axis - (axis @ unit) * unit
    return side / np.linalg.norm(side)


def pad_point(centre: ArrayLike, first: ArrayLike, second: ArrayLike, at: tuple[float, float]) -> Array:
    """A place (latent,) of the two-dimensional pad: a disc laid on the sphere of latents as long as `centre` (latent,).

    With c the unit vector of `centre` and u, v the two that Gram and Schmidt make of `first` and `second` at right
    angles to it and to each other, (x, y) turns c by φ = π/2 · r, r = hypot(x, y), towards (x·u + y·v) / r:
    |centre| · (cos φ · c + sin φ · (x·u + y·v) / r). Latents of fewer than three values have no such disc; there the
    whole pad is its centre.
    """
    c = np.asarray(centre, np.float64)
    x, y = at
    turned, length = np.hypot(x, y), np.linalg.norm(c)
    if turned == 0 or length == 0 or c.size < 3:
        return np.asarray(centre, np.float32).copy()
    c = c / length
    u = _unit_across(np.asarray(first, np.float64), c)
    v = _unit_across(np.asarray(second, np.float64), c, u)
    angle = 0.5 * np.pi * turned
    return (length * (np.cos(angle) * c + np.sin(angle) * (x * u + y * v) / turned)).astype(np.float32)


def _unit_across(vector: NDArray[np.float64], *units: NDArray[np.float64]) -> NDArray[np.float64]:
    """The unit vector of what is left of `vector` at right angles to `units`."""
    for unit in units:
        vector = vector - (vector @ unit) * unit
    return vector / np.linalg.norm(vector)


def neighbours(latent: ArrayLike, noise: ArrayLike, spread: float) -> Array:
    """Places near a latent (latent,), one for each row of standard normal noise (note, latent): √(1 − s²) · z + s · ε.

    A standard normal z stays one (a step of an Ornstein-Uhlenbeck process), so neighbours lie where the network was
    trained; with a spread s of 0 they are z itself, with 1 they do not depend on it.
    """
    z, e = np.asarray(latent, np.float64), np.asarray(noise, np.float64)
    return (np.sqrt(1.0 - spread * spread) * z + spread * e).astype(np.float32)


def steps(count: int) -> NDArray[np.float64]:
    """`count` even positions from 0 to 1, both included; one position is 0."""
    return np.linspace(0.0, 1.0, count)


def sweep(attributes: Mapping[str, float], name: str, values: Sequence[float]) -> list[dict[str, float]]:
    """Copies of `attributes` in which `name` takes each of `values` in turn."""
    return [{**attributes, name: float(value)} for value in values]


def grid(attributes: Mapping[str, float], axes: Mapping[str, Sequence[float]]) -> list[dict[str, float]]:
    """Every combination of the values of `axes` over `attributes`; the last axis changes fastest."""
    combinations = [dict(attributes)]
    for name, values in axes.items():
        combinations = [{**so_far, name: float(value)} for so_far in combinations for value in values]
    return combinations
