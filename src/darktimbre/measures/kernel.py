"""How far two sets of sounds are apart by their embeddings, without a bias of their number: the kernel distance (KID).

torchmetrics has it, and is the reference in the tests. It draws its subsets from torch's global random state, has no
estimate over all notes and none for sets of different size, and makes three kernel matrices a subset; here the seed is
an argument, and one pass over the kernel matrix of all notes, in blocks, serves every subset and the whole.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from darktimbre.measures.interval import group_index, jackknife_error
from darktimbre.measures.tables import blocks, feature_tables


class KernelDistance(NamedTuple):
    """The squared maximum mean discrepancy of two sets.

    Attributes:
        value: unbiased estimate over all notes; may lie below 0 where the sets are alike.
        standard_error: of it, from which fake notes were drawn. Of two draws of one distribution, where only
            pairs of notes carry information, it is rather too large than too small.
        mean, std: of the same over random subsets (std with n, as in Bińkowski et al. 2018); the mean estimates what
            `value` does, and the std is that of a subset's estimate, not of `value`, which is surer.
        subsets, subset_size: how many were drawn, of how many notes.
    """

    value: float
    standard_error: float
    mean: float
    std: float
    subsets: int
    subset_size: int


def polynomial_mmd(x: ArrayLike, y: ArrayLike) -> float:
    """Unbiased estimate of MMD² with the kernel k(x, y) = (x·y/d + 1)³ (Gretton et al. 2012, eq. 3; Bińkowski et al.
    2018, eq. 4), from all pairs of different notes: features `(note, dimension)`, any number of notes from 2 on each
    side. In blocks: the memory needed does not depend on the number of notes.

    Raises:
        ValueError: they are no tables of one dimension with two notes each.
    """
    first, second = feature_tables(x, y, rows=2)
    return float(_mmd(first, second, np.ones((len(first), 1)), np.ones((len(second), 1)))[0])


def kernel_distance(
    real: ArrayLike,
    fake: ArrayLike,
    *,
    subsets: int = 100,
    subset_size: int = 1000,
    groups: ArrayLike | None = None,
    seed: int = 0,
) -> KernelDistance:
    """KID of two sets of features `(note, dimension)`: over all notes, and over random subsets.

    Args:
        real, fake: at least 4 notes each.
        subsets: how many are drawn, each without repetition from either side.
        subset_size: notes of a subset; at most half of the smaller side is taken, for subsets that all hold the same
            notes would show no spread. The result says how many.
        groups: of the fake notes `(note,)`, those of one value belong together (an instrument). The standard error is
            from deleting each group in turn; random tenths of the notes without groups, and random hundredths of the
            groups where there are more than a hundred.
        seed: of the subsets and tenths. They depend on it and on the order of the rows; `value` on neither.

    Raises:
        ValueError: they are no tables of one dimension with four notes each, or there is not one group a note.
    """
    x, y = feature_tables(real, fake, rows=4)
    size = min(subset_size, len(x) // 2, len(y) // 2)
    if subsets < 1 or size < 2:
        raise ValueError(f"{subsets} subsets of {size} notes are too few: at least one subset of two")
    random = np.random.default_rng(seed)
    # Column 0 is the set of all notes, each further column a subset, then all fake notes but those of one group: one
    # pass over the kernel matrix serves them all.
    mine, theirs = (np.zeros((len(side), 1 + subsets)) for side in (x, y))
    mine[:, 0] = theirs[:, 0] = 1
    for column in range(1, 1 + subsets):
        mine[random.choice(len(x), size, replace=False), column] = 1
        theirs[random.choice(len(y), size, replace=False), column] = 1
    kept = _without_each(groups, len(y), random)
    found = _mmd(x, y, np.hstack([mine, np.ones((len(x), kept.shape[1]))]), np.hstack([theirs, kept]))
    parts = found[1 : 1 + subsets]
    return KernelDistance(
        value=float(found[0]),
        standard_error=jackknife_error(found[1 + subsets :]),
        mean=float(parts.mean()),
        std=float(parts.std()),
        subsets=subsets,
        subset_size=size,
    )


_TENTHS, _MOST_GROUPS = 10, 100


def _without_each(groups: ArrayLike | None, notes: int, random: np.random.Generator) -> np.ndarray:
    """Membership `(note, group)` of all notes but one group's; no column for a single group, or where no pair of notes
    would be left."""
    if groups is None:
        index, count = random.permutation(np.arange(notes) % _TENTHS), min(_TENTHS, notes)
    else:
        index, count = group_index(groups, notes)
    if count > _MOST_GROUPS:
        index, count = random.permutation(np.arange(count) % _MOST_GROUPS)[index], _MOST_GROUPS
    kept = (index[:, None] != np.arange(count)).astype(np.float64)
    return kept if (kept.sum(axis=0) >= 2).all() else kept[:, :0]


def _mmd(x: np.ndarray, y: np.ndarray, in_x: np.ndarray, in_y: np.ndarray) -> np.ndarray:
    """MMD² of several subsets at once: membership is 0 or 1, `(note, subset)` → `(subset,)`."""
    n, m = in_x.sum(axis=0), in_y.sum(axis=0)
    across = _pairs(x, y, in_x, in_y) / (n * m)
    return np.asarray(_own_pairs(x, in_x) / (n * (n - 1)) + _own_pairs(y, in_y) / (m * (m - 1)) - 2 * across)


def _pairs(x: np.ndarray, y: np.ndarray, in_x: np.ndarray, in_y: np.ndarray) -> np.ndarray:
    """Σ_ij k(x_i, y_j) over the members of each subset."""
    total = np.zeros(in_x.shape[1])
    for rows in blocks(len(x)):
        for columns in blocks(len(y)):
            total += (in_x[rows] * (_kernel(x[rows], y[columns]) @ in_y[columns])).sum(axis=0)
    return total


def _own_pairs(x: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Σ_{i≠j} k(x_i, x_j) over the members of each subset; the kernel is symmetric, so half of it is computed."""
    total = np.zeros(inside.shape[1])
    for rows in blocks(len(x)):
        for columns in blocks(len(x)):
            if columns.start < rows.start:
                continue
            kernel = _kernel(x[rows], x[columns])
            if columns.start == rows.start:
                np.fill_diagonal(kernel, 0.0)
            times = 1 if columns.start == rows.start else 2
            total += times * (inside[rows] * (kernel @ inside[columns])).sum(axis=0)
    return total


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(x·y/d + 1)³, `(row, d)` and `(column, d)` → `(row, column)` float64.

    float32 features are multiplied as such, twice as fast: the roundings of single products cancel in the sums over all
    pairs, and leave 1e-6 of the standard error (tests/measures/test_measures_kernel.py). All else is float64.
    """
    inner = np.multiply(x @ y.T, 1 / x.shape[1], dtype=np.float64)
    inner += 1
    cube = np.square(inner)
    cube *= inner
    return np.asarray(cube)
