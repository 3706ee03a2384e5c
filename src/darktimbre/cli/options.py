"""Options that several verbs take, and how their text is read: NAME=VALUE pairs, pitches, lists of numbers."""

import re
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from darktimbre.notes.errors import UserError
from darktimbre.notes.pitch import NAME, parse_note_name
from darktimbre.report.own import refuse_foreign

BundleName = Annotated[
    str,
    Argument(
        metavar="BUNDLE",
        help="A bundle's folder, `starter`, `strings`, or a Hugging Face id (user/name, user/name@revision).",
    ),
]
Set = Annotated[
    list[str] | None,
    Option(
        "--set",
        metavar='"NAME=VALUE, …"',
        help='Attributes, e.g. --set "Singing bowl=0.8" or --set "Drum=0.5, Trumpet=0.3"; may be repeated.',
    ),
]
Say = Annotated[
    str | None,
    Option(
        "--say",
        metavar='"TEXT"',
        help='Attributes by a description, e.g. --say "icy glass bell"; the mix is printed; --set goes before it.',
    ),
]
Seed = Annotated[int, Option(min=0, help="Same seed, same sound.")]
Pitch = Annotated[str | None, Option(metavar="NOTE", help="MIDI number or name: 60, 60.5, C4, F#3.")]
Picture = Annotated[Path | None, Option(metavar="FILE.png", help="Also draw a grid of spectrograms.")]
Device = Annotated[str, Option(help="A torch device: cpu, cuda, …")]
Inversion = Annotated[
    str | None,
    Option(
        metavar="NAME",
        help="How spectrograms without phase become sound, if not as the instrument has it: learned (the network in "
        "the bundle or the package), phase-gradient (fast), griffin-lim, single-pass, or a trained network's folder.",
    ),
]
Runtime = Annotated[
    str,
    Option(
        metavar="torch|bf16|onnx|auto",
        help="What computes: torch, bf16 (torch, multiplying bfloat16: less exact), onnx (onnxruntime), or auto: the "
        "fastest that is exact enough, measured once and kept.",
    ),
]
Teacher = Annotated[
    str | None, Option(help="Whose labels describe the sound; by default those of the instrument's own teacher.")
]
Weights = Annotated[Path | None, Option(help="The teacher's weights file, instead of the one kept by `weights`.")]


def _for_report(folder: Path) -> Path:
    """Refuses what a report would replace before anything is computed."""
    refuse_foreign(folder)
    return folder


ReportFolder = Annotated[
    Path, Option("--out", callback=_for_report, help="Folder of the report, its figures and what it keeps.")
]
Json = Annotated[bool, Option("--json", help="Print JSON instead of text.")]

CorpusRate = Annotated[int, Option("--rate", help="Sample rate of the corpus in Hz.")]
CorpusName = Annotated[
    str, Option("--name", help="What the corpus is called; by default as its folder.", show_default=False)
]
SplitSeed = Annotated[int, Option("--seed", help="Seed of the split.")]
ReplaceCorpus = Annotated[bool, Option("--force", help="Replace a corpus that is already there.")]


def levels(pairs: list[str] | None) -> dict[str, float]:
    """["Singing bowl=0.8", "Drum=1, Violin, fiddle=0.7"] → {"Singing bowl": 0.8, "Drum": 1.0, "Violin, fiddle": 0.7}.

    Names may hold commas: a part without `=` belongs to the one after it.

    Raises:
        UserError: a pair is not NAME=VALUE.
    """
    read = {}
    for pair in (pair for text in pairs or [] for pair in _apart(text)):
        name, equals, value = pair.rpartition("=")
        try:
            read[name.strip()] = float(value)
        except ValueError:
            equals = ""
        if not equals or not name.strip():
            raise UserError(f'{pair!r} is not NAME=VALUE, such as "Singing bowl=0.8".')
    return read


def _apart(text: str) -> list[str]:
    """ "A=1, B, C=2" → ["A=1", "B, C=2"]."""
    pairs, held = [], ""
    for part in text.split(","):
        held = f"{held},{part}" if held else part
        if "=" in part:
            pairs.append(held.strip())
            held = ""
    return [*pairs, held.strip()] if held.strip() or not pairs else pairs


def midi(text: str | None) -> float | None:
    """ "60", "60.5" or "C4" → a MIDI number.

    Raises:
        UserError: it is neither a number nor a note name.
    """
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return float(parse_note_name(text))
    except ValueError as error:
        raise UserError(f"{text!r} is no pitch: give a MIDI number such as 60 or a name such as C4 or F#3.") from error


_PART = re.compile(rf"(\d+|{NAME})(?:-(\d+|{NAME}))?")


def numbers(text: str, low: int, high: int, what: str) -> tuple[int, ...]:
    """The numbers meant by "0,8,128" or "44-69" or, of pitches, "C3-A4,60", sorted, each once.

    Raises:
        UserError: something else is written, or a number lies outside `low` to `high`.
    """

    def number(word: str) -> int:
        try:
            return int(word) if word.isdigit() else parse_note_name(word)
        except ValueError as error:
            raise UserError(str(error)) from None

    found: set[int] = set()
    for part in map(str.strip, text.split(",")):
        match = _PART.fullmatch(part)
        if match is None or (what != "pitches" and not re.fullmatch(r"[\d-]+", part)):
            names = ", or note names such as C3-A4" if what == "pitches" else ""
            raise UserError(
                f"{part!r} is not understood as {what}: write numbers and ranges, such as 44-69 or 0,8{names}."
            )
        first, last = number(match[1]), number(match[2] or match[1])
        if not low <= first <= last <= high:
            raise UserError(
                f"{part!r} does not fit: {what} are whole numbers from {low} to {high}, of a range the lower one first."
            )
        found.update(range(first, last + 1))
    return tuple(sorted(found))
