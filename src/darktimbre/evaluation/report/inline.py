"""A figure's SVG → a piece of the page: ids of its own, colours of the page's theme, words for it."""

import re
from html import escape

from darktimbre.evaluation.report.figures import COLOURS, FAINT, GRID, INK, PAPER

_VARIABLES = {INK: "ink", FAINT: "faint", GRID: "grid", PAPER: "paper"} | {
    colour: f"series-{place}" for place, colour in enumerate(COLOURS)
}
_HEX = re.compile("|".join(_VARIABLES), re.IGNORECASE)


def inline(svg: str, name: str, alt: str) -> str:
    """The `<svg>` element alone, fit to stand beside others.

    Args:
        svg: a whole file as matplotlib writes it.
        name: of the figure; begins all its ids.
        alt: what it shows, in words.
    """
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", body).replace("xlink:href", "href")
    # Matplotlib numbers from 1 in every file: without a name before them ids would meet on one page.
    body = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', body)
    body = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', body)
    body = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", body)
    body = re.sub(r'(style="[^"]*")', lambda found: _HEX.sub(_variable, found[0]), body)
    body = re.sub(r'\b(fill|stroke)="(#[0-9a-fA-F]{6})"', _attribute, body)
    end = body.index(">")
    opening = re.sub(r'\s(width|height)="[^"]*"', "", body[:end])
    label = f'{opening} role="img" aria-label="{escape(alt, quote=True)}"'
    return f"{label}>{body[end + 1 :].strip()}"


def _variable(found: re.Match[str]) -> str:
    return f"var(--{_VARIABLES[found[0].lower()]})"


def _attribute(found: re.Match[str]) -> str:
    name = _VARIABLES.get(found[2].lower())
    return f'style="{found[1]}: var(--{name})"' if name else found[0]
