"""`darktimbre bench`: how fast an instrument plays here, by runtime, threads and batch, and what the time goes on."""

import json
import os
import statistics
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE
from rich.table import Table
from typer import Option

from darktimbre.audio import atomic, workers
from darktimbre.cli import allocator
from darktimbre.cli.console import console, progress, say, warn
from darktimbre.cli.options import BundleName, Inversion, numbers
from darktimbre.export import runtime as runtimes
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer import timing

if TYPE_CHECKING:
    from darktimbre.synthesizer.synthesizer import Synthesizer

app = typer.Typer(no_args_is_help=True)


@dataclass(frozen=True)
class Cell:
    """One row of the table; times are medians, for a note."""

    runtime: str
    threads: int
    batch: int
    network_ms: float
    inversion_ms: float
    total_ms: float
    least_ms: float  # the shortest call: what a machine busy with other things could do
    encoding_ms: float  # of placing a sound in the latent space, where an instrument encodes; not in the total
    real_time_factor: float  # seconds of computing for a second of sound
    notes_per_second: float
    chosen: bool  # what `--runtime auto` plays by with so many threads


@app.callback()
def overview() -> None:
    """Measure how fast an instrument plays here."""


@app.command()
def rtf(
    bundle: BundleName,
    threads: Annotated[str, Option(metavar="N,…", help="Threads that compute.")] = "1,2",
    batch: Annotated[str, Option(metavar="N,…", help="Notes in one call of the network; playing takes 1.")] = "1,8",
    runtime: Annotated[
        str | None, Option(metavar="torch,bf16,onnx", help="Runtimes; by default those that there are.")
    ] = None,
    rounds: Annotated[int, Option(min=1, help="Calls of each; their median is printed.")] = 11,
    inversion: Inversion = None,
    keep: Annotated[bool, Option("--keep", help="Let `--runtime auto` go by what is found.")] = False,
    json_: Annotated[Path | None, Option("--json", metavar="FILE", help="Also write the figures to a file.")] = None,
) -> None:
    """The real-time factor: seconds of computing for a second of sound, and where they go.

    Every number of threads has a process of its own; all runtimes and batches take turns, so that whatever else the
    machine does falls on all of them alike.
    """
    counts, batches = numbers(threads, 1, 256, "--threads"), numbers(batch, 1, 256, "--batch")
    instrument = runtimes.open_instrument(bundle, runtime="torch", inversion=inversion)
    measured = _runtimes(instrument, runtime)
    if keep and (len(measured) < 2 or "torch" not in measured or 1 not in batches):
        raise UserError(
            "--keep chooses between torch and others, note by note: measure these too, with a batch of 1 among --batch."
        )
    cores = os.cpu_count() or counts[-1]
    if counts[-1] > cores:
        warn(f"This machine has {cores} cores: {counts[-1]} threads will share them.")
    calls = _measure(bundle, inversion, measured, counts, batches, rounds)
    if keep:
        for count in counts:
            ms = {one: 1e3 * timing.median(calls[one, count, 1]).total for one in measured}
            runtimes.keep_choice(instrument, count, runtimes.choice(ms))
    cells = cells_of(calls, instrument.seconds, lambda count: runtimes.kept_choice(instrument, count))
    _print(cells, instrument.seconds)
    if instrument.encodes:
        _say_encoding([one for one in cells if one.batch == batches[0]])
    say(
        "● is what --runtime auto plays by or, where it has not chosen yet, would by these figures. RTF: of the median."
    )
    if json_ is not None:
        inverse = "learned" if instrument.bundle.inverter is not None else instrument.codec.config.inversion
        figures = {"bundle": instrument.bundle.digest, "inversion": inverse, "seconds": instrument.seconds}
        figures |= {"rounds": rounds, "cells": [asdict(one) for one in cells]}
        with atomic.atomic_file(json_) as temporary:
            temporary.write_text(json.dumps(figures, indent=1))
        say(f"Figures: {json_}")


def _runtimes(instrument: "Synthesizer", text: str | None) -> list[str]:
    """What is measured; networks are exported here, before the clock runs, and missing packages reported."""
    if text is None or text.strip() == "auto":
        others, why_not = runtimes.alternatives(instrument)
        if why_not:
            warn(f"Not measured: {why_not}.")
        return ["torch", *others]
    wanted = [part.strip() for part in text.split(",")]
    if unknown := [one for one in wanted if one not in runtimes.NAMES]:
        raise UserError(f"--runtime takes {', '.join(runtimes.NAMES)}, with commas, not {unknown[0]!r}.")
    for one in wanted:
        runtimes.by(one, instrument)
    return wanted


