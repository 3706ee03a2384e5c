"""What a step knows of the machine: device, this process's slice of a batch, precision, how processes agree."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
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

        That is, each convolution and each backward pass of one. What is wrong is replaced by float32's, so that this
        step is right in any case; `mean` averages over all processes, so that they decide alike.
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
    """Within it, each bfloat16 convolution and its backward pass are computed in float32 too, every shape once."""

    OPERATIONS = (torch.ops.aten.convolution.default, torch.ops.aten.convolution_backward.default)

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []  # shapes and settings of those whose results were not near
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


# ----------------------------------------------------------------------------
# Processes


def _same(tensor: Tensor) -> Tensor:
    """The mean over one process."""
    return tensor


@dataclass(frozen=True, slots=True)
class DistributedContext:
    """One process's view of the machine."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))  # where networks and batches live
    rank: int = 0  # number of this process among `world`
    world: int = 1  # number of processes
    autocast: Precision = field(default_factory=Precision)  # opens the precision that forward passes run in
    mean: Callable[[Tensor], Tensor] = _same  # averages a tensor over all processes

    def rank_slice(self, batch: int) -> slice:
        """This process's consecutive part of a global batch, which divides by `world` (checked before a run starts).

        Consecutive, so that the groups of four notes of the minibatch standard deviation stay together: where a
        process's part is a multiple of four, several processes compute exactly what one would.
        """
        part = batch // self.world
        return slice(self.rank * part, (self.rank + 1) * part)

    def average_gradients(self, module: nn.Module) -> None:
        """Replaces each gradient by its mean over the processes, in one message.

        With equal parts, the mean of the processes' mean losses is the mean over the global batch, so this is all that
        data-parallel training needs; a wrapper around the modules would have to know of the double backward of the
        gradient penalty and of networks that sit out a step.
        """
        self.average([parameter.grad for parameter in module.parameters() if parameter.grad is not None])

    def average(self, tensors: list[Tensor]) -> None:
        """Replaces each tensor by its mean over the processes, in one message."""
        if self.world == 1 or not tensors:
            return
        flat = self.mean(torch.cat([tensor.flatten() for tensor in tensors]))
        for tensor, mean in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(mean.view_as(tensor))

    @property
    def rng_devices(self) -> list[torch.device]:
        """What `torch.random.fork_rng` keeps beside the CPU's generator."""
        return [self.device] if self.device.type == "cuda" else []
