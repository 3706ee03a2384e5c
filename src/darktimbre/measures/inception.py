"""How clearly sounds are classified as one class each, and how many classes there are: the inception score.

Of the pitch classes it is the paper's PIS, of the instrument families its IIS (DarkGAN §4.4.1).
"""

import numpy as np
from numpy.typing import ArrayLike

from darktimbre.measures.interval import group_index, jackknife_error


def inception_score(probabilities: ArrayLike) -> float:
    """exp E_x KL(p(y|x) ‖ p(y)) with p(y) = E_x p(y|x) (Salimans et al. 2016, §4).

    Between 1 (every sound is classified alike) and the number of classes (each is certain, all equally often).

    Args:
        probabilities: `(note, class)`, each row adding up to 1.

    Raises:
        ValueError: a row is no distribution.
    """
    each = _distributions(probabilities)
    # E KL(p(y|x) ‖ p(y)) = H(p(y)) - E H(p(y|x))
    information = _entropy(each.mean(axis=0)) - _entropy(each).mean()
    return float(np.exp(max(0.0, information)))


def inception_score_error(probabilities: ArrayLike, groups: ArrayLike | None = None) -> float:
    """Standard error of the score by the jackknife: how much it varies when each group in turn is left out.

    The literature tells the deviation over ten random parts instead. That is of a tenth of the notes, whose score is
    too low besides, and takes notes of one instrument as independent.

    Args:
        probabilities: `(note, class)`, each row adding up to 1.
        groups: `(note,)`, notes of one value belong together (an instrument); each note alone by default.

    Raises:
        ValueError: a row is no distribution, or there is not one group a note.
    """
    each = _distributions(probabilities)
    index, count = group_index(groups, len(each))
    if count < 2:
        return float("nan")
    totals, entropies, sizes = np.zeros((count, each.shape[1])), np.zeros(count), np.bincount(index, minlength=count)
    np.add.at(totals, index, each)
    np.add.at(entropies, index, _entropy(each))
    left = len(each) - sizes
    # A sum less one of its parts may come out as -1e-17 where no other note has any of the class.
    others = np.maximum(totals.sum(axis=0) - totals, 0.0) / left[:, None]
    information = _entropy(others) - (entropies.sum() - entropies) / left
    return jackknife_error(np.exp(np.maximum(0.0, information)))


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
