"""What a report is made of, before it is Markdown or HTML: sections of text, tables, figures, folds and sounds.

All strings are plain text; whoever renders them escapes them.
"""

from dataclasses import dataclass, field

from darktimbre.evaluation.report.numbers import Mark


@dataclass(frozen=True)
class Cell:
    """A cell: the figure, in smaller type how sure it is, whether it leads its column, whether it is only published."""

    text: str
    sure: str = ""
    mark: Mark = ""
    grey: bool = False
    code: bool = False


@dataclass(frozen=True)
class Row:
    """A row under its heading; `group` is a heading of its own, shown where it differs from the row's before."""

    heading: str
    cells: tuple[Cell, ...]
    group: str = ""
    grey: bool = False


@dataclass(frozen=True)
class Table:
    """A table; columns may stand in groups of (heading, how many), which together cover all.

    Columns of words, by their place, stand on the left; figures on the right.
    """

    name: str
    caption: str
    corner: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    groups: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = ()
    grey_columns: frozenset[int] = frozenset()
    word_columns: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Picture:
    """A figure of `figures.FIGURES`: `name` is its file's, `alt` what it shows in words, `caption` what it means."""

    name: str
    title: str
    alt: str
    caption: str


@dataclass(frozen=True)
class Player:
    """A sound to listen to: who made it, and its file below the report's folder."""

    system: str
    file: str


@dataclass(frozen=True)
class Listening:
    """Sounds that were asked for alike, side by side."""

    group: str
    title: str
    players: tuple[Player, ...]


@dataclass(frozen=True)
class Fold:
    """What is shown when asked for."""

    summary: str
    blocks: tuple["Block", ...]


@dataclass(frozen=True)
class Section:
    """A part of the report under a heading; `name` is its anchor."""

    name: str
    heading: str
    blocks: tuple["Block", ...] = field(default=())


Block = Text | Bullets | Table | Picture | Listening | Fold
