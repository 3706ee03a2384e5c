"""Waves described, for dissection: by a teacher, by an evaluator that no search ever sees, and by plain measures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from darktimbre.audio.pitch import yin
from darktimbre.notes.pitch import hz_to_midi

Floats = NDArray[np.float32]
LEVEL, BRIGHTNESS, PITCH = "level (dB)", "brightness (octaves)", "pitch (semitones)"
PLAIN = (LEVEL, BRIGHTNESS, PITCH)  # what is described without any network
IN_TUNE = 0.5  # semitones


@dataclass(frozen=True)
class Described:
    """What was found of some notes."""

    labels: Floats  # (note, label) of the teacher, in deviations of real notes
    embedding: Floats  # (note, dimension) of the teacher
    evaluator: Floats  # (note, label) by another network, in deviations of what it predicts of real notes
    plain: Floats  # (note, 3) of `PLAIN`; NaN where no pitch is found

    @property
    def in_tune(self) -> float:
        """Share of the notes whose fundamental is within half a semitone of the pitch wanted."""
        return in_tune(self.plain)


def differences(before: Described, after: Described) -> Floats:
    """(note, label + 3): the labels, then `PLAIN`; pitch as a change of the distance from the pitch wanted."""
    plain = after.plain - before.plain
    plain[:, 2] = np.abs(after.plain[:, 2]) - np.abs(before.plain[:, 2])
    return np.concatenate([after.labels - before.labels, plain], 1)


@dataclass(frozen=True)
class Describer:
    """Describes waves by a teacher, by an evaluator that no search ever sees, and by plain measures.

    Attributes:
        names: labels in the order of the columns.
        teacher: waves (note, sample) → logits in deviations (note, label), embedding (note, dimension).
        evaluator: waves → embedding by another network (note, dimension); None where there is none.
        predict: that embedding → the labels in deviations (note, label).
        trust: correlation of these with the teacher's on notes that `predict` was not fitted on (label,).
        rate: Hz.
    """

    names: Sequence[str]
    teacher: Callable[[Floats], tuple[Floats, Floats]]
    evaluator: Callable[[Floats], Floats] | None
    predict: Callable[[Floats], Floats]
    trust: Floats
    rate: int

    def describe(self, waves: Floats, midi: NDArray[np.float64], *, like: Floats | None = None) -> Described:
        """All of some waves (note, sample); the evaluator's are NaN where there is none.

        `like`: waves to whose levels the networks' are brought, for they take loudness for words.
        """
        level = waves if like is None else levelled(waves, like)
        labels, embedding = self.teacher(level)
        seen = np.full_like(labels, np.nan) if self.evaluator is None else self.predict(self.evaluator(level))
        return Described(labels, embedding, seen, plain_of(waves, midi, self.rate))


def levelled(waves: Floats, like: Floats) -> Floats:
    """Waves (note, sample), each at the RMS level of another's."""
    power, wanted = (np.square(one, dtype=np.float64).mean(1) + 1e-10 for one in (waves, like))
    return (waves * np.sqrt(wanted / power)[:, None]).astype(np.float32)


def in_tune(plain: Floats) -> float:
    """Share of notes, described by `plain_of`, within half a semitone of the pitch wanted."""
    return float(np.mean(np.abs(np.nan_to_num(plain[:, 2], nan=99.0)) <= IN_TUNE))


def plain_of(waves: Floats, midi: NDArray[np.float64], rate: int) -> Floats:
    """`PLAIN` of waves (note, sample): RMS level, log₂ of the spectral centroid in Hz, distance from the pitch."""
    power = np.square(np.abs(np.fft.rfft(waves)))
    hertz = np.fft.rfftfreq(waves.shape[1], 1 / rate)
    level = 10 * np.log10(np.square(waves, dtype=np.float64).mean(1) + 1e-10)
    centroid = (power * hertz).sum(1) / np.maximum(power.sum(1), 1e-20)
    found, _ = yin(waves, rate, fmin=50.0, fmax=min(2500.0, rate / 2))
    away = np.array([np.nan if not one > 0 else hz_to_midi(float(one)) for one in found]) - midi
    return np.stack([level, np.log2(centroid.clip(min=1.0)), away], 1).astype(np.float32)
