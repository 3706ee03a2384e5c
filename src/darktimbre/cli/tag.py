"""`darktimbre tag`: a teacher listens to a corpus and its logits are stored beside it."""

from pathlib import Path
from typing import Annotated

import typer


def tag(
    corpus: Annotated[Path, typer.Argument(help="A corpus folder.")],
    teacher: Annotated[str, typer.Option(help="yamnet, cnn14, cnn14-16k or embedded (which ships with darktimbre).")],
    weights: Annotated[Path | None, typer.Option(help="A weights file, instead of the one kept by `weights`.")] = None,
    device: Annotated[str, typer.Option(help="A torch device: cpu, cuda, …")] = "cpu",
    batch: Annotated[int, typer.Option(min=1, help="Notes heard at once.")] = 64,
    force: Annotated[bool, typer.Option(help="Replace tags of other weights or of an older corpus.")] = False,
) -> None:
    """Let a teacher listen to every note and store what it hears; run again after an interruption, it goes on."""
    import time

    import numpy as np
    from rich.table import Table

    from darktimbre import teachers
    from darktimbre.cli.console import console, progress_bar, say
    from darktimbre.corpus.corpus import Corpus
    from darktimbre.tagging.tag import tag_corpus
    from darktimbre.tagging.temperature import soft_labels

    opened = Corpus.open(corpus)
    tagger = teachers.load(teacher, device=device, weights=weights)
    started, before = time.monotonic(), -1
    with progress_bar("notes") as bar:
        task = bar.add_task(f"{teacher} listens", total=len(opened))

        def progress(done: int, whole: int) -> None:
            nonlocal before
            if before < 0:
                before = done
                bar.reset(task, total=whole, completed=done)  # time left is reckoned from what is heard now
            bar.update(task, completed=done)

        tags = tag_corpus(opened, tagger, progress, batch=batch, force=force)
    heard, seconds = len(opened) - before, max(time.monotonic() - started, 1e-9)
    say(
        f"{teacher} ({tagger.digest[:12]}…) has tagged {len(opened)} notes: {heard} now, at {heard / seconds:.0f} "
        f"notes/s, and {before} before. The logits are in {tags.path}."
    )
    if len(opened):
        mean = soft_labels(tags.logits()).mean(axis=0)
        table = Table("attribute", "mean probability")
        for index in np.argsort(-mean)[:10]:
            table.add_row(tags.labels[index], f"{mean[index]:.3f}")
        console().print(table)
