"""Who listens to the sounds under evaluation: a teacher, its embedding alone, the classifier, an estimator of pitch.

Every listener hears in batches of a fixed size, the last one filled up: what it says of a note does not depend on how
many notes it was handed at once.
"""

import hashlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from darktimbre.audio.pitch import yin
from darktimbre.audio.shape import resample
from darktimbre.notes.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from darktimbre.bundle.classifier import Classifier
    from darktimbre.teachers.tagger import Embedder, Tagger

AT_ONCE = 16  # notes a network hears at once
LOWEST, HIGHEST = 50.0, 2500.0  # Hz, ends of YIN's search, widened where the pitches at hand lie beyond
MARGIN = 2 ** (4 / 12)  # a major third of room beyond them, so that a miss is told from a hit

Answer = dict[str, NDArray[Any]]
"""What was heard, by name, each (note, …)."""


class Listener(Protocol):
    """Hears sounds and says what it makes of them.

    Attributes:
        name: unique among the listeners of one evaluation.
        digest: SHA-256 of everything that its answer follows from besides the sounds.
    """

    @property
    def name(self) -> str: ...
    @property
    def digest(self) -> str: ...

    def hear(self, waves: NDArray[np.float32], rate: int) -> Answer:
        """(note, sample) at `rate` Hz → what it hears of each, by name, each (note, …)."""
        ...


class TeacherListener:
    """A teacher: `logits` (note, label), and `embedding` (note, dimension) where it is not asked for some labels only.

    Logits are rounded to float16, as stored tags are, for that is what they are compared with.
    """

    def __init__(self, tagger: "Tagger", names: tuple[str, ...] | None) -> None:
        """Listens with `tagger` to the attributes `names`, or to all of its labels and for its embedding too.

        Raises:
            UserError: the teacher does not know one of the names.
        """
        place = {label: column for column, label in enumerate(tagger.labels)}
        if unknown := [name for name in names or () if name not in place]:
            raise UserError(f"{tagger.name} does not know {', '.join(map(repr, unknown))}; it cannot judge them.")
        self.tagger = tagger
        self.columns = None if names is None else [place[name] for name in names]
        self.name = tagger.name
        self.digest = _digest("teacher", tagger.name, tagger.digest, names, AT_ONCE)

    def hear(self, waves: NDArray[np.float32], rate: int) -> Answer:
        """See `Listener`.

        Raises:
            UserError: an answer is not finite.
        """

        def answer(batch: "Tensor") -> "dict[str, Tensor]":
            logits = self.tagger.logits(batch)
            if self.columns is not None:
                return {"logits": logits[:, self.columns]}
            return {"logits": logits, "embedding": self.tagger.embed(batch)}

        heard = _finite(_in_batches(waves, rate, self.tagger.sample_rate, answer), self.name)
        return {**heard, "logits": heard["logits"].astype(np.float16).astype(np.float32)}


class EmbeddingListener:
    """A teacher's `embedding` (note, dimension) alone."""

    def __init__(self, embedder: "Embedder") -> None:
        self.embedder = embedder
        self.name = f"{embedder.name} embedding"
        self.digest = _digest("embedding", embedder.name, embedder.digest, AT_ONCE)

    def hear(self, waves: NDArray[np.float32], rate: int) -> Answer:
        """See `Listener`.

        Raises:
            UserError: an answer is not finite.
        """

        def answer(batch: "Tensor") -> "dict[str, Tensor]":
            return {"embedding": self.embedder.embed(batch)}

        return _finite(_in_batches(waves, rate, self.embedder.sample_rate, answer), self.name)


class ClassifierListener:
    """The corpus's classifier: logits of `pitch` (note, pitch) and `family` (note, family), `embedding`."""

    name = "classifier"

    def __init__(self, classifier: "Classifier") -> None:
        self.classifier = classifier
        self.digest = _digest("classifier", classifier.digest, AT_ONCE)

    def hear(self, waves: NDArray[np.float32], rate: int) -> Answer:
        """See `Listener`.

        Raises:
            UserError: the sounds have another length or rate than it was trained on, or an answer is not finite.
        """
        own = (self.classifier.sample_rate, self.classifier.samples)
        if (rate, waves.shape[1]) != own:
            raise UserError(
                f"The classifier listens to {own[1]} samples at {own[0]} Hz, these sounds have {waves.shape[1]} at "
                f"{rate} Hz: train one on this corpus (`darktimbre train inception`)."
            )

        def answer(batch: "Tensor") -> "dict[str, Tensor]":
            heard = self.classifier.hear(batch)
            return {"pitch": heard.pitch, "family": heard.family, "embedding": heard.embedding}

        return _finite(_in_batches(waves, rate, rate, answer), self.name)


class FundamentalListener:
    """YIN: `f0` in Hz (note,), NaN where no pitch is found, and `confidence` (note,) in [0, 1]."""

    name = "fundamental"

    def __init__(self, rate: int, hertz: NDArray[np.float64] | None = None) -> None:
        """Searches 50 to 2500 Hz, and further where one of `hertz` (any shape, the pitches at hand) lies near or
        beyond an end; never above half of `rate`."""
        pitches = np.ravel(hertz) if hertz is not None and np.size(hertz) else np.array([LOWEST * MARGIN])
        self.low = min(LOWEST, float(pitches.min()) / MARGIN)
        self.high = min(max(HIGHEST, float(pitches.max()) * MARGIN), rate / 2)
        self.digest = _digest("fundamental", self.low, self.high)

    def hear(self, waves: NDArray[np.float32], rate: int) -> Answer:
        """See `Listener`."""
        found, sure = yin(waves, rate, fmin=self.low, fmax=min(self.high, rate / 2))
        return {"f0": found, "confidence": sure}


def _in_batches(
    waves: NDArray[np.float32], rate: int, wanted: int, answer: "Callable[[Tensor], dict[str, Tensor]]"
) -> dict[str, NDArray[np.float32]]:
    """What a network answers to waves (note, sample) brought from `rate` to `wanted` Hz, `AT_ONCE` notes at a time."""
    import torch

    from darktimbre.evaluation.threads import side_by_side

    def hear(first: int, stop: int) -> dict[str, NDArray[np.float32]]:
        batch = waves[np.minimum(np.arange(first, first + AT_ONCE), stop - 1)]  # the last one is filled up
        if rate != wanted:
            # the resampler takes (sample, channel): one call for the whole batch
            batch = np.ascontiguousarray(resample(np.ascontiguousarray(batch.T), rate, wanted).T)
        with torch.inference_mode():
            found = answer(torch.from_numpy(batch))
        return {name: values[: stop - first].float().cpu().numpy() for name, values in found.items()}

    parts = side_by_side(hear, len(waves), AT_ONCE)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _finite(heard: dict[str, NDArray[np.float32]], who: str) -> dict[str, NDArray[np.float32]]:
    for name, values in heard.items():
        bad = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
        if bad.any():
            raise UserError(
                f"{who} gives no finite {name} for {bad.sum()} of {len(values)} sounds; its weights are damaged: fetch "
                "or train them again."
            )
    return heard


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
