"""An evaluation → the figures of the report, drawn without global state; equal evaluations give equal bytes.

An instrument keeps its colour, line style and marker through all figures, so that it is known in grey print too.
"""

import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from darktimbre.evaluation.results import Curve, Evaluation, System

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, FAINT, GRID, PAPER = "#1f2328", "#5b6470", "#d5dae0", "#ffffff"
# Okabe and Ito's colours for every kind of eye, darkened to stand 3 : 1 against white.
COLOURS = ("#0072b2", "#c2500a", "#007f5c", "#9c4f80", "#8a6400", "#3b3fa0")
DASHES: tuple[Any, ...] = (
    "solid",
    (0, (6, 2)),
    (0, (2, 1.5)),
    (0, (7, 2, 1.5, 2)),
    (0, (4, 1.5, 1, 1.5, 1, 1.5)),
    (0, (9, 3)),
)
MARKERS = ("o", "s", "^", "D", "v", "P")
_REAL_MARKERS = ("*", "<", ">")
_KIND_MARKERS = {"untrained": "x", "baseline": "d", "gansynth": "p"}
_DPI = 150  # of the PNGs
_SALT = "darktimbre"  # of the ids in the SVGs
_WIDE = 84  # letters that stand beside each other in a figure


@dataclass(frozen=True)
class Style:
    """How a system is drawn."""

    colour: str
    dash: Any
    marker: str


def styles(systems: Sequence[System]) -> dict[str, Style]:
    """By name; instruments steered by attributes take colours in turn, real notes are black and others grey."""
    found, place, real = {}, 0, 0
    for one in systems:
        if one.kind == "darkgan":
            turn = place // len(COLOURS)
            found[one.name] = Style(
                COLOURS[place % len(COLOURS)],
                DASHES[(place + turn) % len(DASHES)],
                MARKERS[(place + turn) % len(MARKERS)],
            )
            place += 1
        elif one.kind == "real":
            found[one.name] = Style(INK, "dashed", _REAL_MARKERS[real % len(_REAL_MARKERS)])
            real += 1
        else:
            found[one.name] = Style(FAINT, "dashed", _KIND_MARKERS[one.kind])
    return found


@contextmanager
def _settings() -> Iterator[None]:
    """matplotlib's settings for the time of drawing: text stays text, ids follow from the drawing, `$` is a dollar."""
    import matplotlib

    settings = {
        "svg.fonttype": "none", "svg.hashsalt": _SALT, "text.parse_math": False, "font.size": 10,
        "font.family": ["DejaVu Sans"], "axes.edgecolor": FAINT, "axes.labelcolor": INK, "text.color": INK,
        "xtick.color": FAINT, "ytick.color": FAINT, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
        "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": GRID,
        "grid.linewidth": 0.6, "axes.axisbelow": True, "legend.frameon": False, "axes.unicode_minus": True,
        "path.sketch": None, "axes.facecolor": "none",
    }  # fmt: skip
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()  # a user's own matplotlibrc must not change the report
        matplotlib.rcParams.update(settings)
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # names in any script: the SVG has them as text
        yield


def rendered(draw: Callable[[], "Figure"]) -> tuple[bytes, str]:
    """(PNG, SVG) of a figure."""
    with _settings():
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.backends.backend_svg import FigureCanvasSVG

        figure, png, svg = draw(), io.BytesIO(), io.BytesIO()
        FigureCanvasAgg(figure).print_figure(png, format="png", dpi=_DPI, metadata={"Software": None})
        FigureCanvasSVG(figure).print_figure(svg, format="svg", metadata={"Date": None, "Creator": None})
    return png.getvalue(), svg.getvalue().decode()


