"""What the verbs of `synth` share: their options, the instrument opened, its notes rendered and written."""

from collections.abc import Mapping, Sequence
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


def words(pitch: float | None) -> tuple[str, ...]:
    """A pitch as parts of a file's name."""
    from darktimbre.cli.sounds import pitch_words

    return pitch_words(pitch)


def spoken() -> Any:
    """Warnings as sentences; see `console.spoken_warnings`."""
    from darktimbre.cli.console import spoken_warnings

    return spoken_warnings()


def write_notes(
    instrument: "Synthesizer",
    out: Path,
    verb: str,
    stems: Sequence[tuple[object, ...]],
    pitches: Sequence[float | None],
    levels: Sequence[Mapping[str, float]],
    seeds: Sequence[int] | None,
    picture: Path | None,
    *,
    latent: Any = None,
    more: list[dict[str, Any]] | None = None,
) -> None:
    """Renders one note per stem and writes them."""
    from darktimbre.cli.console import say
    from darktimbre.cli.sounds import Made, file_stem, write_sounds

    pitched = [one for one in pitches if one is not None]
    with spoken():
        waves = instrument.render(
            pitch=pitched or None, attributes=levels, seed=0 if seeds is None else seeds, latent=latent
        )
    made = []
    for index, stem in enumerate(stems):
        how: dict[str, Any] = {"pitch": pitches[index], "attributes": dict(levels[index])}
        if seeds is not None:
            how["seed"] = seeds[index]
        made.append(
            Made(file_stem(*stem), " ".join(str(part) for part in stem[1:]), {**how, **(more[index] if more else {})})
        )
    paths = write_sounds(
        instrument, out, verb, waves, made, picture=picture, heading=f"{verb}: {Path(instrument.bundle.origin).name}"
    )
    say(f"{len(paths)} sound(s) of {instrument.seconds:.2g} s in {out}: {paths[0].name} …")
    if picture is not None:
        say(f"Spectrograms: {picture}")
