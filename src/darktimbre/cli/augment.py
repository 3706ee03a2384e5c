"""`darktimbre augment`: a corpus, and copies of its notes with other timbres, in a larger one."""

import time
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from darktimbre.cli import info
from darktimbre.cli.console import progress, say, warn
from darktimbre.cli.options import CorpusName, ReplaceCorpus
from darktimbre.corpus import augment as augmenting
from darktimbre.corpus import corpus as corpora
from darktimbre.corpus import describe, writer


def augment(
    corpus: Annotated[Path, Argument(help="The corpus folder to start from; it is left as it is.")],
    out: Annotated[Path, Argument(help="The corpus folder to make.")],
    copies: Annotated[int, Option(help="Copies of each note, 1 to 100.")] = 1,
    seed: Annotated[int, Option(help="Same seed, same copies.")] = 0,
    of: Annotated[
        str,
        Option(metavar="SPLIT", help="Which notes are copied: train, valid, test, or all. Held-out ones stay real."),
    ] = "train",
    layers: Annotated[
        bool, Option(help="Layer notes of two instruments; without, a class from folder names stays what it says.")
    ] = True,
    name: CorpusName = "",
    force: ReplaceCorpus = False,
) -> None:
    """Write a corpus and changed copies of its notes: filtered, layered, with other envelopes, driven.

    A copy keeps pitch, level, split and licence. Tag the new corpus, since its timbres are others:

    Example: darktimbre augment corpora/gm corpora/gm-more --copies 4
    """
    writer.check_destination(out, force)
    opened, started = corpora.Corpus.open(corpus), time.monotonic()
    with progress("augmenting") as update:
        made = augmenting.augment(
            out, opened, copies=copies, seed=seed, of=of, layers=layers, progress=update, name=name, overwrite=force
        )
    info.show(made, describe.describe(made))
    if off := made.meta["counts"].get("off_pitch", 0):
        warn(f"{off:,} copies were left out because they sound at another pitch; rejected.csv lists them.")
    seconds, copied = time.monotonic() - started, len(made) - len(opened)
    say(f"{len(made):,} notes in {seconds:.1f} s, of which {copied:,} are copies: {out}")
