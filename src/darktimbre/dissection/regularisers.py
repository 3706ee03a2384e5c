"""What an input should not be: objectives that are subtracted, `goal - 0.1 * total_variation()`.

Each is read off an image, or off the magnitudes of a sound's picture, as the network sees it; `l2` off what is written.
A learned prior is `objectives.critic_score`, which is added.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from darktimbre.dissection.objectives import Objective
from darktimbre.dissection.subject import Seen
from darktimbre.dissection.transforms import bilateral, blurred


def maps_of_input(seen: Seen) -> Tensor:
    """`(row, map, height, width)`: the image, or the magnitudes of the picture of a sound."""
    if seen.subject.takes == "image" or seen.subject.makes == "image":
        return seen.form("image")
    return seen.form("picture")[:, :1]


def _mean(numbers: Tensor) -> Tensor:
    return numbers.flatten(1).mean(1)


@dataclass(frozen=True, repr=False)
class total_variation(Objective):
    """The mean absolute difference of neighbours, down plus across (Rudin et al. 1992)."""

    def __call__(self, seen: Seen) -> Tensor:
        maps = maps_of_input(seen)
        return _mean(maps.diff(dim=2).abs()) + _mean(maps.diff(dim=3).abs())


@dataclass(frozen=True, repr=False)
class high_frequency(Objective):
    """The mean power of all that varies faster than this share of the Nyquist frequency."""

    above: float = 0.5

    def __call__(self, seen: Seen) -> Tensor:
        maps = maps_of_input(seen)
        height, width = maps.shape[2:]
        down, across = torch.fft.fftfreq(height, 0.5)[:, None], torch.fft.fftfreq(width, 0.5)
        fast = (torch.maximum(down.abs(), across.abs()) > self.above).to(maps)
        spectrum = torch.fft.fft2(maps, norm="ortho")
        return _mean(fast * (spectrum.real.square() + spectrum.imag.square()))


@dataclass(frozen=True, repr=False)
class unlike_blurred(Objective):
    """The mean squared distance to its own blur of so many pixels."""

    sigma: float = 1.0

    def __call__(self, seen: Seen) -> Tensor:
        maps = maps_of_input(seen)
        return _mean((maps - blurred(maps, self.sigma)).square())


@dataclass(frozen=True, repr=False)
class unlike_bilateral(Objective):
    """The same for bilateral filtering, which lets edges be."""

    space: float = 1.0
    values: float = 0.2

    def __call__(self, seen: Seen) -> Tensor:
        maps = maps_of_input(seen)
        return _mean((maps - bilateral(maps, self.space, self.values)).square())


@dataclass(frozen=True, repr=False)
class l2(Objective):
    """The mean square of the input as it is written; of an image, of its distance from grey."""

    def __call__(self, seen: Seen) -> Tensor:
        return _mean((seen.written - (0.5 if seen.kind == "image" else 0.0)).square())
