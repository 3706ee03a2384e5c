"""A trained instrument → a few figures within a minute: the quick report, and validation during training.

Small profiles of an evaluation (`study`): the same conditions, sources, extractors and attribute correlation, on fewer
notes and without intervals. The same figures are taken of the untrained network and of the real notes themselves. A
probe says the same of attributes as the teacher, from features that were in no loss: by both, `better` is decided.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darktimbre.corpus.corpus import Corpus
from darktimbre.evaluation.conditions import Conditions, draw_rows, known_rows
from darktimbre.evaluation.control import attribute_correlation, same_instrument_correlation
from darktimbre.evaluation.results import AttributeScore, Control
from darktimbre.evaluation.scores import in_tune
from darktimbre.extractors.extract import BLOCK, extract
from darktimbre.extractors.extractors import (
    BATCH,
    EmbeddingExtractor,
    Extractor,
    Features,
    PitchExtractor,
    TeacherExtractor,
)
from darktimbre.extractors.musicnn import MusicnnEmbedder
from darktimbre.extractors.sources import Source, generated_source, real_source, round_trip_source, untrained
from darktimbre.extractors.spectrum import SpectrumEmbedder
from darktimbre.measures.correlation import pearson
from darktimbre.measures.ridge import Ridge, ridge
from darktimbre.notes.attributes import Attributes, teacher_mismatch
from darktimbre.notes.errors import UserError
from darktimbre.notes.temperature import bounded_logits, soft_labels
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.teachers import weights
from darktimbre.teachers.tagger import Embedder, Tagger

SPLIT = "valid"  # what checkpoints are chosen on; the test split is kept for the final evaluation
NOTES = 192  # of a validation: the standard error of a share of 0.9 is then 0.02

FITTED = 800  # notes of the train split that a probe is fitted on, at most

METRICS = ("attribute_correlation", "logit_correlation", "probe_correlation", "pitch_accuracy")
"""Means over attributes of Pearson's correlation of target and prediction: the teacher's, of soft labels at the
instrument's own temperature and of logits (`control.attribute_correlation`), and a probe's, of logits; share of notes
in tune, by YIN."""

CORRELATIONS = ("correlation", "logit_correlation")  # fields of `AttributeScore`

Progress = Callable[[int], None]
"""Called after each block of notes with how many it held; may raise to stop."""

REAL = (
    "pitch_accuracy: the held-out notes themselves; correlations of attributes: the same notes after the codec's round "
    "trip, what a perfect network would reach; same_instrument_correlation: instead of each note another note of the "
    "same instrument"
)


@dataclass(frozen=True)
class Figures:
    """How far some sounds have the pitch and attributes that they were conditioned on."""

    pitch_accuracy: float | None  # share whose YIN fundamental is within 50 cents of the target; None without pitch
    # attribute correlations (DarkGAN §4.4.2, test 1), without intervals; None without a teacher's predictions
    control: Control | None
    probe: float | None = None  # the same correlation, of the logits that a probe predicts; None without attributes

    def to_json(self) -> dict[str, Any]:
        """The figures of a report, and how many attributes the means are over."""
        control = self.control
        return {
            "pitch_accuracy": _rounded(self.pitch_accuracy),
            "attribute_correlation": _rounded(control.mean.value) if control else None,
            "logit_correlation": _rounded(control.logit_mean.value) if control else None,
            "probe_correlation": _rounded(self.probe),
            "attributes_counted": len(control.attributes) - control.constant if control else 0,
            "attributes_constant": control.constant if control else 0,
        }

    def metrics(self) -> dict[str, float | None]:
        found, labelled = self.to_json(), self.control is not None
        mine = metrics_of(labelled or self.probe is not None, self.pitch_accuracy is not None, labelled=labelled)
        return {name: found[name] for name in mine}

    def by_attribute(self) -> list[AttributeScore]:
        """Best first; those without a correlation at the end."""
        every = self.control.attributes if self.control else ()
        return sorted(every, key=lambda one: (not one.correlation.known, -(one.correlation.value or 0)))


def metrics_of(attributes: bool, pitches: bool, *, labelled: bool = True) -> tuple[str, ...]:
    """Those of `METRICS` that an instrument has with or without attributes, `labelled` by a teacher, and pitch."""
    return METRICS[:2] * (attributes and labelled) + METRICS[2:3] * attributes + METRICS[3:] * pitches


def independent_embedder(device: str = "cpu") -> Embedder:
    """MusiCNN where its weights are kept, else statistics of spectra: features that no training uses."""
    return MusicnnEmbedder.load(device=device) if weights.kept("musicnn") else SpectrumEmbedder()


class Validation:
    """Fixed conditions of real notes, fixed latents, and the extractors that compare generated notes with them."""

    def __init__(
        self,
        corpus: Corpus,
        attributes: Attributes,
        rows: NDArray[np.int64],
        tagger: Tagger | None,
        embedder: Embedder | None = None,
        *,
        seed: int = 0,
        block: int = BLOCK,
    ) -> None:
        """Reads pitches and tags of some rows that training never saw, such as `conditions.held_out_rows`.

        `tagger` is the instruments' teacher, None where they have no attributes by one; `embedder` gives the features
        of the probe, None: there is none; `seed` is of the latents and of the untrained network; `block` is how many
        notes lie between two calls of `progress`.

        Raises:
            UserError: the corpus's tags or the tagger are not of the teacher that the instrument was trained on.
        """
        expected = attributes.labelled_by
        why = teacher_mismatch("The instrument was trained on labels by", expected, "the teacher given is", tagger)
        if why:
            raise UserError(f"{why}. Only that teacher can evaluate it.")
        self.corpus, self.attributes, self.seed, self.block = corpus, attributes, seed, block
        self.target = Conditions.of(corpus, rows, attributes)
        self._extractors: dict[str, Extractor] = {}
        if tagger and expected:
            self._extractors["teacher"] = TeacherExtractor(tagger, attributes.names)
        if embedder and attributes.names and len(known_rows(corpus, ("train",), attributes.pitches)) > 1:
            self._extractors["independent"] = EmbeddingExtractor(embedder)
        if attributes.pitches:
            self._extractors["pitch"] = PitchExtractor(corpus.sample_rate, self.target.hertz)

    @classmethod
    def of_valid_notes(
        cls,
        corpus: Corpus,
        attributes: Attributes,
        tagger: Tagger | None,
        embedder: Embedder | None = None,
        notes: int = NOTES,
    ) -> "Validation":
        """For use during training: always the same notes of the valid split, a draw that depends on the corpus alone.

        Raises:
            UserError: there is none with a pitch of the instrument, or the tags are by another teacher.
        """
        there = len(known_rows(corpus, (SPLIT,), attributes.pitches))
        rows = draw_rows(corpus, attributes, (SPLIT,), max(1, min(notes, there)), 0)
        return cls(corpus, attributes, rows, tagger, embedder, block=BATCH)

    @cached_property
    def probe(self) -> Ridge:
        """The probe's features → logits of the attributes, fitted on real notes of the train split.

        λ is chosen by instruments that are left out, or by pitches where there is one instrument alone.
        """
        rows, features = self._trained_on
        known = Conditions.of(self.corpus, rows, self.attributes)
        groups = known.groups if len(np.unique(known.groups)) > 1 else self.corpus.column("pitch")[rows]
        return ridge(features, bounded_logits(known.logits), groups, seed=self.seed)

    @cached_property
    def _trained_on(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows of the train split, and their features (note, dimension)."""
        there = len(known_rows(self.corpus, ("train",), self.attributes.pitches))
        rows = draw_rows(self.corpus, self.attributes, ("train",), min(FITTED, there), self.seed)
        return rows, self._embedded(real_source(self.corpus, rows))

    def _embedded(self, source: Source) -> NDArray[np.float32]:
        one = self._extractors["independent"]
        features: NDArray[np.float32] = extract(source, [one], block=self.block)[one.name]["embedding"]
        return features

    # -----------------------------------------------------------------------------------------------------------------
    # ½ (d(y₁, x) + d(y₂, x)) − ½ d(y₁, y₂), the energy score (Gneiting & Raftery 2007, eq. 22), lower is better
    # -----------------------------------------------------------------------------------------------------------------
    def score(self, instrument: Synthesizer) -> float:
        """How far sounds lie from the notes of their conditions in features that were in no loss, for few notes.

        It needs no notes to be compared with each other, as a correlation does. y₁ and y₂ are of two latents; features
        are in units of the train notes' deviation, the mean over the notes in units of √dimension.
        """
        deviation = self._trained_on[1].std(axis=0)
        scale = np.where(deviation > 0, deviation, 1) * np.sqrt(deviation.size)
        real = self._embedded(real_source(self.corpus, self.target.rows))
        drawn = instrument.latents(self.seed, 2 * len(self.target.rows)).reshape(2, len(self.target.rows), -1)
        made = [
            self._embedded(generated_source(instrument, self.target.condition, one, samples=self.corpus.samples))
            for one in drawn
        ]

        def apart(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
            return float(np.linalg.norm((one - other) / scale, axis=1).mean())

        return 0.5 * (apart(made[0], real) + apart(made[1], real)) - 0.5 * apart(*made)

    def facts(self) -> dict[str, Any]:
        rows = self.target.rows
        return {
            "split": SPLIT,
            "notes": len(rows),
            "instruments": len(np.unique(self.target.groups)),
            "rows": hashlib.sha256(np.ascontiguousarray(rows, np.int64).tobytes()).hexdigest()[:16],
            "corpus": self.corpus.digest,
            "teacher": self.attributes.teacher_digest,
            "independent": self._extractors["independent"].digest if "independent" in self._extractors else None,
        }

    def trained(self, instrument: Synthesizer, progress: Progress | None = None) -> Figures:
        """Figures of an instrument with these controls."""
        return self._figures(dict.fromkeys(self._extractors, self._generated(instrument)), progress)

    def untrained(self, instrument: Synthesizer, progress: Progress | None = None) -> Figures:
        """Figures of its network with random weights: the lower bound."""
        return self.trained(untrained(instrument, self.seed), progress)

    def real(self, instrument: Synthesizer, progress: Progress | None = None) -> Figures:
        """The upper bound: pitch of the notes themselves, attributes after the round trip of the instrument's codec.

        Raises:
            UserError: the notes have another length or rate than the instrument's.
        """
        copies = round_trip_source(instrument, self.corpus, self.target.rows)
        notes = real_source(self.corpus, self.target.rows)
        return self._figures({"teacher": copies, "independent": copies, "pitch": notes}, progress)

    def report(
        self,
        instrument: Synthesizer,
        others: Mapping[str, Synthesizer] | None = None,
        progress: Callable[[int, int], None] | None = None,
        name: str = "trained",
    ) -> dict[str, Any]:
        """The quick report, in JSON's types: the instrument by its `name`, `untrained`, `real` and others by theirs;
        each attribute, as the instrument follows it.

        `progress` is called with (sounds done, sounds in all).

        Raises:
            UserError: the notes have another length or rate than the instrument's.
        """
        others, done = others or {}, 0

        def count(notes: int) -> None:
            nonlocal done
            done += notes
            if progress:
                progress(done, (3 + len(others)) * len(self.target.rows))

        trained, target = self.trained(instrument, count), self.target
        same = same_instrument_correlation(target, self.attributes)
        return {
            **({"temperature": self.attributes.temperature} if self.attributes.names else {}),
            name: trained.to_json(),
            "untrained": self.untrained(instrument, count).to_json(),
            "real": {
                **self.real(instrument, count).to_json(),
                "same_instrument_correlation": _rounded(same.mean.value if same else None),
                "meaning": REAL,
            },
            **{other: self.trained(one, count).to_json() for other, one in others.items()},
            "notes": len(target.rows),
            "held_out_instruments": len(np.unique(target.groups)),
            "attributes": [
                {"name": one.name, **{key: _rounded(getattr(one, key).value) for key in CORRELATIONS}}
                for one in trained.by_attribute()
            ],
            "steerable": steerable(trained, target, self.attributes),
        }

    def seconds(self, instrument: Synthesizer) -> float:
        """About how long `trained` takes, by a batch of it."""
        extractors, count = list(self._extractors.values()), min(BATCH, len(self.target.rows))
        extract(self._generated(instrument, 1), extractors)  # what is slow only once
        start = time.perf_counter()
        extract(self._generated(instrument, count), extractors)
        return (time.perf_counter() - start) * len(self.target.rows) / count

    def _generated(self, instrument: Synthesizer, notes: int | None = None) -> Source:
        condition, latent = self.target.condition, instrument.latents(self.seed, len(self.target.rows))
        return generated_source(instrument, condition[:notes], latent[:notes], samples=self.corpus.samples)

    def _figures(self, sources: dict[str, Source], progress: Progress | None) -> Figures:
        """Of the sounds that each extractor is given; `progress` counts the notes of the first."""
        found: dict[str, Features] = {}
        for number, source in enumerate(dict.fromkeys(sources.values())):
            mine = [one for role, one in self._extractors.items() if sources[role] is source]
            found |= extract(source, mine, block=self.block, progress=None if number else progress)
        features = {role: found[one.name] for role, one in self._extractors.items()}
        hits = in_tune(features["pitch"]["f0"], self.target.hertz) if "pitch" in features else None
        probe = None
        if "independent" in features:
            predicted = self.probe.predict(features["independent"]["embedding"]).astype(np.float32)
            probe = attribute_correlation(self.target, predicted, self.attributes).logit_mean.value
        return Figures(
            pitch_accuracy=None if hits is None else float(hits.mean()),
            control=attribute_correlation(self.target, features["teacher"]["logits"], self.attributes)
            if "teacher" in features
            else None,
            probe=probe,
        )


@dataclass(frozen=True)
class Decision:
    """Which of two instruments is kept, and why."""

    trained: bool  # whether it is the one that was trained last
    why: str  # in a sentence


# ---------------------------------------------------------------------------------------------------------------------
# the trained one is kept where every figure of its control is higher than the other's, of pitch where there is no other
# ---------------------------------------------------------------------------------------------------------------------
def better(trained: Figures, start: Figures, *, name: str, on: str) -> Decision:
    """Whether training made an instrument better by all who can tell: the teacher, and a probe that was in no loss.

    A teacher that was in the loss may be all that finds it better; so may, by chance, the probe.

    Args:
        trained: figures of the instrument after training.
        start: those of the one that training went on from, on the same notes and latents.
        name: what that one is called, such as "starter".
        on: what they were measured on, such as "212 valid notes".
    """
    before, after = start.metrics(), trained.metrics()
    evaluators = {key: word for key, word in EVALUATORS.items() if key in after} or {"pitch_accuracy": "pitch by YIN"}
    pairs = [(word, before.get(key), after.get(key)) for key, word in evaluators.items()]
    gains = [None if a is None or b is None else b - a for _, a, b in pairs]
    kept = all(gain is not None and gain > 0 for gain in gains)
    shown = " and ".join(f"{word} {_shown(b)} instead of {_shown(a)}" for word, a, b in pairs)
    if kept:
        return Decision(True, f"The trained instrument is kept: on {on} it is better than the {name} by {shown}.")
    return Decision(False, f"The {name} is kept: on {on} training made it no better by all figures, {shown}.")


def nearer(trained: float, start: float, *, name: str, on: str) -> Decision:
    """As `better`, by `Validation.score` of both: of notes too few for a correlation."""
    shown = f"the energy score in features that were in no loss is {_shown(trained)} instead of {_shown(start)}"
    if trained < start:
        return Decision(True, f"The trained instrument is kept: on {on} {shown}, lower is better.")
    return Decision(False, f"The {name} is kept: on {on} {shown}, lower is better.")


EVALUATORS = {
    "logit_correlation": "the teacher (of logits)",
    "probe_correlation": "a probe that was in no loss",
}
"""By which `better` is decided, of `METRICS`, in words."""


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


def steerable(figures: Figures, target: Conditions, attributes: Attributes, count: int = 3) -> list[str]:
    """The attributes that correlate best, none of which correlates above 0.5 with another in the real notes."""
    soft, names = soft_labels(target.logits, attributes.temperature), list(attributes.names)
    taken: list[str] = []
    for one in figures.by_attribute():
        column, alike = soft[:, [names.index(one.name)]], [names.index(name) for name in taken]
        free = not (pearson(column.repeat(len(alike), axis=1), soft[:, alike]) > 0.5).any()
        if len(taken) < count and one.correlation.known and free:
            taken.append(one.name)
    return taken + [name for name in names if name not in taken][: max(0, count - len(taken))]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
