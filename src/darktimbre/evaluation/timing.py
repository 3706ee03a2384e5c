"""Synthesizer → seconds of computing for a note, and where they go: network, inversion of the picture, the rest."""

import copy
import time
from collections.abc import Callable

import torch

from darktimbre.evaluation.results import Timing
from darktimbre.synthesizer.synthesizer import Synthesizer

WARM_UP = 2  # notes before the clock counts: first calls allocate, and choose algorithms


def measure(synthesizer: Synthesizer, repeats: int = 30) -> Timing:
    """Renders one note after another and looks at the clock; an accelerator is waited for at every look.

    The whole is the median over the notes, and its parts are those of the note that has it, so that network, inversion
    and the rest (drawing the latent, carrying arrays to the device and back, the note's edges) add up to it.

    Args:
        synthesizer: the instrument; its own network and codec are what is timed, by its own `render`.
        repeats: notes that count.
    """
    clock = _Clock(synthesizer.device)
    timed = copy.copy(synthesizer)
    codec = copy.copy(synthesizer.codec)
    setattr(codec, "decode", clock.timed("inversion", codec.decode))  # noqa: B010 (a method of this copy alone)
    setattr(timed, "codec", codec)  # noqa: B010
    setattr(timed, "network", clock.timed("network", synthesizer.network))  # noqa: B010
    runs: list[tuple[float, float, float]] = []
    for seed in range(WARM_UP + max(1, repeats)):
        clock.spent = {"network": 0.0, "inversion": 0.0}
        start = clock.now()
        timed.render(seed=seed, batch_size=1)
        runs.append((clock.now() - start, clock.spent["network"], clock.spent["inversion"]))
    counted = sorted(runs[WARM_UP:])
    total, network, inversion = counted[(len(counted) - 1) // 2]
    return Timing(
        total=total,
        network=network,
        inversion=inversion,
        sound=synthesizer.seconds,
        threads=torch.get_num_threads(),
        device=_name(synthesizer.device),
    )


class _Clock:
    """Adds up seconds by what they were spent on."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.spent: dict[str, float] = {}

    def now(self) -> float:
        """Seconds, once the device has done all it was told."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        elif self.device.type == "mps":
            torch.mps.synchronize()
        return time.perf_counter()

    def timed(self, what: str, function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        """The same function, its seconds added to `spent[what]`."""

        def inner(*arguments: torch.Tensor) -> torch.Tensor:
            start = self.now()
            answer = function(*arguments)
            self.spent[what] += self.now() - start
            return answer

        return inner


def _name(device: torch.device) -> str:
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)
