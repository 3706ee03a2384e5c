"""Where frozen networks' weights come from and where they are kept: official sources, an explicit fetch, a user's file.

The cache is `$DARKTIMBRE_HOME/weights`, or the platform's folder for user data. Each network has one file there and a
line in `weights.json`: the SHA-256 of what was given and of what is kept (YAMNet and MusiCNN as safetensors).
"""

import json
import os
import shutil
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from darktimbre.audio.atomic import atomic_file
from darktimbre.audio.download import Unreachable, download, sha256
from darktimbre.notes.errors import UserError
from darktimbre.notes.home import home as data_folder


@dataclass(frozen=True, slots=True)
class Source:
    """An official file, by the teacher's name in `SOURCES`."""

    address: str  # official HTTPS address
    megabytes: int  # rounded size, for people
    limit: int  # bytes after which a download is cut off as not being this file
    licence: str  # SPDX name
    sha256: str  # of the file. The hosts of teachers publish none; these are what many independent projects pin.
    teacher: bool = True  # whether it tags a corpus; else it only measures


@dataclass(frozen=True, slots=True)
class Given:
    """A file that is only ever added by hand: nobody vouches for a digest that a download could be compared with."""

    file: str  # how it is called where it is published
    project: str  # who publishes it
    megabytes: int  # as in `Source`
    limit: int


_TABLES = tomllib.loads(files("darktimbre.teachers").joinpath("data/weights.toml").read_text(encoding="utf-8"))
SOURCES = {name: Source(**table) for name, table in _TABLES["fetched"].items()}
GIVEN = {name: Given(**table) for name, table in _TABLES["given"].items()}


def home() -> Path:
    """The folder of all kept weights; it need not exist."""
    return data_folder() / "weights"


def _entries() -> dict[str, Any]:
    try:
        entries = json.loads((home() / "weights.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"{home() / 'weights.json'} can't be read ({error}); delete it and add them again.") from None
    return entries if isinstance(entries, dict) else {}


def _source(name: str) -> Source:
    if name == "embedded":
        raise UserError("The embedded teacher ships with darktimbre; there is nothing to fetch or add.")
    if name in GIVEN:
        raise UserError(
            f"The weights of {name} are not fetched (only those of {', '.join(SOURCES)} are): get "
            f"{GIVEN[name].file} from {GIVEN[name].project} and run `darktimbre weights add {name} FILE`."
        )
    if name not in SOURCES:
        raise UserError(f"There are no weights called {name!r}; choose one of {', '.join((*SOURCES, *GIVEN))}.")
    return SOURCES[name]


def kept(name: str) -> dict[str, Any] | None:
    """What `weights.json` says of a teacher, or None when its file is not there."""
    entry = _entries().get(name)
    return entry if entry and (home() / entry["file"]).is_file() else None


def locate(name: str) -> Path:
    """The kept file of a teacher. Raises UserError: there is none; the sentence says how to get it."""
    entry = kept(name)
    if entry is not None:
        return home() / entry["file"]
    if name in GIVEN:
        raise UserError(
            f"The weights of {name} are not on this machine: get {GIVEN[name].file} from {GIVEN[name].project} and run "
            f"`darktimbre weights add {name} FILE`."
        )
    raise UserError(
        f"The weights of {name} are not on this machine: run `darktimbre weights fetch {name}`, or "
        f"`darktimbre weights add {name} FILE` with a file you have{_or_else(name, ', or')}."
    )


def _or_else(name: str, conjunction: str) -> str:
    """What to do without a teacher's weights."""
    shipped = f"{conjunction} use `--teacher embedded`, which ships with darktimbre"
    return shipped if name in SOURCES and SOURCES[name].teacher else ""


def add(name: str, path: Path) -> Path:
    """Checks a file by loading it, and keeps a copy; YAMNet's and MusiCNN's are converted to safetensors.

    Returns:
        The kept file.

    Raises:
        UserError: the file is not what `name` needs.
    """
    source = GIVEN[name] if name in GIVEN else _source(name)
    if not path.is_file():
        raise UserError(f"There is no file {path}.")
    if path.stat().st_size > source.limit:
        raise UserError(f"{path} has {path.stat().st_size >> 20} MB; {name} has about {source.megabytes}.")
    folder = home()
    folder.mkdir(parents=True, exist_ok=True)
    if name == "yamnet":
        from darktimbre.teachers.frozen import write_converted
        from darktimbre.teachers.yamnet import YamnetTagger
        from darktimbre.teachers.yamnet_files import read

        digest = YamnetTagger.load(path).digest
        target = folder / "yamnet.safetensors"
        write_converted(target, name, read(path)[0], digest)
    elif name == "musicnn":
        from darktimbre.teachers.frozen import write_converted
        from darktimbre.teachers.musicnn_files import read_wheel

        digest = sha256(path)
        target = folder / "musicnn.safetensors"
        write_converted(target, name, read_wheel(path), digest)
    else:
        from darktimbre.teachers import cnn14, vggish

        if name == "vggish":
            vggish.read_checkpoint(path)
        else:
            cnn14.read_checkpoint(path, name)
        digest = sha256(path)
        target = folder / f"{name}.pth"
        if not (target.exists() and target.samefile(path)):
            with atomic_file(target) as temporary:
                shutil.copyfile(path, temporary)
    entries = _entries()
    entries[name] = {
        "file": target.name,
        "source_sha256": digest,
        "sha256": sha256(target),
        "bytes": target.stat().st_size,
    }
    with atomic_file(folder / "weights.json") as temporary:
        temporary.write_text(json.dumps(entries, indent=1), encoding="utf-8")
    return target


def fetch(
    name: str, *, sha256_wanted: str | None = None, progress: Callable[[int, int | None], None] | None = None
) -> Path:
    """Downloads the official file, compares its digest, and keeps it as `add` does. Nothing else here downloads.

    Args:
        name: a teacher of `SOURCES`.
        sha256_wanted: digest that the file must have; by default the registry's.
        progress: called with (bytes so far, bytes in all or None).

    Raises:
        UserError: no connection, a digest that differs, or a file that is not the teacher's.
    """
    source = _source(name)
    wanted = (sha256_wanted or source.sha256).strip().lower()
    folder = home()
    folder.mkdir(parents=True, exist_ok=True)
    # The file keeps the suffix that readers go by, and goes away whatever happens.
    fetched = folder / f".{name}.{os.getpid()}.download"
    try:
        download(source.address, fetched, limit=source.limit, what=name, progress=progress)
        if (found := sha256(fetched)) != wanted:
            raise UserError(
                f"The file from {source.address} has SHA-256 {found}, not {wanted}; it was thrown away. Try again, or "
                f"give --sha256 where you know that the official file has changed."
            )
        return add(name, fetched)
    except Unreachable as reason:
        raise UserError(
            f"{source.address} can't be reached ({reason}). Fetch it where you are online, copy it here, and run "
            f"`darktimbre weights add {name} FILE`{_or_else(name, '; or')}."
        ) from None
    finally:
        fetched.unlink(missing_ok=True)


def verify() -> dict[str, str]:
    """Hashes every kept file again: teacher → "ok", or what is wrong."""
    states = {}
    for name, entry in _entries().items():
        path = home() / entry["file"]
        if not path.is_file():
            states[name] = f"{path} is missing"
        elif sha256(path) != entry["sha256"]:
            states[name] = f"{path} has changed since it was added; add it again"
        else:
            states[name] = "ok"
    return states
