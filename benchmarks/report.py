"""A line of the table: a figure, the same of the plain way, their ratio, the target."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Unit = Literal["s", "ms", "GB", "notes/s", "RTF"]


@dataclass(frozen=True, slots=True)
class Row:
    """One thing measured.

    Attributes:
        what: in words.
        fast: darktimbre's figure.
        plain: that of the plain way, where there is one.
        unit: of both; more is better for notes/s, less for all others.
        target: the ratio wanted at least (with `limit`: the figure wanted at most); None where none was set.
        limit: the target is one of the figure itself.
        note: what a reader should know.
        takes: the single measurements.
    """

    what: str
    fast: float
    plain: float | None
    unit: Unit
    target: float | None = None
    limit: bool = False
    note: str = ""
    takes: dict[str, list[float]] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """How many times better than plain."""
        if self.plain is None:
            return None
        return self.fast / self.plain if self.unit == "notes/s" else self.plain / self.fast

    @property
    def reached(self) -> bool | None:
        """Whether the target is; None where there is none."""
        if self.target is None:
            return None
        if self.limit:
            return self.fast <= self.target
        return self.ratio is not None and self.ratio >= self.target

    def to_json(self) -> dict[str, Any]:
        """Everything, with ratio and verdict."""
        return {**asdict(self), "ratio": self.ratio, "reached": self.reached}

    def cells(self) -> tuple[str, ...]:
        """what, fast, plain, ratio, target, reached."""
        target = "" if self.target is None else f"≤ {self.target:g}" if self.limit else f"≥ {self.target:g}×"
        return (
            self.what,
            _figure(self.fast, self.unit),
            "" if self.plain is None else _figure(self.plain, self.unit),
            "" if self.ratio is None else f"{self.ratio:.2f}×",
            target,
            {None: "", True: "yes", False: "no"}[self.reached],
        )


HEADINGS = ("", "darktimbre", "plain", "ratio", "target", "reached")


def table(rows: Sequence[Row]) -> str:
    """The rows as aligned text, notes below the line they belong to."""
    lines = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    text = []
    for line, row in zip(lines, [None, *rows], strict=True):
        first, *rest = (
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        text.append("  ".join([first, *rest]).rstrip())
        if row is not None and row.note:
            text.append(f"    {row.note}")
    return "\n".join(text)


def _figure(value: float, unit: Unit) -> str:
    digits = 0 if value >= 1000 else 1 if value >= 10 else 2 if value >= 1 else 4
    return f"{value:,.{digits}f} {unit}"
