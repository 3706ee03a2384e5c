"""What is written appears whole or not at all, and what a killed process left goes away with the next write."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from darktimbre.audio import atomic
from darktimbre.audio.atomic import _leftovers, atomic_file, atomic_folder, is_empty
from darktimbre.notes.errors import UserError

KILLED = """
import os, signal, sys
from pathlib import Path
from darktimbre.audio import atomic
path = Path(sys.argv[2])
with getattr(atomic, sys.argv[1])(path) as temporary:
    (temporary / "half" if sys.argv[1] == "atomic_folder" else temporary).write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""

WRITING = """
import sys
from pathlib import Path
from darktimbre.audio.atomic import atomic_folder
with atomic_folder(Path(sys.argv[1])):
    pass
"""


def fail_while_writing(writing: AbstractContextManager[Path], name: str) -> None:
    with writing as temporary:
        (temporary / name).write_text("new")
        raise ZeroDivisionError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def killed_while_writing(how: str, path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED, how, str(path)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert any(name.startswith(f".{path.name}.") for name in names(path.parent))
    _leftovers.cache_clear()  # this process has looked before; a user's next command is another process


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError):
        fail_while_writing(atomic_file(path), "")
    assert path.read_text() == "old"
    with atomic_file(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(tmp_path) == ["a.txt"]


def test_an_error_leaves_the_old_folder_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "c"
    path.mkdir()
    (path / "old").touch()
    with pytest.raises(ZeroDivisionError):
        fail_while_writing(atomic_folder(path), "new")
    assert names(path) == ["old"]
    with atomic_folder(path) as temporary:
        (temporary / "new").touch()
    assert names(path) == ["new"]
    assert names(tmp_path) == ["c"]


@pytest.mark.parametrize("how", ["atomic_file", "atomic_folder"])
def test_what_a_killed_writer_left_goes_with_the_next_write(how: str, tmp_path: Path) -> None:
    path = tmp_path / "c"
    killed_while_writing(how, path)
    assert not path.exists()
    if how == "atomic_file":
        with atomic_file(path) as temporary:
            temporary.write_text("whole")
    else:
        with atomic_folder(path) as temporary:
            (temporary / "whole").touch()
    assert names(tmp_path) == ["c"]


def test_what_is_not_left_over_stays(tmp_path: Path) -> None:
    alive, foreign, other = f".c.{os.getppid()}.partial", ".c.notes.partial", ".d.4194400.partial"  # no such pid
    for name in (alive, foreign, other):
        (tmp_path / name).touch()
    with atomic_file(tmp_path / "c") as temporary:
        temporary.touch()
    assert names(tmp_path) == sorted([alive, foreign, other, "c"])


def test_a_folder_moved_aside_by_a_killed_writer_comes_back(tmp_path: Path) -> None:
    aside = tmp_path / ".c.4194400.old"  # killed between its two moves
    aside.mkdir()
    (aside / "old").touch()
    with pytest.raises(ZeroDivisionError):
        fail_while_writing(atomic_folder(tmp_path / "c"), "new")
    assert names(tmp_path) == ["c"]
    assert names(tmp_path / "c") == ["old"]


def test_of_two_writers_of_one_folder_the_second_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with atomic_folder(path) as first:
        (first / "one").touch()
        command = [sys.executable, "-c", WRITING, str(path)]
        other = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "UserError: Another process is writing" in other.stderr
        with pytest.raises(UserError, match="Another process"), atomic_folder(path):
            pass
        with atomic_folder(tmp_path / "a.1"), atomic_folder(tmp_path / "b"):  # other folders are free
            pass
    assert names(path) == ["one"]
    with atomic_folder(tmp_path / "a.1"), atomic_folder(path):
        pass
    assert names(tmp_path) == ["a", "a.1", "b"]


@pytest.mark.parametrize("name", [".DS_Store", "._a.wav", "Thumbs.db", "desktop.ini", "Desktop.ini", "Icon\r"])
def test_what_file_managers_leave_is_nobodys_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert is_empty(tmp_path)
    (tmp_path / f"{name}.txt" if name != "._a.wav" else tmp_path / "a.wav").touch()
    assert not is_empty(tmp_path)


class Windows:
    """`os` as Windows has it where writing is concerned: folders are not opened, and only what is open for writing is
    brought onto the disk."""

    name = "nt"

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)

    def open(self, path: Path, flags: int) -> int:
        if path.is_dir():
            raise PermissionError(errno.EACCES, "Permission denied")
        return os.open(path, flags)

    def fsync(self, handle: int) -> None:
        if fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        os.fsync(handle)


def test_as_windows_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic, "os", Windows())
    monkeypatch.setattr(atomic, "fcntl", None)
    with atomic_file(tmp_path / "file") as temporary:
        temporary.write_text("new")
    for text in ("old", "new"):
        with atomic_folder(tmp_path / "folder") as temporary:
            (temporary / "file").write_text(text)
    assert (tmp_path / "file").read_text() == (tmp_path / "folder" / "file").read_text() == "new"
    assert names(tmp_path) == ["file", "folder"]
