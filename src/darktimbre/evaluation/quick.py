"""A trained instrument → two numbers in a minute: does it play the pitch, and does the teacher hear what was asked for?

The instrument is told pitch and soft labels of notes it never learnt from; an independent estimator and the teacher
listen to what it makes. The same is asked of the network before training, and of the held-out notes themselves.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darktimbre.corpus.corpus import Corpus
from darktimbre.evaluation.heldout import HeldOut
from darktimbre.evaluation.listeners import FundamentalListener, Listener, TeacherListener
from darktimbre.evaluation.listening import listen
from darktimbre.evaluation.sources import Source, generated_source, real_source, round_trip_source, untrained
from darktimbre.measures.correlation import pearson
from darktimbre.measures.pitch import pitch_within
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.tagging.temperature import soft_labels
from darktimbre.teachers.tagger import Tagger

CENTS = 50.0  # a note counts as in tune within a quarter tone

REAL = (
    "pitch_accuracy: the held-out notes themselves; attribute_correlation: the same notes through the instrument's "
    "picture and back, what a perfect network would reach; same_instrument_correlation: instead of each note another "
    "note of the same instrument"
)


@dataclass(frozen=True)
class Answer:
    """What was heard in some sounds that were asked for.

    Attributes:
        pitch_accuracy: share whose YIN fundamental is within 50 cents of the pitch asked for; None without pitch.
        correlation: per attribute, Pearson's correlation of the teacher's probabilities for the held-out notes and for
            these sounds (DarkGAN §4.4.2, test 1); NaN where either does not vary.
        logit_correlation: the same of logits, where faint attributes count as much as loud ones.
    """

    pitch_accuracy: float | None
    correlation: NDArray[np.float64]
    logit_correlation: NDArray[np.float64]

    def to_json(self) -> dict[str, Any]:
        """The two numbers of a report, and how many attributes the mean is over."""
        counted = int(np.isfinite(self.correlation).sum())
        return {
            "pitch_accuracy": None if self.pitch_accuracy is None else round(self.pitch_accuracy, 4),
            "attribute_correlation": _mean(self.correlation),
            "logit_correlation": _mean(self.logit_correlation),
            "attributes_counted": counted,
            "attributes_constant": len(self.correlation) - counted,
        }


@dataclass(frozen=True)
class QuickReport:
    """The instrument beside its own untrained network and the real notes.

    Attributes:
        asked: the held-out notes.
        names: attributes, in the order of the correlations.
        trained, untrained: of the instrument, and of its network freshly initialised.
        real: pitch of the notes themselves; attributes after a round trip through the instrument's representation.
        same_instrument: mean correlation between the notes and other notes of the same instruments; None without any.
        others: further instruments by name.
    """

    asked: HeldOut
    names: tuple[str, ...]
    trained: Answer
    untrained: Answer
    real: Answer
    same_instrument: float | None
    others: dict[str, Answer]

    def by_attribute(self) -> list[tuple[str, float, float]]:
        """(name, correlation, logit correlation), best first; those that do not vary at the end."""
        rows = zip(self.names, self.trained.correlation.tolist(), self.trained.logit_correlation.tolist(), strict=True)
        return sorted(rows, key=lambda row: (np.isnan(row[1]), -row[1]))

    def steerable(self, count: int = 3) -> list[str]:
        """Attributes that the instrument follows best, none of which goes along with another (correlation over 0.5)."""
        taken: list[str] = []
        asked = soft_labels(self.asked.logits)
        for name, rho, _ in self.by_attribute():
            mine = asked[:, self.names.index(name)]
            alike = (pearson(mine[:, None], asked[:, self.names.index(other)][:, None])[0] for other in taken)
            if len(taken) < count and np.isfinite(rho) and not any(one > 0.5 for one in alike):
                taken.append(name)
        return taken + [name for name in self.names if name not in taken][: max(0, count - len(taken))]

    def to_json(self) -> dict[str, Any]:
        """Plain types, for `report.json`."""
        table = [
            {"name": n, "correlation": _plain(r), "logit_correlation": _plain(z)} for n, r, z in self.by_attribute()
        ]
        instruments = np.unique(self.asked.corpus.column("instrument")[self.asked.rows])
        return {
            "trained": self.trained.to_json(),
            "untrained": self.untrained.to_json(),
            "real": {**self.real.to_json(), "same_instrument_correlation": self.same_instrument, "meaning": REAL},
            **{name: answer.to_json() for name, answer in self.others.items()},
            "notes": len(self.asked.rows),
            "held_out_instruments": len(instruments),
            "attributes": table,
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
    """Asks an instrument for the notes in some rows, and listens.

    Args:
        synthesizer: the instrument.
        corpus: tagged by the instrument's teacher.
        rows: rows that training never saw; `heldout.held_out_rows` chooses them.
        tagger: that teacher; None where the instrument has no attributes.
        seed: of the latents, and of the untrained network.
        others: further instruments with the same controls, asked for the same notes with the same latents.
        progress: called with (sounds done, sounds in all).

    Raises:
        UserError: the corpus's tags or the tagger are not of the teacher that the instrument learnt from, or its notes
            have another length or rate.
    """
    attributes = synthesizer.attributes
    if attributes.names and (tagger is None or tagger.digest != attributes.teacher_digest):
        given = "none" if tagger is None else f"{tagger.name} {tagger.digest[:12]}…"
        raise UserError(
            f"The instrument learnt from {attributes.teacher} {attributes.teacher_digest[:12]}…, and only that teacher "
            f"can judge it; the one given is {given}."
        )
    picture = round_trip_source(synthesizer, corpus, rows)
    asked = HeldOut.of(corpus, rows, attributes)
    latent = synthesizer.latents(seed, len(rows))
    players = {"trained": synthesizer, "untrained": untrained(synthesizer, seed), **(others or {})}
    fundamental: list[Listener] = [FundamentalListener(corpus.sample_rate, asked.hertz)] if attributes.pitches else []
    teacher: list[Listener] = [TeacherListener(tagger, attributes.names)] if tagger and attributes.names else []
    done, whole = 0, (len(players) + 1) * len(rows)

    def answer(*sounds: tuple[Source, list[Listener]]) -> Answer:
        """What is heard in some sounds by some listeners, all asked for by `asked`."""
        nonlocal done
        heard: dict[str, dict[str, NDArray[np.float32]]] = {}
        for source, listeners in sounds:
            heard |= listen(source, listeners, cache=None)
        accuracy = pitch_within(heard["fundamental"]["f0"], asked.hertz, CENTS) if fundamental else None
        found = heard[teacher[0].name]["logits"] if teacher else np.zeros((len(rows), 0), np.float32)
        done += len(rows)
        if progress:
            progress(done, whole)
        soft = pearson(soft_labels(asked.logits), soft_labels(found))
        return Answer(accuracy, soft, pearson(asked.logits, found))

    answers = {}
    for name, player in players.items():
        answers[name] = answer((generated_source(player, asked.condition, latent), fundamental + teacher))
    real = answer((real_source(corpus, rows), fundamental), (picture, teacher))
    takes = asked.another_take()
    same = None
    if attributes.names and (has := takes >= 0).sum() > 1:
        # Tags of the corpus, not heard anew: the notes are in it.
        other = HeldOut.of(corpus, takes[has], replace(attributes, pitches=()))
        same = _mean(pearson(soft_labels(asked.logits[has]), soft_labels(other.logits)))
    first, before = answers.pop("trained"), answers.pop("untrained")
    return QuickReport(asked, attributes.names, first, before, real, same, answers)


def pitch_accuracy(waves: NDArray[np.float32], hertz: NDArray[np.float64], rate: int) -> float:
    """Share of notes (note, sample) whose fundamental, by YIN over its whole range, is within 50 cents of `hertz`."""
    return pitch_within(FundamentalListener(rate, hertz).hear(waves, rate)["f0"], hertz, CENTS)


def _mean(correlation: NDArray[np.float64]) -> float | None:
    defined = correlation[np.isfinite(correlation)]
    return round(float(defined.mean()), 4) if len(defined) else None


def _plain(value: float) -> float | None:
    return round(value, 4) if np.isfinite(value) else None
