"""A run, described: typed, frozen, validated; YAML on disk. What is trained, from which notes, by which losses."""

from typing import Any, Literal

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from darktimbre.models.config import Heads, ProgressiveConfig
from darktimbre.training.data import Data
from darktimbre.training.digits import Classifier, Dcgan
from darktimbre.training.listeners import Inception, Tagger
from darktimbre.training.section import Section


class Network(Section):
    """The networks' own fields of `ProgressiveConfig` (see there); what follows from the data is added by the run."""

    latent: PositiveInt = 32
    start: tuple[int, int] = (32, 4)
    growth: tuple[tuple[int, int], ...]
    widths: tuple[int, ...]
    grow: bool = True
    bands: PositiveInt = 1
    hidden: PositiveInt = 256
    minibatch_stddev: bool = True
    pac: PositiveInt = 1
    negative_slope: float = 0.2
    tanh: bool = False
    normalise_input: bool = False
    posterior: bool = False
    pitch_comb: bool = False
    whiten: bool = False
    last_convolutions: int = 2
    critic_widths: tuple[int, ...] | None = None

    @model_validator(mode="after")
    def _buildable(self) -> "Network":
        self.config(pitches=(69,), attributes=0)  # says what is wrong with sizes and widths
        return self

    def config(self, *, pitches: tuple[int, ...], attributes: int, **spectrum: Any) -> ProgressiveConfig:
        """The plan of the networks for these pitch classes and this number of attributes.

        `spectrum`: `channels`, `bin_hz` and `first_bin` of the representation.
        """
        return ProgressiveConfig(
            **self.model_dump(),
            condition=len(pitches) + attributes,
            heads=Heads(pitch=len(pitches), attributes=attributes),
            pitches=pitches,
            **spectrum,
        )


class Penalty(Section):
    """Lipschitz penalty of the discriminator.

    Attributes:
        kind: `gradient-penalty` (Gulrajani et al. 2017, eq. 3), `zero-centred` (on real notes, Mescheder et al. 2018,
            eq. 9) or `none`.
        weight: λ.
        every: computed each k-th step only, with the weight × k (Karras et al. 2020, §2.2).
        reduction: `mean` over the batch; `sum` as in the authors' code.
        per_note: hold the minibatch standard deviation constant in it, so that it is one of each note alone.
    """

    kind: Literal["gradient-penalty", "zero-centred", "none"] = "gradient-penalty"
    weight: NonNegativeFloat = 10.0
    every: PositiveInt = 1
    reduction: Literal["mean", "sum"] = "mean"
    per_note: bool = False


class Objectives(Section):
    """Which losses, and their weights, applied once by the step.

    Attributes:
        adversarial: `wasserstein` (Arjovsky et al. 2017) or `logistic` (Goodfellow et al. 2014, non-saturating).
        drift: weight of E[D(real)²] (Karras et al. 2018, §A.1).
        pitch: weight of the pitch cross-entropy, in both networks.
        attributes: weight of the distillation cross-entropy (DarkGAN eq. 2), in both networks.
        on_fakes: whether the discriminator also learns pitch and attributes from generated notes.
        critic_steps: turns of the discriminator for one of the generator (Gulrajani et al. 2017: 5); each has notes of
            its own, and counts as a step of the run.
        mode_seeking: weight of the mode-seeking loss in the generator's turn (Mao et al. 2019, whose weight is 1); 0
            leaves it out.
    """

    adversarial: Literal["wasserstein", "logistic"] = "wasserstein"
    penalty: Penalty = Penalty()
    drift: NonNegativeFloat = 0.001
    pitch: NonNegativeFloat = 10.0
    attributes: NonNegativeFloat = 10.0
    on_fakes: bool = False
    critic_steps: PositiveInt = 1
    mode_seeking: NonNegativeFloat = 0.0


