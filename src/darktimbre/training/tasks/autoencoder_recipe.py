"""The recipe of an autoencoder of notes: which notes, what the decoder is given, and every term of the loss."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator

from darktimbre.models.autoencoder import AutoencoderSizes
from darktimbre.training.recipe import Data, PhaseKind, Recipe, Section

CODEC = {"kind": "mel-logmag", "n_fft": 2048, "hop": 256, "mel_bands": 256, "floor": 0.001, "frames": 128}

ClassKind = Literal["style", "octave", "semitone"]


class StyledData(Data):
    """Which notes are trained on, and what is known of each."""

    seconds: Annotated[float, Field(gt=0)] = 2.0
    # of these the model knows those between the lowest and the highest of the corpus; null trains without pitch
    pitches: tuple[int, int] | None = (0, 127)
    attributes: int | tuple[str, ...] = 0
    # whose values are a note's styles: the column `styles`, or another that is then its one tag
    styles: Literal["styles", "category", "subcategory", "family", "instrument"] = "styles"
    peak_db: Annotated[float, Field(le=0)] | None = -1.0
    codec: dict[str, Any] = Field(default_factory=lambda: dict(CODEC))


class Condition(Section):
    """What the decoder is given beside the latent."""

    note: bool = True  # semitone and octave
    style: bool = True  # style tags
    # share of the notes whose tags are all left out, so that an untagged sound has a place; and of the tags beside
    drop_styles: float = Field(default=0.1, ge=0, lt=1)
    drop_tag: float = Field(default=0.05, ge=0, lt=1)


class Prior(Section):
    """What brings the latents to the standard normal prior."""

    # `mmd-rbf` (the document's), `mmd-imq` (Tolstikhin et al. 2018), `sliced` (Kolouri et al. 2019), or `class-sliced`:
    # the latents of each class by themselves
    kind: Literal["mmd-rbf", "mmd-imq", "sliced", "class-sliced"] = "class-sliced"
    weight: NonNegativeFloat = 1.0
    directions: PositiveInt = 32  # random directions a step, of the sliced kinds
    # Of `class-sliced`: by which classes, and how many combinations of style tags a batch has, with equally many notes
    # each
    classes: tuple[ClassKind, ...] = ("style", "octave")
    groups: PositiveInt = 4

    @property
    def by_class(self) -> tuple[ClassKind, ...]:
        """By which classes latents are matched by themselves."""
        return self.classes if self.kind == "class-sliced" else ()


class Reconstruction(Section):
    """Weights of the parts of the reconstruction error."""

    level: NonNegativeFloat = 1.0  # mean absolute error of log-magnitudes
    loud: NonNegativeFloat = 1.0  # the same, each place weighted by its level above the floor
    contrast: NonNegativeFloat = 1.0  # of differences along frequency
    modulation: NonNegativeFloat = 4.0  # of modulation spectra, 4 to 12 Hz, without their phase, of each band
    # the same of what `COMMON` bands have in common, and of the whole note's level: bands must not all waver at once
    common: NonNegativeFloat = 4.0


class Fader(Section):
    """The latent discriminator (Lample et al. 2017)."""

    weight: NonNegativeFloat = 4.0  # α once it is full
    start: float = Field(default=0.1, ge=0, le=1)  # share of the run up to which α is 0
    full: float = Field(default=0.5, ge=0, le=1)  # share from which on it is full
    lr: Annotated[float, Field(gt=0)] = 1e-3  # learning rate of the discriminator
    steps: PositiveInt = 1  # of the discriminator, for one of the autoencoder

    @model_validator(mode="after")
    def _ordered(self) -> "Fader":
        if self.start > self.full:
            raise ValueError("start must not come after full")
        return self

    def alpha(self, progress: float) -> float:
        """Weight of the encoder's adversarial term, at a share of the run."""
        if progress >= self.full:
            return self.weight
        return self.weight * max(progress - self.start, 0.0) / (self.full - self.start)


class Sound(Section):
    """Training through an inversion network: the sound of the decoder's spectrograms is compared with the real one."""

    # the folder of a trained inversion network; `inverter`, the one in the package; or null: that of the bundle which
    # training goes on from, or the package's where the bundle has none
    inverter: str | None = None
    end_to_end: bool = False  # whether the inversion network is trained too
    lr: Annotated[float, Field(gt=0)] = 2e-4  # its learning rate
    windows: tuple[PositiveInt, ...] = Field(default=(2048, 1024, 512), min_length=1)  # samples; hops are a quarter
    convergence: NonNegativeFloat = 0.2  # weight of the sound's spectral convergence, mean over the windows
    log_magnitude: NonNegativeFloat = 0.1  # weight of the difference of its log magnitudes
    floor: Annotated[float, Field(gt=0)] = 0.01  # magnitude below which log magnitudes hardly differ


class Autoencoder(Section):
    """What is trained, and how."""

    condition: Condition = Condition()
    prior: Prior = Prior()
    reconstruction: Reconstruction = Reconstruction()
    fader: Fader | None = None
    sound: Sound | None = None
    train_encoder: bool = True  # whether the encoder is trained; false where a bundle's decoder is fine-tuned
    noise: NonNegativeFloat = 0.05  # deviation of what is added to a latent before it is decoded
    # share of the run from which on batch norms keep their averages: a latent is then the same in training as in use
    settled: float = Field(default=0.15, ge=0, le=1)


class AutoencoderRecipe(Recipe):
    """The recipe of an autoencoder."""

    task: Literal["autoencoder"] = "autoencoder"
    data: StyledData = StyledData()
    network: AutoencoderSizes = AutoencoderSizes()
    autoencoder: Autoencoder = Autoencoder()

    phase: ClassVar[PhaseKind] = "autoencode"
    uses = frozenset({"init"})

    @model_validator(mode="after")
    def _consistent(self) -> "AutoencoderRecipe":
        prior = self.autoencoder.prior
        for stage in self.schedule if prior.by_class and self.autoencoder.train_encoder else ():
            if stage.batch % prior.groups:
                raise ValueError(
                    f"a batch of {stage.batch} does not divide into autoencoder.prior.groups, {prior.groups} classes"
                )
        if not self.autoencoder.train_encoder and self.autoencoder.fader:
            raise ValueError("a fader trains the encoder: leave out autoencoder.fader, or train_encoder: false")
        return self
