"""What the verbs of `synth` share: their options, and what they say."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from darktimbre.cli.runtime import HELP

if TYPE_CHECKING:
    from darktimbre.synthesizer.synthesizer import Synthesizer

BundleName = Annotated[
    str,
    typer.Argument(
        metavar="BUNDLE", help="A bundle's folder, `starter`, or a Hugging Face id (user/name, user/name@revision)."
    ),
]
Out = Annotated[
    Path, typer.Argument(metavar="OUT", help="Folder for the sounds and their manifest.json; made if need be.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help='An attribute, e.g. --set "Singing bowl=0.8"; may be repeated.'),
]
Seed = Annotated[int, typer.Option(min=0, help="Same seed, same sound.")]
Pitch = Annotated[str | None, typer.Option(metavar="NOTE", help="MIDI number or name: 60, 60.5, C4, F#3.")]
Picture = Annotated[Path | None, typer.Option(metavar="FILE.png", help="Also draw a grid of spectrograms.")]
Device = Annotated[str, typer.Option(help="A torch device: cpu, cuda, …")]
Inversion = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="How pictures without phase become sound, if not as the instrument has it: phase-gradient (fast), "
        "griffin-lim, single-pass.",
    ),
]
Runtime = Annotated[str, typer.Option(metavar="torch|onnx|auto", help=HELP)]


def spoken() -> Any:
    """Warnings as sentences; see `console.spoken_warnings`."""
    from darktimbre.cli.console import spoken_warnings

    return spoken_warnings()


def finished(instrument: "Synthesizer", out: Path, paths: Sequence[Path], picture: Path | None) -> None:
    """Says what was written."""
    from darktimbre.cli.console import say

    say(f"{len(paths)} sound(s) of {instrument.seconds:.2g} s in {out}: {paths[0].name} …")
    if picture is not None:
        say(f"Spectrograms: {picture}")
