"""How clearly sounds are heard as one class each, and how many classes there are: the inception score.

Of the pitch classes it is the paper's PIS, of the instrument families its IIS (DarkGAN §4.4.1).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class SplitScore(NamedTuple):
    """Mean and standard deviation (n - 1) over splits."""

    mean: float
    std: float


def inception_score(probabilities: ArrayLike) -> float:
    """exp E_x KL(p(y|x) ‖ p(y)) with p(y) = E_x p(y|x) (Salimans et al. 2016, §4).

    Between 1 (every sound is heard alike) and the number of classes (each is heard with certainty, all equally often).

    Args:
        probabilities: `(note, class)`, each row adding up to 1.

    Raises:
        ValueError: a row is no distribution.
    """
    each = _distributions(probabilities)
    # E KL(p(y|x) ‖ p(y)) = H(p(y)) - E H(p(y|x))
    information = _entropy(each.mean(axis=0)) - _entropy(each).mean()
    return float(np.exp(max(0.0, information)))


def inception_score_splits(probabilities: ArrayLike, splits: int = 10, seed: int = 0) -> SplitScore:
    """The score of each of so many random parts of the notes: their mean and standard deviation.

    A part of n notes cannot show more than n classes, so the mean lies below the score of all; compare like with like.

    Raises:
        ValueError: a row is no distribution, or there are fewer notes than splits, or fewer than two splits.
    """
    each = _distributions(probabilities)
    if not 2 <= splits <= len(each):
        raise ValueError(f"{len(each)} notes cannot be split into {splits} parts")
    order = np.random.default_rng(seed).permutation(len(each))
    scores = np.array([inception_score(each[part]) for part in np.array_split(order, splits)])
    return SplitScore(float(scores.mean()), float(scores.std(ddof=1)))


def _entropy(distributions: np.ndarray) -> np.ndarray:
    """-Σ p log p over the last axis, where 0·log 0 = 0."""
    logs = np.log(distributions, out=np.zeros_like(distributions), where=distributions > 0)
    return np.asarray(-(distributions * logs).sum(axis=-1))


def _distributions(probabilities: ArrayLike) -> np.ndarray:
    each = np.asarray(probabilities, dtype=np.float64)
    if each.ndim != 2 or not len(each):
        raise ValueError(f"probabilities (note, class) of at least one note are needed, not shape {each.shape}")
    totals = each.sum(axis=1, keepdims=True)
    if not ((each >= 0).all() and (np.abs(totals - 1) < 1e-3).all()):
        raise ValueError("every row must be a distribution: not negative, adding up to 1 (softmax comes first)")
    return np.asarray(each / totals)  # what float32 left over of the 1
