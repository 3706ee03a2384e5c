"""A run's losses as a picture, from its journal: `losses.png`, beside what TensorBoard shows."""

from pathlib import Path

from darktimbre.audio.atomic import atomic_file
from darktimbre.training.journal import read_journal
from darktimbre.training.run_folder import JOURNAL

PICTURE = "losses.png"
_NOT_LOSSES = ("notes_seen", "step", "phase", "stage", "alpha")
_INK = "#1b6ca8"


def draw_losses(run: Path, *, heading: str, unit: str = "notes") -> Path | None:
    """Draws each loss of the journal over what was seen; None where the journal has no line yet."""
    lines = read_journal(run / JOURNAL) if (run / JOURNAL).is_file() else []
    names = list(dict.fromkeys(key for line in lines for key in line if key not in _NOT_LOSSES))
    if not names:
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # no pyplot: no global state, no window
    from matplotlib.figure import Figure

    figure = Figure(figsize=(0.6 + 3.4 * len(names), 2.9), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    for axis, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        points = [(line["notes_seen"] / 1000, line[name]) for line in lines if isinstance(line.get(name), float)]
        axis.plot([x for x, _ in points], [y for _, y in points], color=_INK, linewidth=1)
        axis.set_title(name.replace("_", " "), fontsize=9)
        axis.set_xlabel(f"thousand {unit} seen", fontsize=8)
        axis.tick_params(labelsize=7)
        axis.grid(alpha=0.25)
    figure.suptitle(heading, fontsize=10)
    with atomic_file(run / PICTURE) as temporary:
        canvas.print_figure(temporary, format="png", dpi=110, metadata={"Software": None})
    return run / PICTURE
