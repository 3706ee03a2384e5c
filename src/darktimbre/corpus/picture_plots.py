"""Small pictures for the eye: rows of digits, one row a class."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from darktimbre.audio.pictures import save_png
from darktimbre.corpus.corpus import Corpus

COLUMNS = 16  # pictures of a class


def draw_rows(rows: Sequence[tuple[str, NDArray[np.float32]]], path: Path, *, heading: str = "") -> Path:
    """Draws rows of pictures, each with a title at its left, into a PNG written whole or not at all.

    Args:
        rows: (title, pictures (picture, channel, height, width) in [−1, 1]); a row may be shorter, or empty.
        path: the PNG.
        heading: above all rows.
    """
    from matplotlib.figure import Figure  # no pyplot: no global state, no window

    shape = next((pictures.shape[2:] for _, pictures in rows if len(pictures)), (28, 28))
    columns = max([len(pictures) for _, pictures in rows] + [1])
    whole = np.full((len(rows) * (shape[0] + 2), columns * (shape[1] + 2)), 0.85, np.float32)
    for number, (_, pictures) in enumerate(rows):
        for place, picture in enumerate(pictures):
            top, left = number * (shape[0] + 2) + 1, place * (shape[1] + 2) + 1
            whole[top : top + shape[0], left : left + shape[1]] = np.clip((picture.mean(0) + 1) / 2, 0, 1)
    margin, title, scale = 1.1, 0.4 * bool(heading), 0.016  # inches; inches a pixel
    width, height = whole.shape[1] * scale, whole.shape[0] * scale
    figure = Figure(figsize=(width + margin, height + title + 0.1), facecolor="white")
    across, down = figure.get_size_inches()
    axes = figure.add_axes((margin / across, 0.05 / down, width / across, height / down))
    axes.imshow(whole, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
    axes.set_yticks([(number + 0.5) * (shape[0] + 2) for number in range(len(rows))], [name for name, _ in rows])
    axes.set_xticks([])
    axes.tick_params(length=0, labelsize=8)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if heading:
        figure.text(margin / across, 1 - 0.24 / down, heading, fontsize=9)
    return save_png(figure, path, dpi=125)


def save_classes(corpus: Corpus, path: Path) -> Path:
    """Draws some pictures of every class of a corpus, evenly spread over its rows."""
    category, rows = corpus.column("category"), []
    for name in np.unique(category):
        here = np.flatnonzero(category == name)
        chosen = here[np.linspace(0, len(here) - 1, min(COLUMNS, len(here))).astype(np.int64)]
        rows.append((f"{name} ({len(here):,})", corpus.pictures(chosen)))
    return draw_rows(rows, path, heading=f"{corpus.name}: {len(corpus):,} pictures")
