"""The bricks of the progressive networks: equalised layers, pixel norm, minibatch deviation, changes of size.

Everything here is pure torch on `(batch, channel, frequency, frame)` tensors, in any memory format.
"""

import math
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from darktimbre.models.convolution import convolve, spread

RECTIFIER = math.sqrt(2.0)  # He gain of a layer that a leaky ReLU follows; 1 for linear outputs


# ----------------------------------------------------------------------------
# Equalised learning rate (Karras et al. 2018, §4.1): weights are drawn from N(0, 1) and multiplied at run time by
# He's constant gain / √fan_in. The constant multiplies the *weights*, not the feature maps, which are far larger.


class EqualisedConv(nn.Module):
    """A k × k convolution, zero-padded to keep the size, then every `stride`-th position: exactly what nearest
    down-sampling of the full convolution would keep, at a fraction of the cost."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, stride: tuple[int, int] = (1, 1), gain: float = RECTIFIER
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.stride, self.padding = stride, kernel // 2
        self.scale = gain / math.sqrt(inputs * kernel * kernel)

    def scaled(self) -> Tensor:
        """The weights as the convolution uses them."""
        return self.weight * self.scale

    def forward(self, features: Tensor) -> Tensor:
        return convolve(features, self.scaled(), self.bias, self.stride, self.padding)


class EqualisedLinear(nn.Module):
    """A linear map of the last axis."""

    def __init__(self, inputs: int, outputs: int, gain: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = gain / math.sqrt(inputs)

    def scaled(self) -> Tensor:
        """The weights as the map uses them."""
        return self.weight * self.scale

    def forward(self, vector: Tensor) -> Tensor:
        return F.linear(vector, self.scaled(), self.bias)


class VectorToGrid(nn.Module):
    """The first layer: a vector becomes `(batch, channel, frequency, frame)` features.

    DarkGAN places the vector in the middle of a zero-padded grid and convolves with a kernel as large as the grid.
    Each output position then sees the vector through exactly one tap, so the convolution *is* a linear map with its
    own weights per position and one bias per channel: 6 instead of 780 million multiplications in the paper's network.
    """

    def __init__(self, inputs: int, channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.shape = (channels, *size)
        self.weight = nn.Parameter(torch.randn(math.prod(self.shape), inputs))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.scale = RECTIFIER / math.sqrt(inputs)

    def scaled(self) -> Tensor:
        """The weights as the map uses them."""
        return self.weight * self.scale

    def forward(self, vector: Tensor) -> Tensor:
        grid = F.linear(vector, self.scaled()).unflatten(1, self.shape)
        return grid + self.bias[:, None, None]


# ----------------------------------------------------------------------------
# Normalisation and variety


class _Rectifier(torch.autograd.Function):
    """Leaky ReLU whose derivative says that it is piecewise constant.

    torch's own, differentiated twice, returns zeros to the forward pass, and the gradient penalty then propagates them
    through every convolution below; here nothing is returned, and that whole traversal is left out.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, slope: float) -> Tensor:
        ctx.slope = slope
        ctx.set_materialize_grads(False)
        ctx.mark_dirty(features)
        result = F.leaky_relu(features, slope, inplace=True)
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, None]:
        (gradient,) = gradients
        if gradient is None:
            return None, None
        (result,) = ctx.saved_tensors  # has the sign of the input, and is kept anyway as the next layer's input
        return torch.ops.aten.leaky_relu_backward(gradient, result.detach(), ctx.slope, True), None


def rectify(features: Tensor, slope: float) -> Tensor:
    """Leaky ReLU in place: the layer before does not need its output, so that only one of the two is kept."""
    return cast(Tensor, _Rectifier.apply(features, slope))


def pixel_norm(features: Tensor) -> Tensor:
    """Divide every position's channel vector by its root mean square (Karras et al. 2018, §4.2)."""
    return features * torch.rsqrt(features.square().mean(dim=1, keepdim=True) + 1e-8)


class _RectifiedNorm(torch.autograd.Function):
    """Both in place. What goes out has the signs of what came in and alone is kept: half of the generator's memory."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, slope: float) -> Tensor:
        ctx.slope = slope
        ctx.mark_dirty(features)
        result = F.leaky_relu(features, slope, inplace=True)
        gain = torch.rsqrt(result.square().mean(dim=1, keepdim=True) + 1e-8)
        result.mul_(gain)
        ctx.save_for_backward(result, gain)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """∂/∂x of y = x / rms: (g − y · mean(g · y)) / rms, then the rectifier's."""
        (gradient,) = gradients
        result, gain = ctx.saved_tensors
        along = (gradient * result).mean(dim=1, keepdim=True)
        gradient = torch.addcmul(gradient, result, along, value=-1).mul_(gain)
        return torch.ops.aten.leaky_relu_backward(gradient, result, ctx.slope, True), None


def rectify_and_norm(features: Tensor, slope: float) -> Tensor:
    """`pixel_norm(rectify(features, slope))` in place; differentiable once, as a generator wants it."""
    return cast(Tensor, _RectifiedNorm.apply(features, slope))


