"""Growth, fade-in, batch, learning rate and averaging, each a pure function of `notes_seen`: resuming costs nothing."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from darktimbre.training.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a run stands before a step.

    Attributes:
        notes_seen: real notes seen before this step.
        step: steps made before this one.
        phase: `warm` (regression), `adversarial`, or `distil` of what learns from answers: taggers and classifiers.
        stage: index into the recipe's schedule (0 during the warm start).
        scale: stage of the network, 0 being its start size.
        alpha: weight of the new size while it is faded in, in [0, 1]; 1 afterwards.
        batch: notes of this step.
        rate: factor of the phase's learning rate.
        half_life: of the averaged generator, in notes.
        begins: whether a phase or stage begins with this step.
        forgets: whether the optimisers drop their moments before it.
    """

    notes_seen: int
    step: int
    phase: Literal["warm", "adversarial", "distil"]
    stage: int
    scale: int
    alpha: float
    batch: int
    rate: float
    half_life: float
    begins: bool
    forgets: bool


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the run with one batch size; `first` and `stop` in notes, `first_step` in steps."""

    phase: Literal["warm", "adversarial", "distil"]
    stage: int
    scale: int
    batch: int
    fade: int
    first: int
    stop: int
    first_step: int


@dataclass(frozen=True)
class Schedule:
    """The schedule of a recipe. Stretches are rounded up to whole batches, so that a step never spans two."""

    recipe: Recipe

    @cached_property
    def stretches(self) -> tuple[Stretch, ...]:
        """The run's parts, in order, without gaps."""
        parts: list[Stretch] = []
        recipe = self.recipe

        def append(
            phase: Literal["warm", "adversarial", "distil"], stage: int, notes: int, batch: int, fade: int
        ) -> None:
            first = parts[-1].stop if parts else 0
            first_step = parts[-1].first_step + (first - parts[-1].first) // parts[-1].batch if parts else 0
            scale = recipe.scale(stage) if recipe.task == "gan" else 0
            parts.append(
                Stretch(phase, stage, scale, batch, fade, first, first - (-notes // batch) * batch, first_step)
            )

        if recipe.warm_start and recipe.task == "gan":
            append("warm", 0, recipe.warm_start.notes, recipe.warm_start.batch, 0)
        for index, stage in enumerate(recipe.schedule):
            append("adversarial" if recipe.plays else "distil", index, stage.notes, stage.batch, stage.fade)
        return tuple(parts)

    @property
    def total(self) -> int:
        """Notes of the whole run."""
        return self.stretches[-1].stop

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        last = self.stretches[-1]
        return last.first_step + (last.stop - last.first) // last.batch

    def stretch(self, notes_seen: int) -> Stretch:
        """The part that the step at `notes_seen` belongs to (the last one at the end of the run)."""
        return next((part for part in self.stretches if notes_seen < part.stop), self.stretches[-1])

    def at(self, notes_seen: int) -> Moment:
        """What holds for the step that begins after `notes_seen` notes."""
        part = self.stretch(notes_seen)
        inside = notes_seen - part.first
        averaging, optimiser = self.recipe.averaging, self.recipe.optimiser
        half_life = averaging.half_life
        if averaging.ramp is not None:
            half_life = min(half_life, max(averaging.ramp * notes_seen, 1e-3))
        rate = 1.0
        since = inside if optimiser.reset_at_growth else notes_seen
        if optimiser.ramp_notes:
            rate *= min(1.0, (since + part.batch) / optimiser.ramp_notes)
        if optimiser.decay_notes:
            left = min(1.0, (self.total - notes_seen) / optimiser.decay_notes)
            rate *= optimiser.decay_to + (1 - optimiser.decay_to) * left
        return Moment(
            notes_seen=notes_seen,
            step=part.first_step + inside // part.batch,
            phase=part.phase,
            stage=part.stage,
            scale=part.scale,
            alpha=min(1.0, (inside + part.batch) / part.fade) if part.fade else 1.0,
            batch=part.batch,
            rate=rate,
            half_life=half_life,
            begins=inside == 0,
            forgets=inside == 0
            and notes_seen > 0
            and (optimiser.reset_at_growth or self.stretch(notes_seen - 1).phase != part.phase),
        )

    def crosses(self, moment: Moment, every: int) -> bool:
        """Whether the step at `moment` reaches or passes a multiple of `every` notes, or ends the run."""
        after = moment.notes_seen + moment.batch
        return after >= self.total or bool(every and moment.notes_seen // every != after // every)

    def next_event(self, notes_seen: int) -> str:
        """What comes next, in words: "stage 3 in 12,000 notes"."""
        part = self.stretch(notes_seen)
        inside = notes_seen - part.first
        if inside < part.fade:
            return f"faded in after {part.fade - inside:,} notes"
        left = part.stop - notes_seen
        place = self.stretches.index(part)
        if place + 1 == len(self.stretches):
            return f"done in {left:,} notes"
        following = self.stretches[place + 1]
        if part.phase == "warm":
            return f"adversarial training in {left:,} notes"
        return f"stage {following.stage + 1} in {left:,} notes"
