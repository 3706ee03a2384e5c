"""Latents of notes → pictures: raw coordinates and t-SNE coloured by semitone, octave and style, the same as an
animation over training, reconstructions below their notes."""

import colorsys
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from darktimbre.audio.atomic import atomic_file
from darktimbre.evaluation.autoencoders import Floats, StyledNotes
from darktimbre.evaluation.latent_figures import Leakage
from darktimbre.measures.probes import probe
from darktimbre.notes.errors import UserError
from darktimbre.notes.pitch import note_name
from darktimbre.report.figures import FAINT, INK, PAPER, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

SIDE = 2.5  # inches of a panel
KEY = 2.5  # inches of the column that says the key of colours
DRAWN = 1500  # notes of a drawing, at most
FRAMES = 60  # of an animation, at most
FRAME_SECONDS = 0.12
TURN = 1.5  # degrees that the animation's camera turns a frame
MOVING_STEPS = 250  # of t-SNE from frame to frame
LISTED = 24  # classes that a key names
SEMITONE_NAMES = tuple(note_name(60 + one)[:-1] for one in range(12))


# ── what is drawn ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Colouring:
    """What the colours of dots mean: one class and one colour a note."""

    name: str  # "style", "octave" or "semitone"
    classes: tuple[str, ...]
    colours: tuple[str, ...]  # of each class, #rrggbb
    label: NDArray[np.int64]  # (note,) index into `classes`; −1 where a note has none: drawn in grey


@dataclass(frozen=True)
class Cloud:
    """Latents of some notes by one model."""

    name: str
    notes: StyledNotes
    latents: Array  # (note, latent)
    leakage: tuple[Leakage, ...] = ()  # what probes find in them, where that was measured

    def leak(self, of: str) -> str:
        """For a panel's title: what the better probe finds."""
        found = next((one for one in self.leakage if one.of == of), None)
        return "" if found is None else f"leak {found.most:.2f}"

    def thinned(self, count: int = DRAWN, seed: int = 0) -> "Cloud":
        """At most so many notes."""
        kept = self.notes.some(count, seed)
        return Cloud(self.name, kept, self.latents[np.isin(self.notes.rows, kept.rows)], self.leakage)


def colourings(notes: StyledNotes) -> tuple[Colouring, ...]:
    """Semitones around the colour circle, octaves from dark to light, styles as far apart as hues allow."""
    octaves = np.unique(notes.octave[notes.octave > -2])
    shade = [_hex(0.68 - 0.62 * part, 0.75, 0.35 + 0.5 * part) for part in np.linspace(0, 1, max(len(octaves), 2))]
    found = (
        Colouring("semitone", SEMITONE_NAMES, tuple(_hex(one / 12, 0.75, 0.8) for one in range(12)), notes.semitone),
        Colouring(
            "octave", tuple(map(str, octaves)), tuple(shade[: len(octaves)]),
            np.where(notes.octave > -2, np.searchsorted(octaves, notes.octave), -1),
        ),
        Colouring("style", notes.styles, distinct(len(notes.styles)), notes.style),
    )  # fmt: skip
    return tuple(one for one in found if one.classes)


def distinct(count: int) -> tuple[str, ...]:
    """Colours that are easy to distinguish: hues by the golden angle, in three shades."""
    shades = ((0.8, 0.75), (0.55, 0.95), (0.9, 0.5))
    return tuple(_hex(one * 0.381966, *shades[one % 3]) for one in range(count))


def _hex(hue: float, saturation: float, value: float) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in colorsys.hsv_to_rgb(hue % 1, saturation, value))


def in_space(latents: Array) -> Array:
    """Three coordinates (note, 3) of latents: as they are, or of more dimensions three principal components."""
    if latents.shape[1] <= 3:
        return np.pad(latents, ((0, 0), (0, 3 - latents.shape[1])))
    centred = latents - latents.mean(axis=0)
    directions = np.linalg.svd(centred, full_matrices=False)[2][:3]
    return np.asarray(centred @ (directions * np.sign(directions[:, :1] + 1e-12)).T)


