"""What a run on pictures learns from: rows of a corpus of pictures and their classes."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from darktimbre.corpus.corpus import Corpus
from darktimbre.notes.errors import UserError
from darktimbre.training.recipe import Data


@dataclass(frozen=True)
class PictureMaterial:
    """The pictures of a run.

    Attributes:
        corpus: where they lie.
        rows: rows of the corpus that are trained on (picture,), ascending.
        classes: names of the classes, in order.
        label: (picture,) int64, index into `classes`.
    """

    corpus: Corpus
    rows: NDArray[np.int64]
    classes: tuple[str, ...]
    label: NDArray[np.int64] = field(repr=False)

    @cached_property
    def _stored(self) -> NDArray[np.int16]:
        return self.corpus.int16(self.rows)  # MNIST's 54,000 take 85 MB; gathering a batch from all shards takes longer

    def pictures(self, index: NDArray[np.int64]) -> Tensor:
        """Some pictures, (batch, channel, height, width) float32 in [−1, 1]; `index` counts within `rows`."""
        return torch.from_numpy(self.corpus.as_pictures(self._stored[index]))

    def condition(self, index: NDArray[np.int64]) -> Tensor:
        """One-hot classes of some pictures, (batch, class) float32."""
        return torch.from_numpy(np.eye(len(self.classes), dtype=np.float32)[self.label[index]])


def gather_pictures(data: Data, corpus: Corpus) -> PictureMaterial:
    """The pictures of a corpus that a recipe trains on.

    Raises:
        UserError: there are none in its split, or all are of one class.
    """
    rows = corpus.rows(data.split)
    if not len(rows):
        raise UserError(f"No picture of {corpus.path} is in the {data.split} split: there is nothing to train on.")
    classes = tuple(str(name) for name in np.unique(corpus.column("category")[rows]))
    if len(classes) < 2:
        raise UserError(
            f"All pictures of {corpus.path} are of one class, {classes[0]!r}: there is nothing to tell apart."
        )
    return PictureMaterial(corpus, rows, classes, labels_of(corpus, rows, classes))


def labels_of(corpus: Corpus, rows: NDArray[np.int64], classes: tuple[str, ...]) -> NDArray[np.int64]:
    """Place of each row's class among `classes` (picture,); −1 where it is none of them."""
    place = {name: index for index, name in enumerate(classes)}
    return np.array([place.get(str(name), -1) for name in corpus.column("category")[rows]], dtype=np.int64)
