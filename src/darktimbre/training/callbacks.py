"""What watches a run on its first process, and changes nothing: the base of callbacks, previews in TensorBoard.

Training and evaluation do not know each other; a pipeline hands in a callback that knows both.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.training import checkpoint
from darktimbre.training.schedule import StepState
from darktimbre.training.tasks.base import Outcome, Task

PREVIEWS = 4  # notes
SEED = 20210  # of the previews' latents: the same notes in every run and at every preview


class RunView(Protocol):
    """What callbacks see of a `Trainer` between two steps.

    Attributes:
        run: folder of the run.
        task: networks in training; `preview(state)` is the instrument they are.
        state: the step just made; before the first one, that one.
        notes_seen: examples seen so far.
        reason: why the run ends after this step; None where it goes on.
    """

    run: Path
    task: Task
    state: StepState
    notes_seen: int
    reason: Literal["interrupted", "time"] | None

    @property
    def total(self) -> int:
        """Examples of the whole run."""
        ...

    @property
    def done(self) -> bool:
        """Whether the schedule has come to its end."""
        ...

    def reaches(self, every: int) -> bool:
        """Whether the step just made reaches a multiple of `every` examples, or the end; before the first one, yes."""
        ...

    def log(self, values: Mapping[str, float]) -> None:
        """Adds a point to curves in TensorBoard."""
        ...

    def stopping(self) -> bool:
        """Whether the user does not want to wait for the end of what a callback does."""
        ...


class Callback:
    """Watches a run on the first process, every so many examples.

    It may fail: an error ends the run, after a checkpoint of the step. What it writes into the run's folder it writes
    within `checkpoint.saving`.

    Attributes:
        every: examples between calls of `step`; one more is made at the run's end.
    """

    every: int

    def due(self, run: RunView) -> bool:
        """Whether `step` is called after the step just made; not where the run is to stop before its end."""
        return run.reaches(self.every) and (run.reason is None or (run.reason == "time" and run.done))

    def start(self, run: RunView) -> None:
        """Before the first step of a new or resumed run: forgets what it saw after `run.notes_seen`, for that will come
        again, and makes up for a step that was due here and was left out by the interruption."""

    def step(self, run: RunView) -> None:
        """After a step at which it is due; before the checkpoint of that step, so that this one has been seen."""

    def closing(self, run: Path, outcome: Outcome) -> list[str]:
        """After the run: what was found, in sentences."""
        return []


class TensorBoard:
    """TensorBoard events of one run; imported and opened when there is something to write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writer: Any = None

    def curves(self, notes_seen: int, values: Mapping[str, float]) -> None:
        """A point of each curve, over notes seen."""
        for name, value in values.items():
            self._open().add_scalar(name, value, notes_seen)

    def note(self, notes_seen: int, name: str, wave: NDArray[np.float32], rate: int) -> None:
        """A note (sample,) as sound and spectrogram."""
        self._open().add_audio(name, np.clip(wave, -1, 1)[None], notes_seen, sample_rate=rate)
        self._open().add_image(name, spectrogram(wave), notes_seen, dataformats="HW")

    def close(self) -> None:
        """Ends writing."""
        if self._writer is not None:
            self._writer.close()

    def _open(self) -> Any:
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter  # takes a second

            self._writer = SummaryWriter(str(self.folder))
        return self._writer


class Previews(Callback):
    """Fixed notes as the averaged generator plays them now, in TensorBoard."""

    def __init__(self, board: TensorBoard, every: int) -> None:
        self.board, self.every = board, every

    def due(self, run: RunView) -> bool:
        """Also after the last step before an interruption."""
        return bool(self.every) and run.reaches(self.every)

    def step(self, run: RunView) -> None:
        """Pitches evenly spread over the instrument's, all attributes at their baseline."""
        with checkpoint.saving(run.run):
            instrument = run.task.preview(run.state)
            if instrument is None:
                return
            for number, wave in enumerate(preview_notes(instrument), start=1):
                self.board.note(run.notes_seen, f"note {number}", wave, instrument.sample_rate)


def preview_notes(instrument: Synthesizer) -> NDArray[np.float32]:
    """(note, sample)."""
    pitches = instrument.attributes.pitches
    chosen = [pitches[i] for i in np.linspace(0, len(pitches) - 1, PREVIEWS).round().astype(int)] if pitches else None
    waves: NDArray[np.float32] = instrument.render(pitch=chosen, seed=[SEED + i for i in range(PREVIEWS)])
    return waves


def spectrogram(wave: NDArray[np.float32], n_fft: int = 1024, hop: int = 128) -> NDArray[np.float32]:
    """(frequency, frame) in [0, 1], low frequencies at the bottom: 80 dB below the loudest bin is black."""
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(wave, n_fft // 2), n_fft)[::hop] * np.hanning(n_fft)
    level = 20 * np.log10(np.abs(np.fft.rfft(frames)) + 1e-7)
    shown = np.clip((level - level.max()) / 80 + 1, 0, 1)
    return np.ascontiguousarray(shown.T[::-1], dtype=np.float32)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Puts back what is global and could reach a run's numbers: torch's random state and number of threads."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    threads = torch.get_num_threads()
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