def canvas(width: float, height: float) -> "Figure":
    """An empty figure, in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), facecolor=PAPER, layout="constrained")


def legend(figure: "Figure", axes: "Axes") -> None:
    """Above the axes, in as many columns as there is room for."""
    handles, labels = axes.get_legend_handles_labels()
    longest = max((len(one) for one in labels), default=1)
    columns = max(1, min(len(labels), _WIDE // (longest + 9)))
    figure.legend(handles, labels, loc="outside upper left", ncols=columns, handlelength=3.2)


def short(name: str, room: int = 34) -> str:
    """A name that leaves room for the drawing."""
    return name if len(name) <= room else name[: room - 1] + "…"


# ── figures 2 and 3 ──────────────────────────────────────────────────────────────────────────────────────────────────


def curves(
    evaluation: Evaluation, read: Callable[[System], Curve | None], *, log: bool, across: str, up: str, limit: str
) -> "Figure":
    """A curve with its band for each system that has one, and a line at δ = 1, where the range of attributes ends."""
    figure = canvas(7.2, 4.2)
    axes = figure.add_subplot()
    look = styles(evaluation.systems)
    for system in evaluation.systems:
        curve = read(system)
        if curve is None:
            continue
        style = look[system.name]
        x = np.array(curve.increment, float)
        mean, low, high = (np.array(one, float) for one in (curve.mean, curve.low, curve.high))
        keep = x > 0 if log else np.ones(len(x), bool)
        axes.fill_between(x[keep], low[keep], high[keep], color=style.colour, alpha=0.16, linewidth=0)
        axes.plot(
            x[keep], mean[keep], color=style.colour, linestyle=style.dash, marker=style.marker, markersize=5,
            markevery=max(1, len(x) // 10), linewidth=1.8, label=short(system.name),
        )  # fmt: skip
    if log:
        axes.set_xscale("log")
        left, right = axes.get_xlim()
        ticks = [10.0**power for power in range(-6, 7) if left <= 10.0**power <= right]
        axes.set_xticks(ticks, [f"{one:g}" for one in ticks])
        axes.set_xlim(left, right)
    axes.axhline(0.0, color=FAINT, linewidth=0.9)
    left, right = axes.get_xlim()
    if left < 1.0 < right:
        axes.axvline(1.0, color=FAINT, linewidth=0.9, linestyle=(0, (1, 2)))
        axes.annotate(
            limit, (1.0, 1.0), xycoords=("data", "axes fraction"), xytext=(-4, -3), textcoords="offset points",
            ha="right", va="top", fontsize=8, color=FAINT,
        )  # fmt: skip
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    legend(figure, axes)
    return figure


def variation(evaluation: Evaluation) -> "Figure":
    """Shares of variance as bars that add up to 1, told apart by shade, hatching and their numbers."""
    known = [(one.name, one.variation) for one in evaluation.systems if one.variation is not None]
    figure = canvas(7.2, 1.3 + 0.42 * len(known))
    axes = figure.add_subplot()
    parts = (
        ("attributes", COLOURS[0], PAPER, ""),
        ("random vector z", GRID, INK, "//"),
        ("both together", PAPER, INK, ""),
    )
    for label, colour, ink, hatch in parts:
        field = {"attributes": "attributes", "random vector z": "latent", "both together": "both"}[label]
        for place, (_, one) in enumerate(known):
            left = {"attributes": 0.0, "latent": one.attributes, "both": one.attributes + one.latent}[field]
            share = float(getattr(one, field))
            axes.barh(
                place, share, left=left, height=0.62, color=colour, edgecolor=FAINT, linewidth=0.8, hatch=hatch,
                label=label if not place else None,
            )  # fmt: skip
            if share > 0.06:
                box = {"facecolor": colour, "edgecolor": "none", "pad": 1.5} if hatch else None
                axes.text(
                    left + share / 2,
                    place,
                    f"{100 * share:.0f}\u00a0%",
                    ha="center",
                    va="center",
                    color=ink,
                    fontsize=9,
                    bbox=box,
                )
    axes.set_yticks(range(len(known)), [short(name) for name, _ in known])
    axes.set_ylim(len(known) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of the variance at equal pitch")
    axes.grid(False)
    legend(figure, axes)
    return figure
