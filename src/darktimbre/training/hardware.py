"""What the steps are told about the machine: device, share of a batch, precision, how processes agree."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from darktimbre.training.batches import Share
from darktimbre.training.precision import Precision


def itself(tensor: Tensor) -> Tensor:
    """The mean over one process."""
    return tensor


@dataclass(frozen=True, slots=True)
class Hardware:
    """One process's view of the machine.

    Attributes:
        device: where networks and pictures live.
        share: which part of each batch is this process's.
        computing: opens the precision that forward passes run in.
        mean: averages a tensor over all processes.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    share: Share = field(default_factory=Share)
    computing: Precision = field(default_factory=Precision)
    mean: Callable[[Tensor], Tensor] = itself

    def average_gradients(self, module: nn.Module) -> None:
        """Replaces each gradient by its mean over the processes, in one message.

        With equal shares, the mean of the processes' mean losses is the mean over the global batch, so this is all that
        data-parallel training needs; a wrapper around the modules would have to be told about the double backward of
        the gradient penalty and about networks that sit out a turn.
        """
        if self.share.world == 1:
            return
        gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
        if not gradients:
            return
        flat = self.mean(torch.cat([gradient.flatten() for gradient in gradients]))
        for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))


def computes_bf16(device: torch.device) -> bool:
    """Whether the processor multiplies bfloat16 natively, where it is faster than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        asks = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
        return any(bool(ask()) for ask in asks if ask is not None)
    return False
