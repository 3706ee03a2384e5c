"""The GAN of notes: its recipe, and its run by the step that all GANs share."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import model_validator
from torch import Tensor, nn

from darktimbre.bundle.bundle import Bundle
from darktimbre.corpus.corpus import Corpus
from darktimbre.models.layers import at_stage, enlarge
from darktimbre.models.progressive import Discriminator, Generator
from darktimbre.models.surgery import discriminator_for_pitches
from darktimbre.notes.attributes import CLASSES
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.training.distributed import DistributedContext
from darktimbre.training.progress import duration
from darktimbre.training.recipe import PhaseKind, Stage
from darktimbre.training.schedule import Schedule, StepState
from darktimbre.training.tasks.base import Plan, smoke_size
from darktimbre.training.tasks.gan_cost import estimate, step_macs
from darktimbre.training.tasks.gan_networks import AdversarialRecipe, AdversarialTask, Batch
from darktimbre.training.tasks.gan_step import gan_step, warm_start_step
from darktimbre.training.tasks.note_generator import (
    NoteGeneratorRecipe,
    NoteGeneratorTask,
    counted_config,
    network_config,
    unfitted,
    without_corpus,
)


class GanRecipe(NoteGeneratorRecipe, AdversarialRecipe):
    """The recipe of an instrument that is trained against a discriminator."""

    task: Literal["gan"] = "gan"

    uses = frozenset({"init", "averaging", "fade", "scale"})

    @property
    def pac(self) -> int:
        """How many notes the discriminator scores together."""
        return self.network.pac

    def scale(self, stage: int) -> int:
        """Size of the network (0: `start`) that a stage of the schedule trains."""
        chosen = self.schedule[stage].scale
        return stage if chosen is None else chosen

    def phases(self) -> Iterator[tuple[PhaseKind, int, int, Stage]]:
        """The warm start, at the first stage's size, then the stages."""
        if self.warm_start:
            yield "warm", 0, self.scale(0), Stage(notes=self.warm_start.notes, batch=self.warm_start.batch)
        for index, stage in enumerate(self.schedule):
            yield self.phase, index, self.scale(index), stage

    @model_validator(mode="after")
    def _consistent(self) -> "GanRecipe":
        for index, stage in enumerate(self.schedule):
            if stage.batch % self.network.pac:
                raise ValueError(
                    f"schedule.{index}.batch is {stage.batch}; it must be a multiple of network.pac, {self.network.pac}"
                )
        scales = [self.scale(index) for index in range(len(self.schedule))]
        last = len(self.network.growth)
        if max(scales) > last:
            raise ValueError(f"the schedule has scale {max(scales)}, the network has scales 0 to {last}")
        if not self.network.grow and min(scales) < last:
            raise ValueError(
                f"a network that does not grow (grow: false) has only its last scale: write `scale: {last}` in each "
                "stage"
            )
        if scales != sorted(scales):
            raise ValueError("the scales of the schedule must not go down")
        if self.warm_start and not self.network.posterior:
            raise ValueError("a warm start needs network.posterior: true (the encoder's head)")
        if self.warm_start and self.warm_start.anchor and len(set(scales)) > 1:
            raise ValueError("warm_start.anchor needs a schedule of one size: the encoder knows no other")
        return self


