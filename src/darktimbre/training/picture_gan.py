"""A DCGAN in training: pictures of a corpus, the steps all GANs share; tensors to keep and a model to draw with."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from darktimbre import __version__
from darktimbre.bundle.pictures import PictureGan
from darktimbre.bundle.weights import state_of
from darktimbre.corpus.corpus import Corpus
from darktimbre.models.dcgan import DcganConfig, DcganDiscriminator, DcganGenerator, recalibrated
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.training.batches import Stream, normal, uniform
from darktimbre.training.checkpoint import module_tensors, optimiser_tensors, restore_module, restore_optimiser
from darktimbre.training.hardware import Hardware
from darktimbre.training.picture_material import PictureMaterial, gather_pictures
from darktimbre.training.plan import Plan
from darktimbre.training.players import Batch, Players
from darktimbre.training.recipe import Recipe
from darktimbre.training.schedule import Moment, Schedule
from darktimbre.training.steps.gan import gan_step

CALIBRATION = (10, 200)  # batches, and pictures in each, that the averaged generator's batch norms are measured on


class PictureGanTraining:
    """The networks of a run and what happens to them.

    Attributes:
        plan: what was decided at the start of the run.
        material: the pictures that are learned from.
        players: the networks and their optimisers.
    """

    def __init__(self, plan: Plan, material: PictureMaterial, hardware: Hardware) -> None:
        self.plan, self.material, self.hardware = plan, material, hardware
        if hardware.share.world > 1:
            raise UserError("The digit recipes train in one process, for their batch norms: take --devices 1.")
        self.config = config_for(plan.recipe, material)
        self.stream = Stream(len(material.rows), plan.recipe.seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(plan.recipe.seed)
            generator, discriminator = DcganGenerator(self.config), DcganDiscriminator(self.config)
        self.players: Players[DcganGenerator, DcganDiscriminator] = Players(
            plan.recipe, generator, discriminator, hardware
        )

    def step(self, moment: Moment) -> dict[str, Tensor]:
        """One step; returns its unweighted losses."""
        self.players.prepare(moment)
        device = self.hardware.device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(self.plan.recipe.seed + 1 + moment.step)  # the dropout's numbers: of this step alone
            return gan_step(self.players, self.batch(moment), moment, None)

    def batch(self, moment: Moment) -> Batch:
        """What a step learns from, a function of the pictures seen before it."""
        seed, seen, device, count = self.plan.recipe.seed, moment.notes_seen, self.hardware.device, moment.batch
        index = self.stream.rows(seen, count)

        def latent(purpose: str) -> Tensor:
            return normal(seed, purpose, seen, (count, self.config.latent)).to(device)

        return Batch(
            pictures=self.material.pictures(index).to(device).contiguous(memory_format=torch.channels_last),
            condition=self.material.condition(index).to(device),
            pitch_class=torch.zeros(0, dtype=torch.int64),
            soft=torch.zeros(count, 0),
            critic_latent=latent("critic latent"),
            generator_latent=latent("generator latent"),
            noise=torch.zeros(count, 0),
            between=uniform(seed, "between", seen, (count,)).to(device),
        )

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a step reads or writes."""
        players = self.players
        kept = module_tensors("averaged", players.averaged)
        for name, network in players.trained().items():
            kept |= module_tensors(name, network) | optimiser_tensors(f"adam-{name}", players.adam[name], network)
        return kept

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Inverse of `tensors`."""
        players = self.players
        restore_module("averaged", players.averaged, tensors)
        for name, network in players.trained().items():
            restore_module(name, network, tensors)
            restore_optimiser(f"adam-{name}", players.adam[name], network, tensors)

    def costs(self) -> dict[int, float]:
        """All pictures cost the same."""
        return {0: 1.0}

    def preview(self, moment: Moment) -> Synthesizer | None:
        """A picture makes no sound; `model` draws."""
        return None

    def save(self, folder: Path, moment: Moment, losses: dict[str, float], *, half: bool) -> Path:
        """Writes the generator."""
        return self.model(moment.notes_seen, losses).save_pretrained(folder)

    def model(self, notes_seen: int, losses: dict[str, float]) -> PictureGan:
        """The averaged generator with all that drawing needs."""
        batches, count = CALIBRATION
        latents = normal(self.plan.recipe.seed, "calibration", 0, (batches * count, self.config.latent))
        index = np.linspace(0, len(self.material.rows) - 1, batches * count).astype(np.int64)
        index = np.random.default_rng(0).permutation(index)  # a corpus may be sorted by class
        told = self.material.condition(index)
        generator = recalibrated(
            deepcopy(self.players.averaged),
            list(latents.to(self.hardware.device).split(count)),
            list(told.to(self.hardware.device).split(count)),
        )
        config: dict[str, Any] = {
            "network": self.config.model_dump(mode="json"),
            "classes": list(self.material.classes),
            "recipe": shown(self.plan.recipe),
            "provenance": {
                "corpus": self.plan.corpus,
                "notes_seen": notes_seen,
                "darktimbre": __version__,
                "torch": torch.__version__.split("+")[0],
            },
            "metrics": {"losses": losses} if losses else {},
        }
        return PictureGan(config, state_of(generator))


def config_for(recipe: Recipe, material: PictureMaterial) -> DcganConfig:
    """The networks for the corpus's classes.

    Raises:
        UserError: they make pictures of another size than the corpus's.
    """
    config = recipe.dcgan.config(classes=len(material.classes))
    if config.picture != material.corpus.picture:
        here = " × ".join(map(str, material.corpus.picture or ()))
        raise UserError(
            f"The networks of {recipe.name} make pictures of {' × '.join(map(str, config.picture))} (channel × height "
            f"× width), {material.corpus.path} holds {here}: import digits of 28 × 28."
        )
    return config


def shown(recipe: Recipe) -> dict[str, Any]:
    """What of a recipe decided a picture model."""
    keys = {"name", "task", "dcgan", "classifier", "objectives", "optimiser", "schedule", "averaging", "seed"}
    other = "classifier" if recipe.task == "picture-gan" else "dcgan"
    return recipe.model_dump(mode="json", include=keys - {other})


def dry_run_lines(recipe: Recipe, corpus: Corpus | None) -> list[str]:
    """What `--dry-run` says of a DCGAN: what it would learn from, and its size."""
    lines, classes = [], 10
    if corpus is not None:
        material = gather_pictures(recipe.data, corpus)
        classes = len(material.classes)
        config_for(recipe, material)
        lines.append(f"corpus: {len(material.rows):,} of {len(corpus):,} pictures of {corpus.name} are trained on")
    config = recipe.dcgan.config(classes=classes)
    with torch.device("meta"):
        networks = {"generator": DcganGenerator(config), "discriminator": DcganDiscriminator(config)}
    sizes = [f"{name}: {sum(p.numel() for p in net.parameters()):,} parameters" for name, net in networks.items()]
    schedule, turns = Schedule(recipe), recipe.objectives.critic_steps
    whole = f"{schedule.total:,} pictures in {schedule.steps:,} steps"
    return [
        *lines,
        "; ".join(sizes),
        whole + (f", {schedule.steps // turns:,} of them with a turn of the generator" if turns > 1 else ""),
    ]
