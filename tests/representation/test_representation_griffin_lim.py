"""Griffin-Lim: converges, no worse than librosa, the same for every batch and every run."""

import librosa
import numpy as np
import pytest
import torch

from darktimbre.measures.spectral import spectral_convergence
from darktimbre.representation import stft
from darktimbre.representation.griffin_lim import griffin_lim

SIZE = {"n_fft": 512, "hop": 128}


@pytest.fixture(scope="module")
def magnitude() -> torch.Tensor:
    """Three harmonic notes with a decay, `(note, frame, frequency)`."""
    time = torch.arange(4000, dtype=torch.float32) / 16000
    notes = [
        sum(torch.sin(2 * torch.pi * f0 * k * time) * torch.exp(-4 * k * time) / k for k in range(1, 8))
        for f0 in (220.0, 311.1, 523.3)
    ]
    return stft.forward(torch.stack(notes), **SIZE).abs()


def convergence(magnitude: torch.Tensor, waves: torch.Tensor) -> np.ndarray:
    made = stft.forward(waves, **SIZE, frames=magnitude.shape[1]).abs()
    return spectral_convergence(magnitude.transpose(1, 2).numpy(), made.transpose(1, 2).numpy())


def test_more_iterations_come_nearer(magnitude: torch.Tensor) -> None:
    errors = [
        convergence(magnitude, griffin_lim(magnitude, **SIZE, samples=4000, iterations=n)).mean() for n in (0, 5, 60)
    ]
    assert errors[0] > 1.5 * errors[1] > 2 * errors[2]
    assert errors[2] < 0.15


def test_momentum_helps(magnitude: torch.Tensor) -> None:
    without = griffin_lim(magnitude, **SIZE, samples=4000, iterations=40, momentum=0.0)
    with_it = griffin_lim(magnitude, **SIZE, samples=4000, iterations=40)
    assert convergence(magnitude, with_it).mean() < convergence(magnitude, without).mean()


def test_no_worse_than_librosa(magnitude: torch.Tensor) -> None:
    how = {"n_iter": 60, "hop_length": 128, "n_fft": 512, "length": 4000}
    notes = enumerate(magnitude.transpose(1, 2).numpy())
    theirs = np.stack([librosa.griffinlim(note, random_state=seed, **how) for seed, note in notes])
    ours = griffin_lim(magnitude, **SIZE, samples=4000, iterations=60)
    assert convergence(magnitude, ours).mean() < 1.3 * convergence(magnitude, torch.from_numpy(theirs)).mean()


def test_the_same_sound_in_every_batch_and_another_for_another_seed(magnitude: torch.Tensor) -> None:
    together = griffin_lim(magnitude, **SIZE, samples=4000, iterations=10)
    alone = griffin_lim(magnitude[1:2], **SIZE, samples=4000, iterations=10)
    torch.testing.assert_close(alone[0], together[1], atol=1e-4, rtol=0)
    other = griffin_lim(magnitude[1:2], **SIZE, samples=4000, iterations=10, seed=1)
    assert (other - alone).abs().max() > 0.01


def test_silence_gives_silence() -> None:
    assert griffin_lim(torch.zeros(1, 32, 257), **SIZE, samples=4000, iterations=3).abs().max() == 0


def test_a_true_phase_to_start_from_is_kept(magnitude: torch.Tensor) -> None:
    wave = torch.randn(1, 4000, generator=torch.Generator().manual_seed(0))
    spectra = stft.forward(wave, **SIZE)
    made = griffin_lim(spectra.abs(), **SIZE, samples=4000, iterations=8, start=spectra)
    torch.testing.assert_close(made, wave, atol=1e-4, rtol=0)
