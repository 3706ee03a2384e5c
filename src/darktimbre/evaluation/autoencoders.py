"""Corpus and bundle → what measures of latents take: notes with styles, an autoencoder, evaluators."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from darktimbre.audio.loudness import at_peak
from darktimbre.bundle.bundle import Bundle
from darktimbre.bundle.classifier import NoteClassifier
from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.styles import check_styles, styles_of
from darktimbre.extractors.extractors import ClassifierExtractor, Extractor
from darktimbre.extractors.parallel import in_parallel
from darktimbre.notes.attributes import Attributes
from darktimbre.notes.errors import UserError
from darktimbre.notes.pitch import SEMITONES, octave_of
from darktimbre.representation import mel, stft
from darktimbre.representation.codec import SPAN, Codec
from darktimbre.synthesizer.synthesizer import Synthesizer

Floats = NDArray[np.float32]
Whole = NDArray[np.int64]

PORTION = 8  # notes a thread decodes at a time


@dataclass(frozen=True)
class StyledNotes:
    """Notes of a corpus and what is known of each; −1 where a note has no pitch, or no style."""

    corpus: Corpus
    rows: Whole  # of the corpus (note,)
    names: tuple[str, ...]  # of the tags
    values: Floats  # (note, tag)
    styles: tuple[str, ...]  # distinct combinations of tags
    style: Whole  # (note,) index into `styles`
    warnings: tuple[str, ...] = ()  # what a reader of figures must know of them

    @classmethod
    def of(cls, corpus: Corpus, source: str = "styles") -> "StyledNotes":
        """All notes of a corpus.

        Raises:
            UserError: it has no style, or one alone.
        """
        rows = corpus.rows()
        warnings, found = check_styles(corpus, rows, source), styles_of(corpus, rows, source)
        return cls(corpus, rows, found.names, found.values, found.combinations, found.combination, warnings)

    def __len__(self) -> int:
        return len(self.rows)

    def of_split(self, *splits: str) -> "StyledNotes":
        """Those of some splits."""
        return self.where(np.isin(self.rows, np.concatenate([self.corpus.rows(one) for one in splits])))

    def where(self, which: NDArray[Any] | slice) -> "StyledNotes":
        """Those that a mask or an array of places chooses."""
        return replace(self, rows=self.rows[which], values=self.values[which], style=self.style[which])

    def some(self, count: int, seed: int) -> "StyledNotes":
        """At most so many, in ascending order, styles as equally often as there are notes of each."""
        if len(self) <= count:
            return self
        order = np.random.default_rng(seed).permutation(len(self))
        turn = np.zeros(len(self), np.int64)  # how many of its style come before it
        for one in np.unique(self.style):
            here = order[self.style[order] == one]
            turn[here] = np.arange(len(here))
        return self.where(np.sort(order[np.argsort(turn[order], kind="stable")][:count]))

    @cached_property
    def pitch(self) -> Whole:
        """MIDI numbers (note,)."""
        return np.asarray(self.corpus.column("pitch")[self.rows])

    @cached_property
    def semitone(self) -> Whole:
        """0 (C) to 11 (note,)."""
        return np.where(self.pitch >= 0, self.pitch % SEMITONES, -1)

    @cached_property
    def octave(self) -> Whole:
        """4 from C4, MIDI 60 (note,); −2 where there is no pitch, for −1 is an octave."""
        return np.where(self.pitch >= 0, octave_of(self.pitch), -2)

    @cached_property
    def recording(self) -> NDArray[np.str_]:
        """What notes of one recording share (note,): its splits' unit."""
        keys = self.corpus.column("split_key")[self.rows]
        return np.where(keys == "", self.corpus.column("instrument")[self.rows], keys).astype(np.str_)

    def waves(self, peak_db: float | None = None) -> Floats:
        """Their sounds (note, sample), brought to one peak where it is given."""
        waves = self.corpus.waves(self.rows)
        return waves if peak_db is None else at_peak(waves, peak_db)


