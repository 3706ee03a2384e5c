"""Corpus → the conditions that variety is asked for by, class by class; and the sounds that are kept of the answers."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from darktimbre.audio.files import write
from darktimbre.corpus.classes import leaf_of
from darktimbre.corpus.corpus import Corpus
from darktimbre.evaluation.results import Sound
from darktimbre.notes.attributes import CLASSES, Attributes
from darktimbre.notes.errors import UserError


@dataclass(frozen=True)
class Asked:
    """Conditions: real notes of the train split, some of each class at each of some pitches.

    Attributes:
        kind: what a class is: `class` (a leaf of the class tree), `category`, `family` or `most-heard attribute`.
        names: of the classes.
        rows: of the corpus (condition,), class by class, pitch by pitch.
        classes: number of each condition's class (condition,).
        together: places of the conditions of one class and pitch, of two or more.
        groups: number of each condition's instrument (condition,).
    """

    kind: str
    names: tuple[str, ...]
    rows: NDArray[np.int64]
    classes: NDArray[np.int64]
    together: tuple[NDArray[np.int64], ...]
    groups: NDArray[np.int64]

    @property
    def first(self) -> list[int]:
        """Place of the first condition of each class."""
        return [int(np.flatnonzero(self.classes == number)[0]) for number in range(len(self.names))]


def class_names(corpus: Corpus, attributes: Attributes) -> tuple[str, tuple[str, ...], NDArray[np.int64]]:
    """(what a class is, names, class of each note of the corpus (note,), −1 without one).

    Of an instrument that is steered by classes, their leaves, which are what it is asked for. Else the corpus's
    categories, where two are named; else its instrument families; else the attribute that the teacher
    hears most in a note, above what it hears in the average note.

    Raises:
        UserError: there is none of them.
    """
    told = {one: np.array([name or "" for name in corpus.column(one)]) for one in ("category", "family")}
    if attributes.teacher == CLASSES:
        told = {"class": np.array(leaf_of(corpus, np.arange(len(corpus))))}
    for column, each in told.items():
        names = tuple(name for name in np.unique(each).tolist() if name)
        if len(names) > 1:
            place = {name: number for number, name in enumerate(names)}
            return column, names, np.array([place.get(one, -1) for one in each.tolist()], np.int64)
    if not attributes.names or attributes.teacher == CLASSES:
        raise UserError(
            f"{corpus.path} names neither categories nor families, and the instrument has no attributes: there are no "
            "classes whose variety could be compared."
        )
    from darktimbre.tagging.store import Tags

    tags = Tags.open(corpus.path, attributes.teacher)
    logits = tags.logits(np.arange(len(corpus)))[:, tags.columns(attributes.names)]
    most = (logits - logits.mean(axis=0)).argmax(axis=1)
    heard = np.unique(most)
    return (
        "most-heard attribute",
        tuple(attributes.names[one] for one in heard),
        np.searchsorted(heard, most).astype(np.int64),
    )


def ask(corpus: Corpus, attributes: Attributes, *, conditions: int, pitches: int, seed: int = 0) -> Asked:
    """Chooses at most so many notes of each class at each of its fullest pitches, of as many instruments as there are.

    Raises:
        UserError: there are no classes in the train split at the instrument's pitches.
    """
    kind, names, each = class_names(corpus, attributes)
    train = corpus.rows("train")
    pitch = corpus.column("pitch") if attributes.pitches else np.zeros(len(corpus))
    if attributes.pitches:
        train = train[np.isin(pitch[train], attributes.pitches)]
    instrument = corpus.column("instrument")
    shuffled = np.random.default_rng(seed).permutation(train)
    rows: list[int] = []
    classes: list[int] = []
    together: list[NDArray[np.int64]] = []
    kept: list[str] = []
    for number, name in enumerate(names):
        mine = shuffled[each[shuffled] == number]
        values, counts = np.unique(pitch[mine], return_counts=True)
        fullest = np.sort(values[np.argsort(-counts, kind="stable")][:pitches])
        for one in fullest:
            chosen = _one_an_instrument(mine[pitch[mine] == one], instrument)[:conditions]
            if len(chosen) > 1:
                together.append(np.arange(len(rows), len(rows) + len(chosen)))
            rows += chosen.tolist()
            classes += [len(kept)] * len(chosen)
        if len(mine):
            kept.append(name)
    if not rows:
        raise UserError(
            f"{corpus.path} has no note of a known {kind} in its train split at the instrument's pitches: give a "
            "corpus of its pitches."
        )
    groups = np.unique(instrument[np.array(rows)], return_inverse=True)[1]
    return Asked(kind, tuple(kept), np.array(rows, np.int64), np.array(classes, np.int64), tuple(together), groups)


def _one_an_instrument(rows: NDArray[np.int64], instrument: NDArray[np.object_]) -> NDArray[np.int64]:
    """The rows with the first of each instrument before all second ones."""
    _, first = np.unique(instrument[rows], return_index=True)
    first = np.sort(first)
    return np.concatenate([rows[first], np.delete(rows, first)])


def keep_sounds(
    folder: Path, name: str, waves: NDArray[np.float32], classes: tuple[str, ...], rate: int
) -> tuple[Sound, ...]:
    """Writes (class × sound, sample), equally many a class, below `folder`; grouped by class, titled by `name`."""
    place = Path("sounds") / (re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.") or "instrument")
    (folder / place).mkdir(parents=True, exist_ok=True)
    many = len(waves) // len(classes)
    kept = []
    for number, wave in enumerate(waves):
        file = (place / f"{number // many + 1:02d}-{number % many + 1}.wav").as_posix()
        write(folder / file, wave, rate)
        kept.append(Sound(file, name, classes[number // many]))
    return tuple(kept)
