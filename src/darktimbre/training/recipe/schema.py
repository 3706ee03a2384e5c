"""The recipe: one run, described; what all tasks share of it. Each task adds its own sections in `training/tasks/`."""

from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from darktimbre.notes.attributes import CLASSES

PhaseKind = Literal["warm", "adversarial", "distil"]
"""`warm` (regression before adversarial training), `adversarial`, or `distil` of taggers and classifiers."""


class Section(BaseModel):
    """Part of a recipe; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Augment(Section):
    """How far waves are changed at random; zeros leave them alone.

    Attributes:
        gain_db: level within ± this many dB, but never beyond full scale.
        shift_ms: a sound starts up to this much later.
        cents: it is played up to this much faster or slower, as a tape is.
    """

    gain_db: NonNegativeFloat = 0.0
    shift_ms: NonNegativeFloat = 0.0
    cents: NonNegativeFloat = 0.0

    def __bool__(self) -> bool:
        return bool(self.gain_db or self.shift_ms or self.cents)


class Data(Section):
    """Which notes are trained on, and what is known of each.

    Attributes:
        split: split of the corpus that is trained on.
        seconds: length of a note in seconds; the corpus must have it.
        pitches: lowest and highest MIDI note, both included; null trains without pitch.
        attributes: the first N of the corpus's attribute ranking, a list of names, or 0 for none; with the teacher
            `classes` any other number means the whole class tree.
        teacher: whose stored logits are the soft labels; or `classes`: no teacher, but the classes and subclasses that
            the notes' folders name, zeros and ones.
        temperature: T in q = σ(logit / T) (DarkGAN eq. 1).
        drop_class, drop_subclass: share of the notes whose class, or subclass, is dropped from the condition.
        balance: 0 shows every note equally often, 1 every leaf of the class tree, and 0.5 lies between.
        peak_db: every note is brought to this peak, in dB below full scale; null keeps levels as they are. How hard a
            drum was struck is then no longer something to model.
        augment: how far notes are changed at random.
        families: what a classifier (task `inception`) names beside pitch: `family`, `category` (the class), or
            `subcategory` (class/subclass).
        codec: kind and options of the representation, as `codec_from_config` reads them; its scaling is fitted here.
    """

    split: Literal["train", "valid", "test"] = "train"
    seconds: PositiveFloat = 1.0
    pitches: tuple[int, int] | None = (44, 69)
    attributes: int | tuple[str, ...] = 128
    teacher: str = "yamnet"
    temperature: PositiveFloat = 1.0
    drop_class: float = Field(default=0.0, ge=0, lt=1)
    drop_subclass: float = Field(default=0.0, ge=0, lt=1)
    balance: float = Field(default=0.0, ge=0, le=1)
    peak_db: Annotated[float, Field(le=0)] | None = None
    augment: Augment = Augment()
    families: Literal["family", "category", "subcategory"] = "family"
    codec: dict[str, Any] = Field(default_factory=lambda: {"kind": "if"})

    @property
    def pitch_classes(self) -> tuple[int, ...]:
        """Every MIDI note from the lowest to the highest."""
        return tuple(range(self.pitches[0], self.pitches[1] + 1)) if self.pitches else ()

    @model_validator(mode="after")
    def _ordered(self) -> "Data":
        if self.pitches and not 0 <= self.pitches[0] <= self.pitches[1] <= 127:
            raise ValueError("pitches must be [lowest, highest] within MIDI's 0 to 127")
        if isinstance(self.attributes, int) and self.attributes < 0:
            raise ValueError("attributes must be a number ≥ 0 or a list of names")
        if self.teacher == CLASSES:
            if isinstance(self.attributes, tuple) or self.temperature != 1:
                raise ValueError("classes are taken whole and are hard: attributes is a number, temperature is 1")
        elif self.drop_class or self.drop_subclass:
            raise ValueError("drop_class and drop_subclass are for the class tree: set teacher to classes")
        return self


class Optimiser(Section):
    """Adam for each network (Kingma & Ba 2015).

    Attributes:
        lr: learning rate of every network.
        generator_lr: the generator's own, where it differs.
        betas: decay of the first and second moment.
        ramp_notes: notes over which the rate rises linearly from 0, after each reset.
        decay_notes: last notes of the run, over which it falls linearly to `decay_to` times itself.
        reset_at_growth: reset the moments where a stage starts (Karras et al. 2018).
    """

    lr: PositiveFloat = 1e-3
    generator_lr: PositiveFloat | None = None
    betas: tuple[float, float] = (0.0, 0.99)
    ramp_notes: NonNegativeInt = 0
    decay_notes: NonNegativeInt = 0
    decay_to: float = Field(default=0.0, ge=0, le=1)
    reset_at_growth: bool = True


class Stage(Section):
    """A part of the run at one size of the network.

    Attributes:
        notes: how many notes are seen (rounded up to whole batches).
        batch: notes a step, over all processes together.
        fade: of these, the notes over which the new size is faded in.
        scale: size of the network, 0 being `start`; null: the stage's own place in the schedule.
    """

    notes: PositiveInt
    batch: PositiveInt
    fade: NonNegativeInt = 0
    scale: NonNegativeInt | None = None


class Averaging(Section):
    """Exponential moving average of the generator's weights: what is bundled.

    Attributes:
        half_life: in notes.
        ramp: the half-life is at most this share of the notes seen so far (Karras et al. 2020).
    """

    half_life: PositiveFloat = 10_000
    ramp: PositiveFloat | None = 0.05


class Recipe(Section):
    """One run, whole; each task has a subclass with a `task: Literal[...]` of its own and further sections.

    Attributes:
        name: how the run and its bundle are called.
        task: what is trained, one of the tasks of `training/tasks/`.
        init: `scratch`; `auto` (the starter in the package where network and vocabulary fit, else scratch); `starter`;
            or the path of a bundle. From a bundle with a discriminator the warm start is left out.
        precision: `auto` takes bf16 where the processor computes in it, else fp32.
        checkpoint_every: notes between checkpoints.
        preview_every: notes between previews of fixed notes; 0: none.
        journal_every: notes between lines of the journal.
        seed: of rows, latents and the networks' first weights.
    """

    name: str = Field(min_length=1)
    task: str
    init: str = "scratch"
    data: Data = Data()
    optimiser: Optimiser = Optimiser()
    schedule: tuple[Stage, ...] = Field(min_length=1)
    averaging: Averaging = Averaging()
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    checkpoint_every: PositiveInt = 20_000
    preview_every: NonNegativeInt = 50_000
    journal_every: PositiveInt = 500
    seed: NonNegativeInt = 0

    phase: ClassVar[PhaseKind] = "distil"

    @staticmethod
    def load(name: str | Path, overrides: Sequence[str] = ()) -> "Recipe":
        """The recipe of a name in the package or of a YAML file; see `recipe.load.load_recipe`."""
        loaded: Recipe = import_module("darktimbre.training.recipe.load").load_recipe(name, overrides)
        return loaded  # that module imports this one

    @property
    def pac(self) -> int:
        """How many examples are scored together; every batch is a multiple of it."""
        return 1

    def phases(self) -> Iterator[tuple[PhaseKind, int, int, Stage]]:
        """The run's parts, in order: kind, index of the stage, size of the network (0: its start), the stage."""
        for index, stage in enumerate(self.schedule):
            yield self.phase, index, 0, stage
