"""Notes side by side: a block of sounds is made and heard in several threads, each computing alone.

Torch would split every operation of a single note among its threads instead. Those of small networks are too short for
that, and on a busy processor the threads then mostly wait for one another. Whole notes need no waiting, and what comes
out has the same bits with any number of threads.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Found = TypeVar("Found")


def side_by_side(work: Callable[[int, int], Found], count: int, portion: int) -> list[Found]:
    """`work(first, stop)` of consecutive stretches of `count` notes, `portion` long (the last may be shorter).

    As many run at once as torch may use threads; within them torch uses one. Modes of torch that hold for a thread
    (`inference_mode`) have to be entered by `work`.
    """
    firsts = range(0, count, portion)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        # A new thread would begin with the machine's number of threads, not with the caller's: hence the initializer.
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(lambda first: work(first, min(first + portion, count)), firsts))
    finally:
        torch.set_num_threads(threads)
