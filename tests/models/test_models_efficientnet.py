"""EfficientNet-lite against a plain forward pass over published names, batch norms and all."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from darktimbre.models.efficientnet import GROUPS, LITE, EfficientNetConfig, EfficientNetLite
from darktimbre.notes.errors import UserError

SMALL = EfficientNetConfig(size=65, classes=7)


@pytest.fixture(scope="module")
def published() -> dict[str, Tensor]:
    """Random weights under the published names, of lite0 with few classes."""
    generator = torch.Generator().manual_seed(0)

    def layer(convolution: str, norm: str, *shape: int) -> dict[str, Tensor]:
        fan = shape[1] * shape[2] * shape[3]
        norms = {key: torch.rand(shape[0], generator=generator) for key in ("weight", "bias", "running_mean")}
        variance = {"running_var": 0.2 + torch.rand(shape[0], generator=generator)}
        weight = torch.randn(shape, generator=generator) / fan**0.5
        return {f"{convolution}.weight": weight} | {f"{norm}.{key}": one for key, one in (norms | variance).items()}

    found, before, place = layer("_conv_stem", "_bn0", 32, 3, 3, 3), 32, 0
    for repeats, kernel, _, expansion, outputs in GROUPS:
        for _ in range(repeats):
            at, inner = f"_blocks.{place}.", before * expansion
            if expansion > 1:
                found |= layer(f"{at}_expand_conv", f"{at}_bn0", inner, before, 1, 1)
            found |= layer(f"{at}_depthwise_conv", f"{at}_bn1", inner, 1, kernel, kernel)
            found |= layer(f"{at}_project_conv", f"{at}_bn2", outputs, inner, 1, 1)
            before, place = outputs, place + 1
    found |= layer("_conv_head", "_bn1", 1280, 320, 1, 1)
    return found | {"_fc.weight": torch.randn(7, 1280, generator=generator) / 36, "_fc.bias": torch.arange(7.0)}


def plainly(weights: dict[str, Tensor], picture: Tensor) -> Tensor:
    """The published network: every convolution by the sums of TensorFlow's `same`, then its batch norm."""

    def layer(maps: Tensor, convolution: str, norm: str, stride: int = 1) -> Tensor:
        weight = weights[f"{convolution}.weight"]
        pads: list[int] = []
        for side in (maps.shape[3], maps.shape[2]):
            total = max((-(-side // stride) - 1) * stride + weight.shape[2] - side, 0)
            pads += [total // 2, total - total // 2]
        maps = F.conv2d(F.pad(maps, pads), weight, stride=stride, groups=maps.shape[1] // weight.shape[1])
        mean, variance, gain, bias = (
            weights[f"{norm}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")
        )
        return F.batch_norm(maps, mean, variance, gain, bias, eps=1e-3)

    maps, place = F.relu6(layer((255 * picture - 127) / 128, "_conv_stem", "_bn0", 2)), 0
    for repeats, _, stride, expansion, _ in GROUPS:
        for number in range(repeats):
            at, inner = f"_blocks.{place}.", maps
            if expansion > 1:
                inner = F.relu6(layer(inner, f"{at}_expand_conv", f"{at}_bn0"))
            inner = F.relu6(layer(inner, f"{at}_depthwise_conv", f"{at}_bn1", 1 if number else stride))
            inner = layer(inner, f"{at}_project_conv", f"{at}_bn2")
            maps, place = inner + maps if inner.shape == maps.shape else inner, place + 1
    maps = F.relu6(layer(maps, "_conv_head", "_bn1"))
    return F.linear(maps.mean((2, 3)), weights["_fc.weight"], weights["_fc.bias"])


def test_the_network_is_the_published_one_with_its_norms_multiplied_in(published: dict[str, Tensor]) -> None:
    network = EfficientNetLite.from_published(SMALL, published)
    picture = torch.rand(2, 3, 65, 65, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(network(picture), plainly(published, picture), rtol=1e-4, atol=1e-4)
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_lite1_repeats_the_middle_groups_more_often() -> None:
    assert [len(EfficientNetLite(LITE[name]).blocks) for name in ("lite0", "lite1")] == [16, 21]


def test_weights_of_another_network_are_refused(published: dict[str, Tensor]) -> None:
    with pytest.raises(UserError, match="not of this EfficientNet-lite"):
        EfficientNetLite.from_published(LITE["lite1"], published)
    with pytest.raises(UserError, match="not of this EfficientNet-lite"):
        EfficientNetLite.from_published(SMALL, {})