def in_plane(latents: Array, seed: int = 0, start: Array | None = None) -> Array:
    """t-SNE (van der Maaten & Hinton 2008) of latents: (note, 2), from their principal components.

    With `start` (note, 2), places of the same notes, it moves those by gradient descent without the early exaggeration
    that separates clusters: a quarter of the steps, after which notes lie near where they lay.
    """
    from sklearn.manifold import TSNE

    if not np.ptp(latents, axis=0).any():  # collapsed to a point
        return np.zeros((len(latents), 2))
    settings: dict[str, Any] = {"perplexity": min(30.0, max(2.0, (len(latents) - 1) / 3)), "random_state": seed}
    if start is not None and start.any():
        settings |= {"init": start, "early_exaggeration": 1.0, "max_iter": MOVING_STEPS}
    else:
        settings["init"] = "pca" if np.linalg.matrix_rank(latents - latents.mean(axis=0)) > 1 else "random"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of principal components of dimensions without variance
        return np.asarray(TSNE(2, **settings).fit_transform(latents), np.float64)


def in_planes(frames: Sequence[Array], seed: int = 0) -> list[Array]:
    """t-SNE of latents of the same notes over training: (note, 2) a frame, each from the places of the one before."""
    places: list[Array] = []
    for latents in frames:
        places.append(in_plane(latents, seed, places[-1] if places else None))
    return places


# ── panels ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def panels(clouds: Sequence[Cloud], *, plane: bool, seed: int = 0) -> "Figure":
    """One column a model, one row a colouring, leakage above each: t-SNE in the plane, or raw coordinates in space."""
    drawn = [one.thinned(seed=seed) for one in clouds]
    places = [in_plane(one.latents, seed) if plane else in_space(one.latents) for one in drawn]
    figure, axes = _grid(len(drawn), len(colourings(drawn[0].notes)), plane)
    for column, (cloud, place) in enumerate(zip(drawn, places, strict=True)):
        for row, colouring in enumerate(colourings(cloud.notes)):
            title = " · ".join(filter(None, (short(cloud.name, 22) if row == 0 else "", cloud.leak(colouring.name))))
            scatter(axes[row][column], place, colouring, title)
            if column == 0:
                _key(axes[row][-1], colouring)
    return figure


def _grid(columns: int, rows: int, plane: bool) -> tuple["Figure", list[list[Any]]]:
    """Axes [row][column], the last column for the key."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(SIDE * columns + KEY, SIDE * rows), facecolor=PAPER, layout="constrained")
    grid = figure.add_gridspec(rows, columns + 1, width_ratios=[SIDE] * columns + [KEY])
    kind = None if plane else "3d"
    axes = [
        [*(figure.add_subplot(grid[row, one], projection=kind) for one in range(columns)),
         figure.add_subplot(grid[row, columns])]
        for row in range(rows)
    ]  # fmt: skip
    return figure, axes


def scatter(axes: Any, place: Array, colouring: Colouring, title: str) -> Any:
    """Dots at places (note, 2) or (note, 3)."""
    palette = np.array([*colouring.colours, "#b0b5bb"])
    dots = axes.scatter(*place.T, c=palette[colouring.label], s=5, linewidths=0, rasterized=True, alpha=0.85)
    axes.set_title(title, fontsize=8)
    axes.grid(place.shape[1] == 3)
    if place.shape[1] == 2:
        axes.set_xticks([])
        axes.set_yticks([])
    else:
        axes.tick_params(labelsize=5, pad=-3)
    return dots


def _key(axes: Any, colouring: Colouring) -> None:
    axes.axis("off")
    shown = list(zip(colouring.classes, colouring.colours, strict=True))
    rest = len(shown) - LISTED
    columns = 1 if len(shown) <= 13 else 2
    for name, colour in shown[:LISTED]:
        axes.plot([], [], "o", color=colour, markersize=4, label=short(name, 30 if columns == 1 else 22))
    if rest > 0:
        axes.plot([], [], " ", label=f"and {rest} more")
    axes.legend(
        title=colouring.name, loc="center left", fontsize=6, title_fontsize=8, frameon=False, ncols=columns,
        borderaxespad=0, handletextpad=0.3, columnspacing=0.8,
    )  # fmt: skip


# ── over training ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Snapshot:
    """Latents of some notes of the corpus at one step of training."""

    seen: int  # notes seen
    rows: NDArray[np.int64]  # of the corpus
    latents: Array


def snapshots(run: Path) -> list[Snapshot]:
    """What a run's folder keeps in `latents/NNNNNNNN.safetensors` (tensors `latent`, `row`), in the order of training.

    Raises:
        UserError: a file of them is damaged, or of other notes than the first.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    found: list[Snapshot] = []
    for file in sorted((run / "latents").glob("[0-9]*.safetensors")):
        try:
            held = load_file(file)
            found.append(Snapshot(int(file.stem), held["row"].astype(np.int64), held["latent"].astype(np.float64)))
        except (OSError, KeyError, ValueError, SafetensorError) as error:
            raise UserError(f"The snapshot {file} cannot be read ({error}): delete it.") from None
    if any(not np.array_equal(one.rows, found[0].rows) for one in found):
        raise UserError(f"The snapshots in {run / 'latents'} are of different notes: delete those of the older run.")
    return found


