"""A bundle's encoded training notes → what a page draws of the latent space, and the note nearest to a latent."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from darktimbre.bundle.encoded import UNPITCHED, EncodedNotes
from darktimbre.instrument.messages import NearestAnswer, PointsAnswer

SHOWN = 3  # dimensions that can be seen at once


def points(encoded: EncodedNotes | None, tags: Sequence[str], latent: int) -> PointsAnswer:
    """The notes as lists, to four digits after the point; none where there are none.

    Args:
        encoded: the bundle's training notes.
        tags: names of the styles, in the order of `encoded.styles`.
        latent: values of a latent.
    """
    if encoded is None:
        return PointsAnswer(
            names=[], latent=[], level_db=[], pitch=[], styles=[], tags=list(tags), axes=np.eye(latent)[:SHOWN].tolist()
        )
    return PointsAnswer(
        names=list(encoded.names),
        latent=np.round(encoded.latent.astype(np.float64), 4).tolist(),
        level_db=np.round(encoded.level_db.astype(np.float64), 2).tolist(),
        pitch=[None if pitch == UNPITCHED else int(pitch) for pitch in encoded.pitch],
        styles=[np.flatnonzero(row > 0).tolist() for row in encoded.styles],
        tags=list(tags),
        axes=np.round(axes(encoded.latent), 6).tolist(),
    )


def axes(latents: ArrayLike) -> NDArray[np.float64]:
    """Up to three unit vectors (axis, latent) at right angles: the dimensions themselves where there are no more than
    three, else the first principal axes of latents (note, latent), each with its largest entry positive."""
    rows = np.asarray(latents, np.float64)
    size = rows.shape[1]
    if size <= SHOWN or len(rows) <= SHOWN:
        return np.eye(size)[:SHOWN]
    values, vectors = np.linalg.eigh(np.cov(rows, rowvar=False))
    main = vectors[:, np.argsort(-values, kind="stable")[:SHOWN]].T
    return main * np.sign(main[np.arange(SHOWN), np.abs(main).argmax(axis=1)])[:, None]


def nearest(encoded: EncodedNotes | None, latent: ArrayLike) -> NearestAnswer | None:
    """The training note whose latent is nearest to a latent (latent,), by Euclidean distance."""
    if encoded is None or not len(encoded):
        return None
    index = encoded.nearest(latent)
    distance = float(np.linalg.norm(encoded.latent[index] - np.asarray(latent, np.float32)))
    return NearestAnswer(index=index, name=encoded.names[index], distance=round(distance, 4))
