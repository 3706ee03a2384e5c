"""`darktimbre train`: corpus + recipe → run folder → bundle."""

from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from darktimbre.cli import console
from darktimbre.notes.errors import UserError
from darktimbre.pipelines import validation
from darktimbre.training import dryrun, trainer
from darktimbre.training.recipe import load
from darktimbre.training.tasks import base

MACHINE, START, LISTENING = "Machine", "How it begins", "Listening while it trains"


def recipes() -> str:
    """Names of the recipes in the package, by their files: help imports no room."""
    folder = resources.files("darktimbre") / "training" / "recipes"
    return ", ".join(
        sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml"))
    )


def train(
    recipe: Annotated[str, typer.Argument(help=f"{recipes()}, or a YAML file.")],
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
    if init and from_scratch:
        raise UserError("Choose either --init or --from-scratch.")
    overrides = [*(set_ or []), *([f"init={init}"] if init else []), *(["init=scratch"] if from_scratch else [])]
    chosen = load.load_recipe(recipe, overrides)
    task = base.task_of(chosen)
    given = {"--half": half, "--init": init, "--keep-best": keep_best, "--weights": weights, "--classifier": classifier}
    task.check_flags(chosen, [flag for flag, value in {**given, "--evaluate-every": evaluate_every}.items() if value])
    if smoke:
        chosen = task.shrunk(chosen)
    if dry_run:
        console.say(dryrun.dry_run_report(chosen, corpus, accelerator=accelerator))
        return
    if corpus is None:
        raise UserError("Say what to learn from: --corpus FOLDER (made by `darktimbre render` or `darktimbre import`).")
    if devices != "auto" and not (devices.isdecimal() and int(devices) > 0):
        raise UserError(f"--devices is a number of processes, 1 or more, or auto, not {devices!r}.")
    if task.one_process and (devices not in ("auto", "1") or nodes > 1):
        raise UserError("GANs of digits train in one process, for their batch norms: leave out --devices and --nodes.")

    options = trainer.Options(
        corpus=corpus,
        run=run or Path("runs") / chosen.name,
        resume=resume,
        devices="auto" if devices == "auto" else int(devices),
        nodes=nodes,
        accelerator=accelerator,
        minutes=minutes,
        half=half,
    )
    callback = validation.validation_for(
        chosen, options, console, every=evaluate_every, keep_best=keep_best, weights=weights, classifier=classifier,
        smoke=smoke,
    )  # fmt: skip
    outcome = trainer.train(chosen, options, say=console.say, callbacks=[callback] if callback else [])
    for sentence in callback.closing(options.run, outcome) if callback else ():
        console.say(sentence)
    if outcome.reason == "interrupted":
        console.warn(
            f"Stopped after {outcome.notes_seen:,} notes; the same command with --resume goes on exactly there."
        )
        raise typer.Exit(console.INTERRUPTED)
    if outcome.reason == "time":
        console.say(f"The time is up after {outcome.notes_seen:,} notes; the same command with --resume goes on.")
    for sentence in task.closing(outcome):
        console.say(sentence)
