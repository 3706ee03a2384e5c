"""A generator of notes trained by the energy score of its samples, with no discriminator; and what may stand beside it.

Each term has its weight in the recipe, and 0 or null leaves it out: the energy score of two samples of a note's
condition; a teacher's labels of them; an encoder, whose latents carry what the condition does not say.
"""

import math
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt, model_validator
from torch import Tensor

from darktimbre.bundle.bundle import Bundle
from darktimbre.bundle.encoded import evenly
from darktimbre.corpus.corpus import Corpus
from darktimbre.models.averaging import average_into
from darktimbre.models.cost import cost
from darktimbre.models.progressive import Discriminator, Generator, PictureEncoder
from darktimbre.models.surgery import encoder_from
from darktimbre.notes.attributes import WITHOUT_TEACHER
from darktimbre.objectives import energy
from darktimbre.objectives.prior import energy_distance
from darktimbre.synthesizer.synthesizer import edges
from darktimbre.teachers.differentiable import Responses
from darktimbre.training.checkpoint import module_tensors, optimiser_tensors, restore_module, restore_optimiser
from darktimbre.training.distributed import DistributedContext
from darktimbre.training.progress import duration
from darktimbre.training.recipe import PhaseKind, Section, Stage
from darktimbre.training.sampling import generator_for, normal, uniform
from darktimbre.training.schedule import Schedule, StepState
from darktimbre.training.tasks.base import Plan
from darktimbre.training.tasks.gan_cost import measured_speed
from darktimbre.training.tasks.note_generator import (
    RATE,
    NoteGeneratorRecipe,
    NoteGeneratorTask,
    counted_config,
)
from darktimbre.training.tasks.teacher_in_loss import TeacherInLoss, TeacherTerms, smoothed

COMPARED = 32  # training notes whose distances are the units of distances
PICTURED = ("patches", "columns", "rows", "modulations", "frequencies")  # kinds of distances that need no sound
CODED = 16  # principal components of the conditions that latents are kept independent of
PAIRS = 256  # of a latent of the prior and another note's condition, with which a step's are compared
PASSES = 3  # forward-sized ones of a network: forward and backward
TEACHER_MACS = 69e6  # of YAMNet, a second of sound


# ----------------------------------------------------------------------------
# The recipe


class Distances(Section):
    """What the distance of two sounds is: weights of its kinds (`objectives/energy.py`), each in units of the mean
    distance of two training notes."""

    patches: NonNegativeFloat = 1.0  # log-magnitudes of 8 bins × 4 frames
    columns: NonNegativeFloat = 0.5  # log-magnitudes of each frame
    rows: NonNegativeFloat = 0.5  # log-magnitudes of each bin over time
    modulations: NonNegativeFloat = 0.5  # how deep each bin's log-magnitude is modulated at 4 to 12 Hz
    frequencies: NonNegativeFloat = 0.5  # instantaneous frequencies, counted by magnitude
    spectra: NonNegativeFloat = 0.5  # log-magnitude spectra of the sound, with each of the windows
    windows: tuple[PositiveInt, ...] = (256, 1024)  # samples

    @property
    def weights(self) -> dict[str, float]:
        """By the features' names."""
        own = {name: getattr(self, name) for name in PICTURED}
        return {**own, **{f"spectra {window}": self.spectra for window in self.windows}}


class LatentTerms(Section):
    """An encoder, without condition: z = μ(x) + noise · ε is decoded under the note's condition."""

    reconstruction: NonNegativeFloat = 1.0  # weight of the distance of what is decoded from the note
    # weight of the distance of (latent, condition) from (prior, another note's condition)
    independence: NonNegativeFloat = 1.0
    noise: NonNegativeFloat = 0.15  # deviation of what is added to an encoder's latent
    lr: PositiveFloat | None = None  # the encoder's learning rate, where it differs


