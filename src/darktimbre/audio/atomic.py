"""Files and folders that appear whole or not at all: whatever is interrupted leaves what was there before.

What a killed process was writing stays behind as `.NAME.PID.partial`; the next write of NAME clears it away.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

_LEFTOVER = re.compile(r"\.(?P<name>.+)\.(?P<pid>\d+)\.(?P<kind>partial|old)")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True  # it is somebody else's
    return True


@cache
def _leftovers(folder: Path) -> dict[str, list[tuple[str, Path]]]:
    """Target's name → (kind, path) of what processes that run no more left; listed once for a folder and process."""
    found: dict[str, list[tuple[str, Path]]] = {}
    if os.name == "nt" or not folder.is_dir():  # on Windows, signal 0 would end the process that it asks after
        return found
    for entry in os.scandir(folder):
        match = _LEFTOVER.fullmatch(entry.name)
        if match is not None and not _runs(int(match["pid"])):
            found.setdefault(match["name"], []).append((match["kind"], folder / entry.name))
    return found


def clear_leftovers(path: Path) -> None:
    """Removes what killed writers of `path` left beside it; a folder that one had just moved aside comes back.

    Writers on another machine are unknown here: two machines must not write the same target at once.
    """
    for kind, leftover in _leftovers(path.parent.absolute()).pop(path.name, []):
        if kind == "old" and not path.exists():
            os.replace(leftover, path)
        elif leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yields a temporary name beside `path`; on success it replaces `path`, on any error it is removed."""
    clear_leftovers(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)  # the rename itself must survive a power cut
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yields a temporary empty folder beside `path`; on success it becomes `path`, replacing what was there."""
    clear_leftovers(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                _sync(file)
        # A folder can't replace a full one in a single call: the old one steps aside first, and comes back if the move
        # fails.
        aside = path.with_name(f".{path.name}.{os.getpid()}.old")
        if path.exists():
            os.replace(path, aside)
        try:
            os.replace(temporary, path)
        except BaseException:
            if aside.exists():
                os.replace(aside, path)
            raise
        shutil.rmtree(aside, ignore_errors=True)
        _sync(path.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
