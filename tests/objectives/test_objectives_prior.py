"""Distances to the prior: against loops, against known distributions, and where their gradients lead."""

import math

import pytest
import torch
from scipy.stats import norm, wasserstein_distance

from darktimbre.objectives.prior import (
    SCALES,
    classwise_sliced_wasserstein,
    energy_distance,
    mmd_imq,
    mmd_rbf,
    normal_places,
    sliced_wasserstein,
)


def directions(count=64, size=3):
    drawn = torch.randn(count, size)
    return drawn / drawn.norm(dim=1, keepdim=True)


def loops(kernel, x, y):
    """The unbiased estimate, pair by pair."""
    n, m = len(x), len(y)
    xx = sum(kernel(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    yy = sum(kernel(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    xy = sum(kernel(a, b) for a in x for b in y) / (n * m)
    return xx + yy - 2 * xy


def rbf(a, b):
    return math.exp(-float((a - b).square().sum()) / (2 * len(a)))


def imq(a, b):
    return sum(s * 2 * len(a) / (s * 2 * len(a) + float((a - b).square().sum())) for s in SCALES)


@pytest.mark.parametrize(("function", "kernel"), [(mmd_rbf, rbf), (mmd_imq, imq)])
def test_mmd_is_the_unbiased_estimate(function, kernel):
    latent, prior = torch.randn(7, 3, dtype=torch.float64) * 2, torch.randn(9, 3, dtype=torch.float64)
    assert float(function(latent=latent, prior=prior)) == pytest.approx(loops(kernel, latent, prior), abs=1e-9)


@pytest.mark.parametrize("function", [mmd_rbf, mmd_imq])
def test_mmd_is_about_zero_for_the_prior_and_grows_with_the_distance(function):
    prior, same = torch.randn(400, 3), torch.randn(400, 3)
    values = [float(function(latent=same + shift, prior=prior)) for shift in (0.0, 0.5, 1.0, 2.0)]
    assert abs(values[0]) < 0.02
    assert values == sorted(values)


def test_imq_draws_in_what_lies_far_out_rbf_does_not():
    prior, pulls = torch.randn(64, 3), {}
    for function in (mmd_rbf, mmd_imq):
        latent = (torch.randn(32, 3) + 30).requires_grad_()
        function(latent=latent, prior=prior).backward()
        pulls[function] = float(latent.grad.mean())
    assert pulls[mmd_imq] > 1e-5
    assert abs(pulls[mmd_rbf]) < pulls[mmd_imq] / 10


def test_sliced_wasserstein_in_one_dimension_is_by_order():
    latent = torch.randn(5000, 1) * 1.7 + 0.4
    quantiles = norm.ppf((torch.arange(5000) + 0.5).numpy() / 5000)
    ours = sliced_wasserstein(latent=latent, directions=torch.ones(1, 1))
    sorted_latent = latent[:, 0].sort().values.numpy()
    assert float(ours) == pytest.approx(float(((sorted_latent - quantiles) ** 2).mean()), rel=0.01)
    # with equally many points the 1-Wasserstein distance, which scipy has, is by the same pairs
    by_pairs = float((latent[:, 0] - normal_places(latent)[:, 0]).abs().mean())
    assert by_pairs == pytest.approx(wasserstein_distance(latent[:, 0].numpy(), quantiles), rel=0.01)


@pytest.mark.parametrize("count", [4, 8, 24])
def test_normal_numbers_are_at_rest_however_few_they_are(count):
    drawn = torch.randn(count, 40_000)
    places = normal_places(drawn)
    assert float((drawn * places).mean() / drawn.square().mean()) == pytest.approx(1, abs=0.02)
    assert float(places.mean()) == pytest.approx(0, abs=1e-5)


def test_sliced_wasserstein_of_a_shift_and_a_scale_is_known():
    latent = torch.randn(10_000, 3)
    shift, scale = torch.tensor([0.3, 0.0, 0.0]), 1.5
    measured = sliced_wasserstein(latent=latent * scale + shift, directions=directions(64))
    expected = (scale - 1) ** 2 + 0.3**2 / 3  # Gaussians: squared difference of means and of deviations
    assert float(measured) == pytest.approx(expected, rel=0.1)


def test_descending_it_leads_to_the_prior():
    latent = (torch.rand(256, 2) ** 3 * 4).requires_grad_()
    adam = torch.optim.Adam([latent], lr=0.05)
    for _ in range(300):
        adam.zero_grad()
        sliced_wasserstein(latent=latent, directions=directions(16, 2)).backward()
        adam.step()
    values = latent.detach()
    assert values.mean(dim=0).abs().max() < 0.05
    assert (values.std(dim=0) - 1).abs().max() < 0.08
    assert torch.corrcoef(values.T)[0, 1].abs() < 0.1


def test_classwise_is_the_mean_over_latents_of_each_class_by_itself():
    latent, classes, ways = torch.randn(12, 3) + 1, torch.tensor([0] * 4 + [1] * 7 + [-1]), directions()
    together = classwise_sliced_wasserstein(latent=latent, classes=classes, directions=ways)
    alone = [sliced_wasserstein(latent=latent[classes == one], directions=ways) for one in (0, 1)]
    torch.testing.assert_close(together, (4 * alone[0] + 7 * alone[1]) / 11)


def test_a_few_of_each_class_at_a_time_lead_every_class_to_the_prior():
    """As in training: of each class, batches of 8 from many notes; they start in narrow, distant clusters."""
    random = torch.Generator().manual_seed(3)
    codes = 0.1 * torch.randn(4, 64, 2, generator=random) + 3 * torch.randn(4, 1, 2, generator=random)
    codes.requires_grad_()
    adam, classes = torch.optim.Adam([codes], lr=0.1), torch.arange(4).repeat_interleave(8)
    for step in range(600):
        chosen = torch.rand(4, 64, generator=random).argsort(dim=1)[:, :8]
        batch = codes[torch.arange(4)[:, None], chosen].flatten(0, 1)
        adam.zero_grad()
        classwise_sliced_wasserstein(latent=batch, classes=classes, directions=directions(16, 2)).backward()
        adam.param_groups[0]["lr"] = 0.1 * 0.99 ** max(step - 300, 0)
        adam.step()
    values = codes.detach()
    assert values.mean(dim=1).abs().max() < 0.25
    assert (values.std(dim=1) - 1).abs().max() < 0.25


def test_classes_that_lie_apart_cost_though_together_they_fit():
    half = torch.randn(2000, 1).abs()
    latent, classes = torch.cat([half, -half]), torch.tensor([0] * 2000 + [1] * 2000)
    ways = torch.ones(1, 1)
    assert float(sliced_wasserstein(latent=latent, directions=ways)) < 0.01
    assert float(classwise_sliced_wasserstein(latent=latent, classes=classes, directions=ways)) > 0.5


def test_energy_distance_is_that_of_the_definition():
    first, second = torch.randn(4, 3), torch.randn(6, 3)
    lengths = loops(lambda a, b: -torch.linalg.vector_norm(a - b), first, second)
    assert energy_distance(latent=first, prior=second).item() == pytest.approx(lengths.item(), rel=1e-4)


def test_energy_distance_is_0_on_average_for_one_distribution():
    random = torch.Generator().manual_seed(6)
    found = [
        energy_distance(latent=torch.randn(8, 5, generator=random), prior=torch.randn(64, 5, generator=random)).item()
        for _ in range(400)
    ]
    error = torch.tensor(found).std().item() / math.sqrt(len(found))
    assert abs(sum(found) / len(found)) < 3 * error


def test_by_batches_of_8_latents_end_independent_of_their_condition_with_mean_0_and_deviation_1():
    """At first a latent is its condition, off the mean and hardly spread otherwise; batches are as small as in
    training, and what could drift is watched over the last third of the steps."""
    random = torch.Generator().manual_seed(7)
    mix, own, mean = (
        torch.eye(2).requires_grad_(),
        torch.full((2,), 0.3).requires_grad_(),
        torch.ones(2).requires_grad_(),
    )
    adam, codes, conditions = torch.optim.Adam([mix, own, mean], lr=0.02, betas=(0.9, 0.99)), [], []
    for step in range(1500):
        condition, others = torch.randn(8, 2, generator=random), torch.randn(64, 2, generator=random)
        latent = mean + condition @ mix + own * torch.randn(8, 2, generator=random)
        pairs, wanted = torch.cat([latent, condition], 1), torch.cat([torch.randn(64, 2, generator=random), others], 1)
        adam.param_groups[0]["lr"] = 0.02 * (1 - step / 1500)
        adam.zero_grad()
        energy_distance(latent=pairs, prior=wanted).backward()
        adam.step()
        if step >= 1000:
            codes.append(latent.detach())
            conditions.append(condition)
    latent, condition = torch.cat(codes), torch.cat(conditions)
    torch.testing.assert_close(latent.mean(0), torch.zeros(2), atol=0.12, rtol=0.0)
    torch.testing.assert_close(latent.T.cov(), torch.eye(2), atol=0.2, rtol=0.0)
    together = torch.cat([latent, condition], 1).T.corrcoef()[:2, 2:]
    assert together.abs().max() < 0.12