def animate(notes: StyledNotes, taken: Sequence[Snapshot], out: Path, *, name: str = "", seed: int = 0) -> list[Path]:
    """Writes `OUT.gif`, and `OUT.mp4` where ffmpeg is installed: the latents of each snapshot, in space and by t-SNE,
    coloured three ways, with what nearest neighbours still predict of each class.

    Raises:
        UserError: there are fewer than two snapshots, or their notes are not of this corpus.
    """
    if len(taken) < 2:
        raise UserError(
            f"{name or 'The run'} keeps {'one snapshot' if taken else 'no snapshots'} of its latents, and an animation "
            "needs two: train for longer."
        )
    if not np.isin(taken[0].rows, notes.rows).all():
        raise UserError(
            f"The snapshots of {name or 'the run'} are of another corpus: give that which it was trained on."
        )
    chosen = [taken[round(one)] for one in np.linspace(0, len(taken) - 1, min(FRAMES, len(taken)))]
    shown = notes.where(np.searchsorted(notes.rows, taken[0].rows)).some(DRAWN, seed)
    kept = np.isin(taken[0].rows, shown.rows)
    order = np.argsort(taken[0].rows[kept], kind="stable")
    frames = [Snapshot(one.seen, shown.rows, one.latents[kept][order]) for one in chosen]
    written = []
    out.parent.mkdir(parents=True, exist_ok=True)
    for suffix, writer in _writers():
        with _drawing(shown, frames, name, seed) as (figure, draw), atomic_file(out.with_suffix(suffix)) as temporary:
            place = temporary.with_name(temporary.name + suffix)  # matplotlib takes the format from the name
            with writer.saving(figure, str(place), dpi=90):
                for number in range(len(frames)):
                    draw(number)
                    writer.grab_frame()
                for _ in range(round(1.5 / FRAME_SECONDS)):  # the end is looked at for longer
                    writer.grab_frame()
            place.replace(temporary)
        written.append(out.with_suffix(suffix))
    return written


def _writers() -> Iterator[tuple[str, Any]]:
    from matplotlib.animation import FFMpegWriter, PillowWriter

    yield ".gif", PillowWriter(fps=round(1 / FRAME_SECONDS))
    if shutil.which("ffmpeg"):
        yield ".mp4", FFMpegWriter(fps=round(1 / FRAME_SECONDS), codec="h264", extra_args=["-pix_fmt", "yuv420p"])