class EnergyRecipe(NoteGeneratorRecipe):
    """The recipe of an instrument that is trained by the energy score."""

    task: Literal["energy"]
    distance: Distances = Distances()
    energy: NonNegativeFloat = 1.0  # weight of the energy score, by that distance
    teacher: TeacherTerms | None = None
    encoder: LatentTerms | None = None

    phase: ClassVar[PhaseKind] = "energy"
    uses = frozenset({"init", "averaging"})

    def phases(self) -> Iterator[tuple[PhaseKind, int, int, Stage]]:
        """The stages, all of the network's full size."""
        for index, stage in enumerate(self.schedule):
            yield self.phase, index, len(self.network.growth), stage

    @property
    def losses(self) -> dict[str, float]:
        """Weights of all terms of the loss, by name."""
        teacher, encoder = self.teacher, self.encoder
        parts = self.distance.weights | (teacher.energies if teacher else {})
        terms = {name: self.energy * weight for name, weight in parts.items()}
        terms |= {"teacher logits": teacher.logits} if teacher else {}
        terms |= {name: getattr(encoder, name) for name in ("reconstruction", "independence")} if encoder else {}
        return {name: weight for name, weight in terms.items() if weight}

    @property
    def samples(self) -> int:
        """How many sounds are generated of each note: two of the prior, where a term looks at them; the encoder's."""
        compared = self.energy or (self.teacher and self.teacher.logits)
        return (2 if compared else 0) + (1 if self.encoder else 0)

    @model_validator(mode="after")
    def _consistent(self) -> "EnergyRecipe":
        if self.network.grow:
            raise ValueError("the task energy compares whole notes: set network.grow to false")
        if self.network.pac > 1:
            raise ValueError("the task energy has no discriminator: leave out network.pac")
        if self.teacher and (self.data.teacher in WITHOUT_TEACHER or not self.data.attributes):
            raise ValueError("a teacher in the loss needs data.attributes of a teacher: leave out `teacher`")
        if not any(weight for name, weight in self.losses.items() if name != "independence"):
            raise ValueError("all weights of the loss are 0: there is nothing to train by")
        return self


# ----------------------------------------------------------------------------
# The task


