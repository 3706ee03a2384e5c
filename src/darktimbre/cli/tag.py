"""`darktimbre tag`: a teacher's logits of every note of a corpus, stored beside it."""

import time
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from darktimbre import teachers
from darktimbre.cli import console
from darktimbre.cli.options import Device, Weights
from darktimbre.corpus import corpus as corpora
from darktimbre.notes import temperature
from darktimbre.tagging import tag as tagging


def tag(
    corpus: Annotated[Path, Argument(help="A corpus folder.")],
    teacher: Annotated[str, Option(help="yamnet, cnn14, cnn14-16k or embedded (which ships with darktimbre).")],
    weights: Weights = None,
    device: Device = "cpu",
    batch: Annotated[int, Option(min=1, help="Notes in one batch.")] = 64,
    force: Annotated[bool, Option(help="Replace tags of other weights or of an older corpus.")] = False,
) -> None:
    """Predict a teacher's logits for every note and store them; run again after an interruption to resume."""
    opened = corpora.Corpus.open(corpus)
    tagger = teachers.load(teacher, device=device, weights=weights)
    started, stored = time.monotonic(), []
    with console.progress(f"tagging by {teacher}", len(opened)) as update:

        def progress(done: int, total: int) -> None:
            stored.append(done)
            update(done, total)

        tags = tagging.tag_corpus(opened, tagger, progress, batch=batch, force=force)
    new, seconds = len(opened) - stored[0], max(time.monotonic() - started, 1e-9)
    console.say(
        f"{teacher} ({tagger.digest[:12]}…) has tagged {len(opened)} notes: {new} now, at {new / seconds:.0f} "
        f"notes/s, and {stored[0]} before. The logits are in {tags.path}."
    )
    if len(opened):
        mean = temperature.soft_labels(tags.logits()).mean(axis=0)
        best = [(tags.labels[index], f"{mean[index]:.3f}") for index in (-mean).argsort()[:10]]
        console.table(("attribute", "mean probability"), best)
