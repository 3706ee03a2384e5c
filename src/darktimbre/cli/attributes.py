"""`darktimbre attributes`: which of a teacher's classes become the sliders of an instrument."""

from pathlib import Path
from typing import Annotated

import typer


def attributes(
    corpus: Annotated[Path, typer.Argument(help="A tagged corpus.")],
    teacher: Annotated[str, typer.Option(help="Whose tags to rank.")],
    top: Annotated[int, typer.Option(min=1, help="How many to keep, best first.")] = 128,
    names: Annotated[str | None, typer.Option(help="A list of your own instead: 'Trumpet; Gong'.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Rank the teacher's classes by √(p90 · accuracy), without the vague ones; print and store the list."""
    import json
    from dataclasses import asdict

    from rich.table import Table

    from darktimbre.cli.console import console, say
    from darktimbre.corpus.corpus import Corpus
    from darktimbre.corpus.describe import tagged_by
    from darktimbre.notes.errors import UserError
    from darktimbre.tagging.ranking import choose, skipped, split_names
    from darktimbre.tagging.store import Tags
    from darktimbre.teachers.tagger import NAMES

    opened = Corpus.open(corpus)
    if teacher not in (*NAMES, *tagged_by(opened)):
        raise UserError(f"There is no teacher called {teacher!r}; choose one of {', '.join(NAMES)}.")
    tags = Tags.open(corpus, teacher)
    picked = split_names(names, tags.labels) if names is not None else None
    ranked = choose(corpus, tags, opened.rows("train"), top=top, names=picked)
    if json_:
        typer.echo(json.dumps([asdict(item) for item in ranked], indent=1, ensure_ascii=False))
        return
    table = Table("rank", "attribute", "p90", "accuracy", "score")
    for item in ranked:
        table.add_row(str(item.rank), item.name, f"{item.p90:.4f}", f"{item.accuracy:.3f}", f"{item.score:.4f}")
    console().print(table)
    note = "" if picked is not None else f" {len(skipped())} vague classes are passed over (tagging/skip.txt)."
    say(f"{len(ranked)} attributes stored in {tags.path / 'attributes.json'}.{note}")
