"""The transform and its inverse: identity, torch and librosa as references, edges, batches, gradients."""

import librosa
import numpy as np
import pytest
import torch

from darktimbre.representation import stft

SIZES = [(16000, 2048, 512), (16384, 2048, 512), (777, 256, 64), (100, 256, 32), (5000, 512, 128)]


@pytest.mark.parametrize(("samples", "n_fft", "hop"), SIZES)
def test_the_inverse_gives_back_every_sample_edges_included(samples: int, n_fft: int, hop: int) -> None:
    waves = torch.randn(3, samples, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    spectra = stft.forward(waves, n_fft=n_fft, hop=hop)
    assert spectra.shape == (3, 1 + samples // hop, n_fft // 2 + 1)
    torch.testing.assert_close(stft.inverse(spectra, n_fft=n_fft, hop=hop, samples=samples), waves, atol=1e-12, rtol=0)


def test_one_second_at_16_khz_has_32_frames() -> None:
    assert stft.frame_count(16000, 512) == 32
    assert stft.frame_count(64000, 512) == 126


@pytest.mark.parametrize(("samples", "n_fft", "hop"), SIZES)
def test_as_torch(samples: int, n_fft: int, hop: int) -> None:
    waves = torch.randn(2, samples, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    window = torch.hann_window(n_fft, dtype=torch.float64)
    kind = {"window": window, "n_fft": n_fft, "hop_length": hop, "center": True}
    expected = torch.stft(waves, pad_mode="constant", return_complex=True, **kind)
    spectra = stft.forward(waves, n_fft=n_fft, hop=hop)
    torch.testing.assert_close(spectra.transpose(1, 2), expected, atol=1e-10, rtol=0)
    generated = spectra * torch.randn(spectra.shape, dtype=torch.complex128)  # belongs to no sound
    expected = torch.istft(generated.transpose(1, 2), length=samples, **kind)
    covered = samples - samples % hop  # torch and we agree wherever torch's sum of squares is the whole one
    ours = stft.inverse(generated, n_fft=n_fft, hop=hop, samples=samples)
    torch.testing.assert_close(ours[:, :covered], expected[:, :covered], atol=1e-9, rtol=1e-7)


def test_as_librosa() -> None:
    wave = np.random.default_rng(2).normal(size=16000)
    expected = librosa.stft(wave, n_fft=2048, hop_length=512)
    spectra = stft.forward(torch.from_numpy(wave)[None], n_fft=2048, hop=512)
    np.testing.assert_allclose(spectra[0].T.numpy(), expected, atol=1e-10)
    generated = expected * np.exp(1j * np.random.default_rng(3).uniform(0, 6, expected.shape))
    ours = stft.inverse(torch.from_numpy(generated.T.copy())[None], n_fft=2048, hop=512, samples=16000)
    np.testing.assert_allclose(ours[0], librosa.istft(generated, n_fft=2048, hop_length=512, length=16000), atol=1e-10)


def test_frames_beyond_the_sound_hold_silence_and_leave_the_inverse_exact() -> None:
    waves = torch.randn(2, 3000, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    spectra = stft.forward(waves, n_fft=256, hop=64, frames=64)
    assert spectra.shape[1] == 64
    assert spectra[:, 50:].abs().max() == 0
    torch.testing.assert_close(stft.inverse(spectra, n_fft=256, hop=64, samples=3000), waves, atol=1e-12, rtol=0)


def test_parts_and_joined_are_a_pair() -> None:
    spectra = torch.randn(2, 5, 9, dtype=torch.complex64)
    real, imag = stft.parts(spectra)
    assert real.shape == imag.shape == (2, 9, 5)
    torch.testing.assert_close(stft.joined(real, imag), spectra)
    without = stft.joined(*stft.parts(spectra, 1), 1)
    assert without[..., 0].abs().max() == 0
    torch.testing.assert_close(without[..., 1:], spectra[..., 1:])


def test_gradients_of_both_ways() -> None:
    waves = torch.randn(1, 40, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: torch.view_as_real(stft.forward(x, n_fft=16, hop=4)), waves)
    spectra = torch.randn(1, 11, 9, dtype=torch.complex128, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: stft.inverse(x, n_fft=16, hop=4, samples=40), spectra)


def test_constants_cached_in_inference_mode_serve_a_later_gradient() -> None:
    with torch.inference_mode():
        stft.inverse(stft.forward(torch.randn(1, 333), n_fft=48, hop=12), n_fft=48, hop=12, samples=333)
    waves = torch.randn(1, 333, requires_grad=True)
    stft.inverse(stft.forward(waves, n_fft=48, hop=12), n_fft=48, hop=12, samples=333).sum().backward()
    assert waves.grad is not None
    torch.testing.assert_close(waves.grad, torch.ones(1, 333), atol=1e-4, rtol=0)  # the pair is the identity
