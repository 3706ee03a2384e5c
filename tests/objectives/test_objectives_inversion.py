"""Losses of inversion: zero of the sound itself, closed forms, whole turns, finite derivatives of silence."""

import math

import numpy as np
import pytest
import torch

from darktimbre.measures.spectral import spectral_convergence
from darktimbre.objectives import inversion

ON_SPECTRA = [
    inversion.weighted_phase_loss,
    inversion.instantaneous_frequency_loss,
]
ON_MAGNITUDES = [inversion.convergence_loss, lambda **pair: inversion.log_magnitude_loss(**pair, floor=0.01)]


def spectra(seed: int = 0, dtype: torch.dtype = torch.complex128) -> torch.Tensor:
    return torch.randn(3, 6, 5, dtype=dtype, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("loss", ON_SPECTRA)
def test_of_the_sound_itself_a_loss_is_zero_and_of_another_it_is_not(loss):
    assert loss(made=spectra(), real=spectra()).item() == pytest.approx(0, abs=1e-6)
    assert loss(made=spectra(1), real=spectra()).item() > 0.1


@pytest.mark.parametrize("loss", ON_MAGNITUDES)
def test_of_the_magnitudes_themselves_a_loss_is_zero_and_of_others_it_is_not(loss):
    assert loss(made=spectra().abs(), real=spectra().abs()).item() == pytest.approx(0, abs=1e-5)
    assert loss(made=spectra(1).abs(), real=spectra().abs()).item() > 0.1


def test_convergence_is_that_of_the_measures():
    one, other = spectra().abs(), spectra(1).abs()
    wanted = float(np.mean(spectral_convergence(one.numpy(), other.numpy())))
    assert inversion.convergence_loss(made=other, real=one).item() == pytest.approx(wanted)


def test_log_magnitudes_of_a_gain_differ_by_its_logarithm():
    loud = 1e6 * spectra().abs() + 1e6
    assert inversion.log_magnitude_loss(made=3 * loud, real=loud, floor=0.01).item() == pytest.approx(math.log(3))


def test_weighted_phase_of_a_turn_is_one_minus_its_cosine_and_does_not_depend_on_level():
    for turn in (0.3, math.pi / 2, math.pi, 2 * math.pi):
        turned = spectra() * complex(math.cos(turn), math.sin(turn))
        found = inversion.weighted_phase_loss(made=turned, real=spectra()).item()
        assert found == pytest.approx(1 - math.cos(turn), abs=1e-6)
        assert inversion.weighted_phase_loss(made=7 * turned, real=7 * spectra()).item() == pytest.approx(
            found, abs=1e-9
        )


@pytest.mark.parametrize("slope", [0.0, 0.4, -3.0, 2 * math.pi, 2 * math.pi + 0.4, 7.0])
def test_a_ramp_of_phase_is_its_slope_but_for_whole_turns(slope):
    loss = inversion.instantaneous_frequency_loss
    steps = torch.arange(spectra().shape[1], dtype=torch.float64) * slope
    ramp = torch.polar(torch.ones_like(steps), steps)[:, None]
    wanted = abs(slope - 2 * math.pi * round(slope / (2 * math.pi)))
    assert loss(made=spectra() * ramp, real=spectra()).item() == pytest.approx(wanted, abs=1e-6)
    constant = complex(math.cos(1.0), math.sin(1.0))  # where a phase starts does not count
    assert loss(made=spectra() * ramp * constant, real=spectra()).item() == pytest.approx(wanted, abs=1e-6)


def test_anti_wrapping_has_the_period_of_a_turn_and_is_at_most_half_of_one():
    angle = torch.linspace(-20, 20, 999, dtype=torch.float64)
    found = inversion.anti_wrapped(angle)
    assert found.min() >= 0
    assert found.max() <= math.pi
    torch.testing.assert_close(inversion.anti_wrapped(angle + 2 * math.pi), found)
    wanted = torch.from_numpy(np.abs(np.angle(np.exp(1j * angle.numpy()))))
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("loss", ON_SPECTRA)
def test_gradients_are_those_of_finite_differences(loss):
    made = torch.view_as_real(spectra(1)).clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda given: loss(made=torch.view_as_complex(given), real=spectra()), made)


@pytest.mark.parametrize("loss", ON_SPECTRA)
def test_silence_has_a_finite_gradient(loss):
    made = torch.zeros(2, 4, 3, 2, requires_grad=True)
    loss(made=torch.view_as_complex(made), real=spectra(dtype=torch.complex64)[:2, :4, :3]).backward()
    assert made.grad.isfinite().all()
    assert torch.isfinite(loss(made=spectra(), real=torch.zeros_like(spectra())))


def test_the_advance_of_a_tone_is_its_frequency_times_the_hop_but_for_whole_turns():
    advance = torch.full((3, 5, 5), 0.7, dtype=torch.float64)
    frames = torch.polar(torch.ones(6, dtype=torch.float64), 0.7 * torch.arange(6, dtype=torch.float64))
    tone = frames[None, :, None] * torch.rand(3, 1, 5, dtype=torch.float64)
    assert inversion.advance_loss(advance=advance, real=tone).item() == pytest.approx(0, abs=1e-6)
    assert inversion.advance_loss(advance=advance + 0.2, real=tone).item() == pytest.approx(0.2)
    turned = advance + 0.2 - 2 * math.pi * torch.arange(5)
    assert inversion.advance_loss(advance=turned, real=tone).item() == pytest.approx(0.2)
