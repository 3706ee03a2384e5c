"""The fast training step does what the plain one does: losses, penalty and every gradient of both networks."""

from typing import Any

import pytest
import torch
from benchmarks.plain import PlainGan
from torch import Tensor
from torch.nn import functional as F

from darktimbre.models.config import Heads, ProgressiveConfig
from darktimbre.models.progressive import Discriminator, Generator
from darktimbre.training.distributed import DistributedContext
from darktimbre.training.recipe import load_recipe
from darktimbre.training.schedule import Schedule, StepState
from darktimbre.training.tasks.gan_networks import Batch, GanNetworks
from darktimbre.training.tasks.gan_step import gan_step

PITCHES, LABELS = 3, 5
TINY = ProgressiveConfig(  # every kind of growth that the paper's network has: both axes, and frequency alone
    condition=PITCHES + LABELS,
    latent=4,
    start=(4, 2),
    growth=((8, 4), (16, 8), (32, 8)),
    widths=(12, 8, 8, 6),
    hidden=8,
    heads=Heads(pitch=PITCHES, attributes=LABELS),
)


def both(count: int, dtype: torch.dtype, **objectives: Any) -> tuple[GanNetworks, PlainGan, Batch]:
    """The same networks in both forms, and a batch."""
    torch.manual_seed(0)
    settings = [f"objectives.{key}={value}" for key, value in objectives.items()]
    recipe = load_recipe("darkgan", settings)
    generator, discriminator = Generator(TINY).to(dtype), Discriminator(TINY).to(dtype)
    for network in (generator, discriminator):
        for parameter in network.parameters():
            if parameter.dim() == 1:
                torch.nn.init.normal_(parameter, std=0.3)
    pitch_class, soft = torch.randint(PITCHES, (count,)), torch.rand(count, LABELS, dtype=dtype)
    latent = torch.randn(3, count, TINY.latent, dtype=dtype)
    batch = Batch(
        real=torch.randn(count, TINY.channels, *TINY.picture_size(), dtype=dtype),
        condition=torch.cat([F.one_hot(pitch_class, PITCHES).to(dtype), soft], dim=1),
        pitch_class=pitch_class,
        soft_labels=soft,
        d_latent=latent[0],
        g_latent=latent[1],
        noise=latent[2],
        mix=torch.rand(count, dtype=dtype),
    )
    plain = PlainGan(recipe, generator, discriminator)
    return GanNetworks(recipe, generator, discriminator, DistributedContext()), plain, batch


def last_state(networks: GanNetworks) -> StepState:
    schedule = Schedule(networks.recipe)
    state = schedule.at(schedule.total - 1)
    assert state.alpha == 1.0
    return StepState(**{name: getattr(state, name) for name in StepState.__slots__} | {"scale": TINY.last})


def gradients_of(networks: GanNetworks, batch: Batch, monkeypatch) -> tuple[dict[str, Tensor], dict[str, dict]]:
    """Losses of one fast step and the gradients it would have settled, without a change of weights."""
    settled: dict[str, dict[str, Tensor]] = {}

    def note(name: str, state: StepState) -> None:
        named = networks.trained()[name].named_parameters()
        settled[name] = {key: parameter.grad.clone() for key, parameter in named if parameter.grad is not None}

    monkeypatch.setattr(networks, "update", note)
    return gan_step(networks, batch, last_state(networks), None), settled


@pytest.mark.parametrize("count", [8, 10], ids=["real and fake in one pass", "in two passes"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-11), (torch.float32, 4e-4)])
def test_losses_and_gradients_are_those_of_the_plain_step(monkeypatch, count, reduction, dtype, bound):
    networks, plain, batch = both(count, dtype, **{"penalty.reduction": reduction})
    reported, settled = gradients_of(networks, batch, monkeypatch)
    losses = plain.discriminator_step(batch)
    expected = {"discriminator": plain.discriminator.gradients()}
    losses |= plain.generator_step(batch)
    expected["generator"] = plain.generator.gradients()

    assert reported.keys() == losses.keys()
    for name, loss in losses.items():
        torch.testing.assert_close(reported[name], loss, rtol=bound, atol=bound, check_dtype=False)
    for network, gradients in expected.items():
        assert settled[network].keys() == gradients.keys(), "and what one leaves alone, the other does"
        for name, gradient in gradients.items():
            difference = (settled[network][name] - gradient).norm() / gradient.norm()
            assert difference < bound, f"{network} {name}: {difference:.1e}"


def test_plain_networks_compute_the_same_function():
    networks, plain, batch = both(4, torch.float64)
    with torch.no_grad():
        picture = networks.generator(batch.d_latent, batch.condition)
        torch.testing.assert_close(plain.generator(batch.d_latent, batch.condition), picture)
        for said, expected in zip(plain.discriminator(picture), networks.discriminator(picture), strict=True):
            if expected is not None:
                torch.testing.assert_close(said, expected)


def test_a_whole_plain_step_moves_both_networks():
    _, plain, batch = both(4, torch.float32)
    weights = [network.state_dict() for network in (plain.generator, plain.discriminator, plain.averaged)]
    before = [{name: value.clone() for name, value in state.items()} for state in weights]
    plain.step(batch)
    for old, network in zip(before, (plain.generator, plain.discriminator, plain.averaged), strict=True):
        assert all(not torch.equal(old[name], value) for name, value in network.state_dict().items())
