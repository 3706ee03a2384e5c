"""The runs of an experiment: where each is cached, how far it is, what is left of it; and one run trained on.

A run's folder is named by a digest of all that it follows from, so it is found again by any experiment, and a run of
another recipe, corpus or teacher is never taken for it.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from darktimbre.cli.experiment_plan import Arm
from darktimbre.cli.experiment_start import Start, start_at
from darktimbre.notes.attributes import CLASSES
from darktimbre.notes.errors import UserError

if TYPE_CHECKING:
    from darktimbre.corpus.corpus import Corpus
    from darktimbre.training.loop import Outcome
    from darktimbre.training.observer import View
    from darktimbre.training.recipe import Recipe

CLASSIFIED = 150.0  # notes a second that a classifier learns from on one core, for a first guess
LOOKS = 1000  # looks at the clock in a run; one costs nothing
FIRST, AGAIN = 600.0, 3600.0  # seconds until the time left is told, and told again


@dataclass
class Run:
    """An arm on its corpus.

    Attributes:
        arm: what is trained.
        recipe: its recipe, resolved.
        corpus: what it learns from; None while that is to be rendered.
        digest: of all that the run follows from; "" without a corpus.
        folder: where it is cached; None without a corpus.
        parts: (first note, last note, seconds guessed) of its stretches.
        start: what it begins from; None for a run of its own.
    """

    arm: Arm
    recipe: "Recipe"
    corpus: "Corpus | None"
    digest: str
    folder: Path | None
    parts: list[tuple[int, int, float]] = field(default_factory=list)
    start: Start | None = None

    @property
    def bundle(self) -> Path:
        """What it ends in."""
        assert self.folder is not None
        return self.folder / "bundle"

    @property
    def total(self) -> int:
        """Notes of the whole run."""
        from darktimbre.training.schedule import Schedule

        return Schedule(self.recipe).total

    @property
    def done(self) -> bool:
        """Whether its bundle is of the recipe's end."""
        return self.folder is not None and bundled_after(self.bundle) >= self.total

    @property
    def seen(self) -> int:
        """Notes seen, as far as they are kept."""
        from darktimbre.training import checkpoint

        if self.folder is None:
            return 0
        kept = checkpoint.listing(self.folder)
        return self.total if self.done else int(kept[-1].name) if kept else 0

    @property
    def state(self) -> str:
        """In words."""
        if self.done:
            return "done"
        begun = self.folder is not None and (self.folder / "run.json").is_file()
        return f"half done at {self.seen:,} notes" if begun else "to do"

    def left(self, seen: int | None = None) -> float:
        """Seconds guessed for what is left after so many notes; by default, after those that are kept."""
        at = self.seen if seen is None else seen
        if self.done:
            return 0.0
        return sum(cost * max(0, stop - max(at, first)) / (stop - first) for first, stop, cost in self.parts)

    def to_json(self) -> dict[str, Any]:
        """For `experiment.json`."""
        return {
            "title": self.arm.title,
            "role": self.arm.role,
            "recipe": self.arm.recipe,
            "overrides": list(self.arm.overrides),
            "folder": None if self.folder is None else str(self.folder),
            "digest": self.digest,
            "notes_seen": self.seen,
            "notes": self.total,
            "done": self.done,
        }


def bundled_after(bundle: Path) -> int:
    """Notes seen by a bundle or a classifier; −1 where there is none."""
    try:
        return int(json.loads((bundle / "config.json").read_text(encoding="utf-8"))["provenance"]["notes_seen"])
    except (OSError, ValueError, KeyError, TypeError):
        return -1


def runs_of(arms: tuple[Arm, ...], corpora: Mapping[str, "Corpus | None"], runs: Path) -> list[Run]:
    """Every arm's run, in order; what an arm begins from stands before it.

    Raises:
        UserError: see `run_of`.
    """
    found: dict[str, Run] = {}
    for arm in arms:
        begun = None
        if isinstance(arm.begins, Path):
            begun = start_at(arm.begins)
        elif arm.begins is not None:
            begun = start_by(found[arm.begins])
        found[arm.title] = run_of(arm, corpora[arm.sounds], runs, begun)
    return list(found.values())