class EnergyTask(NoteGeneratorTask):
    """A generator in training by proper scores of its samples, and an encoder where the recipe has one."""

    Recipe = EnergyRecipe

    def __init__(self, plan: Plan, corpus: Corpus, context: DistributedContext) -> None:
        super().__init__(plan, corpus, context)
        recipe, device = self.recipe, context.device
        names = ("generator", "encoder") if recipe.encoder else ("generator",)
        made = self.seeded(*(Generator, PictureEncoder)[: len(names)])
        self.networks = dict(zip(names, made, strict=True))
        for network in made:
            network.to(device, memory_format=torch.channels_last)
        self._averaged = deepcopy(made[0]).requires_grad_(False)
        fused = device.type in ("cpu", "cuda")
        betas, lr = recipe.optimiser.betas, recipe.optimiser.lr
        self.adam = {
            name: torch.optim.Adam(network.parameters(), lr=lr, betas=betas, fused=fused)
            for name, network in self.networks.items()
        }
        self.teacher: TeacherInLoss | None = None
        if recipe.teacher:
            self.teacher = TeacherInLoss(recipe.teacher, corpus, plan.attributes, device)
        self.edges = torch.from_numpy(edges(self.codec.samples, self.codec.sample_rate)).to(device)
        parts = recipe.distance.weights | (recipe.teacher.energies if recipe.teacher else {})
        self.weights = {name: weight for name, weight in parts.items() if weight and self._there(name)}
        self.units = self._measured_units()
        if recipe.encoder:
            self.codes = condition_codes(self.dataset.condition(np.arange(len(self.dataset.rows)))).to(device)

    @property
    def averaged(self) -> Any:
        return self._averaged

    def companions(self) -> dict[str, Any]:
        """The encoder."""
        return {name: network.state_dict() for name, network in self.networks.items() if name == "encoder"}

    def start_from(self, bundle: Bundle) -> None:
        weights = self.generator_of(bundle)
        self.networks["generator"].load_state_dict(weights)
        self.averaged.load_state_dict(weights)
        if "encoder" in self.networks and (encoder := encoder_of(bundle)) is not None:
            self.networks["encoder"].load_state_dict(encoder)

    # ------------------------------------------------------------------------
    # Before a run

    @classmethod
    def anew(cls, recipe: EnergyRecipe, bundle: Bundle) -> list[str]:
        lacks = recipe.encoder and encoder_of(bundle) is None
        return ["It holds no encoder and no discriminator to make one of: the encoder starts anew."] if lacks else []

    @classmethod
    def dry_run(cls, recipe: EnergyRecipe, corpus: Corpus | None, accelerator: str) -> list[str]:
        config, lines = cls.sized(recipe, corpus)
        schedule, size = Schedule(recipe), cost(config, Generator)
        seconds = sum(cls.seconds(recipe, corpus.sample_rate if corpus else RATE, "cpu"))
        weights = ", ".join(f"{name} {weight:g}" for name, weight in recipe.losses.items())
        return [
            *lines,
            f"generator: {size.parameters:,} parameters, {size.macs / 1e9:.2f} GMAC a note",
            f"weights of the loss: {weights}",
            f"whole run: {schedule.total:,} notes in {schedule.steps:,} steps, about {duration(seconds)}",
        ]

    @classmethod
    def macs(cls, recipe: EnergyRecipe) -> float:
        config = counted_config(recipe)
        made, teacher = recipe.samples, TEACHER_MACS if recipe.teacher else 0.0
        # Its trunk; of the second convolution of a stage only a quarter is computed (`models.cost.Cost`).
        encoder = cost(config, Discriminator).macs / 2 if recipe.encoder else 0.0
        return PASSES * (made * (cost(config, Generator).macs + teacher) + encoder)

    @classmethod
    def seconds(cls, recipe: EnergyRecipe, sample_rate: int, device: str) -> list[float]:
        """By the networks' multiplications and the processor's speed just now."""
        each = cls.macs(recipe) / measured_speed(torch.device(device))
        return [(part.stop - part.first) * each for part in Schedule(recipe).phases]

    @classmethod
    def shrunk(cls, recipe: EnergyRecipe, **sections: Any) -> Any:
        return super().shrunk(recipe, network=recipe.network.narrow, **sections)

    # ------------------------------------------------------------------------
    # A step, of a note x with condition c; y₁ = G(z₁, c), y₂ = G(z₂, c), d = Σ_k w_k d_k, T the teacher's logits:
    #     G ← Adam(∇ ½ (d(y₁, x) + d(y₂, x)) − ½ d(y₁, y₂) + w Huber(T(y), T(x)))
    # with an encoder, z = E(x) + σ ε:
    #     G, E ← Adam(∇ … + w d(G(z, c), x) + w distance of (z, c) from (N(0, I), another c))
    # ------------------------------------------------------------------------
    def step(self, state: StepState) -> dict[str, Tensor]:
        recipe, device, part = self.recipe, self.context.device, self.context.rank_slice(state.batch)
        index = self.sampler.rows(state.notes_seen, state.batch)[part]
        mask = self.label_mask(state, part)
        condition = self.dataset.condition(index, mask).to(device)
        waves = self.waves(index, state, part).to(device)
        with torch.no_grad():
            real = self.codec.encode(waves)
            wanted, wanted_responses = self.features(real, waves, state, waves)
        latents, losses = self.latents(real, state), dict[str, Tensor]()
        with self.context.autocast():
            pictures = self.networks["generator"](torch.cat(latents), condition.repeat(len(latents), 1)).float()
        sounds = self.decoded(pictures) if self.recipe.distance.spectra else pictures  # no term looks at them
        taught = pictures if self.teacher is None else self.decoded(steadied(pictures))
        features, responses = self.features(pictures, sounds, state, taught)
        parts = {name: one.chunk(len(latents)) for name, one in features.items()}
        if recipe.energy:
            for name, (first, second, *_) in parts.items():
                score = energy.energy_score(first=first, second=second, real=wanted[name]) / self.units[name]
                losses[name] = score
        if self.teacher is not None and self.recipe.teacher.logits:
            assert responses is not None
            assert wanted_responses is not None
            losses["teacher logits"] = self.teacher.logit_error(*_of_samples(responses, wanted_responses))
        if recipe.encoder:
            weighted = [
                self.weights[name] / self.units[name] * energy.distance(made[-1], wanted[name]).mean()
                for name, made in parts.items()
            ]
            losses["reconstruction"] = torch.stack(weighted).sum()
            losses["independence"] = self._dependence(latents[-1], index, state)
        weights = recipe.losses  # without those that are 0
        torch.stack([weights.get(name, 0.0) * loss for name, loss in losses.items()]).sum().backward()
        self._update(state)
        return losses

    def latents(self, real: Tensor, state: StepState) -> list[Tensor]:
        """Two of the prior for each note, where a term looks at their sounds; with an encoder, its own as the last."""
        recipe, purposes = self.recipe, ("critic latent", "generator latent")
        drawn = [self.latent(one, state) for one in purposes] if recipe.samples > 1 else []
        if "encoder" not in self.networks:
            return drawn
        with self.context.autocast():
            mean = self.networks["encoder"](real.contiguous(memory_format=torch.channels_last)).float()
        return [*drawn, mean + recipe.encoder.noise * self.latent("posterior", state)]

    def decoded(self, pictures: Tensor) -> Tensor:
        """Sounds (batch, sample) as the synthesizer plays them."""
        sounds: Tensor = self.codec.decode(pictures) * self.edges
        return sounds

    def features(
        self, pictures: Tensor, waves: Tensor, state: StepState | None, taught: Tensor
    ) -> tuple[dict[str, Tensor], Responses | None]:
        """What distances are taken of, (batch, place, dimension) by name, and what the teacher finds in `taught`.

        Notes and what was generated of them, a whole number of times as many, are smoothed alike; `state` None: not.
        """
        level, found, responses = pictures[:, 0], dict[str, Tensor](), None
        for name in self.weights:
            if name == "patches":
                found[name] = energy.patches(level)
            elif name == "columns":
                found[name] = energy.columns(level)
            elif name == "rows":
                found[name] = level  # a place is a bin: its modulation holds together
            elif name == "modulations":
                found[name] = energy.modulations(level, frame_rate=self.codec.sample_rate / self.codec.config.hop)
            elif name == "frequencies":
                found[name] = energy.phasors(pictures[:, 1], self.loudness(level.clamp(max=1)))
            elif name.startswith("spectra"):
                found[name] = energy.log_spectra(waves, window=int(name.split()[-1]))
        if self.teacher is not None:
            responses = self.teacher(taught if state is None else self._smoothed(taught, state))
            known = self.teacher.features(responses)
            found |= {name: known[name] for name in self.weights if name in known}
        return found, responses

    def _smoothed(self, waves: Tensor, state: StepState) -> Tensor:
        seed, batch, part = self.recipe.seed, state.batch, self.context.rank_slice(state.batch)
        moves = uniform(seed, "smoothing", state.notes_seen, (batch, 3))[part]
        noise = normal(seed, "noise", state.notes_seen, (batch, waves.shape[1]))[part]
        moves, noise = (one.to(waves.device).repeat(len(waves) // len(one), 1) for one in (moves, noise))
        return smoothed(waves, moves, noise, self.recipe.teacher.smoothing, self.codec.sample_rate)

    def _there(self, name: str) -> bool:
        """Whether the representation has what features are taken of."""
        return name != "frequencies" or self.codec.phase

    @torch.no_grad()
    def _measured_units(self) -> dict[str, float]:
        """Mean distance of two training notes, by each kind of features."""
        index = evenly(len(self.dataset.rows), COMPARED)
        waves = self.dataset.waves(index).to(self.context.device)
        features, _ = self.features(self.codec.encode(waves), waves, None, waves)
        apart = {name: energy.distance(one, one.roll(len(one) // 2, 0)) for name, one in features.items()}
        return {name: float(one.mean()) or 1.0 for name, one in apart.items()}

    def _dependence(self, latent: Tensor, index: NDArray[np.int64], state: StepState) -> Tensor:
        """How far the step's latents beside their conditions are from the prior beside those of other notes."""
        seed, place, device = self.recipe.seed, state.notes_seen, latent.device
        others = torch.from_numpy(generator_for(seed, "shuffle", place).integers(0, len(self.codes), PAIRS)).to(device)
        prior = normal(seed, "prior", place, (PAIRS, self.config.latent)).to(device)
        return energy_distance(
            latent=torch.cat([latent, self.codes[index]], dim=1), prior=torch.cat([prior, self.codes[others]], dim=1)
        )

    def _update(self, state: StepState) -> None:
        """A step of the optimisers, and the averaged generator's."""
        if state.resets_optimisers:
            for adam in self.adam.values():
                adam.state.clear()
        optimiser, encoder = self.recipe.optimiser, self.recipe.encoder
        rates = {"generator": optimiser.generator_lr, "encoder": encoder and encoder.lr}
        for name, adam in self.adam.items():
            self.context.average_gradients(self.networks[name])
            for group in adam.param_groups:
                group["lr"] = (rates[name] or optimiser.lr) * state.rate
            adam.step()
            adam.zero_grad(set_to_none=True)
        average_into(self.averaged, self.networks["generator"], notes=state.batch, half_life=state.half_life)

    def provenance(self, notes_seen: int) -> dict[str, Any]:
        """As any generator's, with the weights of all terms of the loss: who was in it is no independent judge."""
        judged = (
            {"teacher_in_loss": {"name": self.teacher.tagger.name, "digest": self.teacher.tagger.digest}}
            if self.teacher
            else {}
        )
        return {**super().provenance(notes_seen), "losses": self.recipe.losses, **judged}

    def tensors(self) -> dict[str, Tensor]:
        kept = module_tensors("averaged", self.averaged)
        for name, network in self.networks.items():
            kept |= module_tensors(name, network) | optimiser_tensors(f"adam-{name}", self.adam[name], network)
        return kept

    def restore(self, tensors: dict[str, Tensor]) -> None:
        restore_module("averaged", self.averaged, tensors)
        for name, network in self.networks.items():
            restore_module(name, network, tensors)
            restore_optimiser(f"adam-{name}", self.adam[name], network, tensors)


def steadied(pictures: Tensor) -> Tensor:
    """The same pictures; their gradients go back `shortened`, for a teacher's is a hundred times as long for some as
    for most, and a step would be theirs."""
    same = pictures.view_as(pictures)
    same.register_hook(shortened)
    return same


def shortened(gradient: Tensor) -> Tensor:
    """A gradient (row, …) with no row longer, Euclidean, than the median of its rows."""
    lengths = gradient.flatten(1).norm(dim=1).clamp(min=torch.finfo(gradient.dtype).tiny)
    return gradient * (lengths.median() / lengths).clamp(max=1.0).unflatten(0, (-1, *[1] * (gradient.dim() - 1)))


def _of_samples(made: Responses, real: Responses) -> tuple[Responses, Responses]:
    """The responses to the two samples of the prior, and to their notes twice."""
    count = 2 * len(real.logits)
    return made._replace(logits=made.logits[:count]), real._replace(logits=real.logits.repeat(2, 1))


def encoder_of(bundle: Bundle) -> dict[str, Tensor] | None:
    """Weights of a bundle's encoder, else of one made of its discriminator's trunk and posterior head; or None."""
    if bundle.encoder is not None:
        return bundle.encoder
    critic = bundle.critic()
    return None if critic is None or critic.posterior is None else encoder_from(critic.state_dict(), bundle.gan)


def condition_codes(conditions: Tensor) -> Tensor:
    """Conditions (note, size) → their first principal components (note, component) of mean 0 and deviation 1.

    By these a latent is kept independent of the condition: few, so that a random projection sees each.
    """
    centred = (conditions - conditions.mean(dim=0)).double()
    left, size, _ = torch.linalg.svd(centred, full_matrices=False)
    kept = size[:CODED] > 1e-6 * size[0].clamp(min=1e-12)
    return (left[:, :CODED][:, kept] * math.sqrt(len(conditions))).float()
