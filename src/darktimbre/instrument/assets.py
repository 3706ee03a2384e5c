"""The page's files, read into memory at the start: what a request names is looked up in a dict, never on the disk."""

import mimetypes
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple


class PageFile(NamedTuple):
    """One file of the page, in memory."""

    content: bytes
    kind: str


def page_files(folder: Any = None) -> dict[str, PageFile]:
    """The page's files by name, read once; what is no plain file directly in the folder is left out."""
    root = resources.files("darktimbre.instrument") / "page" if folder is None else folder
    files = {}
    for entry in root.iterdir():
        if entry.is_file() and not (isinstance(entry, Path) and entry.is_symlink()) and not entry.name.startswith("."):
            kind = mimetypes.guess_type(entry.name)[0] or "application/octet-stream"
            files[entry.name] = PageFile(entry.read_bytes(), "text/javascript" if entry.name.endswith(".js") else kind)
    return files
