"""Experiments as data: which sounds, which arms (recipe + overrides), compared by one evaluation.

A further experiment is a further entry of `EXPERIMENTS`, not a further program.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from darktimbre.notes.errors import UserError

if TYPE_CHECKING:
    from darktimbre.training.recipe import Recipe

SCALES = ("small", "paper")
TEMPERATURES = (1.0, 1.5, 2.0, 3.0, 5.0)
"""DarkGAN's grid of T (§5.1)."""
WEIGHTS = (0.05, 0.5)
"""Of the mode-seeking loss. At first it is 12 to 20 for pictures of notes, which the latent hardly moves: the smaller
weight makes it as large as the generator's other losses, the larger one lets it lead."""


@dataclass(frozen=True)
class Sounds:
    """A corpus, where none is given: every preset of a SoundFont × pitches × velocities.

    Attributes:
        name: how arms refer to it.
        seconds: length of a note.
        pitches: lowest and highest MIDI note, both included.
        velocities: MIDI velocities.
    """

    name: str
    seconds: float = 1.0
    pitches: tuple[int, int] = (44, 69)
    velocities: tuple[int, ...] = (50, 90, 120)


@dataclass(frozen=True)
class Arm:
    """One thing that is trained.

    Attributes:
        title: its row in the tables.
        recipe: name in the package, or a YAML file.
        overrides: `key=value`, in their order.
        sounds: name of the corpus that it learns from.
        role: an `instrument` is a row of the comparison; the `classifier` is what rows are measured by; others begin
            from a `start`.
        begins: title of the arm whose bundle it begins from, or that bundle's folder; None: as its recipe says.
    """

    title: str
    recipe: str
    overrides: tuple[str, ...] = ()
    sounds: str = "notes"
    role: Literal["instrument", "classifier", "start"] = "instrument"
    begins: str | Path | None = None

    def resolved(self) -> "Recipe":
        """The whole recipe.

        Raises:
            UserError: there is no such recipe or key.
        """
        from darktimbre.training.reading import load_recipe

        return load_recipe(self.recipe, self.overrides)


@dataclass(frozen=True)
class Experiment:
    """What is trained and compared.

    Attributes:
        name: with its scale, such as `darkgan-paper small`.
        says: one sentence about it.
        sounds: the corpora; the first is what everything is evaluated on.
        arms: in the order of training.
        remarks: sentences about what is left out or differs, and why.
        report: `paper`: all that DarkGAN tells of its instruments; `diversity`: variety against quality.
    """

    name: str
    says: str
    sounds: tuple[Sounds, ...]
    arms: tuple[Arm, ...]
    remarks: tuple[str, ...] = ()
    report: Literal["paper", "diversity"] = "paper"


@dataclass(frozen=True)
class Choices:
    """What the command line leaves to choose.

    Attributes:
        scale: `small` (about an hour of one processor core an arm) or `paper` (days of a GPU an arm).
        teacher: who tags the sounds.
        temperatures: T of the soft labels, one DarkGAN each.
        gansynth: whether the user brings a trained GANSynth along.
        renders: whether sounds can be rendered, so that there may be more than one corpus.
        recipe: of the GAN whose arms are compared; None: the experiment's own.
        start: bundle that all arms begin from.
        notes: notes of each arm's game; None: the experiment's own.
        classifier: whether the user brings a trained one along.
        weights: of the mode-seeking loss, an arm each.
    """

    scale: str
    teacher: str
    temperatures: tuple[float, ...]
    gansynth: bool
    renders: bool
    recipe: str | None = None
    start: Path | None = None
    notes: int | None = None
    classifier: bool = False
    weights: tuple[float, ...] = WEIGHTS


SMALL = ("schedule=[{notes: 10000, batch: 8, scale: 3}]", "optimiser.decay_notes=10000", "warm_start.notes=48000")
"""`darkgan-small` for a comparison: from scratch, and twice as long as the starter's.

An arm's 58,000 notes take about an hour of one processor core."""


