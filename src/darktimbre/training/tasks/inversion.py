"""The inversion network: log-mel spectrograms of a corpus's notes → their sound; instruments are played with it."""

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator
from torch import Tensor
from torch.nn import functional as F

from darktimbre.bundle.inverter import InverterFolder, inversion_config
from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.splits import SPLITS
from darktimbre.measures.spectral import log_spectral_distance, spectral_convergence
from darktimbre.models.inversion import STRIDE, Architecture, InversionConfig, InversionNetwork, Partials
from darktimbre.notes.attributes import Attributes
from darktimbre.notes.errors import UserError
from darktimbre.objectives.inversion import (
    advance_loss,
    convergence_loss,
    instantaneous_frequency_loss,
    log_magnitude_loss,
    modulus,
    weighted_phase_loss,
)
from darktimbre.representation import stft
from darktimbre.representation.codec import Codec, codec_from_config
from darktimbre.training.dataset import NoteDataset, note_dataset
from darktimbre.training.recipe import Data, Recipe, Section
from darktimbre.training.schedule import StepState
from darktimbre.training.tasks.base import Plan
from darktimbre.training.tasks.supervised import SupervisedTask

MEASURED = 64  # notes of each split that the saved network is measured on
BLURRED = 5  # taps of the kernels that spectrograms are blurred with


class Degrade(Section):
    """How the spectrograms of a share of the notes are spoiled, so that generated ones, which are smooth, invert well;
    what they should sound like stays as it is."""

    share: float = Field(default=0.3, ge=0, le=1)
    bands: NonNegativeFloat = 1.0  # standard deviation of the blur over frequency, in bands, up to this
    frames: NonNegativeFloat = 1.0  # and over time, in frames
    noise: NonNegativeFloat = 0.1  # standard deviation of what is added to the log magnitudes, up to this


class InversionSettings(Section):
    """The section `inversion`."""

    architecture: Architecture = "partials"
    # `partials`
    width: PositiveInt = 160  # features of a frame
    blocks: PositiveInt = 3
    expansion: PositiveInt = 3  # hidden features of a block, times the width
    rounds: NonNegativeInt = 3  # multiplicative rounds that fit magnitudes to the mel bands
    refinements: NonNegativeInt = 2  # iterations of Griffin-Lim from the network's spectra
    # `mcnn`
    heads: PositiveInt = 4
    filters: PositiveInt = 128  # maps after the first layer

    # Weights of the losses: of the linear magnitudes that `partials` makes, and of the sound
    magnitude: NonNegativeFloat = 1.0  # spectral convergence of its magnitudes
    log_magnitude: NonNegativeFloat = 0.2  # log magnitudes of its magnitudes
    place: NonNegativeFloat = 1.0  # the phase's growth from frame to frame, by its frequencies
    wave_convergence: NonNegativeFloat = 0.5  # spectral convergence of the sound, mean over `windows`
    wave_log_magnitude: NonNegativeFloat = 0.1  # log magnitudes of the sound, mean over `windows`
    frequency: NonNegativeFloat = 0.0  # instantaneous frequency of the sound
    phase: NonNegativeFloat = 0.0  # weighted phase of the sound
    windows: tuple[PositiveInt, ...] = Field(
        default=(2048,), min_length=1
    )  # of the sound's spectra; hops are a quarter
    floor: PositiveFloat = 0.003  # magnitude below which log magnitudes hardly differ
    wave_every: PositiveInt = 16  # steps between those on which `partials` is trained through its sound as well

    unknown: float = Field(default=0.15, ge=0, le=1)  # share of the notes whose pitch the network is not given
    degrade: Degrade = Degrade()
    weight_decay: NonNegativeFloat = 1e-2  # decoupled decay of AdamW

    @model_validator(mode="after")
    def _buildable(self) -> "InversionSettings":
        self.config()  # says what is wrong with the sizes
        return self

    def config(self, codec: Codec | None = None) -> InversionConfig:
        """The network for a codec."""
        keys = ("architecture", "width", "blocks", "expansion", "rounds", "refinements", "heads", "filters")
        sizes = {key: getattr(self, key) for key in keys}
        return InversionConfig(**sizes) if codec is None else inversion_config(codec.config, **sizes)


