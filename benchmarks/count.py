"""How many multiplications a piece of work asks for, counted without doing it (on torch's "meta" device)."""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class _Counting(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        count = flop_registry.get(func._overloadpacket)
        if count is not None:
            self.flops += count(*args, **(kwargs or {}), out_val=out)
        return out


def operations(prepare: Callable[[], Callable[[], Any]]) -> float:
    """Multiply-accumulates, in 1e9, of the matrix products and convolutions in the work that `prepare` returns."""
    with torch.device("meta"):
        work = prepare()
        with _Counting() as counting:
            work()
    return counting.flops / 2e9
