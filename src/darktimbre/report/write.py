"""A room's template and its tables and figures → a report: Markdown, HTML, JSON and drawings.

A template of a report is written once for both languages: it calls the macros `section`, `text`, `list`, `table`,
`note`, `figure`, `fold` and `sounds` of `doc`, which are `templates/markdown.jinja` or `templates/html.jinja`.
"""

import base64
import re
from collections.abc import Callable, Mapping
from functools import cache, partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from darktimbre.audio.atomic import atomic_file
from darktimbre.notes.text import json_text, legible
from darktimbre.report.figures import inline, rendered
from darktimbre.report.own import refuse_foreign

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MEDIA = {".wav": "audio/wav", ".flac": "audio/flac", ".ogg": "audio/ogg", ".mp3": "audio/mpeg"}
# An interval in brackets is no link and stays as it is, so that the file reads well as plain text too.
_SPECIAL = re.compile(r"\[[−\d][−\d., ]*\](?![(\[:])|[\\`*_{}\[\]<>|#~$]")
_LIST = re.compile(r"^(?:(\d+)([.)])(?=\s|$)|([-+=]))")


def write(
    folder: Path,
    template: str,
    data: Any,
    *,
    package: str,
    figures: Mapping[str, Callable[[], "Figure"]],
    stem: str = "report",
    **found: Any,
) -> None:
    """Writes `report.md`, `report.html`, `report.json` and `figures/`; sounds lie in the folder already.

    Equal values give equal bytes. Every file appears whole or not at all; figures of an earlier report that this one
    does not have are removed.

    Args:
        folder: made if need be.
        template: in `templates/` of the package; a figure that it shows without there being one is left out.
        data: what `report.json` holds, in JSON's types.
        package: whose template it is.
        figures: what draws each figure, by name.
        stem: name of the files.
        found: what the template shows.

    Raises:
        UserError: a file of that name is there that is no report.
    """
    refuse_foreign(folder, stem)
    folder.mkdir(parents=True, exist_ok=True)
    drawings = {}
    for name, draw in figures.items():
        (folder / "figures").mkdir(exist_ok=True)
        png, drawings[name] = rendered(draw)
        _write(folder / "figures" / f"{name}.png", png)
        _write(folder / "figures" / f"{name}.svg", drawings[name].encode())
    for name in _figures_of(folder / f"{stem}.md") - drawings.keys():
        for suffix in ("png", "svg"):
            (folder / "figures" / f"{name}.{suffix}").unlink(missing_ok=True)
    address = partial(sound_address, folder)
    for language, suffix in (("html", "html"), ("markdown", "md")):  # the page first: by it a report is known
        text = render(package, template, language, drawings=drawings, address=address, **found)
        _write(folder / f"{stem}.{suffix}", legible(text).encode())
    _write(folder / f"{stem}.json", json_text(data, allow_nan=False).encode())


def _figures_of(report: Path) -> set[str]:
    """The figures that an earlier report shows; what else lies in the folder of figures is not its own."""
    text = report.read_text(encoding="utf-8", errors="replace") if report.is_file() else ""
    return set(re.findall(r"\(figures/([\w.-]+)\.(?:png|svg)\)", text))


def _write(path: Path, content: bytes) -> None:
    with atomic_file(path.absolute()) as temporary:
        temporary.write_bytes(content)


def render(package: str, template: str, language: str, *, drawings: Any = (), address: Any = None, **found: Any) -> str:
    """The report in "markdown" or "html", the latter one page that holds everything and fetches nothing."""
    environment = _environment(package, language)
    headings: list[tuple[str, str]] = []
    doc = environment.get_template(f"{language}.jinja").make_module(
        {"drawings": drawings, "address": address, "headings": headings}
    )
    text = environment.get_template(template).render(doc=doc, figures=drawings, **found)
    page = doc.page(Markup(text))  # type: ignore[attr-defined]
    return re.sub(r"\n{3,}", "\n\n", str(page)).strip() + "\n"


@cache
def _environment(package: str, language: str) -> Environment:
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("darktimbre.report"), PackageLoader(package)]), autoescape=True,
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        finalize=_safe if language == "markdown" else None,
    )  # fmt: skip
    safe = _safe if language == "markdown" else escape
    environment.filters |= {
        "line": lambda text: Markup(re.sub(r"[ \n]+", " ", safe(text)).strip()),
        "address": lambda file: Markup(quote(file)),
        "drawing": lambda svg, name, alt: Markup(inline(svg, name, str(Markup(alt).unescape()))),
        "groups": lambda columns: [(key, len(list(those))) for key, those in groupby(columns, attrgetter("group"))],
    }
    return environment


def _safe(value: object) -> Markup:
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
