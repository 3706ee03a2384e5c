"""`darktimbre experiment`: sounds → tags → every variant trained → one evaluation; the same command resumes."""

from pathlib import Path
from typing import Annotated

import typer

from darktimbre.cli import console, evaluate
from darktimbre.pipelines import experiment as pipeline
from darktimbre.pipelines import experiment_plans as plans

SOUNDS, MACHINE, EVALUATION = "Sounds and teacher", "Machine", "The evaluation at the end"
PAPER, DIVERSITY = "darkgan-paper", "mode-seeking"


def experiment(
    name: Annotated[
        str,
        typer.Argument(
            help="darkgan-paper: the grid of DarkGAN (ISMIR 2021), §5. mode-seeking: diversity of the sounds against "
            "their quality, with and without the mode-seeking loss (Mao et al. 2019) and other means."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the report.")],
    scale: Annotated[
        str,
        typer.Option(help="small: about an hour of one processor core a variant. paper: the paper's sizes, GPU-days."),
    ] = "small",
    temperatures: Annotated[
        str, typer.Option(help="T of the soft labels, one DarkGAN each.", rich_help_panel=PAPER)
    ] = "1,1.5,2,3,5",
    runs: Annotated[
        Path, typer.Option(help="Where runs (and rendered sounds) are cached, by a digest of all they follow from.")
    ] = Path("runs/experiments"),
    gansynth: Annotated[
        Path | None,
        typer.Option(metavar="BUNDLE", help="A trained GANSynth of yours, as one more row.", rich_help_panel=PAPER),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="The GAN to vary; by default the scale's DarkGAN.", rich_help_panel=DIVERSITY),
    ] = None,
    weights_of_loss: Annotated[
        str,
        typer.Option("--mode-seeking", help="Weights of the loss, a variant each.", rich_help_panel=DIVERSITY),
    ] = "0.05,0.5",
    start: Annotated[
        Path | None,
        typer.Option(
            metavar="BUNDLE",
            help="Trained bundle that every variant is initialised from; by default one warm start is made for all.",
            rich_help_panel=DIVERSITY,
        ),
    ] = None,
    notes: Annotated[
        int | None,
        typer.Option(min=1, help="Of adversarial training; by default the recipe's.", rich_help_panel=DIVERSITY),
    ] = None,
    classifier: Annotated[
        Path | None,
        typer.Option(metavar="BUNDLE", help="A trained one, instead of training it.", rich_help_panel=DIVERSITY),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(min=0, help="End this session's training after so long; nothing else is cut short."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the variants, what is cached and the time each takes; do nothing.")
    ] = False,
    corpus: Annotated[
        Path | None,
        typer.Option(help="Real notes of 1 s; by default rendered from a SoundFont.", rich_help_panel=SOUNDS),
    ] = None,
    soundfont: Annotated[
        Path | None,
        typer.Option(help="What to render from; by default FluidR3, where installed.", rich_help_panel=SOUNDS),
    ] = None,
    teacher: Annotated[
        str, typer.Option(help="yamnet, cnn14, cnn14-16k or embedded.", rich_help_panel=SOUNDS)
    ] = "yamnet",
    weights: Annotated[
        Path | None, typer.Option(help="Its weights file, instead of the one kept.", rich_help_panel=SOUNDS)
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer notes than the paper's.", rich_help_panel=EVALUATION)
    ] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="COUNT=N", help="A count, such as notes=3000.", rich_help_panel=EVALUATION),
    ] = None,
    no_fad: Annotated[
        bool,
        typer.Option("--no-fad", help="Leave FAD out where the notes are too few.", rich_help_panel=EVALUATION),
    ] = False,
    no_card: Annotated[
        bool,
        typer.Option("--no-card", help="Do not write figures into the bundles' cards.", rich_help_panel=EVALUATION),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the evaluation.", rich_help_panel=EVALUATION)] = 0,
    accelerator: Annotated[str, typer.Option(help="auto, cpu or cuda.", rich_help_panel=MACHINE)] = "auto",
) -> None:
    """Train and compare everything that a published table needs, from one corpus and one store of tags.

    Finished runs are reused and half-finished ones resumed: interruptible, run the same command to resume.

    Example: darktimbre experiment darkgan-paper --scale small --temperatures 1,2 --out reports/paper
    """
    request = plans.Request(
        name=name, out=out, runs=runs, scale=scale, minutes=minutes, dry_run=dry_run, accelerator=accelerator,
        corpus=corpus, soundfont=soundfont, teacher=teacher, weights=weights, gansynth=gansynth, recipe=recipe,
        temperatures=plans.numbers_of(temperatures, "--temperatures", plans.TEMPERATURES),
        mode_seeking=plans.numbers_of(weights_of_loss, "--mode-seeking", plans.WEIGHTS),
        start=start, notes=notes, classifier=classifier, quick=quick, counts=evaluate.counts_of(set_ or []),
        fad=not no_fad, card=not no_card, seed=seed,
    )  # fmt: skip
    try:
        pipeline.ExperimentPipeline(request, console).run()
    except KeyboardInterrupt:
        console.warn("Stopped; run the same command to resume.")
        raise typer.Exit(console.INTERRUPTED) from None
