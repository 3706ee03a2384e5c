"""A trained instrument → a few figures within a minute: the quick report, and validation during training.

Small profiles of an evaluation (`study`): the same conditions, sources, extractors and attribute correlation, on fewer
notes and without intervals. The same figures are taken of the untrained network and of the real notes themselves.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darktimbre.corpus.corpus import Corpus
from darktimbre.evaluation.conditions import Conditions, draw_rows, known_rows
from darktimbre.evaluation.control import attribute_correlation, same_instrument_correlation
from darktimbre.evaluation.results import Control, Estimate
from darktimbre.evaluation.scores import in_tune
from darktimbre.extractors.extract import BLOCK, extract
from darktimbre.extractors.extractors import BATCH, Extractor, PitchExtractor, TeacherExtractor
from darktimbre.extractors.sources import Source, generated_source, real_source, round_trip_source, untrained
from darktimbre.measures.correlation import pearson
from darktimbre.notes.attributes import Attributes, teacher_mismatch
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.tagging.temperature import soft_labels
from darktimbre.teachers.tagger import Tagger

SPLIT = "valid"
"""What checkpoints are chosen on; the test split is kept for the final evaluation."""

NOTES = 192
"""How many notes validation takes: the standard error of a share of 0.9 is then 0.02."""

METRICS = ("attribute_correlation", "logit_correlation", "pitch_accuracy")
"""Means over attributes of Pearson's correlation of target and prediction, of soft labels at the instrument's own
temperature and of logits (`control.attribute_correlation`); share of notes in tune, by YIN."""

REAL = (
    "pitch_accuracy: the held-out notes themselves; attribute_correlation: the same notes after the codec's round "
    "trip, what a perfect network would reach; same_instrument_correlation: instead of each note another note of the "
    "same instrument"
)


@dataclass(frozen=True)
class Figures:
    """How far some sounds have the pitch and attributes that they were conditioned on.

    Attributes:
        pitch_accuracy: share whose YIN fundamental is within 50 cents of the target; None without pitch.
        control: attribute correlations (DarkGAN §4.4.2, test 1), without intervals.
    """

    pitch_accuracy: float | None
    control: Control

    def metrics(self) -> dict[str, float | None]:
        """Those of `METRICS` that exist for the instrument."""
        found = self.to_json()
        there = metrics_of(bool(self.control.attributes), self.pitch_accuracy is not None)
        return {name: found[name] for name in there}

    def to_json(self) -> dict[str, Any]:
        """The figures of a report, and how many attributes the means are over."""
        return {
            "pitch_accuracy": _rounded(self.pitch_accuracy),
            "attribute_correlation": _rounded(self.control.mean.value),
            "logit_correlation": _rounded(self.control.logit_mean.value),
            "attributes_counted": len(self.control.attributes) - self.control.constant,
            "attributes_constant": self.control.constant,
        }


class Validation:
    """Fixed conditions of real notes, fixed latents, and the extractors that compare generated notes with them.

    Attributes:
        corpus: where the notes are.
        attributes: the controls of the instruments.
        target: the notes as conditions.
        seed: of the latents, and of the untrained network.
        block: notes between two calls of `progress`.
    """

    def __init__(
        self,
        corpus: Corpus,
        attributes: Attributes,
        rows: NDArray[np.int64],
        tagger: Tagger | None,
        *,
        seed: int = 0,
        block: int = BLOCK,
    ) -> None:
        """Reads pitches and tags of some rows that training never saw.

        Args:
            corpus: tagged by the instrument's teacher.
            attributes: of the instrument.
            rows: see `conditions.held_out_rows`.
            tagger: that teacher; None where the instrument has no attributes.
            seed: of the latents, and of the untrained network.
            block: notes between two calls of `progress`.

        Raises:
            UserError: the corpus's tags or the tagger are not of the teacher that the instrument was trained on.
        """
        mismatch = teacher_mismatch(
            "The instrument was trained on labels by", attributes.labelled_by, "the teacher given is", tagger
        )
        if mismatch:
            raise UserError(f"{mismatch}. Only that teacher can evaluate it.")
        self.corpus, self.attributes, self.seed, self.block = corpus, attributes, seed, block
        self.target = Conditions.of(corpus, rows, attributes)
        self._teacher: list[Extractor] = (
            [TeacherExtractor(tagger, attributes.names)] if tagger and attributes.labelled_by else []
        )
        self._pitch: list[Extractor] = (
            [PitchExtractor(corpus.sample_rate, self.target.hertz)] if attributes.pitches else []
        )

    @classmethod
    def of_valid_notes(
        cls, corpus: Corpus, attributes: Attributes, tagger: Tagger | None, notes: int = NOTES
    ) -> "Validation":
        """For use during training: always the same notes of the valid split, a draw that depends on the corpus alone.

        Raises:
            UserError: there is none with a pitch of the instrument, or the tags are by another teacher.
        """
        there = len(known_rows(corpus, (SPLIT,), attributes.pitches))
        rows = draw_rows(corpus, attributes, (SPLIT,), max(1, min(notes, there)), 0)
        return cls(corpus, attributes, rows, tagger, block=BATCH)

    def facts(self) -> dict[str, Any]:
        """Which notes these are."""
        rows = self.target.rows
        return {
            "split": SPLIT,
            "notes": len(rows),
            "instruments": len(np.unique(self.target.groups)),
            "rows": hashlib.sha256(np.ascontiguousarray(rows, np.int64).tobytes()).hexdigest()[:16],
            "corpus": self.corpus.digest,
            "teacher": self.attributes.teacher_digest,
        }

    def trained(self, instrument: Synthesizer, progress: Callable[[int], None] | None = None) -> Figures:
        """Figures of an instrument.

        Args:
            instrument: with the same controls.
            progress: called after each block of notes with how many it held; may raise to stop.
        """
        return self._figures(self._generated(instrument), progress)

    def untrained(self, instrument: Synthesizer, progress: Callable[[int], None] | None = None) -> Figures:
        """Figures of its network with random weights: the lower bound."""
        return self.trained(untrained(instrument, self.seed), progress)

    def real(self, instrument: Synthesizer, progress: Callable[[int], None] | None = None) -> Figures:
        """The upper bound: pitch of the notes themselves, attributes after the round trip of the instrument's codec.

        Raises:
            UserError: the notes have another length or rate than the instrument's.
        """
        rows = self.target.rows
        return self._figures(round_trip_source(instrument, self.corpus, rows), progress, real_source(self.corpus, rows))

    def another_note(self) -> Control | None:
        """Control of instead of each note another note of its instrument; None where too few instruments have two."""
        return same_instrument_correlation(self.target, self.attributes) if self.attributes.names else None

    def seconds(self, instrument: Synthesizer, clock: Callable[[], float] = time.perf_counter) -> float:
        """About how long `trained` takes, by a block of it."""
        extractors, count = self._teacher + self._pitch, min(BATCH, len(self.target.rows))
        extract(self._generated(instrument, 1), extractors)  # what is slow only once
        start = clock()
        extract(self._generated(instrument, count), extractors)
        return (clock() - start) * len(self.target.rows) / count

    def _generated(self, instrument: Synthesizer, notes: int | None = None) -> Source:
        latent = instrument.latents(self.seed, len(self.target.rows))
        return generated_source(instrument, self.target.condition[:notes], latent[:notes], samples=self.corpus.samples)

    def _figures(
        self, source: Source, progress: Callable[[int], None] | None, pitched: Source | None = None
    ) -> Figures:
        """Of some sounds; pitch of others where they are given."""
        together = [] if pitched else self._pitch
        features = extract(source, self._teacher + together, block=self.block, progress=progress)
        if pitched and self._pitch:
            features |= extract(pitched, self._pitch, block=self.block)
        logits = features[self._teacher[0].name]["logits"] if self._teacher else np.zeros_like(self.target.logits)
        hits = in_tune(features["fundamental"]["f0"], self.target.hertz) if self._pitch else None
        return Figures(
            pitch_accuracy=None if hits is None else float(hits.mean()),
            control=attribute_correlation(self.target, logits, self.attributes),
        )


def metrics_of(attributes: bool, pitches: bool) -> tuple[str, ...]:
    """Those of `METRICS` that exist for an instrument with or without attributes and pitch."""
    return tuple(name for name in METRICS if (pitches if name == "pitch_accuracy" else attributes))


@dataclass(frozen=True)
class QuickReport:
    """The instrument beside its own untrained network and the real notes.

    Attributes:
        target: the held-out notes.
        attributes: of the instrument.
        trained, untrained: of the instrument, and of its network with initial weights.
        real: pitch of the notes themselves; attributes after a round trip of the instrument's codec.
        same_instrument: mean correlation between the notes and other notes of the same instruments; None without any.
        others: further instruments by name.
    """

    target: Conditions
    attributes: Attributes
    trained: Figures
    untrained: Figures
    real: Figures
    same_instrument: float | None
    others: dict[str, Figures]

    def by_attribute(self) -> list[tuple[str, float | None, float | None]]:
        """(name, correlation, logit correlation), best first; undefined ones at the end."""
        each = self.trained.control.attributes
        rows = [(one.name, one.correlation.value, one.logit_correlation.value) for one in each]
        return sorted(rows, key=lambda row: (row[1] is None, -(row[1] or 0)))

    def steerable(self, count: int = 3) -> list[str]:
        """The attributes that correlate best, none of which correlates above 0.5 with another in the real notes."""
        taken: list[str] = []
        soft = soft_labels(self.target.logits, self.attributes.temperature)

        def column(name: str) -> NDArray[np.float32]:
            return soft[:, [self.attributes.names.index(name)]]

        for name, rho, _ in self.by_attribute():
            alike = (pearson(column(name), column(other))[0] for other in taken)
            if len(taken) < count and rho is not None and not any(one > 0.5 for one in alike):
                taken.append(name)
        rest = [name for name in self.attributes.names if name not in taken]
        return taken + rest[: max(0, count - len(taken))]

    def to_json(self) -> dict[str, Any]:
        """Plain types, for `report.json`."""
        return {
            "trained": self.trained.to_json(),
            "untrained": self.untrained.to_json(),
            "real": {**self.real.to_json(), "same_instrument_correlation": self.same_instrument, "meaning": REAL},
            **{name: figures.to_json() for name, figures in self.others.items()},
            "notes": len(self.target.rows),
            "held_out_instruments": len(np.unique(self.target.groups)),
            "attributes": [
                {"name": name, "correlation": _rounded(rho), "logit_correlation": _rounded(logit)}
                for name, rho, logit in self.by_attribute()
            ],
        }


def quick_report(
    synthesizer: Synthesizer,
    corpus: Corpus,
    rows: NDArray[np.int64],
    tagger: Tagger | None,
    *,
    seed: int = 0,
    others: dict[str, Synthesizer] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> QuickReport:
    """Conditions an instrument on the notes in some rows, and measures how far it follows.

    Args:
        synthesizer: the instrument.
        corpus: tagged by the instrument's teacher.
        rows: rows that training never saw; `conditions.held_out_rows` chooses them.
        tagger: that teacher; None where the instrument has no attributes.
        seed: of the latents, and of the untrained network.
        others: further instruments with the same controls, with the same conditions and latents.
        progress: called with (sounds done, sounds in all).

    Raises:
        UserError: the corpus's tags or the tagger are not of the teacher that the instrument was trained on, or its
            notes have another length or rate.
    """
    validation = Validation(corpus, synthesizer.attributes, rows, tagger, seed=seed)
    done, whole = 0, (3 + len(others or {})) * len(rows)

    def count(notes: int) -> None:
        nonlocal done
        done += notes
        if progress:
            progress(done, whole)

    another = validation.another_note()
    return QuickReport(
        target=validation.target,
        attributes=synthesizer.attributes,
        trained=validation.trained(synthesizer, count),
        untrained=validation.untrained(synthesizer, count),
        others={name: validation.trained(one, count) for name, one in (others or {}).items()},
        real=validation.real(synthesizer, count),
        same_instrument=_rounded((another.mean if another else Estimate(None)).value),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
