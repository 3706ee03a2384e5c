"""What pipelines share: whom they report to; "make it or reuse it", so that each can be stopped and run again."""

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Reporter(Protocol):
    """Where a pipeline's messages go; the command line's is `cli.console`."""

    def say(self, text: str) -> None:
        """One line of result."""

    def warn(self, text: str) -> None:
        """One line that should not be overlooked."""

    def heading(self, text: str) -> None:
        """The title of the part that starts now."""

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> None:
        """Rows under their headings."""

    def progress(self, description: str, total: int | None = None, unit: str = "notes") -> AbstractContextManager[Any]:
        """Within it, `update(done, total, stage="")` says how far something is."""


def make_or_reuse(
    find: Callable[[], T | None], make: Callable[[], T], clock: AbstractContextManager[None] | None = None
) -> T:
    """One result of a pipeline.

    Args:
        find: the result at hand; None where there is none, it is incomplete, or it follows from something else (the
            digests of what it follows from are recorded in it, or are part of its folder's name: `recorded`).
        make: makes it, or resumes what an interruption left.
        clock: measures how long making takes, interrupted or not.
    """
    if (result := find()) is not None:
        return result
    with clock or nullcontext():
        return make()


def recorded(file: Path, *keys: str) -> Any:
    """The value under nested keys of a JSON file, such as a digest; None where there is no such file or key."""
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
        for key in keys:
            value = value[key]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return value
