"""What a progressive network is made of: the part of a recipe that `models` reads and a bundle stores."""

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from darktimbre.notes.bounded import Bounded, Pitches, Positive

Size = tuple[Positive, Positive]
USUAL_MAPS = 64  # of a stage; what a grid may be is counted for so many
PARTIAL_GROWTH = (4, 8)
"""How much the grid of (harmonic, frame) grows in the branch of partials."""


ADDITIONS = {"modulate": False, "harmonics": 0, "mapping": 0}
"""Options of a generator, and what they are where it is without them. Each adds nothing at first, so that a trained
generator without it can be trained on with it."""


class Heads(Bounded):
    """What the critic predicts beside its score: numbers of classes, 0 for no such head."""

    pitch: int = Field(default=0, ge=0, description="pitch classes (softmax)")
    attributes: int = Field(default=0, ge=0, description="attributes (independent sigmoids)")


class ProgressiveSizes(Bounded):
    """Sizes and options of a generator and its critic that a recipe chooses (Karras et al. 2018; DarkGAN §4.3.2).

    Sizes are (frequency, frame) of the *network's grid*; a picture has `bands` times as many bins per row of that
    grid (`picture_size`). The defaults are the paper's network: 186 numbers in, a 2 × 1024 × 32 picture out.
    """

    latent: int = Field(default=32, ge=1, description="numbers of the Gaussian vector z")
    start: Size = (32, 4)
    growth: tuple[Size, ...] = ((64, 8), (128, 16), (256, 32), (512, 32), (1024, 32))
    widths: tuple[Positive, ...] = (256, 128, 128, 128, 128, 64)
    grow: bool = Field(default=True, description="False: only the last stage makes pictures, no fade-in layers exist")
    bands: int = Field(default=1, ge=1, description="neighbouring bins packed into one row as channels")
    hidden: int = Field(default=256, ge=1, description="features of the critic before its heads")
    minibatch_stddev: bool = True
    pac: int = Field(default=1, ge=1, description="consecutive notes whose score is one (Lin et al. 2018)")
    negative_slope: float = Field(default=0.2, ge=0.0, lt=1.0)
    tanh: bool = Field(default=False, description="bound the generator's picture by tanh (GANSynth)")
    normalise_input: bool = Field(default=False, description="pixel-normalise the input vector (PGAN)")
    posterior: bool = Field(default=False, description="a critic head of 2·latent numbers: mean and log-variance of z")
    pitch_comb: bool = Field(default=False, description="the last stage sees and shapes the pitch's harmonics")
    modulate: bool = Field(default=False, description="the input vector also scales and shifts every stage's features")
    harmonics: int = Field(default=0, ge=0, description="partials that are also drawn by their number")
    mapping: int = Field(default=0, ge=0, le=4096, description="hidden features of the input vector's residual layers")
    whiten: Literal["roots", "logarithms"] | None = Field(
        default=None, description="standardise functions of the soft labels by statistics of the training notes"
    )
    last_convolutions: int = Field(
        default=2, ge=1, le=2, description="3 × 3 convolutions of the generator's last stage"
    )
    critic_widths: tuple[Positive, ...] | None = Field(default=None, description="the critic's own widths")

    @field_validator("whiten", mode="before")
    @classmethod
    def _earlier_whiten(cls, given: Any) -> Any:
        """Bundles and recipes by version 0.1 have true, for roots, or false."""
        return {True: "roots", False: None}.get(given, given) if isinstance(given, bool) else given


class ProgressiveConfig(ProgressiveSizes):
    """The same with what follows from the data: condition, heads, and where its bins lie.

    An unknown key or an impossible combination raises `pydantic.ValidationError` with a sentence.
    """

    condition: int = Field(default=154, ge=0, description="numbers of [pitch one-hot | soft labels]")
    channels: int = Field(default=2, ge=1, description="channels of a picture: log-magnitude, instantaneous frequency")
    heads: Heads = Heads()
    pitches: Pitches = Field(default=(), description="MIDI numbers of the condition's first entries")
    bin_hz: float = Field(default=7.8125, gt=0.0, description="Hz per bin: sample rate / n_fft")
    first_bin: int = Field(default=1, ge=0, description="STFT bin of the picture's first row (1: DC dropped)")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.widths) != len(self.growth) + 1:
            raise ValueError(
                f"widths needs one entry for the start size and one per growth size: {len(self.growth) + 1}, "
                f"got {len(self.widths)}."
            )
        if self.critic_widths is not None and len(self.critic_widths) != len(self.widths):
            raise ValueError(
                f"critic_widths needs as many entries as widths: {len(self.widths)}, got {len(self.critic_widths)}."
            )
        for coarse, fine in zip(self.sizes, self.sizes[1:], strict=False):
            factors = (fine[0] / coarse[0], fine[1] / coarse[1])
            if any(factor not in (1.0, 2.0) for factor in factors) or factors == (1.0, 1.0):
                raise ValueError(
                    f"from stage to stage each axis doubles or stays, and one doubles; got {coarse} → {fine}."
                )
        if self.pitch_comb and not self.pitches:
            raise ValueError("pitch_comb needs `pitches`: the MIDI numbers of the condition's first entries.")
        if self.harmonics and not self.pitch_comb:
            raise ValueError("partials by number (harmonics) are laid on the pitch comb: set pitch_comb to true.")
        if self.harmonics % PARTIAL_GROWTH[0] or (self.harmonics and self.sizes[-1][1] % PARTIAL_GROWTH[1]):
            raise ValueError(
                f"harmonics must be a multiple of {PARTIAL_GROWTH[0]} and frames one of {PARTIAL_GROWTH[1]}: got "
                f"{self.harmonics} harmonics and {self.sizes[-1][1]} frames."
            )
        if self.pitch_comb and self.channels != 2:
            raise ValueError(
                "the pitch comb shapes log-magnitude and instantaneous frequency together: take a codec that has both "
                "(kind `if`), or set network.pitch_comb to false."
            )
        if len(self.pitches) > self.condition:
            raise ValueError(f"the condition has {self.condition} entries, too few for {len(self.pitches)} pitches.")
        for size in self.sizes:  # the number of maps is that of weights, which are there
            self.refuse_large("maps", max(USUAL_MAPS, self.channels * self.bands), *size)
        return self

    @property
    def sizes(self) -> tuple[Size, ...]:
        """(frequency, frame) of the network's grid, per stage."""
        return (self.start, *self.growth)

    @property
    def last(self) -> int:
        """Number of the last stage, counted from 0."""
        return len(self.growth)

    def factor(self, stage: int) -> Size:
        """How much larger stage `stage` is than the one before, per axis; (1, 1) at stage 0."""
        if stage == 0:
            return (1, 1)
        coarse, fine = self.sizes[stage - 1], self.sizes[stage]
        return (fine[0] // coarse[0], fine[1] // coarse[1])

    def picture_size(self, stage: int | None = None) -> Size:
        """(frequency, frame) of the pictures of a stage (the last by default)."""
        frequency, frame = self.sizes[self.last if stage is None else stage]
        return (frequency * self.bands, frame)
