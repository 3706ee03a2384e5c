"""`darktimbre bench`: how fast an instrument plays here, by runtime, threads and batch, and what the time goes on."""

import json
import os
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from darktimbre.cli.playing import BundleName, Inversion
from darktimbre.notes.errors import UserError

if TYPE_CHECKING:
    from darktimbre.synthesizer.timing import Spent, Stopwatch

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
    real_time_factor: float  # seconds of computing for a second of sound
    notes_per_second: float
    chosen: bool  # what `--runtime auto` plays by with so many threads


@app.callback()
def overview() -> None:
    """Measure how fast an instrument plays here."""


@app.command()
def rtf(
    bundle: BundleName,
    threads: Annotated[str, typer.Option(metavar="N,…", help="Threads that compute.")] = "1,2",
    batch: Annotated[str, typer.Option(metavar="N,…", help="Notes in one call of the network; playing takes 1.")] = (
        "1,8"
    ),
    runtime: Annotated[
        str | None, typer.Option(metavar="torch,onnx", help="Runtimes; by default those installed.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Calls of each; their median is told.")] = 11,
    inversion: Inversion = None,
    keep: Annotated[bool, typer.Option("--keep", help="Let `--runtime auto` go by what is found.")] = False,
    json_: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures to a file.")
    ] = None,
) -> None:
    """The real-time factor: seconds of computing for a second of sound, and where they go.

    Every number of threads has a process of its own; all runtimes and batches take turns, so that whatever else the
    machine does falls on all of them alike.
    """
    from darktimbre.cli import runtime as choosing
    from darktimbre.cli.console import caution, say

    counts, batches = _numbers(threads, "--threads"), _numbers(batch, "--batch")
    instrument = choosing.open_instrument(bundle, runtime="torch", inversion=inversion)
    runtimes = _runtimes(runtime)
    if keep and (len(runtimes) < 2 or 1 not in batches):
        raise UserError(
            "--keep chooses between torch and onnx, note by note: measure both, with a batch of 1 among --batch."
        )
    if "onnx" in runtimes:
        choosing.by_onnx(instrument)  # exported before the clock runs, and any lack of packages told
    too_many = [count for count in counts if count > (os.cpu_count() or count)]
    if too_many:
        caution(f"This machine has {os.cpu_count()} cores: {too_many[-1]} threads will share them.")
    taken = _measured(bundle, inversion, runtimes, counts, batches, rounds)
    cells = cells_of(taken, instrument.seconds, lambda count: choosing.kept_choice(instrument, count))
    if keep:
        for count in counts:
            ms = {one.runtime: one.total_ms for one in cells if (one.threads, one.batch) == (count, 1)}
            choosing.keep_choice(instrument, count, choosing.choice(ms["torch"], ms["onnx"]))
        cells = cells_of(taken, instrument.seconds, lambda count: choosing.kept_choice(instrument, count))
    _print(cells, instrument.seconds)
    say("● is what --runtime auto plays by, or, not asked yet, would by these figures. Medians; RTF by the median.")
    if json_ is not None:
        from darktimbre.audio.atomic import atomic_file

        told: dict[str, Any] = {"bundle": instrument.bundle.digest, "inversion": instrument.codec.config.inversion}
        told |= {"seconds": instrument.seconds, "rounds": rounds}
        with atomic_file(json_) as temporary:
            temporary.write_text(json.dumps({**told, "cells": [asdict(one) for one in cells]}, indent=1))
        say(f"Figures: {json_}")


Taken = dict[tuple[str, int, int], list["Spent"]]  # by runtime, threads, batch


