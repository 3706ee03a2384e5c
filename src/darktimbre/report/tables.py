"""Tables as data: cells of any values, columns in which the best are marked, comparisons as rows with a verdict."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from darktimbre.report.estimates import DASH, MISSING, Better, Estimate, Mark, marks, rounded, verdict

Thing = TypeVar("Thing")


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
    return ", ".join(map(plain, value)) or DASH if isinstance(value, list | tuple) else str(value)


@dataclass(frozen=True)
class Column:
    """A column under its heading; `group` is a heading over neighbouring columns. Words stand on the left."""

    heading: str
    cells: tuple[Cell, ...]
    group: str = ""
    words: bool = False
    grey: bool = False


def column(heading: str, values: Sequence[Any], *, decimals: int | None = None, words: bool = False) -> Column:
    return Column(heading, tuple(cell(one, decimals) for one in values), words=words)


def ranked(values: Sequence[Estimate], better: Better, among: Sequence[bool], decimals: int | None) -> tuple[Cell, ...]:
    """Cells of figures, the best marked among those that take part."""
    part = marks([one if mine else MISSING for one, mine in zip(values, among, strict=True)], better)
    return tuple(cell(one, decimals, mark) for one, mark in zip(values, part, strict=True))


@dataclass(frozen=True)
class Table:
    """A table: one heading a row, then columns; `groups` are headings of rows, shown where they change.

    A row whose cells are all grey is grey as a whole.
    """

    name: str
    corner: str
    headings: Sequence[str]
    columns: Sequence[Column]
    groups: Sequence[str] = ()

    @property
    def rows(self) -> list[tuple[str, str, bool, tuple[Cell, ...]]]:
        """(group, heading, whether grey, cells) of every row."""
        cells = list(zip(*(one.cells for one in self.columns), strict=True)) or [()] * len(self.headings)
        groups = self.groups or [""] * len(self.headings)
        return [
            (group, heading, bool(row) and all(one.grey for one in row), row)
            for group, heading, row in zip(groups, self.headings, cells, strict=True)
        ]


def listing(
    name: str, corner: str, rows: Sequence[tuple[str, Thing]], columns: Mapping[str, Callable[[Thing], Any]],
    words: Sequence[str] = (),
) -> Table:  # fmt: skip
    """A table of (heading, anything) rows, with a column for each thing that is read from them."""
    each = [column(name, [read(one) for _, one in rows], words=name in words) for name, read in columns.items()]
    return Table(name, corner, [heading for heading, _ in rows], each)


def facts_table(name: str, facts: Mapping[str, Any]) -> Table:
    """Anything known, one fact a row; facts in facts are flattened."""
    return listing(name, "what", list(_flat(facts)), {"value": lambda one: one}, words=("value",))


def _flat(facts: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in facts.items():
        name = f"{before}{key}".replace("_", " ")
        if isinstance(value, dict):
            yield from _flat(value, f"{name}: ")
        else:
            yield name, value


@dataclass(frozen=True)
class Comparison:
    """One quantity of A and of B, as a row: both figures, their difference, and whether A is better."""

    group: str  # heading over such rows
    quantity: str  # what is compared, with its conditions
    a: tuple[str, Estimate]  # (name, figure)
    b: tuple[str, Estimate]
    better: Literal[1, 0, -1]  # whether higher or lower is better; 0 where neither is: then there is no verdict
    decimals: int | None = None  # places after the point; None for as many as the uncertainty warrants
    paired: Estimate | None = None  # the difference, where it was measured pair by pair
    decided: str | None = None  # the verdict, where another rule than the interval of the difference gives it

    @property
    def known(self) -> bool:
        return self.a[1].known and self.b[1].known

    @property
    def difference(self) -> Estimate:
        return self.paired or self.a[1].minus(self.b[1])

    @property
    def verdict(self) -> str:
        """Of A against B: better, worse or undecided."""
        if self.decided or not self.better:
            return self.decided or DASH
        return verdict(self.difference, self.better) or DASH


def comparison_table(name: str, compared: Sequence[Comparison]) -> Table:
    def figures(heading: str, values: Sequence[Estimate]) -> Column:
        return Column(heading, tuple(cell(e, one.decimals) for e, one in zip(values, compared, strict=True)))

    decided: dict[str, Mark] = {"better": "decided", "worse": "decided"}
    verdicts = tuple(Cell(one.verdict, mark=decided.get(one.verdict, "")) for one in compared)
    columns = (
        column("A", [one.a[0] for one in compared], words=True),
        figures("value of A", [one.a[1] for one in compared]),
        column("B", [one.b[0] for one in compared], words=True),
        figures("value of B", [one.b[1] for one in compared]),
        figures("A − B", [one.difference for one in compared]),
        Column("A is", verdicts, words=True),
    )
    return Table(name, "quantity", [one.quantity for one in compared], columns, [one.group for one in compared])
