"""How an input is written: modules whose parameters are what is optimised, and whose output is the input.

A parametrisation changes the way, not the goal: steps are steepest in its own coordinates (Olah et al. 2017).
"""

import math
from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from darktimbre.dissection.subject import Kind, Subject, generator_of
from darktimbre.synthesizer.synthesizer import Synthesizer


class Parametrisation(nn.Module):
    """Some rows of an input, each written by numbers of its own.

    `forward()` gives them, `(row, …)`, of the kind `kind`. `subject`: what they are an input of, where that is clear.
    """

    kind: ClassVar[Kind]
    level: float = 0.01  # deviation of the first values

    def __init__(self, rows: int, subject: Subject | None = None) -> None:
        super().__init__()
        self.rows, self.subject = rows, subject

    def start(self, generator: torch.Generator) -> None:
        """Draws the first values of its parameters."""
        for parameter in self.parameters():
            parameter.data.normal_(0, self.level, generator=generator)

    def project(self, generator: torch.Generator) -> None:
        """What is done after each step, without gradients: by default nothing."""

    def condition(self) -> Tensor | None:
        """What a generator is conditioned on `(row, size)`, where the input is a latent."""
        return None


class Latent(Parametrisation):
    """A latent of an instrument, kept on the sphere where most of N(0, 1)'s mass lies: ‖z‖ = √size."""

    kind, level = "latent", 1.0

    def __init__(
        self, instrument: Synthesizer, pitch: float | None = None, attributes: Mapping[str, float] | None = None,
        rows: int = 1, *, subject: Subject | None = None, sphere: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(rows, subject or generator_of(instrument))
        self.sphere = sphere
        self.latent = nn.Parameter(torch.zeros(rows, instrument.latent_size))
        condition, _ = instrument.controls.fill(pitch, attributes, list(range(rows)), None)
        trained = condition[:, : instrument.attributes.size]  # amounts of kept edits are none of the network's inputs
        self.register_buffer("conditioned", torch.from_numpy(trained).clone())

    def start(self, generator: torch.Generator) -> None:
        super().start(generator)
        self.project(generator)

    @torch.no_grad()
    def project(self, generator: torch.Generator) -> None:
        if self.sphere:
            size = self.latent.shape[1]
            self.latent.mul_(math.sqrt(size) / self.latent.norm(dim=1, keepdim=True).clamp(min=1e-6))

    def condition(self) -> Tensor | None:
        return self.get_buffer("conditioned")

    def forward(self) -> Tensor:
        return self.latent


class Wave(Parametrisation):
    """A wave as it is, sample by sample, through the codec where a picture is wanted."""

    kind = "wave"

    def __init__(self, samples: int, rows: int = 1, *, subject: Subject | None = None, level: float = 0.01) -> None:
        super().__init__(rows, subject)
        self.level = level
        self.wave = nn.Parameter(torch.zeros(rows, samples))

    def forward(self) -> Tensor:
        return self.wave


class Condition(Latent):
    """The attributes that an instrument is conditioned on, between 0 and 1; the latent is drawn and stays."""

    def __init__(
        self, instrument: Synthesizer, pitch: float | None = None, rows: int = 1, *, subject: Subject | None = None
    ) -> None:
        super().__init__(instrument, pitch, None, rows, subject=subject)
        self.latent.requires_grad_(False)
        self.first = len(instrument.attributes.pitches)
        soft = self.get_buffer("conditioned")[:, self.first :]
        self.register_buffer("begin", torch.logit(soft, eps=1e-3))
        self.soft = nn.Parameter(self.get_buffer("begin").clone())

    def start(self, generator: torch.Generator) -> None:
        super().start(generator)
        super().project(generator)
        self.soft.data.mul_(0.1).add_(self.get_buffer("begin"))

    def project(self, generator: torch.Generator) -> None:
        """The latent stays; attributes are bounded by how they are written."""

    def condition(self) -> Tensor:
        pitch = self.get_buffer("conditioned")[:, : self.first]
        return torch.cat([pitch, torch.sigmoid(self.soft)], 1)


class Picture(Parametrisation):
    """The picture of a sound, log-magnitude and (where the codec has it) frequency, within ±1.

    Where it is quiet a frequency means nothing, so its gradient counts as much as there is magnitude.
    """

    kind, level = "picture", 0.05

    def __init__(self, instrument: Synthesizer, rows: int = 1, *, subject: Subject | None = None) -> None:
        super().__init__(rows, subject)
        self.maps = nn.Parameter(torch.zeros(rows, *instrument.codec.shape))

    def start(self, generator: torch.Generator) -> None:
        super().start(generator)
        self.maps.data[:, 0] -= 0.6  # quiet: about −0.54 of ±1

    def forward(self) -> Tensor:
        bounded = torch.tanh(self.maps)
        magnitude, frequency = bounded[:, :1], bounded[:, 1:]
        loud = ((1 + magnitude.detach()) / 2).square()
        return torch.cat([magnitude, loud * frequency + (1 - loud) * frequency.detach()], 1)


# What uncorrelated numbers are multiplied by to be red, green and blue: a root of the covariance of ImageNet's colours,
# the numbers of lucid (Olah et al. 2017, Apache-2.0), its longest column of length 1.
COLOURS = ((0.5628, 0.1948, 0.0433), (0.5844, 0.0, -0.1082), (0.5844, -0.1948, 0.0649))


class Pixels(Parametrisation):
    """An image pixel by pixel, through a sigmoid.

    `between`: a filter `(maps, …) → maps` of the unbounded image after each step, such as `blurred` by a little.
    """

    kind = "image"

    def __init__(
        self, size: tuple[int, int, int] = (3, 224, 224), rows: int = 1, *, subject: Subject | None = None,
        between: Callable[[Tensor], Tensor] | None = None, colour: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(rows, subject)
        self.between, self.colour = between, colour
        self.maps = nn.Parameter(torch.zeros(rows, *size))

    @torch.no_grad()
    def project(self, generator: torch.Generator) -> None:
        if self.between is not None:
            self.maps.copy_(self.between(self.maps))

    def forward(self) -> Tensor:
        return torch.sigmoid(coloured(self.maps) if self.colour else self.maps)


class Fourier(Parametrisation):
    """An image by its spectrum, slow waves weighing 1/f^decay more than fast ones, in uncorrelated colours.

    Natural images have such spectra, so that Adam's equal steps change large shapes as easily as fine ones (Olah et
    al. 2017, *Preconditioning and parameterization*). `decay` 0 is white, 1 as lucid has it.
    """

    kind = "image"

    def __init__(
        self, size: tuple[int, int, int] = (3, 224, 224), rows: int = 1, *, subject: Subject | None = None,
        decay: float = 1.0, colour: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(rows, subject)
        self.size, self.colour = size, colour
        channels, height, width = size
        self.spectrum = nn.Parameter(torch.zeros(rows, channels, height, width // 2 + 1, 2))
        waves = frequencies(height, width) * max(height, width)  # of the picture's length
        self.register_buffer("scale", 0.25 * max(height, width) * waves.clamp(min=1) ** -decay)

    def forward(self) -> Tensor:
        scaled = torch.view_as_complex(self.spectrum) * self.get_buffer("scale")
        maps = torch.fft.irfft2(scaled, s=self.size[1:], norm="ortho")
        return torch.sigmoid(coloured(maps) if self.colour else maps)


class Phases(Parametrisation):
    """An image of a fixed magnitude spectrum, of which only the phases are free (Fel et al. 2023, MACO).

    `magnitudes` `(channel, height, width // 2 + 1)`: of natural images, see `magnitudes_of`; nothing can be gained by
    more of the fast waves that make adversarial noise.
    """

    kind = "image"

    def __init__(self, magnitudes: Tensor, width: int, rows: int = 1, *, subject: Subject | None = None) -> None:
        super().__init__(rows, subject)
        self.size = (magnitudes.shape[1], width)
        self.register_buffer("magnitudes", magnitudes.clone())
        self.phases = nn.Parameter(torch.zeros(rows, *magnitudes.shape))

    def start(self, generator: torch.Generator) -> None:
        self.phases.data.uniform_(-math.pi, math.pi, generator=generator)

    def forward(self) -> Tensor:
        spectrum = torch.polar(self.get_buffer("magnitudes").expand_as(self.phases), self.phases)
        maps = torch.fft.irfft2(spectrum, s=self.size, norm="ortho")
        return torch.sigmoid(4 * maps)


def coloured(maps: Tensor) -> Tensor:
    """Uncorrelated maps `(row, 3, …)` as colours that vary together as those of photographs; one map stays as it is."""
    return torch.einsum("oc,rchw->rohw", maps.new_tensor(COLOURS), maps) if maps.shape[1] == 3 else maps


def frequencies(height: int, width: int) -> Tensor:
    """`(height, width // 2 + 1)`: cycles a pixel of each wave of `torch.fft.rfft2`."""
    down, across = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
    return (down.square() + across.square()).sqrt()


def magnitudes_of(images: Tensor) -> Tensor:
    """`(channel, height, width // 2 + 1)`: the mean magnitude spectrum of images about their means."""
    around = images - images.mean((2, 3), keepdim=True)
    return torch.fft.rfft2(around, norm="ortho").abs().mean(0)
