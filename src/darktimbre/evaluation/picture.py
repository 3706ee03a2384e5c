"""Held-out notes, and below them what an instrument makes of the same pitch and attributes, as spectrograms."""

from pathlib import Path

import numpy as np

from darktimbre.audio.pictures import spectrogram_grid
from darktimbre.corpus.corpus import Corpus
from darktimbre.evaluation.conditions import Conditions
from darktimbre.notes.pitch import note_name
from darktimbre.synthesizer.synthesizer import Synthesizer

TOP_HZ = 6000.0  # above it notes of these pitches have little


def beside_real(
    synthesizer: Synthesizer, corpus: Corpus, path: Path, *, rows: np.ndarray, columns: int = 6, seed: int = 0
) -> Path:
    """Draws notes of different instruments in the upper row and generated ones of the same conditions below.

    Args:
        synthesizer: the instrument.
        corpus: tagged by its teacher.
        path: the PNG.
        rows: held-out rows to choose from.
        columns: how many notes at most.
        seed: of the latents.
    """
    instrument = corpus.column("instrument")[rows]
    _, first = np.unique(instrument, return_index=True)  # one note an instrument
    firsts = first if len(first) > 1 else np.arange(len(rows))
    chosen = rows[firsts[np.unique(np.linspace(0, len(firsts) - 1, columns).round().astype(int))]]
    shown = Conditions.of(corpus, chosen, synthesizer.attributes)
    made = synthesizer.waves(shown.condition, synthesizer.latents(seed, len(chosen)))
    notes = [corpus.note(int(row)) for row in chosen]
    called = [(note.tags[0] if note.tags else note.subcategory or note.instrument)[:22] for note in notes]
    pitches = ["" if note.pitch is None else f", {note_name(note.pitch)}" for note in notes]
    titles = [f"real: {name}{pitch}" for name, pitch in zip(called, pitches, strict=True)]
    titles += [f"made{pitch}" for pitch in pitches]
    return spectrogram_grid(
        [*shown.waves(), *made], synthesizer.sample_rate, titles, path, columns=len(chosen),
        heading="held-out notes above, the instrument's answer to their pitch and attributes below",
        top_hz=min(TOP_HZ, synthesizer.sample_rate / 2),
    )  # fmt: skip
