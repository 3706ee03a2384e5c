"""Autoencoder × ways from magnitudes to sound → how near each comes to real notes, and how long it takes."""

import time
from collections.abc import Callable, Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from darktimbre.evaluation.autoencoders import (
    EncodingInstrument,
    Floats,
    conditions,
    encoded,
    encoded_frames,
    known_pitches,
    magnitudes,
)
from darktimbre.evaluation.latent_figures import InversionFigures
from darktimbre.evaluation.latents import LatentStudy
from darktimbre.measures.spectral import log_spectral_distance, spectral_convergence
from darktimbre.representation import stft
from darktimbre.representation.codec import Codec
from darktimbre.synthesizer.synthesizer import Synthesizer


def compare_inversions(
    model: EncodingInstrument, study: LatentStudy, ways: Iterable[tuple[str, str]]
) -> tuple[InversionFigures, ...]:
    """Each inversion on held-out notes (their codec round trip) and on the decoder's spectrograms of them.

    `ways` are names and what `Bundle.inverted_by` takes. Times are medians on one core, note by note.
    """
    notes = study.held_out.where(known_pitches(model.attributes, study.held_out.pitch))
    notes = notes.some(study.counts.inversions, study.seed)
    waves = notes.waves(model.peak_db)
    generated = model.spectrograms(model.encode(waves), conditions(model.attributes, notes))
    pitch = torch.from_numpy(np.where(notes.pitch >= 0, notes.pitch, np.nan).astype(np.float32))
    found = []
    for name, place in ways:
        codec = Synthesizer(model.synthesizer.bundle.inverted_by(place)).codec
        real = codec.encode(torch.from_numpy(waves))
        spectrograms = torch.from_numpy(generated)[:, None]
        (copies, _), (made, milliseconds) = (note_by_note(codec.decode, one, pitch) for one in (real, spectrograms))
        mean = study.mean_over(notes.recording)
        linear = [_linear(codec, one) for one in (waves, copies)]
        floor = codec.config.floor
        again = [magnitudes(codec, one) for one in (encoded(codec, made), generated[:, :, : encoded_frames(codec)])]
        found.append(
            InversionFigures(
                name,
                milliseconds,
                mean(20 * np.log10(np.maximum(spectral_convergence(*linear), 1e-9))),
                mean(log_spectral_distance(*linear, floor=floor)),
                mean(log_spectral_distance(*again, floor=floor)),
                mean(study.tuned(made, notes.pitch)),
                study.fad(made),
            )
        )
    return tuple(found)


def note_by_note(
    decode: Callable[[Tensor, Tensor], Tensor], spectrograms: Tensor, pitch: Tensor
) -> tuple[Floats, float]:
    """Waves (note, sample), and the median of one core's milliseconds for a note alone. The first one is decoded once
    before, so that tables are there."""
    threads, waves, taken = torch.get_num_threads(), [], []
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            decode(spectrograms[:1], pitch[:1])
            for one, midi in zip(spectrograms, pitch, strict=True):
                began = time.process_time()
                waves.append(decode(one[None], midi[None]))
                taken.append(time.process_time() - began)
    finally:
        torch.set_num_threads(threads)
    return np.asarray(torch.cat(waves).numpy(), np.float32), 1000 * float(np.median(taken))


def _linear(codec: Codec, waves: Floats) -> NDArray[np.float64]:
    """Linear magnitudes (note, bin, frame) of sounds."""
    c = codec.config
    spectra = stft.forward(torch.from_numpy(np.ascontiguousarray(waves)), n_fft=c.n_fft, hop=c.hop, frames=None)
    return np.asarray(spectra.abs().transpose(1, 2).numpy(), np.float64)
