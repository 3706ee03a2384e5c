"""A sound → the controls of notes like it (timbre transfer): its pitch, and its latent where the instrument has an
encoder, else a tagger's labels at the instrument's T."""

import warnings
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from darktimbre.audio import files
from darktimbre.audio.loudness import is_silent
from darktimbre.audio.pitch import yin
from darktimbre.audio.shape import fit_length, resample, to_mono
from darktimbre.notes.attributes import Attributes, LabelSource
from darktimbre.notes.errors import UserError
from darktimbre.notes.pitch import hz_to_midi
from darktimbre.notes.temperature import soft_labels

if TYPE_CHECKING:
    from pathlib import Path

    from darktimbre.synthesizer.synthesizer import Synthesizer


class Tagger(LabelSource, Protocol):
    """What is needed of a teacher (`darktimbre.teachers`), which whoever plays is handed."""

    @property
    def sample_rate(self) -> int: ...
    @property
    def labels(self) -> tuple[str, ...]: ...

    def logits(self, waves: torch.Tensor) -> torch.Tensor: ...


SPARE = 0.05  # s by which a sound may be longer than a note before its cutting is reported


class CutSoundWarning(UserWarning):
    """A sound is longer than a note, and its beginning was taken."""


class EncodedSound(NamedTuple):
    """A sound file as an instrument with an encoder has it."""

    latent: NDArray[np.float32]  # (latent,)
    level_db: float | None  # its peak, relative to full scale; None of an instrument whose notes are of no one level
    pitch: float | None  # MIDI, measured; None where there is none


def encode_sound(path: "Path", instrument: "Synthesizer") -> EncodedSound:
    """Latent, level and pitch of a sound file's beginning.

    Raises:
        UserError: the instrument has no encoder, or there is no sound in the file.

    Warns:
        CutSoundWarning: the sound is longer than a note.
    """
    instrument.bundle.require_encoder()
    wave, seconds = _read(path, instrument)
    if seconds > instrument.seconds + SPARE:
        warnings.warn(
            f"{path} lasts {seconds:.3g} s, a note {instrument.seconds:.3g} s: its beginning is used; cut the file to "
            "choose another part.",
            CutSoundWarning,
            stacklevel=2,
        )
    try:
        encoded = instrument.encode(wave)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    level_db = None if instrument.bundle.level_db is None else float(encoded.level_db[0])
    return EncodedSound(encoded.latent[0], level_db, sound_pitch(wave, instrument.sample_rate))


def read_sound(path: "Path", instrument: "Synthesizer") -> NDArray[np.float32]:
    """(sample,) the beginning of a sound file, at the instrument's rate and as long as its notes.

    Raises:
        UserError: there is no sound in it.
    """
    return _read(path, instrument)[0]


def _read(path: "Path", instrument: "Synthesizer") -> tuple[NDArray[np.float32], float]:
    """That beginning, and how many seconds the whole file lasts."""
    try:
        recorded = files.read(path, max_seconds=max(instrument.seconds, 1.0) + 1.0)
    except files.UnreadableSound as error:
        raise UserError(f"{path} cannot be read as sound ({error}): give another sound file.") from error
    mono = to_mono(recorded.samples).wave
    if is_silent(mono[: round(instrument.seconds * recorded.rate)], recorded.rate):
        raise UserError(f"{path} is silent in its first {instrument.seconds:g} s: cut it to where the sound begins.")
    wave = resample(mono, recorded.rate, instrument.sample_rate)
    return fit_length(wave, instrument.samples, fade=instrument.sample_rate // 20)[0], recorded.seconds


def sound_levels(wave: NDArray[np.float32], rate: int, tagger: Tagger, attributes: Attributes) -> dict[str, float]:
    """Name → σ(logit / T) (DarkGAN eq. 1) for every attribute of an instrument.

    Args:
        wave: (sample,) at `rate` Hz, as long as the instrument's notes.
        rate: its sample rate.
        tagger: the teacher; `notes.attributes.teacher_mismatch` says whether it is the instrument's own.
        attributes: of the instrument.

    Raises:
        UserError: the teacher lacks a label.
    """
    lacking = [name for name in attributes.names if name not in tagger.labels]
    if lacking:
        raise UserError(
            f"The teacher {tagger.name} has no label {lacking[0]!r}; this instrument was trained on labels by "
            f"{attributes.teacher}."
        )
    logits = tagger.logits(torch.from_numpy(resample(wave, rate, tagger.sample_rate)[None])).float().cpu().numpy()[0]
    columns = [tagger.labels.index(name) for name in attributes.names]
    return dict(zip(attributes.names, soft_labels(logits[columns], attributes.temperature).tolist(), strict=True))


def sound_pitch(wave: NDArray[np.float32], rate: int) -> float | None:
    """MIDI pitch, with its fraction, of a sound (sample,) by YIN; None where there is none."""
    frequency, confidence = yin(wave[None], rate, fmax=min(2500.0, rate / 2))
    if not np.isfinite(frequency[0]) or confidence[0] < 0.1:
        return None
    return hz_to_midi(float(frequency[0]))


def into_range(pitch: float, trained: tuple[int, ...], *, between: bool) -> float:
    """The MIDI pitch to play for a measured one: moved by octaves into the trained range, else its nearer end; with its
    fraction where the instrument plays `between` its pitch classes."""
    low, high = min(trained), max(trained)
    octaves = [pitch + 12 * shift for shift in range(-11, 12)]
    inside = [one for one in octaves if low - 0.5 <= one <= high + 0.5]
    played = min(inside or [low, high], key=lambda one: abs(one - pitch))
    if between and low <= played <= high:
        return played
    return float(min(trained, key=lambda one: (abs(one - played), one)))
