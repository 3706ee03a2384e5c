"""Estimates → the charts of a report, drawn without global state; equal estimates give equal bytes.

A chart is as readable in grey print (markers and dashes differ) and on a dark page (`inline` hands it the colours).
"""

import io
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from darktimbre.report.estimates import Estimate, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, FAINT, GRID, PAPER = "#1f2328", "#5b6470", "#d5dae0", "#ffffff"
# Okabe and Ito's colours for every kind of eye, darkened to stand 3 : 1 against white.
COLOURS = ("#0072b2", "#c2500a", "#007f5c", "#9c4f80", "#8a6400", "#3b3fa0")
DASHES: Any = ("solid", (0, (6, 2)), (0, (2, 1.5)), (0, (7, 2, 1.5, 2)), (0, (4, 1.5, 1, 1.5, 1, 1.5)), (0, (9, 3)))
MARKERS = ("o", "s", "^", "D", "v", "P")
DOTTED = (0, (1, 2))
WIDTH = 7.2  # inches
_DPI = 150  # of the PNGs
_SALT = "darktimbre"  # of the ids in the SVGs
_WIDE = 84  # letters that stand beside each other in a figure
_ROOM = 4.0  # what would stretch an axis more than so many times may be pointed to instead
_SETTINGS = {
    "svg.fonttype": "none", "svg.hashsalt": _SALT, "text.parse_math": False, "font.size": 10,
    "font.family": ["DejaVu Sans"], "axes.edgecolor": FAINT, "axes.labelcolor": INK, "text.color": INK,
    "xtick.color": FAINT, "ytick.color": FAINT, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": GRID,
    "grid.linewidth": 0.6, "axes.axisbelow": True, "legend.frameon": False, "axes.unicode_minus": True,
    "path.sketch": None, "axes.facecolor": "none",
}  # fmt: skip


@dataclass(frozen=True)
class Style:
    """How the dots and lines of one system are drawn."""

    colour: str
    dash: Any
    marker: str


def series(place: int) -> Style:
    """The style of the n-th of the systems that differ by colour."""
    turn = place // len(COLOURS)
    return Style(COLOURS[place % 6], DASHES[(place + turn) % 6], MARKERS[(place + turn) % 6])


def rendered(draw: Callable[[], "Figure"]) -> tuple[bytes, str]:
    """A figure as PNG and as SVG."""
    with _settings():
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.backends.backend_svg import FigureCanvasSVG

        figure, png, svg = draw(), io.BytesIO(), io.BytesIO()
        FigureCanvasAgg(figure).print_figure(png, format="png", dpi=_DPI, metadata={"Software": None})
        FigureCanvasSVG(figure).print_figure(svg, format="svg", metadata={"Date": None, "Creator": None})
    return png.getvalue(), svg.getvalue().decode()


@contextmanager
def _settings() -> Iterator[None]:
    """matplotlib's settings while drawing: text stays text, ids follow from the drawing, `$` is a dollar."""
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()  # a user's own matplotlibrc must not change the report
        matplotlib.rcParams.update(_SETTINGS)
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # names in any script: the SVG has them as text
        yield


