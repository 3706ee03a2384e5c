"""The styles of notes, as what a model is conditioned on: style tags, or classes, families or instruments in their
place.

A note may have several tags ("violins" and "tremolo") or none. A *combination* is a distinct set of tags.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darktimbre.corpus.classes import OTHER, TOGETHER, family_of
from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.splits import SPLITS
from darktimbre.notes.errors import UserError
from darktimbre.notes.pitch import octave_of

SOURCES = ("styles", "category", "subcategory", "family", "instrument")
"""Columns whose values can serve as styles."""


@dataclass(frozen=True, slots=True)
class Styles:
    """Styles of some notes."""

    names: tuple[str, ...]  # tags, sorted
    values: NDArray[np.float32]  # (note, tag) 0 or 1
    combinations: tuple[str, ...]  # distinct sets of tags, each joined by " + " ("tremolo + violins"), sorted
    combination: NDArray[np.int64]  # (note,) index into `combinations`; -1 for a note without tags


def styles_of(corpus: Corpus, rows: NDArray[np.int64], source: str = "styles") -> Styles:
    """Styles of some rows of a corpus.

    Names and combinations are those of the whole corpus, so that they are the same for each of its splits.

    Args:
        corpus: of sounds.
        rows: row numbers (note,).
        source: one of `SOURCES`: the column `styles`, or another whose value is then a note's one tag.

    Raises:
        UserError: there is no such source.
    """
    if source not in SOURCES:
        raise UserError(f"Styles cannot be taken from {source!r}; choose one of {', '.join(SOURCES)}.")
    tags = _tags(corpus, source)
    names = tuple(sorted({tag for those in tags for tag in those}))
    combinations = tuple(sorted({TOGETHER.join(those) for those in tags if those}))
    column = {name: place for place, name in enumerate(names)}
    index = {name: place for place, name in enumerate(combinations)} | {"": -1}
    values = np.zeros((len(rows), len(names)), dtype=np.float32)
    combination = np.full(len(rows), -1, dtype=np.int64)
    for place, row in enumerate(rows.tolist()):
        values[place, [column[tag] for tag in tags[row]]] = 1.0
        combination[place] = index[TOGETHER.join(tags[row])]
    return Styles(names, values, combinations, combination)


def _tags(corpus: Corpus, source: str) -> list[tuple[str, ...]]:
    """Tags of each note of a corpus, sorted, each once."""
    if source == "styles":
        return [tuple(sorted(set(tags))) for tags in corpus.column("styles")]
    named = family_of(corpus, corpus.rows(), source)
    return [() if name == OTHER else (name,) for name in named.tolist()]


# ----------------------------------------------------------------------------
# Where styles differ in pitch, a test of style is a test of pitch: a low note is no violin. So styles are compared in
# the octaves that all of them have.


def octaves_of(pitch: NDArray[np.int64]) -> tuple[int, ...]:
    """Octaves that some pitches lie in, ascending; a pitch below 0 is none."""
    return tuple(np.unique(octave_of(pitch[pitch >= 0])).tolist())


def shared_octaves(pitch: NDArray[np.int64], styles: Styles) -> tuple[int, ...]:
    """Octaves, ascending, in which every combination of styles has notes among these.

    Args:
        pitch: (note,) MIDI numbers of the notes of `styles`, −1 where there is none.
    """
    playing = [set(octaves_of(pitch[styles.combination == index])) for index in np.unique(styles.combination)]
    present = [octaves for index, octaves in zip(np.unique(styles.combination), playing, strict=True) if index >= 0]
    return tuple(sorted(set.intersection(*present))) if present else ()


def check_styles(corpus: Corpus, rows: NDArray[np.int64], source: str = "styles") -> tuple[str, ...]:
    """What a model conditioned on the styles of some rows should be warned of: sentences, each with its remedy.

    Raises:
        UserError: the notes have no style, or all the same.
    """
    styles, pitch = styles_of(corpus, rows, source), corpus.column("pitch")[rows]
    _require_two(corpus, styles, source)
    warnings = []
    if untagged := int((styles.combination < 0).sum()):
        warnings.append(f"{untagged:,} of {len(rows):,} notes have no style; they are trained on as untagged.")
    shared = shared_octaves(pitch, styles)
    everywhere = octaves_of(pitch[styles.combination >= 0])
    if not shared:
        low, high = _furthest(pitch, styles)
        warnings.append(
            f"The styles share no octave ({low}; {high}), so that a measure of style is one of pitch: leave out styles "
            "that play elsewhere, or add notes of theirs."
        )
    elif shared != everywhere:
        warnings.append(
            f"Only in {_named(shared)} do all {len(np.unique(styles.combination[styles.combination >= 0]))} styles "
            "play: compare them there, since elsewhere the pitch alone determines some."
        )
    split = corpus.column("split")[rows]
    for part in SPLITS:
        without = [
            name
            for index, name in enumerate(styles.combinations)
            if (styles.combination == index).any() and not ((styles.combination == index) & (split == part)).any()
        ]
        if without and (split == part).any():
            warnings.append(
                f"{_few(without)} no {part} notes, so nothing is measured of them there: add recordings, or import "
                "with `--split style`."
            )
    return tuple(warnings)


def _require_two(corpus: Corpus, styles: Styles, source: str) -> None:
    present = np.unique(styles.combination[styles.combination >= 0])
    column = "subcategory" if source == "category" else "category"
    others = f"take another column for it (`train --set data.styles={column}`, `experiment --styles {column}`)"
    if not present.size:
        what = "style tags" if source == "styles" else f"{source} to take styles from"
        raise UserError(
            f"The notes of {corpus.path} have no {what}: name a column of metadata.csv when importing "
            f"(`--style-column`), render a grid (`darktimbre render OUT --grid strings`), or {others}."
        )
    if present.size == 1 and (styles.combination >= 0).all():
        raise UserError(
            f"All notes of {corpus.path} have the style {styles.combinations[present[0]]!r}, so there is nothing to "
            f"tell apart: add sounds of another, or {others}."
        )


def _furthest(pitch: NDArray[np.int64], styles: Styles) -> tuple[str, str]:
    """The lowest and the highest style with their octaves, as text."""
    spans = []
    for index in np.unique(styles.combination[styles.combination >= 0]):
        octaves = octaves_of(pitch[styles.combination == index])
        spans.append((octaves[:1], octaves, styles.combinations[index]))
    described = [f"{name} plays in {_named(octaves)}" for _, octaves, name in sorted(spans)]
    return described[0], described[-1]


def _named(octaves: Sequence[int]) -> str:
    if not octaves:
        return "no octave"
    numbers = [str(octave) for octave in octaves]
    return f"octave {numbers[0]}" if len(numbers) == 1 else f"octaves {', '.join(numbers[:-1])} and {numbers[-1]}"


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more styles" if len(names) > 3 else "")
    return f"{shown} {'has' if len(names) == 1 else 'have'}"


def describe_styles(corpus: Corpus) -> dict[str, Any] | None:
    """The facts of a corpus's style tags in JSON's plain types; None where no note has any."""
    styles, pitch = styles_of(corpus, corpus.rows()), corpus.column("pitch")
    if not styles.names:
        return None
    split = corpus.column("split")

    def counts(here: NDArray[np.bool_]) -> dict[str, Any]:
        parts = {part: int((here & (split == part)).sum()) for part in SPLITS}
        return {"notes": int(here.sum()), **parts, "octaves": list(octaves_of(pitch[here]))}

    return {
        "tags": {name: counts(styles.values[:, column] > 0) for column, name in enumerate(styles.names)},
        "combinations": {name: counts(styles.combination == index) for index, name in enumerate(styles.combinations)},
        "untagged": int((styles.combination < 0).sum()),
        "shared_octaves": list(shared_octaves(pitch, styles)),
    }
