"""Corpus → real notes in disjoint sets: what sounds are compared with, what real notes score, and what was held out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from darktimbre.corpus.corpus import Corpus
from darktimbre.notes.errors import UserError


@dataclass(frozen=True)
class RealNotes:
    """Rows of a corpus, shuffled: a table takes the first so many of each set, which must not be its first instruments.

    Attributes:
        reference: of the train split; all sounds are compared with these.
        others: of the train split, as many, none of them the same.
        held_out: of the splits that no instrument learnt from.
    """

    reference: NDArray[np.int64]
    others: NDArray[np.int64]
    held_out: NDArray[np.int64]

    @classmethod
    def chosen(
        cls, corpus: Corpus, pitches: tuple[int, ...], held_out: tuple[str, ...], *, count: int, seed: int
    ) -> "RealNotes":
        """Notes at these pitches, where there are any; at most `count` of each set, and no more held out than compared.

        Raises:
            UserError: a set has fewer than two.
        """

        def rows(splits: tuple[str, ...]) -> NDArray[np.int64]:
            every = np.concatenate([corpus.rows(split) for split in splits])
            return every[np.isin(corpus.column("pitch")[every], pitches)] if pitches else every

        train, unseen = rows(("train",)), rows(held_out)
        half = min(count, len(train) // 2)
        if half < 2 or len(unseen) < 2:
            raise UserError(
                f"{corpus.path} has {len(train)} notes to compare with and {len(unseen)} held out "
                f"({' and '.join(held_out)}) at the instruments' pitches, and an evaluation needs some of both: give a "
                "corpus of more instruments at these pitches."
            )
        shuffled = np.random.default_rng((seed, 0)).permutation(train)
        kept = np.random.default_rng((seed, 1)).permutation(unseen)[:half]
        return cls(shuffled[:half], shuffled[half : 2 * half], kept)
