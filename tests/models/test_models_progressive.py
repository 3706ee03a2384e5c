"""The networks against a plain reading of the paper, forward and to second order, and their invariances."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from darktimbre.models.progressive import Discriminator, Generator, ProgressiveConfig
from darktimbre.objectives.gradient_penalty import gradient_penalty

HEADS = {"pitch": 3, "attributes": 2}
GROWING = ProgressiveConfig(
    condition=5, latent=4, start=(4, 2), growth=((8, 4), (16, 4)), widths=(8, 6, 4), hidden=7, heads=HEADS
)
PACKED = GROWING.model_copy(
    update={"bands": 2, "pitch_comb": True, "pitches": (44, 57, 69), "bin_hz": 250.0, "posterior": True, "tanh": True}
)
SINGLE = PACKED.model_copy(
    update={
        "grow": False,
        "normalise_input": True,
        "whiten": "roots",
        "last_convolutions": 1,
        "critic_widths": (5, 4, 3),
    }
)
CONFIGS = pytest.mark.parametrize("config", [GROWING, PACKED, SINGLE], ids=["growing", "packed", "single"])


# ---------------------------------------------------------------- the plain way: scaled feature maps, full convolutions


def plain_conv(layer: torch.nn.Module, x: Tensor) -> Tensor:
    weight = layer.weight
    return F.conv2d(x * layer.scale, weight, layer.bias, padding=weight.shape[-1] // 2)


def plain_norm(x: Tensor) -> Tensor:
    return x / (x.pow(2).mean(1, keepdim=True) + 1e-8).sqrt()


def plain_pack(x: Tensor, bands: int) -> Tensor:
    return torch.cat([x[:, [channel], band::bands] for channel in range(2) for band in range(bands)], dim=1)


def plain_unpack(x: Tensor, bands: int) -> Tensor:
    channels = [torch.stack(part.unbind(1), 2).flatten(1, 2) for part in x.split(bands, dim=1)]
    return torch.stack(channels, 1)


def plain_generator(net: Generator, latent: Tensor, condition: Tensor, stage: int, alpha: float) -> Tensor:
    config, given = net.config, condition
    if config.whiten:
        given = torch.cat([condition[:, :3], (condition[:, 3:] ** 0.5 - net.whiten.mean) / net.whiten.deviation], 1)
    vector = torch.cat([given, latent], 1)
    if config.normalise_input:
        vector = plain_norm(vector)
    grid = (vector @ (net.grid.weight * net.grid.scale).T).view(-1, *net.grid.shape) + net.grid.bias.view(1, -1, 1, 1)
    x = before = plain_norm(F.leaky_relu(grid, 0.2))
    for number in range(stage + 1):
        before, block = x, net.stages[number]
        x = F.interpolate(x, size=config.sizes[number], mode="nearest")
        if config.pitch_comb and number == config.last:
            x = torch.cat([x, net.comb(condition).expand(-1, -1, -1, x.shape[3])], 1)
        for layer in (block.first, block.second)[: config.last_convolutions if number == config.last else 2]:
            x = plain_norm(F.leaky_relu(plain_conv(layer, x), 0.2))
    maps = plain_conv(net.to_picture[str(stage)], x)
    if config.pitch_comb and stage == config.last:
        maps = maps[:, : 2 * config.bands] + maps[:, 2 * config.bands :] * net.comb(condition)
    picture = plain_unpack(maps, config.bands)
    if alpha < 1:
        coarse = plain_unpack(plain_conv(net.to_picture[str(stage - 1)], before), config.bands)
        picture = alpha * picture + (1 - alpha) * F.interpolate(coarse, size=picture.shape[2:], mode="nearest")
    return picture.tanh() if config.tanh else picture


def plain_score(net: Discriminator, picture: Tensor, stage: int, alpha: float, hold: bool = False) -> Tensor:
    config = net.config

    def seen(shown: Tensor, number: int) -> Tensor:
        return F.leaky_relu(plain_conv(net.from_picture[str(number)], plain_pack(shown, config.bands)), 0.2)

    x = seen(picture, stage)
    for number in range(stage, 0, -1):
        block = net.stages[number - 1]
        for layer in (block.first, block.second):
            x = F.leaky_relu(plain_conv(layer, x), 0.2)
        x = F.interpolate(x, size=config.sizes[number - 1], mode="nearest")
        if number == stage and alpha < 1:
            small = F.interpolate(picture, size=config.picture_size(stage - 1), mode="nearest")
            x = alpha * x + (1 - alpha) * seen(small, stage - 1)
    deviation = (x.var(0, unbiased=False) + 1e-8).sqrt().mean()  # one group: the tests' batches are of four
    deviation = deviation.detach() if hold else deviation
    x = torch.cat([x, deviation.expand(len(x), 1, *x.shape[2:])], 1)
    x = F.leaky_relu(plain_conv(net.base, x), 0.2).flatten(1)
    x = F.leaky_relu(F.linear(x * net.dense.scale, net.dense.weight, net.dense.bias), 0.2)
    return F.linear(x * net.score.scale, net.score.weight, net.score.bias)[:, 0]


# ------------------------------------------------------------------------------------------------------------- fixtures


def networks(config: ProgressiveConfig) -> tuple[Generator, Discriminator]:
    torch.manual_seed(1)
    pair = Generator(config).double(), Discriminator(config).double()
    for net in pair:
        for parameter in net.parameters():
            if parameter.dim() == 1:
                torch.nn.init.normal_(parameter, std=0.3)
    if pair[0].whiten is not None:
        pair[0].whiten.fit(torch.rand(20, 2, dtype=torch.float64))
    return pair


def inputs(config: ProgressiveConfig, batch: int = 4) -> tuple[Tensor, Tensor]:
    torch.manual_seed(2)
    condition = torch.rand(batch, config.condition, dtype=torch.float64)
    condition[:, :3] = F.one_hot(torch.arange(batch) % 3, 3)
    return torch.randn(batch, config.latent, dtype=torch.float64), condition


def steps(config: ProgressiveConfig) -> list[tuple[int, float]]:
    return [(0, 1.0), (1, 0.3), (2, 0.7), (2, 1.0)] if config.grow else [(2, 1.0)]


# ---------------------------------------------------------------------------------------------------------------- tests


@CONFIGS
def test_generator_equals_the_plain_reading(config: ProgressiveConfig) -> None:
    net, _ = networks(config)
    latent, condition = inputs(config)
    parameters = list(net.parameters())
    for stage, alpha in steps(config):
        fast = net(latent, condition, stage=stage, alpha=alpha)
        slow = plain_generator(net, latent, condition, stage, alpha)
        assert fast.shape == (4, 2, *config.picture_size(stage))
        torch.testing.assert_close(fast, slow)
        weights = torch.randn_like(slow)
        for a, b in zip(
            torch.autograd.grad((fast * weights).sum(), parameters, allow_unused=True),
            torch.autograd.grad((slow * weights).sum(), parameters, allow_unused=True),
            strict=True,
        ):
            assert (a is None) == (b is None)
            if a is not None:
                torch.testing.assert_close(a, b)


@CONFIGS
def test_critic_equals_the_plain_reading_to_second_order(config: ProgressiveConfig) -> None:
    _, net = networks(config)
    for stage, alpha in steps(config):
        real, fake = torch.randn(2, 4, 2, *config.picture_size(stage), dtype=torch.float64)
        mix = torch.rand(4, dtype=torch.float64)

        def fast(picture: Tensor, at: tuple = (stage, alpha)) -> Tensor:
            return net(picture, stage=at[0], alpha=at[1]).score

        def slow(picture: Tensor, at: tuple = (stage, alpha)) -> Tensor:
            return plain_score(net, picture, *at)

        torch.testing.assert_close(fast(real), slow(real))
        penalties = [gradient_penalty(score, real=real, fake=fake, alphas=mix) for score in (fast, slow)]
        torch.testing.assert_close(*penalties)
        gradients = [torch.autograd.grad(penalty, list(net.parameters()), allow_unused=True) for penalty in penalties]
        used = 0
        for a, b in zip(*gradients, strict=True):
            if a is not None and b is not None:
                torch.testing.assert_close(a, b)
                used += 1
            else:  # a bias can be missing from one graph where it is a zero in the other
                assert all(g is None or g.abs().max() == 0 for g in (a, b))
        assert used >= 4 + 2 * stage


def test_per_note_slopes_are_those_of_each_note_alone() -> None:
    """With the deviation held, penalty and gradient are those of the plain critic whose deviation map is a constant."""
    _, net = networks(GROWING)
    real, fake = torch.randn(2, 4, 2, 16, 4, dtype=torch.float64)
    mix = torch.rand(4, dtype=torch.float64)
    held = gradient_penalty(lambda x: net(x, per_note=True).score, real=real, fake=fake, alphas=mix)
    free = gradient_penalty(lambda x: net(x).score, real=real, fake=fake, alphas=mix)
    torch.testing.assert_close(net(real, per_note=True).score, net(real).score)
    assert abs(held.item() - free.item()) > 1e-9

    def constant(picture: Tensor) -> Tensor:
        return plain_score(net, picture, 2, 1.0, hold=True)

    slow = gradient_penalty(constant, real=real, fake=fake, alphas=mix)
    torch.testing.assert_close(held, slow)
    for a, b in zip(
        torch.autograd.grad(held, list(net.parameters()), allow_unused=True),
        torch.autograd.grad(slow, list(net.parameters()), allow_unused=True),
        strict=True,
    ):
        zero = torch.zeros((), dtype=torch.float64)  # what torch finds to be zero, the fast way does not visit
        a, b = (zero if g is None else g for g in (a, b))
        torch.testing.assert_close(*torch.broadcast_tensors(a, b))


def test_fade_in_is_continuous_at_both_ends() -> None:
    net, critic = networks(GROWING)
    latent, condition = inputs(GROWING)
    below = net(latent, condition, stage=1)
    faded = net(latent, condition, stage=2, alpha=0.0)
    torch.testing.assert_close(faded, F.interpolate(below, size=(16, 4), mode="nearest"))
    torch.testing.assert_close(
        critic(faded, stage=2, alpha=0.0).score, critic(below, stage=1).score
    )  # so that growing changes nothing at its start


@CONFIGS
def test_a_note_does_not_depend_on_its_batch(config: ProgressiveConfig) -> None:
    net, _ = networks(config)
    latent, condition = inputs(config, batch=5)
    whole = net(latent, condition)
    for note in range(5):
        torch.testing.assert_close(net(latent[[note]], condition[[note]])[0], whole[note])


@CONFIGS
def test_memory_format_changes_nothing(config: ProgressiveConfig) -> None:
    net, critic = networks(config)
    latent, condition = inputs(config)
    picture = net(latent, condition)
    verdict = critic(picture)
    net, critic = (part.to(memory_format=torch.channels_last) for part in (net, critic))
    torch.testing.assert_close(net(latent, condition), picture)
    torch.testing.assert_close(critic(picture.contiguous(memory_format=torch.channels_last)).score, verdict.score)


def test_the_output_has_the_heads_of_the_configuration() -> None:
    _, critic = networks(PACKED)
    verdict = critic(torch.randn(3, 2, *PACKED.picture_size(), dtype=torch.float64))
    assert [tuple(part.shape) for part in verdict if part is not None] == [(3,), (3, 3), (3, 2), (3, 8)]
    _, bare = networks(GROWING.model_copy(update={"heads": type(GROWING.heads)()}))
    verdict = bare(torch.randn(3, 2, 16, 4, dtype=torch.float64))
    assert verdict.score.shape == (3,)
    assert verdict[1:] == (None, None, None)


def test_the_harmonic_mask_makes_pitch_audible() -> None:
    """An untrained generator with a comb already differs between pitches most where the combs differ."""
    net, _ = networks(SINGLE)
    latent, condition = inputs(SINGLE, batch=1)
    torch.nn.init.zeros_(net.grid.weight)  # the pitch reaches the picture through the comb alone
    pitches = condition.repeat(3, 1)
    pitches[:, :3] = torch.eye(3)
    picture, comb = net(latent.repeat(3, 1), pitches), net.comb(pitches)
    moved = (picture[0] - picture[1]).abs().mean(dim=(0, 2))  # per bin
    differs = (comb[0] - comb[1]).abs().unflatten(0, (2, -1)).amax(dim=0)[..., 0].T.flatten() > 0.1
    assert differs.any()
    assert not differs.all()
    assert moved[differs].mean() > 2 * moved[~differs].mean()


def test_refusals() -> None:
    net, critic = networks(SINGLE)
    latent, condition = inputs(SINGLE)
    with pytest.raises(ValueError, match="does not grow"):
        net(latent, condition, stage=1)
    with pytest.raises(ValueError, match="does not grow"):
        net(latent, condition, alpha=0.5)
    with pytest.raises(ValueError, match="stages are 0 to 2"):
        networks(GROWING)[0](latent, condition, stage=3)
    with pytest.raises(ValueError, match=r"takes pictures of \(32, 4\)"):
        critic(torch.zeros(4, 2, 16, 4, dtype=torch.float64))
