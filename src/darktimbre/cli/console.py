"""What all verbs share on the terminal: consoles, a progress bar, one-sentence errors."""

import codecs
import errno
import io
import os
import re
import sys
import time
import unicodedata
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from darktimbre.audio.atomic import is_disk_full
from darktimbre.notes.errors import UserError
from darktimbre.notes.text import legible

USER_ERROR = 2  # exit status: the user can mend it
INTERRUPTED = 130  # exit status: Ctrl-C (128 + SIGINT)

_PLAIN = "darktimbre.plain"  # name of our way to print what an encoding lacks
_PLAINER = {"✓": "+", "✗": "x", "·": "-", "–": "-", "−": "-", "→": "->", "×": "x", "≤": "<=", "≥": ">=", "±": "+-"}

FULL = "the disk is full; make room, or name a place on another one"
REFUSALS = {
    errno.EACCES: "you may not read or write there; name another place, or change its permissions",
    errno.EPERM: "the system does not allow it; name another place",
    errno.EROFS: "that disk is read-only; name a place on another one",
    errno.ENOSPC: FULL,
    errno.EDQUOT: "your share of the disk is used up; make room, or name a place on another one",
    errno.EEXIST: "something else is there already; name another place",
    errno.ENOTDIR: "a part of that path is a file, not a folder; name another place",
    errno.EISDIR: "that is a folder, not a file; name a file",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}
"""What the system may refuse a user, by error number, with the remedy."""


def prepare_streams() -> None:
    """Makes printing possible everywhere: where a stream was closed (cron, services), and in encodings with few signs.

    A closed one is replaced by one that forgets: else the next file to be opened would take its number, and what
    libraries print would be written into it. What an encoding lacks is printed as a plain sign or as `?`.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    codecs.register_error(_PLAIN, _plain_signs)
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", closefd=False))
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_PLAIN)


def _plain_signs(error: UnicodeError) -> tuple[str, int]:
    """For what cannot be encoded: stray bytes of file names as escapes, letters without their accents, else `?`."""
    assert isinstance(error, UnicodeEncodeError)
    signs = legible(error.object[error.start : error.end])
    return "".join(_PLAINER.get(sign) or _ascii(sign) or "?" for sign in signs), error.end


def _ascii(sign: str) -> str:
    return unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode()


def flush_streams() -> None:
    """At the end; what a full disk, or a reader that has gone, does not take is given up without a second error."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def console() -> Console:
    """Where results are printed: standard output as it is now (a test may have replaced it)."""
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def errors() -> Console:
    """Where errors, warnings and progress are printed: standard error."""
    return Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())


def say(text: str) -> None:
    """One plain line of result, without markup: file names hold brackets."""
    console().print(text, markup=False)


def heading(text: str) -> None:
    """The title of the part that starts now."""
    console().print(text, style="bold", markup=False)


def fail(text: str) -> None:
    """One red sentence on standard error."""
    errors().print(text, style="red", markup=False)


def warn(text: str) -> None:
    """One yellow sentence on standard error."""
    errors().print(text, style="yellow", markup=False)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> None:
    """Rows under their headings."""
    grid = Table(*columns, title=title or None)
    for row in rows:
        grid.add_row(*row)
    console().print(grid)


class Update(Protocol):
    """How far something is; a `stage` takes the place of the description."""

    def __call__(self, done: int, total: int, stage: str = "") -> None: ...


@contextmanager
def progress(description: str, total: int | None = None, unit: str = "notes") -> Iterator[Update]:
    """A bar with count and time left on standard error; where that is no terminal, only a line for each new stage.

    Yields `update(done, total)`; what the first call reports as done does not count when the time left is estimated.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TextColumn("· left"),
        TimeRemainingColumn(),
    )
    shown = sys.stderr.isatty()
    started, first, before = time.monotonic(), None, ""
    with Progress(*columns, console=errors(), disable=not shown) as bar:
        task = bar.add_task(description, total=total)

        def update(done: int, total: int, stage: str = "") -> None:
            nonlocal first, before, started
            if first is None:
                bar.reset(task, total=total, completed=done)
                first, started = done, time.monotonic()
            if stage != before and not shown:
                pace = (time.monotonic() - started) / (done - first) if done > first else 0.0
                left = f", about {pace * (total - done) / 60:.0f} min left" if pace else ""
                print(f"{done:,} of at most {total:,} {unit}{left}; now: {stage}", file=sys.stderr, flush=True)
            before = stage
            bar.update(task, total=total, completed=done, description=stage or description)

        yield update


@contextmanager
def spoken_warnings() -> Iterator[None]:
    """Warnings of darktimbre become one yellow sentence each instead of Python's two lines with a path."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        finally:
            for message in dict.fromkeys(str(one.message) for one in caught if _is_ours(one.category)):
                warn(message)
    for one in caught:
        if not _is_ours(one.category):
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)


def _is_ours(category: type[Warning]) -> bool:
    return category.__module__.startswith("darktimbre.")


def _refusal(error: OSError) -> str:
    # The user knows the file, not the temporary name that `audio.atomic` writes under.
    place = re.sub(r"\.([^/]+)\.\d+\.(partial|old)\b", r"\1", str(error.filename)) if error.filename else "A file"
    return f"{place} cannot be used: {REFUSALS[error.errno or 0]}."


@contextmanager
def sentences() -> Iterator[None]:
    """A `UserError` ends in its sentence and status 2, Ctrl-C in a sentence and status 130; bugs go on as they are.

    So does what the system refuses: no permission, a full disk, a file where a folder should be; and what is not
    installed, in an installation for playing alone.
    """
    try:
        yield
    except UserError as error:
        fail(str(error))
        raise typer.Exit(USER_ERROR) from None
    except KeyboardInterrupt:
        fail("Stopped on your request.")
        raise typer.Exit(INTERRUPTED) from None
    except ModuleNotFoundError as error:
        package = (error.name or "darktimbre").partition(".")[0]
        if package == "darktimbre":
            raise
        fail(f"This needs the package {package}, which is not installed: `pip install darktimbre` brings all.")
        raise typer.Exit(USER_ERROR) from None
    except Exception as error:
        known = isinstance(error, OSError) and error.errno in REFUSALS
        if not known and not is_disk_full(error):
            raise
        fail(_refusal(error) if isinstance(error, OSError) and known else f"A file was not written: {FULL}.")
        raise typer.Exit(USER_ERROR) from None
