"""A run's instrument, its untrained network and real notes → three figures each, on a few notes of the valid split.

What `darktimbre train --evaluate-every` listens to: few notes, so that it may be often; always the same ones and the
same latents, so that curves move for one reason only.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from darktimbre.corpus.corpus import Corpus
from darktimbre.evaluation.conditions import Conditions, draw_rows
from darktimbre.measures.correlation import pearson
from darktimbre.measures.pitch import pitch_within
from darktimbre.notes.attributes import Attributes
from darktimbre.tagging.temperature import soft_labels

if TYPE_CHECKING:
    from darktimbre.extractors.sources import Source
    from darktimbre.synthesizer.synthesizer import Synthesizer
    from darktimbre.teachers.tagger import Tagger

SPLIT = "valid"
"""What checkpoints are chosen on; the test split stays unheard until the end."""

NOTES = 192
"""How many notes: a share of 0.9 is then known to within 0.02 (standard error)."""

BLOCK = 16  # notes between two looks at whether to stop: well under a second, and what a listener hears at once
CENTS = 50.0  # in tune within a quarter tone
SEED = 0  # of rows, latents and the untrained network

METRICS = ("attribute_correlation", "logit_correlation", "pitch_accuracy")
"""Mean Pearson correlation over the attributes of what was asked and heard, of soft labels at the instrument's own
temperature and of logits; share of notes in tune, by YIN."""


class BrokenOff(Exception):
    """The user does not want to wait for the rest."""


@dataclass(frozen=True)
class Ear:
    """Fixed notes of the valid split, and who judges what an instrument makes of them.

    Attributes:
        corpus: where they are.
        attributes: of the instrument: what it is asked for.
        tagger: its teacher; None where it has no attributes.
        asked: the notes.
    """

    corpus: Corpus
    attributes: Attributes
    tagger: "Tagger | None"
    asked: Conditions

    @classmethod
    def of(cls, corpus: Corpus, attributes: Attributes, tagger: "Tagger | None", notes: int = NOTES) -> "Ear":
        """Chooses the notes: a shuffled draw that depends on the corpus alone.

        Raises:
            UserError: there is none with a pitch of the instrument, or the tags are by another teacher.
        """
        there = corpus.rows(SPLIT)
        if attributes.pitches:
            there = there[np.isin(corpus.column("pitch")[there], attributes.pitches)]
        rows = draw_rows(corpus, attributes, (SPLIT,), max(1, min(notes, len(there))), SEED)
        return cls(corpus, attributes, tagger, Conditions.of(corpus, rows, attributes))

    def facts(self) -> dict[str, Any]:
        """Which notes these are."""
        instruments = np.unique(self.corpus.column("instrument")[self.asked.rows])
        return {
            "split": SPLIT,
            "notes": len(self.asked.rows),
            "instruments": len(instruments),
            "rows": hashlib.sha256(np.ascontiguousarray(self.asked.rows, np.int64).tobytes()).hexdigest()[:16],
            "corpus": self.corpus.digest,
            "teacher": self.attributes.teacher_digest,
        }

    def judge(self, instrument: "Synthesizer", stopping: Callable[[], bool]) -> dict[str, float | None]:
        """The figures of an instrument."""
        return self._listen(self._made(instrument), stopping)

    def untrained(self, instrument: "Synthesizer", stopping: Callable[[], bool]) -> dict[str, float | None]:
        """The figures of its network with random weights."""
        from darktimbre.extractors.sources import untrained

        return self.judge(untrained(instrument, SEED), stopping)

    def real(self, instrument: "Synthesizer", stopping: Callable[[], bool]) -> dict[str, float | None]:
        """What can be reached: pitch of the notes themselves, attributes after a round trip through the picture."""
        from darktimbre.extractors.sources import real_source, round_trip_source

        rows = self.asked.rows
        notes = real_source(self.corpus, rows)
        return self._listen(round_trip_source(instrument, self.corpus, rows), stopping, pitched=notes)

    def seconds(self, instrument: "Synthesizer", clock: Callable[[], float]) -> float:
        """About how long `judge` takes, by a block of it."""
        made, count = self._made(instrument), min(BLOCK, len(self.asked.rows))
        self._hear(made, 0, 1)  # what is slow only once
        began = clock()
        self._hear(made, 0, count)
        return (clock() - began) * len(self.asked.rows) / count

    def _made(self, instrument: "Synthesizer") -> "Source":
        from darktimbre.extractors.sources import generated_source

        return generated_source(
            instrument,
            self.asked.condition,
            instrument.latents(SEED, len(self.asked.rows)),
            samples=self.corpus.samples,
        )

    def _hear(
        self, source: "Source", first: int, stop: int, pitched: "Source | None" = None
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Logits (note, label) and fundamentals (note,) in Hz of some notes of a source."""
        from darktimbre.extractors.extractors import PitchExtractor, TeacherExtractor

        waves, rate = source.waves(first, stop), source.sample_rate
        logits, hertz = np.zeros((len(waves), 0), np.float32), np.zeros(0)
        if self.tagger is not None:
            logits = TeacherExtractor(self.tagger, self.attributes.names).extract(waves, rate)["logits"]
        if self.attributes.pitches:
            sung = pitched.waves(first, stop) if pitched else waves
            hertz = PitchExtractor(rate, self.asked.hertz).extract(sung, rate)["f0"]
        return logits, hertz

    def _listen(
        self, source: "Source", stopping: Callable[[], bool], pitched: "Source | None" = None
    ) -> dict[str, float | None]:
        parts = []
        for first in range(0, source.count, BLOCK):
            if stopping():
                raise BrokenOff
            parts.append(self._hear(source, first, min(first + BLOCK, source.count), pitched))
        logits, hertz = (np.concatenate(part) for part in zip(*parts, strict=True))
        found: dict[str, float | None] = {}
        if self.attributes.names:
            at = self.attributes.temperature
            soft = pearson(soft_labels(self.asked.logits, at), soft_labels(logits, at))
            found["attribute_correlation"] = _mean(soft)
            found["logit_correlation"] = _mean(pearson(self.asked.logits, logits))
        if self.attributes.pitches:
            found["pitch_accuracy"] = round(float(pitch_within(hertz, self.asked.hertz, CENTS)), 4)
        return found


def metrics_of(attributes: bool, pitches: bool) -> tuple[str, ...]:
    """The figures that there are for an instrument with or without attributes and pitch."""
    return tuple(name for name in METRICS if (pitches if name == "pitch_accuracy" else attributes))


def _mean(correlation: NDArray[np.float64]) -> float | None:
    defined = correlation[np.isfinite(correlation)]
    return round(float(defined.mean()), 4) if len(defined) else None
