"""How well latents follow the prior N(0, 1) that samples are drawn from: by dimension, as a whole, in rank."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from darktimbre.measures.tables import feature_table


class NormalDeviation(NamedTuple):
    """Of each dimension `(dimension,)`, and what is expected of normal latents as many.

    Attributes:
        mean: 0 for the prior.
        deviation: standard deviation; 1 for the prior.
        distance: Wasserstein-1 distance to N(0, 1), ∫|F⁻¹ − Φ⁻¹|, by the sorted latents and the quantiles at
            (i − ½)/n.
        expected: mean of `distance` for as many draws of N(0, 1).
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    distance: NDArray[np.float64]
    expected: float


def normal_deviation(latents: ArrayLike, *, draws: int = 20, seed: int = 0) -> NormalDeviation:
    """How far each dimension of latents `(note, dimension)` is from N(0, 1)."""
    table = feature_table(latents, rows=2).astype(np.float64)
    quantile = _quantiles(len(table))
    normal = np.sort(np.random.default_rng(seed).standard_normal((len(table), draws)), axis=0)
    return NormalDeviation(
        table.mean(axis=0),
        table.std(axis=0),
        np.abs(np.sort(table, axis=0) - quantile[:, None]).mean(axis=0),
        float(np.abs(normal - quantile[:, None]).mean()),
    )


def effective_rank(latents: ArrayLike) -> float:
    """exp(−Σ p_k ln p_k), p the eigenvalues of the covariance over their sum (Roy & Vetterli 2007, eq. 4).

    Between 1 (the latents lie on a line) and the dimension (equally wide everywhere); 0 where they are one point.
    """
    table = feature_table(latents, rows=2).astype(np.float64)
    largest = np.abs(table).max()
    centred = table - table.mean(axis=0)
    # What rounding leaves of equal latents is no variance.
    if not np.abs(centred).max() > 1e-12 * largest:
        return 0.0
    spectrum = np.square(np.linalg.svd(centred / np.abs(centred).max(), compute_uv=False))
    share = spectrum[spectrum > 0] / spectrum.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


class SlicedDistance(NamedTuple):
    """A distance to the prior, and its mean for as many draws of the prior itself."""

    distance: float
    expected: float


def sliced_distance(latents: ArrayLike, *, directions: int = 256, draws: int = 8, seed: int = 0) -> SlicedDistance:
    """Sliced Wasserstein-2 distance to N(0, I): √ of the mean over random directions θ of the mean of
    (θᵀz₍ᵢ₎ − Φ⁻¹((i − ½)/n))² (Bonneel et al. 2015; a projection of N(0, I) is N(0, 1), known in closed form).
    """
    table = feature_table(latents, rows=2).astype(np.float64)
    random = np.random.default_rng(seed)
    theta = random.standard_normal((table.shape[1], directions))
    theta /= np.linalg.norm(theta, axis=0)
    quantile = _quantiles(len(table))[:, None]

    def distance(points: NDArray[np.float64]) -> float:
        return float(np.sqrt(np.square(np.sort(points @ theta, axis=0) - quantile).mean()))

    normal = [distance(random.standard_normal(table.shape)) for _ in range(draws)]
    return SlicedDistance(distance(table), float(np.mean(normal)))


def _quantiles(count: int) -> NDArray[np.float64]:
    return np.asarray(ndtri((np.arange(count) + 0.5) / count))
