"""Synthesizer → embedding: how much latent and attributes change the sound (DarkGAN §5.3, in figures).

At each of some pitches every one of Z latents is crossed with every one of A attribute vectors of real notes of that
pitch. Distances are in units of the real notes' total deviation, √(mean of ‖x − mean‖²): one scale for the whole
embedding. (Dividing each dimension by its own deviation would give those that real notes hardly use the most weight.)
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from darktimbre.evaluation.conditions import Conditions
from darktimbre.evaluation.profile import Profile
from darktimbre.evaluation.results import Variation
from darktimbre.measures.variation import crossed_variance, mean_distance
from darktimbre.synthesizer.synthesizer import Synthesizer

Floats = NDArray[np.float32]
Embed = Callable[[Floats, Floats], Floats]
"""Conditions (note, size) and latents (note, latent) → embeddings (note, dimension) of the sounds."""


def variation(
    synthesizer: Synthesizer,
    target: Conditions,
    real_embedding: Floats,
    embed: Embed,
    profile: Profile,
    *,
    seed: int = 0,
) -> Variation:
    """Crosses Z latents with A conditions, and takes shares of the variance and distances.

    By chance alone z and the attributes would take (Z − 1) / (Z·A − 1) and (A − 1) / (Z·A − 1) of the variance. An
    instrument without attributes has one condition a pitch, and all its variance is the latent's.

    Args:
        synthesizer: the instrument.
        target: real notes, as conditions of this instrument.
        real_embedding: (note, dimension) of those notes themselves.
        embed: called once, pitch by pitch, latent by latent, condition by condition.
        profile: Z; A, at most as many as there are notes of a pitch; and how many pitches at most, the ones with most
            notes, lowest first: an instrument without pitch counts as one.
        seed: of the latents and of which notes are taken.

    Returns:
        Figures, NaN where there are none: shares of sounds that are all alike, distances of real notes where no pitch
        has two.
    """
    pitched = len(synthesizer.attributes.pitches)
    labels = target.condition[:, :pitched].argmax(axis=1) if pitched else np.zeros(len(target.condition), np.int64)
    _, first = np.unique(target.rows, return_index=True)  # a draw may hold a note twice
    notes = np.random.default_rng(seed).permutation(first)
    by_pitch = [notes[labels[notes] == one] for one in np.unique(labels[notes])]
    fullest = sorted(range(len(by_pitch)), key=lambda index: (-len(by_pitch[index]), index))[: profile.pitches]
    taken = [by_pitch[index] for index in sorted(fullest)]
    many = min(profile.conditions, *(len(one) for one in taken)) if synthesizer.attributes.names else 1
    latents = profile.latents

    crossed = np.stack([np.tile(target.condition[one[:many]], (latents, 1)) for one in taken])
    drawn = np.repeat(synthesizer.latents(seed, latents), many, axis=0)
    embedded = embed(crossed.reshape(-1, crossed.shape[2]), np.tile(drawn, (len(taken), 1)))
    spread = np.asarray(embedded, np.float64).reshape(len(taken), latents, many, -1)
    real = np.asarray(real_embedding, np.float64)
    scale = np.sqrt(real[first].var(axis=0).sum()) or np.nan

    latent, attributes, both = map(float, _mean([crossed_variance(one) for one in spread]))
    moved = [mean_distance(one[:, index]) for one in spread for index in range(many)]
    apart = [mean_distance(real[one]) for one in taken if len(one) > 1]
    return Variation(
        latent,
        attributes,
        both,
        diversity=float(_mean(moved) / scale),
        real_diversity=float(_mean(apart) / scale),
        latents=latents,
        conditions=many,
        pitches=len(taken),
    )


def _mean(values: object) -> NDArray[np.float64]:
    """Mean over the first axis of what is defined; NaN where nothing is."""
    rows = np.array(values)
    defined = rows[np.isfinite(rows).all(axis=tuple(range(1, rows.ndim)))]
    return np.asarray(defined.mean(axis=0) if len(defined) else np.full(rows.shape[1:], np.nan))
