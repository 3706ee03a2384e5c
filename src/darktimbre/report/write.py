"""Sections of a report → its files: Markdown, HTML, JSON and figures; and texts from a room's templates."""

import base64
import json
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from darktimbre.audio.atomic import atomic_file
from darktimbre.report.document import Block, Bullets, Figure, Fold, Section, Sounds, Table, Text
from darktimbre.report.figures import inline, rendered

_MEDIA = {".wav": "audio/wav", ".flac": "audio/flac", ".ogg": "audio/ogg", ".mp3": "audio/mpeg"}
# An interval in brackets is no link and stays as it is, so that the file reads well as plain text too.
_SPECIAL = re.compile(r"\[[−\d][−\d., ]*\](?![(\[:])|[\\`*_{}\[\]<>|#~$]")
_LIST = re.compile(r"^(?:(\d+)([.)])(?=\s|$)|([-+=]))")


def write(
    folder: Path, title: str, sections: Sequence[Section], data: Any, *, stem: str = "report", page: bool = True
) -> None:
    """Writes `report.md`, `report.html`, `report.json` and `figures/`; sounds lie in the folder already.

    Equal sections give equal bytes. Every file appears whole or not at all; figures of an earlier report that this
    one does not have are removed.

    Args:
        folder: made if need be.
        title: of the report.
        sections: its parts.
        data: what `report.json` holds, in JSON's types.
        stem: name of the files.
        page: whether there is an HTML page too, and figures.
    """
    figures = {one.name: one for section in sections for one in _figures(section.blocks)}
    drawings: dict[str, str] = {}
    folder.mkdir(parents=True, exist_ok=True)
    if page:
        (folder / "figures").mkdir(exist_ok=True)
        for name, one in figures.items():
            png, drawings[name] = rendered(one.draw)
            _write(folder / "figures" / f"{name}.png", png)
            _write(folder / "figures" / f"{name}.svg", drawings[name].encode())
        for old in (folder / "figures").iterdir():
            if old.suffix in (".png", ".svg") and old.stem not in drawings:
                old.unlink()
        _write(folder / f"{stem}.html", html(title, sections, drawings, folder).encode())
    _write(folder / f"{stem}.md", markdown(title, sections).encode())
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, indent=1)
    _write(folder / f"{stem}.json", (text + "\n").encode())


def _figures(blocks: Sequence[Block]) -> Iterator[Figure]:
    for block in blocks:
        if isinstance(block, Figure):
            yield block
        elif isinstance(block, Fold):
            yield from _figures(block.blocks)


def _write(path: Path, content: bytes) -> None:
    with atomic_file(path.absolute()) as temporary:
        temporary.write_bytes(content)


def markdown(title: str, sections: Sequence[Section]) -> str:
    """The report as Markdown; figures and sounds are links to the files beside it."""
    text = _environment("markdown").get_template("report.md.jinja").render(title=title, sections=sections)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def html(title: str, sections: Sequence[Section], drawings: dict[str, str], folder: Path) -> str:
    """The report as one page that holds its style, figures and sounds and fetches nothing.

    Args:
        title: of the page.
        sections: its parts.
        drawings: SVG of each figure by name.
        folder: where the sounds' files lie.
    """
    template = _environment("html").get_template("report.html.jinja")
    return template.render(
        title=title, sections=sections, address=partial(sound_address, folder),
        drawing=lambda one: Markup(inline(drawings[one.name], one.name, one.alt)),
    )  # fmt: skip


@cache
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=PackageLoader("darktimbre.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, finalize=_finalize if language == "markdown" else None,
    )  # fmt: skip
    for kind in (Text, Bullets, Table, Figure, Sounds, Fold):
        environment.tests[kind.__name__.lower()] = partial(_is, kind)
    environment.filters["address"] = lambda file: Markup(quote(file))
    environment.filters["groups"] = lambda columns: [
        (group, len(list(those))) for group, those in groupby(columns, attrgetter("group"))
    ]
    return environment


def _is(kind: type, block: object) -> bool:
    return isinstance(block, kind)


def _finalize(value: object) -> Markup:
    return value if isinstance(value, Markup) else Markup(escaped(str(value)))


def escaped(text: str) -> str:
    """Text that Markdown (and the HTML in it) takes for nothing else; line breaks become spaces."""
    quiet = " ".join(text.replace("&", "&amp;").split())
    quiet = _SPECIAL.sub(lambda found: found[0] if len(found[0]) > 1 else f"\\{found[0]}", quiet)
    return _LIST.sub(lambda found: f"{found[1]}\\{found[2]}" if found[1] else f"\\{found[3]}", quiet)


def sound_address(folder: Path, file: str) -> str | None:
    """A sound as a data: URI; None where its file is not there, is not below the folder or is not sound."""
    path = (folder / file).resolve()
    media = _MEDIA.get(path.suffix.lower())
    if media is None or not path.is_relative_to(folder.resolve()) or not path.is_file():
        return None
    return f"data:{media};base64,{base64.b64encode(path.read_bytes()).decode()}"


def texts(package: str) -> Callable[..., str]:
    """A function (name, **values) → text from the macros of `templates/report.jinja` of a package; plain, on one line.

    Lines that a macro leaves empty are dropped; the others become one.
    """

    @cache
    def macros() -> Any:
        loader = PackageLoader(package)
        return (
            Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True).get_template("report.jinja").module
        )

    def text(name: str, *values: Any, **named: Any) -> str:
        return re.sub(r"[ \n]+", " ", str(getattr(macros(), name)(*values, **named))).strip()

    return text