class Optimiser(Section):
    """Adam for each network (Kingma & Ba 2015).

    Attributes:
        lr: learning rate of both networks.
        generator_lr: the generator's own, where it differs.
        betas: decay of the first and second moment.
        ramp_notes: notes over which the rate rises linearly from 0, after each reset.
        decay_notes: last notes of the run, over which it falls linearly to `decay_to` times itself.
        reset_at_growth: forget the moments where a stage begins (Karras et al. 2018).
    """

    lr: PositiveFloat = 1e-3
    generator_lr: PositiveFloat | None = None
    betas: tuple[float, float] = (0.0, 0.99)
    ramp_notes: NonNegativeInt = 0
    decay_notes: NonNegativeInt = 0
    decay_to: float = Field(default=0.0, ge=0, le=1)
    reset_at_growth: bool = True


class Stage(Section):
    """A stretch of the run at one picture size.

    Attributes:
        notes: how many notes are seen (rounded up to whole batches).
        batch: notes a step, over all processes together.
        fade: of these, the notes over which the new size is faded in.
        scale: size of the network, 0 being `start`; null: the stage's own place in the schedule.
    """

    notes: PositiveInt
    batch: PositiveInt
    fade: NonNegativeInt = 0
    scale: NonNegativeInt | None = None


class Averaging(Section):
    """Exponential moving average of the generator's weights: what is bundled.

    Attributes:
        half_life: in notes.
        ramp: the half-life is at most this share of the notes seen so far (Karras et al. 2020): the start is forgotten.
    """

    half_life: PositiveFloat = 10_000
    ramp: PositiveFloat | None = 0.05


class WarmStart(Section):
    """Regression before the game: an autoencoder whose encoder is the discriminator's trunk (Larsen et al. 2016).

    Attributes:
        notes: how many notes are seen.
        batch: notes a step.
        lr: learning rate of both networks.
        reconstruction: weight of the reconstruction error.
        loud: weight, within it, of the magnitude error counted by loudness, beside that of all positions alike.
        frequency: weight, within it, of the instantaneous-frequency error, counted by loudness.
        loudness_power: a position counts by its linear magnitude, relative to its note's peak, to this power.
        magnitude_power: 1 for absolute, 2 for squared error of the log-magnitudes.
        betas: Adam's, during the warm start.
        kl: weight of KL(posterior ‖ N(0, 1)) per latent dimension.
        kl_ramp: notes over which that weight rises linearly.
        pitch: weight of the pitch cross-entropy on real notes.
        attributes: weight of the distillation cross-entropy on real notes.
        anchor: weight of the reconstruction in the generator's step afterwards, by the encoder as it was then.
    """

    notes: PositiveInt
    batch: PositiveInt = 16
    lr: PositiveFloat = 1e-3
    reconstruction: PositiveFloat = 1.0
    loud: NonNegativeFloat = 1.0
    frequency: NonNegativeFloat = 0.2
    loudness_power: NonNegativeFloat = 0.5
    magnitude_power: Literal[1, 2] = 1
    betas: tuple[float, float] = (0.9, 0.99)
    kl: NonNegativeFloat = 0.01
    kl_ramp: NonNegativeInt = 0
    pitch: NonNegativeFloat = 1.0
    attributes: NonNegativeFloat = 1.0
    anchor: NonNegativeFloat = 0.0


