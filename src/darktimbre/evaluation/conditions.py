"""Corpus → which real notes an evaluation uses, and the conditions (pitch, attributes) that follow from them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from darktimbre.corpus.augment import recorded_instruments
from darktimbre.corpus.classes import class_indices, class_of, leaf_of
from darktimbre.corpus.corpus import Corpus
from darktimbre.notes.attributes import CLASSES, Attributes, teacher_mismatch
from darktimbre.notes.errors import UserError
from darktimbre.notes.pitch import midi_to_hz
from darktimbre.notes.temperature import soft_labels
from darktimbre.tagging.store import Tags

NOTES = 384  # of a quick report: the standard error of a share of 0.9 is then 0.015
CERTAIN = 1000.0  # logit of a note's own class, and minus that of all others: 1 and 0 at any temperature


# ── which notes ───────────────────────────────────────────────────────────────────────────────────────────────────────


def held_out_rows(
    corpus: Corpus,
    attributes: Attributes,
    splits: tuple[str, ...] = ("valid", "test"),
    *,
    count: int = NOTES,
    seed: int = 0,
) -> NDArray[np.int64]:
    """At most `count` rows of these splits at pitches the instrument knows, in ascending order.

    Raises:
        UserError: there is none.
    """
    return np.unique(draw_rows(corpus, attributes, splits, count, seed))


def known_rows(corpus: Corpus, splits: tuple[str, ...], pitches: tuple[int, ...]) -> NDArray[np.int64]:
    """Rows of some splits, split by split, at these pitches; at any where none are given."""
    rows = np.concatenate([corpus.rows(split) for split in splits])
    return rows[np.isin(corpus.column("pitch")[rows], pitches)] if pitches else rows


def draw_rows(
    corpus: Corpus, attributes: Attributes, splits: tuple[str, ...], count: int, seed: int
) -> NDArray[np.int64]:
    """`count` rows of some splits at pitches the instrument knows, shuffled; a draw of the corpus and `seed` alone.

    No row is drawn again before all were drawn as often: where more are wanted than there are, rows repeat.

    Raises:
        UserError: there is none.
    """
    rows = np.sort(known_rows(corpus, splits, attributes.pitches))
    if not len(rows):
        known, named = "with a pitch this instrument knows", " and ".join(splits)
        if splits == ("test",):
            raise UserError(
                f"{corpus.path} has no note in its test split {known}, and the valid split chose its checkpoint: "
                "evaluate the run's `bundle` instead of `best`, or make the corpus anew, split by instruments."
            )
        if "train" in splits:
            raise UserError(f"{corpus.path} has no note in {named} {known}: give a corpus of its pitches.")
        raise UserError(
            f"{corpus.path} holds back no note (splits {named}) {known}, so there is nothing to evaluate it on: make "
            "the corpus of more instruments, or with --split random."
        )
    random = np.random.default_rng(seed)
    passes = [random.permutation(len(rows)) for _ in range(-(-count // len(rows)))]
    return rows[np.concatenate([np.zeros(0, np.int64), *passes])[:count]]


@dataclass(frozen=True)
class RealNotes:
    """Disjoint sets of rows, shuffled: a table takes the first so many of each, which must not be one instrument's."""

    reference: NDArray[np.int64]  # of the train split; all sounds are compared with these
    others: NDArray[np.int64]  # of the train split, as many, none of them the same
    held_out: NDArray[np.int64]  # of the splits that no instrument was trained on

    @classmethod
    def chosen(
        cls, corpus: Corpus, pitches: tuple[int, ...], held_out: tuple[str, ...], *, count: int, seed: int
    ) -> "RealNotes":
        """Notes at these pitches, where there are any; at most `count` of each set, and no more held out than compared.

        Raises:
            UserError: a set has fewer than two.
        """
        train, unseen = known_rows(corpus, ("train",), pitches), known_rows(corpus, held_out, pitches)
        half = min(count, len(train) // 2)
        if half < 2 or len(unseen) < 2:
            raise UserError(
                f"{corpus.path} has {len(train)} notes to compare with and {len(unseen)} held out "
                f"({' and '.join(held_out)}) at the instruments' pitches, and an evaluation needs some of both: give a "
                "corpus of more instruments at these pitches."
            )
        shuffled = np.random.default_rng((seed, 0)).permutation(train)
        kept = np.random.default_rng((seed, 1)).permutation(unseen)[:half]
        return cls(shuffled[:half], shuffled[half : 2 * half], kept)


# ── their conditions ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Conditions:
    """Real notes as conditions of one instrument."""

    corpus: Corpus
    rows: NDArray[np.int64]  # of the corpus (note,)
    hertz: NDArray[np.float64]  # written pitch in Hz (note,); empty for an instrument without pitch
    logits: NDArray[np.float32]  # the teacher's logits of the attributes (note, label)
    condition: NDArray[np.float32]  # (note, size) for the network: one-hot pitch, soft labels at its temperature

    @classmethod
    def of(cls, corpus: Corpus, rows: NDArray[np.int64], attributes: Attributes) -> "Conditions":
        """Reads pitches and tags of some rows.

        Raises:
            UserError: the corpus has no tags by the instrument's teacher, or by other weights of it.
        """
        logits = np.zeros((len(rows), 0), np.float32)
        if attributes.teacher == CLASSES:
            named = np.array([class_of(corpus, rows), leaf_of(corpus, rows)])
            of_class = (named[:, :, None] == np.array(attributes.names)).any(axis=0)
            logits = np.where(of_class, CERTAIN, -CERTAIN).astype(np.float32)
        elif attributes.names:
            tags = Tags.open(corpus.path, attributes.teacher)
            expected, given = attributes.labelled_by, f"the tags of {corpus.path} are by"
            if why := teacher_mismatch("The instrument was trained on labels by", expected, given, tags):
                raise UserError(f"{why}. Tag the corpus again.")
            logits = tags.logits(rows)[:, tags.columns(attributes.names)]
        midi = corpus.column("pitch")[rows] if attributes.pitches else np.zeros(0, np.int64)
        classes = [attributes.pitch_class(int(one)) for one in midi]
        soft = soft_labels(logits, attributes.temperature)
        hertz = np.array([midi_to_hz(float(one)) for one in midi])
        return cls(corpus, rows, hertz, logits, attributes.condition(classes, soft))

    @property
    def groups(self) -> NDArray[np.int64]:
        """(note,): number of each note's instrument, 0 … among those at hand; a copy has its original's."""
        return np.unique(recorded_instruments(self.corpus)[self.rows], return_inverse=True)[1]

    def another_note(self) -> NDArray[np.int64]:
        """For each note another one of the same instrument, half its notes further on (a row); −1 where none is."""
        instrument = self.corpus.column("instrument")
        order = np.argsort(instrument, kind="stable")
        names, first, counts = np.unique(instrument[order], return_index=True, return_counts=True)
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        group = np.searchsorted(names, instrument[self.rows])
        following = (place[self.rows] - first[group] + np.maximum(1, counts[group] // 2)) % counts[group]
        return np.where(counts[group] > 1, order[first[group] + following], -1)


# ── conditions by class ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class ClassConditions:
    """Real notes of the train split, some of each class at each of some pitches."""

    kind: str  # what a class is: `class` (a leaf of the class tree), `category`, `family` or `strongest attribute`
    names: tuple[str, ...]  # of the classes
    rows: NDArray[np.int64]  # of the corpus (condition,), class by class, pitch by pitch
    classes: NDArray[np.int64]  # number of each condition's class (condition,)
    together: tuple[NDArray[np.int64], ...]  # places of the conditions of one class and pitch, of two or more
    groups: NDArray[np.int64]  # number of each condition's instrument (condition,)

    @property
    def first(self) -> list[int]:
        """Place of the first condition of each class."""
        return [int(np.flatnonzero(self.classes == number)[0]) for number in range(len(self.names))]

    @classmethod
    def chosen(
        cls, corpus: Corpus, attributes: Attributes, *, conditions: int, pitches: int, seed: int = 0
    ) -> "ClassConditions":
        """At most so many notes of each class at each of its fullest pitches, of as many instruments as there are.

        Raises:
            UserError: there are no classes in the train split at the instrument's pitches.
        """
        kind, names, each = class_names(corpus, attributes)
        train = known_rows(corpus, ("train",), attributes.pitches)
        pitch = corpus.column("pitch") if attributes.pitches else np.zeros(len(corpus))
        instrument = corpus.column("instrument")
        shuffled = np.random.default_rng(seed).permutation(train)
        kept = [number for number in range(len(names)) if (each[train] == number).any()]
        parts: list[NDArray[np.int64]] = []  # of one class and pitch each
        classes: list[int] = []
        for place, number in enumerate(kept):
            mine = shuffled[each[shuffled] == number]
            values, counts = np.unique(pitch[mine], return_counts=True)
            for one in np.sort(values[np.argsort(-counts, kind="stable")][:pitches]):
                parts.append(one_an_instrument(mine[pitch[mine] == one], instrument)[:conditions])
                classes += [place] * len(parts[-1])
        if not parts:
            raise UserError(
                f"{corpus.path} has no note of a known {kind} in its train split at the instrument's pitches: give a "
                "corpus of its pitches."
            )
        rows, ends = np.concatenate(parts), np.cumsum([len(part) for part in parts])
        places = np.split(np.arange(len(rows)), ends[:-1])
        together = tuple(part for part in places if len(part) > 1)
        groups = np.unique(recorded_instruments(corpus)[rows], return_inverse=True)[1]
        return cls(kind, tuple(names[number] for number in kept), rows, np.array(classes, np.int64), together, groups)


def class_names(corpus: Corpus, attributes: Attributes) -> tuple[str, tuple[str, ...], NDArray[np.int64]]:
    """(what a class is, names, class of each note of the corpus (note,), −1 without one).

    Of an instrument that is steered by classes, their leaves, which are its conditions. Else the corpus's categories,
    where two are named; else its instrument families; else the attribute whose logit is furthest above its mean.

    Raises:
        UserError: there is none of them.
    """
    named = {one: np.array([name or "" for name in corpus.column(one)]) for one in ("category", "family")}
    if attributes.teacher == CLASSES:
        named = {"class": np.array(leaf_of(corpus, np.arange(len(corpus))))}
    for column, each in named.items():
        names = tuple(name for name in np.unique(each).tolist() if name)
        if len(names) > 1:
            return column, names, class_indices(each, names)
    if not attributes.labelled_by:
        raise UserError(
            f"{corpus.path} names neither categories nor families, and the instrument has no attributes: there are no "
            "classes whose diversity could be compared."
        )
    tags = Tags.open(corpus.path, attributes.teacher)
    logits = tags.logits(np.arange(len(corpus)))[:, tags.columns(attributes.names)]
    most = (logits - logits.mean(axis=0)).argmax(axis=1)
    there, each = np.unique(most, return_inverse=True)
    return "strongest attribute", tuple(attributes.names[one] for one in there), each.astype(np.int64)


def one_an_instrument(rows: NDArray[np.int64], instrument: NDArray[np.object_]) -> NDArray[np.int64]:
    """The rows with the first of each instrument before all second ones."""
    first = np.sort(np.unique(instrument[rows], return_index=True)[1])
    return np.concatenate([rows[first], np.delete(rows, first)])
