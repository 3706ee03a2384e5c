"""Decoding hostile files: the work is done by processes that may crash, hang or run out of memory without harm."""

import contextlib
import importlib
import itertools
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from darktimbre.audio.workers import end_with_parent
from darktimbre.notes.errors import UserError

Item = TypeVar("Item")
Value = TypeVar("Value")

SECONDS = 30.0  # for one file
MEMORY = 2 << 30  # bytes of address space of one worker
_START_SECONDS = 120.0  # for a worker's imports, on a machine that is busy
_BATCH = 8  # files in one message
_AHEAD = 4  # batches in flight for each worker: bounds what waits for a slow file in front

_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
)  # one each: there are as many workers as cores


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Item, Value]):
    """What became of one item: `value` where it went well, else the `reason` why not."""

    item: Item
    value: Value | None = None
    reason: str | None = None


def processors() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def guarded_map(
    task: Callable[[Item], Value],
    items: Iterable[Item],
    *,
    workers: int | None = None,
    seconds: float = SECONDS,
    memory: int = MEMORY,
) -> Iterator[Outcome[Item, Value]]:
    """`map(task, items)` in worker processes, in order, one outcome for each item whatever happens to it.

    A worker that dies or takes too long costs the item it was busy with; a new one goes on with the next. `items` is
    read in this process, only as far ahead as keeps the workers busy.

    Args:
        task: picklable, importable by name (or a `functools.partial` of such a function). `UserError` is its way to
            refuse an item; its message becomes the reason.
        items: picklable.
        workers: processes; as many as there are processors by default.
        seconds: for one item.
        memory: bytes of address space of one worker, where the system can limit it.

    Raises:
        RuntimeError: a worker cannot even start.
    """
    count = workers or processors()
    results: dict[int, Outcome[Item, Value]] = {}
    ready = threading.Condition()
    todo: queue.SimpleQueue[tuple[int, list[Any]] | None] = queue.SimpleQueue()
    setup = pickle.dumps((task, memory, seconds))

    def deliver(index: int, outcome: Outcome[Item, Value]) -> None:
        with ready:
            results[index] = outcome
            ready.notify()

    lanes = [_Lane(setup, seconds, todo, deliver) for _ in range(count)]
    try:
        source = iter(items)
        sent = taken = 0
        exhausted = False
        while True:
            while not exhausted and sent - taken < count * _BATCH * _AHEAD:
                batch = list(itertools.islice(source, _BATCH))
                exhausted = len(batch) < _BATCH
                if batch:
                    todo.put((sent, batch))
                    sent += len(batch)
                    for lane in lanes[: -(-sent // _BATCH)]:  # no more processes than there is work for
                        lane.start()
            if taken == sent and exhausted:
                return
            with ready:
                if taken not in results:
                    ready.wait(timeout=0.1)
                outcome = results.pop(taken, None)
            for lane in lanes:
                lane.watch()
            if outcome is not None:
                taken += 1
                yield outcome
    finally:
        for lane in lanes:
            lane.kill()
        for _ in lanes:  # any lane may take any of these, so all must be there before one is waited for
            todo.put(None)
        for lane in lanes:
            lane.join()


class _Lane:
    """A thread that keeps one worker process busy, and replaces it when it is lost."""

    def __init__(
        self,
        setup: bytes,
        seconds: float,
        todo: "queue.SimpleQueue[tuple[int, list[Any]] | None]",
        deliver: Callable[[int, Outcome[Any, Any]], None],
    ) -> None:
        self._setup, self._seconds, self._todo, self._deliver = setup, seconds, todo, deliver
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._deadline = float("inf")
        self._late = self._stopped = False
        self._failure: str | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        if not self._thread.ident:
            self._thread.start()

    def watch(self) -> None:
        """Kills the worker when its item takes too long; reports a worker that cannot start."""
        if self._failure:
            raise RuntimeError(f"The processes that decode sounds cannot start: {self._failure}")
        with self._lock:
            if time.monotonic() > self._deadline and self._process is not None:
                self._late = True
                self._process.kill()
                self._deadline = float("inf")

    def kill(self) -> None:
        with self._lock:
            self._stopped = True
            if self._process is not None:
                self._process.kill()

    def join(self) -> None:
        if self._thread.ident:
            self._thread.join()

    def _run(self) -> None:
        try:
            while (job := self._todo.get()) is not None and not self._stopped:
                index, items = job
                while items and not self._stopped:
                    done = self._work(index, items)
                    index, items = index + done, items[done:]
        except Exception as error:  # reported by `watch`, in the thread of the caller
            self._failure = f"{type(error).__name__}: {error}"
        finally:
            self._end_worker()

    def _work(self, index: int, items: list[Any]) -> int:
        """Has the worker go through `items`; returns how many are settled: all, or those up to the one it died of."""
        if self._process is None:
            self._launch()
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            return 0  # stopped meanwhile
        try:
            pickle.dump(items, process.stdin, protocol=5)
            process.stdin.flush()
        except OSError:
            pass  # it died between two messages; reading will show it
        for position, item in enumerate(items):
            self._expect(self._seconds)
            try:
                value, reason = pickle.load(process.stdout)
            except (EOFError, pickle.UnpicklingError, OSError):
                if not self._stopped:
                    self._deliver(index + position, Outcome(item, reason=self._end_worker()))
                return position + 1
            finally:
                self._expect(float("inf"))
            self._deliver(index + position, Outcome(item, value, reason))
        return len(items)

    def _launch(self) -> None:
        environment = {**os.environ, **dict.fromkeys(_THREADS, "1")}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        with self._lock:
            if self._stopped:
                return
            # Not multiprocessing: it would run the caller's main script again in every worker.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", f"from {__name__} import _serve; _serve()"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment,
            )  # fmt: skip
            self._late = False
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("no pipes")
        self._expect(_START_SECONDS)
        try:
            stdin.write(self._setup)
            stdin.flush()
            failure = pickle.load(stdout)
        except (EOFError, OSError, pickle.UnpicklingError):
            failure = None if self._stopped else self._end_worker()
        self._expect(float("inf"))
        if failure:
            raise RuntimeError(failure)

    def _expect(self, seconds: float) -> None:
        with self._lock:
            self._deadline = time.monotonic() + seconds

    def _end_worker(self) -> str:
        """Ends the worker, if there is one, and says what it died of."""
        with self._lock:
            process, self._process = self._process, None
            late, self._deadline = self._late, float("inf")
        if process is None:
            return "the decoder is gone"
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):  # unsent bytes of a broken pipe
                if pipe is not None:
                    pipe.close()
        try:
            status = process.wait(timeout=5)  # its answers have ended: it is dying, and its own status is the reason
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        if late or (hasattr(signal, "SIGALRM") and status == -signal.SIGALRM):
            return f"took longer than {self._seconds:g} s to decode"
        if status < 0:
            return f"the decoder crashed ({signal.Signals(-status).name})"
        return f"the decoder crashed (exit status {status})"


