"""`darktimbre train`: corpus + recipe → run folder → bundle."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from darktimbre.cli.observing_pictures import PictureLooks

MACHINE, START, LISTENING = "Machine", "How it begins", "Listening while it trains"
RECIPES = (
    "darkgan-small", "darkgan", "darkgan-baseline", "gansynth", "tagger", "inception",
    "digits-dcgan", "digits-wgan-gp", "digits-conditional", "digits-classifier",
    "oneshot-gan", "oneshot-classes", "oneshot-classes-if", "oneshot-classifier",
)  # fmt: skip
"""Those in the package; named here, for help imports no room."""


def train(
    recipe: Annotated[str, typer.Argument(help=f"{', '.join(RECIPES)}, or a YAML file.")],
    corpus: Annotated[Path | None, typer.Option(help="The corpus to learn from (needed but for a dry run).")] = None,
    run: Annotated[Path | None, typer.Option(help="Folder of the run (default: runs/NAME-OF-THE-RECIPE).")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the recipe; may be repeated."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last good checkpoint.", rich_help_panel=START)
    ] = False,
    init: Annotated[
        str | None, typer.Option(help="Begin from a bundle: `starter` or a folder.", rich_help_panel=START)
    ] = None,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Begin from random weights.", rich_help_panel=START)
    ] = False,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="A few dozen steps of a shrunken network through every phase.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the resolved recipe and what it would cost; train nothing.")
    ] = False,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Stop after this long, with a checkpoint and a bundle.")
    ] = None,
    half: Annotated[bool, typer.Option("--half", help="Store the bundle's generator in float16.")] = False,
    evaluate_every: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="NOTES",
            help="Every so many notes, let it play valid notes and draw how well: RUN/evaluations.png.",
            rich_help_panel=LISTENING,
        ),
    ] = None,
    keep_best: Annotated[
        str | None,
        typer.Option(
            metavar="METRIC",
            help="Keep the best state in RUN/best, by attribute-correlation, logit-correlation or pitch-accuracy.",
            rich_help_panel=LISTENING,
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="Weights file of the teacher that listens, instead of the one kept.", rich_help_panel=LISTENING
        ),
    ] = None,
    classifier: Annotated[
        Path | None,
        typer.Option(
            help="Classifier that judges digits, instead of the one trained beside the corpus.",
            rich_help_panel=LISTENING,
        ),
    ] = None,
    devices: Annotated[
        str, typer.Option(help="Processes (GPUs) on this machine; auto: all GPUs.", rich_help_panel=MACHINE)
    ] = "auto",
    nodes: Annotated[
        int, typer.Option(min=1, help="Machines; start the command on each.", rich_help_panel=MACHINE)
    ] = 1,
    accelerator: Annotated[str, typer.Option(help="auto, cpu or cuda.", rich_help_panel=MACHINE)] = "auto",
) -> None:
    """Train an instrument by a recipe; Ctrl-C saves, --resume goes on exactly."""
    from darktimbre.cli.console import INTERRUPTED, caution, say
    from darktimbre.notes.attributes import CLASSES
    from darktimbre.notes.errors import UserError
    from darktimbre.training.reading import load_recipe, smoked

    if init and from_scratch:
        raise UserError("Choose either --init or --from-scratch.")
    overrides = [*(set_ or []), *([f"init={init}"] if init else []), *(["init=scratch"] if from_scratch else [])]
    chosen = load_recipe(recipe, overrides)
    if chosen.task != "gan" and (half or init):
        raise UserError(f"{'--half' if half else '--init'} is for instruments: leave it out to train a {chosen.task}.")
    if chosen.sees_pictures and (keep_best or weights):
        raise UserError(
            f"{'--keep-best' if keep_best else '--weights'} is for sounds: leave it out to train a {chosen.task}."
        )
    if (evaluate_every or keep_best) and chosen.task == "gan" and chosen.data.teacher == CLASSES:
        raise UserError(
            "No teacher listens to classes while they are learnt: leave out --evaluate-every and --keep-best, and let "
            "a classifier judge the bundle (`darktimbre evaluate`)."
        )
    if classifier and chosen.task != "picture-gan":
        raise UserError(f"--classifier judges the digits of a picture-gan: leave it out to train a {chosen.task}.")
    if smoke:
        chosen = smoked(chosen)
    if dry_run:
        from darktimbre.training.dryrun import dry_run_report

        say(dry_run_report(chosen, corpus, accelerator=accelerator))
        return
    if corpus is None:
        raise UserError("Say what to learn from: --corpus FOLDER (made by `darktimbre render` or `darktimbre import`).")
    if devices != "auto" and not (devices.isdecimal() and int(devices) > 0):
        raise UserError(f"--devices is a number of processes, 1 or more, or auto, not {devices!r}.")
    if chosen.task == "picture-gan" and (devices not in ("auto", "1") or nodes > 1):
        raise UserError("GANs of digits train in one process, for their batch norms: leave out --devices and --nodes.")

    from darktimbre.cli.observing import observer_for
    from darktimbre.training.loop import Options, train_recipe

    folder = run or Path("runs") / chosen.name
    looks: PictureLooks | None = None
    if chosen.task == "picture-gan":
        from darktimbre.cli.observing_pictures import looks_for

        looks = looks_for(
            chosen, corpus, every=evaluate_every, classifier=classifier, run=folder, smoke=smoke,
            accelerator=accelerator, say=say,
        )  # fmt: skip
    observer = None if chosen.sees_pictures else observer_for(
        chosen, corpus, every=evaluate_every, keep_best=keep_best, weights=weights, device=listening_on(accelerator),
        half=half, say=say,
    )  # fmt: skip
    options = Options(
        corpus=corpus,
        run=folder,
        resume=resume,
        devices="auto" if devices == "auto" else int(devices),
        nodes=nodes,
        accelerator=accelerator,
        minutes=minutes,
        half=half,
    )
    outcome = train_recipe(chosen, options, say=say, observer=looks or observer)
    for sentence in observer.closing(folder) if observer else ():
        say(sentence)
    if outcome.reason == "interrupted":
        caution(f"Stopped after {outcome.notes_seen:,} notes; the same command with --resume goes on exactly there.")
        raise typer.Exit(INTERRUPTED)
    if outcome.reason == "time":
        say(f"The time is up after {outcome.notes_seen:,} notes; the same command with --resume goes on.")
    if outcome.bundle is not None and looks is not None:
        from darktimbre.cli.observing_pictures import GRID, SCORES

        for row in looks.table(looks.close(folder, outcome.bundle)):
            say(f"  {row['figure']}: {row['generated']} (real: {row['real']})")
        say(f"The generator is in {outcome.bundle}, its digits in {folder / GRID}, the figures in {folder / SCORES}.")
    elif outcome.bundle is not None and chosen.task == "gan":
        say(f"The instrument is in {outcome.bundle}: play it with `darktimbre synth random {outcome.bundle} sounds`.")
    elif outcome.bundle is not None:
        what = "tagger" if chosen.task == "tagger" else "classifier"
        say(f"The {what} is in {outcome.bundle}.")


def listening_on(accelerator: str) -> str:
    """Where the teacher listens: on the GPU, where training may use one."""
    import torch

    return "cuda" if accelerator != "cpu" and torch.cuda.is_available() else "cpu"