class InversionRecipe(Recipe):
    """A recipe of task `inversion`; of `data` it reads split, seconds, peak_db and codec."""

    task: Literal["inversion"]
    inversion: InversionSettings = InversionSettings()


# ----------------------------------------------------------------------------
# What is inverted, read from a corpus


@dataclass(frozen=True)
class InvertedNotes:
    """Notes with their pitch, and the codec of their spectrograms."""

    notes: NoteDataset
    pitch: Tensor = field(repr=False)  # (note,) MIDI numbers; NaN where a note has none
    codec: Codec

    @classmethod
    def of(cls, data: Data, corpus: Corpus) -> "InvertedNotes":
        """The notes of a split, whatever their pitch."""
        notes = note_dataset(data, corpus, Attributes())
        pitch = torch.from_numpy(corpus.column("pitch")[notes.rows].astype(np.float32))
        settings = {**data.codec, "sample_rate": corpus.sample_rate, "samples": corpus.samples}
        return cls(notes, torch.where(pitch >= 0, pitch, torch.nan), codec_from_config(settings))

    @property
    def rows(self) -> NDArray[np.int64]:
        """Rows of the corpus."""
        return self.notes.rows


# ----------------------------------------------------------------------------
# The task


class InversionTask(SupervisedTask):
    """A network that makes sound of spectrograms: losses of its magnitudes, and of its sound's."""

    Recipe = InversionRecipe
    key, noun, draws, model = "inversion", "inverter", ("augment", 5), InverterFolder
    clip = 1.0
    weighted = ("magnitude", "log_magnitude", "place", "wave_convergence", "wave_log_magnitude", "frequency", "phase")
    dataset: InvertedNotes
    network: InversionNetwork

    @classmethod
    def make_plan(cls, recipe: InversionRecipe, corpus: Corpus) -> Plan:
        dataset = InvertedNotes.of(recipe.data, corpus)
        recipe.inversion.config(dataset.codec)  # refuses a codec that no network is for
        unpitched = int(dataset.pitch.isnan().sum())
        messages = [f"{unpitched:,} of {len(dataset.rows):,} notes have no pitch."] if unpitched else []
        return Plan.of(recipe, corpus, codec=dataset.codec.to_config(), messages=messages)

    @classmethod
    def build_dataset(cls, plan: Plan, corpus: Corpus) -> InvertedNotes:
        return InvertedNotes.of(plan.recipe.data, corpus)

    @classmethod
    def build_network(cls, settings: InversionSettings, dataset: InvertedNotes | None) -> InversionNetwork:
        return InversionNetwork(settings.config(None if dataset is None else dataset.codec))

    def step(self, state: StepState) -> dict[str, Tensor]:
        self.through_sound = state.step % self.settings.wave_every == 0
        return super().step(state)

    def losses(self, index: NDArray[np.int64], draws: Tensor) -> dict[str, Tensor]:
        settings, device, data = self.settings, self.context.device, self.dataset
        waves, draws = data.notes.waves(index).to(device), draws.to(device)
        with torch.no_grad():
            pitch = data.pitch[torch.from_numpy(index)].to(device)
            pitch = torch.where(draws[:, 0] < settings.unknown, torch.nan, pitch)
            given = degraded(data.codec.log_magnitude(waves), draws[:, 1:], settings.degrade)
        body, losses = self.network.body, dict[str, Tensor]()
        if not isinstance(body, Partials):
            with self.context.autocast():
                made = self.network(given, pitch)
            return self.sound_losses(made.float(), waves)
        with self.context.autocast():
            magnitude, above = body.sharpened(given, pitch)
        with torch.no_grad():
            c = self.network.config
            wanted = stft.forward(waves, n_fft=c.n_fft, hop=STRIDE * c.hop, frames=c.frames // STRIDE)
            real = modulus(wanted).transpose(1, 2)
        losses["magnitude"] = convergence_loss(made=magnitude, real=real)
        losses["log_magnitude"] = log_magnitude_loss(made=magnitude, real=real, floor=settings.floor)
        advance = 2 * math.pi * STRIDE * c.hop / c.n_fft * (torch.arange(above.shape[1], device=device) + above.mT)
        losses["place"] = advance_loss(advance=advance[:, 1:], real=wanted)
        return losses | (self.sound_losses(body.sound(magnitude, above), waves) if self.through_sound else {})

    def sound_losses(self, made: Tensor, real: Tensor) -> dict[str, Tensor]:
        """Losses of waves `(batch, sample)`; those of weight 0 are left out."""
        settings, names = self.settings, ("wave_convergence", "wave_log_magnitude", "frequency", "phase")
        found: dict[str, list[Tensor]] = {name: [] for name in names if self.weights[name]}
        for window in settings.windows:
            x, y = (stft.forward(waves, n_fft=window, hop=window // 4) for waves in (real, made))
            pair = {"made": modulus(y), "real": modulus(x)}
            if "wave_convergence" in found:
                found["wave_convergence"].append(convergence_loss(**pair))
            if "wave_log_magnitude" in found:
                found["wave_log_magnitude"].append(log_magnitude_loss(**pair, floor=settings.floor))
            if "frequency" in found:
                found["frequency"].append(instantaneous_frequency_loss(made=y, real=x))
            if "phase" in found:
                found["phase"].append(weighted_phase_loss(made=y, real=x))
        return {name: torch.stack(values).mean() for name, values in found.items()}

    def metrics(self, model: InverterFolder) -> dict[str, Any]:
        """Of some notes of each split: how near the sounds of their spectrograms are, pitch known."""
        found: dict[str, Any] = {}
        for split in SPLITS:
            try:
                data = InvertedNotes.of(self.recipe.data.model_copy(update={"split": split}), self.corpus)
            except UserError:  # there are no notes in it
                continue
            index = np.linspace(0, len(data.rows) - 1, min(MEASURED, len(data.rows))).astype(np.int64)
            found[split] = {"notes": len(index), **nearness(model, data, index)}
        return found


def nearness(model: InverterFolder, data: InvertedNotes, index: NDArray[np.int64]) -> dict[str, float]:
    """Means over notes of spectral convergence and log-spectral distance, in dB, at the codec's own frames."""
    c, figures = model.network, list[tuple[float, float]]()
    for one in index:
        waves = data.notes.waves(np.array([one]))
        made = model.invert(data.codec.log_magnitude(waves), data.pitch[one : one + 1])
        x, y = (stft.forward(wave, n_fft=c.n_fft, hop=c.hop).abs().transpose(1, 2).numpy() for wave in (waves, made))
        convergence = 20 * np.log10(spectral_convergence(x, y)[0])
        figures.append((float(convergence), float(log_spectral_distance(x, y)[0])))
    convergence, distance = np.mean(figures, axis=0)
    return {"convergence_db": float(convergence), "distance_db": float(distance)}


def degraded(log_magnitude: Tensor, draws: Tensor, choices: Degrade) -> Tensor:
    """Log magnitudes `(batch, band, frame)`, a share of them blurred over both axes and noisy.

    `draws` `(batch, 4)` in [0, 1): whether, and how much of each. The noise is torch's own, seeded by the step.
    """
    widths = draws[:, 1:3] * draws.new_tensor([choices.bands, choices.frames]) + 1e-3  # (batch, axis)
    place = torch.arange(BLURRED, device=draws.device) - BLURRED // 2
    taps = torch.softmax(-0.5 * (place / widths[..., None]).square(), dim=-1)  # (batch, axis, tap)
    kernels = (taps[:, 0, :, None] * taps[:, 1, None, :])[:, None]
    margin = (BLURRED // 2,) * 4
    padded = F.pad(log_magnitude[None], margin, mode="replicate")
    blurred = F.conv2d(padded, kernels, groups=len(draws))[0]
    noisy = blurred + choices.noise * draws[:, 3, None, None] * torch.randn_like(blurred)
    floor = log_magnitude.amin(dim=(1, 2), keepdim=True)
    return torch.where((draws[:, 0] < choices.share)[:, None, None], torch.maximum(noisy, floor), log_magnitude)