def _serve() -> None:
    """The life of a worker: a greeting, then batches of items until the pipe closes."""
    source, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # decoders chatter; the pipe is for answers only
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then closes the pipe
    end_with_parent()
    try:
        task, memory, seconds = pickle.load(source)
        _limit(memory)
    except Exception as error:
        pickle.dump(f"{type(error).__name__}: {error}", answers)
        answers.flush()
        return
    pickle.dump(None, answers)
    answers.flush()
    while True:
        try:
            items = pickle.load(source)
        except EOFError:
            return
        for item in items:
            _alarm(seconds)
            pickle.dump(_attempt(task, item, memory), answers, protocol=5)
            answers.flush()
        _alarm(0)


def _attempt(task: Callable[[Any], Any], item: Any, memory: int) -> tuple[Any, str | None]:
    try:
        return task(item), None
    except UserError as error:
        return None, str(error)
    except MemoryError:
        return None, f"needs more than {memory / 2**30:.3g} GiB of memory to decode"
    except Exception as error:
        return None, f"cannot be decoded: {type(error).__name__}: {error}"


def _limit(memory: int) -> None:
    try:
        resource = importlib.import_module("resource")
    except ImportError:
        return  # not a Unix; the clock still guards
    for kind, limit in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_AS, memory)):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (limit, resource.getrlimit(kind)[1]))


def _alarm(seconds: float) -> None:
    # A second clock, in case the parent is stopped and does not kill a worker that hangs.
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 2 * seconds)
