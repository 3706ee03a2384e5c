"""Mel frequency: librosa's basis, a non-negative inverse, one tone's frequency through a band and back."""

import librosa
import numpy as np
import pytest
import torch

from darktimbre.notes.errors import UserError
from darktimbre.representation import mel, stft
from darktimbre.representation.instantaneous_frequency import turn_per_frame

CPU = torch.device("cpu")


@pytest.mark.parametrize(("rate", "n_fft", "bands"), [(16000, 2048, 256), (16000, 2048, 64), (32000, 1024, 64)])
def test_the_basis_is_librosas(rate: int, n_fft: int, bands: int) -> None:
    expected = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=bands, htk=True, norm=None, dtype=np.float64)
    np.testing.assert_allclose(mel.mel_basis(rate=rate, n_fft=n_fft, bands=bands), expected, atol=1e-10)
    expected = librosa.filters.mel(
        sr=rate, n_fft=n_fft, n_mels=32, fmin=125, fmax=7500, htk=True, norm=None, dtype=np.float64
    )
    np.testing.assert_allclose(
        mel.mel_basis(rate=rate, n_fft=n_fft, bands=32, low_hz=125, high_hz=7500), expected, atol=1e-10
    )


def test_bands_finer_than_the_bins_are_refused_with_the_remedy() -> None:
    with pytest.raises(UserError, match="fewer bands"):
        mel.mel_basis(rate=16000, n_fft=512, bands=256)


def test_the_inverse_is_non_negative_explains_the_bands_and_beats_the_pseudo_inverse() -> None:
    time = torch.arange(16000, dtype=torch.float64) / 16000
    waves = torch.stack([sum(torch.sin(2 * torch.pi * f0 * k * time) / k for k in range(1, 16)) for f0 in (131, 330)])
    waves = waves + 1e-3 * torch.randn(2, 16000, generator=torch.Generator().manual_seed(0))
    real, imag = stft.parts(stft.forward(waves, n_fft=2048, hop=512))
    magnitude = torch.sqrt(real**2 + imag**2)
    basis, spread = mel.mel_pair(16000, 2048, 128, torch.float64, CPU)
    bands = basis @ magnitude
    back = mel.mel_to_magnitude(bands, basis, spread, rounds=50)
    assert back.min() >= 0
    assert (basis @ back / bands - 1).abs().mean() < 0.05
    plain = (torch.linalg.pinv(basis) @ bands).clamp(min=0)

    def distance(estimate: torch.Tensor) -> float:
        return float((torch.log(estimate + 1e-3) - torch.log(magnitude + 1e-3)).square().mean().sqrt())

    assert distance(mel.mel_to_magnitude(bands, basis, spread)) < 0.8 * distance(plain)


def test_silence_stays_silence() -> None:
    basis, spread = mel.mel_pair(16000, 2048, 128, torch.float32, CPU)
    back = mel.mel_to_magnitude(torch.zeros(1, 128, 3), basis, spread)
    assert back.abs().max() < 1e-12


@pytest.mark.parametrize("hz", [220.0, 1000.0, 3333.3])
def test_a_tones_frequency_survives_its_band(hz: float) -> None:
    tone = torch.sin(2 * torch.pi * hz / 16000 * torch.arange(16000, dtype=torch.float64))[None]
    real, imag = stft.parts(stft.forward(tone, n_fft=2048, hop=512))
    basis, spread = mel.mel_pair(16000, 2048, 128, torch.float64, CPU)
    turns = mel.mel_to_turns(mel.turns_to_mel(*turn_per_frame(real, imag), basis), spread)
    strongest = round(hz * 2048 / 16000)
    advance = 2 * hz * 512 / 16000
    away = turns[0, strongest, 4:28] - advance
    assert (away - 2 * torch.round(away / 2)).abs().max() < 2e-3
