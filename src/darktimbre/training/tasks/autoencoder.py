"""The autoencoder of notes: its recipe, its notes with styles, a training step, and the instrument it becomes.

Wasserstein autoencoders with musical conditioning (Bitton et al. 2019): an encoder without condition, a decoder given
note and style, a penalty that brings the latents to a normal prior, and one of two ways to keep the style out of them:
a latent discriminator (Fader networks), or the prior matched class by class.
"""

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator
from torch import Tensor, nn

from darktimbre import __version__
from darktimbre.bundle.bundle import Bundle
from darktimbre.bundle.encoded import EncodedNotes, evenly
from darktimbre.bundle.inverter import InverterFolder
from darktimbre.bundle.where import SHIPPED_INVERTER
from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.styles import check_styles, styles_of
from darktimbre.models.autoencoder import (
    COARSEST,
    AutoencoderConfig,
    AutoencoderSizes,
    Decoder,
    Encoder,
    LatentDiscriminator,
)
from darktimbre.notes.attributes import STYLES, Attributes
from darktimbre.notes.errors import UserError
from darktimbre.notes.pitch import SEMITONES, octave_of
from darktimbre.objectives.fader import hidden_style, style_cross_entropy
from darktimbre.objectives.inversion import convergence_loss, log_magnitude_loss, modulus
from darktimbre.objectives.prior import classwise_sliced_wasserstein, mmd_imq, mmd_rbf, sliced_wasserstein
from darktimbre.objectives.reconstruction import magnitude_error, weighted_magnitude_error
from darktimbre.objectives.texture import broadband, contrast_error, grouped, modulation_error
from darktimbre.representation import stft
from darktimbre.representation.codec import SPAN, Codec, codec_from_config
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.training.checkpoint import module_tensors, optimiser_tensors, restore_module, restore_optimiser
from darktimbre.training.dataset import NoteDataset, fit_codec
from darktimbre.training.distributed import DistributedContext
from darktimbre.training.progress import duration
from darktimbre.training.recipe import Data, PhaseKind, Recipe, Section
from darktimbre.training.sampling import ClassSampler, RowSampler, normal, uniform
from darktimbre.training.schedule import Schedule, StepState
from darktimbre.training.tasks.base import Outcome, Plan, Task, shrunk_widths

NOTES_PER_SECOND = 45.0  # trained on, on one processor core that multiplies bfloat16
SNAPSHOT = 1_024  # notes whose latents are kept over training, at most
ENCODED_AT_ONCE = 64  # notes
COMMON = 16  # neighbouring bands whose common modulation is compared
CODEC = {"kind": "mel-logmag", "n_fft": 2048, "hop": 256, "mel_bands": 256, "floor": 0.001, "frames": 128}

ClassKind = Literal["style", "octave", "semitone"]


# ----------------------------------------------------------------------------
# The recipe


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
    # Of `class-sliced`: by which classes; how many combinations of style tags a batch has, with equally many notes
    # each; and how many latents of a class are kept from earlier steps, among which those of a batch are sorted
    classes: tuple[ClassKind, ...] = ("style", "octave")
    groups: PositiveInt = 4
    queue: NonNegativeInt = 16


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
        for stage in self.schedule if prior.kind == "class-sliced" and self.autoencoder.train_encoder else ():
            if stage.batch % prior.groups:
                raise ValueError(
                    f"a batch of {stage.batch} does not divide into autoencoder.prior.groups, {prior.groups} classes"
                )
        if not self.autoencoder.train_encoder and self.autoencoder.fader:
            raise ValueError("a fader trains the encoder: leave out autoencoder.fader, or train_encoder: false")
        return self


# ----------------------------------------------------------------------------
# The notes


