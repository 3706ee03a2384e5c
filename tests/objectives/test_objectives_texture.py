"""Contrast along frequency and modulation over time."""

import math

import pytest
import torch

from darktimbre.objectives.texture import STEP, broadband, contrast_error, grouped, modulation_error

FRAMES = torch.arange(128) / 62.5  # s


def wobble(hertz, depth=0.1, phase=0.0):
    return (depth * torch.sin(2 * math.pi * hertz * FRAMES + phase)).expand(1, 8, -1)


def test_equal_spectrograms_have_no_error_and_a_level_shift_has_none_either():
    real = torch.randn(2, 16, 128)
    for error in (contrast_error, modulation_error):
        assert float(error(made=real, real=real)) == 0
        assert float(error(made=real + 0.3, real=real)) == pytest.approx(0, abs=1e-5)


def test_blurred_partials_lack_contrast():
    real = torch.zeros(1, 9, 4)
    real[:, 4] = 1.0
    assert float(contrast_error(made=torch.zeros_like(real), real=real)) == pytest.approx(2 / 8)


def test_modulation_is_compared_without_its_phase():
    shifted = modulation_error(made=wobble(5.859375, phase=2.0), real=wobble(5.859375))
    flat = modulation_error(made=wobble(5.859375, depth=0.0), real=wobble(5.859375))
    assert float(shifted) < 1e-4
    assert float(flat) > 0.02


def test_amplitude_of_a_sinusoid_is_its_depth():
    alone = modulation_error(made=wobble(5.859375), real=wobble(5.859375, depth=0.0), first=3, last=3)
    assert float(alone) == pytest.approx(0.1, rel=0.01)
    assert 128 % STEP == 0


def test_what_is_too_slow_or_too_fast_does_not_count():
    for hertz in (0.5, 20.0):
        assert float(modulation_error(made=wobble(hertz), real=wobble(hertz, depth=0.0))) < 0.006


def test_gradient_is_finite_at_flat_levels():
    made = torch.zeros(1, 4, 128, requires_grad=True)
    modulation_error(made=made, real=wobble(6)[:, :4]).backward()
    assert made.grad.isfinite().all()


def test_bands_in_common_and_each_by_itself():
    phases = torch.linspace(0, 2 * math.pi, 17)[:16]
    apart = torch.cat([wobble(6, phase=float(phase))[:, :1] for phase in phases], dim=1)
    together = wobble(6)[:, :1].expand(1, 16, -1)
    steady = torch.zeros_like(apart)
    each = [float(modulation_error(made=levels, real=steady)) for levels in (apart, together)]
    assert each[0] == pytest.approx(each[1], rel=0.05)
    common = [
        float(modulation_error(made=grouped(levels, 16), real=grouped(steady, 16))) for levels in (apart, together)
    ]
    assert common[0] < 0.05 * common[1]
    assert common[1] == pytest.approx(each[1], rel=1e-4)


def test_broadband_level_is_that_of_the_power():
    levels = torch.randn(2, 5, 7)
    nepers = 6.0
    power = torch.exp(2 * nepers * levels.double()).sum(dim=1)
    expected = torch.log(power) / (2 * nepers)
    torch.testing.assert_close(broadband(levels, nepers)[:, 0].double(), expected, atol=1e-5, rtol=0)
    loudest = levels.max(dim=1).values
    assert (broadband(levels, 1e3)[:, 0] - loudest).abs().max() < 0.01
