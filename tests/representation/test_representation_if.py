"""Instantaneous frequency: exact inverses, the two conventions on a pure tone, silence."""

import numpy as np
import pytest
import torch

from darktimbre.representation import stft
from darktimbre.representation.instantaneous_frequency import (
    if_to_phase,
    own_turns,
    phase_to_if,
    spectrum_to_if,
    turn_per_frame,
    wrap,
)

N_FFT, HOP = 2048, 512


def own(dtype: torch.dtype, bins: int = 1025) -> tuple[torch.Tensor, torch.Tensor]:
    return own_turns(0, bins, N_FFT, HOP, dtype, torch.device("cpu"))


def angle_between(first: torch.Tensor, second: torch.Tensor) -> float:
    return float((torch.exp(1j * first) - torch.exp(1j * second)).abs().max())


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-12), (torch.float32, 2e-5)])
def test_phase_comes_back_modulo_a_turn(centred: bool, dtype: torch.dtype, bound: float) -> None:
    phase = (torch.rand(2, 1025, 32, dtype=dtype, generator=torch.Generator().manual_seed(0)) - 0.5) * 2 * torch.pi
    convention = own(dtype) if centred else None
    turns = phase_to_if(phase, own=convention)
    assert turns.abs().max() <= 1
    back = if_to_phase(turns, own=convention)
    assert back.abs().max() <= torch.pi + 1e-6
    assert angle_between(back, phase) < bound


@pytest.mark.parametrize("centred", [False, True])
def test_one_atan2_equals_the_definition_by_differences(centred: bool) -> None:
    waves = torch.randn(2, 16000, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    real, imag = stft.parts(stft.forward(waves, n_fft=N_FFT, hop=HOP))
    convention = own(torch.float64) if centred else None
    fast = spectrum_to_if(real, imag, own=convention)
    slow = phase_to_if(torch.atan2(imag, real), own=convention)
    torch.testing.assert_close(wrap(fast - slow), torch.zeros_like(fast), atol=1e-9, rtol=0)


def test_raw_is_numpys_unwrapped_difference() -> None:
    phase = np.random.default_rng(2).uniform(-np.pi, np.pi, (9, 20))
    unwrapped = np.unwrap(phase, axis=1)
    expected = np.concatenate([unwrapped[:, :1], np.diff(unwrapped, axis=1)], axis=1) / np.pi  # as GANSynth has it
    ours = phase_to_if(torch.from_numpy(phase)[None], own=None)[0].numpy()
    np.testing.assert_allclose(ours, expected, atol=1e-12)


@pytest.mark.parametrize("k", [57, 300, 301])
def test_a_tone_on_a_bin_reads_zero_there_and_half_a_step_a_bin_beside_it(k: int) -> None:
    """The centred convention's promise: within the main lobe of a Hann window (four bins) nothing wraps."""
    tone = torch.cos(2 * torch.pi * k / N_FFT * torch.arange(16000, dtype=torch.float64) + 0.3)[None]
    real, imag = stft.parts(stft.forward(tone, n_fft=N_FFT, hop=HOP))
    turns = spectrum_to_if(real, imag, own=own(torch.float64))[0, :, 3:28]
    for offset, expected in [(0, 0.0), (1, -0.5), (-1, 0.5)]:
        torch.testing.assert_close(
            turns[k + offset], torch.full((25,), expected, dtype=torch.float64), atol=1e-3, rtol=0
        )


def test_a_tone_starts_with_one_phase_across_its_main_lobe() -> None:
    """Measured at the window's middle, the first centred frame is even where the raw one jumps by half a turn a bin."""
    samples = torch.arange(-1024, 1024, dtype=torch.float64)
    tone = torch.cos(2 * torch.pi * 100.3 / N_FFT * samples + 0.7)
    frame = torch.fft.rfft(tone * stft.hann(N_FFT, torch.float64, torch.device("cpu")))[None, None]
    real, imag = stft.parts(frame)
    centred = spectrum_to_if(real, imag, own=own(torch.float64))[0, 99:102, 0] * torch.pi
    raw = spectrum_to_if(real, imag, own=None)[0, 99:102, 0]
    torch.testing.assert_close(centred, torch.full((3,), 0.7, dtype=torch.float64), atol=0.01, rtol=0)
    assert wrap(raw.diff()).abs() == pytest.approx(np.ones(2), abs=0.01)


def test_the_phase_after_silence_is_kept() -> None:
    """A bare product X·conj(X before) is zero after a silent frame, and the attack's phase with it."""
    waves = torch.zeros(1, 16000)
    waves[:, 6000:9000] = torch.randn(3000, generator=torch.Generator().manual_seed(3))
    waves[:, 14000:] = torch.randn(2000, generator=torch.Generator().manual_seed(4))
    spectra = stft.forward(waves, n_fft=N_FFT, hop=HOP)
    assert spectra[:, 0].abs().max() == 0
    real, imag = stft.parts(spectra)
    phase = if_to_phase(spectrum_to_if(real, imag, own=None), own=None)
    magnitude = torch.sqrt(real.square() + imag.square())
    back = stft.joined(magnitude * torch.cos(phase), magnitude * torch.sin(phase))
    torch.testing.assert_close(back, spectra, atol=3e-4, rtol=1e-4)
    assert spectrum_to_if(torch.zeros(1, 4, 5), torch.zeros(1, 4, 5), own=None).abs().max() == 0


def test_gradients_are_finite_even_in_silence() -> None:
    parts = torch.zeros(2, 1, 8, 5, requires_grad=True)
    spectrum_to_if(parts[0], parts[1], own=None).sum().backward()
    assert parts.grad is not None
    assert parts.grad.isfinite().all()
    first = torch.randn(2, 1, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: turn_per_frame(x[0], x[1]), first)
