"""How often a classifier is right, on each split of the corpus it was trained on: what stands in its card."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from darktimbre.bundle.classifier import Classifier
from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.splits import SPLITS
from darktimbre.measures.correlation import mean_pearson
from darktimbre.notes.attributes import Attributes
from darktimbre.training.classes import family_classes, pitch_classes
from darktimbre.training.dataset import soft_labels_of

BLOCK = 128  # notes heard at once


def accuracies(
    classifier: Classifier, corpus: Corpus, attributes: Attributes, *, families: str = "family"
) -> dict[str, Any]:
    """Of each split: notes, instruments, how often pitch and family are right; families in detail on held-out notes.

    A note without a class of the classifier's is not counted there; `notes` beside an accuracy says how many were.
    """
    found: dict[str, Any] = {}
    instrument = corpus.column("instrument")
    learnt = instrument[corpus.rows("train")]
    confusion = np.zeros((len(classifier.families),) * 2, np.int64)
    for split in SPLITS:
        rows = corpus.rows(split)
        facts: dict[str, Any] = {
            "notes": len(rows),
            "instruments": len(np.unique(instrument[rows])),
            "also_in_train": int(np.isin(np.unique(instrument[rows]), learnt).sum()),
        }
        found[split] = facts
        if not len(rows):
            continue
        pitch, family, labels = _answers(classifier, corpus, rows)
        if classifier.pitches:
            facts["pitch"] = _pitch(pitch, pitch_classes(corpus, rows, classifier.pitches), classifier.pitches)
        if classifier.families:
            classes = family_classes(corpus, rows, classifier.families, families)
            facts["family"] = _family(family, classes)
            if split != "train":
                np.add.at(confusion, (classes[classes >= 0], family[classes >= 0]), 1)
        if attributes.names and len(rows) > 2:
            wanted = _logits(soft_labels_of(corpus, attributes, rows))
            mean, count, _ = mean_pearson(wanted, labels)
            facts["attributes"] = {"correlation": mean, "count": count}
    if classifier.families:
        found["families_held_out"] = _confusions(confusion, classifier.families)
    return found


def _answers(
    classifier: Classifier, corpus: Corpus, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Named pitch class (note,), named family (note,), logits of the attributes (note, attribute)."""
    pitch, family, labels = [], [], []
    for first in range(0, len(rows), BLOCK):
        heard = classifier.hear(torch.from_numpy(corpus.waves(rows[first : first + BLOCK])))
        pitch.append(heard.pitch.argmax(1).numpy() if classifier.pitches else np.zeros(len(heard.pitch), np.int64))
        family.append(heard.family.argmax(1).numpy() if classifier.families else np.zeros(len(heard.family), np.int64))
        labels.append(heard.attributes.numpy())
    return np.concatenate(pitch), np.concatenate(family), np.concatenate(labels)


def _logits(soft: NDArray[np.float32]) -> NDArray[np.float64]:
    """σ⁻¹ of soft labels: as the teacher's logits but for a factor, of which a correlation does not depend."""
    inside = np.clip(soft.astype(np.float64), 1e-12, 1 - 1e-7)
    return np.log(inside) - np.log1p(-inside)


def _pitch(named: NDArray[np.int64], classes: NDArray[np.int64], pitches: tuple[int, ...]) -> dict[str, Any]:
    """Accuracy; and what share of the notes is named an octave, or a semitone, away."""
    known = classes >= 0
    if not known.any():
        return {"notes": 0}
    midi = np.array(pitches)
    away = np.abs(midi[named[known]] - midi[classes[known]])
    return {
        "notes": int(known.sum()),
        "accuracy": float((away == 0).mean()),
        "octaves_away": float(((away > 0) & (away % 12 == 0)).mean()),
        "a_semitone_away": float((away == 1).mean()),
    }


def _family(named: NDArray[np.int64], classes: NDArray[np.int64]) -> dict[str, Any]:
    """Accuracy over notes, over families (each counting the same), and of always naming the most frequent one."""
    known = classes >= 0
    if not known.any():
        return {"notes": 0}
    right, truth = named[known] == classes[known], classes[known]
    each = [right[truth == index].mean() for index in np.unique(truth)]
    return {
        "notes": int(known.sum()),
        "accuracy": float(right.mean()),
        "mean_over_families": float(np.mean(each)),
        "most_frequent_family": float(np.bincount(truth).max() / len(truth)),
    }


def _confusions(confusion: NDArray[np.int64], families: tuple[str, ...]) -> dict[str, Any]:
    """Of each family on held-out notes: how many, how often right, and which other it is taken for most."""
    found: dict[str, Any] = {}
    for index, name in enumerate(families):
        total = int(confusion[index].sum())
        if not total:
            found[name] = {"notes": 0}
            continue
        others = confusion[index].copy()
        others[index] = 0
        found[name] = {"notes": total, "accuracy": float(confusion[index, index] / total)}
        if others.any():
            worst = int(others.argmax())
            found[name] |= {"taken_for": families[worst], "how_often": float(others[worst] / total)}
    return found
