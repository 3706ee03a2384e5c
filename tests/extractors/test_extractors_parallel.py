"""Notes side by side: all of them, in order, as many at once as torch has threads, each alone, and all put back."""

import threading

import pytest
import torch

from darktimbre.extractors.parallel import in_parallel


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest) -> int:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_ranges_come_back_in_order_and_cover_everything(threads: int) -> None:
    assert in_parallel(lambda first, stop: (first, stop), 10, 4) == [(0, 4), (4, 8), (8, 10)]
    assert in_parallel(lambda first, stop: (first, stop), 4, 9) == [(0, 4)]


def test_as_many_run_at_once_as_torch_has_threads_and_each_computes_alone(threads: int) -> None:
    together = threading.Barrier(threads, timeout=20)  # passed only by so many at once

    def work(first: int, stop: int) -> int:
        together.wait()
        return torch.get_num_threads()

    assert in_parallel(work, 2 * threads, 1) == [1] * 2 * threads
    assert torch.get_num_threads() == threads


def test_an_error_reaches_the_caller_and_the_threads_are_put_back(threads: int) -> None:
    def work(first: int, stop: int) -> int:
        raise ValueError(f"note {first}")

    with pytest.raises(ValueError, match="note 0"):
        in_parallel(work, 6, 2)
    assert torch.get_num_threads() == threads
