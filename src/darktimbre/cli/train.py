"""`darktimbre train`: corpus + recipe → run folder → bundle."""

from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from darktimbre.cli import console
from darktimbre.corpus import corpus as corpora
from darktimbre.notes.errors import UserError
from darktimbre.pipelines import validation
from darktimbre.training import recipe as recipes
from darktimbre.training import trainer
from darktimbre.training.tasks import base

START = {"rich_help_panel": "How it starts"}
VALIDATION = {"rich_help_panel": "Validation while it trains"}
MACHINE = {"rich_help_panel": "Machine"}

FILES = (resources.files("darktimbre") / "training" / "recipes").iterdir()  # listed, not imported: help is quick
RECIPES = sorted(file.name.removesuffix(".yaml") for file in FILES if file.name.endswith(".yaml"))

RecipeName = Annotated[str, typer.Argument(help=f"{', '.join(RECIPES)}, or a YAML file.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the recipe; may be repeated.")
]
EvaluateEvery = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="NOTES",
        help="Every so many notes, evaluate on the valid split and plot: RUN/evaluations.png.",
        **VALIDATION,
    ),
]
KeepBest = Annotated[
    str | None,
    typer.Option(
        metavar="METRIC",
        help="Keep the best state in RUN/best, by attribute-correlation, logit-correlation, probe-correlation (of "
        "features that no loss holds) or pitch-accuracy.",
        **VALIDATION,
    ),
]
Weights = Annotated[
    Path | None, typer.Option(help="The teacher's weights file, instead of the one kept by `weights`.", **VALIDATION)
]
Classifier = Annotated[
    Path | None,
    typer.Option(help="Classifier that scores digits, instead of the one trained beside the corpus.", **VALIDATION),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the resolved recipe and what it would cost; train nothing.")
]
Devices = Annotated[str, typer.Option(help="Processes (GPUs) on this machine; auto: all GPUs.", **MACHINE)]
Smoke = Annotated[bool, typer.Option("--smoke", help="A few steps of a shrunken network in every phase.")]
Minutes = Annotated[float | None, typer.Option(min=0, help="Stop after this long, with a checkpoint and a bundle.")]


def train(
    recipe: RecipeName,
    corpus: Annotated[Path | None, typer.Option(help="The corpus to train on (needed but for a dry run).")] = None,
    run: Annotated[Path | None, typer.Option(help="Folder of the run (default: runs/NAME-OF-THE-RECIPE).")] = None,
    set_: Overrides = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last good checkpoint.", **START)] = False,
    init: Annotated[str | None, typer.Option(help="Start from a bundle: `starter` or a folder.", **START)] = None,
    from_scratch: Annotated[bool, typer.Option("--from-scratch", help="Start from random weights.", **START)] = False,
    smoke: Smoke = False,
    dry_run: DryRun = False,
    minutes: Minutes = None,
    half: Annotated[bool, typer.Option("--half", help="Store the bundle's generator in float16.")] = False,
    evaluate_every: EvaluateEvery = None,
    keep_best: KeepBest = None,
    weights: Weights = None,
    classifier: Classifier = None,
    devices: Devices = "auto",
    nodes: Annotated[int, typer.Option(min=1, help="Machines; start the command on each.", **MACHINE)] = 1,
    accelerator: Annotated[str, typer.Option(help="auto, cpu or cuda.", **MACHINE)] = "auto",
) -> None:
    """Train an instrument by a recipe; Ctrl-C saves, --resume goes on exactly."""
    if init and from_scratch:
        raise UserError("Choose either --init or --from-scratch.")
    overrides = [*(set_ or []), *([f"init={init}"] if init else []), *(["init=scratch"] if from_scratch else [])]
    chosen = recipes.load_recipe(recipe, overrides)
    task = base.task_of(chosen)
    given = {"--half": half, "--keep-best": keep_best, "--weights": weights, "--classifier": classifier}
    task.check_flags(chosen, [flag for flag, value in {**given, "--evaluate-every": evaluate_every}.items() if value])
    if smoke:
        chosen = task.shrunk(chosen)
    if dry_run:
        opened = corpora.Corpus.open(corpus, of=task.corpus_of) if corpus else None
        console.say("\n".join([recipes.dump_recipe(chosen), *task.dry_run(chosen, opened, accelerator)]))
        return
    if corpus is None:
        raise UserError("Say what to train on: --corpus FOLDER (made by `darktimbre render` or `darktimbre import`).")
    if devices != "auto" and not (devices.isdecimal() and int(devices) > 0):
        raise UserError(f"--devices is a number of processes, 1 or more, or auto, not {devices!r}.")
    options = trainer.Options(
        corpus=corpus, run=run or Path("runs") / chosen.name, resume=resume, nodes=nodes, accelerator=accelerator,
        devices="auto" if devices == "auto" else int(devices), minutes=minutes, half=half,
    )  # fmt: skip
    task.check_processes(options.devices, nodes)
    flags = validation.Flags(
        every=evaluate_every, keep_best=keep_best, weights=weights, classifier=classifier, smoke=smoke
    )
    callback = validation.validation_for(chosen, options, console, flags)
    outcome = trainer.train(chosen, options, say=console.say, callbacks=[callback] if callback else [])
    seen = f"after {outcome.notes_seen:,} notes; the same command with --resume goes on"
    for sentence in callback.closing(options.run, outcome) if callback else ():
        console.say(sentence)
    if outcome.reason == "interrupted":
        console.warn(f"Stopped {seen} exactly there.")
        raise typer.Exit(console.INTERRUPTED)
    if outcome.reason == "time":
        console.say(f"The time is up {seen}.")
    for sentence in task.closing(outcome):
        console.say(sentence)
