"""Our convolutions are torch's, to third order, and compute no gradient that nobody asked for."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from darktimbre.models import convolution
from darktimbre.models.convolution import convolve, spread, weight_gradient

STRIDES = [(1, 1), (2, 1), (2, 2)]


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("kernel", [1, 3])
def test_convolve_is_conv2d(stride, kernel):
    x, weight, bias = random(2, 3, 6, 4), random(5, 3, kernel, kernel), random(5)

    def ours(*arguments: Tensor) -> Tensor:
        return convolve(*arguments, stride, kernel // 2)

    torch.testing.assert_close(ours(x, weight, bias), F.conv2d(x, weight, bias, stride, kernel // 2))
    assert torch.autograd.gradcheck(ours, (x, weight, bias))
    assert torch.autograd.gradgradcheck(ours, (x, weight, bias))


@pytest.mark.parametrize("stride", STRIDES)
def test_spread_is_conv_transpose2d(stride):
    kernel = tuple(3 if times == 1 else 4 for times in stride)
    x, weight, bias = random(2, 3, 3, 2), random(3, 4, *kernel), random(4)

    def ours(*arguments: Tensor) -> Tensor:
        return spread(*arguments, stride, 1)

    torch.testing.assert_close(ours(x, weight, bias), F.conv_transpose2d(x, weight, bias, stride, 1))
    assert torch.autograd.gradcheck(ours, (x, weight, bias))
    assert torch.autograd.gradgradcheck(ours, (x, weight, bias))


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("kernel", [1, 3])
def test_strips_sum_to_the_whole(monkeypatch, stride, kernel):
    monkeypatch.setattr(convolution, "_strips_pay", lambda features: True)
    x = torch.randn(2, 3, 2 * 80, 8, dtype=torch.float64).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(4, 3, kernel, kernel, dtype=torch.float64, requires_grad=True)
    out = F.conv2d(x, weight, None, stride, kernel // 2)
    result = torch.randn_like(out)
    assert result.shape[2] > convolution.ROWS
    (expected,) = torch.autograd.grad(out, weight, result)
    torch.testing.assert_close(weight_gradient(x, result, weight.shape, stride, kernel // 2), expected)


def test_a_penaltys_first_pass_computes_no_weights_gradient(monkeypatch):
    calls = []

    def counted(*arguments):
        calls.append(arguments)
        return weight_gradient(*arguments)

    monkeypatch.setattr(convolution, "weight_gradient", counted)
    x, weight, bias = random(2, 3, 6, 4), random(5, 3, 3, 3), random(5)
    (slope,) = torch.autograd.grad(convolve(x, weight * 2, bias, (1, 1), 1).square().sum(), x, create_graph=True)
    assert not calls
    slope.square().sum().backward()
    assert calls
