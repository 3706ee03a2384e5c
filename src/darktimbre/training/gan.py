"""A GAN in training: networks of a plan, batches, steps; tensors to keep and a bundle to play."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from darktimbre import __version__
from darktimbre.bundle.bundle import Bundle
from darktimbre.corpus.classes import leaf_of
from darktimbre.models.layers import at_stage, enlarge
from darktimbre.models.progressive import Discriminator, Generator
from darktimbre.notes.attributes import CLASSES
from darktimbre.representation.codec import SPAN, codec_from_config
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.training.augment import augmented
from darktimbre.training.batches import Stream, normal, uniform
from darktimbre.training.checkpoint import module_tensors, optimiser_tensors, restore_module, restore_optimiser
from darktimbre.training.estimate import step_macs
from darktimbre.training.hardware import Hardware
from darktimbre.training.material import Material
from darktimbre.training.plan import Plan
from darktimbre.training.players import Batch, Players
from darktimbre.training.schedule import Moment
from darktimbre.training.steps.gan import gan_step
from darktimbre.training.steps.reconstruction import Loudness
from darktimbre.training.steps.warm_start import warm_start_step
from darktimbre.training.tree import told_of


class GanTraining:
    """The networks of a run and what happens to them.

    Attributes:
        plan: what was decided at the start of the run.
        material: the notes that are learned from.
        players: the networks and their optimisers.
    """

    def __init__(self, plan: Plan, material: Material, hardware: Hardware, start: Bundle | None = None) -> None:
        self.plan, self.material, self.hardware = plan, material, hardware
        self.codec = codec_from_config(plan.codec)
        self.config = plan.network()
        data = plan.recipe.data
        leaves = leaf_of(material.corpus, material.rows) if data.balance else None
        self.stream = Stream(len(material.rows), plan.recipe.seed, leaves, data.balance)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(plan.recipe.seed)
            generator, discriminator = Generator(self.config), Discriminator(self.config)
        if generator.whiten is not None:
            generator.whiten.fit(torch.from_numpy(material.soft))
        if start is not None:
            generator.load_state_dict(start.generator().state_dict())
            critic = start.critic()
            if critic is not None:
                discriminator.load_state_dict(critic.state_dict())
        self.players: Players[Generator, Discriminator] = Players(plan.recipe, generator, discriminator, hardware)

    def step(self, moment: Moment) -> dict[str, Tensor]:
        """One step of the phase that the moment belongs to; returns its unweighted losses."""
        self.players.prepare(moment)
        batch = self.batch(moment)
        one_step = warm_start_step if moment.phase == "warm" else gan_step
        return one_step(self.players, batch, moment, self.loudness)

    def batch(self, moment: Moment) -> Batch:
        """This process's part of a step: the same numbers on every machine, cut into consecutive shares."""
        seed, seen, device = self.plan.recipe.seed, moment.notes_seen, self.hardware.device
        part = self.hardware.share.of(moment.batch)
        index = self.stream.rows(seen, moment.batch)[part]
        told = self._told(moment, part)
        condition = self.material.condition(index, told).to(device)
        pitches = len(self.plan.attributes.pitches)
        with torch.no_grad():
            full = self.codec.encode(self._waves(index, moment, part).to(device))
            sizes = [self.config.picture_size(scale) for scale in range(moment.scale + 1)]
            coarse = sizes[-2] if len(sizes) > 1 else None
            pictures = at_stage(full, sizes[-1], coarse, moment.alpha)

        def latent(purpose: str) -> Tensor:
            return normal(seed, purpose, seen, (moment.batch, self.config.latent))[part].to(device)

        return Batch(
            pictures=pictures.contiguous(memory_format=torch.channels_last),
            condition=condition,
            pitch_class=torch.from_numpy(self.material.pitch_class[index]).to(device)
            if pitches
            else torch.zeros(0, dtype=torch.int64),
            soft=condition[:, pitches:] if told is None else torch.from_numpy(self.material.soft[index]).to(device),
            told=None if told is None else told.to(device),
            critic_latent=latent("critic latent"),
            generator_latent=latent("generator latent"),
            noise=latent("posterior"),
            between=uniform(seed, "between", seen, (moment.batch,))[part].to(device),
        )

    def _waves(self, index: NDArray[np.int64], moment: Moment, part: slice) -> Tensor:
        """Sound of a step's notes, (batch, sample), changed a little where the recipe says so."""
        waves, choices, recipe = self.material.waves(index), self.plan.recipe.data.augment, self.plan.recipe
        if not choices:
            return waves
        moves = uniform(recipe.seed, "augment", moment.notes_seen, (moment.batch, 3))[part]
        return augmented(waves, moves.numpy(), choices, self.material.corpus.sample_rate)

    def _told(self, moment: Moment, part: slice) -> Tensor | None:
        """Which labels of a step's notes the generator is told, (batch, label); None: all."""
        data, attributes = self.plan.recipe.data, self.plan.attributes
        if attributes.teacher != CLASSES or not (data.drop_class or data.drop_subclass):
            return None
        return told_of(
            attributes.names,
            drop_class=data.drop_class,
            drop_subclass=data.drop_subclass,
            seed=self.plan.recipe.seed,
            notes_seen=moment.notes_seen,
            batch=moment.batch,
        )[part]

    @property
    def loudness(self) -> Loudness | None:
        """Where frequency means something: linear magnitude of the log channel; None for pictures without frequency."""
        if self.codec.shape[0] < 2:
            return None
        slope = (self.codec.high - self.codec.low) / (2 * SPAN)
        return lambda level: torch.exp((level - SPAN) * slope)

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a step reads or writes."""
        players = self.players
        kept: dict[str, Tensor] = {}
        for name, network in players.trained().items():
            kept |= module_tensors(name, network)
            kept |= optimiser_tensors(f"adam-{name}", players.adam[name], network)
        kept |= module_tensors("averaged", players.averaged)
        return kept | (module_tensors("encoder", players.encoder) if players.encoder is not None else {})

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Inverse of `tensors`."""
        players = self.players
        for name, network in players.trained().items():
            restore_module(name, network, tensors)
            restore_optimiser(f"adam-{name}", players.adam[name], network, tensors)
        restore_module("averaged", players.averaged, tensors)
        if any(name.startswith("encoder/") for name in tensors):
            with torch.random.fork_rng(devices=[]):
                players.encoder = Discriminator(self.config).to(self.hardware.device).requires_grad_(False)
            players.encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            restore_module("encoder", players.encoder, tensors)

    def costs(self) -> dict[int, float]:
        """Multiplications of a note of a step, by scale: G in two turns, D on real, fake, between and fake again."""
        return {scale: step_macs(self.config, scale) for scale in range(self.config.last + 1)}

    def save(self, folder: Path, moment: Moment, losses: dict[str, float], *, half: bool) -> Path | None:
        """Writes the bundle; None while the generator is not full-size."""
        if moment.scale < self.config.last:
            return None
        return self.bundle(moment.notes_seen, losses).save_pretrained(folder, half=half)

    def preview(self, moment: Moment) -> Synthesizer:
        """The averaged generator as an instrument; while it grows, its picture is enlarged to the full size."""
        instrument = Synthesizer(self.bundle(moment.notes_seen + moment.batch, {}), self.hardware.device)
        if moment.scale < self.config.last:
            instrument.network = Enlarged(self.players.averaged, moment)  # type: ignore[assignment]
        return instrument

    def bundle(self, notes_seen: int, losses: dict[str, float]) -> Bundle:
        """The averaged generator with all that playing needs; the discriminator goes along for further training."""
        plan = self.plan
        provenance: dict[str, Any] = {
            "corpus": plan.corpus,
            "teacher": {"name": plan.attributes.teacher, "digest": plan.attributes.teacher_digest},
            "notes_seen": notes_seen,
            "darktimbre": __version__,
            "torch": torch.__version__.split("+")[0],
        }
        if plan.origin:
            provenance["begun from"] = plan.origin
        config = {
            "network": self.config.model_dump(mode="json"),
            "attributes": plan.attributes.to_json(),
            "codec": plan.codec,
            "baseline": self.material.baseline,
            "examples": self.material.examples(),
            "recipe": plan.recipe.model_dump(mode="json"),
            "provenance": provenance,
            "metrics": {"losses": losses} if losses else {},
        }
        players = self.players
        return Bundle(config, players.averaged.state_dict(), players.discriminator.state_dict())


class Enlarged(nn.Module):
    """A generator that has not grown up, with its picture brought to the full size."""

    def __init__(self, generator: Generator, moment: Moment) -> None:
        super().__init__()
        self.generator, self.moment = generator, moment

    def forward(self, latent: Tensor, condition: Tensor) -> Tensor:
        """As a full generator: (batch, latent), (batch, size) → (batch, channel, frequency, frame)."""
        picture = self.generator(latent, condition, stage=self.moment.scale, alpha=self.moment.alpha)
        full = self.generator.config.picture_size()
        return enlarge(picture, (full[0] // picture.shape[2], full[1] // picture.shape[3]))
