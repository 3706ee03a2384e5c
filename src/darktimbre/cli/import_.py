"""`darktimbre import`: sounds that are already there, as a corpus; and digits, a corpus of pictures."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from darktimbre.corpus.quarantine import Progress, Summary

app = typer.Typer(
    name="import", no_args_is_help=True, help="Make a corpus of a folder of sounds, of NSynth, or of digits."
)

_SHOWN = 8  # refused files listed on the terminal; all are in quarantine.csv

Out = Annotated[Path, typer.Argument(help="Folder of the corpus to make.", show_default=False)]
Rate = Annotated[int, typer.Option("--rate", help="Sample rate of the corpus in Hz.")]
Name = Annotated[str, typer.Option(help="What the corpus is called; by default as its folder.", show_default=False)]
Seed = Annotated[int, typer.Option(help="Seed of the split.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Decoding processes; by default one a processor.")]
MaxBad = Annotated[
    float, typer.Option(min=0.0, max=100.0, help="Percent of refused files above which the exit status is 1.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace a corpus that is already there.")]


@app.command()
def folder(
    src: Annotated[
        Path, typer.Argument(help="Folder of sounds, any depth, any format libsndfile reads.", show_default=False)
    ],
    out: Out,
    seconds: Annotated[float, typer.Option(help="Length of every note; shorter is padded, longer cut.")] = 1.0,
    rate: Rate = 16_000,
    estimate_pitch: Annotated[
        bool, typer.Option("--estimate-pitch", help="Measure the pitch of sounds whose name tells none.")
    ] = False,
    split: Annotated[
        str, typer.Option(help="instrument, random (90/10), or given (column split of metadata.csv).")
    ] = "instrument",
    seed: Seed = 0,
    name: Name = "",
    licence: Annotated[str, typer.Option(help="Terms of the sounds, such as CC0-1.0.")] = "unknown",
    workers: Workers = None,
    max_bad: MaxBad = 5.0,
    force: Force = False,
) -> None:
    """Take in any folder of samples.

    Class and subclass come from the first two levels of folders; pitch from metadata.csv (columns file_name, pitch,
    velocity, instrument, family, source, category, subcategory, tags, split), or from names such as "Cello C#4",
    "pad_060", "midi60". What cannot be used is listed with its reason in OUT/quarantine.csv.
    """
    from darktimbre.corpus.folder import import_folder

    with _progress() as progress:
        summary = import_folder(
            src, out, sample_rate=rate, seconds=seconds, estimate_pitch=estimate_pitch, name=name, licence=licence,
            split=split, seed=seed, overwrite=force, workers=workers, progress=progress,
        )  # fmt: skip
    _tell(summary, max_bad)


@app.command()
def nsynth(
    src: Annotated[
        Path,
        typer.Argument(
            help="Folder with examples.json and audio/, or a .jsonwav.tar.gz (read as it is).", show_default=False
        ),
    ],
    out: Out,
    paper: Annotated[
        bool, typer.Option("--paper", help="The DarkGAN paper's subset: MIDI 44 to 69, the first second.")
    ] = False,
    pitches: Annotated[str | None, typer.Option(help="Lowest and highest MIDI note or name: 44-69, C3-C5.")] = None,
    family: Annotated[list[str] | None, typer.Option(help="Only this instrument family; may be repeated.")] = None,
    source: Annotated[list[str] | None, typer.Option(help="Only this source; may be repeated.")] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Length of every note; by default 4, or 1 with --paper.")
    ] = None,
    rate: Rate = 16_000,
    split: Annotated[
        str, typer.Option(help="instrument, random (90/10, as in the paper), or given (NSynth's own parts).")
    ] = "instrument",
    given: Annotated[
        str, typer.Option(help="With --split given: train, valid or test; by default as SRC is called.")
    ] = "",
    seed: Seed = 0,
    name: Name = "",
    workers: Workers = None,
    max_bad: MaxBad = 5.0,
    force: Force = False,
) -> None:
    """Take in NSynth, whole or in part."""
    from darktimbre.corpus.nsynth import import_nsynth

    with _progress() as progress:
        summary = import_nsynth(
            src, out, pitches=_range(pitches), families=family, sources=source, paper=paper, seconds=seconds,
            sample_rate=rate, name=name, split=split, given=given, seed=seed, overwrite=force, workers=workers,
            progress=progress,
        )  # fmt: skip
    _tell(summary, max_bad)


@app.command()
def digits(
    out: Out,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="Folder with MNIST's four IDX files, packed or not.", show_default=False),
    ] = None,
    fetch: Annotated[
        bool, typer.Option("--fetch", help="Download MNIST (11 MB), by default into OUT-idx; --from names another.")
    ] = False,
    name: Name = "",
    force: Force = False,
) -> None:
    """Take in handwritten digits, to learn GANs on: pictures, not sounds.

    Without --from or --fetch, the 1,797 digits that scikit-learn brings along are taken, enlarged to MNIST's size.
    """
    from darktimbre.cli.console import progress_bar, say
    from darktimbre.corpus.digits import import_digits
    from darktimbre.corpus.writer import check_destination

    check_destination(out.absolute(), force)
    if fetch:
        from darktimbre.corpus.mnist import fetch_mnist

        source = fetch_mnist(source or out.with_name(f"{out.name}-idx"), progress=lambda file: say(f"fetching {file}"))
    with progress_bar("pictures") as bar:
        task = bar.add_task("reading digits", total=None)
        corpus = import_digits(
            out, folder=source, name=name, overwrite=force,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip
    parts = ", ".join(f"{part} {count:,}" for part, count in corpus.meta["split"]["notes"].items())
    say(f"{corpus.path}: {len(corpus):,} pictures of {' × '.join(map(str, corpus.picture or ()))} ({parts}).")


def _range(text: str | None) -> tuple[int, int] | None:
    from darktimbre.notes.errors import UserError
    from darktimbre.notes.pitch import parse_note_name

    if text is None:
        return None
    try:
        ends = [int(end) if end.strip().isdigit() else parse_note_name(end) for end in text.split("-")]
    except ValueError:
        ends = []
    if not 1 <= len(ends) <= 2 or ends[0] > ends[-1]:
        raise UserError(f"{text!r} is no range of pitches; write it as 44-69 or C3-C5.")
    return ends[0], ends[-1]


@contextmanager
def _progress() -> "Iterator[Progress]":
    from darktimbre.cli.console import progress_bar

    with progress_bar("files") as bar:
        task = bar.add_task("reading sounds", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _tell(summary: "Summary", max_bad: float) -> None:
    from rich.markup import escape
    from rich.table import Table

    from darktimbre.cli.console import caution, console, say

    table = Table("what", "files", "", box=None)
    refused = len(summary.quarantined)
    table.add_row("accepted", str(summary.accepted), "")
    table.add_row("  padded", str(summary.padded), "shorter than a note")
    table.add_row("  cut", str(summary.cut), "longer than a note, cut with a fade-out")
    table.add_row("  lowered", str(summary.lowered), "louder than full scale")
    table.add_row("quarantined", str(refused), f"{100 * summary.bad_share:.1f} % of what was tried" if refused else "")
    ignored = ", ".join(f"{count} {kind}" for kind, count in summary.ignored.items())
    table.add_row("ignored", str(sum(summary.ignored.values())), escape(ignored))
    console().print(table)
    for file, reason in summary.quarantined[:_SHOWN]:
        say(f"  {_legible(file)}: {reason}")
    if refused > _SHOWN:
        say(f"  … and {refused - _SHOWN} more in {summary.corpus.path / 'quarantine.csv'}")
    for remark in summary.remarks:
        say(remark)
    corpus = summary.corpus
    say(f"{corpus.path}: {len(corpus)} notes of {corpus.samples / corpus.sample_rate:g} s at {corpus.sample_rate} Hz.")
    if 100 * summary.bad_share > max_bad:
        caution(
            f"The corpus is written, but {100 * summary.bad_share:.1f} % of the files were refused, more than "
            f"--max-bad {max_bad:g}; so the exit status is 1."
        )
        raise typer.Exit(1)


def _legible(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
