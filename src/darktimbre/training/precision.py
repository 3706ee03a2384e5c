"""bfloat16 or float32: forward passes run in bfloat16 only where its convolutions are right on this very machine."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

TOLERANCE = 0.05  # of the result's norm; rounding to bfloat16 changes it by 0.002


class Precision:
    """Opens the precision that forward passes run in: autocast, and float32 once `checked` has found that wrong."""

    def __init__(self, autocast: Callable[[], AbstractContextManager[object]] = nullcontext) -> None:
        self.autocast = autocast

    def __call__(self) -> AbstractContextManager[object]:
        return self.autocast()

    @contextmanager
    def checked(
        self, device: torch.device, mean: Callable[[Tensor], Tensor], say: Callable[[str], None]
    ) -> Iterator[None]:
        """Around the first step of a run and of each of its phases and stages: compares bfloat16 with float32.

        That is, each convolution and each backward pass of one.
        What is wrong is replaced by float32's, so that this step is right in any case.

        Args:
            device: where networks live.
            mean: averages a tensor over all processes, so that they decide alike.
            say: prints a sentence.
        """
        with self():
            bf16 = torch.is_autocast_enabled(device.type)
        if not bf16:
            yield
            return
        with Comparison() as comparison:
            yield
        if mean(torch.tensor(float(bool(comparison.wrong)), device=device)) > 0:
            self.autocast = nullcontext
            found = f" ({comparison.wrong[0]})" if comparison.wrong else ""
            say(f"Convolutions in bfloat16 are wrong on this processor{found}: the run takes float32.")


class Comparison(TorchDispatchMode):
    """Within it, each bfloat16 convolution and its backward pass are computed in float32 too, every shape once.

    Attributes:
        wrong: shapes and settings of those whose results were not near.
    """

    OPERATIONS = (torch.ops.aten.convolution.default, torch.ops.aten.convolution_backward.default)

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self._right: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func not in self.OPERATIONS or args[0].dtype != torch.bfloat16:
            return result
        described = f"{func} of {tree_map_only(Tensor, lambda tensor: tuple(tensor.shape), args)}"
        if described in self._right:
            return result
        exact = func(*tree_map_only(Tensor, Tensor.float, args))
        pairs = zip(tree_leaves(result), tree_leaves(exact), strict=True)
        if all(near(*pair) for pair in pairs if pair[0] is not None):
            self._right.add(described)
            return result
        self.wrong.append(described)
        return tree_map_only(Tensor, Tensor.bfloat16, exact)


def near(narrow: Tensor, exact: Tensor) -> bool:
    """Whether a bfloat16 tensor is the float32 one within rounding; what is not finite is not."""
    return bool((narrow.float() - exact).norm() <= TOLERANCE * exact.norm())