class Recipe(Section):
    """One run, whole.

    Attributes:
        name: how the run and its bundle are called.
        task: `gan`, `tagger` (distil a teacher into the embedded one), `inception` (the classifier that evaluation
            measures by; of `data` it reads split, pitches, attributes, teacher and temperature), or for a corpus of
            pictures `picture-gan` and `picture-classifier`, of whose `data` the split alone is read.
        init: `scratch`; `auto` (the starter in the package where network and vocabulary fit, else scratch); `starter`;
            or the path of a bundle. From a bundle with a discriminator the warm start is left out.
        precision: `auto` takes bf16 where the processor computes in it, else fp32.
        checkpoint_every: notes between checkpoints.
        preview_every: notes between previews of fixed notes; 0: none.
        journal_every: notes between lines of the journal.
        seed: of rows, latents and the networks' first weights.
    """

    name: str = Field(min_length=1)
    task: Literal["gan", "tagger", "inception", "picture-gan", "picture-classifier"] = "gan"
    init: str = "scratch"
    data: Data = Data()
    network: Network | None = None
    tagger: Tagger = Tagger()
    inception: Inception = Inception()
    dcgan: Dcgan = Dcgan()
    classifier: Classifier = Classifier()
    objectives: Objectives = Objectives()
    optimiser: Optimiser = Optimiser()
    schedule: tuple[Stage, ...] = Field(min_length=1)
    averaging: Averaging = Averaging()
    warm_start: WarmStart | None = None
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    checkpoint_every: PositiveInt = 20_000
    preview_every: NonNegativeInt = 50_000
    journal_every: PositiveInt = 500
    seed: NonNegativeInt = 0

    @property
    def plays(self) -> bool:
        """Whether it trains a generator against a discriminator."""
        return self.task in ("gan", "picture-gan")

    @property
    def pac(self) -> int:
        """How many notes, or pictures, the discriminator judges together."""
        if self.sees_pictures:
            return self.dcgan.pac
        return self.network.pac if self.network else 1

    @property
    def sees_pictures(self) -> bool:
        """Whether it learns from a corpus of pictures instead of sounds."""
        return self.task in ("picture-gan", "picture-classifier")

    @model_validator(mode="after")
    def _consistent(self) -> "Recipe":
        if self.sees_pictures:
            self._refuse_for_pictures()
        if self.task != "gan":
            return self
        if self.network is None:
            raise ValueError("a gan needs a network section")
        if self.network.pitch_comb and not self.data.pitches:
            raise ValueError("a pitch comb needs pitches: where data.pitches is null, set network.pitch_comb to false")
        if self.network.pitch_comb and str(self.data.codec.get("kind")).endswith("logmag"):
            raise ValueError("a pitch comb shapes phases too: with a logmag codec, set network.pitch_comb to false")
        for index, stage in enumerate(self.schedule):
            if stage.batch % self.network.pac:
                raise ValueError(
                    f"schedule.{index}.batch is {stage.batch}; it must be a multiple of network.pac, {self.network.pac}"
                )
        scales = [self.scale(index) for index in range(len(self.schedule))]
        last = len(self.network.growth)
        if max(scales) > last:
            raise ValueError(f"the schedule speaks of scale {max(scales)}, the network has scales 0 to {last}")
        if not self.network.grow and min(scales) < last:
            raise ValueError(
                f"a network that does not grow (grow: false) has only its last scale: write `scale: {last}` in each "
                "stage"
            )
        if scales != sorted(scales):
            raise ValueError("the scales of the schedule must not go down")
        if self.warm_start and not self.network.posterior:
            raise ValueError("a warm start needs network.posterior: true (the encoder's head)")
        if self.warm_start and self.warm_start.anchor and len(set(scales)) > 1:
            raise ValueError("warm_start.anchor needs a schedule of one size: the encoder knows no other")
        return self

    def _refuse_for_pictures(self) -> None:
        if self.warm_start or self.init != "scratch" or any(stage.fade or stage.scale for stage in self.schedule):
            raise ValueError(f"a {self.task} has no warm_start, no init, and no stage that fades in or has a scale")
        if self.task == "picture-gan":
            for index, stage in enumerate(self.schedule):
                if stage.batch % self.dcgan.pac or stage.batch < 2:
                    raise ValueError(
                        f"schedule.{index}.batch is {stage.batch}; it must be at least 2, for the batch norms, and a "
                        f"multiple of dcgan.pac, {self.dcgan.pac}"
                    )

    def scale(self, stage: int) -> int:
        """Size of the network (0: `start`) that a stage of the schedule trains."""
        chosen = self.schedule[stage].scale
        return stage if chosen is None else chosen