class Autoencoder(Protocol):
    """What is measured: an encoder, and a decoder under a condition."""

    @property
    def name(self) -> str: ...
    @property
    def attributes(self) -> Attributes: ...  # pitches and style tags; without either, the decoder is not given it
    @property
    def codec(self) -> Codec: ...
    @property
    def latent_size(self) -> int: ...
    @property
    def peak_db(self) -> float | None: ...  # peak that notes are brought to before they are encoded; None: as they are

    def encode(self, waves: Floats) -> Floats:
        """Sounds (note, sample) → latents (note, latent)."""
        ...

    def spectrograms(self, latent: Floats, condition: Floats) -> Floats:
        """Latents (note, latent), conditions (note, size) → what the decoder makes, scaled (note, frequency, frame)."""
        ...

    def waves(self, latent: Floats, condition: Floats) -> Floats:
        """The same as sound (note, sample)."""
        ...


@dataclass(frozen=True)
class EncodingInstrument:
    """A bundle with an encoder, as an `Autoencoder`."""

    name: str
    synthesizer: Synthesizer

    @classmethod
    def load(cls, name: str, place: str | Path | Bundle, inversion: str | None = None) -> "EncodingInstrument":
        """Reads a bundle; an empty name is that of its recipe. With `inversion` instead of the bundle's own.

        Raises:
            UserError: there is none, or it has no encoder, or no such inversion.
        """
        bundle = place if isinstance(place, Bundle) else Bundle.from_pretrained(place)
        bundle.require_encoder()
        if inversion is not None:
            bundle = bundle.inverted_by(inversion)
        recipe = (bundle.config.get("recipe") or {}).get("name")
        return cls(name or str(recipe or Path(bundle.origin).name), Synthesizer(bundle))

    @property
    def attributes(self) -> Attributes:
        return self.synthesizer.attributes

    @property
    def codec(self) -> Codec:
        return self.synthesizer.codec

    @property
    def latent_size(self) -> int:
        return self.synthesizer.latent_size

    @property
    def peak_db(self) -> float | None:
        return self.synthesizer.bundle.level_db

    @property
    def source(self) -> str:
        """Which column of a corpus its styles are."""
        data = (self.synthesizer.bundle.config.get("recipe") or {}).get("data") or {}
        return str(data.get("styles") or "styles")

    def encode(self, waves: Floats) -> Floats:
        def part(first: int, stop: int) -> Floats:
            return self.synthesizer.encode(waves[first:stop]).latent

        return np.concatenate(in_parallel(part, len(waves), PORTION))

    def spectrograms(self, latent: Floats, condition: Floats) -> Floats:
        def part(first: int, stop: int) -> Floats:
            rows = slice(first, stop)
            with torch.inference_mode():
                found = self.synthesizer.network(torch.from_numpy(latent[rows]), torch.from_numpy(condition[rows]))
            return np.asarray(found[:, 0].float().cpu().numpy())

        condition = self.synthesizer.controls.with_edits(condition)
        latent, condition = np.ascontiguousarray(latent), np.ascontiguousarray(condition)
        return np.concatenate(in_parallel(part, len(latent), PORTION))

    def waves(self, latent: Floats, condition: Floats) -> Floats:
        def part(first: int, stop: int) -> Floats:
            return self.synthesizer.waves(condition[first:stop], latent[first:stop])

        return np.concatenate(in_parallel(part, len(latent), PORTION))


@dataclass(frozen=True)
class Predictions:
    """What an evaluator predicts for some sounds."""

    style: NDArray[np.float64]  # (note, style) log-probabilities
    pitch: NDArray[np.float64]  # (note, pitch class) log-probabilities
    embedding: Floats  # (note, dimension)


