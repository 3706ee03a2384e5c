"""How often a classifier is right: everything follows from its confusion matrix."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def confusion_matrix(label: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Number of examples by (class, predicted class), of labels and predictions (example,).

    A label of −1 means an example of none of the classes, which does not count.
    """
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (label[label >= 0], predicted[label >= 0]), 1)
    return matrix


def accuracy(confusion: NDArray[np.int64]) -> float:
    """Share of the examples whose class is predicted; there must be some."""
    return float(confusion.trace() / confusion.sum())


def recalls(confusion: NDArray[np.int64]) -> dict[int, float]:
    """Index of each class that has examples → share of them whose class is predicted."""
    counts = confusion.sum(1)
    return {int(k): float(confusion[k, k] / counts[k]) for k in counts.nonzero()[0]}


def pitch_accuracy(confusion: NDArray[np.int64], pitches: Sequence[int]) -> dict[str, Any]:
    """Notes, accuracy, and the shares of the notes that are predicted whole octaves, or a semitone, away.

    Args:
        confusion: (class, class).
        pitches: (class,) MIDI numbers.
    """
    total = int(confusion.sum())
    if not total:
        return {"notes": 0}
    away = np.abs(np.subtract.outer(pitches, pitches))
    return {
        "notes": total,
        "accuracy": accuracy(confusion),
        "octaves_away": float(confusion[(away > 0) & (away % 12 == 0)].sum() / total),
        "a_semitone_away": float(confusion[away == 1].sum() / total),
    }


def family_accuracy(confusion: NDArray[np.int64]) -> dict[str, Any]:
    """Notes, accuracy over notes, over families (each counting the same), and of always naming the most frequent."""
    total = int(confusion.sum())
    if not total:
        return {"notes": 0}
    return {
        "notes": total,
        "accuracy": accuracy(confusion),
        "mean_over_families": float(np.mean(list(recalls(confusion).values()))),
        "most_frequent_family": float(confusion.sum(1).max() / total),
    }


def by_family(confusion: NDArray[np.int64], families: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Of each family: notes, accuracy, and which other one it is confused with most, how often."""
    found: dict[str, Any] = {
        name: {"notes": int(count)} for name, count in zip(families, confusion.sum(1), strict=True)
    }
    for index, recall in recalls(confusion).items():
        facts = found[families[index]]
        facts["accuracy"] = recall
        others = np.where(np.arange(len(families)) == index, 0, confusion[index])
        if others.any():
            worst = int(others.argmax())
            facts |= {"taken_for": families[worst], "how_often": float(others[worst] / facts["notes"])}
    return found