@dataclass(frozen=True, kw_only=True)
class StyledDataset(NoteDataset):
    """The notes of a run, of which some may have no pitch and some no style."""

    combinations: tuple[str, ...]  # distinct sets of style tags
    combination: NDArray[np.int64] = field(repr=False)  # (note,) index into them; −1: none
    pitch: NDArray[np.int64] = field(repr=False)  # (note,) MIDI number; −1: none
    level_db: NDArray[np.float64] = field(repr=False)  # (note,) peak as recorded, dB relative to full scale
    warnings: tuple[str, ...] = ()  # what the user should know of the styles

    def condition(self, index: NDArray[np.int64], label_mask: Tensor | None = None) -> Tensor:
        """[one-hot pitch | styles] of some notes, (batch, size) float32; a note without pitch has zeros there."""
        places = np.arange(len(self.attributes.pitches))
        one_hot = (self.pitch_class[index, None] == places).astype(np.float32)
        soft = self.soft_labels[index] if label_mask is None else self.soft_labels[index] * label_mask.numpy()
        return torch.from_numpy(np.concatenate([one_hot, soft], axis=1))

    def classes(self, kind: ClassKind) -> Tensor:
        """(note,) int64: which class each note is of; −1: none."""
        match kind:
            case "style":
                return torch.from_numpy(self.combination)
            case "octave":
                known = octave_of(self.pitch) + 1  # −1 is an octave, too
            case "semitone":
                known = self.pitch % SEMITONES
        return torch.from_numpy(np.where(self.pitch >= 0, known, -1))


def styled_notes(recipe: AutoencoderRecipe, corpus: Corpus, attributes: Attributes | None = None) -> StyledDataset:
    """The notes of a corpus that a recipe trains on, and the attributes it makes of them.

    Args:
        attributes: those of the bundle that training goes on from, in their place.

    Raises:
        UserError: the notes have another length, none is left, they have no styles, or all the same, though the model
            is to follow them, or they have other styles than those of the bundle.
    """
    data, wanted = recipe.data, recipe.autoencoder.condition
    rows = corpus.rows(data.split)
    _refuse_length(data, corpus)
    pitch = corpus.column("pitch")[rows]
    span = (min(attributes.pitches), max(attributes.pitches)) if attributes and attributes.pitches else data.pitches
    if span:
        kept = (pitch < 0) | ((pitch >= span[0]) & (pitch <= span[1]))
        rows, pitch = rows[kept], pitch[kept]
    if not len(rows):
        raise UserError(f"No note of the {data.split} split of {corpus.path} is there to train on.")
    known = pitch[pitch >= 0]
    warnings = check_styles(corpus, rows, data.styles) if needs_styles(recipe) else ()
    styles = styles_of(corpus, rows, data.styles)
    names = styles.names if wanted.style else ()
    if attributes is None:
        pitches = tuple(range(known.min(), known.max() + 1)) if data.pitches and wanted.note and len(known) else ()
        attributes = Attributes(pitches=pitches, names=names, teacher=STYLES, teacher_digest=_digest(names))
    elif attributes.names != names:
        raise UserError(
            f"The bundle that training starts from follows the styles {', '.join(attributes.names) or 'none'}, "
            f"{corpus.path} has {', '.join(names) or 'none'}: train from scratch, or on the corpus it was trained on."
        )
    pitches = attributes.pitches
    return StyledDataset(
        corpus=corpus,
        rows=rows,
        attributes=attributes,
        pitch_class=np.where(pitch >= 0, pitch - pitches[0], -1) if pitches else np.full(len(rows), -1),
        soft_labels=styles.values if names else np.zeros((len(rows), 0), np.float32),
        peak_db=data.peak_db,
        combinations=styles.combinations,
        combination=styles.combination,
        pitch=pitch,
        level_db=np.asarray(corpus.column("peak_db")[rows], np.float64),
        warnings=warnings,
    )


def needs_styles(recipe: AutoencoderRecipe) -> bool:
    """Whether a model of the recipe is worth nothing without styles."""
    settings = recipe.autoencoder
    by_class = settings.prior.kind == "class-sliced" and "style" in settings.prior.classes
    return settings.condition.style or settings.fader is not None or by_class


def _refuse_length(data: Data, corpus: Corpus) -> None:
    seconds = corpus.samples / corpus.sample_rate
    if abs(seconds - data.seconds) > 1e-6:
        raise UserError(
            f"The recipe is for notes of {data.seconds:g} s, {corpus.path} holds notes of {seconds:g} s: make the "
            f"corpus with --seconds {data.seconds:g}, or use --set data.seconds={seconds:g} and a number of "
            "data.codec.frames to match."
        )


