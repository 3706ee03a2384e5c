"""`darktimbre latents`: look at what autoencoders' latents hold, and measure what their conditions do."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from darktimbre.cli import console
from darktimbre.cli.evaluate import named
from darktimbre.cli.options import ReportFolder
from darktimbre.pipelines import latents as pipeline

BUNDLES = "Up to four instruments with an encoder: folders, `strings` or hub ids; NAME=FOLDER names a column."
CLASSIFIER = (
    "A classifier by `darktimbre train inception --set data.families=styles`, which predicts style and pitch of "
    "what is generated; may be repeated. Without one, latents and reconstructions alone are looked at."
)
INVERSIONS = (
    "Compare this way from magnitudes to sound: griffin-lim, phase-gradient, learned, or NAME=FOLDER of a trained one; "
    "may be repeated."
)


def latents(
    bundles: Annotated[list[str], Argument(help=BUNDLES)],
    corpus: Annotated[Path, Option(help="The notes with styles that they were trained on, or others made alike.")],
    out: ReportFolder,
    classifier: Annotated[list[Path] | None, Option(metavar="FOLDER", help=CLASSIFIER)] = None,
    split: Annotated[str, Option(metavar="test|valid", help="Whose notes count as held out.")] = "test",
    inversion: Annotated[str | None, Option(metavar="NAME", help="Instead of the instruments' own.")] = None,
    compare: Annotated[list[str] | None, Option("--compare-inversion", metavar="NAME", help=INVERSIONS)] = None,
    quick: Annotated[bool, Option("--quick", help="Fewer notes.")] = False,
    seed: Annotated[int, Option(min=0, help="Of notes, samples and projections.")] = 0,
) -> None:
    """Plot, animate and measure the latents of autoencoders: leakage, prior, reconstruction, styles swapped and mixed.

    An animation over training is made of each bundle that lies in its run's folder.

    Example: darktimbre latents runs/wae-fader/bundle --corpus corpora/strings --out reports/latents
    """
    chosen = [named(one) for one in bundles]
    pipeline.measure_latents(
        chosen, corpus, out, console, classifiers=classifier or (), split=split, inversion=inversion,
        inversions=[(name or place, place) for name, place in map(named, compare or ())], quick=quick, seed=seed,
    )  # fmt: skip
    console.say(f"The report is in {out / 'latents.html'}; turn the latents in {out / 'scatter.html'}.")
