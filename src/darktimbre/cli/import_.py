"""`darktimbre import`: sounds that are already there, as a corpus; and digits, a corpus of pictures."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table
from typer import Argument, Option

from darktimbre.cli.console import console, progress, say, warn
from darktimbre.cli.options import CorpusName, CorpusRate, ReplaceCorpus, SplitSeed, numbers
from darktimbre.corpus import digits as digit_corpus
from darktimbre.corpus import folder as sound_folder
from darktimbre.corpus import ingest, mnist, writer
from darktimbre.corpus import nsynth as nsynth_files
from darktimbre.corpus import sol as sol_files
from darktimbre.notes.errors import UserError
from darktimbre.notes.text import legible

app = typer.Typer(
    name="import",
    no_args_is_help=True,
    help="Make a corpus of a folder of sounds, of NSynth, of Studio On Line, or of digits.",
)

_SHOWN = 8  # refused files listed on the terminal; all are in rejected.csv

Out = Annotated[Path, Argument(help="Folder of the corpus to make.", show_default=False)]
Workers = Annotated[int | None, Option(min=1, help="Decoding processes; by default one a processor.")]
MaxBad = Annotated[float, Option(min=0.0, max=100.0, help="Percent of refused files above which the exit status is 1.")]


@app.command()
def folder(
    src: Annotated[
        Path, Argument(help="Folder of sounds, any depth, any format libsndfile reads.", show_default=False)
    ],
    out: Out,
    seconds: Annotated[float, Option(help="Length of every note; shorter is padded, longer cut.")] = 1.0,
    rate: CorpusRate = 16_000,
    estimate_pitch: Annotated[
        bool,
        Option(
            "--estimate-pitch", help="Measure the pitch of sounds that have none written; list where others disagree."
        ),
    ] = False,
    middle_c: Annotated[
        str,
        Option(
            help="The note name of MIDI 60 in names and tables. By default C4, unless numbers or root notes beside the "
            "names show another.",
            metavar="C3|C4",
            show_default=False,
        ),
    ] = "",
    trim: Annotated[bool, Option("--trim", help="Cut the silence before a sound.")] = False,
    cut_notes: Annotated[
        bool, Option("--slice", help="Cut recordings of several notes at their onsets, into a note each.")
    ] = False,
    style_column: Annotated[
        list[str] | None,
        Option(
            help="Column of metadata.csv whose words (separated by ; or |) are style tags, such as technique; may be "
            "given several times. By default the column styles.",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    split: Annotated[
        str,
        Option(
            help="instrument, random (90/10), style (by pitch of an instrument, every style in each part), or given "
            "(column split of metadata.csv, else folders called train, valid and test)."
        ),
    ] = "instrument",
    seed: SplitSeed = 0,
    name: CorpusName = "",
    licence: Annotated[str, Option(help="Terms of the sounds, such as CC0-1.0.")] = "unknown",
    workers: Workers = None,
    max_bad: MaxBad = 5.0,
    force: ReplaceCorpus = False,
) -> None:
    """Import any folder of samples.

    Class and subclass come from the first two levels of folders. Pitch comes from metadata.csv, .tsv or .jsonl (columns
    file_name, pitch, velocity, instrument, family, source, category, subcategory, tags, styles, split), else from the
    root note in the file, else from names such as "Cello C#4", "Pad_060_C3_127", "036-C". What cannot be used is listed
    with its reason in OUT/rejected.csv, what was used in another way than one may expect in OUT/remarks.csv.
    """
    with progress("reading sounds", unit="files") as update:
        summary = sound_folder.import_folder(
            src, out, sample_rate=rate, seconds=seconds, estimate_pitch=estimate_pitch,
            middle_c=middle_c.upper(), trim=trim, cut_notes=cut_notes, style_columns=style_column or (), name=name,
            licence=licence, split=split, seed=seed, overwrite=force, workers=workers, progress=update,
        )  # fmt: skip
    _report(summary, max_bad)


@app.command()
def nsynth(
    src: Annotated[
        Path,
        Argument(
            help="Folder with examples.json and audio/, or a .jsonwav.tar.gz (read as it is).", show_default=False
        ),
    ],
    out: Out,
    paper: Annotated[
        bool, Option("--paper", help="The DarkGAN paper's subset: MIDI 44 to 69, the first second.")
    ] = False,
    pitches: Annotated[str | None, Option(help="Lowest and highest MIDI note or name: 44-69, C3-C5.")] = None,
    family: Annotated[list[str] | None, Option(help="Only this instrument family; may be repeated.")] = None,
    source: Annotated[list[str] | None, Option(help="Only this source; may be repeated.")] = None,
    seconds: Annotated[float | None, Option(help="Length of every note; by default 4, or 1 with --paper.")] = None,
    rate: CorpusRate = 16_000,
    split: Annotated[
        str, Option(help="instrument, random (90/10, as in the paper), or given (NSynth's own parts).")
    ] = "instrument",
    given: Annotated[str, Option(help="With --split given: train, valid or test; by default as SRC is called.")] = "",
    seed: SplitSeed = 0,
    name: CorpusName = "",
    workers: Workers = None,
    max_bad: MaxBad = 5.0,
    force: ReplaceCorpus = False,
) -> None:
    """Import NSynth, whole or in part."""
    keys = numbers(pitches, 0, 127, "pitches") if pitches is not None else ()
    if pitches is not None and len(keys) != keys[-1] - keys[0] + 1:
        raise UserError(f"{pitches!r} is no range of pitches; write it as 44-69 or C3-C5.")
    with progress("reading sounds", unit="files") as update:
        summary = nsynth_files.import_nsynth(
            src, out, pitches=(keys[0], keys[-1]) if keys else None, families=family, sources=source, paper=paper,
            seconds=seconds, sample_rate=rate, name=name, split=split, given=given, seed=seed, overwrite=force,
            workers=workers, progress=update,
        )  # fmt: skip
    _report(summary, max_bad)


@app.command()
def sol(
    src: Annotated[
        Path, Argument(help="Folder that TinySOL, OrchideaSOL or SOL was unpacked into.", show_default=False)
    ],
    out: Out,
    style: Annotated[
        list[str] | None,
        Option(
            help="What becomes a style tag: instrument, technique or mute; may be repeated. By default all three.",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    pitched: Annotated[bool, Option("--pitched", help="Leave out what has no pitch, or several.")] = False,
    seconds: Annotated[float, Option(help="Length of every note; shorter is padded, longer cut.")] = 2.0,
    rate: CorpusRate = 16_000,
    split: Annotated[
        str, Option(help="style (by recording, every style in each part), instrument or random (90/10).")
    ] = "style",
    seed: SplitSeed = 0,
    name: CorpusName = "",
    licence: Annotated[str, Option(help="Terms of the sounds, such as CC-BY-4.0 for TinySOL.")] = "unknown",
    workers: Workers = None,
    max_bad: MaxBad = 5.0,
    force: ReplaceCorpus = False,
) -> None:
    """Import Studio On Line (TinySOL, OrchideaSOL): style tags from the names of its folders and files."""
    with progress("reading sounds", unit="files") as update:
        summary = sol_files.import_sol(
            src, out, styles=style or sol_files.ASPECTS, pitched=pitched, seconds=seconds, sample_rate=rate,
            licence=licence, name=name, split=split, seed=seed, overwrite=force, workers=workers, progress=update,
        )  # fmt: skip
    _report(summary, max_bad)


@app.command()
def digits(
    out: Out,
    source: Annotated[
        Path | None, Option("--from", help="Folder with MNIST's four IDX files, packed or not.", show_default=False)
    ] = None,
    fetch: Annotated[
        bool, Option("--fetch", help="Download MNIST (11 MB), by default into OUT-idx; --from names another.")
    ] = False,
    name: CorpusName = "",
    force: ReplaceCorpus = False,
) -> None:
    """Import handwritten digits, to train GANs on: pictures, not sounds.

    Without --from or --fetch, the 1,797 digits that scikit-learn brings along are taken, enlarged to MNIST's size.
    """
    writer.check_destination(out.absolute(), force)
    if fetch:
        folder = source or out.with_name(f"{out.name}-idx")
        source = mnist.fetch_mnist(folder, progress=lambda file: say(f"fetching {file}"))
    with progress("reading digits", unit="pictures") as update:
        corpus = digit_corpus.import_digits(out, folder=source, name=name, overwrite=force, progress=update)
    parts = ", ".join(f"{part} {count:,}" for part, count in corpus.meta["split"]["notes"].items())
    say(f"{corpus.path}: {len(corpus):,} pictures of {' × '.join(map(str, corpus.picture or ()))} ({parts}).")


def _report(summary: "ingest.Summary", max_bad: float) -> None:
    table = Table("what", "files", "", box=None)
    refused = len(summary.rejected)
    table.add_row("accepted", str(summary.accepted), "")
    table.add_row("  padded", str(summary.padded), "shorter than a note")
    table.add_row("  cut", str(summary.cut), "longer than a note, cut with a fade-out")
    table.add_row("  lowered", str(summary.lowered), "louder than full scale")
    if summary.trimmed:
        table.add_row("  trimmed", str(summary.trimmed), "silence before the sound cut")
    if summary.one_channel:
        table.add_row("  one channel", str(summary.one_channel), "channels that cancel each other: the loudest taken")
    table.add_row("rejected", str(refused), f"{100 * summary.bad_share:.1f} % of what was tried" if refused else "")
    ignored = ", ".join(f"{count} {kind}" for kind, count in summary.ignored.items())
    table.add_row("ignored", str(sum(summary.ignored.values())), escape(ignored))
    console().print(table)
    for file, reason in summary.rejected[:_SHOWN]:
        say(f"  {legible(file)}: {reason}")
    if refused > _SHOWN:
        say(f"  … and {refused - _SHOWN} more in {summary.corpus.path / 'rejected.csv'}")
    for remark in summary.remarks:
        say(remark)
    corpus = summary.corpus
    seconds, count = corpus.samples / corpus.sample_rate, f"{len(corpus)} note{'' if len(corpus) == 1 else 's'}"
    say(f"{corpus.path}: {count} of {seconds:g} s at {corpus.sample_rate} Hz.")
    if 100 * summary.bad_share > max_bad:
        warn(
            f"The corpus is written, but {100 * summary.bad_share:.1f} % of the files were refused, more than "
            f"--max-bad {max_bad:g}; so the exit status is 1."
        )
        raise typer.Exit(1)