class GanTask(NoteGeneratorTask, AdversarialTask):
    """A generator and a discriminator of notes."""

    Recipe = GanRecipe
    unfinished = "the network has not grown to its full size"

    def __init__(self, plan: Plan, corpus: Corpus, context: DistributedContext) -> None:
        super().__init__(plan, corpus, context)
        self.build(Generator, Discriminator)

    # ------------------------------------------------------------------------
    # Before a run

    @classmethod
    def continued(cls, recipe: GanRecipe, bundle: Bundle) -> dict[str, Any]:
        """As any generator's; what comes with a discriminator needs no warm start."""
        without = {} if bundle.discriminator is None else {"warm_start": None}
        return super().continued(recipe, bundle) | without

    @classmethod
    def anew(cls, recipe: GanRecipe, bundle: Bundle) -> list[str]:
        return [] if bundle.discriminator is not None else ["It holds no discriminator: that one starts anew."]

    @classmethod
    def dry_run(cls, recipe: GanRecipe, corpus: Corpus | None, accelerator: str) -> list[str]:
        config, lines = cls.sized(recipe, corpus)
        gpu = accelerator != "cpu" and torch.cuda.is_available()
        cost, schedule = estimate(recipe, config, torch.device("cuda" if gpu else "cpu")), Schedule(recipe)
        lines += [
            f"generator: {cost.generator:,} parameters; discriminator: {cost.discriminator:,} parameters",
            f"memory: about {cost.memory / 1e9:.1f} GB",
        ]
        for part, macs, seconds in zip(schedule.phases, cost.macs, cost.seconds, strict=True):
            name = "warm start" if part.kind == "warm" else f"stage {part.stage + 1}"
            size = config.picture_size(part.scale)
            lines.append(
                f"{name}: {part.stop - part.first:,} notes of {size[0]} × {size[1]}, batch {part.batch}, "
                f"{macs / 1e9:.1f} GMAC a note, about {duration(seconds)}"
            )
        total = f"{schedule.total:,} notes in {schedule.steps:,} steps"
        measured = f"at {cost.gmacs_per_second:.0f} GMAC/s, as a convolution ran here just now"
        return [*lines, f"whole run: {total}, about {duration(sum(cost.seconds))} {measured}"]

    @classmethod
    def seconds(cls, recipe: GanRecipe, sample_rate: int, device: str) -> list[float]:
        """By its multiplications and the processor's speed just now."""
        config = network_config(recipe, without_corpus(recipe.data), unfitted(recipe.data, sample_rate))
        return list(estimate(recipe, config, torch.device(device)).seconds)

    @classmethod
    def macs(cls, recipe: GanRecipe) -> float:
        return step_macs(counted_config(recipe), recipe.scale(len(recipe.schedule) - 1), recipe.objectives.penalty)

    @classmethod
    def shrunk(cls, recipe: GanRecipe, **sections: Any) -> Any:
        batch, notes = smoke_size(recipe)
        short = {"notes": notes, "batch": batch, "kl_ramp": 0}
        sections["warm_start"] = recipe.warm_start and recipe.warm_start.model_copy(update=short)
        return super().shrunk(recipe, network=recipe.network.narrow, **sections)

    @classmethod
    def check_flags(cls, recipe: GanRecipe, flags: Collection[str]) -> None:
        """No teacher can score instruments that play classes."""
        super().check_flags(recipe, flags)
        if recipe.data.teacher == CLASSES and {"--evaluate-every", "--keep-best"} & set(flags):
            raise UserError(
                "No teacher knows the classes of a corpus: leave out --evaluate-every and --keep-best, and evaluate "
                "the bundle with a classifier (`darktimbre evaluate`)."
            )

    # ------------------------------------------------------------------------
    # While it runs

    def start_from(self, bundle: Bundle) -> None:
        weights = self.generator_of(bundle)
        critic = bundle.critic()
        self.networks.generator.load_state_dict(weights)
        self.networks.averaged.load_state_dict(weights)
        if critic is not None:
            fitted = discriminator_for_pitches(critic.state_dict(), bundle.gan, self.config.pitches)
            self.networks.discriminator.load_state_dict(fitted)

    def step(self, state: StepState) -> dict[str, Tensor]:
        self.networks.prepare(state)
        one_step = warm_start_step if state.phase == "warm" else gan_step
        loudness = self.loudness if self.codec.phase else None  # by which frequency errors count
        return one_step(self.networks, self.batch(state), state, loudness)

    def batch(self, state: StepState) -> Batch:
        """This process's part of a step: the same numbers on every machine, cut into consecutive slices."""
        device, part = self.context.device, self.context.rank_slice(state.batch)
        index = self.sampler.rows(state.notes_seen, state.batch)[part]
        mask, pitch_class = self.label_mask(state, part), self.dataset.pitch_class
        with torch.no_grad():
            full = self.codec.encode(self.waves(index, state, part).to(device))
            sizes = [self.config.picture_size(scale) for scale in range(state.scale + 1)]
            coarse = sizes[-2] if len(sizes) > 1 else None
            real = at_stage(full, sizes[-1], coarse, state.alpha)
        return self.batch_of(
            state,
            real,
            self.dataset.condition(index, mask),
            pitch_class=torch.from_numpy(pitch_class[index] if len(pitch_class) else pitch_class).to(device),
            soft_labels=torch.from_numpy(self.dataset.soft_labels[index]).to(device),
            label_mask=None if mask is None else mask.to(device),
            noise=self.latent("posterior", state),
        )

    def costs(self) -> dict[int, float]:
        penalty = self.recipe.objectives.penalty
        return {scale: step_macs(self.config, scale, penalty) for scale in range(self.config.last + 1)}

    # ------------------------------------------------------------------------
    # What it makes

    @property
    def averaged(self) -> Any:
        return self.networks.averaged

    def companions(self) -> dict[str, Any]:
        """The discriminator, for further training."""
        return {"discriminator": self.networks.discriminator.state_dict()}

    def save(self, folder: Path, state: StepState, losses: dict[str, float], *, half: bool) -> Path | None:
        """Writes the bundle; None while the generator is not full-size."""
        return None if state.scale < self.config.last else super().save(folder, state, losses, half=half)

    def preview(self, state: StepState) -> Synthesizer:
        """The averaged generator as an instrument; while it grows, its output is enlarged to the full size."""
        instrument = super().preview(state)
        if state.scale < self.config.last:
            instrument.network = Enlarged(self.averaged, state)
        return instrument


class Enlarged(nn.Module):
    """A generator that has not grown up, with its output brought to the full size."""

    def __init__(self, generator: Generator, state: StepState) -> None:
        super().__init__()
        self.generator, self.state = generator, state

    def forward(self, latent: Tensor, condition: Tensor) -> Tensor:
        """As a full generator: (batch, latent), (batch, size) → (batch, channel, frequency, frame)."""
        made = self.generator(latent, condition, stage=self.state.scale, alpha=self.state.alpha)
        full = self.generator.config.picture_size()
        return enlarge(made, (full[0] // made.shape[2], full[1] // made.shape[3]))
