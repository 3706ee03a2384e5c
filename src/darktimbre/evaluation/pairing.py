"""Which instruments, corpus and judges may meet in one evaluation; what does not compare is refused in a sentence."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from darktimbre.bundle.classifier import Classifier
from darktimbre.corpus.corpus import Corpus
from darktimbre.measures.frechet import notes_for_full_rank
from darktimbre.notes.attributes import CLASSES, Attributes
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.tagging.store import Tags

if TYPE_CHECKING:
    from darktimbre.teachers.tagger import Embedder, Tagger


@dataclass(frozen=True)
class Instrument:
    """One instrument under evaluation: heading of its row, the instrument, and where its bundle lies."""

    name: str
    synthesizer: Synthesizer
    path: Path | None = None

    @property
    def attributes(self) -> Attributes:
        """Its controls."""
        return self.synthesizer.attributes


@dataclass(frozen=True)
class Judges:
    """Who listens.

    Attributes:
        teacher: the tagger that the instruments learnt from; hears the attributes.
        embedder: whose embedding FAD, precision, recall, density and coverage are taken in.
        classifier: hears pitch and family, and its embedding is KID's; None: those figures are left out.
    """

    teacher: "Tagger"
    embedder: "Embedder"
    classifier: Classifier | None = None


def refuse_wrong_pairings(instruments: Sequence[Instrument], corpus: Corpus, judges: Judges) -> None:
    """Says what does not go together.

    Raises:
        UserError: rates, lengths, vocabularies or weights differ, or two instruments bear one name.
    """
    names = [one.name for one in instruments]
    if double := {name for name in names if names.count(name) > 1}:
        raise UserError(
            f"Two instruments are called {sorted(double)[0]!r}: give them names, as in `first=PATH second=PATH`."
        )
    for one in instruments:
        _refuse_instrument(one, corpus, judges.teacher)
    if any(one.attributes.names and one.attributes.teacher != CLASSES for one in instruments):
        tags = Tags.open(corpus.path, judges.teacher.name)
        if tags.digest != judges.teacher.digest:
            raise UserError(
                f"The tags of {corpus.path} are by {judges.teacher.name} {tags.digest[:12]}…, the teacher given is "
                f"{judges.teacher.digest[:12]}…: give the right --weights, or tag the corpus again."
            )
    classifier = judges.classifier
    if classifier and (classifier.sample_rate, classifier.samples) != (corpus.sample_rate, corpus.samples):
        raise UserError(
            f"The classifier listens to {classifier.samples} samples at {classifier.sample_rate} Hz, the notes of "
            f"{corpus.path} have {corpus.samples} at {corpus.sample_rate} Hz: train one on this corpus "
            "(`darktimbre train inception`)."
        )


def _refuse_instrument(one: Instrument, corpus: Corpus, teacher: "Tagger") -> None:
    player, attributes = one.synthesizer, one.attributes
    if player.sample_rate != corpus.sample_rate:
        raise UserError(
            f"{one.name} plays at {player.sample_rate} Hz, {corpus.path} has {corpus.sample_rate} Hz: evaluate it on a "
            "corpus of its own rate."
        )
    if player.samples < corpus.samples:
        raise UserError(
            f"The notes of {one.name} last {player.seconds:g} s, those of {corpus.path} "
            f"{corpus.samples / corpus.sample_rate:g} s: evaluate it on a corpus of notes as short as its own."
        )
    if attributes.teacher == CLASSES:  # by the corpus's own classes: no teacher has a say
        return
    if attributes.names and attributes.teacher != teacher.name:
        raise UserError(
            f"{one.name} learnt the vocabulary of {attributes.teacher}, which {teacher.name} cannot judge: give "
            f"--teacher {attributes.teacher}."
        )
    if attributes.names and attributes.teacher_digest != teacher.digest:
        raise UserError(
            f"{one.name} learnt from {attributes.teacher} {attributes.teacher_digest[:12]}…, the teacher given has the "
            f"weights {teacher.digest[:12]}…, and what the two hear does not compare: give the right --weights."
        )


def common_pitches(instruments: Sequence[Instrument]) -> tuple[int, ...]:
    """Pitches that every instrument with pitches knows; empty where none has any.

    Raises:
        UserError: they have no pitch in common.
    """
    known = [set(one.attributes.pitches) for one in instruments if one.attributes.pitches]
    common = set.intersection(*known) if known else set()
    if known and not common:
        raise UserError("The instruments have no pitch in common: evaluate them one by one.")
    return tuple(sorted(common))


def refuse_few_notes(notes: int, reference: int, embedder: "Embedder", dimension: int) -> None:
    """A covariance of full rank needs one note more than the embedding has dimensions.

    Raises:
        UserError: there are fewer.
    """
    needed = notes_for_full_rank(dimension)
    if min(notes, reference) < needed:
        which = "generated" if notes < reference else "real"
        raise UserError(
            f"The Fréchet distance in the {dimension:,} dimensions of {embedder.name} needs at least {needed:,} notes "
            f"on either side for a covariance of full rank, and {needed * 2:,} real ones to compare real with real; "
            f"there are {min(notes, reference):,} {which} ones. Take more notes (--set notes=N, a larger corpus), or "
            "leave it out with --no-fad."
        )
