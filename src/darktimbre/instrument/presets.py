"""Named patches of one instrument, in one JSON file that is read and written whole."""

import json
import os
import re
import stat
import threading
from pathlib import Path
from typing import Any

from darktimbre.audio.atomic import atomic_file
from darktimbre.instrument.describe import name_of
from darktimbre.notes.errors import UserError
from darktimbre.notes.home import home
from darktimbre.notes.text import composed
from darktimbre.synthesizer.patch import Patch
from darktimbre.synthesizer.synthesizer import Synthesizer

MOST = 500
LARGEST = 16 << 20  # bytes of the file
NAME = 80  # characters of a preset's name
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class Presets:
    """The presets of one instrument. A name is only ever a key inside the file, never part of a path.

    Every change reads the file anew, so that two servers of one instrument see each other's presets. A symbolic link
    in the file's place is not followed.
    """

    def __init__(self, path: Path, bundle: str = "") -> None:
        """The file is made with the first preset; `bundle`, the instrument's digest, is written into it for people."""
        self._path, self._bundle = path, bundle
        self._lock = threading.Lock()

    @classmethod
    def of(cls, instrument: Synthesizer) -> "Presets":
        """The presets that this machine keeps for an instrument."""
        name = re.sub(r"[^\w.-]+", "-", name_of(instrument)).strip("-.")[:60] or "instrument"
        digest = instrument.bundle.digest
        return cls(home() / "presets" / f"{name}-{digest[:12]}.json", digest)

    def all(self) -> tuple[dict[str, Patch], int]:
        """Name → patch in the order they were first stored, and how many entries of the file are no patches.

        Raises:
            UserError: the file cannot be read.
        """
        with self._lock:
            return _patches(self._entries())

    def put(self, name: str, patch: Patch) -> bool:
        """Stores a patch under a name; whether the name is new.

        Raises:
            UserError: the name cannot be one, there are too many, or the file cannot be written.
        """
        check_name(name)
        name = composed(name)
        with self._lock:
            entries = self._entries()
            new = name not in entries
            if new and len(entries) >= MOST:
                raise UserError(f"There are {MOST} presets already: delete one first.")
            entries[name] = patch.to_json()
            self._write(entries)
            return new

    def delete(self, name: str) -> bool:
        """Forgets a preset; whether there was one. Raises UserError: the file cannot be read or written."""
        name = composed(name)
        with self._lock:
            entries = self._entries()
            if name not in entries:
                return False
            del entries[name]
            self._write(entries)
            return True

    def _entries(self) -> dict[str, Any]:
        try:
            descriptor = os.open(self._path, _READ)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise unusable(_why(self._path, error)) from error
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
                raise unusable("it is no file, or far too large")
            with open(descriptor, "rb", closefd=False) as file:
                content = file.read(LARGEST)
        finally:
            os.close(descriptor)
        try:
            entries = json.loads(content)["presets"]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise unusable("it is not as it was written") from error
        if not isinstance(entries, dict):
            raise unusable("it is not as it was written")
        return entries

    def _write(self, entries: dict[str, Any]) -> None:
        document = {"darktimbre": "presets", "version": 1, "bundle": self._bundle, "presets": entries}
        # ASCII alone: an entry that somebody wrote into the file may hold half a surrogate pair, which UTF-8 has not.
        content = json.dumps(document, indent=1) + "\n"
        if len(content) > LARGEST:
            raise UserError("All presets together are too large: delete some first.")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(self._path) as temporary:
                temporary.write_text(content, encoding="utf-8")
        except OSError as error:
            raise unusable(error.strerror or type(error).__name__) from error


def check_name(name: str) -> None:
    """Refuses what cannot be a preset's name. Raises UserError: empty, too long, with a slash, or not printable.

    Nor may it hold the sign that stands for bytes that are no UTF-8: names that differ in these alone would be one.
    """
    if not name.strip() or len(name) > NAME or not name.isprintable() or any(sign in name for sign in "/\\\ufffd"):
        raise UserError(f"A preset's name has 1 to {NAME} printable characters of UTF-8 and no slash.")


def unusable(why: str) -> UserError:
    """The presets' file cannot be used; its path is not the page's business."""
    return UserError(f"The file of presets cannot be used ({why}): mend it or move it away.")


def _patches(entries: dict[str, Any]) -> tuple[dict[str, Patch], int]:
    read = {}
    for name, entry in entries.items():
        try:
            check_name(name)
            read[name] = Patch.from_json(entry)
        except UserError:
            continue
    return read, len(entries) - len(read)


def _why(path: Path, error: OSError) -> str:
    return "it is a link" if path.is_symlink() else error.strerror or type(error).__name__
