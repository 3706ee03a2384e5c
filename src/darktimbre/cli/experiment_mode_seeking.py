"""The diversity study as data: one GAN recipe, and arms that differ from it in one setting each."""

from typing import TYPE_CHECKING

from darktimbre.cli.experiment_plan import Arm, Choices, Experiment, Sounds
from darktimbre.notes.attributes import CLASSES
from darktimbre.notes.errors import UserError

if TYPE_CHECKING:
    from darktimbre.training.recipe import Recipe

WITHOUT = "without"
"""The arm that the others differ from in one setting."""
AGAIN = f"{WITHOUT}, again"
"""The same with another seed."""
PAC = 2  # notes judged together
HALF_LIVES = 8  # of the averaged generator in an arm's game: what it began from is then forgotten


def mode_seeking(choices: Choices) -> Experiment:
    """Without and with the mode-seeking loss (Mao et al. 2019), the minibatch deviation, pac (Lin et al. 2018).

    Where the recipe has a warm start, it is made once and all arms go on from it: they differ in the game alone. Where
    a bundle is given, they go on from that one instead.

    Raises:
        UserError: the recipe is no GAN that makes sound, or the bundle to begin from cannot be played against.
    """
    small = choices.scale == "small"
    name = choices.recipe or ("darkgan-small" if small else "darkgan")
    plain = Arm("", name).resolved()
    if plain.task != "gan" or plain.network is None:
        raise UserError(f"mode-seeking compares arms of a GAN that makes sound; {name} is of the task {plain.task}.")
    common = _data(choices, plain)
    begun = choices.start or ("start" if plain.warm_start else None)
    game = common + _game(choices, plain, begun is not None)

    def arm(title: str, run: str, *setting: str) -> Arm:
        return Arm(title, name, (*game, f"name={plain.name}-{run}", *setting), begins=begun)

    arms = [
        arm(WITHOUT, "without", "objectives.mode_seeking=0"),
        *(arm(f"mode seeking {w:g}", f"ms{w:g}", f"objectives.mode_seeking={w!r}") for w in choices.weights),
    ]
    if plain.network.minibatch_stddev:
        arms.append(arm("no minibatch deviation", "no-deviation", "network.minibatch_stddev=false"))
    else:
        arms.append(arm("minibatch deviation", "deviation", "network.minibatch_stddev=true"))
    arms.append(arm(f"pac {PAC}", f"pac{PAC}", f"network.pac={PAC}"))
    remarks = (f"Each arm's game was {choices.notes:,} notes, by --notes.",) if choices.notes else ()
    # Another run of the same says how far two runs differ by chance.
    arms.append(arm(AGAIN, "without-again", "objectives.mode_seeking=0", f"seed={plain.seed + 1}"))
    if plain.data.teacher == CLASSES:
        classifier = Arm("classifier", "oneshot-classifier", role="classifier")
    else:
        classifier = Arm("classifier", "inception", (f"data.teacher={choices.teacher}",), role="classifier")
    start = Arm(
        "start", name, (*common, "init=scratch", f"name={plain.name}-start", *_warm_alone(plain)), role="start"
    )  # fmt: skip
    before = [*([] if choices.classifier else [classifier]), *([start] if begun == "start" else [])]
    return Experiment(
        f"mode-seeking {choices.scale}",
        f"{plain.name} without and with the mode-seeking loss and other means against collapse, one setting an arm",
        (Sounds("notes"),),
        (*before, *arms),
        remarks,
        report="diversity",
    )


def _data(choices: Choices, plain: "Recipe") -> tuple[str, ...]:
    """What all arms learn from: by the teacher chosen, or as the bundle did that they begin from."""
    if choices.start is None:
        by_tagger = plain.data.attributes and plain.data.teacher != CLASSES
        return (f"data.teacher={choices.teacher}",) if by_tagger else ()
    from darktimbre.bundle.bundle import Bundle

    there = Bundle.from_pretrained(choices.start, discriminator=True)
    if there.discriminator is None:
        raise UserError(f"{choices.start} holds no discriminator, so no game can go on from it: give another --start.")
    told: tuple[str, ...] = (f"data.attributes={len(there.attributes.names)}",)
    if there.attributes.teacher == CLASSES:
        return ()
    if there.attributes.names:
        told += (f"data.teacher={there.attributes.teacher}", f"data.temperature={there.attributes.temperature!r}")
    return told


def _game(choices: Choices, plain: "Recipe", begun: bool) -> tuple[str, ...]:
    """The schedule of an arm, shorter or longer where that is asked for; without a warm start where one was made."""
    whole = sum(stage.notes for stage in plain.schedule)
    part = choices.notes / whole if choices.notes else 1.0
    told = []
    if choices.notes:
        for place, stage in enumerate(plain.schedule):
            told.append(f"schedule.{place}.notes={max(stage.batch, round(part * stage.notes))}")
            told.append(f"schedule.{place}.fade={round(part * stage.fade)}")
        for key in ("ramp_notes", "decay_notes"):
            told.append(f"optimiser.{key}={round(part * getattr(plain.optimiser, key))}")
    if begun:
        told += ["warm_start=null", f"averaging.half_life={max(1, round(part * whole / HALF_LIVES))}"]
    return tuple(told) if begun else ("init=scratch", *told)


def _warm_alone(plain: "Recipe") -> tuple[str, ...]:
    """The warm start and one step: a run ends in a game."""
    first, last = plain.schedule[0], len(plain.schedule) - 1
    stage = f"{{notes: {first.batch}, batch: {first.batch}, scale: {plain.scale(last)}}}"
    return (f"schedule=[{stage}]", "optimiser.decay_notes=0")
