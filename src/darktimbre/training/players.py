"""The networks of a GAN with their optimisers, as the steps handle them: judged, frozen, settled."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from darktimbre.models.config import ProgressiveConfig
from darktimbre.models.dcgan import DcganConfig, DcganDiscriminator, DcganGenerator
from darktimbre.models.progressive import Discriminator, Generator, Verdict
from darktimbre.training.hardware import Hardware
from darktimbre.training.recipe import Recipe
from darktimbre.training.schedule import Moment

G = TypeVar("G", Generator, DcganGenerator)
D = TypeVar("D", Discriminator, DcganDiscriminator)
GROUP = 4  # notes that share one minibatch standard deviation, see models.layers.minibatch_deviation


@dataclass(frozen=True, slots=True)
class Batch:
    """A process's part of a step.

    Attributes:
        pictures: real notes (batch, channel, frequency, frame), of the stage's size.
        condition: (batch, size) what the generator is told of these notes, e.g. [one-hot pitch | soft labels]; the
            fakes are conditioned on it too.
        pitch_class: (batch,) int64, or empty without pitch.
        soft: (batch, label), or (batch, 0).
        critic_latent, generator_latent, noise: N(0, 1), (batch, latent): for the discriminator's turn, the generator's
            turn, the posterior.
        between: (batch,) in [0, 1), where the gradient penalty looks.
        told: (batch, label) 0 for labels that the condition keeps to itself, which nobody asks of a fake; None: all
            are told.
    """

    pictures: Tensor
    condition: Tensor
    pitch_class: Tensor
    soft: Tensor
    critic_latent: Tensor
    generator_latent: Tensor
    noise: Tensor
    between: Tensor
    told: Tensor | None = None


@dataclass
class Players(Generic[G, D]):
    """Both networks, the averaged generator, the optimisers, and an encoder where the warm start left one."""

    recipe: Recipe
    generator: G
    discriminator: D
    hardware: Hardware
    averaged: G = field(init=False)
    encoder: D | None = None
    adam: dict[str, torch.optim.Adam] = field(init=False)

    def __post_init__(self) -> None:
        for network in (self.generator, self.discriminator):
            network.to(self.hardware.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averaged = deepcopy(self.generator).requires_grad_(False)
        fused = self.hardware.device.type in ("cpu", "cuda")
        self.adam = {
            name: torch.optim.Adam(network.parameters(), fused=fused) for name, network in self.trained().items()
        }

    def trained(self) -> dict[str, nn.Module]:
        """The networks that have an optimiser."""
        return {"generator": self.generator, "discriminator": self.discriminator}

    def at(self, moment: Moment) -> dict[str, Any]:
        """What a network that grows is told beside its input: its stage and how far it is faded in."""
        return {"stage": moment.scale, "alpha": moment.alpha} if isinstance(self.generator, Generator) else {}

    def shown(self, batch: Batch) -> dict[str, Tensor]:
        """What the discriminator is told beside a picture: the condition, where it is made to see it."""
        return {"condition": batch.condition} if getattr(self.discriminator.config, "sees_condition", False) else {}

    def prepare(self, moment: Moment) -> None:
        """Before a step: what a stage's or phase's beginning asks for."""
        if moment.forgets:
            for adam in self.adam.values():
                adam.state.clear()
        warm = self.recipe.warm_start
        if warm and warm.anchor and moment.begins and moment.phase == "adversarial" and moment.stage == 0:
            self.encoder = deepcopy(self.discriminator).requires_grad_(False)

    def settle(self, name: str, moment: Moment) -> None:
        """Ends a network's turn: gradients averaged over processes, one step of its optimiser, gradients dropped."""
        optimiser, warm = self.recipe.optimiser, self.recipe.warm_start
        rate, betas = optimiser.lr, optimiser.betas
        if moment.phase == "warm" and warm:
            rate, betas = warm.lr, warm.betas
        elif name == "generator" and optimiser.generator_lr:
            rate = optimiser.generator_lr
        self.hardware.average_gradients(self.trained()[name])
        for group in self.adam[name].param_groups:
            group["lr"], group["betas"] = rate * moment.rate, betas
        self.adam[name].step()
        self.adam[name].zero_grad(set_to_none=True)


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Gradients flow through the network but are not computed for its weights."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)


def precise(tensor: Tensor) -> Tensor:
    """In float32 at least, whatever precision it was computed in."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def judge(discriminator: nn.Module, pictures: Tensor, **at: Any) -> Verdict:
    """The discriminator's verdict in float32 at least, whatever precision it computes in."""
    return Verdict(*(None if part is None else precise(part) for part in discriminator(pictures, **at)))  # type: ignore[arg-type]


def judge_both(
    discriminator: Discriminator | DcganDiscriminator, real: Tensor, fake: Tensor, **at: Any
) -> tuple[Verdict, Verdict]:
    """Verdicts on real and fake pictures; in one pass where no statistic of the batch is taken over both kinds."""
    if not _apart(discriminator.config, len(real)):
        return judge(discriminator, real, **at), judge(discriminator, fake, **at)
    if "condition" in at:  # the fakes' is that of the real ones
        at = {**at, "condition": torch.cat([at["condition"], at["condition"]])}
    both = judge(discriminator, torch.cat([real, fake]), **at)
    halves = [(None, None) if part is None else part.chunk(2) for part in both]  # a score may be of several notes
    on_real, on_fake = (Verdict(*(pair[which] for pair in halves)) for which in (0, 1))  # type: ignore[arg-type]
    return on_real, on_fake


def _apart(config: ProgressiveConfig | DcganConfig, count: int) -> bool:
    """Whether real and fake pictures, `count` of each in one batch, leave each other's verdicts alone."""
    if isinstance(config, DcganConfig) and config.normalisation == "batch":
        return False
    return not (config.minibatch_stddev and count % GROUP)
