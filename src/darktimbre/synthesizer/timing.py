"""Synthesizer → seconds of computing for a note, and where they go: network, inversion of the picture, the rest."""

import copy
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from darktimbre.synthesizer.synthesizer import Synthesizer

WARM_UP = 2  # calls before the clock counts: first calls allocate, and choose algorithms


class Spent(NamedTuple):
    """Seconds for one note; `total` also holds what is neither: drawing the latent, carrying arrays, the edges.

    `encoding`, of an instrument that encodes, is what placing a sound in its latent space takes, which is no part of
    `total`.
    """

    total: float
    network: float
    inversion: float
    encoding: float = 0.0


class Stopwatch:
    """Renders notes through an instrument's own `render`, and measures where the seconds of each call went.

    An accelerator is waited for at every look at the clock. The instrument stays as it was: a copy is what is timed.
    """

    def __init__(self, synthesizer: Synthesizer, batch: int = 1) -> None:
        """`batch`: notes in one call of the network, also on a CPU, where playing takes one at a time."""
        self._clock = _Clock(synthesizer.device)
        self._timed = timed = copy.copy(synthesizer)
        self.batch = timed.block = batch
        self._noise = np.random.default_rng(0).uniform(-1, 1, (batch, synthesizer.samples))
        codec = copy.copy(synthesizer.codec)
        setattr(codec, "decode", self._clock.timed("inversion", codec.decode))  # noqa: B010 (of this copy alone)
        setattr(timed, "codec", codec)  # noqa: B010
        setattr(timed, "network", self._clock.timed("network", synthesizer.network))  # noqa: B010

    def note(self, seed: int) -> Spent:
        """Seconds for a note, of one call that makes `batch` of them."""
        self._clock.spent = {"network": 0.0, "inversion": 0.0}
        seeds = seed if self.batch == 1 else range(seed, seed + self.batch)
        start = self._clock.now()
        self._timed.render(seed=seeds, batch_size=self.batch)
        rendered = self._clock.now()
        if self._timed.encodes:
            self._timed.encode(self._noise, batch_size=self.batch)
        encoding = self._clock.now() - rendered if self._timed.encodes else 0.0
        spent = (rendered - start, *self._clock.spent.values(), encoding)
        return Spent(*(seconds / self.batch for seconds in spent))


def measure(synthesizer: Synthesizer, repeats: int = 30, batch: int = 1) -> Spent:
    """The median call of `repeats` after a warm-up, `batch` notes each; its parts are those of that very call, so that
    they add up."""
    watch = Stopwatch(synthesizer, batch)
    return median([watch.note(seed) for seed in range(WARM_UP + max(1, repeats))][WARM_UP:])


def median(calls: list[Spent]) -> Spent:
    """The call of median length (of two in the middle the shorter)."""
    return sorted(calls)[(len(calls) - 1) // 2]


class _Clock:
    """Adds up seconds by what they were spent on."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.spent: dict[str, float] = {}

    def now(self) -> float:
        """Seconds, once the device has done all its work."""
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
