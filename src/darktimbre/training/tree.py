"""A corpus's folders as controls: class and subclass of each one-shot, one-hot each, in place of a teacher's labels."""

import hashlib
from collections import Counter

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from darktimbre.corpus.classes import OTHER, class_of, leaf_of
from darktimbre.corpus.corpus import Corpus
from darktimbre.notes.attributes import BETWEEN, CLASSES, Attributes
from darktimbre.notes.errors import UserError
from darktimbre.training.sampling import uniform


def tree_of(corpus: Corpus, rows: NDArray[np.int64]) -> Attributes:
    """The classes of some rows, sorted, then their subclasses, sorted, as the controls of an instrument.

    Raises:
        UserError: no note lies in a folder.
    """
    classes, leaves = class_of(corpus, rows), leaf_of(corpus, rows)
    if set(classes) <= {OTHER}:
        raise UserError(
            f"{corpus.path} knows no classes: import a folder with one folder a class (`darktimbre import folder`), "
            "play drum kits (`darktimbre render --kits`), or train without classes (--set data.attributes=0)."
        )
    if parted := sorted({str(one) for one in classes if BETWEEN in one}):
        raise UserError(
            f"{corpus.path}: the class {parted[0]!r} has a {BETWEEN} in its name, which parts class from subclass: "
            "write `category` and `subcategory` apart."
        )
    twins = Counter(str(name).casefold() for name in {*classes, *leaves})
    if twin := next((name for name, often in twins.items() if often > 1), None):
        raise UserError(f"{corpus.path}: two classes differ in letter case alone ({twin!r}): give them one name.")
    names = (*sorted(set(classes)), *sorted({str(leaf) for leaf in leaves if BETWEEN in leaf}))
    return Attributes(names=tuple(str(name) for name in names), teacher=CLASSES, teacher_digest=digest(names))


def digest(names: tuple[str, ...]) -> str:
    """SHA-256 of the names: with other classes a label means something else."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def class_labels(corpus: Corpus, names: tuple[str, ...], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """[one-hot class | one-hot subclass under it] of some rows, (note, name). A note of a class that has no
    subclass, or of one not among `names`, has zeros there."""
    place = {name: column for column, name in enumerate(names)}
    labels = np.zeros((len(rows), len(names)), np.float32)
    for row, known in enumerate(zip(class_of(corpus, rows), leaf_of(corpus, rows), strict=True)):
        for name in known:
            if (column := place.get(str(name))) is not None:
                labels[row, column] = 1.0
    return labels


def depth(names: tuple[str, ...]) -> int:
    """How many of the names are classes; subclasses follow."""
    return sum(BETWEEN not in name for name in names)


def label_mask(
    names: tuple[str, ...], *, drop_class: float, drop_subclass: float, seed: int, notes_seen: int, batch: int
) -> Tensor:
    """Which labels of a step's notes the condition keeps, (batch, name) 0 or 1.

    Of a share of the notes the subclass is dropped, of another the class, independently: so that "any drum" can be
    played, and "kick" without its class, and anything at all.
    """
    mask = torch.ones(batch, len(names))
    dropped = uniform(seed, "unsaid", notes_seen, (batch, 2)) < torch.tensor([drop_class, drop_subclass])
    mask[dropped[:, 0], : depth(names)] = 0.0
    mask[dropped[:, 1], depth(names) :] = 0.0
    return mask