def minibatch_deviation(features: Tensor, group: int = 4, hold: bool = False) -> Tensor:
    """Append one map that tells how much the notes of a group differ (Karras et al. 2018, §3).

    `(batch, channel, frequency, frame)` → one channel more, constant over a group: the standard deviation over the
    notes of the group, averaged over channels and positions. Groups are `group` *consecutive* notes. When the batch
    does not divide, the last notes take the statistic of the last `group` notes, so that every value is a deviation of
    the same number of notes and a batch split among processes in multiples of `group` gives what one process gives.
    A batch smaller than `group` is one group; a batch of one gets (almost) zero. `hold` takes the statistic as a
    constant: no gradient goes through it.
    """
    batch = features.shape[0]
    group = min(group, batch)
    whole = batch // group * group
    groups = features[:whole].unflatten(0, (-1, group))
    if whole < batch:
        groups = torch.cat([groups, features[None, batch - group :]])
    groups = (groups.detach() if hold else groups).to(torch.promote_types(groups.dtype, torch.float32))
    variance = (groups - groups.mean(dim=1, keepdim=True)).square().mean(dim=1)
    deviation = (variance + 1e-8).sqrt().mean(dim=(1, 2, 3))  # (group number,)
    per_note = deviation.repeat_interleave(group)[:batch].to(features.dtype)
    extra = per_note[:, None, None, None].expand(-1, 1, *features.shape[2:])
    return torch.cat([features, extra], dim=1)


# ----------------------------------------------------------------------------
# Sizes


def enlarge(features: Tensor, factor: tuple[int, int]) -> Tensor:
    """Nearest up-sampling: every position becomes a `factor` block."""
    if factor == (1, 1):
        return features
    return F.interpolate(features, scale_factor=(float(factor[0]), float(factor[1])), mode="nearest")


def shrink(features: Tensor, factor: tuple[int, int]) -> Tensor:
    """Nearest down-sampling: the first position of every `factor` block."""
    return features[:, :, :: factor[0], :: factor[1]]


def at_stage(
    pictures: Tensor, size: tuple[int, int], coarse: tuple[int, int] | None = None, alpha: float = 1.0
) -> Tensor:
    """Real full-size pictures as the critic of a stage sees them: down-sampled (nearest) to `size` and, while that
    stage fades in (`alpha` < 1), blended with what the stage before, of size `coarse`, could show of them."""
    small = shrink(pictures, (pictures.shape[2] // size[0], pictures.shape[3] // size[1]))
    if coarse is None or alpha >= 1.0:
        return small
    factor = (size[0] // coarse[0], size[1] // coarse[1])
    return torch.lerp(enlarge(shrink(small, factor), factor), small, alpha)


def upsampling_kernel(weight: Tensor, factor: tuple[int, int]) -> Tensor:
    """The kernel with which `conv_transpose2d(x, kernel, stride=factor, padding=1)` is
    `conv2d(enlarge(x, factor), weight, padding=1)`, exactly.

    Of a doubled axis's three taps (a, b, c), an even output position sees one neighbour through a and its own input
    through b + c (both fall on the same value), an odd one its own through a + b and the other neighbour through c.
    As taps of a transposed convolution that reads (c, b + c, a + b, a): 4 products for two positions instead of 6.
    weight `(output, input, 3, 3)` → `(input, output, 3 or 4, 3 or 4)`.
    """
    kernel = weight
    for axis, times in zip((2, 3), factor, strict=True):
        a, b, c = kernel.unbind(axis)
        kernel = torch.stack([c, b, a] if times == 1 else [c, b + c, a + b, a], dim=axis)
    return kernel.transpose(0, 1)


def enlarged_conv(features: Tensor, weight: Tensor, bias: Tensor, factor: tuple[int, int]) -> Tensor:
    """`conv2d(enlarge(features, factor), weight, bias, padding=1)` with 4/9 (6/9) of the products: also its gradients
    are two to three times faster on a CPU."""
    if factor == (1, 1):
        return convolve(features, weight, bias, factor, 1)
    kernel = upsampling_kernel(weight, factor).contiguous(memory_format=torch.channels_last)
    return spread(features, kernel, bias, factor, 1)


def held_conv(column: Tensor, weight: Tensor, frames: int) -> Tensor:
    """3 × 3 convolution of a `(batch, channel, frequency, 1)` map held over `frames`, computed for three of them:
    only the outermost frames, beside the zero padding, differ from the rest."""
    result = F.conv2d(column.expand(-1, -1, -1, min(frames, 3)), weight, padding=1)
    if frames <= 3:
        return result
    first, inner, last = result.split(1, dim=3)
    return torch.cat([first, inner.expand(-1, -1, -1, frames - 2), last], dim=3)


# ----------------------------------------------------------------------------
# Sub-pixel packing along frequency (Shi et al. 2016, in one dimension)


def pack(picture: Tensor, bands: int) -> Tensor:
    """`(batch, channel, frequency, frame)` → `(batch, channel·bands, frequency/bands, frame)`: row r holds the bins
    r·bands … r·bands + bands − 1 as neighbouring channels."""
    if bands == 1:
        return picture
    return picture.unflatten(2, (-1, bands)).transpose(2, 3).flatten(1, 2)


def unpack(packed: Tensor, bands: int) -> Tensor:
    """The inverse of `pack`."""
    if bands == 1:
        return packed
    return packed.unflatten(1, (-1, bands)).transpose(2, 3).flatten(2, 3)
