"""The energy score is proper, unbiased and differentiable; its features hold what they say."""

import math

import numpy as np
import pytest
import torch

from darktimbre.objectives.energy import columns, distance, energy_score, log_spectra, modulations, patches, phasors


def places(*values: float) -> torch.Tensor:
    """Numbers as features of one dimension: `(batch, 1, 1)`."""
    return torch.tensor(values)[:, None, None]


def test_score_of_three_numbers_by_hand():
    assert energy_score(first=places(1.0), second=places(4.0), real=places(2.0)).item() == pytest.approx(0.0)
    assert energy_score(first=places(5.0), second=places(5.0), real=places(2.0)).item() == pytest.approx(3.0)


def test_estimate_is_unbiased():
    """Its mean is the continuous ranked probability score of a normal forecast, known in closed form (Gneiting &
    Raftery 2007, eq. 20 and below)."""
    mean, deviation, note, count = 0.4, 1.3, 1.1, 400_000
    noise = torch.randn(2, count, 1, 1, generator=torch.Generator().manual_seed(1))
    first, second = mean + deviation * noise
    found = energy_score(first=first, second=second, real=torch.full((count, 1, 1), note)).item()
    w = (note - mean) / deviation
    density, share = math.exp(-w * w / 2) / math.sqrt(2 * math.pi), 0.5 * (1 + math.erf(w / math.sqrt(2)))
    assert found == pytest.approx(deviation * (w * (2 * share - 1) + 2 * density - 1 / math.sqrt(math.pi)), abs=0.01)


def test_least_score_has_the_notes_mean_and_spread_under_each_condition():
    """Under condition 0 notes are N(−1, 0.5²), under condition 1 N(2, 1.5²), correlated over the two dimensions of a
    place; the generator starts at neither and without spread."""
    random = torch.Generator().manual_seed(3)
    centre, spread = torch.tensor([[-1.0, -1.0], [2.0, 2.0]]), torch.tensor([0.5, 1.5])
    shape = torch.linalg.cholesky(torch.tensor([[1.0, 0.8], [0.8, 1.0]]))
    mean, factor = torch.zeros(2, 2, requires_grad=True), torch.full((2, 2, 2), 0.01, requires_grad=True)
    adam = torch.optim.Adam([mean, factor], lr=0.03)
    for step in range(1200):
        condition = torch.arange(256) % 2
        noise = torch.randn(3, 256, 2, generator=random)
        real = centre[condition] + spread[condition, None] * (noise[0] @ shape.T)
        made = [mean[condition] + torch.einsum("bij,bj->bi", factor[condition], one) for one in noise[1:]]
        first, second, target = (one[:, None] for one in (*made, real))
        adam.param_groups[0]["lr"] = 0.03 * (1 - step / 1200)
        adam.zero_grad()
        energy_score(first=first, second=second, real=target).backward()
        adam.step()
    covariance = factor @ factor.mT
    wanted = spread.square()[:, None, None] * (shape @ shape.T)
    torch.testing.assert_close(mean.detach(), centre, atol=0.12, rtol=0.0)
    torch.testing.assert_close(covariance.detach(), wanted, atol=0.05, rtol=0.15)


def test_gradient_is_finite_where_samples_coincide_with_the_note():
    same = torch.ones(2, 3, 4, requires_grad=True)
    energy_score(first=same, second=same, real=torch.ones(2, 3, 4)).backward()
    assert same.grad is not None
    assert torch.equal(same.grad, torch.zeros_like(same))


def test_distance_is_the_mean_of_euclidean_distances():
    first, second = torch.randn(3, 5, 7), torch.randn(3, 5, 7)
    wanted = np.linalg.norm((first - second).numpy(), axis=2).mean(axis=1)
    np.testing.assert_allclose(distance(first, second).numpy(), wanted, rtol=1e-5)


def test_modulations_tell_depth_and_rate_but_not_phase():
    frame_rate, seconds = 32.0, torch.arange(32) / 32.0
    waver = lambda depth, hertz, turn: depth * torch.cos(2 * math.pi * (hertz * seconds + turn))  # noqa: E731
    levels = torch.stack([waver(0.3, 6.0, 0.0), waver(0.3, 6.0, 0.4), waver(0.6, 6.0, 0.1), waver(0.3, 2.0, 0.0)])
    found = modulations(levels[None] - 3.0, frame_rate=frame_rate)[0]
    assert found.shape == (4, 9)  # 4, 5, …, 12 Hz
    torch.testing.assert_close(found[0], found[1], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found[2], 2 * found[0], atol=1e-4, rtol=1e-4)
    assert found[0].argmax() == 2
    assert found[0, 2].item() == pytest.approx(0.3, rel=1e-4)
    assert found[3].max() < 0.01


def test_patches_and_columns_hold_neighbours_together():
    levels = torch.arange(16 * 8.0).view(1, 16, 8)
    found = patches(levels)
    assert found.shape == (1, 3 * 3, 32)
    torch.testing.assert_close(found[0, 4], levels[0, 4:12, 2:6].flatten())  # half a patch on in both directions
    torch.testing.assert_close(columns(levels)[0, 3], levels[0, :, 3])


def test_phasors_are_circular_and_silent_where_nothing_sounds():
    magnitudes = torch.tensor([[[1.0], [0.25], [0.0]]])
    near, far = (phasors(torch.full((1, 3, 1), f), magnitudes) for f in (0.99, -0.99))
    assert distance(near, far).item() == pytest.approx(0.02 * math.pi * (1 + 0.5) / 3, rel=1e-3)
    assert near[0, :, :].norm(dim=1).tolist() == pytest.approx([1.0, 0.5, 0.0], abs=1e-5)


@pytest.mark.parametrize("window", [256, 1024])
def test_a_full_scale_sinusoid_is_at_zero_and_silence_at_the_floor(window):
    time = torch.arange(4096) / 16_000
    found = log_spectra(torch.stack([torch.sin(2 * math.pi * 1000 * time), torch.zeros(4096)]), window=window)
    assert found[0, 8].argmax().item() == 1000 * window // 16_000
    assert found[0, 8].max().item() == pytest.approx(0.0, abs=0.01)
    assert found[1].max().item() == pytest.approx(math.log(1e-3), abs=1e-2)
