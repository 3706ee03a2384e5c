"""The DCGAN of handwritten digits (Radford et al. 2016, as described in the neural-dissection report, §3.1), with or
without classes; noise in, a small picture out.

latent | class ─► Linear ─► 7 × 7 ─► 14 × 14 ─► 28 × 28 ─► picture     (DcganGenerator)
picture | class maps ─► 14 × 14 ─► 7 × 7 ─► score                      (DcganDiscriminator)
"""

from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from darktimbre.models.convolution import Conv2d, ConvTranspose2d
from darktimbre.models.layers import minibatch_deviation
from darktimbre.models.progressive import DiscriminatorOutput
from darktimbre.notes.bounded import Bounded, Positive

Normalisation = Literal["batch", "layer", "none"]


class DcganSizes(Bounded):
    """Sizes and options of both networks that a recipe chooses. An impossible combination raises `ValidationError`."""

    latent: Positive = Field(default=100, description="numbers of the Gaussian vector z")
    widths: tuple[Positive, Positive, Positive] = Field(
        default=(128, 64, 32), description="the generator's maps after the linear layer and after each block"
    )
    critic_widths: tuple[Positive, Positive] = Field(
        default=(32, 64), description="the discriminator's, block by block"
    )
    normalisation: Normalisation = Field(
        default="batch",
        description="the discriminator's (the generator's is batch); layer or none mix no pictures, for gradient "
        "penalties (Gulrajani et al. 2017, §4)",
    )
    dropout: float = Field(default=0.3, ge=0.0, lt=1.0, description="part of each block's numbers that is left out")
    negative_slope: float = Field(default=0.2, ge=0.0, lt=1.0)
    minibatch_stddev: bool = Field(default=False, description="a map of the batch's deviation before the last layer")
    pac: Positive = Field(default=1, description="pictures that are discriminated together (Lin et al. 2018)")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.pac > 1 and self.minibatch_stddev:
            raise ValueError("pac and minibatch_stddev both show the discriminator several pictures: take one of them.")
        return self


class DcganConfig(DcganSizes):
    """The same with what follows from the pictures; a model folder stores it."""

    classes: int = Field(
        default=0, ge=0, description="classes both networks are conditioned on (Mirza & Osindero 2014); 0: none"
    )
    channels: Positive = Field(default=1, description="channels of a picture")
    start: tuple[Positive, Positive] = Field(default=(7, 7), description="height and width after the linear layer")

    @model_validator(mode="after")
    def _buildable(self) -> Self:
        self.refuse_large("feature maps", max(*self.widths, *self.critic_widths, self.channels), *self.picture[1:])
        return self

    @property
    def picture(self) -> tuple[int, int, int]:
        """(channel, height, width) of a picture: each block doubles the sides."""
        return (self.channels, 4 * self.start[0], 4 * self.start[1])

    @property
    def sees_condition(self) -> bool:
        """Whether the discriminator is shown what a picture should be."""
        return self.classes > 0


class DcganGenerator(nn.Module):
    """(latent, condition) → picture in [−1, 1].

    [Linear → BatchNorm1d → LeakyReLU → reshape], twice [ConvTranspose2d → BatchNorm2d → LeakyReLU], ConvTranspose2d →
    Tanh. Before a batch norm there is no bias: the norm would take it away.
    """

    def __init__(self, config: DcganConfig) -> None:
        super().__init__()
        self.config = config
        first, second, third = config.widths
        cells = first * config.start[0] * config.start[1]
        slope = config.negative_slope
        self.grid = nn.Sequential(
            nn.Linear(config.latent + config.classes, cells, bias=False),
            nn.BatchNorm1d(cells),
            nn.LeakyReLU(slope),
            nn.Unflatten(1, (first, *config.start)),
        )
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(
                    ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False),
                    nn.BatchNorm2d(outputs),
                    nn.LeakyReLU(slope),
                )
                for inputs, outputs in ((first, second), (second, third))
            )
        )
        self.picture = nn.Sequential(ConvTranspose2d(third, config.channels, 3, padding=1), nn.Tanh())
        self.apply(drawn_small)

    def forward(self, latent: Tensor, condition: Tensor) -> Tensor:
        """latent `(batch, latent)`, condition `(batch, class)` one-hot → `(batch, channel, height, width)`."""
        conditioned = torch.cat([condition, latent], dim=1) if self.config.classes else latent
        picture: Tensor = self.picture(self.blocks(self.grid(conditioned)))
        return picture


class DcganDiscriminator(nn.Module):
    """picture, condition → `DiscriminatorOutput`, which has a score alone: a logit, or a Wasserstein potential.

    Twice [Conv2d → normalisation → LeakyReLU → Dropout], then Flatten → Linear. The report's last step, a sigmoid, is
    part of the loss, which is computed from logits and thus never takes the logarithm of a rounded 0.
    """

    def __init__(self, config: DcganConfig) -> None:
        super().__init__()
        self.config = config
        seen = config.pac * (config.channels + config.classes)
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(
                    Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=config.normalisation == "none"),
                    normalised(config.normalisation, outputs),
                    nn.LeakyReLU(config.negative_slope),
                    nn.Dropout(config.dropout),
                )
                for inputs, outputs in ((seen, config.critic_widths[0]), config.critic_widths)
            )
        )
        maps = config.critic_widths[1] + int(config.minibatch_stddev)
        self.score = nn.Sequential(nn.Flatten(), nn.Linear(maps * config.start[0] * config.start[1], 1))
        self.apply(drawn_small)

    def forward(
        self, picture: Tensor, *, condition: Tensor | None = None, per_note: bool = False
    ) -> DiscriminatorOutput:
        """picture `(batch, channel, height, width)`, condition `(batch, class)` → scores `(batch / pac,)`.

        `per_note` takes the minibatch deviation as a constant, see `models.progressive.Discriminator`.
        """
        if self.config.classes:
            assert condition is not None  # who conditions the generator conditions the discriminator
            maps = condition[:, :, None, None].to(picture.dtype).expand(-1, -1, *picture.shape[2:])
            picture = torch.cat([picture, maps], dim=1)
        if self.config.pac > 1:
            picture = picture.reshape(-1, self.config.pac * picture.shape[1], *picture.shape[2:])
        features = self.blocks(picture)
        if self.config.minibatch_stddev:
            features = minibatch_deviation(features, hold=per_note)
        return DiscriminatorOutput(self.score(features)[:, 0], None, None, None)


def normalised(kind: Normalisation, maps: int) -> nn.Module:
    """The layer of a name; `layer` is over all maps and places of a picture (Ba et al. 2016)."""
    if kind == "batch":
        return nn.BatchNorm2d(maps)
    return nn.GroupNorm(1, maps) if kind == "layer" else nn.Identity()


def drawn_small(module: nn.Module) -> None:
    """First weights from N(0, 0.02²), biases 0 (Radford et al. 2016, §4)."""
    if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


@torch.no_grad()
def recalibrated(generator: DcganGenerator, latents: list[Tensor], conditions: list[Tensor]) -> DcganGenerator:
    """The generator, changed in place, with its batch norms' mean and variance measured on these batches.

    An average of weights has other statistics than any network it was taken over (Izmailov et al. 2018, §3.2).
    """
    norms = [module for module in generator.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch: the plain mean over all batches
    generator.train()
    for latent, condition in zip(latents, conditions, strict=True):
        generator(latent, condition)
    for norm in norms:
        norm.momentum = 0.1
    return generator.eval()
