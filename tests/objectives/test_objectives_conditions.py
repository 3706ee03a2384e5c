"""What ties a sound to its pitch, its soft labels and its latent: against closed forms and torch.distributions."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import distributions

from darktimbre.notes.temperature import soft_labels
from darktimbre.objectives.auxiliary import pitch_cross_entropy
from darktimbre.objectives.distillation import distillation_loss
from darktimbre.objectives.kl import gaussian_kl
from darktimbre.objectives.reconstruction import frequency_error, magnitude_error, weighted_magnitude_error


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


UNIT = torch.linspace(0.05, 0.95, 24, dtype=torch.float64).view(2, 3, 4)


@pytest.mark.parametrize(
    ("objective", "shapes"),
    [
        (lambda x: pitch_cross_entropy(pitch_logits=x, pitch_class=torch.tensor([0, -1, 3])), [(3, 4)]),
        (lambda x: distillation_loss(student_logits=x, soft_labels=UNIT[0], temperature=1.5), [(3, 4)]),
        (lambda x: frequency_error(made=x, real=UNIT.sin(), weight=UNIT), [(2, 3, 4)]),
        (lambda x: magnitude_error(made=x, real=UNIT.sin(), power=2), [(2, 3, 4)]),
        (lambda m, v: gaussian_kl(mean=m, log_variance=v), [(3, 4), (3, 4)]),
    ],
)
def test_gradients_are_those_of_finite_differences(
    objective: Callable[..., torch.Tensor], shapes: list[tuple[int, ...]]
) -> None:
    assert torch.autograd.gradcheck(objective, tuple(random(*shape) for shape in shapes))


class TestPitch:
    """Categorical cross-entropy, where unpitched notes do not count."""

    def test_against_a_categorical_distribution(self) -> None:
        logits, classes = random(5, 7), torch.tensor([0, 6, 3, 3, 2])
        expected = -distributions.Categorical(logits=logits).log_prob(classes).mean()
        torch.testing.assert_close(pitch_cross_entropy(pitch_logits=logits, pitch_class=classes), expected)

    def test_ignorance_costs_log_of_the_classes(self) -> None:
        loss = pitch_cross_entropy(pitch_logits=torch.zeros(4, 26), pitch_class=torch.arange(4))
        assert loss.item() == pytest.approx(math.log(26))

    def test_unpitched_notes_do_not_count(self) -> None:
        logits = random(3, 7)
        some = pitch_cross_entropy(pitch_logits=logits, pitch_class=torch.tensor([2, -1, 4]))
        torch.testing.assert_close(
            some, pitch_cross_entropy(pitch_logits=logits[[0, 2]], pitch_class=torch.tensor([2, 4]))
        )
        none = pitch_cross_entropy(pitch_logits=logits, pitch_class=torch.tensor([-1, -1, -1]))
        assert none.item() == 0.0
        assert torch.autograd.grad(none, logits)[0].abs().max() == 0


class TestDistillation:
    """BCE(σ(student / T), σ(teacher / T)), DarkGAN §3.2."""

    @pytest.mark.parametrize("temperature", [1.0, 1.5, 5.0])
    def test_closed_form(self, temperature: float) -> None:
        student, teacher = random(4, 6), random(4, 6)
        p, q = torch.sigmoid(student / temperature), torch.sigmoid(teacher / temperature)
        expected = -(q * p.log() + (1 - q) * (1 - p).log()).mean()
        labels = soft_labels(teacher, temperature)
        torch.testing.assert_close(labels, q)
        loss = distillation_loss(student_logits=student, soft_labels=labels, temperature=temperature)
        torch.testing.assert_close(loss, expected)
        # The gradient in closed form, (p − q) / T per logit: without the factor T² of Hinton et al.
        (gradient,) = torch.autograd.grad(loss, student)
        torch.testing.assert_close(gradient, (p - q) / temperature / student.numel())

    def test_least_where_student_is_teacher_and_then_the_entropy(self) -> None:
        teacher = random(3, 5)
        labels = soft_labels(teacher.detach(), 2.0)
        loss = distillation_loss(student_logits=teacher, soft_labels=labels, temperature=2.0)
        torch.testing.assert_close(loss, distributions.Bernoulli(labels).entropy().mean())
        assert torch.autograd.grad(loss, teacher)[0].abs().max() < 1e-12

    def test_sure_and_wrong_is_finite(self) -> None:
        loss = distillation_loss(
            student_logits=torch.tensor([[-500.0]]), soft_labels=torch.tensor([[1.0]]), temperature=2.0
        )
        assert loss.item() == 250.0

    def test_heat_flattens(self) -> None:
        cold, hot = (soft_labels(torch.tensor([-4.0, 3.0]), t) for t in (1.0, 5.0))
        assert ((hot - 0.5).abs() < (cold - 0.5).abs()).all()


class TestReconstruction:
    """Distances between pictures that know what a magnitude and what an angle is."""

    def test_magnitude(self) -> None:
        made, real = torch.tensor([1.0, 2.0, 5.0]), torch.tensor([1.0, 4.0, 1.0])
        assert magnitude_error(made=made, real=real).item() == 2.0
        assert magnitude_error(made=made, real=real, power=2).item() == pytest.approx(20 / 3)

    def test_frequency_is_circular(self) -> None:
        made, real = random(2, 4, 3), random(2, 4, 3)
        weight = torch.rand(2, 4, 3, dtype=torch.float64)
        error = frequency_error(made=made, real=real, weight=weight)
        torch.testing.assert_close(frequency_error(made=made + 2, real=real, weight=weight), error)
        # |e^{iπa} − e^{iπb}|² / 2 is the same number, by complex arithmetic.
        chord = (torch.exp(1j * math.pi * made) - torch.exp(1j * math.pi * real)).abs().square() / 2
        per_note = (weight * chord).sum((1, 2)) / weight.sum((1, 2))
        torch.testing.assert_close(error, per_note.mean())
        assert frequency_error(made=real + 1, real=real, weight=weight).item() == pytest.approx(2.0)

    def test_weight_chooses_the_bins_that_count(self) -> None:
        made, real = random(2, 4, 3), random(2, 4, 3)
        torch.testing.assert_close(
            weighted_magnitude_error(made=made, real=real, weight=torch.ones_like(real)),
            magnitude_error(made=made, real=real),
        )
        one = torch.zeros(2, 4, 3, dtype=torch.float64)
        one[:, 1, 2] = torch.tensor([0.1, 7.0])  # per note: a loud note counts as much as a soft one
        expected = (made - real).abs()[:, 1, 2].mean()
        torch.testing.assert_close(weighted_magnitude_error(made=made, real=real, weight=one), expected)

    def test_silence_has_no_frequency(self) -> None:
        made, real = torch.tensor([[[0.0, 0.5]]]), torch.tensor([[[0.0, -0.9]]])
        assert frequency_error(made=made, real=real, weight=torch.tensor([[[3.0, 0.0]]])).item() == 0.0
        assert frequency_error(made=made, real=real, weight=torch.zeros(1, 1, 2)).item() == 0.0


class TestKl:
    """Diagonal Gaussian against the standard one."""

    def test_against_torch_distributions(self) -> None:
        mean, log_variance = random(6, 4), random(6, 4)
        posterior = distributions.Normal(mean, (0.5 * log_variance).exp())
        expected = distributions.kl_divergence(posterior, distributions.Normal(0.0, 1.0)).sum(1).mean()
        torch.testing.assert_close(gaussian_kl(mean=mean, log_variance=log_variance), expected)

    def test_the_prior_is_free(self) -> None:
        assert gaussian_kl(mean=torch.zeros(3, 4), log_variance=torch.zeros(3, 4)).item() == 0.0

    def test_free_nats_are_a_floor_without_slope(self) -> None:
        mean = torch.tensor([[0.1, 3.0]], requires_grad=True)
        loss = gaussian_kl(mean=mean, log_variance=torch.zeros(1, 2), free_nats=0.5)
        assert loss.item() == pytest.approx(0.5 + 4.5)
        assert torch.autograd.grad(loss, mean)[0].tolist() == [[0.0, 3.0]]
