"""Do generated sounds fall among the real ones in the same parts everywhere? By cells of the real ones' features."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from darktimbre.measures.interval import group_index, jackknife_error
from darktimbre.measures.tables import blocks, feature_table, feature_tables

LEVEL = 0.05
"""Significance at which a cell counts as different (Richardson & Weiss 2018, §3)."""
PARTS = 10  # of the fake notes, each left out once for the standard error


class DifferentBins(NamedTuple):
    """Attributes:
    share: NDB/k, the share of cells that hold significantly more or fewer fake notes than real ones.
    error: its standard error, from which fake notes were drawn; NaN where they are of one group.
    expected: the share if both were drawn from one distribution, note by note (`expected_share`).
    expected_error: its standard deviation, cells taken as independent.
    bins: k.
    """

    share: float
    error: float
    expected: float
    expected_error: float
    bins: int


def different_bins(
    real: ArrayLike,
    fake: ArrayLike,
    *,
    bins: int = 100,
    level: float = LEVEL,
    fake_groups: ArrayLike | None = None,
    seed: int = 0,
) -> DifferentBins:
    """Number of statistically different bins by the number of bins (Richardson & Weiss 2018, §3).

    The cells are k-means cells of the real notes. A missing mode leaves cells empty, a collapsed one overfills them;
    either is counted, whichever way the embedding is turned. Notes of one instrument lie together, so that other real
    notes of a few instruments come out above `expected` too: compare with them.

    Args:
        real, fake: features `(note, dimension)`.
        bins: k, at most the number of real notes.
        level: significance of each cell's test.
        fake_groups: `(note,)`, notes of one value belong together, for the standard error; each note alone by default.
        seed: of the clustering.

    Raises:
        ValueError: they are no tables of one dimension, or there are fewer real notes than cells.
    """
    x, y = feature_tables(real, fake)
    centres = cell_centres(x, bins, seed=seed)
    in_real = np.bincount(nearest_cell(x, centres), minlength=bins)
    cells = nearest_cell(y, centres)

    def share(kept: np.ndarray) -> float:
        return float(differs(in_real, np.bincount(cells[kept], minlength=bins), level=level).mean())

    index, count = group_index(fake_groups, len(y))
    part = np.random.default_rng(seed).permutation(count)[index] % min(PARTS, count)
    left = [share(part != one) for one in range(min(PARTS, count))] if count > 1 else []
    chance = _chance(in_real, np.bincount(cells, minlength=bins), level)
    return DifferentBins(
        share=share(np.ones(len(y), bool)),
        error=jackknife_error(left),
        expected=float(chance.mean()),
        expected_error=float(np.sqrt((chance * (1 - chance)).sum()) / bins),
        bins=bins,
    )


def cell_centres(real: ArrayLike, bins: int, *, seed: int = 0) -> np.ndarray:
    """Centres `(cell, dimension)` of k-means with the seeding of Arthur & Vassilvitskii 2007, float64.

    Raises:
        ValueError: there are fewer notes than cells.
    """
    from sklearn.cluster import KMeans

    table = feature_table(real, rows=max(1, bins)).astype(np.float64)
    found = KMeans(bins, init="k-means++", n_init=1, random_state=seed).fit(table)
    return np.asarray(found.cluster_centers_, np.float64)


def nearest_cell(features: ArrayLike, centres: ArrayLike) -> np.ndarray:
    """Number of the nearest centre by Euclidean distance, `(note, dimension)` → `(note,)`; of equally near the first.

    Raises:
        ValueError: they are no tables of one dimension.
    """
    table, middle = feature_tables(features, centres)
    middle = middle.astype(np.float64)
    squares = np.square(middle).sum(axis=1)
    result = np.empty(len(table), np.int64)
    for rows in blocks(len(table)):
        result[rows] = (squares - 2 * table[rows].astype(np.float64) @ middle.T).argmin(axis=1)
    return result


def differs(real_counts: ArrayLike, fake_counts: ArrayLike, *, level: float = LEVEL) -> np.ndarray:
    """Two-proportion z-test of each cell (Richardson & Weiss 2018, eq. 1-2), counts `(cell,)` twice → `(cell,)` bool.

    z = (p - q) / √(P (1 - P) (1/n + 1/m)), p and q the cell's shares of n real and m fake notes, P that of all.
    """
    a, b = np.asarray(real_counts, np.float64), np.asarray(fake_counts, np.float64)
    n, m = a.sum(), b.sum()
    together = (a + b) / (n + m)
    error = np.sqrt(together * (1 - together) * (1 / n + 1 / m))
    return np.asarray(np.abs(a / n - b / m) > stats.norm.ppf(1 - level / 2) * error * (1 + 1e-12))


def expected_share(real_counts: ArrayLike, fake_counts: ArrayLike, *, level: float = LEVEL) -> float:
    """What `differs` gives on average where chance alone says which of all notes are the fake ones.

    The real notes of a cell with c of all N notes are then hypergeometric; the level itself is only reached with many
    notes a cell, and never in a cell with few.
    """
    return float(_chance(np.asarray(real_counts), np.asarray(fake_counts), level).mean())


def _chance(real_counts: np.ndarray, fake_counts: np.ndarray, level: float) -> np.ndarray:
    """Probability of each cell to be called different where real and fake are drawn alike, `(cell,)`."""
    n, m = int(real_counts.sum()), int(fake_counts.sum())
    found = {}
    for together in {int(one) for one in real_counts + fake_counts}:
        real = np.arange(max(0, together - m), min(n, together) + 1)
        rest_real, rest_fake = n - real, m - (together - real)
        called = np.array(
            [
                differs([a, more], [together - a, less], level=level)[0]
                for a, more, less in zip(real, rest_real, rest_fake, strict=True)
            ]
        )
        found[together] = float(stats.hypergeom.pmf(real, n + m, together, n)[called].sum())
    return np.array([found[int(one)] for one in real_counts + fake_counts])
