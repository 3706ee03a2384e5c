"""Notes in parallel: a batch of sounds is rendered and described in several threads, each computing on its own.

By default torch splits every operation of a single note among its threads. Operations of small networks are too short
for that, and on a busy processor the threads then mostly wait for one another. Whole notes need no waiting, and the
results have the same bits with any number of threads.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Result = TypeVar("Result")


def in_parallel(work: Callable[[int, int], Result], count: int, portion: int) -> list[Result]:
    """`work(first, stop)` of consecutive ranges of `count` notes, `portion` long (the last may be shorter).

    As many run at once as torch may use threads; within them torch uses one. Thread-local modes of torch
    (`inference_mode`) have to be entered by `work`.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        # A new thread starts with the machine's number of threads, not with the caller's: hence the initializer.
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(lambda first: work(first, min(first + portion, count)), range(0, count, portion)))
    finally:
        torch.set_num_threads(threads)