def cells_of(taken: Taken, seconds: float, kept: Any) -> list[Cell]:
    """Rows of the table, in the order of `taken`.

    Args:
        taken: the calls measured.
        seconds: of a note.
        kept: threads → the runtime that `auto` has chosen, or None, where the faster one here counts.
    """
    from darktimbre.cli.runtime import choice
    from darktimbre.synthesizer.timing import median

    medians = {key: median(calls) for key, calls in taken.items()}
    cells = []
    for (runtime, threads, batch), spent in medians.items():
        by = {one: medians[one, threads, 1].total for one in ("torch", "onnx") if (one, threads, 1) in medians}
        auto = kept(threads) or (choice(by["torch"], by["onnx"])["runtime"] if len(by) == 2 else "torch")
        cells.append(
            Cell(
                runtime=runtime,
                threads=threads,
                batch=batch,
                network_ms=1e3 * spent.network,
                inversion_ms=1e3 * spent.inversion,
                total_ms=1e3 * spent.total,
                least_ms=1e3 * min(call.total for call in taken[runtime, threads, batch]),
                real_time_factor=spent.total / seconds,
                notes_per_second=1 / spent.total,
                chosen=batch == 1 and runtime == auto,
            )
        )
    return cells


def _numbers(text: str, option: str) -> list[int]:
    try:
        numbers = sorted({int(part) for part in text.split(",")})
    except ValueError:
        numbers = []
    if not numbers or not 1 <= numbers[0] <= numbers[-1] <= 256:
        raise UserError(f"{option} takes whole numbers from 1 to 256, such as 1,2; not {text!r}.")
    return numbers


def _runtimes(text: str | None) -> list[str]:
    from darktimbre.cli.console import caution
    from darktimbre.synthesizer.runtime import REMEDY, has_onnxruntime

    if text is None:
        if has_onnxruntime():
            return ["torch", "onnx"]
        caution(f"onnxruntime is not installed: torch alone is measured; {REMEDY}.")
        return ["torch"]
    wanted = [part.strip() for part in text.split(",")]
    if set(wanted) == {"auto"}:
        return ["torch", "onnx"]
    unknown = set(wanted) - {"torch", "onnx"}
    if unknown:
        raise UserError(f"--runtime takes torch, onnx or both with a comma, not {text!r}.")
    return [one for one in ("torch", "onnx") if one in wanted]


def _print(cells: list[Cell], seconds: float) -> None:
    from rich.box import SIMPLE
    from rich.table import Table

    from darktimbre.cli.console import console

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


def _measured(
    bundle: str, inversion: str | None, runtimes: list[str], counts: list[int], batches: list[int], rounds: int
) -> Taken:
    from darktimbre.cli.console import progress_bar
    from darktimbre.synthesizer.timing import WARM_UP

    taken: Taken = {(one, count, batch): [] for count in counts for batch in batches for one in runtimes}
    with ExitStack() as stack:
        pools = {
            count: stack.enter_context(
                ProcessPoolExecutor(1, get_context("spawn"), _prepare, (bundle, inversion, runtimes, count, batches))
            )
            for count in counts
        }
        bar = stack.enter_context(progress_bar("rounds"))
        task = bar.add_task("Measuring", total=(WARM_UP + rounds) * len(counts))
        for number in range(WARM_UP + rounds):
            for count, pool in pools.items():
                for (one, batch), spent in pool.submit(_round, number).result().items():
                    if number >= WARM_UP:
                        taken[one, count, batch].append(spent)
                bar.advance(task)
    return taken


_watches: dict[tuple[str, int], "Stopwatch"] = {}  # of this process, which measures and does nothing else


def _prepare(bundle: str, inversion: str | None, runtimes: list[str], threads: int, batches: list[int]) -> None:
    from darktimbre.cli import allocator

    allocator.tune()
    import torch

    from darktimbre.cli.runtime import by_onnx, open_instrument
    from darktimbre.synthesizer.timing import Stopwatch

    torch.set_num_threads(threads)
    plain = open_instrument(bundle, runtime="torch", inversion=inversion)
    instruments = {"torch": plain}
    if "onnx" in runtimes:
        instruments["onnx"] = by_onnx(plain, threads)
    for batch in batches:
        for one in runtimes:
            _watches[one, batch] = Stopwatch(instruments[one], batch)


def _round(number: int) -> dict[tuple[str, int], "Spent"]:
    turns = list(_watches.items())
    if number % 2:  # threads of the one that still spin would else always burden the other
        turns.reverse()
    return {key: watch.note(number) for key, watch in turns}
