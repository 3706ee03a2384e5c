"""What is in a corpus, as a figure: pitch × family or style, levels, spectrograms of every kind; or rows of digits."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from darktimbre.audio.pictures import save_png
from darktimbre.corpus.classes import OTHER, family_of
from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.describe import kinds, ordered_kinds
from darktimbre.corpus.splits import SPLITS
from darktimbre.notes.pitch import note_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS, _ROWS = 6, 4  # of spectrograms
PICTURES_OF_A_CLASS = 16
_LOWEST_HZ = 60.0
_RANGE_DB = 75.0
_FRAME, _HOP, _BANDS = 2048, 160, 192
_INK, _FAINT = "#22262b", "#8a929c"
_SPLIT_COLOURS = {"train": "#2f5d8a", "valid": "#e0912f", "test": "#5b9a68"}


def spectrogram(wave: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """Levels in dB below the loudest point, (band, frame), on a logarithmic frequency axis from 60 Hz to rate / 2."""
    padded = np.pad(wave, (_FRAME // 2, _FRAME // 2), mode="reflect" if len(wave) > _FRAME // 2 else "constant")
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::_HOP]
    magnitude = np.abs(np.fft.rfft(frames * np.hanning(_FRAME).astype(np.float32), axis=1)).T
    edges = np.geomspace(_LOWEST_HZ, rate / 2, _BANDS + 1) * _FRAME / rate
    bands = np.empty((_BANDS, magnitude.shape[1]), dtype=np.float32)
    for band, (low, high) in enumerate(pairwise(edges.tolist())):
        first, last = int(np.ceil(low)), int(np.floor(high))
        if last >= first:
            bands[band] = magnitude[first : last + 1].max(axis=0)
        else:  # narrower than a bin: between its two neighbours
            below = int(low)
            part = (low + high) / 2 - below
            bands[band] = (1 - part) * magnitude[below] + part * magnitude[min(below + 1, len(magnitude) - 1)]
    level = 20.0 * np.log10(np.maximum(bands, 1e-9))
    return np.asarray(np.clip(level - level.max(), -_RANGE_DB, 0.0), dtype=np.float32)


def _filed(corpus: Corpus) -> tuple[str, NDArray[np.str_], list[str]]:
    """What the figure sorts notes by, its value for each note, and its values in order: styles where there are some (as
    far as they fit on it), else kinds."""
    styles = family_of(corpus, corpus.rows(), "styles")
    names = sorted(set(styles.tolist()), key=lambda name: (name == OTHER, name))
    if 1 < len(names) <= _COLUMNS * _ROWS:
        return "style", styles, names
    return "kind", kinds(corpus), ordered_kinds(corpus)


def _examples(corpus: Corpus, count: int) -> list[int]:
    """Rows of some notes: kinds take turns, each giving another instrument every time, the louder notes first."""
    instrument, loud = corpus.column("instrument"), corpus.column("rms_db")
    _, kind, names = _filed(corpus)
    queues = []
    for name in names:
        best: dict[str, int] = {}
        for row in np.flatnonzero(kind == name).tolist():
            known = best.get(instrument[row])
            if known is None or loud[row] > loud[known]:
                best[instrument[row]] = row
        rows = list(best.values())
        share = -(-count // len(names))
        queues.append([rows[place * len(rows) // share] for place in range(share)] if len(rows) > share else rows)
    chosen: list[int] = []
    while len(chosen) < count and any(queues):
        for queue in queues:
            if queue and len(chosen) < count:
                chosen.append(queue.pop(0))
    order = {name: place for place, name in enumerate(names)}
    return sorted(chosen, key=lambda row: (order[str(kind[row])], row))


def _plain(axes: "Axes") -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_FAINT)
    axes.tick_params(colors=_INK, labelsize=8, length=2.5, color=_FAINT)


def _heat_map(axes: "Axes", corpus: Corpus) -> Any:
    """Notes by kind and pitch; returns the image, or None when no note has a pitch."""
    (title, kind, names), pitch = _filed(corpus), corpus.column("pitch")
    axes.set_title(f"notes by {title} and pitch", loc="left", fontsize=10, color=_INK, pad=7)
    _plain(axes)
    pitched = pitch[pitch >= 0]
    low, high = (int(pitched.min()), int(pitched.max())) if pitched.size else (60, 60)
    counts = np.zeros((len(names), high - low + 1), dtype=np.float64)
    for row, name in enumerate(names):
        here = pitch[(kind == name) & (pitch >= 0)]
        counts[row] = np.bincount(here - low, minlength=high - low + 1)
        without = int(((kind == name) & (pitch < 0)).sum())
        total = int((kind == name).sum())
        tail = f"{total:,}" + (
            " without pitch" if without == total else f" ({without:,} without pitch)" if without else ""
        )
        axes.text(high + 0.8, row, tail, va="center", fontsize=7.5, color=_FAINT)
    image = axes.imshow(
        np.where(counts > 0, counts, np.nan),
        aspect="auto",
        cmap="YlGnBu",
        vmin=0,
        extent=(low - 0.5, high + 0.5, len(names) - 0.5, -0.5),
    )
    axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    octaves = [midi for midi in range(low, high + 1) if midi % 12 in ((0, 3, 6, 9) if high - low < 40 else (0,))]
    axes.set_xticks(octaves, [note_name(midi) for midi in octaves])
    axes.set_yticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axes.grid(which="minor", axis="y", color="white", linewidth=1.5)
    axes.tick_params(which="minor", length=0)
    return image if pitched.size else None


def _levels(axes: "Axes", corpus: Corpus) -> None:
    rms, split = corpus.column("rms_db"), corpus.column("split")
    edges = np.arange(np.floor(rms.min() / 2) * 2, np.ceil(rms.max() / 2) * 2 + 2.1, 2.0)
    parts = [part for part in SPLITS if (split == part).any()]
    axes.hist(
        [rms[split == part] for part in parts],
        bins=edges.tolist(),
        stacked=True,
        color=[_SPLIT_COLOURS[part] for part in parts],
        label=[f"{part} ({int((split == part).sum()):,})" for part in parts],
        rwidth=0.9,
    )
    axes.set_title("notes by level (RMS, dB below full scale)", loc="left", fontsize=10, color=_INK, pad=7)
    axes.legend(frameon=False, fontsize=8, labelcolor=_INK)
    _plain(axes)


def _picture(axes: "Axes", corpus: Corpus, row: int) -> None:
    note, seconds = corpus.note(row), corpus.samples / corpus.sample_rate
    axes.imshow(
        spectrogram(corpus.waves([row])[0], corpus.sample_rate),
        origin="lower",
        aspect="auto",
        cmap="magma",
        vmin=-_RANGE_DB,
        vmax=0,
        extent=(0, seconds, 0, _BANDS),
        interpolation="bilinear",
    )
    label = note.tags[0] if note.origin.count(":") == 2 and note.tags else note.subcategory or note.instrument
    pitch = f" · {note_name(note.pitch)}" if note.pitch is not None else ""
    room = 30 - len(pitch)
    axes.set_title((label if len(label) <= room else label[: room - 1] + "…") + pitch, fontsize=8, color=_INK, pad=3)
    marks = [hz for hz in (100, 1000, 10_000) if _LOWEST_HZ < hz < corpus.sample_rate / 2]
    span = np.log(corpus.sample_rate / 2 / _LOWEST_HZ)
    axes.set_yticks(
        [float(np.log(hz / _LOWEST_HZ) / span * _BANDS) for hz in marks],
        [f"{hz // 1000}k" if hz >= 1000 else f"{hz}" for hz in marks],
    )
    axes.set_xticks([0, seconds], ["0", f"{seconds:g} s"])
    axes.tick_params(labelsize=6.5, length=2, color=_FAINT, labelcolor=_FAINT)
    for spine in axes.spines.values():
        spine.set_visible(False)


def draw(corpus: Corpus) -> "Figure":
    """The picture of a corpus: what there is by kind and pitch, how loud, and what some of it looks like."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    rows = _examples(corpus, _COLUMNS * _ROWS)
    lines = max(1, -(-len(rows) // _COLUMNS))
    layout = ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.06, hspace=0.03, wspace=0.02)
    figure = Figure(figsize=(13, 4.6 + 1.75 * lines), dpi=110, facecolor="white", layout=layout)
    parts: Any = figure.subfigures(2, 1, height_ratios=[4.0, 1.75 * lines])
    above, below = parts
    seconds = corpus.samples / corpus.sample_rate
    figure.suptitle(
        f"{corpus.name}: {len(corpus):,} notes of {seconds:g} s at {corpus.sample_rate / 1000:g} kHz, "
        f"{len(set(corpus.column('instrument').tolist())):,} instruments",
        fontsize=14, color=_INK, x=0.012, ha="left",
    )  # fmt: skip
    left, right = above.subplots(1, 2, width_ratios=[1.75, 1])
    image = _heat_map(left, corpus)
    if image is not None:
        bar = above.colorbar(image, ax=left, pad=0.09, fraction=0.035, aspect=26)
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=7, length=2, color=_FAINT, labelcolor=_FAINT)
    _levels(right, corpus)
    grid = below.subplots(lines, _COLUMNS, squeeze=False, sharex=True, sharey=True)
    for place, axes in enumerate(grid.flat):
        if place < len(rows):
            _picture(axes, corpus, rows[place])
        else:
            axes.set_visible(False)
    return figure


def save(corpus: Corpus, path: Path) -> None:
    """Draws a corpus into a PNG file."""
    save_png(draw(corpus), path)


# ----------------------------------------------------------------------------
# Corpora of pictures


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
        chosen = here[np.linspace(0, len(here) - 1, min(PICTURES_OF_A_CLASS, len(here))).astype(np.int64)]
        rows.append((f"{name} ({len(here):,})", corpus.pictures(chosen)))
    return draw_rows(rows, path, heading=f"{corpus.name}: {len(corpus):,} pictures")
