"""The average's half-life is in notes, whatever the batch."""

import pytest
import torch
from torch import nn

from darktimbre.models.averaging import average_into, decay


def linear(value: float) -> nn.Linear:
    net = nn.Linear(2, 2)
    for parameter in net.parameters():
        nn.init.constant_(parameter, value)
    return net


def test_half_life() -> None:
    averaged, trained = linear(1.0), linear(0.0)
    average_into(averaged, trained, notes=500, half_life=500)
    assert averaged.weight[0, 0].item() == pytest.approx(0.5)
    assert decay(1000, 500) == 0.25


@pytest.mark.parametrize("batch", [1, 4, 20])
def test_batch_size_does_not_matter(batch: int) -> None:
    averaged, trained = linear(1.0), linear(0.0)
    for _ in range(100 // batch):
        average_into(averaged, trained, notes=batch, half_life=64)
    assert averaged.bias[0].item() == pytest.approx(0.5 ** (100 / 64), rel=1e-5)
    assert trained.weight.abs().max() == 0


def test_buffers_are_copied_and_unknown_parameters_refused() -> None:
    averaged, trained = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    trained(torch.randn(8, 3))
    average_into(averaged, trained, notes=1, half_life=10)
    assert torch.equal(averaged.running_mean, trained.running_mean)
    with pytest.raises(KeyError):
        average_into(linear(1.0), nn.Identity(), notes=1, half_life=10)