def darkgan_paper(choices: Choices) -> Experiment:
    """Table 1, table 2, figures 2 and 3 of the paper."""
    small, teacher = choices.scale == "small", f"data.teacher={choices.teacher}"
    common: tuple[str, ...] = ("init=scratch", *(SMALL if small else ()), teacher)
    if small:
        baseline = Arm(
            "baseline",
            "darkgan-small",
            (*common, "name=darkgan-small-baseline", "data.attributes=0", "data.temperature=1"),
        )
    else:
        baseline = Arm("baseline", "darkgan-baseline", common)
    recipe = "darkgan-small" if small else "darkgan"
    classifier = Arm("classifier", "inception", (teacher,), role="classifier")
    darkgans = tuple(
        Arm(f"DarkGAN T={t:g}", recipe, (*common, f"name={recipe}-T{t:g}", f"data.temperature={t!r}"))
        for t in choices.temperatures
    )
    gansynth, sounds, remarks = _gansynth(choices, small)
    return Experiment(
        f"darkgan-paper {choices.scale}",
        "DarkGAN at several temperatures beside its baseline without attributes, real notes and GANSynth",
        sounds,
        (classifier, baseline, *darkgans, *gansynth),
        remarks,
    )


def _gansynth(choices: Choices, small: bool) -> tuple[tuple[Arm, ...], tuple[Sounds, ...], tuple[str, ...]]:
    """GANSynth learns notes of 4 s of its own pitches; its arm, the corpora, and what is to be said."""
    notes, long = Sounds("notes"), Sounds("long notes", seconds=4.0, pitches=(24, 84))
    if choices.gansynth:
        return (), (notes,), ()
    brought = "bring a trained one with --gansynth BUNDLE"
    if small:
        return (), (notes,), (f"GANSynth is left out: its recipe takes a GPU for days (--scale paper), or {brought}.",)
    if not choices.renders:
        remedy = f"add --soundfont, or {brought}"
        return (), (notes,), (f"GANSynth is left out: it learns notes of 4 s, which --corpus does not hold; {remedy}.",)
    return (Arm("GANSynth", "gansynth", ("init=scratch",), sounds=long.name),), (notes, long), ()


def _mode_seeking(choices: Choices) -> Experiment:
    from darktimbre.cli.experiment_mode_seeking import mode_seeking

    return mode_seeking(choices)


EXPERIMENTS: dict[str, Callable[[Choices], Experiment]] = {
    "darkgan-paper": darkgan_paper,
    "mode-seeking": _mode_seeking,
}
"""By name."""


def experiment_of(name: str, choices: Choices) -> Experiment:
    """The experiment of a name.

    Raises:
        UserError: there is none, or no such scale.
    """
    if name not in EXPERIMENTS:
        raise UserError(f"There is no experiment {name!r}; there are {', '.join(EXPERIMENTS)}.")
    if choices.scale not in SCALES:
        raise UserError(f"--scale is one of {', '.join(SCALES)}, not {choices.scale!r}.")
    return EXPERIMENTS[name](choices)


def temperatures_of(text: str) -> tuple[float, ...]:
    """ "1,1.5,2" → (1.0, 1.5, 2.0), ascending, each once.

    Raises:
        UserError: something else is written, or two of them are alike as far as a title tells.
    """
    try:
        found = tuple(sorted({float(part) for part in text.split(",") if part.strip()}))
    except ValueError:
        found = ()
    if not found or not all(0 < temperature < float("inf") for temperature in found):
        raise UserError(f"--temperatures are numbers above 0, such as 1,1.5,2, not {text!r}.")
    if len({f"{temperature:g}" for temperature in found}) < len(found):
        raise UserError(f"Two of --temperatures {text} would bear one name: give them at most six digits, each once.")
    return found


def weights_of(text: str) -> tuple[float, ...]:
    """ "0.05,0.5" → (0.05, 0.5), ascending, each once.

    Raises:
        UserError: something else is written.
    """
    try:
        found = tuple(sorted({float(part) for part in text.split(",") if part.strip()}))
    except ValueError:
        found = ()
    if not found or not all(0 < weight < float("inf") for weight in found):
        raise UserError(f"--mode-seeking takes weights above 0, such as 0.05,0.5, not {text!r}.")
    return found


def titled(place: Path) -> tuple[str, Path]:
    """A GANSynth of the user's as a row."""
    return "GANSynth", place
