"""Which rows and which random numbers form a step: pure functions of (seed, notes_seen), so nothing to restore."""

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

PURPOSES = (
    "order",
    "critic latent",
    "generator latent",
    "between",
    "posterior",
    "gain",
    "augment",
    "calibration",
    "unsaid",
    "prior",
    "directions",
    "shuffle",
    "smoothing",
    "noise",
)
"""What random numbers are for; each has a stream of its own, so that adding one leaves the others as they were."""


def generator_for(seed: int, purpose: str, counter: int) -> np.random.Generator:
    """A counter-based generator (Philox, Salmon et al. 2011) for one purpose at one place of one run."""
    key = np.random.SeedSequence((seed, PURPOSES.index(purpose), counter)).generate_state(2, np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


def normal(seed: int, purpose: str, notes_seen: int, shape: tuple[int, ...]) -> Tensor:
    """N(0, 1) numbers of `shape`, float32 on the CPU."""
    return torch.from_numpy(generator_for(seed, purpose, notes_seen).standard_normal(shape, dtype=np.float32))


def uniform(seed: int, purpose: str, notes_seen: int, shape: tuple[int, ...]) -> Tensor:
    """Numbers in [0, 1) of `shape`, float32 on the CPU."""
    return torch.from_numpy(generator_for(seed, purpose, notes_seen).random(shape, dtype=np.float32))


@dataclass
class RowSampler:
    """An endless stream of row indices: one permutation of all rows an epoch, or as many rows balanced over classes."""

    count: int  # number of rows
    seed: int  # seed of the run
    leaves: NDArray[np.str_] | None = field(default=None, repr=False)  # (row,) class of each, where they are balanced
    balance: float = 0.0  # 0 counts rows alike, 1 classes alike (see `balance`)
    _epochs: dict[int, NDArray[np.int64]] = field(default_factory=dict, repr=False)

    def order(self, epoch: int) -> NDArray[np.int64]:
        """The rows of an epoch (row,)."""
        if epoch not in self._epochs:
            kept = {e: order for e, order in self._epochs.items() if e == epoch - 1}  # a batch may span two
            generator = generator_for(self.seed, "order", epoch)
            if self.leaves is None or not self.balance:
                self._epochs = kept | {epoch: generator.permutation(self.count)}
            else:
                wanted = weights(self.leaves, self.balance)
                self._epochs = kept | {epoch: balanced_order(wanted, self.leaves, generator)}
        return self._epochs[epoch]

    def rows(self, notes_seen: int, batch: int) -> NDArray[np.int64]:
        """Indices in [0, count) of the notes number `notes_seen` to `notes_seen + batch − 1` of the run, (batch,)."""
        parts, place = [], notes_seen
        while place < notes_seen + batch:
            epoch, offset = divmod(place, self.count)
            take = min(self.count - offset, notes_seen + batch - place)
            parts.append(self.order(epoch)[offset : offset + take])
            place += take
        return np.concatenate(parts)


@dataclass
class ClassSampler:
    """Batches of a few classes with equally many rows each; all classes come equally often.

    The classes take turns in an order drawn anew for each round, and each class's rows in permutations of their own.
    """

    classes: NDArray[np.int64] = field(repr=False)  # (row,)
    seed: int
    groups: int  # classes a batch

    def __post_init__(self) -> None:
        self.members = [np.flatnonzero(self.classes == one) for one in np.unique(self.classes)]
        self.within = [
            RowSampler(len(rows), self.seed + 1 + number) for number, rows in enumerate(self.members)
        ]  # each class has a seed of its own

    def rows(self, notes_seen: int, batch: int) -> NDArray[np.int64]:
        """Indices of the notes of the step at `notes_seen`, (batch,): class by class; `batch` divides by `groups`."""
        each, first = batch // self.groups, notes_seen // batch * self.groups
        taken = []
        for turn in range(first, first + self.groups):
            cycle, place = divmod(turn, len(self.members))
            one = generator_for(self.seed, "order", cycle).permutation(len(self.members))[place]
            taken.append(self.members[one][self.within[one].rows(cycle * each, each)])
        return np.concatenate(taken)


# ----------------------------------------------------------------------------
# Uneven classes made even in an epoch: each row comes as often as it should, give or take one


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
