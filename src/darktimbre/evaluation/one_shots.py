"""An instrument of one-shots judged by a classifier trained on real ones: is a kick that was asked for a kick?"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from darktimbre.audio.loudness import rms_dbfs
from darktimbre.bundle.classifier import Classifier
from darktimbre.corpus.classes import class_of, leaf_of
from darktimbre.corpus.corpus import Corpus
from darktimbre.measures.classes import class_shares, classes_covered
from darktimbre.notes.attributes import BETWEEN, CLASSES, Attributes, is_leaf
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.synthesizer import Synthesizer

AT_ONCE = 64  # notes the classifier hears at once
ANYTHING = "anything"


@dataclass(frozen=True, kw_only=True)
class Row:
    """A class, or a subclass, asked for.

    Attributes:
        name: "drums" or "drums/kick"; `ANYTHING` where nothing is asked for.
        finest: whether nothing lies below it in the tree: a leaf.
        held_out: real notes of it that the classifier did not learn from.
        real: how often it names them rightly (a subclass exactly, a class by any of its subclasses); None without any.
        coded: the same after the instrument's picture and back, the best that any network could sound like.
        generated: how often it names generated ones so; None for `ANYTHING`, and for what it knows no name for.
        generated_class: of a subclass, how often at least its class is named; None else.
        kinds: leaves of the tree with a tenth of an even share or more among what it names.
        most: what it names most often, and how often.
        level, real_level: mean level of the generated notes, and of all real ones, in dB below full scale (root mean
            square); None where the corpus has none.
    """

    name: str
    finest: bool
    held_out: int
    real: float | None
    coded: float | None
    generated: float | None
    generated_class: float | None
    kinds: int
    most: tuple[str, float]
    level: float
    real_level: float | None


@dataclass(frozen=True, kw_only=True)
class OneShots:
    """What is found of an instrument: its rows, and means over the leaves of the tree, each counting the same.

    Attributes:
        notes: generated for each row.
        rows: classes, subclasses.
        leaves: means over all leaves.
        proven: means over the leaves with real notes held out: of these it is known how far the classifier is to be
            believed.
    """

    notes: int
    rows: tuple[Row, ...]
    leaves: "Means"
    proven: "Means"


@dataclass(frozen=True, kw_only=True)
class Means:
    """Means over some rows, of those that have the figure; the fields are those of `Row`."""

    rows: int
    real: float | None
    coded: float | None
    generated: float | None
    generated_class: float | None


def controls_for(names: tuple[str, ...], wanted: str) -> dict[str, float]:
    """The controls that ask for a class or a subclass: itself, and the class above it."""
    if wanted == ANYTHING:
        return {}
    return {name: 1.0 for name in (wanted.split(BETWEEN)[0], wanted) if name in names}


def is_of_one_shots(attributes: Attributes) -> bool:
    """Whether an instrument is steered by classes, or by nothing at all."""
    return not attributes.pitches and (attributes.teacher == CLASSES or not attributes.names)


def judge(
    player: Synthesizer,
    classifier: Classifier,
    corpus: Corpus,
    *,
    notes: int = 64,
    seed: int = 0,
) -> tuple[OneShots, dict[str, NDArray[np.float32]]]:
    """Asks the instrument for every class and subclass, and the classifier for what it hears.

    Args:
        player: the instrument.
        classifier: names leaves of the same corpus's class tree.
        corpus: its held-out notes are what is compared with.
        notes: generated for each class and subclass.
        seed: of the generated notes.

    Returns:
        What is found, and the generated sounds (note, sample) of each row by its name.

    Raises:
        UserError: the classifier names something else, or listens to other sounds.
    """
    leaves = classifier.families
    rows = np.concatenate([corpus.rows("valid"), corpus.rows("test")])
    if not set(leaf_of(corpus, corpus.rows())) & set(leaves) or not leaves:
        raise UserError(
            f"The classifier names {', '.join(leaves) or 'no families'}, none of the classes of {corpus.path}: train "
            f"one with `darktimbre train oneshot-classifier --corpus {corpus.path}`."
        )
    if (classifier.sample_rate, classifier.samples) != (player.sample_rate, player.samples):
        raise UserError("The classifier listens to sounds of another length or rate than the instrument's.")
    waves = corpus.waves(rows)
    real, coded = named(classifier, waves), named(classifier, through(player, waves))
    names = player.attributes.names or (ANYTHING,)
    made, kept = [], {}
    for name in names:
        sounds = player.render(attributes=controls_for(names, name), seed=np.arange(notes) + seed)
        kept[name] = sounds
        mine = np.flatnonzero(np.isin(rows, _of(corpus, name))) if name != ANYTHING else np.arange(0)
        answer = named(classifier, sounds)
        shares = class_shares(answer, len(leaves))
        there = corpus.column("rms_db")[_of(corpus, name)]
        known = any(name in (leaf, leaf.split(BETWEEN)[0]) for leaf in leaves)
        made.append(
            Row(
                name=name,
                finest=is_leaf(name, names),
                held_out=len(mine),
                real=_share(leaves, real[mine], name),
                coded=_share(leaves, coded[mine], name),
                generated=_share(leaves, answer, name) if known else None,
                generated_class=_share(leaves, answer, name.split(BETWEEN)[0]) if BETWEEN in name else None,
                kinds=classes_covered(shares),
                most=(leaves[int(shares.argmax())], float(shares.max())),
                level=float(rms_dbfs(sounds).mean()),
                real_level=float(there.mean()) if len(there) else None,
            )
        )
    return _summed(notes, made), kept


def _summed(notes: int, made: list[Row]) -> OneShots:
    leaves = [row for row in made if row.finest]
    return OneShots(
        notes=notes, rows=tuple(made), leaves=_means(leaves), proven=_means([row for row in leaves if row.held_out])
    )


def _means(rows: list[Row]) -> Means:
    return Means(
        rows=len(rows),
        real=_mean([row.real for row in rows]),
        coded=_mean([row.coded for row in rows]),
        generated=_mean([row.generated for row in rows]),
        generated_class=_mean([row.generated_class for row in rows]),
    )


def named(classifier: Classifier, waves: NDArray[np.float32]) -> NDArray[np.int64]:
    """Place of the leaf that is heard in each wave (note, sample) → (note,)."""
    parts = [waves[first : first + AT_ONCE] for first in range(0, len(waves), AT_ONCE)]
    found = [classifier.hear(torch.from_numpy(part)).family.argmax(1).numpy() for part in parts]
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def through(player: Synthesizer, waves: NDArray[np.float32]) -> NDArray[np.float32]:
    """Waves (note, sample) through the instrument's picture and back."""
    with torch.inference_mode():
        return player.codec.decode(player.codec.encode(torch.from_numpy(waves))).numpy()


def _of(corpus: Corpus, name: str) -> NDArray[np.int64]:
    """Rows of a class, of a subclass, or of `ANYTHING`."""
    rows = corpus.rows()
    if name == ANYTHING:
        return rows
    return rows[(leaf_of if BETWEEN in name else class_of)(corpus, rows) == name]


def _share(leaves: tuple[str, ...], answer: NDArray[np.int64], wanted: str) -> float | None:
    """How often the leaf named (note,) is the one wanted, or lies in the class wanted."""
    right = np.array([wanted in (leaf, leaf.split(BETWEEN)[0]) for leaf in leaves])
    return float(right[answer].mean()) if len(answer) else None


def _mean(figures: list[float | None]) -> float | None:
    known = [figure for figure in figures if figure is not None]
    return float(np.mean(known)) if known else None
