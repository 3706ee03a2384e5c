"""Convolutions whose gradients, and the gradients of those, are each computed the fast way on a CPU.

A convolution, its transpose (the gradient of its input) and the gradient of its weight are bilinear; each one's
derivatives are the other two. Written so, second derivatives need nothing else, where torch computes the weight's part
of a gradient penalty by a convolution with a kernel as large as the picture. The gradient of the weight is computed in
strips of the picture: oneDNN's own, channels-last on processors without AVX-512, falls from 50 to 14 GFLOP/s a core as
pictures grow (measured).

Under autocast they are torch's, but for one case that is computed in float32; so are the modules `Conv2d` and
`ConvTranspose2d`.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.nn import functional as F
from torch.nn.grad import conv2d_weight

Pair = tuple[int, int]
ROWS = 32  # of a strip


def convolve(features: Tensor, weight: Tensor, bias: Tensor, stride: Pair, padding: int) -> Tensor:
    """`conv2d(features, weight, bias, stride, padding)`."""
    if _as_it_is(features):
        return _safely(
            lambda given: F.conv2d(given, weight, bias, stride, padding), features, features.shape[2:], weight, stride
        )
    return cast(Tensor, _Convolution.apply(features, weight, _no_leaf(bias), stride, padding))


def spread(features: Tensor, weight: Tensor, bias: Tensor, stride: Pair, padding: int) -> Tensor:
    """`conv_transpose2d(features, weight, bias, stride, padding)`."""
    size = _spread_size(features, weight, stride, padding)
    if _as_it_is(features):
        return _safely(
            lambda given: F.conv_transpose2d(given, weight, bias, stride, padding), features, size, weight, stride
        )
    return cast(Tensor, _Transposed.apply(features, weight, _no_leaf(bias), size, stride, padding))


def _as_it_is(features: Tensor) -> bool:
    """Whether torch's own is left to do it: on accelerators and under autocast."""
    return features.device.type != "cpu" or torch.is_autocast_enabled("cpu")


def _spread_size(result: Tensor, weight: Tensor, stride: Pair, padding: int) -> list[int]:
    kernel = weight.shape[2:]
    return [(n - 1) * s - 2 * padding + k for n, s, k in zip(result.shape[2:], stride, kernel, strict=True)]


# ----------------------------------------------------------------------------
# bfloat16
#
# On CPUs with AMX (torch 2.13, oneDNN) a bfloat16 convolution with a stride over an input narrower than its kernel
# gives NaN or 1e38, e.g. (8, 2, 146, 2) by (4, 2, 7, 3), stride (1, 2), padding (3, 1). Wider inputs are right, and
# so are narrow ones without a stride. The gradient of a transposed convolution is a convolution over its result.


def _safely(
    compute: Callable[[Tensor], Tensor], features: Tensor, size: Sequence[int], weight: Tensor, stride: Sequence[int]
) -> Tensor:
    """`compute(features)`, in float32 where autocast to bfloat16 goes wrong; `size` is that of the finer side."""
    narrow = max(stride) > 1 and any(n < k for n, k in zip(size, weight.shape[2:], strict=True))
    if not narrow or features.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return compute(features)
    with torch.autocast("cpu", enabled=False):
        return compute(features.float())


class Conv2d(nn.Conv2d):
    """torch's, computed in float32 where bfloat16 goes wrong."""

    def forward(self, input: Tensor) -> Tensor:
        return _safely(super().forward, input, input.shape[2:], self.weight, self.stride)