def _digest(names: tuple[str, ...]) -> str:
    """SHA-256 of the tags: with other ones a value means something else."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest() if names else ""


# ----------------------------------------------------------------------------
# The task


class AutoencoderTask(Task):
    """Encoder and decoder in training, and a latent discriminator where the recipe has one."""

    Recipe = AutoencoderRecipe
    accepts = frozenset({"--half"})
    one_process = True

    def __init__(self, plan: Plan, corpus: Corpus, context: DistributedContext) -> None:
        super().__init__(plan, corpus, context)
        recipe, device = self.recipe, context.device
        self.settings: Autoencoder = recipe.autoencoder
        self.dataset = styled_notes(recipe, corpus, plan.attributes)
        self.codec = codec_from_config(plan.codec)
        self.config = network_config(recipe, plan.attributes, self.codec)
        self.total = Schedule(recipe).total
        self.sampler = self._sampler()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            self.networks: dict[str, Any] = {"encoder": Encoder(self.config), "decoder": Decoder(self.config)}
            if self.settings.fader:
                self.networks["fader"] = LatentDiscriminator(self.config, len(self.dataset.combinations))
        if self.settings.sound:
            self.inverter = first_inverter(plan)
            self.inverter.refuse_other_codec(self.codec.config)
            self.networks["inverter"] = self.inverter.build()
        for name, network in self.networks.items():
            network.to(device).requires_grad_(self.trains(name))
        self.adam = {
            name: torch.optim.Adam(network.parameters(), betas=recipe.optimiser.betas, fused=True)
            for name, network in self.networks.items()
            if self.trains(name)
        }
        # the latest latents of each class, oldest first; NaN where there were none yet
        kept = self.settings.prior.queue, self.config.latent
        self.queues = {
            kind: torch.full((int(self.classes[kind].max()) + 1, *kept), torch.nan, device=device)
            for kind in self.kinds
        }

    def trains(self, name: str) -> bool:
        """Whether a network is trained, or stays as it is."""
        if name == "inverter":
            return bool(self.settings.sound and self.settings.sound.end_to_end)
        return name != "encoder" or self.settings.train_encoder

    @property
    def kinds(self) -> tuple[ClassKind, ...]:
        """By which classes the prior is matched."""
        prior = self.settings.prior
        return prior.classes if prior.kind == "class-sliced" else ()

    def _sampler(self) -> RowSampler | ClassSampler:
        notes, data, seed = self.dataset, self.recipe.data, self.recipe.seed
        if self.kinds and self.settings.train_encoder:
            return ClassSampler(notes.combination, seed, self.settings.prior.groups)
        combinations = np.array([*notes.combinations, ""])[notes.combination]
        return RowSampler(len(notes.rows), seed, combinations, data.balance)

    @cached_property
    def classes(self) -> dict[ClassKind, Tensor]:
        """The notes' classes, (note,) each."""
        kinds: tuple[ClassKind, ...] = ("style", "octave", "semitone")
        return {kind: self.dataset.classes(kind).to(self.context.device) for kind in kinds}

    # ------------------------------------------------------------------------
    # Before a run

    @classmethod
    def make_plan(cls, recipe: AutoencoderRecipe, corpus: Corpus) -> Plan:
        """Reads the bundle that the weights are from, or chooses attributes and fits the representation."""
        bundle = init_bundle(recipe)
        if bundle is None:
            notes = styled_notes(recipe, corpus)
            codec = fit_codec(recipe.data, notes)
            network_config(recipe, notes.attributes, codec)
            return Plan.of(recipe, corpus, notes.attributes, codec=codec.to_config(), messages=_remarks(notes))
        notes, codec = styled_notes(recipe, corpus, bundle.attributes), bundle.codec()
        wanted = network_config(recipe, bundle.attributes, codec)
        if wanted != bundle.autoencoder:
            changed = _different(bundle.autoencoder, wanted)
            raise UserError(f"The run cannot start from {recipe.init}: its network differs ({changed}); {_AS_IT_IS}")
        return Plan.of(
            recipe, corpus, bundle.attributes, codec=codec.to_config(), messages=_remarks(notes),
            init_from=f"{Path(recipe.init).name} {bundle.digest[:16]}",
        )  # fmt: skip

    def initialise(self) -> None:
        """Weights of the bundle that the plan names.

        Raises:
            UserError: another bundle is there by now.
        """
        bundle = init_bundle(self.plan.requested) if self.plan.init_from else None
        if bundle is None:
            return
        if not str(self.plan.init_from).endswith(bundle.digest[:16]):
            raise UserError(f"{self.recipe.init} is another bundle than the run was planned with: start a new run.")
        self.networks["decoder"].load_state_dict(bundle.generator().state_dict())
        self.networks["encoder"].load_state_dict(bundle.encoder_network().state_dict())

    @classmethod
    def dry_run(cls, recipe: AutoencoderRecipe, corpus: Corpus | None, accelerator: str) -> list[str]:
        lines, attributes, rate = [], Attributes(), 16_000
        if corpus is not None:
            notes = styled_notes(recipe, corpus)
            attributes, rate = notes.attributes, corpus.sample_rate
            lines += [*_remarks(notes), f"corpus: {len(notes.rows):,} of {len(corpus):,} notes are trained on"]
            lines.append(f"{len(notes.combinations)} combinations of {len(attributes.names)} style tags")
        codec = codec_from_config(
            {**recipe.data.codec, "sample_rate": rate, "samples": round(recipe.data.seconds * rate)}
        )
        config = network_config(recipe, attributes, codec)
        with torch.device("meta"):
            made: dict[str, nn.Module] = {"encoder": Encoder(config), "decoder": Decoder(config)}
        sizes = [
            f"{name}: {sum(p.numel() for p in network.parameters()):,} parameters" for name, network in made.items()
        ]
        schedule, seconds = Schedule(recipe), duration(sum(cls.seconds(recipe, rate, accelerator)))
        run = f"{schedule.total:,} notes in {schedule.steps:,} steps, about {seconds} on one processor core"
        return [*lines, *sizes, run]

    @classmethod
    def seconds(cls, recipe: AutoencoderRecipe, sample_rate: int, device: str) -> list[float]:
        return [(phase.stop - phase.first) / NOTES_PER_SECOND for phase in Schedule(recipe).phases]

    @classmethod
    def shrunk(cls, recipe: AutoencoderRecipe, **sections: Any) -> Any:
        network = recipe.network
        narrow = {
            "encoder_widths": shrunk_widths(network.encoder_widths),
            "decoder_widths": shrunk_widths(network.decoder_widths),
            "dense": (16, 16), "embedding": 8, "partial_width": 4, "discriminator_width": 16,
        }  # fmt: skip
        return super().shrunk(recipe, **({"network": network.model_copy(update=narrow)} | sections))

    # ------------------------------------------------------------------------
    # A step:  z = E(x),  x̂ = D(z + σε, note, style)
    #     (E, D) ← Adam(∇ reconstruction(x̂, x) + λ · distance(z, N(0, I)) + α · hidden style(F(z)))
    #     F ← Adam(∇ cross-entropy(F(z), style))
    # ------------------------------------------------------------------------
    def step(self, state: StepState) -> dict[str, Tensor]:
        index, progress = self.sampler.rows(state.notes_seen, state.batch), state.notes_seen / self.total
        waves = self.dataset.waves(index).to(self.context.device)
        with torch.no_grad():
            real = self.codec.encode(waves)
        condition = self.dataset.condition(index, self._kept_styles(state)).to(self.context.device)
        self._set_modes(progress)
        with self.context.autocast():
            latent = self.networks["encoder"](real).float()
            noise = normal(self.recipe.seed, "posterior", state.notes_seen, tuple(latent.shape)).to(latent.device)
            made = self.networks["decoder"](latent + self.settings.noise * noise, condition).float()
        losses, weighted = self._reconstruction(made[:, 0], real[:, 0])
        if self.settings.sound:
            weighted = weighted + self._sound(made, waves, index, losses)
        if self.settings.train_encoder:
            losses["prior"] = self._prior(latent, index, state)
            weighted = weighted + self.settings.prior.weight * losses["prior"]
        if fader := self.settings.fader:
            style = self.classes["style"][index]
            losses["fader"] = self._train_fader(latent.detach(), style, state)
            losses["hidden"] = hidden_style(logits=self.networks["fader"](latent), style=style)
            weighted = weighted + fader.alpha(progress) * losses["hidden"]
        weighted.backward()
        for name in self.adam:
            if name != "fader":
                self._update(name, state)
        if "fader" in self.adam:
            self.adam["fader"].zero_grad(set_to_none=True)  # what passed through it on the way to the encoder
        return losses

    def _set_modes(self, progress: float) -> None:
        """Batch norms keep their averages from a share of the run on, and in an encoder that is not trained."""
        for network in self.networks.values():
            network.train()
        if progress >= self.settings.settled or not self.settings.train_encoder:
            self.networks["encoder"].eval()

    def _sound(self, made: Tensor, waves: Tensor, index: NDArray[np.int64], losses: dict[str, Tensor]) -> Tensor:
        """Adds the losses of the spectrograms' sound; their weighted sum."""
        sound = self.settings.sound
        assert sound is not None
        pitch = torch.from_numpy(self.dataset.pitch[index]).to(made.device, torch.float32)
        codec = Codec(self.codec.config, inverter=self.networks["inverter"])
        inverted = codec.decode(made, torch.where(pitch >= 0, pitch, torch.nan))
        found: dict[str, list[Tensor]] = {"convergence": [], "log_magnitude": []}
        for window in sound.windows:
            x, y = (modulus(stft.forward(one, n_fft=window, hop=window // 4)) for one in (waves, inverted))
            found["convergence"].append(convergence_loss(made=y, real=x))
            found["log_magnitude"].append(log_magnitude_loss(made=y, real=x, floor=sound.floor))
        losses |= {name: torch.stack(values).mean() for name, values in found.items()}
        return sound.convergence * losses["convergence"] + sound.log_magnitude * losses["log_magnitude"]

    def _reconstruction(self, made: Tensor, real: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """The parts of the error, and their weighted sum."""
        errors = {
            "level": magnitude_error(made=made, real=real),
            "loud": weighted_magnitude_error(made=made, real=real, weight=(real + SPAN).clamp(min=0)),
            "contrast": contrast_error(made=made, real=real),
            "modulation": modulation_error(made=made, real=real),
            "common": self._common_modulation(made, real),
        }
        weights = self.settings.reconstruction.model_dump()
        return errors, torch.stack([weights[name] * error for name, error in errors.items()]).sum()

    def _common_modulation(self, made: Tensor, real: Tensor) -> Tensor:
        nepers = (self.codec.high - self.codec.low) / (2 * SPAN)
        ways = (partial(grouped, bands=COMMON), partial(broadband, nepers=nepers))
        return torch.stack([modulation_error(made=way(made), real=way(real)) for way in ways]).sum()

    def _prior(self, latent: Tensor, index: NDArray[np.int64], state: StepState) -> Tensor:
        """How far the latents are from the prior."""
        prior, seed = self.settings.prior, self.recipe.seed
        if prior.kind.startswith("mmd"):
            drawn = normal(seed, "prior", state.notes_seen, tuple(latent.shape)).to(latent.device)
            return {"mmd-rbf": mmd_rbf, "mmd-imq": mmd_imq}[prior.kind](latent=latent, prior=drawn)
        ways = normal(seed, "directions", state.notes_seen, (prior.directions, self.config.latent)).to(latent.device)
        ways = ways / ways.norm(dim=1, keepdim=True)
        if prior.kind == "sliced":
            return sliced_wasserstein(latent=latent, directions=ways)
        distances = []
        for kind, queue in self.queues.items():
            there = ~queue[..., 0].isnan()
            known_classes = torch.arange(len(queue), device=latent.device)[:, None].expand_as(there)[there]
            classes = self.classes[kind][index]
            distances.append(
                classwise_sliced_wasserstein(
                    latent=latent, classes=classes, directions=ways, known=queue[there], known_classes=known_classes
                )
            )
            _put(queue, latent.detach(), classes)
        return torch.stack(distances).mean()

    def _train_fader(self, latent: Tensor, style: Tensor, state: StepState) -> Tensor:
        """Steps of the latent discriminator; its loss in the last."""
        fader = self.settings.fader
        assert fader is not None
        for _ in range(fader.steps):
            loss = style_cross_entropy(logits=self.networks["fader"](latent), style=style)
            loss.backward()
            self._update("fader", state)
        return loss.detach()

    def _update(self, name: str, state: StepState) -> None:
        """A step of a network's optimiser; gradients dropped."""
        optimiser, settings = self.recipe.optimiser, self.settings
        rates = {"decoder": optimiser.generator_lr, "fader": settings.fader and settings.fader.lr}
        rates["inverter"] = settings.sound and settings.sound.lr
        for group in self.adam[name].param_groups:
            group["lr"] = (rates.get(name) or optimiser.lr) * state.rate
        self.adam[name].step()
        self.adam[name].zero_grad(set_to_none=True)

    def _kept_styles(self, state: StepState) -> Tensor:
        """(batch, tag) 0 or 1: of some notes all tags are left out, of others some."""
        condition, tags = self.settings.condition, len(self.plan.attributes.names)
        drawn = uniform(self.recipe.seed, "unsaid", state.notes_seen, (state.batch, 1 + tags))
        kept = (drawn[:, :1] >= condition.drop_styles) & (drawn[:, 1:] >= condition.drop_tag)
        return kept.float()

    def tensors(self) -> dict[str, Tensor]:
        kept = {f"queue/{kind}": queue for kind, queue in self.queues.items()}
        for name, network in self.networks.items():
            kept |= module_tensors(name, network)
            if name in self.adam:
                kept |= optimiser_tensors(f"adam-{name}", self.adam[name], network)
        return kept

    def restore(self, tensors: dict[str, Tensor]) -> None:
        for kind, queue in self.queues.items():
            queue.copy_(tensors[f"queue/{kind}"])
        for name, network in self.networks.items():
            restore_module(name, network, tensors)
            if name in self.adam:
                restore_optimiser(f"adam-{name}", self.adam[name], network, tensors)

    # ------------------------------------------------------------------------
    # What it makes

    @torch.no_grad()
    def encoded(self, index: NDArray[np.int64]) -> Tensor:
        """Latents of some notes by the encoder as it stands, (note, latent) on the CPU."""
        encoder, training = self.networks["encoder"], self.networks["encoder"].training
        encoder.eval()
        parts = np.split(index, np.arange(ENCODED_AT_ONCE, len(index), ENCODED_AT_ONCE))
        device = self.context.device
        made = [encoder(self.codec.encode(self.dataset.waves(part).to(device))).cpu() for part in parts]
        encoder.train(training)
        return torch.cat(made)

    def snapshots(self) -> dict[str, dict[str, Tensor]]:
        index = evenly(len(self.dataset.rows), SNAPSHOT)
        return {"latents": {"latent": self.encoded(index), "row": torch.from_numpy(self.dataset.rows[index])}}

    def preview(self, state: StepState) -> Synthesizer:
        bundle = self.bundle(state.notes_seen + state.batch, {})
        return Synthesizer(bundle, self.context.device)

    def save(self, folder: Any, state: StepState, losses: dict[str, float], *, half: bool) -> Any:
        """Writes the instrument."""
        bundle = replace(self.bundle(state.notes_seen, losses), encoded=self.encoded_notes())
        return bundle.save_pretrained(folder, half=half)

    def bundle(self, notes_seen: int, losses: dict[str, float]) -> Bundle:
        """Decoder and encoder."""
        software = {"darktimbre": __version__, "torch": torch.__version__.split("+")[0]}
        config = {
            "architecture": "autoencoder",
            "network": self.config.model_dump(mode="json"),
            "attributes": self.plan.attributes.to_json(),
            "codec": self.plan.codec,
            "prior": "normal",
            "level": {"peak_db": self.recipe.data.peak_db},
            "baseline": self.dataset.baseline,
            "examples": self.dataset.examples(),
            "recipe": self.recipe.model_dump(mode="json"),
            "provenance": {"corpus": self.plan.corpus, "notes_seen": notes_seen, **software},
            "metrics": {"losses": losses} if losses else {},
        }
        if self.plan.init_from:
            config["provenance"]["begun from"] = self.plan.init_from
        bundle = Bundle(config, self.networks["decoder"].state_dict(), encoder=self.networks["encoder"].state_dict())
        if not self.settings.sound:
            return bundle
        return bundle.joined(replace(self.inverter, weights=self.networks["inverter"].state_dict()))

    def encoded_notes(self) -> EncodedNotes:
        """The training notes as points of the latent space, named by their styles and how loud they were played."""
        notes, chosen = self.dataset, evenly(len(self.dataset.rows))
        return EncodedNotes(
            latent=self.encoded(chosen).numpy(),
            level_db=notes.level_db[chosen].astype(np.float32),
            pitch=notes.pitch[chosen],
            styles=notes.soft_labels[chosen],
            names=tuple(self._note_name(place) for place in chosen),
        )

    def _note_name(self, place: int) -> str:
        """ "tremolo violins, velocity 68"; of a note without style, its id."""
        note = self.corpus.note(int(self.dataset.rows[place]))
        velocity = "" if note.velocity is None else f", velocity {note.velocity}"
        return f"{' '.join(note.styles)}{velocity}" if note.styles else note.id

    @classmethod
    def closing(cls, outcome: Outcome) -> list[str]:
        where = outcome.bundle
        return [f"The instrument is in {where}: play it with `darktimbre play {where}`."] if where else []


def _put(queue: Tensor, latent: Tensor, classes: Tensor) -> None:
    """Appends latents (batch, latent) to the queues (class, place, latent) of their classes; the oldest drop out."""
    for one in classes.unique().tolist() if queue.shape[1] else ():
        if one >= 0:
            queue[one] = torch.cat([queue[one], latent[classes == one]])[-queue.shape[1] :]


def _remarks(notes: StyledDataset) -> list[str]:
    """What is worth saying of the notes."""
    without = int((notes.pitch < 0).sum())
    unpitched = f"{without:,} of {len(notes.rows):,} notes have no pitch; they are trained on as unpitched."
    return [*notes.warnings, *([unpitched] if without else [])]


def init_bundle(recipe: Any) -> Bundle | None:
    """The bundle that a recipe's first weights are from; None: random ones.

    Raises:
        UserError: there is none, or it is no autoencoder, or has no encoder.
    """
    if recipe.init == "scratch":
        return None
    if recipe.init == "auto":
        raise UserError("An autoencoder starts from scratch or from a bundle of an autoencoder: name one with --init.")
    bundle = Bundle.from_pretrained(recipe.init)
    bundle.encoder_network()
    return bundle


def first_inverter(plan: Plan) -> InverterFolder:
    """The inversion network that a run with `autoencoder.sound` starts from, see `Sound.inverter`.

    Raises:
        UserError: there is none.
    """
    named = plan.recipe.autoencoder.sound.inverter
    bundle = init_bundle(plan.requested) if named is None and plan.init_from else None
    own = bundle.inverter_folder() if bundle else None
    return own or InverterFolder.from_pretrained(named or SHIPPED_INVERTER)


_AS_IT_IS = "take over its sizes, or train from scratch (--from-scratch)."


def _different(there: AutoencoderConfig, wanted: AutoencoderConfig) -> str:
    one, other = there.model_dump(), wanted.model_dump()
    return ", ".join(f"{key} {one[key]}, not {other[key]}" for key in one if one[key] != other[key])


def network_config(recipe: AutoencoderRecipe, attributes: Attributes, codec: Codec) -> AutoencoderConfig:
    """The full plan of the networks.

    Raises:
        UserError: the representation has a size, or a kind, that the networks cannot have.
    """
    channels, bands, frames = codec.shape
    if codec.config.kind != "mel-logmag":
        raise UserError("An autoencoder takes mel spectrograms without phase: set data.codec.kind=mel-logmag.")
    if bands % COARSEST or frames % COARSEST:
        fitting = -(-frames // COARSEST) * COARSEST
        raise UserError(
            f"The spectrograms are of {bands} bands and {frames} frames; an autoencoder halves both five times: set "
            f"data.codec.mel_bands to a multiple of {COARSEST}, and data.codec.frames={fitting}."
        )
    facts: dict[str, Any] = {"sample_rate": codec.sample_rate, "n_fft": codec.config.n_fft, "hop": codec.config.hop}
    sizes: dict[str, Any] = {"channels": channels, "bands": bands, "frames": frames}
    known: dict[str, Any] = {"pitches": attributes.pitches, "styles": len(attributes.names)}
    return AutoencoderConfig(**recipe.network.model_dump(), **known, **sizes, **facts)
