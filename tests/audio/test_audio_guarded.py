"""Whatever a decoder does to its process, every item gets its outcome, in order, and the run goes on."""

import ctypes
import os
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from darktimbre.audio.guarded import guarded_map
from darktimbre.notes.errors import UserError


def behave(how: str) -> str:
    """A decoder that does what its file says."""
    if how.startswith("exit"):
        os._exit(7)
    if how == "segfault":
        ctypes.string_at(0)
    if how == "hang":
        time.sleep(600)
    if how == "memory":
        np.ones(1 << 40, dtype=np.uint8)
    if how == "refuse":
        raise UserError("not a sound")
    if how == "bug":
        raise KeyError("odd")
    if how == "print":
        print("chatter on standard output")  # must not spoil the answers
        os.write(1, b"more of it")
    return how.upper()


REASONS = {
    "exit": "the decoder crashed (exit status 7)",
    "segfault": "the decoder crashed (SIGSEGV)",
    "hang": "took longer than 1 s to decode",
    "memory": "needs more than 2 GiB of memory to decode",
    "refuse": "not a sound",
    "bug": "cannot be decoded: KeyError: 'odd'",
}


def test_every_failure_costs_its_own_item_alone() -> None:
    items = []
    for number, how in enumerate(["exit", "segfault", "hang", "memory", "refuse", "bug", "print"]):
        items += [f"good{number}", how, f"fine{number}"]
    outcomes = list(guarded_map(behave, items, workers=2, seconds=1.0))
    assert [outcome.item for outcome in outcomes] == items
    for outcome in outcomes:
        expected = REASONS.get(outcome.item)
        assert outcome.reason == expected
        assert outcome.value == (None if expected else outcome.item.upper())


def test_a_run_of_crashing_items_loses_none() -> None:
    items = ["exit1", "exit2", "exit3", "good"]
    outcomes = list(guarded_map(behave, items, workers=1))
    assert [outcome.reason is None for outcome in outcomes] == [False, False, False, True]


def test_many_items_stay_in_order_and_are_read_only_a_little_ahead() -> None:
    read = 0

    def items():
        nonlocal read
        for number in range(2000):
            read += 1
            yield f"n{number}"

    run = guarded_map(behave, items(), workers=2)
    first = next(run)
    assert first.value == "N0"
    assert read < 200
    assert [outcome.value for outcome in run] == [f"N{number}" for number in range(1, 2000)]


def test_nothing_to_do() -> None:
    assert list(guarded_map(behave, [])) == []


def sleep_and_tell(seconds: float, folder: str) -> None:
    Path(folder, str(os.getpid())).touch()
    time.sleep(seconds)


def test_leaving_early_leaves_no_process_behind(tmp_path: Path) -> None:
    run = guarded_map(partial(sleep_and_tell, folder=str(tmp_path)), [0.0, 60.0, 60.0], workers=2)
    next(run)
    run.close()
    for worker in tmp_path.iterdir():
        with pytest.raises(ProcessLookupError):
            os.kill(int(worker.name), 0)


def test_a_task_that_workers_cannot_import_is_reported_at_once() -> None:
    with pytest.raises(RuntimeError, match="cannot start"):
        list(guarded_map(_UNFINDABLE, [1]))


class _Unfindable:
    """Pickles as a name that no worker can import."""

    def __call__(self, item: int) -> int:
        return item

    def __reduce__(self):
        return (_import_nothing, ())


def _import_nothing() -> None:
    raise ImportError("no such decoder")


_UNFINDABLE = _Unfindable()
