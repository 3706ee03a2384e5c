"""What a task is: everything that depends on what is trained; and the one place that knows which tasks there are."""

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from darktimbre import __version__
from darktimbre.audio.atomic import write_json
from darktimbre.corpus.corpus import Corpus
from darktimbre.notes.attributes import Attributes
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.training import recipe as recipes
from darktimbre.training.distributed import DistributedContext
from darktimbre.training.recipe import Recipe, stored_recipe
from darktimbre.training.sampling import normal
from darktimbre.training.schedule import Schedule, StepState

FLAGS = {
    "--half": "is for instruments",
    "--evaluate-every": "is for generators",
    "--keep-best": "is for instruments",
    "--weights": "is for instruments",
    "--classifier": "scores the digits of a picture-gan",
}
"""Flags of `train` that not every task takes, and for what they are."""
EXAMPLES_PER_SECOND = 150.0
"""Of a small network; measured on one processor core."""
SMOKE_STEPS, SMOKE_BATCH, SMOKE_WIDTH = 6, 4, 8


@dataclass(frozen=True)
class Plan:
    """What a run will do, decided at its start and kept in `run.json`."""

    requested: Recipe  # the recipe as given; what resuming is compared with
    recipe: Recipe  # the recipe that is run: from a bundle with a discriminator the warm start is left out
    attributes: Attributes  # what the generator is conditioned on, or a classifier names
    codec: dict[str, Any]  # representation with its fitted scaling; empty for what makes no sound
    corpus: dict[str, Any]  # name, licence, digest, number of notes and provenance of what is trained on
    init_from: str | None = None  # bundle that the first weights are from, or None
    # sentences for the user about what was decided; not kept
    messages: list[str] = field(default_factory=list, compare=False)

    @classmethod
    def of(cls, requested: Recipe, corpus: Corpus, attributes: Attributes | None = None, **choices: Any) -> "Plan":
        """A plan for a corpus; `choices` are the other fields, where they differ from a task without any."""
        facts = {
            "name": corpus.name,
            "licence": corpus.meta.get("licence"),
            "digest": corpus.digest,
            "notes": len(corpus),
            "provenance": corpus.meta.get("provenance") or {},
        }
        return replace(cls(requested, requested, attributes or Attributes(), {}, facts), **choices)

    def save(self, path: Path) -> None:
        """Writes `run.json`."""
        data = {
            "requested": self.requested.model_dump(mode="json"),
            "recipe": self.recipe.model_dump(mode="json"),
            "attributes": self.attributes.to_json(),
            "codec": self.codec,
            "corpus": self.corpus,
            "origin": self.init_from,
        }
        write_json(path, data)

    @classmethod
    def load(cls, path: Path) -> "Plan":
        """Reads `run.json`.

        Raises:
            UserError: it cannot be read.
        """
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            recipes = stored_recipe(data["requested"]), stored_recipe(data["recipe"])
            attributes = Attributes.from_json(data["attributes"])
            return cls(*recipes, attributes, data["codec"], data["corpus"], data["origin"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path} cannot be read ({error}): the run cannot be resumed; start a new one.") from error


class Task(ABC):
    """Networks in training, and everything that depends on what is trained.

    A module in this folder with a subclass that names its `Recipe` is a further task; nothing else need know of it.
    """

    Recipe: ClassVar[type[recipes.Recipe]]  # its recipe, whose field `task` is a `Literal` of the task's name
    name: ClassVar[str]  # that name
    noun: ClassVar[str]  # what is trained, in messages; where a class does not say so, its name
    corpus_of: ClassVar[Literal["sounds", "pictures"]] = "sounds"  # what its corpora hold
    accepts: ClassVar[frozenset[str]] = frozenset()  # which of `FLAGS` it takes
    # what validates it while it trains: a key of `pipelines.validation.VALIDATIONS`, or None
    evaluated_by: ClassVar[str | None] = None
    one_process: ClassVar[bool] = False  # whether it trains in a single process
    remedy: ClassVar[str] = "A lower optimiser.lr may help"  # advice to the user where the losses diverge
    unfinished: ClassVar[str] = "what was trained cannot be used yet"  # and where `save` returns None

    def __init_subclass__(cls) -> None:
        if "Recipe" in vars(cls):
            (cls.name,) = get_args(cls.Recipe.model_fields["task"].annotation)
            cls.noun = getattr(cls, "noun", cls.name)
            if cls.Recipe in _TASKS:
                raise TypeError(f"{cls.__name__} and {_TASKS[cls.Recipe].__name__} are both the task {cls.name!r}.")
            _TASKS[cls.Recipe] = cls

    def __init__(self, plan: Plan, corpus: Corpus, context: DistributedContext) -> None:
        """A subclass builds dataset, networks and optimisers; weights are random, by the recipe's seed."""
        self.plan, self.corpus, self.context = plan, corpus, context
        self.recipe: Any = plan.recipe

    # ------------------------------------------------------------------------
    # Before a run

    @classmethod
    @abstractmethod
    def make_plan(cls, recipe: Any, corpus: Corpus) -> Plan:
        """Decides a new run, once.

        Raises:
            UserError: corpus, tags or bundle do not fit the recipe; the sentence says what to change.
        """

    @classmethod
    @abstractmethod
    def dry_run(cls, recipe: Any, corpus: Corpus | None, accelerator: str) -> list[str]:
        """Lines on what would be trained on (where there is a corpus), sizes and time; memory where it can be counted.

        Raises:
            UserError: recipe, corpus and representation do not go together.
        """

    @classmethod
    def seconds(cls, recipe: Any, sample_rate: int, device: str) -> list[float]:
        """Guess of how long each phase of the schedule takes; by default, at the pace of a small classifier."""
        return [(phase.stop - phase.first) / EXAMPLES_PER_SECOND for phase in Schedule(recipe).phases]

    @classmethod
    def shrunk(cls, recipe: Any, **sections: Any) -> Any:
        """The recipe with every stage cut to a few steps of a small batch, from scratch; `sections` are put in place of
        its own."""
        batch, notes = smoke_size(recipe)
        stages = tuple(
            stage.model_copy(update={"notes": notes, "batch": batch, "fade": notes // 2 if stage.fade else 0})
            for stage in recipe.schedule
        )
        update = {
            "schedule": stages,
            "init": "scratch",
            "checkpoint_every": 2 * notes,
            "preview_every": 2 * notes if recipe.preview_every else 0,
            "journal_every": 2 * batch,
        }
        return cls.Recipe.model_validate(recipe.model_copy(update=update | sections).model_dump())

    @classmethod
    def check_flags(cls, recipe: Any, flags: Collection[str]) -> None:
        """Refuses those of the flags given to `train` that the task has no use for.

        Raises:
            UserError: one of them is for other tasks.
        """
        for flag, purpose in FLAGS.items():
            if flag in flags and flag not in cls.accepts:
                raise UserError(f"{flag} {purpose}: leave it out for the task {cls.name}.")

    @classmethod
    def check_processes(cls, devices: int | Literal["auto"], nodes: int) -> None:
        """Refuses several processes where the task trains in one.

        Raises:
            UserError: there would be several.
        """
        if cls.one_process and (devices not in ("auto", 1) or nodes > 1):
            raise UserError(f"The task {cls.name} trains in one process: leave out --devices and --nodes.")

    # ------------------------------------------------------------------------
    # While it runs

    def initialise(self) -> None:
        """Before the first step of a new run: weights that are not random, such as those of the plan's bundle."""
        return

    @abstractmethod
    def step(self, state: StepState) -> dict[str, Tensor]:
        """One step; returns its unweighted losses, scalars."""

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """Everything that a step reads or writes, by name."""

    @abstractmethod
    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Inverse of `tensors`."""

    def costs(self) -> dict[int, float]:
        """Relative cost of a note of a step, by the network's scale; by default all cost the same."""
        return {0: 1.0}

    def preview(self, state: StepState) -> Synthesizer | None:
        """An instrument with the present weights; None where nothing can be played."""
        return None

    def snapshots(self) -> dict[str, dict[str, Tensor]]:
        """What is kept of the present weights as often as notes are previewed: folder in the run → tensors by name."""
        return {}

    @abstractmethod
    def save(self, folder: Path, state: StepState, losses: dict[str, float], *, half: bool) -> Path | None:
        """Writes what was trained into `folder`; None where it cannot be used yet."""

    @classmethod
    def closing(cls, outcome: "Outcome") -> list[str]:
        """Sentences for the user at the end of a run."""
        return [f"The {cls.noun} is in {outcome.bundle}."] if outcome.bundle else []


class GenerativeTask(Task):
    """A task whose network makes something of latents: its random numbers and what is known of its training."""

    config: Any  # of its networks
    dataset: Any  # the examples that are trained on

    def seeded(self, *networks: type[nn.Module]) -> list[Any]:
        """Networks of `config` with random weights by the recipe's seed; the first is told how soft labels spread."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.recipe.seed)
            made: list[Any] = [network(self.config) for network in networks]
        if getattr(made[0], "whiten", None) is not None:
            made[0].whiten.fit(torch.from_numpy(self.dataset.soft_labels))
        return made

    def latent(self, purpose: str, state: StepState) -> Tensor:
        """N(0, 1) of this process's part of a step, (batch, latent)."""
        drawn = normal(self.recipe.seed, purpose, state.notes_seen, (state.batch, self.config.latent))
        return drawn[self.context.rank_slice(state.batch)].to(self.context.device)

    def provenance(self, notes_seen: int) -> dict[str, Any]:
        """What the networks were trained on, for how long, and by which software."""
        software = {"darktimbre": __version__, "torch": torch.__version__.split("+")[0]}
        return {"corpus": self.plan.corpus, "notes_seen": notes_seen, **software}


@dataclass(frozen=True)
class Outcome:
    """How a run ended: why (`done`, `interrupted`, `time`), after how many notes, and the bundle where there is one."""

    reason: Literal["done", "interrupted", "time"]
    notes_seen: int
    bundle: Path | None


def smoke_size(recipe: Recipe) -> tuple[int, int]:
    """Batch, and notes of a stage, of a shrunk recipe."""
    batch = math.lcm(SMOKE_BATCH, recipe.pac)
    return batch, SMOKE_STEPS * batch


def shrunk_widths(widths: tuple[int, ...]) -> tuple[int, ...]:
    """An eighth of the feature maps."""
    return tuple(max(4, width // SMOKE_WIDTH) for width in widths)


# ----------------------------------------------------------------------------
# The registry: a module in this folder with a recipe and its task is all that there is to a further one

_TASKS: dict[type[Recipe], type[Task]] = {}


def task_of(recipe: Recipe) -> type[Task]:
    """The task of a recipe."""
    return _TASKS[type(recipe)]
