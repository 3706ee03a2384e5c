"""Feature extractors: a teacher, its embedding alone, the corpus's classifier, estimators of pitch, level and partials.

Networks run in batches of a fixed size, the last one padded: the features of a note do not depend on how many notes
are extracted at once.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from darktimbre.audio.pitch import yin
from darktimbre.audio.shape import resample
from darktimbre.bundle.classifier import NoteClassifier
from darktimbre.extractors.parallel import in_parallel
from darktimbre.measures.partials import loud_frames, modulation_kept, partials, unevenness
from darktimbre.notes.errors import UserError
from darktimbre.teachers.tagger import Embedder, Tagger

BATCH = 16  # notes in one call of a network
LOWEST, HIGHEST = 50.0, 2500.0  # Hz, ends of YIN's search, widened where the expected pitches lie beyond
WINDOW_SECONDS = 0.064  # of the spectrogram that partials are read from
QUIETEST = -100.0  # dB: what is below counts as this
VOICED = 0.5  # SwiftF0's confidence from which a frame is voiced
MARGIN = 2 ** (4 / 12)  # a major third beyond them, so that a miss is distinguished from a hit

Features = dict[str, NDArray[Any]]
"""Features by name, each (note, …)."""


class Extractor(Protocol):
    """Describes sounds by features."""

    @property
    def name(self) -> str: ...  # unique among the extractors of one evaluation
    @property
    def digest(self) -> str: ...  # SHA-256 of everything that its features depend on besides the sounds

    def extract(self, waves: NDArray[np.float32], rate: int) -> Features:
        """(note, sample) at `rate` Hz → features by name, each (note, …).

        Raises:
            UserError: a feature is not finite, or the sounds are of the wrong length or rate.
        """
        ...


class TeacherExtractor:
    """A teacher: `logits` (note, label), and `embedding` (note, dimension) where not restricted to some labels.

    Logits are rounded to float16, like the stored tags that they are compared with.
    """

    def __init__(self, tagger: Tagger, names: tuple[str, ...] | None) -> None:
        """The attributes `names` alone, or all labels of `tagger` and its embedding.

        Raises:
            UserError: the teacher does not know one of the names.
        """
        place = {label: column for column, label in enumerate(tagger.labels)}
        if unknown := [name for name in names or () if name not in place]:
            raise UserError(f"{tagger.name} does not know {', '.join(map(repr, unknown))}; it cannot predict them.")
        self.tagger = tagger
        self.columns = None if names is None else [place[name] for name in names]
        self.name = tagger.name
        self.digest = _digest("teacher", tagger.name, tagger.digest, names, BATCH)

    def extract(self, waves: NDArray[np.float32], rate: int) -> Features:
        def model(batch: Tensor) -> dict[str, Tensor]:
            logits = self.tagger.logits(batch)
            if self.columns is not None:
                return {"logits": logits[:, self.columns]}
            return {"logits": logits, "embedding": self.tagger.embed(batch)}

        features = _run(model, waves, rate, self.tagger.sample_rate, self.name)
        return {**features, "logits": features["logits"].astype(np.float16).astype(np.float32)}


class EmbeddingExtractor:
    """A teacher's `embedding` (note, dimension) alone."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        self.name = f"{embedder.name} embedding"
        self.digest = _digest("embedding", embedder.name, embedder.digest, BATCH)

    def extract(self, waves: NDArray[np.float32], rate: int) -> Features:
        one = self.embedder
        return _run(lambda batch: {"embedding": one.embed(batch)}, waves, rate, one.sample_rate, self.name)


class ClassifierExtractor:
    """The corpus's classifier: logits of `pitch` (note, pitch) and `family` (note, family), `embedding`."""

    name = "classifier"

    def __init__(self, classifier: NoteClassifier) -> None:
        self.classifier = classifier
        self.digest = _digest("classifier", classifier.digest, BATCH)

    def extract(self, waves: NDArray[np.float32], rate: int) -> Features:
        own = (self.classifier.sample_rate, self.classifier.samples)
        if (rate, waves.shape[1]) != own:
            raise UserError(
                f"The classifier takes {own[1]} samples at {own[0]} Hz, these sounds have {waves.shape[1]} at "
                f"{rate} Hz: train one on this corpus (`darktimbre train inception`)."
            )

        def model(batch: Tensor) -> dict[str, Tensor]:
            output = self.classifier.predict(batch)
            return {"pitch": output.pitch, "family": output.family, "embedding": output.embedding}

        return _run(model, waves, rate, rate, self.name)


