"""Our convolutions are torch's, to third order, and compute no gradient that is not needed."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from darktimbre.models import convolution
from darktimbre.models.convolution import Conv2d, ConvTranspose2d, convolve, spread, weight_gradient

STRIDES = [(1, 1), (2, 1), (2, 2)]


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("kernel", [1, 3])
def test_convolve_is_conv2d(stride, kernel):
    x, weight, bias = random(2, 2, 4, 4), random(3, 2, kernel, kernel), random(3)

    def ours(*arguments: Tensor) -> Tensor:
        return convolve(*arguments, stride, kernel // 2)

    torch.testing.assert_close(ours(x, weight, bias), F.conv2d(x, weight, bias, stride, kernel // 2))
    assert torch.autograd.gradcheck(ours, (x, weight, bias))
    assert torch.autograd.gradgradcheck(ours, (x, weight, bias))


@pytest.mark.parametrize("stride", STRIDES)
def test_spread_is_conv_transpose2d(stride):
    kernel = tuple(3 if times == 1 else 4 for times in stride)
    x, weight, bias = random(2, 2, 3, 2), random(2, 3, *kernel), random(3)

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


# ----------------------------------------------------------------------------
# bfloat16 with a stride and an input narrower than the kernel, which processors with AMX get wrong. Others get it
# right, so that float32's accuracy shows that the guard was taken.

KERNELS = {
    "module": lambda: Conv2d(2, 4, (7, 3), (1, 2), (3, 1)),
    "function": lambda: Called(convolve, torch.randn(4, 2, 3, 3), torch.randn(4), (1, 2), 1),
    "transposed module": lambda: ConvTranspose2d(2, 4, 4, 2, 1),
    "transposed function": lambda: Called(spread, torch.randn(2, 4, 4, 4), torch.randn(4), (2, 2), 1),
}


class Called(torch.nn.Module):
    """One of our functions as a module."""

    def __init__(self, function, weight: Tensor, bias: Tensor, stride: tuple[int, int], padding: int) -> None:
        super().__init__()
        self.weight, self.bias = torch.nn.Parameter(weight), torch.nn.Parameter(bias)
        self.function, self.how = function, (stride, padding)

    def forward(self, features: Tensor) -> Tensor:
        return self.function(features, self.weight, self.bias, *self.how)


@pytest.mark.parametrize("name", KERNELS)
def test_narrow_inputs_with_a_stride_are_computed_in_float32(name: str) -> None:
    kernel = KERNELS[name]()
    width = 1 if "transposed" in name else 2  # of the input; a transposed one's result is twice as wide
    narrow, wide = (torch.randn(8, 2, 146, n).to(memory_format=torch.channels_last) for n in (width, 4))
    expected = kernel(narrow)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, from_bf16, of_wide = kernel(narrow), kernel(narrow.bfloat16()), kernel(wide)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert from_bf16.dtype == torch.float32
    assert from_bf16.isfinite().all()
    assert of_wide.dtype == torch.bfloat16
    found.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in kernel.parameters())
