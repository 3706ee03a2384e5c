"""`darktimbre hub`: bundles on the Hugging Face hub."""

from typing import Annotated

import typer
from typer import Argument, Option

from darktimbre.bundle import hub
from darktimbre.cli.console import say
from darktimbre.cli.options import BundleName

app = typer.Typer(no_args_is_help=True)


@app.callback()
def overview() -> None:
    """Share bundles: `darktimbre hub push BUNDLE OWNER/NAME`; others then play them by `darktimbre play OWNER/NAME`."""


@app.command()
def push(
    bundle: BundleName,
    target: Annotated[str, Argument(metavar="OWNER/NAME", help="Where on the Hugging Face hub; made if need be.")],
    licence: Annotated[
        str | None, Option(metavar="NAME", help="Licence of the weights, such as cc-by-4.0, if not the card's.")
    ] = None,
    private: Annotated[bool, Option("--private", help="A repository that is made is seen by its owner alone.")] = False,
    dry_run: Annotated[bool, Option("--dry-run", help="Print what would be sent, and send nothing.")] = False,
) -> None:
    """Send a bundle with its card to the Hugging Face hub, by the login of `hf auth login`."""
    upload = hub.prepare(bundle, target, licence)
    for name, size in upload.sizes().items():
        say(f"{name}: {size:,} bytes")
    say(f"Card: licence {upload.licence}, tags {', '.join(upload.tags)}, {upload.metrics} figure(s).")
    if dry_run:
        say(f"Nothing was sent to {target}.")
        return
    say(f"It is at {hub.push(upload, private=private)}")
