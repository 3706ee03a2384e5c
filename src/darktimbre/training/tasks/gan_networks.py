"""What all GANs share: their recipe's objectives, a batch, the networks with their optimisers, and how they score."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from darktimbre.models.config import ProgressiveConfig
from darktimbre.models.dcgan import DcganConfig, DcganDiscriminator, DcganGenerator
from darktimbre.models.progressive import Discriminator, DiscriminatorOutput, Generator
from darktimbre.training.checkpoint import module_tensors, optimiser_tensors, restore_module, restore_optimiser
from darktimbre.training.distributed import DistributedContext
from darktimbre.training.recipe import PhaseKind, Recipe, Section
from darktimbre.training.sampling import uniform
from darktimbre.training.schedule import StepState
from darktimbre.training.tasks.base import GenerativeTask

GROUP = 4  # notes that share one minibatch standard deviation, see models.layers.minibatch_deviation


class Penalty(Section):
    """Lipschitz penalty of the discriminator."""

    # `gradient-penalty` (Gulrajani et al. 2017, eq. 3), `zero-centred` (on real notes, Mescheder et al. 2018, eq. 9) or
    # `none`.
    kind: Literal["gradient-penalty", "zero-centred", "none"] = "gradient-penalty"
    weight: NonNegativeFloat = 10.0  # λ
    every: PositiveInt = 1  # computed each k-th step only, with the weight × k (Karras et al. 2020, §2.2)
    reduction: Literal["mean", "sum"] = "mean"  # `mean` over the batch; `sum` as in the authors' code
    per_note: bool = False  # hold the minibatch standard deviation constant in it, so that it is one of each note alone

    @property
    def active(self) -> bool:
        """Whether it is computed at all."""
        return self.kind != "none" and self.weight > 0


class Objectives(Section):
    """Which losses, and their weights, applied once by the step."""

    # `wasserstein` (Arjovsky et al. 2017) or `logistic` (Goodfellow et al. 2014, non-saturating)
    adversarial: Literal["wasserstein", "logistic"] = "wasserstein"
    penalty: Penalty = Penalty()
    drift: NonNegativeFloat = 0.001  # weight of E[D(real)²] (Karras et al. 2018, §A.1)
    pitch: NonNegativeFloat = 10.0  # weight of the pitch cross-entropy, in both networks
    attributes: NonNegativeFloat = 10.0  # weight of the distillation cross-entropy (DarkGAN eq. 2), in both networks
    on_fakes: bool = False  # whether the discriminator's heads are also trained on generated notes
    # D steps for one G step (Gulrajani et al. 2017: 5); each has notes of its own, and counts as a step of the run
    critic_steps: PositiveInt = 1
    # weight of the mode-seeking loss in the G step (Mao et al. 2019, whose weight is 1); 0 leaves it out
    mode_seeking: NonNegativeFloat = 0.0


class WarmStart(Section):
    """Regression before adversarial training: an autoencoder whose encoder is the discriminator's trunk (Larsen et al.
    2016)."""

    notes: PositiveInt  # how many notes are seen
    batch: PositiveInt = 16  # notes a step
    lr: PositiveFloat = 1e-3  # learning rate of both networks
    reconstruction: PositiveFloat = 1.0  # weight of the reconstruction error
    # weight, within it, of the magnitude error counted by loudness, beside that of all positions alike
    loud: NonNegativeFloat = 1.0
    frequency: NonNegativeFloat = 0.2  # weight, within it, of the instantaneous-frequency error, counted by loudness
    # a position counts by its linear magnitude, relative to its note's peak, to this power
    loudness_power: NonNegativeFloat = 0.5
    magnitude_power: Literal[1, 2] = 1  # 1 for absolute, 2 for squared error of the log-magnitudes
    betas: tuple[float, float] = (0.9, 0.99)  # Adam's, during the warm start
    kl: NonNegativeFloat = 0.01  # weight of KL(posterior ‖ N(0, 1)) per latent dimension
    kl_ramp: NonNegativeInt = 0  # notes over which that weight rises linearly
    pitch: NonNegativeFloat = 1.0  # weight of the pitch cross-entropy on real notes
    attributes: NonNegativeFloat = 1.0  # weight of the distillation cross-entropy on real notes
    # weight of the reconstruction in the generator's step afterwards, by the encoder as it was then
    anchor: NonNegativeFloat = 0.0


class AdversarialRecipe(Recipe):
    """A recipe of a generator and a discriminator."""

    objectives: Objectives = Objectives()
    warm_start: WarmStart | None = None

    phase: ClassVar[PhaseKind] = "adversarial"
    uses = frozenset({"averaging"})


@dataclass(frozen=True, slots=True)
class Batch:
    """A process's part of a step."""

    real: Tensor  # spectrograms of notes (batch, channel, frequency, frame), of the stage's size; or pictures
    condition: Tensor  # (batch, size) of these notes, e.g. [one-hot pitch | soft labels]; the fakes have it too
    # N(0, 1), (batch, latent): for the D step and the G step
    d_latent: Tensor
    g_latent: Tensor
    mix: Tensor  # (batch,) in [0, 1), where between real and fake the gradient penalty is taken
    pitch_class: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))  # (batch,), empty without
    soft_labels: Tensor = field(default_factory=lambda: torch.zeros(0))  # (batch, label), empty without
    # (batch, label) 0 for labels that are dropped from the condition, on which a fake is not scored; None: all are kept
    label_mask: Tensor | None = None
    noise: Tensor = field(default_factory=lambda: torch.zeros(0))  # (batch, latent) N(0, 1), for the posterior


