"""Growth, fade-in, batch, learning rate and averaging, each a pure function of `notes_seen`: resuming costs nothing."""

from dataclasses import dataclass
from functools import cached_property

from darktimbre.training.recipe import PhaseKind, Recipe


@dataclass(frozen=True, slots=True)
class StepState:
    """Where a run stands before a step."""

    notes_seen: int  # real notes seen before this step
    step: int  # steps made before this one
    phase: PhaseKind  # see `PhaseKind`
    stage: int  # index into the recipe's schedule (0 during the warm start)
    scale: int  # stage of the network, 0 being its start size
    alpha: float  # weight of the new size while it is faded in, in [0, 1]; 1 afterwards
    batch: int  # notes of this step
    rate: float  # factor of the phase's learning rate
    half_life: float  # of the averaged generator, in notes
    starts_phase: bool  # whether a phase or stage starts with this step
    resets_optimisers: bool  # whether the optimisers drop their moments before it


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the run with one batch size; `first` and `stop` in notes, `first_step` in steps."""

    kind: PhaseKind
    stage: int
    scale: int
    batch: int
    fade: int
    first: int
    stop: int
    first_step: int


@dataclass(frozen=True)
class Schedule:
    """The schedule of a recipe. Phases are rounded up to whole batches, so that a step never spans two."""

    recipe: Recipe

    @cached_property
    def phases(self) -> tuple[Phase, ...]:
        """The run's parts, in order, without gaps."""
        parts: list[Phase] = []
        first = first_step = 0
        for kind, index, scale, stage in self.recipe.phases():
            steps = -(-stage.notes // stage.batch)
            stop = first + steps * stage.batch
            parts.append(Phase(kind, index, scale, stage.batch, stage.fade, first, stop, first_step))
            first, first_step = stop, first_step + steps
        return tuple(parts)

    @property
    def total(self) -> int:
        """Notes of the whole run."""
        return self.phases[-1].stop

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        last = self.phases[-1]
        return last.first_step + (last.stop - last.first) // last.batch

    def phase_at(self, notes_seen: int) -> Phase:
        """The part that the step at `notes_seen` belongs to (the last one at the end of the run)."""
        return next((part for part in self.phases if notes_seen < part.stop), self.phases[-1])

    def at(self, notes_seen: int) -> StepState:
        """What holds for the step after `notes_seen` notes."""
        part = self.phase_at(notes_seen)
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
        return StepState(
            notes_seen=notes_seen,
            step=part.first_step + inside // part.batch,
            phase=part.kind,
            stage=part.stage,
            scale=part.scale,
            alpha=min(1.0, (inside + part.batch) / part.fade) if part.fade else 1.0,
            batch=part.batch,
            rate=rate,
            half_life=half_life,
            starts_phase=inside == 0,
            resets_optimisers=inside == 0
            and notes_seen > 0
            and (optimiser.reset_at_growth or self.phase_at(notes_seen - 1).kind != part.kind),
        )

    def before(self, notes_seen: int) -> StepState:
        """The step that led to `notes_seen` notes; at the start of the run, the first one."""
        return self.at(max(0, notes_seen - self.phase_at(notes_seen - 1).batch) if notes_seen else 0)

    def crosses(self, state: StepState, every: int) -> bool:
        """Whether the step at `state` reaches or passes a multiple of `every` notes, or ends the run."""
        after = state.notes_seen + state.batch
        return after >= self.total or bool(every and state.notes_seen // every != after // every)

    def next_event(self, notes_seen: int) -> str:
        """What comes next, in words: "stage 3 in 12,000 notes"."""
        part = self.phase_at(notes_seen)
        inside = notes_seen - part.first
        if inside < part.fade:
            return f"faded in after {part.fade - inside:,} notes"
        left = part.stop - notes_seen
        place = self.phases.index(part)
        if place + 1 == len(self.phases):
            return f"done in {left:,} notes"
        following = self.phases[place + 1]
        if part.kind == "warm":
            return f"adversarial training in {left:,} notes"
        return f"stage {following.stage + 1} in {left:,} notes"