Calls = dict[tuple[str, int, int], "list[timing.Spent]"]  # by runtime, threads, batch


def cells_of(calls: Calls, seconds: float, kept: Any) -> list[Cell]:
    """Rows of the table, in the order of `calls`.

    Args:
        calls: what was measured.
        seconds: of a note.
        kept: threads → the runtime that `auto` has chosen, or None, where the faster one here counts.
    """
    medians = {key: timing.median(spent) for key, spent in calls.items()}
    cells = []
    for (runtime, threads, batch), spent in medians.items():
        by = {one: medians[one, threads, 1].total for one in runtimes.NAMES if (one, threads, 1) in medians}
        faster = runtimes.choice(by)["runtime"] if by else "torch"
        cells.append(
            Cell(
                runtime=runtime,
                threads=threads,
                batch=batch,
                network_ms=1e3 * spent.network,
                inversion_ms=1e3 * spent.inversion,
                total_ms=1e3 * spent.total,
                least_ms=1e3 * min(call.total for call in calls[runtime, threads, batch]),
                encoding_ms=1e3 * statistics.median(call.encoding for call in calls[runtime, threads, batch]),
                real_time_factor=spent.total / seconds,
                notes_per_second=1 / spent.total,
                chosen=batch == 1 and runtime == (kept(threads) or faster),
            )
        )
    return cells


def _say_encoding(cells: list[Cell]) -> None:
    """From a sound to its place in the latent space and back to a wave, by the fastest with the fewest threads."""
    one = min(cells, key=lambda cell: (cell.threads, cell.total_ms))
    say(
        f"A sound is encoded in {one.encoding_ms:.1f} ms; encode → decode → wave takes "
        f"{one.encoding_ms + one.total_ms:.1f} ms by {one.runtime} on {one.threads} "
        f"thread{'' if one.threads == 1 else 's'}."
    )


def _print(cells: list[Cell], seconds: float) -> None:
    table = Table(title=f"ms for one note of {seconds:g} s", box=SIMPLE, padding=(0, 0, 0, 1))
    for column in ("runtime", "threads", "batch", "network", "inversion", "total", "least", "RTF", "notes/s"):
        table.add_column(column, justify="left" if column == "runtime" else "right", no_wrap=True)
    for one in cells:
        table.add_row(
            f"{one.runtime} ●" if one.chosen else one.runtime,
            str(one.threads),
            str(one.batch),
            *(f"{ms:.2f}" for ms in (one.network_ms, one.inversion_ms, one.total_ms, one.least_ms)),
            f"{one.real_time_factor:.4f}",
            f"{one.notes_per_second:.1f}",
        )
    console().print(table)


# ----------------------------------------------------------------------------
# The processes that compute, one for each number of threads


def _measure(
    bundle: str,
    inversion: str | None,
    measured: list[str],
    counts: tuple[int, ...],
    batches: tuple[int, ...],
    rounds: int,
) -> Calls:
    calls: Calls = {(one, count, batch): [] for count in counts for batch in batches for one in measured}
    total = timing.WARM_UP + rounds
    with ExitStack() as stack:
        pools = {
            count: stack.enter_context(workers.pool(1, _prepare, bundle, inversion, measured, count, batches))
            for count in counts
        }
        update = stack.enter_context(progress("Measuring", total, "rounds"))
        for number in range(total):
            for count, pool in pools.items():
                for (one, batch), spent in pool.submit(_round, number).result().items():
                    if number >= timing.WARM_UP:
                        calls[one, count, batch].append(spent)
            update(number + 1, total)
    return calls


_watches: "dict[tuple[str, int], timing.Stopwatch]" = {}  # of this process, which measures and does nothing else


def _prepare(bundle: str, inversion: str | None, measured: list[str], threads: int, batches: tuple[int, ...]) -> None:
    import torch

    allocator.tune()
    torch.set_num_threads(threads)
    plain = runtimes.open_instrument(bundle, runtime="torch", inversion=inversion)
    instruments = {one: runtimes.by(one, plain) for one in measured}
    for batch in batches:
        for one in measured:
            _watches[one, batch] = timing.Stopwatch(instruments[one], batch)


def _round(number: int) -> "dict[tuple[str, int], timing.Spent]":
    turns = list(_watches.items())
    if number % 2:  # threads of the one that still spin would else always burden the other
        turns.reverse()
    return {key: watch.note(number) for key, watch in turns}