def start_by(run: Run) -> Start:
    """What an arm's end is to those that begin from it; it need not have been reached."""
    network = run.recipe.network
    folder = run.folder / "bundle" if run.folder else Path()
    return Start(folder, run.digest, bool(network and network.minibatch_stddev), getattr(network, "pac", 1))


def run_of(arm: Arm, corpus: "Corpus | None", runs: Path, begun: Start | None = None) -> Run:
    """Finds an arm's run; `begun` is what it begins from.

    Raises:
        UserError: tags or attributes are missing, or the folder holds another run.
    """
    from darktimbre.training.plan import Plan
    from darktimbre.training.runfolder import PLAN

    if corpus is None:
        return Run(arm, arm.resolved(), None, "", None)
    recipe = recipe_on(arm, corpus)
    start = begun.for_recipe(recipe, runs) if begun else None
    if start:  # by what it holds, wherever it lies
        recipe = recipe.model_copy(update={"init": f"start {start.digest}"})
    digest = digest_of(recipe, corpus)
    folder = runs / f"{recipe.name}-{digest[:12]}"
    kept = Plan.load(folder / PLAN) if (folder / PLAN).is_file() else None
    if start:
        recipe = recipe.model_copy(update={"init": kept.requested.init if kept else str(start.place.resolve())})
    if kept is not None:
        try:
            kept.refuse_other(recipe, corpus)
        except UserError as error:
            raise UserError(f"{folder} does not hold what its name says: move it away. {error}") from None
    return Run(arm, recipe, corpus, digest, folder, start=start)


def recipe_on(arm: Arm, corpus: "Corpus") -> "Recipe":
    """An arm's recipe; a classifier is content with fewer attributes, where the corpus has a shorter list.

    Raises:
        UserError: attributes are wanted, and none are chosen.
    """
    from darktimbre.tagging.ranking import read_attributes

    recipe = arm.resolved()
    data = recipe.data
    by_classes = data.teacher == CLASSES
    if arm.role != "classifier" or not isinstance(data.attributes, int) or not data.attributes or by_classes:
        return recipe
    there = len(read_attributes(corpus.path, data.teacher))
    if there >= data.attributes:
        return recipe
    return recipe.model_copy(update={"data": data.model_copy(update={"attributes": there})})


def digest_of(recipe: "Recipe", corpus: "Corpus") -> str:
    """SHA-256 over the resolved recipe, attributes by name, the corpus, and the tags where it learns from them.

    Of the recipe counts what differs from the defaults: a key that a later version adds makes no run another. (Where a
    default itself is changed, `Plan.refuse_other` says so.)
    """
    from darktimbre.tagging.ranking import read_attributes
    from darktimbre.tagging.store import Tags

    data, tags = recipe.data, ""
    if data.attributes and data.teacher != CLASSES:  # classes are part of the corpus
        tags = Tags.open(corpus.path, data.teacher).digest
        if isinstance(data.attributes, int):
            names = read_attributes(corpus.path, data.teacher)[: data.attributes]
            recipe = recipe.model_copy(update={"data": data.model_copy(update={"attributes": names})})
    asked = json.dumps(recipe.model_dump(mode="json", exclude_defaults=True), sort_keys=True)
    return hashlib.sha256("\n".join((asked, corpus.digest, tags)).encode()).hexdigest()


def guess(runs: list[Run], device: str) -> None:
    """Fills in how long each run takes, by its multiplications and the processor's speed just now."""
    known: dict[str, list[tuple[int, int, float]]] = {}
    for run in (run for run in runs if not run.done):
        alike = run.recipe.model_copy(
            update={"name": "", "data": run.recipe.data.model_copy(update={"temperature": 1.0})}
        ).model_dump_json()
        if alike not in known:
            known[alike] = _parts(run, device)
        run.parts = known[alike]