@dataclass(frozen=True)
class StyleEvaluator:
    """A classifier of style and pitch that was trained on real notes, and never took part in training a model."""

    name: str
    extractor: Extractor  # of `family`, `pitch` and `embedding`
    styles: tuple[str, ...]  # in the order of its families
    pitches: tuple[int, ...]

    @classmethod
    def of(cls, name: str, classifier: NoteClassifier) -> "StyleEvaluator":
        """From a trained classifier (`darktimbre train inception --set data.families=styles`)."""
        return cls(name, ClassifierExtractor(classifier), classifier.families, classifier.pitches)

    def predict(self, waves: Floats, rate: int) -> Predictions:
        """Predicts style and pitch of sounds (note, sample)."""
        found = self.extractor.extract(waves, rate)
        return Predictions(_log_softmax(found["family"]), _log_softmax(found["pitch"]), np.asarray(found["embedding"]))

    def columns(self, styles: Sequence[str]) -> Whole:
        """Column of each style among the evaluator's.

        Raises:
            UserError: it does not know one.
        """
        if unknown := [one for one in styles if one not in self.styles]:
            raise UserError(
                f"The classifier {self.name} does not know the style {unknown[0]!r}: train it on this corpus with "
                "`darktimbre train inception --set data.families=styles`."
            )
        return np.array([self.styles.index(one) for one in styles], np.int64)


def _log_softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


# ── conditions and spectrograms ──


def conditions(attributes: Attributes, notes: StyledNotes) -> Floats:
    """Conditions (note, size) of notes, as a model takes them."""
    return conditions_of(attributes, notes.names, notes.values, notes.pitch)


def conditions_of(attributes: Attributes, names: Sequence[str], values: Floats, pitch: Whole) -> Floats:
    """Conditions (note, size) from values (note, tag) of tags and MIDI numbers (note,); what a model does not know of
    either is zero, which means untagged, or without pitch."""
    one_hot = (pitch[:, None] == np.array(attributes.pitches, np.int64)).astype(np.float32)
    tags = np.zeros((len(pitch), len(attributes.names)), np.float32)
    for column, name in enumerate(attributes.names):
        if name in names:
            tags[:, column] = values[:, list(names).index(name)]
    return np.concatenate([one_hot, tags], axis=1)


def known_pitches(attributes: Attributes, pitch: Whole) -> NDArray[np.bool_]:
    """Which MIDI numbers (note,) a model can make: all, where it takes no pitch."""
    return np.isin(pitch, attributes.pitches) if attributes.pitches else np.ones(len(pitch), bool)


def encoded_frames(codec: Codec) -> int:
    """Frames of a spectrogram without padding."""
    return stft.frame_count(codec.samples, codec.config.hop)


def encoded(codec: Codec, waves: Floats) -> Floats:
    """Scaled spectrograms (note, frequency, frame) of sounds (note, sample), without the frames of padding."""
    with torch.inference_mode():
        spectrograms = codec.encode(torch.from_numpy(np.ascontiguousarray(waves)))
    return np.asarray(spectrograms[:, 0, :, : encoded_frames(codec)].numpy())


def decibels(codec: Codec, spectrograms: Floats) -> NDArray[np.float64]:
    """Levels in dB of scaled spectrograms, 20·log10(|X| + floor)."""
    logs = (spectrograms.astype(np.float64) + SPAN) * ((codec.high - codec.low) / (2 * SPAN)) + codec.low
    return np.asarray(logs * (20 / np.log(10)))


def magnitudes(codec: Codec, spectrograms: Floats) -> NDArray[np.float64]:
    """Magnitudes of scaled spectrograms; not negative."""
    return np.asarray(np.maximum(10 ** (decibels(codec, spectrograms) / 20) - codec.config.floor, 0.0))


def centres(codec: Codec) -> NDArray[np.float64]:
    """Hz of a spectrogram's bands (frequency,)."""
    c = codec.config
    if codec.mel:
        return np.asarray(mel.band_edges(c.mel_bands, 0.0, c.sample_rate / 2)[1:-1], np.float64)
    return np.asarray(np.arange(codec.first_bin, codec.first_bin + codec.bins) * (c.sample_rate / c.n_fft))
