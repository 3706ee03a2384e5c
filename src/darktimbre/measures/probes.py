"""How much of a class a latent holds: fresh classifiers, cross-validated, corrected for chance.

A latent that is independent of the class gives 0, one that determines it 1. What an adversary trained beside the
encoder predicts is no measure: the encoder was trained until that one failed.
"""

import warnings
from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from darktimbre.measures.interval import group_index, mean_error
from darktimbre.measures.tables import feature_table

FOLDS = 5
NEIGHBOURS = 15
HIDDEN = (64, 64)  # units of the perceptron's layers
STEPS, PASSES = 1500, 200  # of Adam, and over the notes, at most
_BATCH = 128

ProbeKind = Literal["mlp", "k-nn"]


class Probe(NamedTuple):
    """Attributes:
    accuracy: mean over classes of the share of a class's notes that is predicted.
    chance: what it is of a predictor that does not see the latent: 1 / classes, however frequent each is.
    corrected: (accuracy − chance) / (1 − chance); a little below 0 by chance.
    error: standard error of `corrected` from which groups were drawn, the probes taken as given.
    notes: how many were predicted.
    classes: how many there are of them.
    left_out: notes that could not be predicted, because all notes of their class are of one group.
    """

    accuracy: float
    chance: float
    corrected: float
    error: float
    notes: int
    classes: int
    left_out: int


def probe(
    latents: ArrayLike,
    labels: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    held_out: ArrayLike | None = None,
    kind: ProbeKind = "mlp",
    folds: int = FOLDS,
    seed: int = 0,
) -> Probe:
    """Predicts classes from latents by a classifier that is trained on the other folds.

    Chance is that of balanced accuracy, 1 / classes. Against plain accuracy one would subtract the share of the most
    frequent class, which a probe is free to ignore: with one class of 90 % a latent that tells all classes apart half
    of the time would come out below chance. Both probes are therefore trained for balanced classes as well (notes of
    rare classes are repeated for the perceptron; votes of neighbours count by 1 / notes of their class).

    Args:
        latents: `(note, dimension)`; standardised by the training folds.
        labels: `(note,)`, any values; notes labelled −1 or "" are of no class and do not count.
        groups: `(note,)`, notes of one group (of one recording) are never in two folds; each note alone by default.
        held_out: `(note,)`, true for notes that are predicted by a probe trained on the others, instead of by folds;
            groups of which some notes are held out and some are not train nothing.
        kind: "mlp", a perceptron with two hidden layers; "k-nn", the nearest neighbours.
        folds: how many; fewer where a class has fewer groups.
        seed: of the folds, and of the perceptron.

    Raises:
        ValueError: shapes differ, or there are not two classes that can be predicted.
    """
    table = feature_table(latents, rows=2).astype(np.float64)
    names = np.asarray(labels)
    if names.shape != (len(table),):
        raise ValueError(f"one label a note is needed, {len(table)}, not shape {names.shape}")
    index, _ = group_index(groups, len(table))
    known = names != ("" if names.dtype.kind in "US" else -1)
    table, names, index = table[known], names[known], index[known]
    apart = None if held_out is None else np.asarray(held_out, bool)[known]
    found, label = np.unique(names, return_inverse=True)
    in_groups = np.array([len(np.unique(index[label == one])) for one in range(len(found))])
    usable = in_groups >= (2 if apart is None else 1)
    if usable.sum() < 2:
        raise ValueError("at least two classes, each of two groups or more, are needed for a probe")
    kept = usable[label]
    left_out = int((~kept).sum())
    table, index = table[kept], index[kept]
    label = np.unique(label[kept], return_inverse=True)[1]
    right, predicted = np.zeros(len(label), bool), np.zeros(len(label), bool)
    if apart is None:
        parts = _folds(label, index, min(folds, int(in_groups[usable].max())), seed)
    else:
        parts = _apart(apart[kept], index)
    for train, test in parts:
        answer = _predicted(table[train], label[train], table[test], kind, seed)
        seen = np.isin(label[test], label[train])
        predicted[test], right[test] = seen, seen & (answer == label[test])
    left_out += int((~predicted & (True if apart is None else apart[kept])).sum())
    label, right, index = label[predicted], right[predicted], index[predicted]
    counts = np.bincount(label)
    classes = int((counts > 0).sum())
    if classes < 2:
        raise ValueError("at least two classes, each of two groups or more, are needed for a probe")
    weighted = right * (len(label) / (classes * counts[label]))  # whose mean is the balanced accuracy
    accuracy, chance = float(weighted.mean()), 1 / classes
    return Probe(
        accuracy,
        chance,
        (accuracy - chance) / (1 - chance),
        mean_error(weighted, index) / (1 - chance),
        len(label),
        classes,
        left_out,
    )


def _folds(
    label: NDArray[np.int64], group: NDArray[np.int64], folds: int, seed: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """(train, test) indices: no group in both, classes spread over the folds as evenly as groups allow."""
    from sklearn.model_selection import StratifiedGroupKFold

    splitter = StratifiedGroupKFold(max(2, folds), shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")  # such notes are counted as left out
        for train, test in splitter.split(label, label, group):
            if len(train) and len(test) and len(np.unique(label[train])) > 1:
                yield train, test


def _apart(
    held_out: NDArray[np.bool_], group: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    test = np.flatnonzero(held_out)
    train = np.flatnonzero(~np.isin(group, group[test]))
    if len(train) and len(test):
        yield train, test


def _predicted(
    train: NDArray[np.float64], label: NDArray[np.int64], test: NDArray[np.float64], kind: ProbeKind, seed: int
) -> NDArray[np.int64]:
    centre, deviation = train.mean(axis=0), train.std(axis=0)
    deviation[deviation < 1e-12 * np.abs(centre).clip(min=1e-300)] = 1.0  # a collapsed dimension stays what it is
    train, test = (train - centre) / deviation, (test - centre) / deviation
    return _perceptron(train, label, test, seed) if kind == "mlp" else _neighbours(train, label, test)


def _perceptron(
    train: NDArray[np.float64], label: NDArray[np.int64], test: NDArray[np.float64], seed: int
) -> NDArray[np.int64]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    random = np.random.default_rng(seed)
    counts = np.bincount(label)
    most = int(counts.max())
    # Every class as often as the most frequent one: whole repeats, and the rest drawn without replacement.
    places = [np.flatnonzero(label == one) for one in np.flatnonzero(counts)]
    repeated = [np.concatenate([np.tile(p, most // len(p)), random.permutation(p)[: most % len(p)]]) for p in places]
    rows = np.concatenate(repeated)
    network = MLPClassifier(
        HIDDEN, batch_size=min(_BATCH, len(rows)), learning_rate_init=3e-3, random_state=seed, n_iter_no_change=STEPS,
        max_iter=min(PASSES, max(1, STEPS * _BATCH // len(rows))), alpha=1e-3,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of steps is set
        network.fit(train[rows], label[rows])
    return np.asarray(network.predict(test))


def _neighbours(train: NDArray[np.float64], label: NDArray[np.int64], test: NDArray[np.float64]) -> NDArray[np.int64]:
    from sklearn.neighbors import NearestNeighbors

    counts = np.bincount(label)
    near = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(train))).fit(train).kneighbors(test, return_distance=False)
    votes = np.zeros((len(test), len(counts)))
    np.add.at(votes, (np.arange(len(test))[:, None], label[near]), 1.0 / counts[label[near]])
    return np.asarray(votes.argmax(axis=1))
