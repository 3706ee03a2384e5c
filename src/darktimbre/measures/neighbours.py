"""Are generated sounds among the real ones (fidelity), and all real ones reached (diversity)? By neighbours."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from darktimbre.measures.interval import mean_error
from darktimbre.measures.tables import blocks, feature_table, feature_tables


class Errors(NamedTuple):
    """Standard errors: of precision and density from which fake notes were drawn, of recall and coverage from which
    real ones; the other side, and thereby the balls, taken as given."""

    precision: float
    recall: float
    density: float
    coverage: float


class FidelityAndDiversity(NamedTuple):
    """Attributes:
    precision: share of fake notes that lie in the ball of some real note.
    recall: share of real notes that lie in the ball of some fake note.
    density: in how many real balls a fake note lies, over the k expected of an equal distribution; may exceed 1.
    coverage: share of real balls that hold some fake note.
    errors: their standard errors.
    """

    precision: float
    recall: float
    density: float
    coverage: float
    errors: Errors


def fidelity_and_diversity(
    real: ArrayLike,
    fake: ArrayLike,
    *,
    k: int = 5,
    real_radii: ArrayLike | None = None,
    real_groups: ArrayLike | None = None,
    fake_groups: ArrayLike | None = None,
) -> FidelityAndDiversity:
    """Precision and recall (Kynkäänniemi et al. 2019, eq. 1-3), density and coverage (Naeem et al. 2020, eq. 3-4).

    The ball of a note reaches to its k-th nearest neighbour in its own set, which itself is just outside (as in Naeem
    et al.'s code: the density of a set with itself is then 1). Coverage of a distribution by as many other notes of it
    is 1 - 2^-k or so, not 1.

    Args:
        real, fake: features `(note, dimension)`, more than k notes each; equally many make precision and recall
            comparable. Euclidean distances, in float64, in blocks.
        k: neighbours.
        real_radii: `radii(real, k)` where they were computed before.
        real_groups, fake_groups: `(note,)`, notes of one value belong together (an instrument), for the standard
            errors; each note alone by default.

    Raises:
        ValueError: they are no tables of one dimension with more than k notes each, or there is not one group a note.
    """
    x, y = feature_tables(real, fake, rows=k + 1)
    reach = radii(x, k) if real_radii is None else np.asarray(real_radii, dtype=np.float64)
    if reach.shape != (len(x),):
        raise ValueError(f"one radius a real note is needed, {len(x)}, not shape {reach.shape}")
    fake_reach = radii(y, k)
    centre = x.mean(axis=0, dtype=np.float64)
    # A note at the very edge is outside, whichever way its distance was rounded.
    margin = 1e-13 * max(
        float(np.square(side[rows] - centre).sum(axis=1).max()) for side in (x, y) for rows in blocks(len(side))
    )
    balls_of_fake = np.zeros(len(y), np.int64)  # real balls that each fake note lies in
    recalled, covered = np.zeros(len(x), bool), np.zeros(len(x), bool)
    for rows in blocks(len(x)):
        for columns in blocks(len(y)):
            squares = _squares(x[rows], y[columns], centre)
            squares += margin
            in_real = squares < np.square(reach[rows])[:, None]
            balls_of_fake[columns] += in_real.sum(axis=0)
            covered[rows] |= in_real.any(axis=1)
            recalled[rows] |= (squares < np.square(fake_reach[columns])).any(axis=1)
    true, density = balls_of_fake > 0, balls_of_fake / k
    return FidelityAndDiversity(
        precision=float(true.mean()),
        recall=float(recalled.mean()),
        density=float(density.mean()),
        coverage=float(covered.mean()),
        errors=Errors(
            precision=mean_error(true, fake_groups),
            recall=mean_error(recalled, real_groups),
            density=mean_error(density, fake_groups),
            coverage=mean_error(covered, real_groups),
        ),
    )


def radii(features: ArrayLike, k: int = 5) -> np.ndarray:
    """Distance of each note to its k-th nearest other note, `(note, dimension)` → `(note,)`.

    Raises:
        ValueError: there are not more than k notes.
    """
    table = feature_table(features, rows=k + 1)
    if k < 1:
        raise ValueError(f"at least one neighbour is needed, not {k}")
    centre = table.mean(axis=0, dtype=np.float64)
    result = np.empty(len(table))
    for rows in blocks(len(table)):
        nearest = np.full((rows.stop - rows.start, 0), np.inf)
        for columns in blocks(len(table)):
            squares = _squares(table[rows], table[columns], centre)
            if columns.start == rows.start:
                np.fill_diagonal(squares, np.inf)  # a note is no neighbour of itself
            together = np.concatenate([nearest, squares], axis=1)
            nearest = np.partition(together, k - 1, axis=1)[:, :k] if together.shape[1] > k else together
        result[rows] = np.sqrt(nearest.max(axis=1))
    return result


def _squares(x: np.ndarray, y: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Squared distances `(row, column)`. Seen from the centre, where less is lost in ‖x‖² + ‖y‖² - 2x·y."""
    x, y = x - centre, y - centre
    squares = x @ y.T
    squares *= -2
    squares += np.square(x).sum(axis=1)[:, None]
    squares += np.square(y).sum(axis=1)
    return np.asarray(np.maximum(squares, 0.0, out=squares))
