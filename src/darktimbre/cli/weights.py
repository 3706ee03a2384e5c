"""`darktimbre weights`: where the weights of teachers and evaluators come from, and getting them onto this machine."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from typer import Argument, Option

from darktimbre.cli.console import say, table
from darktimbre.teachers import weights

app = typer.Typer(
    no_args_is_help=True, help="The weights of teachers, which tag a corpus, and of MusiCNN, which measures."
)

Name = Annotated[str, Argument(help="yamnet, cnn14, cnn14-16k or musicnn.")]


@app.command("list")
def list_() -> None:
    """Which networks there are, where their weights come from, and which are on this machine."""
    rows = [("embedded", "in the package", "2 MB", "Apache-2.0", "")]
    for name, source in weights.SOURCES.items():
        entry = weights.kept(name)
        digest = (entry["source_sha256"] if entry else source.sha256)[:12] + "…"
        rows.append((name, "yes" if entry else "no", f"{source.megabytes} MB", source.licence, digest))
    table(("network", "here", "size", "licence", "SHA-256"), rows)
    for name, source in weights.SOURCES.items():
        say(f"{name} comes from {source.address} (SHA-256 {source.sha256})")
    say(f"What is here is kept in {weights.home()}.")


@app.command()
def fetch(
    name: Name,
    sha256: Annotated[str | None, Option(help="SHA-256 that the file must have, if not the known one.")] = None,
) -> None:
    """Download a network's official file over HTTPS, check its digest, and keep it."""
    columns = (TextColumn(name), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task(name, total=None)
        path = weights.fetch(
            name, sha256_wanted=sha256, progress=lambda done, whole: bar.update(task, completed=done, total=whole)
        )
    typer.echo(f"{name} is kept in {path}")


@app.command()
def add(
    name: Name,
    file: Annotated[Path, Argument(help="yamnet.h5, yamnet.tflite, a Cnn14 checkpoint (.pth) or musicnn's wheel.")],
) -> None:
    """Keep weights that you have as a file; it is loaded once to see that it is what it should be."""
    typer.echo(f"{name} is kept in {weights.add(name, file)}")


@app.command()
def verify() -> None:
    """Hash the kept files again; exit status 1 when one has changed."""
    verdicts = weights.verify()
    if not verdicts:
        typer.echo(f"No weights are kept in {weights.home()} (the embedded teacher ships with darktimbre).")
    for name, verdict in verdicts.items():
        typer.echo(f"{name}: {verdict}")
    if any(verdict != "ok" for verdict in verdicts.values()):
        raise typer.Exit(1)
