"""What lies in a folder of sounds as people have them: files to try, files to leave, and links that lead nowhere."""

import errno
import os
import stat
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from darktimbre.audio.headers import FOREIGN, HEAD_BYTES, sniff

AUDIO = frozenset(
    [
        ".wav", ".wave", ".aif", ".aiff", ".aifc", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2",
        ".mp1", ".mpga", ".bit", ".au", ".snd", ".caf", ".w64", ".rf64", ".voc", ".8svx", ".svx",
        ".iff", ".nist", ".sph", ".sf", ".ircam", ".paf", ".pvf", ".xi", ".htk", ".avr", ".sds",
        ".m4a", ".aac", ".wma", ".wv", ".ape", ".mpc", ".tta", ".tak", ".dsf", ".dff", ".amr", ".ra",
        ".mka",
    ]
)  # fmt: skip
"""Extensions that promise sound; such a file is either taken or listed with the reason why not."""

_KNOWN_OTHERS = frozenset(
    [
        ".txt", ".csv", ".tsv", ".json", ".jsonl", ".md", ".pdf", ".html", ".htm", ".xml", ".yaml",
        ".yml", ".rtf", ".doc", ".docx", ".url", ".ini", ".db", ".sfz", ".nki", ".nkm", ".exs",
        ".dspreset", ".adg", ".als", ".asd", ".fxp", ".mid", ".midi", ".png", ".jpg", ".jpeg",
        ".gif", ".svg", ".webp", ".zip", ".rar", ".7z", ".gz", ".tar", ".npy", ".parquet", ".py",
        ".sf2", ".sf3", ".mov", ".mp4", ".avi",
    ]
)  # fmt: skip
# Not opened at all; what has another extension, or none, is recognised by its first bytes.

TABLES = ("metadata.csv", "metadata.tsv", "metadata.jsonl")
"""Names of tables that are read, in small or capital letters."""
_OTHER_TABLES = tuple(f"metadata.{form}" for form in ("json", "xlsx", "xls", "ods", "parquet", "txt", "xml"))


@dataclass(slots=True)
class Found:
    """The yield of a walk; `files` and `refused` hold paths relative to the folder walked, with forward slashes."""

    files: list[str] = field(default_factory=list)
    metadata: list[str] = field(default_factory=list)
    other_tables: list[str] = field(default_factory=list)  # named as a table that is not read
    refused: list[tuple[str, str]] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)


def walk(folder: Path, leave_out: Path | None = None) -> Found:
    """Looks through a folder and all below it, following links but never twice into the same folder or file, and not
    into `leave_out`, the corpus being written."""
    found = Found()
    seen_files: set[tuple[int, int]] = set()
    links: list[tuple[str, tuple[int, int]]] = []
    home = _identity(os.stat(folder))
    seen_folders = {home}
    if leave_out is not None and leave_out.exists():
        left_out = _identity(os.stat(leave_out))
    else:
        left_out = None
    # A stack of its own: folders may be nested more deeply than Python calls may.
    stack: list[tuple[str, tuple[tuple[int, int], ...]]] = [("", (home,))]
    while stack:
        below, ancestors = stack.pop()
        try:
            entries = sorted(os.scandir(folder / below), key=lambda entry: (entry.is_symlink(), entry.name))
        except OSError as error:
            found.refused.append((below, f"folder cannot be read: {(error.strerror or str(error)).lower()}"))
            continue
        for entry in entries:
            name = f"{below}{entry.name}"
            if entry.name.startswith(".") or entry.name == "__MACOSX":
                found.ignored["hidden"] += 1
                continue
            try:
                status = entry.stat()
            except OSError as error:
                found.refused.append((name, _why_no_status(entry, error)))
                continue
            identity = _identity(status)
            if stat.S_ISDIR(status.st_mode):
                if identity == left_out:
                    continue
                if identity in ancestors:
                    found.refused.append((name, "symbolic link loop: it leads back to a folder it lies in"))
                elif identity in seen_folders:
                    found.ignored["link to a folder already read"] += 1
                else:
                    seen_folders.add(identity)
                    stack.append((f"{name}/", (*ancestors, identity)))
            elif entry.name.lower() in TABLES:
                found.metadata.append(name)
            elif entry.name.lower() in _OTHER_TABLES:
                found.other_tables.append(name)
                found.ignored[os.path.splitext(name)[1].lower()] += 1
            elif _worth_trying(entry, stat.S_ISREG(status.st_mode), found):
                if not stat.S_ISREG(status.st_mode):
                    found.refused.append((name, "not a regular file"))
                elif entry.is_symlink():
                    links.append((name, identity))
                else:
                    seen_files.add(identity)
                    found.files.append(name)
    for name, identity in links:
        if identity in seen_files:
            found.ignored["link to a file already read"] += 1
        else:
            seen_files.add(identity)
            found.files.append(name)
    found.files.sort()
    return found


def _worth_trying(entry: os.DirEntry[str], regular: bool, found: Found) -> bool:
    """Whether a file may hold sound, by its extension or else by its first bytes; counts it where it may not."""
    extension = os.path.splitext(entry.name)[1].lower()
    if extension in AUDIO:
        return True
    if regular and extension not in _KNOWN_OTHERS:
        try:
            with open(entry.path, "rb") as file:
                kind = sniff(file.read(HEAD_BYTES))
        except OSError:
            kind = None  # no audio name and not readable: nothing says that it is a sound
        if kind is not None and kind not in FOREIGN:
            return True
    found.ignored[extension or "no extension"] += 1
    return False


def _why_no_status(entry: os.DirEntry[str], error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "symbolic link loop"
    if entry.is_symlink() and error.errno == errno.ENOENT:
        return "symbolic link to a file that is not there"
    return f"cannot be read: {(error.strerror or str(error)).lower()}"


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