def _parts(run: Run, device: str) -> list[tuple[int, int, float]]:
    import torch

    from darktimbre.notes.attributes import Attributes
    from darktimbre.representation.codec import codec_from_config
    from darktimbre.training.estimate import estimate
    from darktimbre.training.plan import network_for
    from darktimbre.training.schedule import Schedule

    recipe, stretches = run.recipe, Schedule(run.recipe).stretches
    if recipe.task != "gan":
        return [(part.first, part.stop, (part.stop - part.first) / CLASSIFIED) for part in stretches]
    data, rate = recipe.data, run.corpus.sample_rate if run.corpus else 16_000
    names = data.attributes if isinstance(data.attributes, tuple) else tuple(map(str, range(data.attributes)))
    low, high = data.pitches or (0, -1)
    attributes = Attributes(pitches=tuple(range(low, high + 1)), names=names)
    codec = codec_from_config({**data.codec, "sample_rate": rate, "samples": round(data.seconds * rate)})
    found = estimate(recipe, network_for(recipe, attributes, codec), torch.device(device))
    return [(part.first, part.stop, cost) for part, cost in zip(stretches, found.seconds, strict=True)]


class Whole:
    """Tells during a run how much of the whole experiment is left; an observer that only looks at the clock.

    Attributes:
        every: notes between two looks at the clock.
        paces: task → seconds taken by what was guessed at one second, in this sitting so far: how fast a classifier
            learns says nothing about an instrument. Shared by all arms.
    """

    def __init__(
        self,
        run: Run,
        later: list[Run],
        paces: dict[str, float],
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.run, self.later, self.paces, self.say, self.clock = run, later, paces, say, clock
        self.every = max(1, run.total // LOOKS)
        self._began, self._left = clock(), run.left()
        self._next = self._began + FIRST

    def begin(self, view: "View") -> None:
        """The clock starts."""
        self._began, self._left = self.clock(), self.run.left(view.notes_seen)
        self._next = self._began + FIRST

    def look(self, view: "View") -> None:
        """One line, after ten minutes and then every hour."""
        if self.clock() >= self._next and view.notes_seen < view.total:
            self._next = self.clock() + AGAIN
            left = self.measured(view.notes_seen)
            told = in_words(self.paces, [(self.run, left), *((run, run.left()) for run in self.later)])
            self.say(f"{self.run.arm.title}: {view.notes_seen:,} of {view.total:,} notes; whole experiment: {told}")

    def measured(self, seen: int) -> float:
        """Brings the task's pace up to date; returns the guess for what is left of the run."""
        left = self.run.left(seen)
        if self._left > left:
            self.paces[self.run.recipe.task] = (self.clock() - self._began) / (self._left - left)
        return left


def in_words(paces: dict[str, float], guessed: list[tuple[Run, float]]) -> str:
    """Time left of these runs, each guess corrected by its task's pace where one was measured in this sitting."""
    from darktimbre.training.progress import duration

    left = sum(paces.get(run.recipe.task, 1.0) * seconds for run, seconds in guessed)
    return f"about {duration(left)} left"


def train_on(
    run: Run, whole: Whole, *, minutes: float | None, accelerator: str, say: Callable[[str], None]
) -> "Outcome":
    """Trains a run to its end, or to the time's; a half-finished one goes on from its last checkpoint."""
    from darktimbre.training.loop import Options, train_recipe
    from darktimbre.training.runfolder import PLAN

    assert run.corpus is not None
    assert run.folder is not None
    if run.start is not None:
        run.start.make()
    options = Options(
        corpus=run.corpus.path,
        run=run.folder,
        resume=(run.folder / PLAN).is_file(),
        devices=1,
        accelerator=accelerator,
        minutes=minutes,
    )
    outcome = train_recipe(run.recipe, options, say=say, observer=whole)
    whole.measured(outcome.notes_seen)
    return outcome
