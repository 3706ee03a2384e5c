"""What a classifier learns to name, read from a corpus: pitches, instrument families, attributes of its tags."""

import numpy as np
from numpy.typing import NDArray

from darktimbre.corpus.classes import OTHER, class_of, leaf_of
from darktimbre.corpus.corpus import Corpus
from darktimbre.notes.attributes import Attributes
from darktimbre.notes.errors import UserError
from darktimbre.training.dataset import NoteDataset, choose_attributes, soft_labels_of
from darktimbre.training.recipe.schema import Data


def family_names(corpus: Corpus, kind: str = "family") -> NDArray[np.str_]:
    """Family of every note (note,), `OTHER` where the corpus knows none; or, of one-shots, what `data.families` calls
    `category`, the class, and `subcategory`, the leaf of the class tree."""
    rows = np.arange(len(corpus))
    if kind == "category":
        return class_of(corpus, rows)
    if kind == "subcategory":
        return leaf_of(corpus, rows)
    family = corpus.column("family")
    return np.where(family == "", OTHER, family).astype(np.str_)


def families_of(data: Data, corpus: Corpus) -> tuple[str, ...]:
    """Names of the families of the split that is trained on, sorted; empty where there are fewer than two."""
    names = sorted({str(name) for name in family_names(corpus, data.families)[corpus.rows(data.split)]})
    return tuple(names) if len(names) > 1 else ()


def choose_classes(data: Data, corpus: Corpus) -> tuple[Attributes, list[str]]:
    """Pitch classes (in `Attributes.pitches`) and attributes that a classifier of this corpus learns; and what of them
    is worth saying.

    Raises:
        UserError: there is nothing to tell apart, or the tags asked for by name are not there.
    """
    rows = corpus.rows(data.split)
    if not len(rows):
        raise UserError(f"No note of {corpus.path} is in the {data.split} split: there is nothing to train on.")
    pitch = corpus.column("pitch")[rows]
    low, high = data.pitches or (0, 127)
    inside = (pitch >= low) & (pitch <= high)
    pitches = tuple(int(midi) for midi in np.unique(pitch[inside]))
    families = families_of(data, corpus)
    if len(pitches) < 2 and not families:
        raise UserError(
            f"The {data.split} split of {corpus.path} has fewer than two pitches and fewer than two instrument "
            "families: there is nothing to tell apart. Import it with pitches (--estimate-pitch) or families; "
            "one-shots have classes instead (--set data.families=subcategory)."
        )
    said = []
    if len(pitches) < 2:
        pitches = ()
        said.append("There are no two pitches to tell apart: the classifier learns families alone.")
    elif without := int((~inside).sum()):
        what = "count for their family alone" if families else "are left out"
        said.append(f"{without:,} of {len(rows):,} notes have none of the {len(pitches)} pitch classes: they {what}.")
    if not families:
        said.append("There are no two instrument families to tell apart: the classifier learns pitch alone.")
    elif OTHER in families:
        unknown = int((family_names(corpus, data.families)[rows] == OTHER).sum())
        said.append(f"{unknown:,} of {len(rows):,} notes have no known family: they are the family {OTHER!r}.")
    attributes, spoken = _attributes(data.model_copy(update={"pitches": None}), corpus)
    return Attributes(
        pitches=pitches,
        names=attributes.names,
        teacher=attributes.teacher,
        teacher_digest=attributes.teacher_digest,
        temperature=attributes.temperature,
    ), said + spoken


def _attributes(data: Data, corpus: Corpus) -> tuple[Attributes, list[str]]:
    """As many of the corpus's ranked attributes as the recipe asks for and there are."""
    from darktimbre.tagging.ranking import read_attributes
    from darktimbre.tagging.store import folder, read_meta

    if isinstance(data.attributes, tuple) or not data.attributes:
        return choose_attributes(data, corpus), []
    if read_meta(folder(corpus.path, data.teacher)) is None:
        return Attributes(), [
            f"{corpus.path} has no tags of {data.teacher}: the classifier is trained without soft labels "
            f"(`darktimbre tag` and `darktimbre attributes` make them)."
        ]
    try:
        ranked = len(read_attributes(corpus.path, data.teacher))
    except UserError as error:
        return Attributes(), [f"The classifier is trained without soft labels: {error}"]
    said = []
    if ranked < data.attributes:
        said.append(f"The corpus ranks {ranked} attributes, fewer than the recipe's {data.attributes}: all are learnt.")
    return choose_attributes(data.model_copy(update={"attributes": min(ranked, data.attributes)}), corpus), said


def gather_classes(data: Data, corpus: Corpus, attributes: Attributes) -> NoteDataset:
    """The notes that a classifier is trained on: all of the split that have a pitch class or a family."""
    rows = corpus.rows(data.split)
    classes = pitch_classes(corpus, rows, attributes.pitches)
    if not families_of(data, corpus):
        rows, classes = rows[classes >= 0], classes[classes >= 0]
    return NoteDataset(corpus, rows, attributes, classes, soft_labels_of(corpus, attributes, rows))


def pitch_classes(corpus: Corpus, rows: NDArray[np.int64], pitches: tuple[int, ...]) -> NDArray[np.int64]:
    """Place of each row's pitch among `pitches` (note,); −1 where it is none of them."""
    place = np.full(129, -1, np.int64)  # the last entry is read by −1: no pitch at all
    place[list(pitches)] = np.arange(len(pitches))
    return place[corpus.column("pitch")[rows]]


def family_classes(
    corpus: Corpus, rows: NDArray[np.int64], families: tuple[str, ...], kind: str = "family"
) -> NDArray[np.int64]:
    """Place of each row's family among `families` (note,); −1 where it is none of them."""
    place = {name: index for index, name in enumerate(families)}
    return np.array([place.get(str(name), -1) for name in family_names(corpus, kind)[rows]], dtype=np.int64)
