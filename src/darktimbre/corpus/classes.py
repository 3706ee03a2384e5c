"""What folders say of a sound: its class, and the subclass below it, as names that stand by themselves."""

import numpy as np
from numpy.typing import NDArray

from darktimbre.corpus.corpus import Corpus
from darktimbre.notes.attributes import BETWEEN

OTHER = "other"
"""The class of notes that lie in no folder, and the family of notes of which none is known."""


def class_of(corpus: Corpus, rows: NDArray[np.int64]) -> NDArray[np.str_]:
    """Class of some rows (note,), `OTHER` where there is none."""
    named = corpus.column("category")[rows]
    return np.where(named == "", OTHER, named).astype(np.str_)


def leaf_of(corpus: Corpus, rows: NDArray[np.int64]) -> NDArray[np.str_]:
    """The finest that is known of some rows (note,): "class/subclass", or the class alone."""
    classes, below = class_of(corpus, rows), corpus.column("subcategory")[rows]
    named = [f"{name}{BETWEEN}{under}" if under else str(name) for name, under in zip(classes, below, strict=True)]
    return np.array(named, dtype=np.str_)
