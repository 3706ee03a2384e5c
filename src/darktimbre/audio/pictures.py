"""Pictures for the eye, as PNGs: grids of log spectrograms of plain waves, and panels of curves."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from darktimbre.audio.atomic import atomic_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MADE_BY = "darktimbre"  # in a PNG's metadata, without a version
_FLOOR = -80.0  # dB below the loudest bin of the note


def log_spectrogram(wave: NDArray[np.floating], *, size: int = 1024, hop: int = 256) -> NDArray[np.float32]:
    """Short-time spectrum in dB relative to its loudest bin, not below −80 dB; silence is −80 dB throughout.

    Wave (sample,) → (size // 2 + 1 frequencies, frame) float32: Hann windows of `size` samples, one every `hop`.
    """
    padded = np.pad(np.asarray(wave, np.float32), (size // 2, size // 2))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    magnitude = np.abs(np.fft.rfft(frames * np.hanning(size + 1)[:-1].astype(np.float32), axis=1)).T
    loudest = float(magnitude.max(initial=0.0))
    if loudest <= 0.0:
        return np.full(magnitude.shape, _FLOOR, np.float32)
    return np.maximum(20.0 * np.log10(np.maximum(magnitude / loudest, 1e-12)), _FLOOR).astype(np.float32)


def spectrogram_grid(
    waves: Sequence[NDArray[np.floating]] | NDArray[np.floating],
    rate: int,
    titles: Sequence[str],
    path: Path,
    *,
    columns: int | None = None,
    heading: str = "",
    top_hz: float | None = None,
) -> Path:
    """Draws one log spectrogram per wave, all on the same axes, into a PNG written whole or not at all.

    Args:
        waves: (note, sample), or a list of waves of any length.
        rate: samples a second.
        titles: one above each picture.
        path: the PNG; its folder is made if need be.
        columns: pictures a row; about as many as rows times two by default.
        heading: above the grid.
        top_hz: highest frequency drawn; half the rate by default.

    Raises:
        ValueError: no waves, or not one title per wave.
    """
    if len(waves) == 0 or len(waves) != len(titles):
        raise ValueError(f"A grid needs one title per wave; there are {len(waves)} waves and {len(titles)} titles.")
    from matplotlib.figure import Figure  # no pyplot: no global state, no window

    columns = columns or min(len(waves), max(1, round((2 * len(waves)) ** 0.5)))
    rows = -(-len(waves) // columns)
    figure = Figure(figsize=(2.3 * columns + 0.6, 1.9 * rows + 0.4 + 0.3 * bool(heading)), layout="constrained")
    axes = np.atleast_1d(figure.subplots(rows, columns, sharey=True, squeeze=False)).ravel()
    for axis, wave, title in zip(axes, waves, titles, strict=False):
        axis.imshow(
            log_spectrogram(wave),
            origin="lower",
            aspect="auto",
            cmap="magma",
            vmin=_FLOOR,
            vmax=0.0,
            extent=(0.0, len(wave) / rate, 0.0, rate / 2000),
            interpolation="nearest",
        )
        axis.set_ylim(0.0, (top_hz or rate / 2) / 1000)
        axis.set_title(title, fontsize=8)
        axis.tick_params(labelsize=6)
    for axis in axes[len(waves) :]:
        axis.set_visible(False)
    for first in axes[::columns]:
        first.set_ylabel("kHz", fontsize=7)
    if heading:
        figure.suptitle(heading, fontsize=10)
    return save_png(figure, path)


@contextmanager
def panels(
    path: Path, titles: Sequence[str], *, heading: str, across: str, size: tuple[float, float]
) -> Iterator[list["Axes"]]:
    """Yields axes side by side, one a title; what is drawn on them is then written to a PNG.

    Args:
        path: the PNG.
        titles: one above each panel.
        heading: above all panels.
        across: label of every x-axis.
        size: width and height of a panel, in inches.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(0.6 + size[0] * len(titles), size[1]), layout="constrained")
    axes = list(figure.subplots(1, len(titles), squeeze=False)[0])
    yield axes
    for axis, title in zip(axes, titles, strict=True):
        axis.set_title(title, fontsize=9)
        axis.set_xlabel(across, fontsize=8)
        axis.tick_params(labelsize=7)
        axis.grid(alpha=0.25)
    figure.suptitle(heading, fontsize=10)
    save_png(figure, path)


def save_png(figure: "Figure", path: Path, dpi: int = 110) -> Path:
    """Writes a figure whole or not at all; equal figures give equal bytes."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path.absolute()) as temporary:
        figure.savefig(temporary, format="png", dpi=dpi, metadata={"Software": _MADE_BY})
    return path


def is_own_png(path: Path) -> bool:
    """Whether a file was written by `save_png`."""
    with path.open("rb") as file:
        return b"Software\0" + _MADE_BY.encode() in file.read(1024)
