"""The runs of an experiment: where each is cached, how far it is, what is left of it; and one run trained on.

A run's folder is named by a digest of all that it follows from, so it is found again by any experiment, and a run of
another recipe, corpus or teacher is never taken for it.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from darktimbre.bundle.bundle import Bundle
from darktimbre.bundle.weights import digest
from darktimbre.corpus.corpus import Corpus
from darktimbre.models.surgery import with_pac, without_minibatch_stddev
from darktimbre.notes.attributes import CLASSES
from darktimbre.notes.errors import UserError
from darktimbre.pipelines.experiment_plans import ANOTHER, Variant, starting_bundle
from darktimbre.pipelines.steps import recorded
from darktimbre.tagging.ranking import read_attributes
from darktimbre.tagging.store import Tags
from darktimbre.training import checkpoint
from darktimbre.training.progress import duration
from darktimbre.training.recipe import Recipe
from darktimbre.training.run_folder import PLAN, refuse_other
from darktimbre.training.schedule import Schedule
from darktimbre.training.tasks.base import Plan, task_of
from darktimbre.training.tasks.gan import GanRecipe
from darktimbre.training.trainer import Callback, Options, Outcome, Trainer, train

RATE = 16_000  # Hz, of what is rendered
CLOCK_CHECKS = 1000  # in a run
FIRST, EVERY = 600.0, 3600.0  # seconds until the time left is said, and between later ones


# ----------------------------------------------------------------------------
# What variants are initialised from


@dataclass(frozen=True)
class Start:
    """A bundle that runs are initialised from."""

    place: Path  # its folder; it may yet have to be trained
    digest: str  # of what it holds, or of all that it follows from
    minibatch_stddev: bool  # whether its discriminator sees the minibatch standard deviation
    pac: int = 1  # how many notes its discriminator scores together
    source: "Start | None" = None  # the start that this one is made from

    @classmethod
    def at(cls, place: Path) -> "Start":
        """The start in a folder that the user gives."""
        bundle = Bundle.from_pretrained(place, discriminator=True)
        parts = (part for part in (bundle.discriminator, bundle.encoder) if part is not None)
        held = hashlib.sha256("".join([bundle.digest, *map(digest, parts)]).encode()).hexdigest()
        return cls(Path(bundle.origin), held, bundle.gan.minibatch_stddev, bundle.gan.pac)

    def fitted(self, recipe: Recipe, runs: Path) -> "Start":
        """The same for a GAN's network: without the channel of the deviation, or with a layer for pac.

        Raises:
            UserError: the start lacks what the recipe has.
        """
        if not isinstance(recipe, GanRecipe):
            return self
        stddev, pac = recipe.network.minibatch_stddev, recipe.network.pac
        if (stddev, pac) == (self.minibatch_stddev, self.pac):
            return self
        if (stddev and not self.minibatch_stddev) or self.pac not in (1, pac):
            lacks = "is without minibatch deviation" if self.pac in (1, pac) else f"scores {self.pac} notes together"
            raise UserError(f"The discriminator of {self.place} {lacks}, {recipe.name}'s is not: {ANOTHER}.")
        change = "-".join([*(["without-deviation"] if not stddev else []), *([f"pac{pac}"] if pac > 1 else [])])
        made = hashlib.sha256(f"{self.digest} {change}".encode()).hexdigest()
        return Start(runs / f"start-{change}-{made[:12]}", made, stddev, pac, source=self)

    def make(self) -> None:
        """Makes it of its source, where it has one and was not made."""
        if self.source is None or (self.place / "config.json").is_file():
            return
        bundle, discriminator = starting_bundle(self.source.place)
        if self.source.minibatch_stddev and not self.minibatch_stddev:
            discriminator = without_minibatch_stddev(discriminator)
        if self.pac > self.source.pac:
            discriminator = with_pac(discriminator, bundle.gan, self.pac)
        network = {**bundle.config["network"], "minibatch_stddev": self.minibatch_stddev, "pac": self.pac}
        Bundle({**bundle.config, "network": network}, bundle.weights, discriminator).save_pretrained(self.place)


# ----------------------------------------------------------------------------
# One run


@dataclass
class Run:
    """A variant on its corpus; without a corpus, which is then to be rendered, it has neither digest nor folder."""

    variant: Variant
    recipe: Recipe  # resolved
    corpus: Corpus | None = None
    digest: str = ""  # of all that the run follows from
    folder: Path | None = None  # where it is cached
    parts: list[tuple[int, int, float]] = field(default_factory=list)  # (first, last note, seconds) of its phases
    start: Start | None = None  # what it is initialised from; None where its recipe says it

    @property
    def bundle(self) -> Path:
        """What it ends in."""
        return (self.folder or Path()) / "bundle"

    @property
    def total(self) -> int:
        """Notes of the whole run."""
        return Schedule(self.recipe).total

    def done(self) -> bool:
        """Whether its bundle is of the recipe's end, not of a session that was cut short."""
        seen = recorded(self.bundle / "config.json", "provenance", "notes_seen") if self.folder else None
        return seen is not None and int(seen) >= self.total

    def seen(self) -> int:
        """Notes seen, as far as they are kept."""
        if self.done():
            return self.total
        kept = checkpoint.listing(self.folder) if self.folder else []
        return int(kept[-1].name) if kept else 0

    def state(self) -> str:
        """In words."""
        if self.done():
            return "done"
        started = self.folder is not None and (self.folder / PLAN).is_file()
        return f"half done at {self.seen():,} notes" if started else "to do"

    def left(self, seen: int | None = None) -> float:
        """Seconds estimated for what is left after so many notes; by default, after those that are kept."""
        at = self.seen() if seen is None else seen
        return sum(cost * max(0, stop - max(at, first)) / (stop - first) for first, stop, cost in self.parts)

    def to_json(self) -> dict[str, Any]:
        """For `experiment.json`."""
        return {
            "title": self.variant.title,
            "role": self.variant.role,
            "recipe": self.variant.recipe,
            "overrides": list(self.variant.overrides),
            "folder": None if self.folder is None else str(self.folder),
            "digest": self.digest,
            "notes_seen": self.seen(),
            "notes": self.total,
            "done": self.done(),
        }

    def as_start(self) -> Start:
        """What its end is to those that are initialised from it; it need not have been reached."""
        assert isinstance(self.recipe, GanRecipe)
        return Start(self.bundle, self.digest, self.recipe.network.minibatch_stddev, self.recipe.network.pac)

    def train(self, time_left: "TimeLeft", **options: Any) -> Outcome:
        """Trains to its end, or until the time is up; a half-finished run is resumed from its last checkpoint."""
        assert self.corpus is not None
        assert self.folder is not None
        if self.start is not None:
            self.start.make()
        resume = (self.folder / PLAN).is_file()
        where = Options(corpus=self.corpus.path, run=self.folder, resume=resume, devices=1, **options)
        outcome = train(self.recipe, where, say=time_left.say, callbacks=[time_left])
        time_left.measured(outcome.notes_seen)
        return outcome


