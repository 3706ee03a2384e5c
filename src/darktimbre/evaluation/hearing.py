"""The judges, listening: sounds → what each of them hears, kept by digest so that a killed evaluation goes on."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from darktimbre.corpus.corpus import Corpus
from darktimbre.evaluation.pairing import Judges
from darktimbre.evaluation.scores import Features
from darktimbre.extractors.extract import extract
from darktimbre.extractors.extractors import (
    ClassifierExtractor,
    EmbeddingExtractor,
    Extractor,
    PitchExtractor,
    TeacherExtractor,
)
from darktimbre.extractors.sources import Source
from darktimbre.notes.pitch import midi_to_hz

Progress = Callable[[str, int], None]
"""Called with what is being heard, and how many notes of it were heard since the last call."""


class Ear:
    """All judges of an evaluation, its cache and its progress."""

    def __init__(
        self, judges: Judges, corpus: Corpus, cache: Path, progress: Progress, pitches: tuple[int, ...] = ()
    ) -> None:
        """`pitches`: MIDI numbers that notes are asked for at, which the search for fundamentals has to reach."""
        self.judges, self.cache, self.progress = judges, cache, progress
        self.samples, self.rate = corpus.samples, corpus.sample_rate
        teacher = TeacherExtractor(judges.teacher, None)
        own = judges.embedder.digest == judges.teacher.digest
        self.listeners: dict[str, Extractor] = {
            "teacher": teacher,
            "embedder": teacher if own else EmbeddingExtractor(judges.embedder),
            "fundamental": PitchExtractor(
                corpus.sample_rate, np.array([midi_to_hz(float(pitch)) for pitch in pitches]) if pitches else None
            ),
        }
        if judges.classifier is not None:
            self.listeners["classifier"] = ClassifierExtractor(judges.classifier)

    @cached_property
    def dimension(self) -> int:
        """Of the embedding that distances are taken in."""
        silence = np.zeros((1, self.samples), np.float32)
        return int(self.listeners["embedder"].extract(silence, self.rate)["embedding"].shape[1])

    def hear(self, stage: str, source: Source) -> Features:
        """What every judge hears, by its role."""
        each = list(dict.fromkeys(self.listeners.values()))
        heard = extract(source, each, cache=self.cache, progress=lambda notes: self.progress(stage, notes))
        return {role: heard[listener.name] for role, listener in self.listeners.items()}

    def attributes(self, stage: str, source: Source, names: tuple[str, ...]) -> NDArray[np.float32]:
        """The teacher's logits (note, label) of some attributes alone."""
        listener = TeacherExtractor(self.judges.teacher, names)
        heard = extract(source, [listener], cache=self.cache, progress=lambda notes: self.progress(stage, notes))
        return heard[listener.name]["logits"]

    def embedding(self, stage: str, source: Source) -> NDArray[np.float32]:
        """The embedding (note, dimension) alone."""
        listener = EmbeddingExtractor(self.judges.embedder)
        heard = extract(source, [listener], cache=self.cache, progress=lambda notes: self.progress(stage, notes))
        return heard[listener.name]["embedding"]
