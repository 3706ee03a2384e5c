"""The counts that pin the paper's architecture, and the counter against counting while running."""

import pytest
import torch

from darktimbre.models.cost import cost
from darktimbre.models.layers import EqualisedConv, EqualisedLinear, VectorToGrid
from darktimbre.models.progressive import Discriminator, Generator, ProgressiveConfig

PAPER = ProgressiveConfig(heads={"pitch": 26, "attributes": 128})
GANSYNTH = ProgressiveConfig(
    condition=61,
    latent=256,
    start=(16, 2),
    growth=((32, 4), (64, 8), (128, 16), (256, 32), (512, 64), (1024, 128)),
    widths=(256, 256, 256, 256, 128, 64, 32),
    heads={"pitch": 61},
    tanh=True,
)


def test_the_paper_to_the_parameter() -> None:
    generator, critic = cost(PAPER, Generator), cost(PAPER, Discriminator)
    assert generator.parameters == 8_715_788
    assert critic.parameters == 10_462_619
    # Published: 12.6 GMAC with the first layer as a convolution (0.78 GMAC) instead of a linear map (0.006).
    assert (generator.macs - 186 * 32768 + 186 * 32768 * 128) / 1e9 == pytest.approx(12.6, abs=0.05)
    assert critic.macs / 1e9 == pytest.approx(11.8, abs=0.05)


def test_gansynth_is_built_from_the_same_classes() -> None:
    generator, critic = Generator(GANSYNTH), Discriminator(GANSYNTH)
    picture = generator(torch.randn(2, 256), torch.rand(2, 61), stage=2)
    verdict = critic(picture, stage=2)
    assert GANSYNTH.picture_size() == (1024, 128)
    assert picture.shape == (2, 2, 64, 8)
    assert picture.abs().max() <= 1
    assert verdict.pitch_logits.shape == (2, 61)
    assert cost(GANSYNTH, Generator).parameters == sum(p.numel() for p in generator.parameters())


@pytest.mark.parametrize("options", [{}, {"modulate": True, "pitch_comb": True, "pitches": (60, 61), "harmonics": 8}])
@pytest.mark.parametrize("network", [Generator, Discriminator])
@pytest.mark.parametrize("stage", [0, 1, 2])
def test_counter_against_a_run(network: type, stage: int, options: dict) -> None:
    config = ProgressiveConfig(
        condition=5, latent=4, start=(4, 2), growth=((8, 4), (16, 8)), widths=(8, 6, 4), heads={"pitch": 3}, hidden=7,
        **options,
    )  # fmt: skip
    net, seen = network(config), {}
    for layer in net.modules():
        if isinstance(layer, EqualisedConv | EqualisedLinear | VectorToGrid):
            layer.register_forward_hook(lambda layer, x, y: seen.__setitem__(layer, (x[0].shape, y.shape)))
    macs = 0
    if network is Generator:
        net(torch.randn(1, 4), torch.randn(1, 5), stage=stage)
        # `first` of every stage is computed by a fused function, not by its own forward.
        for block, (frequency, frame) in zip(net.stages, config.sizes[: stage + 1], strict=False):
            macs += block.first.weight.numel() * frequency * frame
        if net.partials is not None and stage == config.last:
            for block, positions in zip(net.partials.stages, (4 * 2, 8 * 4, 8 * 8), strict=True):
                macs += block.first.weight.numel() * positions
    else:
        net(torch.randn(1, 2, *config.picture_size(stage)), stage=stage)
    for layer, (given, _) in seen.items():
        # The published critic convolves everywhere, then drops.
        spread = given[2] * given[3] if isinstance(layer, EqualisedConv) else 1
        macs += layer.weight.numel() * spread
    assert cost(config, network, stage).macs == macs
    assert sum(cost(config, network, stage).macs_by_stage) == macs
