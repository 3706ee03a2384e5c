"""`darktimbre evaluate`: bundles × corpus × teacher → the paper's tables and figures, with error bars, in a report."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from darktimbre.bundle import bundle as stored
from darktimbre.cli import console
from darktimbre.cli.options import Device, ReportFolder
from darktimbre.evaluation import evaluate as evaluation
from darktimbre.evaluation import one_shots, systems
from darktimbre.notes.errors import UserError

Evaluator = partial(Option, rich_help_panel="What describes the sounds")

BUNDLES = "Instruments: folders, `starter` or hub ids; NAME=FOLDER names a row."
COUNT = "Change a count, such as notes=3000; may be repeated."
EMBEDDING = "Teacher or embedder that FAD is taken in (vggish, …); default: --teacher."


def evaluate(
    bundles: Annotated[list[str], Argument(help=BUNDLES)],
    corpus: Annotated[Path, Option(help="Real notes, tagged by the teacher.")],
    out: ReportFolder,
    teacher: Annotated[str, Evaluator(help="The teacher that the instruments were trained on.")] = "yamnet",
    weights: Annotated[Path | None, Evaluator(help="Its weights file, instead of the one kept.")] = None,
    classifier: Annotated[
        Path | None, Evaluator(help="A classifier by `darktimbre train inception`: PIS, IIS, KID.")
    ] = None,
    embedding: Annotated[str | None, Evaluator(help=EMBEDDING)] = None,
    embedding_weights: Annotated[Path | None, Evaluator(help="Its weights file.")] = None,
    quick: Annotated[bool, Option("--quick", help="Fewer notes: some minutes an instrument.")] = False,
    set_: Annotated[list[str] | None, Option("--set", metavar="COUNT=N", help=COUNT)] = None,
    no_fad: Annotated[bool, Option("--no-fad", help="Leave FAD out where the notes are too few for it.")] = False,
    no_card: Annotated[bool, Option("--no-card", help="Do not write the figures into the bundles' cards.")] = False,
    seed: Annotated[int, Option(min=0, help="Of notes, latents, subsets and resamples.")] = 0,
    device: Device = "cpu",
) -> None:
    """Measure instruments as the DarkGAN paper does, beside real notes and an untrained network.

    Instruments that are steered by classes are evaluated by class instead, and need --classifier alone (`darktimbre
    train oneshot-classifier`).

    Features are kept in OUT/cache: a stopped evaluation resumes where it was, and another one of the same instruments
    reuses what is there.
    """
    chosen, counts = [named(one) for one in bundles], counts_of(set_ or [])
    if all(one_shots.is_of_one_shots(stored.Bundle.from_pretrained(place).attributes) for _, place in chosen):
        one_shots.evaluate_one_shots(
            [systems.Instrument.load(name, place, device) for name, place in chosen], corpus, out,
            classifier=classifier, counts=counts, quick=quick, seed=seed, say=console.say, warn=console.warn,
        )  # fmt: skip
        return
    with console.progress("preparing") as update:
        evaluation.evaluate(
            chosen, corpus, out, teacher=teacher, weights=weights, classifier=classifier, embedding=embedding,
            embedding_weights=embedding_weights, quick=quick, counts=counts, fad=not no_fad, card=not no_card,
            seed=seed, device=device, warn=console.warn, update=update,
        )  # fmt: skip
    console.say(f"The report is in {out / 'report.html'}; the same as {out / 'report.md'} and {out / 'report.json'}.")


def named(text: str) -> tuple[str, str]:
    """`NAME=FOLDER` → both; of a folder alone, which may hold an equals sign itself, the name is empty."""
    if Path(text).is_dir():
        return "", text
    name, equals, place = text.partition("=")
    return (name.strip(), place.strip()) if equals else ("", text)


def counts_of(texts: Sequence[str]) -> dict[str, int]:
    """`notes=3000` … → counts.

    Raises:
        UserError: not of that form.
    """
    counts = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            counts[name.strip()] = int(value)
        except ValueError:
            raise UserError(f"--set wants COUNT=N with a whole number, such as notes=3000, not {text!r}.") from None
    return counts
