"""What a report is made of, before it is Markdown or HTML: sections of text, tables, figures and sounds.

All strings are plain text; the templates escape them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from darktimbre.report.estimates import DASH, Better, Estimate, Mark, marks, rounded, verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing


@dataclass(frozen=True)
class Cell:
    """A cell: the figure, in smaller type its interval, whether it leads its column, whether it is only published."""

    text: str
    interval: str = ""
    mark: Mark = ""
    grey: bool = False
    code: bool = False


def cell(value: Any, decimals: int | None = None, mark: Mark = "") -> Cell:
    """A cell of any value: an estimate with its interval, a digest as code."""
    if isinstance(value, Estimate):
        return Cell(*rounded(value, decimals), mark)
    text = plain(value)
    return Cell(text, code=len(text) >= 12 and all(one in "0123456789abcdef" for one in text))


def plain(value: Any) -> str:
    """Any value of a table of facts, in words."""
    if value is None or value == "":
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value)) or DASH
    if isinstance(value, dict):
        return ", ".join(f"{key}: {plain(one)}" for key, one in value.items()) or DASH
    return str(value)


@dataclass(frozen=True)
class Column:
    """A column under its heading; `group` is a heading over neighbouring columns. Words stand on the left."""

    heading: str
    cells: tuple[Cell, ...]
    group: str = ""
    words: bool = False
    grey: bool = False


def column(
    heading: str, values: Sequence[Any], *, group: str = "", decimals: int | None = None, words: bool = False
) -> Column:
    """A column of any values, unmarked."""
    return Column(heading, tuple(cell(one, decimals) for one in values), group, words)


def ranked(
    heading: str,
    values: Sequence[Estimate],
    better: Better,
    *,
    among: Sequence[bool],
    group: str = "",
    decimals: int | None = None,
) -> Column:
    """A column in which the best are marked among the rows that take part."""
    part = marks([one if mine else Estimate(None) for one, mine in zip(values, among, strict=True)], better)
    cells = tuple(cell(one, decimals, mark) for one, mark in zip(values, part, strict=True))
    return Column(heading, cells, group)


@dataclass(frozen=True)
class Table:
    """A table: one heading a row, then columns; `groups` are headings of rows, shown where they change.

    A row whose cells are all grey is grey as a whole.
    """

    name: str
    caption: str
    corner: str
    headings: tuple[str, ...]
    columns: tuple[Column, ...]
    notes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    @property
    def rows(self) -> list[tuple[str, str, bool, tuple[Cell, ...]]]:
        """(group, heading, whether grey, cells) of every row."""
        cells = list(zip(*(one.cells for one in self.columns), strict=True)) or [()] * len(self.headings)
        groups = self.groups or ("",) * len(self.headings)
        return [
            (group, heading, bool(row) and all(one.grey for one in row), row)
            for group, heading, row in zip(groups, self.headings, cells, strict=True)
        ]


@dataclass(frozen=True)
class Comparison:
    """One quantity of A and of B, as a row: both figures, their difference, and whether A is better.

    Attributes:
        quantity: what is compared, with its conditions.
        a, b: (name, figure).
        better: 1 where higher is better, −1 where lower is; 0 where neither is: then there is no verdict.
        decimals: places after the point; by default as many as the uncertainty warrants.
        paired: the difference, where it was measured pair by pair; else it follows from the two.
        decided: the verdict, where another rule than the interval of the difference gives it.
        group: heading over such rows.
    """

    quantity: str
    a: tuple[str, Estimate]
    b: tuple[str, Estimate]
    better: Literal[1, 0, -1]
    decimals: int | None = None
    paired: Estimate | None = None
    decided: str | None = None
    group: str = ""

    @property
    def difference(self) -> Estimate:
        """A − B."""
        return self.paired or self.a[1].minus(self.b[1])

    @property
    def verdict(self) -> str:
        """Of A against B: better, worse or undecided."""
        if self.decided is not None or not self.better:
            return self.decided or DASH
        return verdict(self.difference, self.better) or DASH


def comparison_table(name: str, caption: str, compared: Sequence[Comparison], notes: Sequence[str] = ()) -> Table:
    """Comparisons as rows."""
    pairs = [(one, one.decimals) for one in compared]
    return Table(
        name, caption, "quantity", tuple(one.quantity for one in compared),
        (
            column("A", [one.a[0] for one in compared], words=True),
            Column("value of A", tuple(cell(one.a[1], places) for one, places in pairs)),
            column("B", [one.b[0] for one in compared], words=True),
            Column("value of B", tuple(cell(one.b[1], places) for one, places in pairs)),
            Column("A − B", tuple(cell(one.difference, places) for one, places in pairs)),
            column("A is", [one.verdict for one in compared], words=True),
        ),
        tuple(notes), tuple(one.group for one in compared),
    )  # fmt: skip


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Figure:
    """A figure: `name` is its file's, `alt` what it shows in words, `caption` what it means."""

    name: str
    title: str
    alt: str
    caption: str
    draw: Callable[[], "Drawing"]


@dataclass(frozen=True)
class Sounds:
    """Sounds side by side under a heading: (title, ((label, file below the report's folder), …)) of each line."""

    heading: str
    lines: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


@dataclass(frozen=True)
class Fold:
    """What is shown on request."""

    summary: str
    blocks: tuple["Block", ...]


@dataclass(frozen=True)
class Section:
    """A part of the report under a heading; `name` is its anchor."""

    name: str
    heading: str
    blocks: tuple["Block", ...]


Block = Text | Bullets | Table | Figure | Sounds | Fold