def canvas(height: float) -> "Figure":
    """An empty figure, in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height), facecolor=PAPER, layout="constrained")


def legend(figure: "Figure", axes: "Axes") -> None:
    """Above the axes, in as many columns as there is room for."""
    handles, labels = axes.get_legend_handles_labels()
    longest = max((len(one) for one in labels), default=1)
    columns = max(1, min(len(labels), _WIDE // (longest + 9)))
    figure.legend(handles, labels, loc="outside upper left", ncols=columns, handlelength=3.2)


def short(name: str, room: int = 34) -> str:
    """A name that leaves room for the drawing."""
    return name if len(name) <= room else name[: room - 1] + "…"


# ── dots with intervals ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Dot:
    """One dot; `outlier`: it is pointed to where it would stretch the axis too far."""

    style: Style
    x: Estimate
    y: Estimate | float
    label: str = ""
    filled: bool = True
    outlier: bool = False


def dots(axes: "Axes", shown: Sequence[Dot]) -> None:
    """Dots with the intervals of x and of y, on an axis with room for all, which outliers are pointed to from."""
    shown = [one for one in shown if one.x.known and (isinstance(one.y, float) or one.y.known)]
    left, right = _limits(shown)
    for one in shown:
        x, y = float(one.x), float(one.y)
        if not left <= x <= right:
            _point_to(axes, x, y, left, one.label)
            continue
        up = None if isinstance(one.y, float) else one.y.interval
        for across, down in ((one.x.interval, [y, y]), ([x, x], up)):
            if across and down:
                axes.plot(across, down, color=one.style.colour, linewidth=1.5, solid_capstyle="butt")
        axes.plot(
            [x], [y], marker=one.style.marker, markersize=8 if one.style.marker == "*" else 6, color=one.style.colour,
            markerfacecolor=one.style.colour if one.filled else PAPER, linestyle="none", label=short(one.label) or None,
        )  # fmt: skip
    axes.set_xlim(left, right)


def _limits(shown: Sequence[Dot]) -> tuple[float, float]:
    """Ends of an axis that has room for all intervals; for outliers only where they are not far off."""

    def reach(those: Sequence[Dot]) -> list[float]:
        return [end for one in those for end in one.x.interval or [float(one.x)]]

    whole = reach(shown) or [0.0, 1.0]
    near = reach([one for one in shown if not one.outlier]) or whole
    if max(whole) - min(whole) <= _ROOM * (max(near) - min(near)):
        near = whole
    margin = 0.12 * (max(near) - min(near)) or 0.1 * abs(near[0]) or 1.0
    return min(near) - margin, max(near) + margin


def _point_to(axes: "Axes", x: float, y: float, left: float, label: str) -> None:
    """An arrow and a figure for what is off the scale."""
    below, figure = x < left, number(x, 0 if abs(x) >= 100 else 1)
    text = f"{label} ({figure})" if label else figure
    axes.annotate(
        f"◂ {text}" if below else f"{text} ▸", (0.0 if below else 1.0, y), xycoords=("axes fraction", "data"),
        ha="left" if below else "right", va="bottom" if label else "center", fontsize=8, color=FAINT,
        xytext=(2 if below else -2, 2 if label else 0), textcoords="offset points",
    )  # fmt: skip


def rows(axes: "Axes", labels: Sequence[str], places: Sequence[float] | None = None) -> None:
    """Labels of rows along the y-axis, from the top."""
    places = places or range(len(labels))
    pitch = min(np.diff(places), default=1.0) if len(places) > 1 else 1.0
    axes.set_yticks(places, [short(one) for one in labels])
    axes.set_ylim(max(places, default=0) + pitch / 2, -pitch / 2)
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)


def guide(axes: "Axes", x: float, label: str, *, upright: bool = False) -> None:
    """A dotted line at x, with what it means."""
    axes.axvline(x, color=FAINT, linewidth=0.9, linestyle=DOTTED)
    axes.annotate(
        label, (x, 0.02 if upright else 1.0), xycoords=("data", "axes fraction"), textcoords="offset points",
        xytext=(3, 0) if upright else (-4, -3), ha="left" if upright else "right", va="bottom" if upright else "top",
        fontsize=8, color=FAINT, rotation=90 if upright else 0,
    )  # fmt: skip


# ── curves with bands; bars of shares ────────────────────────────────────────────────────────────────────────────────


def curve(axes: "Axes", label: str, style: Style, points: NDArray[np.float64]) -> None:
    """A curve with its band: points (x | mean | low | high, point)."""
    x, mean, low, high = points
    axes.fill_between(x, low, high, color=style.colour, alpha=0.16, linewidth=0)
    axes.plot(
        x, mean, color=style.colour, linestyle=style.dash, marker=style.marker, markersize=5,
        markevery=max(1, len(x) // 10), linewidth=1.8, label=short(label),
    )  # fmt: skip


def shares(labels: Sequence[str], parts: Mapping[str, Sequence[float]], across: str) -> "Figure":
    """Bars of up to three parts that add up to 1, distinguished by shade, hatching and their numbers."""
    figure = canvas(1.3 + 0.42 * len(labels))
    axes = figure.add_subplot()
    left = np.zeros(len(labels))
    shades = ((COLOURS[0], PAPER, ""), (GRID, INK, "//"), (PAPER, INK, ""))
    for (label, values), (colour, ink, hatch) in zip(parts.items(), shades, strict=True):
        bars = axes.barh(
            range(len(labels)), values, left=left, height=0.62, color=colour, edgecolor=FAINT, linewidth=0.8,
            hatch=hatch, label=label,
        )  # fmt: skip
        shown = [f"{100 * share:.0f}\u00a0%" if share > 0.06 else "" for share in values]
        box = {"facecolor": colour, "edgecolor": "none", "pad": 1.5} if hatch else None
        axes.bar_label(bars, shown, label_type="center", color=ink, fontsize=9, bbox=box)
        left += np.asarray(values)
    rows(axes, labels)
    axes.set_xlim(0, 1)
    axes.set_xlabel(across)
    axes.grid(False)
    legend(figure, axes)
    return figure


# ── onto the page ────────────────────────────────────────────────────────────────────────────────────────────────────

_VARIABLES = {INK: "ink", FAINT: "faint", GRID: "grid", PAPER: "paper"} | {
    colour: f"series-{place}" for place, colour in enumerate(COLOURS)
}


def inline(svg: str, name: str, alt: str) -> str:
    """The `<svg>` element alone, fit to stand beside others: ids of its own, colours of the page's theme, words for it.

    `svg` is a whole file as matplotlib writes it, `name` starts all its ids, `alt` says in words what it shows.
    """
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", body).replace("xlink:href", "href")
    # Matplotlib numbers from 1 in every file: without a name before them ids would meet on one page.
    body = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', body)
    body = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', body)
    body = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", body)
    body = re.sub(r'\b(fill|stroke)="(#[0-9a-f]{6})"', r'style="\1: \2"', body)
    for colour, variable in _VARIABLES.items():
        body = body.replace(f": {colour}", f": var(--{variable})")
    end = body.index(">")
    opening = re.sub(r'\s(width|height)="[^"]*"', "", body[:end])
    return f'{opening} role="img" aria-label="{escape(alt, quote=True)}">{body[end + 1 :].strip()}'