class PitchExtractor:
    """YIN: `f0` in Hz (note,), NaN where no pitch is found, and `confidence` (note,) in [0, 1]."""

    name = "fundamental"

    def __init__(self, rate: int, hertz: NDArray[np.float64] | None = None) -> None:
        """Searches 50 to 2500 Hz, and further where one of the expected pitches `hertz` (any shape) lies near or
        beyond an end; never above half of `rate`."""
        pitches = np.ravel(hertz) if hertz is not None and np.size(hertz) else np.array([LOWEST * MARGIN])
        self.low = min(LOWEST, float(pitches.min()) / MARGIN)
        self.high = min(max(HIGHEST, float(pitches.max()) * MARGIN), rate / 2)
        self.digest = _digest("fundamental", self.low, self.high)

    def extract(self, waves: NDArray[np.float32], rate: int) -> Features:
        f0, confidence = yin(waves, rate, fmin=self.low, fmax=min(self.high, rate / 2))
        return {"f0": f0, "confidence": confidence}


class SoundExtractor(PitchExtractor):
    """`PitchExtractor`, and `level` (of full scale), `unevenness` of the partials and their 4 to 12 Hz `modulation`.

    These are (note,) in dB; the last two, which need the fundamental, are NaN where there is none.
    """

    def __init__(self, rate: int, hertz: NDArray[np.float64] | None = None) -> None:
        super().__init__(rate, hertz)
        self.digest = _digest("sound", self.digest, WINDOW_SECONDS, QUIETEST)

    def extract(self, waves: NDArray[np.float32], rate: int) -> Features:
        found = super().extract(waves, rate)
        window = round(WINDOW_SECONDS * rate)
        hop = window // 4
        level = 10 * np.log10(np.square(waves, dtype=np.float64).mean(axis=1).clip(min=10 ** (QUIETEST / 10)))
        frames = np.lib.stride_tricks.sliding_window_view(waves, window, axis=1)[:, ::hop]
        magnitudes = np.abs(np.fft.rfft(frames * np.hanning(window + 1)[:-1].astype(np.float32)))
        decibels = 20 * np.log10(magnitudes.swapaxes(1, 2).clip(min=10 ** (QUIETEST / 20)))
        loud = loud_frames(decibels)
        tones = partials(decibels, np.fft.rfftfreq(window, 1 / rate), found["f0"])
        depth = modulation_kept(tones, tones, loud, frame_rate=rate / hop).depth
        return {**found, "level": level, "unevenness": unevenness(tones, loud), "modulation": depth}


class SwiftExtractor:
    """SwiftF0 (Nieradzik 2025; the optional package `swift-f0`): `f0` in Hz (note,), NaN where no pitch is found.

    The median over the frames that it calls voiced, of 47 to 2,094 Hz: all that it knows.
    """

    name = "fundamental by SwiftF0"

    def __init__(self) -> None:
        """Raises ImportError: the package is not installed."""
        import swift_f0

        self.detector = swift_f0.SwiftF0(threads=1)
        self.digest = _digest("swift", swift_f0.__version__)

    def extract(self, waves: NDArray[np.float32], rate: int) -> Features:
        def run(first: int, stop: int) -> list[float]:
            found = [self.detector.detect(wave, rate) for wave in waves[first:stop]]
            voiced = [one.pitch_hz[one.confidence >= VOICED] for one in found]
            return [float(np.median(hertz)) if len(hertz) else np.nan for hertz in voiced]

        return {"f0": np.concatenate(in_parallel(run, len(waves), BATCH))}


def _run(
    model: Callable[[Tensor], dict[str, Tensor]], waves: NDArray[np.float32], rate: int, wanted: int, name: str
) -> Features:
    """What a network computes of waves (note, sample) resampled from `rate` to `wanted` Hz, `BATCH` notes at a time.

    Raises:
        UserError: it is not finite.
    """

    def run(first: int, stop: int) -> Features:
        batch = waves[np.minimum(np.arange(first, first + BATCH), stop - 1)]  # the last one is padded
        if rate != wanted:
            # the resampler takes (sample, channel): one call for the whole batch
            batch = np.ascontiguousarray(resample(np.ascontiguousarray(batch.T), rate, wanted).T)
        with torch.inference_mode():
            output = model(torch.from_numpy(batch))
        return {key: values[: stop - first].float().cpu().numpy() for key, values in output.items()}

    parts = in_parallel(run, len(waves), BATCH)
    features = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    for key, values in features.items():
        bad = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
        if bad.any():
            raise UserError(
                f"{name} gives no finite {key} for {bad.sum()} of {len(values)} sounds; its weights are damaged: fetch "
                "or train them again."
            )
    return features


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
