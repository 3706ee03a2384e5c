"""Files and folders that appear whole or not at all: whatever is interrupted leaves what was there before.

What a killed process was writing stays behind as `.NAME.PID.partial`; the next write of NAME clears it away.
"""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from darktimbre.notes.errors import UserError
from darktimbre.notes.text import json_text, parse_json

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LARGEST_JSON = 16 << 20  # bytes

_LEFTOVER = re.compile(r"\.(?P<name>.+)\.(?P<pid>\d+)\.(?P<kind>partial|old)")

_LITTER = re.compile(r"\._.*|\.DS_Store|\.localized|\.directory|Icon\r|(eh)?thumbs\.db|desktop\.ini", re.IGNORECASE)


def is_litter(path: Path) -> bool:
    """Whether a file is one that Finder, Explorer and the like leave in every folder that they show."""
    return _LITTER.fullmatch(path.name) is not None


def is_empty(folder: Path) -> bool:
    """Whether a folder holds nothing of anybody's."""
    return all(map(is_litter, folder.iterdir()))


@contextmanager
def alone(folder: Path, refusal: str) -> Iterator[None]:
    """Keeps other processes of this machine, and other threads, that enter the same folder by this function out of it.

    The kernel lets go when this process ends or is killed; on a file system without locks, nothing is kept out.

    Raises:
        UserError: another one is in it; `refusal` is the sentence.
    """
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        hold(handle, refusal)
        yield
    finally:
        os.close(handle)


def hold(handle: int, refusal: str) -> None:
    """Locks an open file or folder, by its descriptor, until it is closed; see `alone`."""
    if fcntl is None:
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(refusal) from None
    except OSError:  # a file system without locks
        return
    if not os.fstat(handle).st_nlink:  # whoever held it has just removed it
        raise UserError(refusal)


def read_json(path: Path, largest: int = LARGEST_JSON) -> Any:
    """Plain types from a JSON file that anybody may have written.

    Raises:
        OSError: it cannot be read.
        ValueError: it is larger than so many bytes, or as `parse_json`; the message is a clause.
    """
    with path.open("rb") as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise ValueError(f"it is larger than {largest >> 20} MiB")
    return parse_json(content)


def write_json(path: Path, data: Any, indent: int | None = 1) -> None:
    """Writes plain types as a JSON file, whole or not at all, and the folders it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path.absolute()) as temporary:
        temporary.write_text(json_text(data, indent), encoding="utf-8")


def is_disk_full(error: BaseException) -> bool:
    """Whether something failed for want of room; numpy, safetensors and others give no error number."""
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return True
    return re.search(r"no space left|disk quota|requested and \d+ written", str(error), re.IGNORECASE) is not None


def _sync(path: Path) -> None:
    """Brings a file, or the names in a folder, onto the disk. Windows does so for files open for writing alone."""
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
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


def _unfinished(folder: Path) -> Iterator[tuple[str, Path]]:
    """What is being written in a folder, or was by a process that has ended: the target's name and the path."""
    for entry in folder.iterdir() if folder.is_dir() else ():
        match = _LEFTOVER.fullmatch(entry.name)
        if match is not None and match["kind"] == "partial":
            yield match["name"], entry


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
    """Yields a temporary empty folder beside `path`; on success it becomes `path`, replacing what was there.

    Raises:
        UserError: another process is writing it.
    """
    clear_leftovers(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    refusal = f"Another process is writing {path}: wait for it, or name another folder."
    for name, other in _unfinished(path.parent):
        if name == path.name and other.is_dir():
            with alone(other, refusal):
                pass
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    with alone(temporary, refusal):
        try:
            yield temporary
            _take_place(temporary, path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def _take_place(temporary: Path, path: Path) -> None:
    """A written folder takes the place of what is at `path`, if anything is."""
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
