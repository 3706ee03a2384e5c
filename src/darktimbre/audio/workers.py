"""Worker processes: pools whose workers end with the process that started them, however that one went."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

_LOOK_EVERY = 1.0  # s


def pool(workers: int, begin: Callable[..., object] | None = None, *arguments: Any) -> ProcessPoolExecutor:
    """So many processes, started anew, that leave Ctrl-C to this one and end with it.

    Args:
        workers: how many.
        begin: is called with `arguments` in each of them first.
    """
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin, (begin, arguments))


def end_with_parent() -> None:
    """From now on this process ends within a second or two after the one that started it, also where that was killed.

    Python's own pools notice it only while they wait for work, and not always then.
    """
    threading.Thread(target=_watch, args=(multiprocessing.parent_process(), os.getppid()), daemon=True).start()


def _watch(parent: Any, number: int) -> None:
    if parent is not None:
        parent.join()
    while parent is None and os.getppid() == number:
        time.sleep(_LOOK_EVERY)
    os._exit(1)


def _begin(begin: Callable[..., object] | None, arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    end_with_parent()
    if begin is not None:
        begin(*arguments)
