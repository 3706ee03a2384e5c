"""The mode-seeking loss against its closed form (Mao et al. 2019, eq. 3 and 4)."""

import pytest
import torch

from darktimbre.objectives.mode_seeking import EPSILON, mode_seeking_loss, mode_seeking_ratio


def linear(slope: float, latent: torch.Tensor) -> torch.Tensor:
    """A generator whose picture is its latent, each number held over a row, times a slope."""
    return slope * latent[:, None, :, None].expand(-1, 1, -1, 7)


@pytest.mark.parametrize("slope", [0.25, 1.0, 3.0])
def test_of_a_linear_generator_the_ratio_is_its_slope(slope):
    one, other = torch.randn(2, 5, 6, dtype=torch.float64)
    pairs = {
        "first": linear(slope, one), "second": linear(slope, other), "first_latent": one, "second_latent": other,
    }  # fmt: skip
    assert mode_seeking_ratio(**pairs).item() == pytest.approx(slope)
    assert mode_seeking_loss(**pairs).item() == pytest.approx(1 / (slope + EPSILON))


def test_a_generator_that_ignores_its_latent_costs_one_over_epsilon_and_has_a_gradient_as_soon_as_it_does_not():
    one, other = torch.randn(2, 4, 3)
    picture = torch.zeros(4, 1, 2, 2)
    loss = mode_seeking_loss(first=picture, second=picture, first_latent=one, second_latent=other)
    assert loss.item() == pytest.approx(1 / EPSILON)
    slope = torch.tensor(0.1, requires_grad=True)
    mode_seeking_loss(
        first=linear(1.0, one) * slope, second=linear(1.0, other) * slope, first_latent=one, second_latent=other
    ).backward()
    assert slope.grad.item() == pytest.approx(-1 / (0.1 + EPSILON) ** 2, rel=1e-4)  # d/ds of 1 / (s + ε)


def test_pairs_of_equal_latents_do_not_count():
    one, other = torch.randn(2, 4, 3, dtype=torch.float64)
    other[2:] = one[2:]
    half = mode_seeking_ratio(
        first=linear(2.0, one[:2]), second=linear(2.0, other[:2]), first_latent=one[:2], second_latent=other[:2]
    )
    whole = mode_seeking_ratio(first=linear(2.0, one), second=linear(2.0, other), first_latent=one, second_latent=other)
    torch.testing.assert_close(whole, half)
    nothing = mode_seeking_loss(first=linear(2.0, one), second=linear(2.0, one), first_latent=one, second_latent=one)
    assert torch.isfinite(nothing)


def test_one_of_a_pair_has_half_of_the_gradient_of_both():
    """What the step counts on: for exchangeable latents, detaching one picture halves the expected gradient."""
    torch.manual_seed(0)
    weight = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    one, other = torch.randn(2, 40_000, 3, dtype=torch.float64)

    def gradient(first, second):
        loss = mode_seeking_loss(first=first, second=second, first_latent=one, second_latent=other)
        return torch.autograd.grad(loss, weight)[0]

    both = gradient(torch.tanh(one @ weight.T), torch.tanh(other @ weight.T))
    half = gradient(torch.tanh(one @ weight.T), torch.tanh(other @ weight.T).detach())
    assert (2 * half - both).norm() / both.norm() < 0.05
