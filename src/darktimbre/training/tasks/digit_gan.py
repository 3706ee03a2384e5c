"""The GAN of digits: its recipe, and its run on a corpus of pictures, by the step that all GANs share."""

from copy import deepcopy
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

from darktimbre.bundle.pictures import PictureGan
from darktimbre.bundle.weights import state_of
from darktimbre.corpus.corpus import Corpus
from darktimbre.models.dcgan import DcganConfig, DcganDiscriminator, DcganGenerator, DcganSizes, recalibrated
from darktimbre.notes.errors import UserError
from darktimbre.training.dataset import PictureDataset, picture_dataset
from darktimbre.training.distributed import DistributedContext
from darktimbre.training.progress import duration
from darktimbre.training.sampling import RowSampler, normal
from darktimbre.training.schedule import Schedule, StepState
from darktimbre.training.tasks.base import Plan, shrunk_widths
from darktimbre.training.tasks.gan_networks import AdversarialRecipe, AdversarialTask, Batch
from darktimbre.training.tasks.gan_step import gan_step

CALIBRATION = (10, 200)  # batches, and pictures in each, that the averaged generator's batch norms are measured on


class Dcgan(DcganSizes):
    """The networks; the number of classes is the corpus's."""

    conditional: bool = Field(default=False, description="give both networks the class (Mirza & Osindero 2014)")

    def config(self, *, classes: int) -> DcganConfig:
        """The networks for this number of classes."""
        return DcganConfig(**self.model_dump(exclude={"conditional"}), classes=classes if self.conditional else 0)


class DigitGanRecipe(AdversarialRecipe):
    """The recipe of a generator of digits; of `data` the split alone is read."""

    task: Literal["picture-gan"]
    dcgan: Dcgan = Dcgan()

    @property
    def pac(self) -> int:
        """How many pictures the discriminator scores together."""
        return self.dcgan.pac

    @model_validator(mode="after")
    def _consistent(self) -> "DigitGanRecipe":
        if self.warm_start:
            raise ValueError("the task picture-gan does not use warm_start: leave it out")
        for index, stage in enumerate(self.schedule):
            if stage.batch % self.dcgan.pac or stage.batch < 2:
                raise ValueError(
                    f"schedule.{index}.batch is {stage.batch}; it must be at least 2, for the batch norms, and a "
                    f"multiple of dcgan.pac, {self.dcgan.pac}"
                )
        return self


class DigitGanTask(AdversarialTask):
    """A generator and a discriminator of pictures."""

    Recipe = DigitGanRecipe
    corpus_of = "pictures"
    accepts = frozenset({"--evaluate-every", "--classifier"})
    evaluated_by = "classifier"
    one_process = True

    def __init__(self, plan: Plan, corpus: Corpus, context: DistributedContext) -> None:
        super().__init__(plan, corpus, context)
        self.dataset = picture_dataset(self.recipe.data, corpus)
        self.config = network_config(self.recipe, self.dataset)
        self.sampler = RowSampler(len(self.dataset.rows), self.recipe.seed)
        self.build(DcganGenerator, DcganDiscriminator)

    @classmethod
    def make_plan(cls, recipe: DigitGanRecipe, corpus: Corpus) -> Plan:
        picture_dataset(recipe.data, corpus)  # refuses a corpus that cannot be trained on
        return Plan.of(recipe, corpus)

    @classmethod
    def dry_run(cls, recipe: DigitGanRecipe, corpus: Corpus | None, accelerator: str) -> list[str]:
        lines, classes = [], 10
        if corpus is not None:
            dataset = picture_dataset(recipe.data, corpus)
            classes = len(dataset.classes)
            network_config(recipe, dataset)
            lines.append(f"corpus: {len(dataset.rows):,} of {len(corpus):,} pictures of {corpus.name} are trained on")
        config = recipe.dcgan.config(classes=classes)
        with torch.device("meta"):
            networks = {"generator": DcganGenerator(config), "discriminator": DcganDiscriminator(config)}
        sizes = [f"{name}: {sum(p.numel() for p in net.parameters()):,} parameters" for name, net in networks.items()]
        schedule, every = Schedule(recipe), recipe.objectives.critic_steps
        whole = f"{schedule.total:,} pictures in {schedule.steps:,} steps"
        g_steps = f", {schedule.steps // every:,} of them with a step of the generator" if every > 1 else ""
        seconds = sum(cls.seconds(recipe, 0, accelerator))
        return [*lines, "; ".join(sizes), f"{whole}{g_steps}, about {duration(seconds)} on one processor core"]

    @classmethod
    def shrunk(cls, recipe: DigitGanRecipe, **sections: Any) -> Any:
        widths = {key: shrunk_widths(getattr(recipe.dcgan, key)) for key in ("widths", "critic_widths")}
        return super().shrunk(recipe, dcgan=recipe.dcgan.model_copy(update=widths), **sections)

    def step(self, state: StepState) -> dict[str, Tensor]:
        self.networks.prepare(state)
        with torch.random.fork_rng(devices=self.context.rng_devices):
            torch.manual_seed(self.recipe.seed + 1 + state.step)  # the dropout's numbers: of this step alone
            return gan_step(self.networks, self.batch(state), state, None)

    def batch(self, state: StepState) -> Batch:
        """A step's batch, a function of the pictures seen before it."""
        index = self.sampler.rows(state.notes_seen, state.batch)
        return self.batch_of(state, self.dataset.pictures(index), self.dataset.condition(index))

    def save(self, folder: Path, state: StepState, losses: dict[str, float], *, half: bool) -> Path:
        return self.model(state.notes_seen, losses).save_pretrained(folder)

    def model(self, notes_seen: int, losses: dict[str, float]) -> PictureGan:
        """The averaged generator with all that drawing needs."""
        batches, count = CALIBRATION
        latents = normal(self.recipe.seed, "calibration", 0, (batches * count, self.config.latent))
        index = np.linspace(0, len(self.dataset.rows) - 1, batches * count).astype(np.int64)
        index = np.random.default_rng(0).permutation(index)  # a corpus may be sorted by class
        given = (latents, self.dataset.condition(index))
        split = [list(tensor.to(self.context.device).split(count)) for tensor in given]
        generator = recalibrated(deepcopy(self.networks.averaged), *split)
        kept = {"name", "task", "dcgan", "objectives", "optimiser", "schedule", "averaging", "seed"}
        config: dict[str, Any] = {
            "network": self.config.model_dump(mode="json"),
            "classes": list(self.dataset.classes),
            "recipe": self.recipe.model_dump(mode="json", include=kept),
            "provenance": self.provenance(notes_seen),
            "metrics": {"losses": losses} if losses else {},
        }
        return PictureGan(config, state_of(generator))


def network_config(recipe: DigitGanRecipe, dataset: PictureDataset) -> DcganConfig:
    """The networks for the corpus's classes.

    Raises:
        UserError: they make pictures of another size than the corpus's.
    """
    config = recipe.dcgan.config(classes=len(dataset.classes))
    if config.picture != dataset.corpus.picture:
        here = " × ".join(map(str, dataset.corpus.picture or ()))
        raise UserError(
            f"The networks of {recipe.name} make pictures of {' × '.join(map(str, config.picture))} (channel × height "
            f"× width), {dataset.corpus.path} holds {here}: import digits of 28 × 28."
        )
    return config