def runs_of(variants: Sequence[Variant], corpora: Mapping[str, Corpus | None], runs: Path) -> list[Run]:
    """Every variant's run, in order; what a variant is initialised from stands before it."""
    found: dict[str, Run] = {}
    for variant in variants:
        start, source = None, variant.init_from
        if source is not None:
            start = Start.at(source) if isinstance(source, Path) else found[source].as_start()
        found[variant.title] = run_of(variant, corpora[variant.sounds], runs, start)
    return list(found.values())


def run_of(variant: Variant, corpus: Corpus | None, runs: Path, start: Start | None = None) -> Run:
    """Finds a variant's run; `start` is what it is initialised from.

    Raises:
        UserError: tags or attributes are missing, or the folder holds another run.
    """
    if corpus is None:
        return Run(variant, variant.resolved())
    recipe = recipe_on(variant, corpus)
    if start := start.fitted(recipe, runs) if start else None:  # counts by what it holds, wherever it lies
        recipe = recipe.model_copy(update={"init": f"start {start.digest}"})
    made_from = digest_of(recipe, corpus)
    folder = runs / f"{recipe.name}-{made_from[:12]}"
    kept = Plan.load(folder / PLAN) if (folder / PLAN).is_file() else None
    if start:
        recipe = recipe.model_copy(update={"init": kept.requested.init if kept else str(start.place.resolve())})
    if kept is not None:
        try:
            refuse_other(kept, recipe, corpus)
        except UserError as error:
            raise UserError(f"{folder} does not hold what its name says: move it away. {error}") from None
    return Run(variant, recipe, corpus, made_from, folder, start=start)


