"""Magnitude → phase in one pass: the phase's gradient is read off the magnitude and summed up, strongest points first.

Průša, Balazs & Søndergaard (2017), *A noniterative method for reconstruction of phase from STFT magnitude*: under a
Gaussian window, log magnitude and phase determine each other's gradient, and others are taken for the nearest Gaussian.
Where hops are as long as here that is coarse, so the gradient is the Hann window's own (`hann_places`; the Gaussian's
is there beside it). Their heap goes on from the strongest point reached; here the same greed is a maximum spanning
tree, which whole arrays at a time can build (what is the same and what is not: see there).

All is done for one note at a time, in NumPy on the CPU and in float64 (phases grow to thousands of radians). The phases
are constants to autograd; the magnitudes they are joined with keep their gradient.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .griffin_lim import seeded_phases

HANN_GAMMA = 0.25645  # γ / n_fft² of the Gaussian exp(-π l² / γ) that stands for a Hann window (the authors' toolbox)
TOLERANCE = 1e-4  # of the note's greatest magnitude: what is weaker has random phases, as in the paper

Array = NDArray[np.float64]
Whole = NDArray[np.intp]
Places = Callable[[Array, Array, Array, Array, float], tuple[Array, Array]]


def phase_gradient(
    magnitude: Tensor,
    *,
    n_fft: int,
    hop: int,
    tolerance: float = TOLERANCE,
    seed: int = 0,
    places: Places | None = None,
) -> Tensor:
    """Magnitudes `(batch, frame, frequency)` → complex spectra of these magnitudes, on the same device.

    Points not above `tolerance` of their note's greatest have random phases drawn from `seed`. Notes do not see each
    other. `places`: how the gradient is read off, `hann_places` by default.
    """
    frames, bins = magnitude.shape[1:]
    kind = torch.complex128 if magnitude.dtype == torch.float64 else torch.complex64
    random = seeded_phases(frames, bins, seed, torch.complex128, torch.device("cpu")).numpy()
    # The phase is counted from the frame's middle here, and from its start in a spectrum: half a turn more a bin.
    half_turns = np.broadcast_to(np.where(np.arange(bins) % 2, -1.0, 1.0), (frames, bins))
    units = np.repeat(random[None], len(magnitude), axis=0)
    for unit, note in zip(units, magnitude.detach().cpu().double().numpy(), strict=True):
        phase = integrated(note, n_fft=n_fft, hop=hop, tolerance=tolerance, places=places or hann_places)
        known = np.isfinite(phase)
        unit[known] = half_turns[known] * np.exp(1j * phase[known])
    return magnitude * torch.from_numpy(units).to(magnitude.device, kind)


# ----------------------------------------------------------------------------
# The phase's gradient, of s(n, m), frame n and bin m
#
#   ∂φ/∂n = 2π·hop/n_fft · (m + how many bins above m the partial lies)         from a frame to the next
#   ∂φ/∂m = -2π · (what part of the window after the frame's middle it sounds)  from a bin to the next
#
# Both places are read off the magnitudes on either side; between two points counts the mean of their gradients (the
# trapezoidal rule).


class Steps(NamedTuple):
    """How much the phase grows, in radians, from each point `(frame, frequency)` to the next; 0 at the end."""

    time: Array
    frequency: Array


def gaussian_places(below: Array, above: Array, before: Array, after: Array, turn: float) -> tuple[Array, Array]:
    """(bins above, part of the window after) as if the window were the Gaussian of γ: Průša et al. 2017, section III.

    n_fft²/(2πγ) · ∂ log s/∂m   and   γ/(2π·hop·n_fft) · ∂ log s/∂n, by central differences.
    """
    return np.log(above / below) / (4 * np.pi * HANN_GAMMA), np.log(after / before) * (HANN_GAMMA / (4 * turn))


def hann_places(below: Array, above: Array, before: Array, after: Array, turn: float) -> tuple[Array, Array]:
    """(bins above, part of the window after) of a lone steady partial, of a lone click, under the Hann window itself.

    The transform δ bins away is sin πδ / (πδ(1 - δ²)): so above : below = (1 + δ)(2 + δ) : (1 - δ)(2 - δ), and with
    the contrast k = (above - below)/(above + below), kδ² - 3δ + 2k = 0. The window at the part x is cos² πx, hops are
    `turn` = π·hop/n_fft: so √after : √before = cos(πx - turn) : cos(πx + turn), and with their contrast c,
    tan πx = c / tan turn.

    For small contrasts that is the Gaussian within a few per cent; for large ones it stays within lobe and window.
    """
    k = (above - below) / (above + below)
    after, before = np.sqrt(after), np.sqrt(before)
    c = (after - before) / (after + before)
    return 4 * k / (3 + np.sqrt(9 - 8 * k * k)), np.arctan(c / np.tan(turn)) / np.pi


def steps(magnitude: Array, *, n_fft: int, hop: int, places: Places = hann_places) -> Steps:
    """The growth of the phase, counted from the frames' middles, between neighbours in the picture."""
    s = np.maximum(magnitude, 1e-6 * magnitude.max())
    (below, above), (before, after) = _sides(s.T), _sides(s)
    bins, part = places(below.T, above.T, before, after, np.pi * hop / n_fft)
    in_time = (2 * np.pi * hop / n_fft) * (np.arange(s.shape[1]) + bins)
    taken = Steps(np.zeros_like(s), np.zeros_like(s))
    taken.time[:-1] = (in_time[1:] + in_time[:-1]) / 2
    taken.frequency[:, :-1] = -np.pi * (part[:, 1:] + part[:, :-1])
    return taken