class ConvTranspose2d(nn.ConvTranspose2d):
    """torch's, computed in float32 where bfloat16 goes wrong."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        result = [n * step for n, step in zip(input.shape[2:], self.stride, strict=True)]
        return _safely(partial(super().forward, output_size=output_size), input, result, self.weight, self.stride)


# ----------------------------------------------------------------------------


def _no_leaf(bias: Tensor) -> Tensor:
    """The same, as something computed, whose gradient `_wanted` can then find to be wanted or not."""
    return bias.clone()


# The fast way. In all three: features (batch, in, …) ─ weight (out, in, k, k) ─► result (batch, out, …).


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, bias: Tensor | None, stride: Pair, padding: int) -> Tensor:
        ctx.save_for_backward(features, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(features, weight, bias, stride, padding)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        features, weight = ctx.saved_tensors
        how = (ctx.stride, ctx.padding)
        of_features = of_weight = of_bias = None
        if _wanted(ctx, 0):
            of_features = _Transposed.apply(gradient, weight, None, features.shape[2:], *how)
        if _wanted(ctx, 1):
            of_weight = _WeightGradient.apply(features, gradient, weight.shape, *how)
        if _wanted(ctx, 2):
            of_bias = gradient.sum(dim=(0, 2, 3))
        return of_features, of_weight, of_bias, None, None


class _Transposed(torch.autograd.Function):
    """From result's side to the features', of the size given."""

    @staticmethod
    def forward(
        ctx: Any, result: Tensor, weight: Tensor, bias: Tensor | None, size: Any, stride: Pair, padding: int
    ) -> Tensor:
        ctx.save_for_backward(result, weight)
        ctx.stride, ctx.padding = stride, padding
        least = _spread_size(result, weight, stride, padding)
        beyond = [wanted - given for wanted, given in zip(size, least, strict=True)]
        return F.conv_transpose2d(result, weight, bias, stride, padding, beyond)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        result, weight = ctx.saved_tensors
        how = (ctx.stride, ctx.padding)
        of_result = of_weight = of_bias = None
        if _wanted(ctx, 0):
            of_result = _Convolution.apply(gradient, weight, None, *how)
        if _wanted(ctx, 1):
            of_weight = _WeightGradient.apply(gradient, result, weight.shape, *how)
        if _wanted(ctx, 2):
            of_bias = gradient.sum(dim=(0, 2, 3))
        return of_result, of_weight, of_bias, None, None, None


class _WeightGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, result: Tensor, shape: Any, stride: Pair, padding: int) -> Tensor:
        ctx.save_for_backward(features, result)
        ctx.stride, ctx.padding = stride, padding
        return weight_gradient(features, result, shape, stride, padding)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        features, result = ctx.saved_tensors
        how = (ctx.stride, ctx.padding)
        of_features = of_result = None
        if _wanted(ctx, 0):
            of_features = _Transposed.apply(result, gradient, None, features.shape[2:], *how)
        if _wanted(ctx, 1):
            of_result = _Convolution.apply(features, gradient, None, *how)
        return of_features, of_result, None, None, None


def _wanted(ctx: FunctionCtx, argument: int) -> bool:
    """Whether this backward pass wants the gradient of an argument.

    Autograd states only whether it *could* be wanted; the first pass of a penalty, which needs that of the
    picture's alone, would compute those of all weights in vain.
    """
    nodes = ctx.next_functions  # type: ignore[attr-defined]
    node = nodes[argument][0] if argument < len(nodes) else None  # an argument that is None has no place there
    if node is None:
        return False
    try:
        return bool(torch._C._will_engine_execute_node(node))
    except (AttributeError, RuntimeError):  # a leaf under autograd.grad, of which it can't tell; or another torch
        return True


def weight_gradient(features: Tensor, result: Tensor, shape: torch.Size, stride: Pair, padding: int) -> Tensor:
    """∂/∂weight of ⟨result, conv2d(features, weight, stride, padding)⟩."""
    rows = result.shape[2]
    if rows <= ROWS or not _strips_pay(features):
        return conv2d_weight(features, shape, result, stride, padding)
    total = torch.zeros(shape, dtype=result.dtype)
    padded = F.pad(features, (0, 0, padding, padding))
    for note in range(len(result)):
        for first in range(0, rows, ROWS):
            strip = result[note : note + 1, :, first : first + ROWS]
            top, height = first * stride[0], (strip.shape[2] - 1) * stride[0] + shape[2]
            total += conv2d_weight(padded[note : note + 1, :, top : top + height], shape, strip, stride, (0, padding))
    return total


def _strips_pay(features: Tensor) -> bool:
    last = features.is_contiguous(memory_format=torch.channels_last)
    return last and "AVX512" not in torch.backends.cpu.get_cpu_capability()


def computes_bf16(device: torch.device) -> bool:
    """Whether the processor multiplies bfloat16 natively, where it is faster than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        probes = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
        return any(bool(probe()) for probe in probes if probe is not None)
    return False