def recipe_on(variant: Variant, corpus: Corpus) -> Recipe:
    """A variant's recipe; a classifier takes fewer attributes, where the corpus has a shorter list.

    Raises:
        UserError: attributes are wanted, and none are chosen.
    """
    recipe = variant.resolved()
    wanted = recipe.data.attributes
    if variant.role != "classifier" or recipe.data.teacher == CLASSES or not isinstance(wanted, int) or not wanted:
        return recipe
    there = min(wanted, len(read_attributes(corpus.path, recipe.data.teacher)))
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"attributes": there})})


def digest_of(recipe: Recipe, corpus: Corpus) -> str:
    """SHA-256 over the resolved recipe, attributes by name, the corpus, and the tags where it is trained on them.

    Of the recipe counts what differs from the defaults: a key that a later version adds makes no run another. (Where a
    default itself is changed, `run_folder.refuse_other` says so.)
    """
    data, tags = recipe.data, ""
    if data.attributes and data.teacher != CLASSES:  # classes are part of the corpus
        tags = Tags.open(corpus.path, data.teacher).digest
        if isinstance(data.attributes, int):
            names = read_attributes(corpus.path, data.teacher)[: data.attributes]
            recipe = recipe.model_copy(update={"data": data.model_copy(update={"attributes": names})})
    changed = json.dumps(recipe.model_dump(mode="json", exclude_defaults=True), sort_keys=True)
    return hashlib.sha256("\n".join((changed, corpus.digest, tags)).encode()).hexdigest()


# ----------------------------------------------------------------------------
# How long it takes


def estimate_times(runs: Sequence[Run], device: str) -> None:
    """Fills in how long each run takes, by its multiplications and the processor's speed just now."""
    known: dict[str, list[tuple[int, int, float]]] = {}
    for run in (run for run in runs if not run.done()):
        data = run.recipe.data.model_copy(update={"temperature": 1.0})
        alike = run.recipe.model_copy(update={"name": "", "data": data}).model_dump_json()
        if alike not in known:
            seconds = task_of(run.recipe).seconds(run.recipe, run.corpus.sample_rate if run.corpus else RATE, device)
            phases = Schedule(run.recipe).phases
            known[alike] = [(part.first, part.stop, cost) for part, cost in zip(phases, seconds, strict=True)]
        run.parts = known[alike]


@dataclass
class TimeLeft(Callback):
    """Says how much of the whole experiment is left; it only reads the clock.

    `paces` are seconds taken by what was estimated at one second, in this session so far, of classifiers and of
    instruments, for neither says anything about the other; all runs share them.
    """

    run: Run
    later: Sequence[Run]
    paces: dict[str, float]
    say: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self.every = max(1, self.run.total // CLOCK_CHECKS)

    def start(self, view: Trainer) -> None:
        """The clock starts."""
        self._started, self._left = self.clock(), self.run.left(view.notes_seen)
        self._next = self._started + FIRST

    def step(self, view: Trainer) -> None:
        """One line, after ten minutes and then every hour."""
        if self.clock() >= self._next and view.notes_seen < view.total:
            self._next = self.clock() + EVERY
            left = self.in_words(self.measured(view.notes_seen))
            self.say(f"{self.run.variant.title}: {view.notes_seen:,} of {view.total:,} notes; whole experiment: {left}")

    def measured(self, seen: int) -> float:
        """Updates the pace; returns the estimate for what is left of the run."""
        left = self.run.left(seen)
        if self._left > left:
            self.paces[_kind(self.run)] = (self.clock() - self._started) / (self._left - left)
        return left

    def in_words(self, left: float | None = None) -> str:
        """Time left of all runs, each estimate corrected by the pace of its kind where one was measured."""
        estimates = [(self.run, self.run.left() if left is None else left), *((run, run.left()) for run in self.later)]
        return f"about {duration(sum(self.paces.get(_kind(run), 1.0) * seconds for run, seconds in estimates))} left"


def _kind(run: Run) -> str:
    return "classifier" if run.variant.role == "classifier" else "instrument"
