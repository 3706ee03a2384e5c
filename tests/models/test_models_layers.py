"""Every brick against the slow way of saying the same."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from darktimbre.models import layers

FACTORS = [(1, 1), (2, 1), (1, 2), (2, 2)]


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("factor", FACTORS)
def test_strided_convolution_is_convolution_then_nearest_down_sampling(factor: tuple[int, int]) -> None:
    conv = layers.EqualisedConv(3, 5, stride=factor).double()
    x = random(2, 3, 8, 6)
    full = F.conv2d(x * math.sqrt(2 / 27), conv.weight, conv.bias, padding=1)  # the scale on features, as published
    slow = F.interpolate(full, size=(8 // factor[0], 6 // factor[1]), mode="nearest")
    torch.testing.assert_close(conv(x), slow)
    torch.testing.assert_close(layers.shrink(full, factor), slow)


@pytest.mark.parametrize("factor", FACTORS)
def test_enlarged_conv_equals_upsample_then_conv_to_second_order(factor: tuple[int, int]) -> None:
    x, weight, bias = random(2, 3, 5, 4), random(6, 3, 3, 3), random(6)

    def slow() -> Tensor:
        return F.conv2d(layers.enlarge(x, factor), weight, bias, padding=1)

    def derivatives(out: Tensor) -> list[Tensor]:
        (first,) = torch.autograd.grad(out.pow(3).sum(), x, create_graph=True)
        return [out, first, *torch.autograd.grad(first.square().sum(), (x, weight, bias))]

    for fast, reference in zip(
        derivatives(layers.enlarged_conv(x, weight, bias, factor)), derivatives(slow()), strict=True
    ):
        torch.testing.assert_close(fast, reference)


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 9])
def test_held_conv_equals_convolution_of_the_held_map(frames: int) -> None:
    column, weight = random(2, 3, 7, 1), random(4, 3, 3, 3)
    slow = F.conv2d(column.expand(-1, -1, -1, frames), weight, padding=1)
    torch.testing.assert_close(layers.held_conv(column, weight, frames), slow)


def test_first_layer_is_the_published_convolution_over_a_padded_vector() -> None:
    inputs, channels, size = 5, 3, (4, 2)
    grid = layers.VectorToGrid(inputs, channels, size).double()
    torch.nn.init.normal_(grid.bias)
    vector = random(2, inputs)
    padded = F.pad(vector[:, :, None, None], (size[1] - 1, size[1] - 1, size[0] - 1, size[0] - 1))
    # Output position p sees the vector through tap size − 1 − p.
    kernel = grid.scaled().unflatten(0, (channels, *size)).permute(0, 3, 1, 2).flip(2, 3)
    torch.testing.assert_close(grid(vector), F.conv2d(padded, kernel, grid.bias))


def test_equalised_layers_keep_unit_variance() -> None:
    x = torch.randn(64, 32, 8, 8)
    assert layers.EqualisedConv(32, 64, gain=1.0)(x)[:, :, 1:-1, 1:-1].std().item() == pytest.approx(1.0, abs=0.05)
    rectified = layers.rectify(layers.EqualisedConv(32, 64)(x)[:, :, 1:-1, 1:-1].contiguous(), 0.0)
    assert rectified.square().mean().item() == pytest.approx(1.0, abs=0.1)  # He's gain keeps E[x²] through a ReLU
    assert layers.EqualisedLinear(512, 512)(torch.randn(64, 512)).std().item() == pytest.approx(1.0, abs=0.05)


def test_rectify_equals_leaky_relu_to_second_order() -> None:
    x, weight = random(4, 5), random(5, 3)

    def derivatives(function: Callable[[Tensor, float], Tensor]) -> list[Tensor]:
        out = function(x @ weight, 0.2)
        (first,) = torch.autograd.grad(out.pow(3).sum(), x, create_graph=True)
        return [out, first, *torch.autograd.grad(first.square().sum(), (x, weight))]

    for fast, slow in zip(derivatives(layers.rectify), derivatives(F.leaky_relu), strict=True):
        torch.testing.assert_close(fast, slow)


def test_rectify_and_norm_is_both_with_the_same_gradient() -> None:
    x, upstream = random(2, 5, 3, 4), random(2, 5, 3, 4).detach()
    slow = layers.pixel_norm(F.leaky_relu(x, 0.2))
    fast = layers.rectify_and_norm(x * 1.0, 0.2)
    torch.testing.assert_close(fast, slow)
    (expected,), (gradient,) = (torch.autograd.grad(out, x, upstream) for out in (slow, fast))
    torch.testing.assert_close(gradient, expected)


def test_pixel_norm_makes_every_position_unit() -> None:
    out = layers.pixel_norm(5 * random(2, 7, 3, 4))
    torch.testing.assert_close(out.square().mean(dim=1), torch.ones(2, 3, 4, dtype=torch.float64))


class TestMinibatchDeviation:
    """One map more, a plain statistic of a group of notes, the same way for any batch size."""

    @pytest.mark.parametrize("batch", range(1, 12))
    def test_against_loops(self, batch: int) -> None:
        x = random(batch, 3, 2, 2).detach()
        out = layers.minibatch_deviation(x)
        torch.testing.assert_close(out[:, :3], x)
        group = min(4, batch)
        for note in range(batch):
            start = min(note // group * group, batch - group)
            members = x[start : start + group]
            expected = members.std(dim=0, unbiased=False).mean()
            torch.testing.assert_close(out[note, 3], expected.expand(2, 2), atol=1.1e-4, rtol=0)

    def test_processes_with_whole_groups_agree_with_one_process(self) -> None:
        x = random(12, 3, 2, 2)
        parts = torch.cat([layers.minibatch_deviation(x[:4]), layers.minibatch_deviation(x[4:])])
        torch.testing.assert_close(layers.minibatch_deviation(x), parts)

    def test_sees_collapse(self) -> None:
        same = torch.randn(1, 3, 2, 2).expand(8, -1, -1, -1)
        assert layers.minibatch_deviation(same)[:, 3].max() < 1e-3
        assert torch.isfinite(torch.autograd.functional.jacobian(layers.minibatch_deviation, same.contiguous())).all()


def test_pack_puts_neighbouring_bins_into_channels_and_back() -> None:
    picture = torch.arange(2 * 8 * 3).view(1, 2, 8, 3)
    packed = layers.pack(picture, 4)
    assert packed.shape == (1, 8, 2, 3)
    for channel in range(2):
        for bin_number in range(8):
            row, band = divmod(bin_number, 4)
            assert torch.equal(packed[0, channel * 4 + band, row], picture[0, channel, bin_number])
    assert torch.equal(layers.unpack(packed, 4), picture)


def test_real_pictures_fade_like_generated_ones() -> None:
    pictures = torch.randn(2, 2, 16, 8)
    small = pictures[:, :, ::2, ::2]
    assert torch.equal(layers.at_stage(pictures, (8, 4)), small)
    half = layers.at_stage(pictures, (8, 4), coarse=(4, 2), alpha=0.25)
    blocks = small[:, :, ::2, ::2].repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(half, 0.25 * small + 0.75 * blocks)
