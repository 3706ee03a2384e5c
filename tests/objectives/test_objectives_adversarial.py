"""The two adversarial losses and their gradient penalties, against closed forms and per-sample gradients."""

import math

import pytest
import torch
from torch import Tensor

from darktimbre.objectives import logistic, wasserstein
from darktimbre.objectives.gradient_penalty import gradient_penalty, r1_penalty


def scores(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_gradcheck() -> None:
    real, fake = torch.randn(2, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda r, f: wasserstein.critic_loss(real=r, fake=f), (real, fake))
    assert torch.autograd.gradcheck(lambda r: wasserstein.drift(real=r), (real,))
    assert torch.autograd.gradcheck(lambda r, f: logistic.critic_loss(real=r, fake=f), (real, fake))


class TestWasserstein:
    """Equations of Arjovsky et al. 2017 with the numbers put in."""

    def test_closed_forms(self) -> None:
        real, fake = scores(3.0, 5.0), scores(-1.0, 0.0, 4.0)
        assert wasserstein.critic_loss(real=real, fake=fake).item() == -3.0
        assert wasserstein.generator_loss(fake=fake).item() == -1.0
        assert wasserstein.drift(real=real).item() == 17.0

    def test_critic_and_generator_are_opposed_in_the_fake(self) -> None:
        fake = scores(1.0, 2.0).requires_grad_()
        (critic,) = torch.autograd.grad(wasserstein.critic_loss(real=scores(0.0), fake=fake), fake)
        (generator,) = torch.autograd.grad(wasserstein.generator_loss(fake=fake), fake)
        torch.testing.assert_close(critic, -generator)


class TestLogistic:
    """Equations of Goodfellow et al. 2014, and that large logits neither overflow nor vanish."""

    def test_against_probabilities(self) -> None:
        real, fake = torch.randn(2, 6, dtype=torch.float64)
        expected = -(torch.sigmoid(real).log().mean() + (1 - torch.sigmoid(fake)).log().mean())
        torch.testing.assert_close(logistic.critic_loss(real=real, fake=fake), expected)
        torch.testing.assert_close(logistic.generator_loss(fake=fake), -torch.sigmoid(fake).log().mean())

    def test_undecided_critic_pays_two_bits(self) -> None:
        assert logistic.critic_loss(real=scores(0.0), fake=scores(0.0)).item() == pytest.approx(2 * math.log(2))

    def test_extremes(self) -> None:
        assert logistic.critic_loss(real=scores(-1000.0), fake=scores(1000.0)).item() == 2000.0
        fake = scores(-1000.0).requires_grad_()
        (slope,) = torch.autograd.grad(logistic.generator_loss(fake=fake), fake)
        assert slope.item() == -1.0  # the point of the non-saturating form


class TestGradientPenalty:
    """WGAN-GP: analytic for a linear critic, per-sample gradients for a curved one."""

    def pictures(self) -> tuple[Tensor, Tensor, Tensor]:
        real, fake = torch.randn(2, 6, 2, 3, 4, dtype=torch.float64)
        return real, fake, torch.rand(6, dtype=torch.float64)

    @pytest.mark.parametrize("target", [0.0, 1.0])
    def test_linear_critic_has_one_slope(self, target: float) -> None:
        real, fake, alphas = self.pictures()
        weight = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
        penalty = gradient_penalty(
            lambda x: (x * weight).sum(dim=(1, 2, 3)), real=real, fake=fake, alphas=alphas, target=target
        )
        norm = weight.norm()
        torch.testing.assert_close(penalty, (norm - target).square())
        (gradient,) = torch.autograd.grad(penalty, weight)
        torch.testing.assert_close(gradient, 2 * (norm - target) * weight.detach() / norm)

    def test_sum_is_the_batch_times_the_mean(self) -> None:
        real, fake, alphas = self.pictures()
        critic = curved_critic()
        mean, total = (
            gradient_penalty(critic, real=real, fake=fake, alphas=alphas, reduction=how) for how in ("mean", "sum")
        )
        torch.testing.assert_close(total, 6 * mean)

    def test_against_per_sample_gradients(self) -> None:
        real, fake, alphas = self.pictures()
        critic = curved_critic()
        mixed = torch.stack([a * r + (1 - a) * f for a, r, f in zip(alphas, real, fake, strict=True)])
        each = torch.func.vmap(torch.func.grad(lambda x: critic(x[None])[0]))(mixed)
        expected = (each.flatten(1).norm(dim=1) - 1).square().mean()
        torch.testing.assert_close(gradient_penalty(critic, real=real, fake=fake, alphas=alphas), expected)
        at_real = torch.func.vmap(torch.func.grad(lambda x: critic(x[None])[0]))(real)
        torch.testing.assert_close(r1_penalty(critic, real=real), at_real.square().flatten(1).sum(1).mean())

    def test_gradient_with_respect_to_the_critic(self) -> None:
        real, fake, alphas = self.pictures()
        inner = torch.randn(24, 5, dtype=torch.float64, requires_grad=True)

        def of(weight: Tensor) -> Tensor:
            return gradient_penalty(
                lambda x: torch.tanh(x.flatten(1) @ weight).sum(1), real=real, fake=fake, alphas=alphas
            )

        def r1_of(weight: Tensor) -> Tensor:
            return r1_penalty(lambda x: torch.tanh(x.flatten(1) @ weight).sum(1), real=real)

        assert torch.autograd.gradcheck(of, (inner,))
        assert torch.autograd.gradcheck(r1_of, (inner,))

    def test_only_the_critic_is_trained_by_it(self) -> None:
        real, fake, alphas = self.pictures()
        fake.requires_grad_()
        gradient_penalty(curved_critic(), real=real, fake=fake, alphas=alphas).backward()
        assert fake.grad is None

    def test_flat_critic_has_finite_gradients(self) -> None:
        real, fake, alphas = self.pictures()
        weight = torch.zeros(24, dtype=torch.float64, requires_grad=True)
        penalty = gradient_penalty(lambda x: x.flatten(1) @ weight, real=real, fake=fake, alphas=alphas)
        assert penalty.item() == pytest.approx(1.0, abs=1e-5)
        assert torch.isfinite(torch.autograd.grad(penalty, weight)[0]).all()


def curved_critic() -> torch.nn.Module:
    torch.manual_seed(3)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3, padding=1), torch.nn.Tanh(), torch.nn.Flatten(), torch.nn.Linear(48, 1)
    )
    return torch.nn.Sequential(net, torch.nn.Flatten(0)).double()
