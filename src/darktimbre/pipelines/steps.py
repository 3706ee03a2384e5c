"""Make it or reuse it: how every pipeline decides what is still to do, so that it can be stopped and run again."""

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from darktimbre.audio.atomic import atomic_file

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


@dataclass(frozen=True)
class Step(Generic[T]):
    """One result of a pipeline.

    Attributes:
        name: under which its time is recorded.
        find: the result at hand; None where there is none, it is incomplete, or it follows from something else (the
            digests of what it follows from are recorded in it, or are part of its folder's name: `recorded`).
        make: makes it, or goes on with what an interruption left.
        reused: what is said where it is at hand.
    """

    name: str
    find: Callable[[], T | None]
    make: Callable[[], T]
    reused: Callable[[T], str] = lambda result: ""


def make_or_reuse(
    step: Step[T], reporter: Reporter, clock: Callable[[str], AbstractContextManager[None]] = lambda name: nullcontext()
) -> T:
    """The step's result; where it has to be made, `clock(name)` measures how long that takes, interrupted or not."""
    if (result := step.find()) is not None:
        if said := step.reused(result):
            reporter.say(said)
        return result
    with clock(step.name):
        return step.make()


def recorded(file: Path, *keys: str) -> Any:
    """The value under nested keys of a JSON file, such as a digest; None where there is no such file or key."""
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
        for key in keys:
            value = value[key]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return value


def write_json(file: Path, data: Any) -> None:
    """Writes a JSON file, whole or not at all, and the folders it lies in."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(file) as temporary:
        temporary.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
