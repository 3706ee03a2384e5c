"""How an input is written: modules whose parameters are what is optimised, and whose output is the input.

A parametrisation changes the way, not the goal: steps are steepest in its own coordinates (Olah et al. 2017).
"""

import math
from collections.abc import Mapping
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

    def __init__(self, rows: int, subject: Subject | None = None) -> None:
        super().__init__()
        self.rows, self.subject = rows, subject

    def start(self, generator: torch.Generator) -> None:
        """Draws the first values of its parameters."""
        raise NotImplementedError

    def project(self, generator: torch.Generator) -> None:
        """What is done after each step, without gradients: by default nothing."""

    def condition(self) -> Tensor | None:
        """What a generator is conditioned on `(row, size)`, where the input is a latent."""
        return None


class Latent(Parametrisation):
    """A latent of an instrument, kept on the sphere where most of N(0, 1)'s mass lies: ‖z‖ = √size."""

    kind = "latent"

    def __init__(
        self,
        instrument: Synthesizer,
        pitch: float | None = None,
        attributes: Mapping[str, float] | None = None,
        rows: int = 1,
        *,
        subject: Subject | None = None,
        sphere: bool = True,
    ) -> None:
        super().__init__(rows, subject or generator_of(instrument))
        self.sphere = sphere
        self.latent = nn.Parameter(torch.zeros(rows, instrument.latent_size))
        condition, _ = instrument.controls.fill(pitch, attributes, list(range(rows)), None)
        self.register_buffer("conditioned", torch.from_numpy(condition).clone())

    def start(self, generator: torch.Generator) -> None:
        self.latent.data.normal_(generator=generator)
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

    def start(self, generator: torch.Generator) -> None:
        self.wave.data.normal_(0, self.level, generator=generator)

    def forward(self) -> Tensor:
        return self.wave