@contextmanager
def _drawing(
    notes: StyledNotes, frames: Sequence[Snapshot], name: str, seed: int
) -> Iterator[tuple["Figure", Callable[[int], None]]]:
    """A figure, and what draws a frame on it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    colours, latents = colourings(notes), [one.latents for one in frames]
    spaces, planes = [in_space(one) for one in latents], in_planes(latents, seed)
    figure = Figure(figsize=(SIDE * 1.2 * len(colours), SIDE * 2.4), facecolor=PAPER)
    FigureCanvasAgg(figure)
    figure.subplots_adjust(left=0.02, right=0.97, bottom=0.02, top=0.89, wspace=0.05, hspace=0.08)
    title = figure.suptitle("", fontsize=9, color=INK)
    upper = [figure.add_subplot(2, len(colours), one + 1, projection="3d") for one in range(len(colours))]
    lower = [figure.add_subplot(2, len(colours), len(colours) + one + 1) for one in range(len(colours))]
    lower[0].set_ylabel("t-SNE", fontsize=8, color=FAINT)
    reach = max(2.5, float(np.median([_reach([one]) for one in spaces])))  # the first frames may lie far outside
    for axes in upper:
        axes.set(xlim=(-reach, reach), ylim=(-reach, reach), zlim=(-reach, reach))
    wide = 1.05 * _reach(planes)
    for axes in lower:
        axes.set(xlim=(-wide, wide), ylim=(-wide, wide))
    solid = [scatter(axes, spaces[0], one, "") for axes, one in zip(upper, colours, strict=True)]
    flat = [scatter(axes, planes[0], one, "") for axes, one in zip(lower, colours, strict=True)]

    def draw(number: int) -> None:
        title.set_text(f"{name + ': ' if name else ''}{frames[number].seen:,} notes seen")
        for axes, one, dots in zip(upper, colours, solid, strict=True):
            dots._offsets3d = tuple(spaces[number].T)  # what mpl_toolkits has for it
            axes.view_init(elev=22, azim=-60 + TURN * number)
            axes.set_title(f"{one.name}{_leak(latents[number], one.label, notes, seed)}", fontsize=8, color=FAINT)
        for dots in flat:
            dots.set_offsets(planes[number])

    yield figure, draw


def _reach(places: Sequence[Array]) -> float:
    """How far dots lie from the centre in any frame, but for the outermost of 200 coordinates."""
    return float(np.quantile(np.abs(np.concatenate(places)), 0.995))


def _leak(latents: Array, label: NDArray[np.int64], notes: StyledNotes, seed: int) -> str:
    try:
        return f" · leak {probe(latents, label, notes.recording, kind='k-nn', seed=seed).corrected:.2f}"
    except ValueError:
        return ""


# ── reconstructions ───────────────────────────────────────────────────────────────────────────────────────────────────


def reconstructions(
    pairs: Sequence[tuple[str, Sequence[Floats]]], rows: Sequence[str], *, seconds: float, top_hz: float
) -> "Figure":
    """Spectrograms below each other: a column a note, its title above, the first row the note itself.

    Args:
        pairs: (title, levels in dB (frequency, frame) of each row).
        rows: what each row is.
        seconds: length of a spectrogram.
        top_hz: highest frequency, for the axis; bands are drawn as they are, evenly.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(0.8 + 1.35 * len(pairs), 0.4 + 1.5 * len(rows)), facecolor=PAPER, layout="constrained")
    grid = figure.subplots(len(rows), len(pairs), squeeze=False)
    for column, (title, levels) in enumerate(pairs):
        loudest = float(np.max(levels[0]))
        for row, spectrogram in enumerate(levels):
            axes = grid[row][column]
            axes.imshow(
                np.asarray(spectrogram), origin="lower", aspect="auto", cmap="magma", vmin=loudest - 70, vmax=loudest,
                extent=(0, seconds, 0, len(spectrogram)), interpolation="nearest",
            )  # fmt: skip
            axes.set_xticks([])
            axes.set_yticks([])
            axes.grid(False)
            if row == 0:
                axes.set_title(title, fontsize=6)
            if column == 0:
                axes.set_ylabel(rows[row], fontsize=7)
    figure.supxlabel(
        f"{seconds:g} s across, 0 to {top_hz / 1000:g} kHz up (bands of the spectrogram), 70 dB", fontsize=7
    )
    return figure
