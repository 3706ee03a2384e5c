"""What a step knows of the machine: device, this process's slice of a batch, precision, how processes agree."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from darktimbre.training.precision import Precision


def _same(tensor: Tensor) -> Tensor:
    """The mean over one process."""
    return tensor


@dataclass(frozen=True, slots=True)
class DistributedContext:
    """One process's view of the machine.

    Attributes:
        device: where networks and batches live.
        rank: number of this process among `world`.
        world: number of processes.
        autocast: opens the precision that forward passes run in.
        mean: averages a tensor over all processes.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    rank: int = 0
    world: int = 1
    autocast: Precision = field(default_factory=Precision)
    mean: Callable[[Tensor], Tensor] = _same

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


def computes_bf16(device: torch.device) -> bool:
    """Whether the processor multiplies bfloat16 natively, where it is faster than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        probes = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
        return any(bool(probe()) for probe in probes if probe is not None)
    return False
