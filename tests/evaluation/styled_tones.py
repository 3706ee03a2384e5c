"""A corpus of harmonic tones in three styles, autoencoders that obey or ignore styles, an evaluator: small data."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.writer import CorpusWriter
from darktimbre.evaluation.autoencoders import StyleEvaluator, encoded
from darktimbre.notes.attributes import STYLES, Attributes
from darktimbre.notes.note import Note
from darktimbre.notes.pitch import midi_to_hz
from darktimbre.representation.codec import Codec, codec_from_config

RATE, SAMPLES = 8000, 4000
TILT = {"bright": 0.4, "dull": 3.0, "middle": 1.5}  # of each style: harmonic k has the amplitude 1 / k^tilt
PITCHES = tuple(range(48, 72))

Floats = NDArray[np.float32]


def tones(pitch: NDArray[np.number], tilt: NDArray[np.floating], phase: float = 0.0) -> Floats:
    """(note, sample) of peak 0.9."""
    time, k = np.arange(SAMPLES) / RATE, np.arange(1, 11)
    waves = []
    for midi, slope in zip(pitch, tilt, strict=True):
        hertz = midi_to_hz(float(midi)) * k
        audible = np.where(hertz < 0.45 * RATE, 1.0 / k**slope, 0.0)
        wave = (audible[:, None] * np.sin(2 * np.pi * hertz[:, None] * time + phase * k[:, None])).sum(axis=0)
        waves.append(0.9 * wave / np.abs(wave).max())
    return np.array(waves, np.float32).reshape(len(waves), SAMPLES)


def styled_corpus(
    path: Path, *, shared: bool = True, styles: tuple[str, ...] = tuple(TILT), unpitched: str = ""
) -> Corpus:
    """Notes of each style, three neighbouring pitches a recording; without `shared` each style has its own octaves.

    Of the style `unpitched` no pitch is known.
    """
    with CorpusWriter(path, sample_rate=RATE, samples=SAMPLES, name="styled", split="given") as writer:
        for number, style in enumerate(styles):
            for place, pitch in enumerate(PITCHES):
                midi = pitch if shared else pitch - 24 * number + 24
                zone = place // 3
                split = ("train", "valid", "test", "test", "train", "test", "train", "test")[zone]
                for take in range(2):
                    note = Note(
                        id=f"{style}-{midi}-{take}", instrument=style, origin="made", seconds=0.5,
                        pitch=None if style == unpitched else midi,
                        styles=(style,), split=split, split_key=f"{style}-{zone}",
                    )  # fmt: skip
                    writer.add(note, tones(np.array([midi]), np.array([TILT[style]]), phase=float(take))[0])
    return Corpus.open(path)


def features(waves: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Tilt and MIDI number (note,) of tones, by their spectra."""
    spectra = np.abs(np.fft.rfft(waves * np.hanning(SAMPLES), 4 * SAMPLES, axis=1))
    hertz = np.fft.rfftfreq(4 * SAMPLES, 1 / RATE)
    candidates = np.arange(24, 110)
    levels = np.stack(
        [
            np.stack([spectra[:, np.abs(hertz - k * midi_to_hz(float(m))).argmin()] for k in (1, 2, 3)])
            for m in candidates
        ]
    )  # (midi, harmonic, note)
    midi = candidates[levels[:, 0].argmax(axis=0)]
    level = levels[levels[:, 0].argmax(axis=0), :, np.arange(len(waves))]
    return np.log2(level[:, 0] / np.maximum(level[:, 1], 1e-9)), midi.astype(np.float64)


class ToneExtractor:
    """Logits of style and pitch by the spectrum."""

    name, digest = "tones", "d"

    def extract(self, waves: Floats, rate: int) -> dict[str, NDArray[np.float64]]:
        assert rate == RATE
        tilt, midi = features(waves)
        family = -np.square(tilt[:, None] - np.array([TILT[one] for one in sorted(TILT)]))
        pitch = -np.abs(midi[:, None] - np.array(PITCHES))
        return {"family": family, "pitch": pitch, "embedding": np.stack([tilt, midi / 100], axis=1)}


def evaluator() -> StyleEvaluator:
    return StyleEvaluator("tones", ToneExtractor(), tuple(sorted(TILT)), PITCHES)


def codec() -> Codec:
    return codec_from_config(
        {"kind": "mel-logmag", "sample_rate": RATE, "samples": SAMPLES, "n_fft": 1024, "hop": 128, "mel_bands": 160,
         "frames": 36}
    )  # fmt: skip


@dataclass(frozen=True)
class ToneAutoencoder:
    """Makes tones of the pitch conditioned on. Its first latent is the tilt where the code is `leaky`, else all are
    noise; the tilt of what it makes is that of the style, or of the latent where styles are ignored."""

    name: str = "tones"
    leaky: bool = False
    obeys: bool = True
    collapsed: bool = False
    styles: tuple[str, ...] = tuple(sorted(TILT))
    blur: float = 1.0  # what of the contrast reconstructions keep
    latent_size: int = 3
    peak_db: float | None = -1.0

    @property
    def attributes(self) -> Attributes:
        return Attributes(pitches=PITCHES, names=self.styles, teacher=STYLES if self.styles else "")

    @property
    def codec(self) -> Codec:
        return codec()

    def encode(self, waves: Floats) -> Floats:
        found = np.empty((len(waves), self.latent_size), np.float32)
        for row, wave in enumerate(waves):
            seed = np.frombuffer(np.ascontiguousarray(wave[:64]).tobytes(), np.uint32)
            found[row] = np.random.default_rng(seed).standard_normal(self.latent_size)
        if self.collapsed:
            return np.zeros_like(found)
        if self.leaky:
            found[:, 0] = features(waves)[0] - 1.6
        return found

    def _tilt(self, latent: Floats, condition: Floats) -> NDArray[np.float64]:
        if not self.obeys:
            return latent[:, 0] + 1.6
        weights = condition[:, len(PITCHES) :]
        known = weights @ np.array([TILT[one] for one in self.styles])
        return np.where(weights.sum(axis=1) > 0, known, 1.5)

    def waves(self, latent: Floats, condition: Floats) -> Floats:
        pitch = np.array(PITCHES)[condition[:, : len(PITCHES)].argmax(axis=1)]
        return tones(pitch, self._tilt(latent, condition))

    def spectrograms(self, latent: Floats, condition: Floats) -> Floats:
        made = encoded(self.codec, self.waves(latent, condition))
        return np.asarray(self.blur * made + (1 - self.blur) * made.mean(axis=1, keepdims=True), np.float32)
