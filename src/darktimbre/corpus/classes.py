"""What folders say of a sound: its class, and the subclass below it, as names that stand by themselves."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darktimbre.corpus.corpus import Corpus
from darktimbre.notes.attributes import BETWEEN

OTHER = "other"
"""The class of notes that lie in no folder, and the family of notes of which none is known."""

TOGETHER = " + "
"""Between the style tags of one note, in the name of their combination: "tremolo + violins"."""


def class_of(corpus: Corpus, rows: NDArray[np.int64]) -> NDArray[np.str_]:
    """Class of some rows (note,), `OTHER` where there is none."""
    named = corpus.column("category")[rows]
    return np.where(named == "", OTHER, named).astype(np.str_)


def leaf_of(corpus: Corpus, rows: NDArray[np.int64]) -> NDArray[np.str_]:
    """The finest that is known of some rows (note,): "class/subclass", or the class alone."""
    classes, below = class_of(corpus, rows), corpus.column("subcategory")[rows]
    named = [f"{name}{BETWEEN}{under}" if under else str(name) for name, under in zip(classes, below, strict=True)]
    return np.array(named, dtype=np.str_)


def family_of(corpus: Corpus, rows: NDArray[np.int64], kind: str = "family") -> NDArray[np.str_]:
    """Instrument family of some rows (note,), `OTHER` where none is known; or, of one-shots, what recipes call the kind
    `category`, the class, and `subcategory`, the finest class known; or `styles`, what styles they combine, and
    `instrument`."""
    if kind == "styles":
        return np.array([TOGETHER.join(sorted(set(tags))) or OTHER for tags in corpus.column("styles")[rows]], np.str_)
    if kind == "instrument":
        return corpus.column("instrument")[rows].astype(np.str_)
    if kind == "category":
        return class_of(corpus, rows)
    if kind == "subcategory":
        return leaf_of(corpus, rows)
    family = corpus.column("family")[rows]
    return np.where(family == "", OTHER, family).astype(np.str_)


def class_indices(values: NDArray[Any], classes: Sequence[Any]) -> NDArray[np.int64]:
    """Place of each value among the classes (row,); −1 where it is none of them."""
    place = {name: index for index, name in enumerate(classes)}
    return np.array([place.get(value, -1) for value in values.tolist()], dtype=np.int64)
