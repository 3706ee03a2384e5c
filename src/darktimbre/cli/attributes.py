"""`darktimbre attributes`: which of a teacher's classes become the sliders of an instrument."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from darktimbre import teachers
from darktimbre.cli.console import say, table
from darktimbre.cli.options import Json
from darktimbre.corpus import corpus as corpora
from darktimbre.corpus import describe
from darktimbre.notes.errors import UserError
from darktimbre.tagging import ranking, store


def attributes(
    corpus: Annotated[Path, Argument(help="A tagged corpus.")],
    teacher: Annotated[str, Option(help="Whose tags to rank.")],
    top: Annotated[int, Option(min=1, help="How many to keep, best first.")] = 128,
    names: Annotated[str | None, Option(help="A list of your own instead: 'Trumpet; Gong'.")] = None,
    json_: Json = False,
) -> None:
    """Rank the teacher's classes by √(p90 · accuracy), without the vague ones; print and store the list."""
    opened = corpora.Corpus.open(corpus)
    if teacher not in (*teachers.NAMES, *describe.tagged_by(opened)):
        raise UserError(f"There is no teacher called {teacher!r}; choose one of {', '.join(teachers.NAMES)}.")
    tags = store.Tags.open(corpus, teacher)
    picked = ranking.split_names(names, tags.labels) if names is not None else None
    ranked = ranking.choose(corpus, tags, opened.rows("train"), top=top, names=picked)
    if json_:
        typer.echo(json.dumps([asdict(item) for item in ranked], indent=1, ensure_ascii=False))
        return
    rows = [(str(one.rank), one.name, f"{one.p90:.4f}", f"{one.accuracy:.3f}", f"{one.score:.4f}") for one in ranked]
    table(("rank", "attribute", "p90", "accuracy", "score"), rows)
    note = "" if picked is not None else f" {len(ranking.skipped())} vague classes are left out (tagging/skip.txt)."
    say(f"{len(ranked)} attributes stored in {tags.path / 'attributes.json'}.{note}")
