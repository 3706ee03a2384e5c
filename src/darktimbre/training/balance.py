"""Uneven classes made even in an epoch: each row comes as often as it should, give or take one; a pure function."""

import numpy as np
from numpy.typing import NDArray


def weights(leaves: NDArray[np.str_], exponent: float) -> NDArray[np.float64]:
    """How often each row (row,) is wanted, relative to an even share: n⁻ᵇ for a leaf of n rows; their mean is 1.

    `exponent` b: 0 counts rows alike, 1 classes alike, and 1/2 lies between.
    """
    _, place, counts = np.unique(leaves, return_inverse=True, return_counts=True)
    wanted = counts[place].astype(np.float64) ** -exponent
    return wanted / wanted.mean()


def balanced_order(
    wanted: NDArray[np.float64], leaves: NDArray[np.str_], generator: np.random.Generator
) -> NDArray[np.int64]:
    """Rows of one epoch (row,), as many as there are: systematic sampling, then a shuffle.

    Rows are laid in a line, leaf by leaf, in random order within a leaf, each as long as it is wanted; every unit
    length from a random place on takes the row it falls on. So a row comes ⌊wanted⌋ or ⌈wanted⌉ times, and so does
    a leaf: far evener than drawing (Kish 1965, §4; with equal wants it is a permutation).
    """
    count = len(wanted)
    shuffled = generator.permutation(count)
    line = shuffled[np.argsort(leaves[shuffled], kind="stable")]
    ends = np.cumsum(wanted[line])
    ends *= count / ends[-1]
    places = np.arange(count) + generator.random()
    taken = line[np.minimum(np.searchsorted(ends, places, side="right"), count - 1)]
    return taken[generator.permutation(count)]
