"""`darktimbre dissect`: what networks learned: what excites units, what they cause, edits as sliders."""

from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from darktimbre.bundle import pictures
from darktimbre.cli import console
from darktimbre.cli.options import BundleName, ReportFolder
from darktimbre.pipelines import (
    dissect_atlas,
    dissect_digits,
    dissect_ideas,
    dissect_image,
    dissect_units,
    dissect_words,
)
from darktimbre.synthesizer import synthesizer

app = typer.Typer(no_args_is_help=True)

Notes = Annotated[Path, Option("--corpus", help="Real notes, tagged by the instrument's teacher.")]
MaybeNotes = Annotated[
    Path | None, Option("--corpus", help="Real notes, tagged by the instrument's teacher; none for digits.")
]
Teacher = Annotated[str | None, Option(help="Whose words are looked for; by default the instrument's own teacher.")]
Classifier = Annotated[
    Path | None, Option(metavar="FOLDER", help="A classifier by `darktimbre train inception`, as the second network.")
]
Quick = Annotated[bool, Option("--quick", help="Few units, notes and steps, to see that it works.")]
Seed = Annotated[int, Option(min=0, help="Of notes, units and searches.")]


@app.callback()
def overview() -> None:
    """Look at what networks learned: `darktimbre dissect VERB BUNDLE --corpus CORPUS --out DIR`.

    Every verb writes one page (report.html) and its figures (report.json). What was found is kept in OUT/cache: a
    stopped run resumes where it was.
    """


@app.command()
def image(
    out: ReportFolder,
    name: Annotated[str, Option(help="The class that is maximised, of ImageNet.")] = "grand piano",
    quick: Quick = False,
    seed: Seed = 0,
) -> None:
    """Feature visualisation of an image classifier, with and without regularisation, and adversarial examples.

    Needs the extra: pip install 'darktimbre[images]'.
    """
    dissect_image.image(out, console, name=name, quick=quick, seed=seed)


@app.command()
def atlas(
    bundle: BundleName,
    out: ReportFolder,
    corpus: MaybeNotes = None,
    of: Annotated[
        str, Option(metavar="critic|encoder|teacher|classifier", help="Whose units; the critic's or the encoder's.")
    ] = "",
    units: Annotated[int, Option(min=1, max=512, help="How many.")] = 32,
    teacher: Teacher = None,
    classifier: Classifier = None,
    quick: Quick = False,
    seed: Seed = 0,
) -> None:
    """What excites units: for each its nine best real notes, an optimised wave and an optimised latent.

    Bundles of digits need no corpus.
    """
    if corpus is None:
        gan = pictures.PictureGan.from_pretrained(bundle)
        dissect_digits.atlas_of_digits(gan, out, console, units=units, quick=quick, seed=seed)
        return
    dissect_atlas.dissect_atlas(
        bundle, corpus, out, console, of=of, count=units, teacher=teacher, classifier=classifier, quick=quick, seed=seed
    )


@app.command()
def units(
    bundle: BundleName,
    out: ReportFolder,
    corpus: MaybeNotes = None,
    layer: Annotated[list[str] | None, Option(help="Only this stage, such as stages.1; may be repeated.")] = None,
    teacher: Teacher = None,
    quick: Quick = False,
    seed: Seed = 0,
) -> None:
    """What units of the generator cause: each switched off, its effects on attributes, level, brightness and pitch.

    Bundles of digits need no corpus.
    """
    if corpus is None:
        gan = pictures.PictureGan.from_pretrained(bundle)
        dissect_digits.units_of_digits(
            gan, out, console, **({"layer": layer[0]} if layer else {}), quick=quick, seed=seed
        )
        return
    dissect_units.dissect_units(
        bundle, corpus, out, console, layers=layer or (), teacher=teacher, quick=quick, seed=seed
    )


@app.command()
def ideas(
    bundle: BundleName,
    out: ReportFolder,
    layer: Annotated[str | None, Option(help="Whose units are maximised; the middle stage's.")] = None,
    quick: Quick = False,
    seed: Seed = 0,
) -> None:
    """Put ideas to the test: noise and dropout on the latent, the sphere, preconditioning, each regulariser."""
    instrument = synthesizer.Synthesizer.from_pretrained(bundle)
    dissect_ideas.ideas(instrument, out, console, layer=layer, quick=quick, seed=seed)


@app.command()
def words(
    bundle: BundleName,
    corpus: Notes,
    out: ReportFolder,
    words: Annotated[str, Option(metavar="WORD,WORD", help='Of the teacher\'s, such as "Bagpipes,Choir".')] = "",
    directions: Annotated[int, Option(min=0, max=16, help="Also so many principal directions, by their effect.")] = 0,
    layer: Annotated[str, Option(help="Whose activations are moved; those of all stages.")] = "",
    keep: Annotated[
        bool, Option("--keep", help="Put the sliders into the bundle itself, not into a copy, OUT/bundle.")
    ] = False,
    teacher: Teacher = None,
    classifier: Classifier = None,
    quick: Quick = False,
    seed: Seed = 0,
) -> None:
    """Edits of hidden activations that add words to an instrument; those that pass a test become sliders.

    The test is on held-out notes, by a network that the search never saw: MusiCNN (`darktimbre weights fetch musicnn`)
    or --classifier.
    """
    dissect_words.dissect_words(
        bundle, corpus, out, console, wanted=[one.strip() for one in words.split(",") if one.strip()], layer=layer,
        directions=directions, keep=keep, teacher=teacher, classifier=classifier, quick=quick, seed=seed,
    )  # fmt: skip
