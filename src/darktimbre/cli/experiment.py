"""`darktimbre experiment`: sounds → tags → every variant trained → one evaluation; the same command resumes."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from darktimbre.cli import console, evaluate, options
from darktimbre.pipelines import ablation
from darktimbre.pipelines import experiment as pipeline
from darktimbre.pipelines import experiment_plans as plans

NAMES = (
    "darkgan-paper: the grid of DarkGAN (ISMIR 2021), §5. mode-seeking: diversity of the sounds against their quality, "
    "with and without the mode-seeking loss (Mao et al. 2019) and other means. wae-ablation: autoencoders of Bitton et "
    "al. (2019) without condition, with note, with style, with a latent discriminator, and with a class-wise prior. "
    "sound-quality: ways to train the starter on, by the energy score, with its teacher in the loss, with an encoder."
)
LATENTS = "Sizes of the latent: the first of all models, the others of the class-wise prior as well."
SCALES = "small: about an hour of one processor core a variant. paper: the paper's sizes, a GPU, days a variant."
RUNS = "Where runs (and rendered sounds) are cached, by a digest of all they follow from."
START = "Trained bundle that every variant is initialised from; by default one warm start is made for all."
MINUTES = (
    "End this session's training after so long; the same command resumes. Rendering, tagging and evaluating are not "
    "cut short."
)
CORPUS = "Real notes of 1 s, or for wae-ablation with styles; by default rendered from a SoundFont."
QUICK = "Fewer notes than the paper's; in wae-ablation also one short training of each model, minutes in all."
DRY_RUN = "Print the variants, what is cached and the time each takes; do nothing."

Paper = partial(Option, rich_help_panel="darkgan-paper")
Diversity = partial(Option, rich_help_panel="mode-seeking")
Ablation = partial(Option, rich_help_panel="wae-ablation")
Several = partial(Option, rich_help_panel="Several experiments")
Sounds = partial(Option, rich_help_panel="Sounds and teacher")
Evaluation = partial(Option, rich_help_panel="The evaluation at the end")
Machine = partial(Option, rich_help_panel="Machine")


def experiment(
    name: Annotated[str, Argument(help=NAMES)],
    out: options.ReportFolder,
    scale: Annotated[str, Option(help=SCALES)] = "small",
    temperatures: Annotated[str, Paper(help="T of the soft labels, one DarkGAN each.")] = "1,1.5,2,3,5",
    runs: Annotated[Path, Option(help=RUNS)] = Path("runs/experiments"),
    gansynth: Annotated[
        Path | None, Paper(metavar="BUNDLE", help="Folder of a trained GANSynth of yours, as one more row.")
    ] = None,
    recipe: Annotated[str | None, Diversity(help="The GAN to vary; by default the scale's DarkGAN.")] = None,
    mode_seeking: Annotated[str, Diversity(help="Weights of the loss, a variant each.")] = "0.05,0.5",
    start: Annotated[Path | None, Diversity(metavar="BUNDLE", help=START)] = None,
    notes: Annotated[
        int | None, Several(min=1, help="Notes that each variant is trained on; by default the recipe's.")
    ] = None,
    classifier: Annotated[
        Path | None, Several(metavar="BUNDLE", help="A trained one to evaluate by, instead of training it.")
    ] = None,
    seeds: Annotated[int, Several(min=1, help="Trainings of each model of wae-ablation and sound-quality.")] = 3,
    latents: Annotated[str, Ablation(help=LATENTS)] = "3,16",
    styles: Annotated[str, Ablation(help="Column that styles are: styles, category, family, …")] = "styles",
    inversion: Annotated[
        list[str] | None, Ablation("--compare-inversion", metavar="NAME=FOLDER", help="A trained inversion to compare.")
    ] = None,
    minutes: Annotated[float | None, Option(min=0, help=MINUTES)] = None,
    dry_run: Annotated[bool, Option("--dry-run", help=DRY_RUN)] = False,
    corpus: Annotated[Path | None, Sounds(help=CORPUS)] = None,
    soundfont: Annotated[Path | None, Sounds(help="What to render from; by default FluidR3, where installed.")] = None,
    teacher: Annotated[str, Sounds(help="yamnet, cnn14, cnn14-16k or embedded.")] = "yamnet",
    weights: Annotated[Path | None, Sounds(help="Its weights file, instead of the one kept.")] = None,
    quick: Annotated[bool, Evaluation("--quick", help=QUICK)] = False,
    set_: Annotated[
        list[str] | None, Evaluation("--set", metavar="COUNT=N", help="A count, such as notes=3000.")
    ] = None,
    no_fad: Annotated[bool, Evaluation("--no-fad", help="Leave FAD out where the notes are too few for it.")] = False,
    no_card: Annotated[bool, Evaluation("--no-card", help="Do not write the figures into the bundles' cards.")] = False,
    seed: Annotated[int, Evaluation(min=0, help="Of the evaluation.")] = 0,
    accelerator: Annotated[str, Machine(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Train and compare everything that a published table needs, from one corpus and one store of tags.

    Finished runs are reused and half-finished ones resumed: interruptible, run the same command to resume.

    Example: darktimbre experiment darkgan-paper --scale small --temperatures 1,2 --out reports/paper
    """
    request = plans.Request(
        name=name, out=out, runs=runs, scale=scale, minutes=minutes, dry_run=dry_run, accelerator=accelerator,
        corpus=corpus, soundfont=soundfont, teacher=teacher, weights=weights, gansynth=gansynth, recipe=recipe,
        temperatures=plans.numbers_of(temperatures, "--temperatures", plans.TEMPERATURES),
        mode_seeking=plans.numbers_of(mode_seeking, "--mode-seeking", plans.WEIGHTS),
        seeds=seeds, latents=options.numbers(latents, 1, 512, "sizes"), styles=styles,
        inversions=tuple((name or place, place) for name, place in map(evaluate.named, inversion or ())),
        start=start, notes=notes, classifier=classifier, quick=quick, counts=evaluate.counts_of(set_ or []),
        fad=not no_fad, card=not no_card, seed=seed,
    )  # fmt: skip
    try:
        pipelines = {"wae-ablation": ablation.AblationPipeline}
        pipelines.get(name, pipeline.ExperimentPipeline)(request, console).run()
    except KeyboardInterrupt:
        console.warn("Stopped; run the same command to resume.")
        raise typer.Exit(console.INTERRUPTED) from None
