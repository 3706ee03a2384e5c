"""A request → the network's inputs: pitch, attributes and seeds become condition and latent arrays."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from darktimbre.notes.attributes import STYLES, Attributes
from darktimbre.notes.errors import UserError

Array = NDArray[np.float32]
Pitch = float | Sequence[float] | NDArray[np.number] | None
Levels = Mapping[str, float] | Sequence[Mapping[str, float]] | NDArray[np.floating] | None
Seed = int | Sequence[int] | NDArray[np.integer]


class OutOfRangeWarning(UserWarning):
    """An attribute was set outside [0, 1], where training never went."""


def latents(seed: Seed, count: int, size: int) -> Array:
    """One standard normal latent per note; a note's latent depends on its own seed and place only.

    Note i of a single seed s draws from the Philox stream of (s, i); with a list, note i draws from (seed[i], 0), so
    that equal seeds give equal latents. Philox's raw numbers are fixed for all NumPy versions, and the normal
    quantile makes them Gaussian, so a seed means the same sound for years.

    Args:
        seed: one seed for all, or one per note; not negative.
        count: number of notes.
        size: latent values per note.

    Returns:
        (note, size) float32.
    """
    if isinstance(seed, int | np.integer):
        keys = [(int(seed), index) for index in range(count)]
    else:
        keys = [(int(one), 0) for one in seed]
    if any(key < 0 for key, _ in keys):
        raise UserError("A seed is a whole number from 0 up.")
    drawn = np.empty((count, size), np.float32)
    for row, key in enumerate(keys):
        raw = np.random.Philox(np.random.SeedSequence(key)).random_raw(size)
        drawn[row] = ndtri(((raw >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53)
    return drawn


@dataclass(frozen=True)
class Controls:
    """The controls of one instrument."""

    attributes: Attributes  # its pitch classes, soft labels, and edits by their names
    latent: int  # values per latent
    baseline: Array  # (label,) what attributes take that are not given
    between: bool = False  # whether pitches between the trained ones can be rendered
    edits: int = 0  # how many of the attributes, the last ones, are edits of activations

    def with_edits(self, rows: Array) -> Array:
        """Rows (note, …) of what was trained, with edits of amount 0 behind."""
        return np.pad(rows, ((0, 0), (0, self.edits)))

    def fill(self, pitch: Pitch, levels: Levels, seed: Seed, latent: ArrayLike | None) -> tuple[Array, Array]:
        """Condition and latent of every requested note; single values are repeated to the length of the lists.

        Returns:
            condition (note, size) and latent (note, latent), float32.

        Raises:
            UserError: lengths that differ, unknown attributes, pitches out of range, latents of another size or with
                values that are not finite.
        """
        given_latent = None if latent is None else np.asarray(latent, np.float32)
        one_latent = given_latent is not None and given_latent.ndim == 1
        if given_latent is not None and (given_latent.ndim not in (1, 2) or given_latent.shape[-1] != self.latent):
            raise UserError(
                f"This instrument's latents have {self.latent} values; those given are {given_latent.shape}."
            )
        if given_latent is not None and not np.isfinite(given_latent).all():
            raise UserError("A latent's values must be finite numbers.")
        lengths = {
            "pitch": None if pitch is None or np.ndim(pitch) == 0 else len(np.asarray(pitch)),
            "attributes": self._length_of(levels),
            "seed": None if np.ndim(seed) == 0 else len(np.asarray(seed)),
            "latent": None if given_latent is None or one_latent else len(given_latent),
        }
        wanted = {name: length for name, length in lengths.items() if length is not None}
        if len({*wanted.values()} - {1}) > 1:
            listed = ", ".join(f"{length} for {name}" for name, length in wanted.items())
            raise UserError(f"Lists must be of one length; there are {listed}.")
        count = max((length for length in wanted.values() if length != 1), default=1)
        if 0 in wanted.values():
            count = 0

        soft = self._spread(self.soft(levels), count)
        if given_latent is not None:
            drawn = self._spread(np.atleast_2d(given_latent), count)
        else:
            if np.ndim(seed) == 1 and len(np.asarray(seed)) == 1:
                seed = [int(np.asarray(seed)[0])] * count
            drawn = latents(seed, count, self.latent)
        if not self.attributes.pitches:
            if pitch is not None:
                warnings.warn(
                    "This instrument has no pitch: the pitch given is not used.", OutOfRangeWarning, stacklevel=3
                )
            return soft, drawn
        return np.concatenate([self._spread(self.pitch_part(pitch), count), soft], axis=1), drawn

    def soft(self, levels: Levels) -> Array:
        """(note or 1, label) attribute values; names in any letter case, what is not given takes the baseline."""
        names = self.attributes.names
        if levels is None:
            levels = {}
        if isinstance(levels, Mapping):
            levels = [levels]
        if isinstance(levels, np.ndarray):
            rows = np.atleast_2d(np.asarray(levels, np.float32))
            if rows.shape[-1] == len(names) - self.edits:
                rows = self.with_edits(rows)
            if rows.shape[-1] != len(names):
                raise UserError(f"This instrument has {len(names)} attributes, not {rows.shape[-1]}.")
        else:
            rows = np.tile(self.baseline, (len(levels), 1))
            for row, wanted in zip(rows, levels, strict=True):
                for name, value in self.attributes.resolved(wanted).items():
                    row[names.index(name)] = value
        if not np.isfinite(rows).all():
            raise UserError("An attribute's value must be a finite number.")
        lowest = np.array([0.0] * (len(names) - self.edits) + [-1.0] * self.edits)
        outside = ((rows < lowest) | (rows > 1)).any(axis=0)
        if outside.any():
            listed = [f"{names[i]} = {rows[np.argmax(np.abs(rows[:, i] - 0.5)), i]:g}" for i in np.flatnonzero(outside)]
            more = f" and {len(listed) - 4} more" if len(listed) > 4 else ""
            how = "; styles mix linearly, so that this continues a mixture" if self.attributes.teacher == STYLES else ""
            warnings.warn(
                f"{', '.join(listed[:4])}{more}: outside 0 to 1, where the instrument was not trained{how}.",
                OutOfRangeWarning,
                stacklevel=4,
            )
        return rows

    def pitch_part(self, pitch: Pitch) -> Array:
        """(note or 1, pitch class) one-hot; a pitch between two classes is shared by them, if the network can."""
        pitches = self.attributes.pitches
        if pitch is None:
            pitch = self.attributes.nearest_pitch(60)
        wanted_pitch = np.atleast_1d(np.asarray(pitch, np.float64))
        order = np.argsort(pitches)
        known = np.asarray(pitches, np.float64)[order]
        part = np.zeros((len(wanted_pitch), len(pitches)), np.float32)
        for row, midi in enumerate(wanted_pitch):
            if not known[0] <= midi <= known[-1]:
                raise UserError(f"This instrument plays MIDI {known[0]:g} to {known[-1]:g}, not {midi:g}.")
            above = int(np.searchsorted(known, midi))
            if known[above] == midi:
                part[row, order[above]] = 1.0
                continue
            if not self.between:
                near = self.attributes.nearest_pitch(midi)
                raise UserError(f"This instrument plays only the pitches it was trained on: {near}, not {midi:g}.")
            share = (midi - known[above - 1]) / (known[above] - known[above - 1])
            part[row, order[above - 1]], part[row, order[above]] = 1.0 - share, share
        return part

    def pitch_of(self, condition: Array) -> Array | None:
        """The MIDI pitch of conditions (note, size), fractions between two classes; NaN where there is none. None of
        an instrument without pitch."""
        pitches = np.asarray(self.attributes.pitches, np.float32)
        if not len(pitches):
            return None
        share = condition[:, : len(pitches)]
        total = share.sum(axis=1)
        unknown = np.full(len(condition), np.nan, np.float32)
        return np.divide((share * pitches).sum(axis=1), total, out=unknown, where=total > 0)

    def _length_of(self, levels: Levels) -> int | None:
        if levels is None or isinstance(levels, Mapping):
            return None
        if isinstance(levels, np.ndarray) and levels.ndim == 1:
            return None
        return len(levels)

    @staticmethod
    def _spread(rows: Array, count: int) -> Array:
        return rows if len(rows) == count else np.repeat(rows[:1], count, axis=0)
