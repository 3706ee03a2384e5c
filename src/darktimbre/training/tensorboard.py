"""Curves, sounds and spectrograms of a run for TensorBoard; imported and opened when there is something to write."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darktimbre.synthesizer.synthesizer import Synthesizer

PREVIEWS = 4  # notes
SEED = 20210  # of the previews' latents: the same notes in every run and at every preview


class TensorBoard:
    """TensorBoard events of one run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def writer(self) -> Any:
        """The events' file, from the first event on."""
        from torch.utils.tensorboard import SummaryWriter  # takes a second

        return SummaryWriter(str(self.folder))

    def curves(self, notes_seen: int, values: Mapping[str, float]) -> None:
        """A point of each curve, over notes seen."""
        for name, value in values.items():
            self.writer.add_scalar(name, value, notes_seen)

    def preview(self, notes_seen: int, instrument: Synthesizer) -> None:
        """Fixed notes as the instrument plays them now: sound and spectrogram."""
        for number, wave in enumerate(preview_notes(instrument), start=1):
            sound = np.clip(wave, -1, 1)[None]
            self.writer.add_audio(f"note {number}", sound, notes_seen, sample_rate=instrument.sample_rate)
            self.writer.add_image(f"note {number}", spectrogram(wave), notes_seen, dataformats="HW")

    def close(self) -> None:
        """Ends writing."""
        if "writer" in vars(self):
            self.writer.close()


def preview_notes(instrument: Synthesizer) -> NDArray[np.float32]:
    """(note, sample): pitches evenly spread over the instrument's, all attributes at their baseline."""
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
