"""Which of a teacher's classes become sliders of an instrument: DarkGAN's ranking √(p90 · accuracy)."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from darktimbre.audio.atomic import write_json
from darktimbre.notes.errors import UserError
from darktimbre.notes.temperature import soft_labels
from darktimbre.notes.text import folded, quoted, suggestion
from darktimbre.tagging.store import Tags, folder, read_meta
from darktimbre.teachers.vocabulary import average_precision

TOP = 128  # attributes in the paper


@dataclass(frozen=True, slots=True)
class Ranked:
    """One attribute and why it stands where it does."""

    rank: int  # 1 for the best
    name: str  # AudioSet display name
    p90: float  # 90th percentile over the training notes of the teacher's probability
    accuracy: float  # average precision of the class (Cnn14's; the published one of YAMNet is not given by class)
    score: float  # √(p90 · accuracy)


@cache
def skipped() -> dict[str, str]:
    """The vague classes of `skip.txt`: name → reason."""
    text = files("darktimbre.tagging").joinpath("skip.txt").read_text(encoding="utf-8")
    lines = (line.strip() for line in text.splitlines())
    pairs = (line.partition(":") for line in lines if line and not line.startswith("#"))
    return {name.strip(): reason.strip() for reason, _, name in pairs}


# ---------------------------------------------------------------------------------------------------------------------
# score = √(p90 · accuracy)                                                                               DarkGAN §4.2
# ---------------------------------------------------------------------------------------------------------------------
def rank(
    logits: NDArray[np.float32], labels: Sequence[str], *, top: int | None = None, skip: Sequence[str] | None = None
) -> list[Ranked]:
    """Classes in the order of the score; those of equal score in the order of `labels`.

    Args:
        logits: (note, label) of the training split.
        labels: names of the columns.
        top: how many to keep; None keeps all.
        skip: names to leave out; None means `skipped()`.
    """
    if not len(logits):
        raise UserError(
            "There are no tagged notes to rank attributes by: the training split is empty. Make the corpus again with "
            "--split random, or with more instruments."
        )
    vague = set(skipped() if skip is None else skip)
    precision = average_precision()
    p90 = np.percentile(soft_labels(logits, 1.0), 90.0, axis=0)
    accuracy = np.array([precision.get(label, 0.0) for label in labels])
    score = np.sqrt(p90 * accuracy)
    order = [i for i in np.argsort(-score, kind="stable") if labels[i] not in vague][:top]
    return [
        Ranked(place, labels[i], float(p90[i]), float(accuracy[i]), float(score[i]))
        for place, i in enumerate(order, start=1)
    ]


def choose(
    corpus_path: Path | str,
    tags: Tags,
    train_rows: NDArray[np.int64],
    *,
    top: int = TOP,
    names: Sequence[str] | None = None,
) -> list[Ranked]:
    """Ranks the classes over the training notes, keeps `top` (or `names`, in their order), and stores the list.

    Raises:
        UserError: a name is none of the teacher's (the sentence suggests near ones) or comes twice, no name is given,
            or the teacher has fewer than `top` classes.
    """
    if names is not None and not names:
        raise UserError("The list of names is empty: write at least one, such as 'Trumpet; Gong'.")
    ranked = rank(tags.logits(train_rows), tags.labels, skip=() if names is not None else None)
    if names is not None:
        by_name = {item.name: item for item in ranked}
        ranked = [by_name[_known(name, tags.labels)] for name in names]
        if len({item.name for item in ranked}) != len(ranked):
            raise UserError("An attribute is named twice.")
    else:
        if len(ranked) < top:
            raise UserError(
                f"{tags.meta['teacher']} has only {len(ranked)} classes that are not vague; ask for no more with --top."
            )
        ranked = ranked[:top]
    write_attributes(corpus_path, tags, ranked)
    return ranked


def _known(name: str, labels: Sequence[str]) -> str:
    by_key = {folded(label): label for label in labels}
    if (key := folded(name)) in by_key:
        return by_key[key]
    raise UserError(f"The teacher has no class {name!r}.{suggestion(name, labels)}")


def write_attributes(corpus_path: Path | str, tags: Tags, ranked: Sequence[Ranked]) -> Path:
    """Stores the chosen attributes beside the tags they were chosen from."""
    path = folder(corpus_path, tags.meta["teacher"]) / "attributes.json"
    document = {"teacher": tags.meta["teacher"], "digest": tags.digest, "attributes": [asdict(item) for item in ranked]}
    write_json(path, document)
    return path


def read_attributes(corpus_path: Path | str, teacher: str) -> tuple[str, ...]:
    """The chosen attributes in their order.

    Raises:
        UserError: none were chosen yet, or by tags of other weights than those that lie there now.
    """
    tags = folder(corpus_path, teacher)
    command = f"darktimbre attributes {quoted(corpus_path)} --teacher {teacher}"
    try:
        document = json.loads((tags / "attributes.json").read_text(encoding="utf-8"))
        names = tuple(item["name"] for item in document["attributes"])
    except FileNotFoundError:
        if read_meta(tags) is None:
            makers = "`darktimbre tag` and `darktimbre attributes` make them"
            raise UserError(f"{corpus_path} has no tags of {teacher} ({makers}).") from None
        raise UserError(f"No attributes are chosen for {corpus_path} yet: run `{command}`.") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{tags / 'attributes.json'} cannot be read ({error}): run `{command}` again.") from None
    meta = read_meta(tags)
    if meta is not None and document.get("digest") != meta["digest"]:
        raise UserError(f"The attributes of {corpus_path} were chosen by tags of other weights: run `{command}` again.")
    return names


def split_names(text: str, labels: Sequence[str]) -> list[str]:
    """The names in a typed list, separated by semicolons or commas; AudioSet names that hold a comma stay whole.

    `"Marimba, xylophone, Gong"` is Marimba, xylophone and Gong: where pieces put together are a label, they are one.
    """
    if ";" in text:
        return [name.strip() for name in text.split(";") if name.strip()]
    known = {label.casefold() for label in labels}
    pieces = [piece.strip() for piece in text.split(",") if piece.strip()]
    names: list[str] = []
    while pieces:
        longest = next((n for n in range(len(pieces), 1, -1) if ", ".join(pieces[:n]).casefold() in known), 1)
        names.append(", ".join(pieces[:longest]))
        pieces = pieces[longest:]
    return names