def _sides(values: Array) -> tuple[Array, Array]:
    """The neighbours before and after each along the first axis; beyond the ends it goes on by the last ratio."""
    second, last_but_one = values[min(1, len(values) - 1)], values[max(len(values) - 2, 0)]
    wider = np.concatenate([[values[0] ** 2 / second], values, [values[-1] ** 2 / last_but_one]])
    return wider[:-2], wider[2:]


# ----------------------------------------------------------------------------
# The way of summing: the maximum spanning tree of the points, edges between neighbours in time and frequency
#
# Of two edges that one counts more whose weaker end is stronger and, at a tie, whose stronger end is. So a point hangs
# on its strongest neighbour if that is stronger than itself, and the way from any point to the strongest one of its
# island leads over the highest passes there are.
#
# The paper's heap takes the same ways where every superlevel set is connected, as around one partial. Elsewhere it
# settles a point when the first of its neighbours is reached, the tree when the strongest one is: on real notes 0.2 to
# 0.4 dB nearer in spectral convergence.


class Edges(NamedTuple):
    """Neighbours and how much the phase grows from `one` to `other`, `(edge,)`; the greatest edge first."""

    one: Whole
    other: Whole
    step: Array


def integrated(magnitude: Array, *, n_fft: int, hop: int, tolerance: float, places: Places) -> Array:
    """Magnitudes `(frame, frequency)` → phases in radians at the frames' middles; NaN below the tolerance.

    Each island of points has one constant of phase, which magnitudes do not determine.
    """
    phase = np.full(magnitude.size, np.nan)
    points = np.flatnonzero(magnitude > tolerance * magnitude.max())
    if len(points):
        points = points[np.argsort(-magnitude.ravel()[points])]
        phase[points] = summed(edges(points, steps(magnitude, n_fft=n_fft, hop=hop, places=places)), len(points))
    return phase.reshape(magnitude.shape)


def edges(points: Whole, taken: Steps) -> Edges:
    """The edges between points, which are flat indices in the picture, the strongest first; their ends count along."""
    count, (frames, bins) = len(points), taken.time.shape
    rank = np.full(frames * bins + bins, -1)
    rank[points] = np.arange(count)
    after, above = rank[points + bins], rank[points + 1]
    above[points % bins == bins - 1] = -1
    in_time, in_frequency = np.flatnonzero(after >= 0), np.flatnonzero(above >= 0)
    one = np.concatenate([in_time, in_frequency])
    other = np.concatenate([after[in_time], above[in_frequency]])
    step = np.concatenate([taken.time.ravel()[points[in_time]], taken.frequency.ravel()[points[in_frequency]]])
    order = np.argsort(np.maximum(one, other) * count + np.minimum(one, other))
    return Edges(one[order], other[order], step[order])


def summed(between: Edges, count: int) -> Array:
    """The phase of each of `count` points: the sum of the steps along the maximum spanning tree.

    By Borůvka's rounds (1926), whole arrays at a time: every point takes its greatest edge; what hangs together is one
    point of the next round, where the edges that are left grow by what their ends have moved.
    """
    if not len(between.one):
        return np.zeros(count)
    one, other, step = between
    greatest = np.full((2, count), len(one))
    for side, end in zip(greatest, (one, other), strict=True):
        side[end[::-1]] = np.arange(len(one))[::-1]  # of equal indices the last assignment holds
    edge = greatest.min(axis=0)
    point = np.flatnonzero(edge < len(one))
    edge = edge[point]
    forth = one[edge] == point
    onto, phase = np.arange(count), np.zeros(count)
    onto[point] = np.where(forth, other[edge], one[edge])
    phase[point] = np.where(forth, -step[edge], step[edge])
    root = point[(onto[onto[point]] == point) & (point < onto[point])]  # of two that took the same edge
    onto[root], phase[root] = root, 0
    while (onto != (further := onto[onto])).any():  # by doubling: 1, 2, 4 … steps towards the root; a root's are 0
        phase, onto = phase + phase[onto], further
    roots = np.flatnonzero(onto == np.arange(count))
    number = np.empty(count, np.intp)
    number[roots] = np.arange(len(roots))
    island = number[onto]
    kept = np.flatnonzero(island[one] != island[other])
    one, other, step = one[kept], other[kept], step[kept]
    rest = Edges(island[one], island[other], step + phase[one] - phase[other])
    return np.asarray(phase + summed(rest, len(roots))[island])
