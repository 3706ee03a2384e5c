"""Supervised training: one network, AdamW, and labels that the corpus holds. A tagger or classifier is a subclass."""

from abc import abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from darktimbre import __version__
from darktimbre.bundle.model_folder import ModelFolder
from darktimbre.bundle.weights import state_of
from darktimbre.corpus.corpus import Corpus
from darktimbre.training.checkpoint import module_tensors, optimiser_tensors, restore_module, restore_optimiser
from darktimbre.training.distributed import DistributedContext
from darktimbre.training.progress import duration
from darktimbre.training.sampling import RowSampler, uniform
from darktimbre.training.schedule import Schedule, StepState
from darktimbre.training.tasks.base import Plan, Task


class SupervisedTask(Task):
    """One network and its optimiser; a subclass names the dataset, the network, the losses and what is saved.

    Its section of the recipe has `weight_decay` and whatever `weighted` names.
    """

    # section of the recipe with the network's settings; prefix of the network's tensors in a checkpoint
    key: ClassVar[str]
    unit: ClassVar[str] = "notes"  # on what it is trained, in messages
    # which random numbers augment an example (see `sampling.PURPOSES`), and how many of them
    draws: ClassVar[tuple[str, int]] = ("augment", 0)
    weighted: ClassVar[tuple[str, ...]] = ()  # losses weighted by the setting of their name; all others count once
    clip: ClassVar[float | None] = None  # greatest norm of the gradient, where it is bounded
    heads: ClassVar[tuple[str, ...]] = ()  # fields of the network's configuration that count classes
    model: ClassVar[type[ModelFolder[Any, Any]]]  # what is saved; unless `save` is replaced
    # keys of the recipe that are saved with it, beside the section
    recorded: ClassVar[tuple[str, ...]] = ("name", "task", "data", "optimiser", "schedule", "seed")
    dataset: Any  # the examples; `rows` are theirs in the corpus
    network: Any  # the network

    @classmethod
    @abstractmethod
    def build_dataset(cls, plan: Plan, corpus: Corpus) -> Any:
        """The examples of a corpus."""

    @classmethod
    @abstractmethod
    def build_network(cls, settings: Any, dataset: Any) -> Any:
        """The network for a dataset, with random weights; for None, with as many classes as are usual."""

    @abstractmethod
    def losses(self, index: NDArray[np.int64], draws: Tensor) -> dict[str, Tensor]:
        """Unweighted losses by name, scalars; see `weighted`.

        Args:
            index: (batch,) places within the dataset's rows.
            draws: (batch, number) in [0, 1): how each example is augmented.
        """

    def labels(self) -> dict[str, Any]:
        """Further keys of the saved configuration, such as what the network predicts."""
        return {}

    def metrics(self, model: Any) -> dict[str, Any]:
        """How accurate the saved model is, by split; by default it is not measured."""
        return {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.save is SupervisedTask.save and not hasattr(cls, "model"):
            raise TypeError(f"{cls.__name__} names no `model`, and has no `save` of its own.")

    def __init__(self, plan: Plan, corpus: Corpus, context: DistributedContext) -> None:
        super().__init__(plan, corpus, context)
        self.settings = getattr(self.recipe, self.key)  # that section
        self.weights = {name: getattr(self.settings, name) for name in self.weighted}
        self.dataset = self.build_dataset(plan, corpus)
        self.sampler = RowSampler(len(self.dataset.rows), self.recipe.seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.recipe.seed)
            self.network = self.build_network(self.settings, self.dataset)
        self.network.to(context.device, memory_format=torch.channels_last)
        self.adam = torch.optim.AdamW(
            self.network.parameters(), weight_decay=self.settings.weight_decay, betas=self.recipe.optimiser.betas
        )

    # ------------------------------------------------------------------------
    # A step:  w ← AdamW(w, ∇ Σ weight · loss(network(augmented example), answer))
    # ------------------------------------------------------------------------
    def step(self, state: StepState) -> dict[str, Tensor]:
        recipe, context = self.recipe, self.context
        part = context.rank_slice(state.batch)
        index = self.sampler.rows(state.notes_seen, state.batch)[part]
        purpose, count = self.draws
        draws = uniform(recipe.seed, purpose, state.notes_seen, (state.batch, count))[part]
        for group in self.adam.param_groups:
            group["lr"] = recipe.optimiser.lr * state.rate
        self.network.train()
        with torch.random.fork_rng(devices=context.rng_devices):
            torch.manual_seed(recipe.seed + 1 + state.step)  # dropout depends on the step alone, so that runs resume
            losses = self.losses(index, draws)
        torch.stack([self.weights.get(name, 1.0) * loss for name, loss in losses.items()]).sum().backward()
        context.average_gradients(self.network)
        context.average([buffer for name, buffer in self.network.named_buffers() if "running_" in name])
        if self.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.clip)
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)
        return losses

    def tensors(self) -> dict[str, Tensor]:
        optimiser = optimiser_tensors(f"adam-{self.key}", self.adam, self.network)
        return module_tensors(self.key, self.network) | optimiser

    def restore(self, tensors: dict[str, Tensor]) -> None:
        restore_module(self.key, self.network, tensors)
        restore_optimiser(f"adam-{self.key}", self.adam, self.network, tensors)

    # ------------------------------------------------------------------------
    # Before and after a run

    @classmethod
    def dry_run(cls, recipe: Any, corpus: Corpus | None, accelerator: str) -> list[str]:
        lines, dataset = [], None
        if corpus is not None:
            plan = cls.make_plan(recipe, corpus)
            dataset = cls.build_dataset(plan, corpus)
            count = f"{len(dataset.rows):,} of {len(corpus):,} {cls.unit}"
            lines += [*plan.messages, f"corpus: {count} of {corpus.name} are trained on"]
        with torch.device("meta"):
            network = cls.build_network(getattr(recipe, cls.key), dataset)
        parameters = sum(parameter.numel() for parameter in network.parameters())
        schedule = Schedule(recipe)
        heads = [", ".join(f"{getattr(network.config, head)} {head}" for head in cls.heads)] if cls.heads else []
        memory = f"memory: {16 * parameters / 1e6:.0f} MB for weights, gradients and moments, beside a batch's maps"
        seconds = duration(sum(cls.seconds(recipe, 0, accelerator)))
        run = f"{schedule.total:,} {cls.unit} in {schedule.steps:,} steps, about {seconds} on one processor core"
        return [*lines, *heads, f"network: {parameters:,} parameters", memory, run]

    def save(self, folder: Path, state: StepState, losses: dict[str, float], *, half: bool) -> Path:
        """Writes the network, with how accurate it is on each split."""
        config = {
            "network": self.network.config.model_dump(mode="json"),
            **self.labels(),
            "recipe": self.recipe.model_dump(mode="json", include=set(self.recorded) | {self.key}),
            "provenance": self.provenance(state, losses),
        }
        model = self.model(config, state_of(self.network))
        return replace(model, config=config | {"metrics": self.metrics(model)}).save_pretrained(folder)

    def provenance(self, state: StepState, losses: dict[str, float]) -> dict[str, Any]:
        """What the network was trained on, and how long."""
        return {
            "corpus": self.plan.corpus,
            "trained on": f"the {self.recipe.data.split} split: {len(self.dataset.rows):,} {self.unit}",
            "notes_seen": state.notes_seen,
            "darktimbre": __version__,
            "losses": losses,
        }


def shifted(values: Tensor, by: Tensor, dim: int, fill: float = 0.0) -> Tensor:
    """Each of some values (batch, …) moved up by so many places (batch,) along an axis; `fill` comes in."""
    count, shape = values.shape[dim], [-1] + [1] * (values.dim() - 1)
    shape[dim] = count
    place = torch.arange(count, device=values.device) - by[:, None]
    inside = ((place >= 0) & (place < count)).view(shape)
    return torch.where(inside, values.gather(dim, place.clamp(0, count - 1).view(shape).expand_as(values)), fill)
