"""Statistics of spectra: a tone lies in its semitone, transposition shifts it, parts of a sound are told apart."""

import numpy as np
import torch

from darktimbre.extractors.spectrum import LONG, LONG_BANDS, RATE, SpectrumEmbedder, band_weights, log_power
from darktimbre.notes.pitch import midi_to_hz
from darktimbre.teachers.tagger import Embedder

LOWEST = 33  # MIDI note of 55 Hz


def tones(*midi: int, seconds: float = 1.0) -> torch.Tensor:
    """(note, sample): harmonic tones."""
    time = np.arange(round(seconds * RATE)) / RATE
    waves = [sum(np.sin(2 * np.pi * midi_to_hz(one) * k * time) / k for k in range(1, 6)) for one in midi]
    return torch.from_numpy(0.1 * np.array(waves)).float()


def test_a_tone_is_loudest_in_its_own_semitone() -> None:
    found = log_power(tones(57, 64, 81), *LONG, *LONG_BANDS).mean(1)
    assert (found.argmax(1) + LOWEST).tolist() == [57, 64, 81]


def test_bands_sum_to_one_and_reach_the_top() -> None:
    weights = band_weights(LONG[0], *LONG_BANDS)
    assert np.allclose(weights.sum(axis=0), 1, atol=1e-5)
    assert (weights >= 0).all()


def test_spacing_does_not_depend_on_transposition_but_on_timbre() -> None:
    embedder = SpectrumEmbedder()
    lines = embedder.embed(torch.cat([tones(60, 65), tones(60).sign() * 0.1]))[:, -40:]
    low, high, square = lines
    assert (low - high).norm() < 0.5 * (low - square).norm()


def test_any_length_gives_as_many_finite_numbers_and_notes_do_not_mix() -> None:
    embedder: Embedder = SpectrumEmbedder()
    both = embedder.embed(tones(60, 72))
    assert both.shape == (2, 562)
    assert torch.allclose(embedder.embed(tones(72))[0], both[1], atol=1e-5)
    for seconds in (0.02, 0.25, 3.0):
        found = embedder.embed(tones(60, seconds=seconds))
        assert found.shape == (1, 562)
        assert found.isfinite().all()


def test_its_digest_is_that_of_its_numbers() -> None:
    assert SpectrumEmbedder().digest == SpectrumEmbedder().digest
    assert len(SpectrumEmbedder().digest) == 64