@dataclass
class GanNetworks:
    """Both networks, the averaged generator, the optimisers, and an encoder where the warm start left one."""

    recipe: AdversarialRecipe
    generator: Generator | DcganGenerator
    discriminator: Discriminator | DcganDiscriminator
    context: DistributedContext
    averaged: Any = field(init=False)
    encoder: Discriminator | DcganDiscriminator | None = None
    adam: dict[str, torch.optim.Adam] = field(init=False)

    def __post_init__(self) -> None:
        for network in self.trained().values():
            network.to(self.context.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averaged = deepcopy(self.generator).requires_grad_(False)
        fused = self.context.device.type in ("cpu", "cuda")
        self.adam = {
            name: torch.optim.Adam(network.parameters(), fused=fused) for name, network in self.trained().items()
        }

    def trained(self) -> dict[str, nn.Module]:
        """The networks that have an optimiser."""
        return {"generator": self.generator, "discriminator": self.discriminator}

    def at(self, state: StepState) -> dict[str, Any]:
        """Arguments of a network that grows, beside its input: its stage and how far it is faded in."""
        return {"stage": state.scale, "alpha": state.alpha} if isinstance(self.generator, Generator) else {}

    def seen(self, batch: Batch) -> dict[str, Tensor]:
        """Arguments of the discriminator beside its input: the condition, where it is a conditional one."""
        return {"condition": batch.condition} if getattr(self.discriminator.config, "sees_condition", False) else {}

    def prepare(self, state: StepState) -> None:
        """Before a step: where a phase or stage starts, resets the optimisers and keeps the encoder."""
        if state.resets_optimisers:
            for adam in self.adam.values():
                adam.state.clear()
        warm = self.recipe.warm_start
        if warm and warm.anchor and state.starts_phase and state.phase == "adversarial" and state.stage == 0:
            self.encoder = deepcopy(self.discriminator).requires_grad_(False)

    def update(self, name: str, state: StepState) -> None:
        """Ends a network's step: gradients averaged over processes, one step of its optimiser, gradients dropped."""
        optimiser, warm = self.recipe.optimiser, self.recipe.warm_start
        rate, betas = optimiser.lr, optimiser.betas
        if state.phase == "warm" and warm:
            rate, betas = warm.lr, warm.betas
        elif name == "generator" and optimiser.generator_lr:
            rate = optimiser.generator_lr
        self.context.average_gradients(self.trained()[name])
        for group in self.adam[name].param_groups:
            group["lr"], group["betas"] = rate * state.rate, betas
        self.adam[name].step()
        self.adam[name].zero_grad(set_to_none=True)

    def tensors(self) -> dict[str, Tensor]:
        """Weights and moments by name."""
        kept = module_tensors("averaged", self.averaged)
        for name, network in self.trained().items():
            kept |= module_tensors(name, network) | optimiser_tensors(f"adam-{name}", self.adam[name], network)
        return kept | (module_tensors("encoder", self.encoder) if self.encoder is not None else {})

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Inverse of `tensors`."""
        restore_module("averaged", self.averaged, tensors)
        for name, network in self.trained().items():
            restore_module(name, network, tensors)
            restore_optimiser(f"adam-{name}", self.adam[name], network, tensors)
        if any(name.startswith("encoder/") for name in tensors):
            self.encoder = deepcopy(self.discriminator).requires_grad_(False)
            restore_module("encoder", self.encoder, tensors)


class AdversarialTask(GenerativeTask):
    """A generator and a discriminator in training, whatever they make."""

    remedy = "A lower optimiser.lr or a higher objectives.penalty.weight may help"
    networks: GanNetworks  # the networks and their optimisers

    def build(self, generator: type[nn.Module], discriminator: type[nn.Module]) -> None:
        """Both networks of `config`, with random weights by the recipe's seed."""
        made = self.seeded(generator, discriminator)
        self.networks = GanNetworks(self.recipe, made[0], made[1], self.context)

    def batch_of(self, state: StepState, real: Tensor, condition: Tensor, **labels: Any) -> Batch:
        """This process's part of a step, with random numbers that are a function of the examples seen before it."""
        device, mix = self.context.device, uniform(self.recipe.seed, "between", state.notes_seen, (state.batch,))
        return Batch(
            real=real.to(device).contiguous(memory_format=torch.channels_last),
            condition=condition.to(device),
            d_latent=self.latent("critic latent", state),
            g_latent=self.latent("generator latent", state),
            mix=mix[self.context.rank_slice(state.batch)].to(device),
            **labels,
        )

    def tensors(self) -> dict[str, Tensor]:
        return self.networks.tensors()

    def restore(self, tensors: dict[str, Tensor]) -> None:
        self.networks.restore(tensors)


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


def scores_of(discriminator: nn.Module, inputs: Tensor, **at: Any) -> DiscriminatorOutput:
    """The discriminator's outputs in float32 at least, whatever precision it computes in."""
    return DiscriminatorOutput(*(None if part is None else precise(part) for part in discriminator(inputs, **at)))  # type: ignore[arg-type]


def scores_of_both(
    discriminator: Discriminator | DcganDiscriminator, real: Tensor, fake: Tensor, **at: Any
) -> tuple[DiscriminatorOutput, DiscriminatorOutput]:
    """Outputs on real and on fake; in one pass where no statistic of the batch is taken over both kinds."""
    if not _independent(discriminator.config, len(real)):
        return scores_of(discriminator, real, **at), scores_of(discriminator, fake, **at)
    if "condition" in at:  # the fakes' is that of the real ones
        at = {**at, "condition": torch.cat([at["condition"], at["condition"]])}
    both = scores_of(discriminator, torch.cat([real, fake]), **at)
    halves = [(None, None) if part is None else part.chunk(2) for part in both]  # a score may be of several notes
    on_real, on_fake = (DiscriminatorOutput(*(pair[which] for pair in halves)) for which in (0, 1))  # type: ignore[arg-type]
    return on_real, on_fake


def _independent(config: ProgressiveConfig | DcganConfig, count: int) -> bool:
    """Whether `count` real and as many fakes in one batch leave each other's scores alone."""
    if isinstance(config, DcganConfig) and config.normalisation == "batch":
        return False
    return not (config.minibatch_stddev and count % GROUP)
