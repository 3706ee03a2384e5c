"""A classifier of notes in the manner of Inception: waves → log-frequency picture → embedding → pitch, family, tags.

Its answers and its embedding are what evaluation measures sounds by (inception score, kernel inception distance). The
network holds its own front end, so that whoever has a saved one needs nothing but waves. On the frequency axis a
semitone is the same step everywhere, so that a pitch is a place and a timbre a shape.
"""

import math
from functools import cache
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from darktimbre.models.convolution import Conv2d
from darktimbre.notes.bounded import Bounded, Positive, SampleRate

OCTAVES = 7  # at most; from 55 Hz to 7 kHz
TOP = 0.47  # of the sample rate: where the axis ends at the latest


class InceptionConfig(Bounded):
    """Sizes of a classifier and of what it sees; a bundle stores it. An impossible one raises `ValidationError`."""

    sample_rate: SampleRate = 16_000
    pitches: int = Field(default=26, ge=0, description="pitch classes (softmax)")
    families: int = Field(default=12, ge=0, description="instrument families (softmax)")
    attributes: int = Field(default=0, ge=0, description="soft labels of a teacher (independent sigmoids)")
    lowest: float = Field(default=55.0, gt=0, description="Hz of the first band")
    per_octave: Positive = Field(default=24, description="bands an octave, a multiple of 12")
    windows: tuple[Positive, ...] = Field(
        default=(4096, 1024), min_length=1, description="samples of the Hann window of each channel: fine, then quick"
    )
    hop: Positive = Field(default=512, description="samples between frames")
    floor: float = Field(default=80.0, gt=0, description="dB below a note's loudest place that still count")
    stem: Positive = Field(default=16, description="maps of the first convolution")
    widths: tuple[Positive, ...] = Field(
        default=(64, 96, 160, 192), min_length=1, description="maps of each inception block, multiples of 16"
    )
    embedding: Positive = 384

    @model_validator(mode="after")
    def _buildable(self) -> Self:
        if self.per_octave % 12:
            raise ValueError(
                f"per_octave is a multiple of 12, so that a semitone is whole bands; got {self.per_octave}."
            )
        if any(width % 16 for width in self.widths):
            raise ValueError(f"widths are multiples of 16; got {self.widths}.")
        if self.bands < self.per_octave:
            raise ValueError(f"at {self.sample_rate} Hz there is not an octave above {self.lowest:g} Hz.")
        self.refuse_large("bands", self.bands, max(self.windows))
        return self

    @property
    def bands(self) -> int:
        """Bands of the frequency axis, whole semitones up to Nyquist or `OCTAVES`."""
        octaves = min(OCTAVES, math.log2(TOP * self.sample_rate / self.lowest))
        return math.floor(12 * octaves) * (self.per_octave // 12)

    @property
    def semitone(self) -> int:
        """Bands a semitone."""
        return self.per_octave // 12


# ----------------------------------------------------------------------------
# Front end: what is seen


@cache
def filter_bank(*, sample_rate: int, n_fft: int, lowest: float, per_octave: int, bands: int) -> NDArray[np.float32]:
    """(FFT bin, band): triangles in log₂ frequency as wide as a band, or as a bin where bins are wider."""
    hertz = np.arange(1, n_fft // 2 + 1) * sample_rate / n_fft
    place = per_octave * np.log2(hertz / lowest)  # of each bin, in bands
    step = per_octave * np.log2(1 + 1 / np.arange(1, n_fft // 2 + 1))  # between a bin and the next, in bands
    width = np.maximum(1.0, step)[:, None]
    matrix = np.maximum(0.0, 1.0 - np.abs(place[:, None] - np.arange(bands)) / width)
    return np.concatenate([np.zeros((1, bands)), matrix]).astype(np.float32)  # the DC bin is in no band


class FrontEnd(nn.Module):
    """Waves → levels on a log-frequency axis, one channel a window length: long ones for pitch, short ones for onsets.

    Levels are in dB below the note's own loudest place, cut at the floor: however loud a note is, it looks the same.
    """

    def __init__(self, config: InceptionConfig) -> None:
        super().__init__()
        self.config = config
        for window in config.windows:  # computed, not stored
            bank = filter_bank(
                sample_rate=config.sample_rate,
                n_fft=window,
                lowest=config.lowest,
                per_octave=config.per_octave,
                bands=config.bands,
            )
            self.register_buffer(f"bank{window}", torch.tensor(bank), persistent=False)

    def forward(self, waves: Tensor) -> Tensor:
        """(batch, sample) → (batch, window, band, frame) in [0, 1], the loudest place being 1; silence is 0."""
        config, channels = self.config, []
        for window in config.windows:
            shape = torch.hann_window(window, periodic=True, dtype=waves.dtype, device=waves.device)
            spectrum = torch.stft(
                waves, window, config.hop, window=shape, center=True, pad_mode="constant", return_complex=True
            )
            power = (spectrum.real.square() + spectrum.imag.square()).transpose(1, 2)  # (batch, frame, bin)
            channels.append((power @ self.get_buffer(f"bank{window}").to(power)).transpose(1, 2) / shape.sum().square())
        power = torch.stack(channels, 1)
        loudest = power.amax((2, 3), keepdim=True)
        tiny = torch.finfo(power.dtype).tiny
        decibels = 10 * (power.clamp(min=tiny).log10() - loudest.clamp(min=tiny).log10())
        return (1 + decibels / config.floor).clamp(min=0) * (loudest > tiny)


# ----------------------------------------------------------------------------
# Network: what is made of it


class Unit(nn.Sequential):
    """A convolution that keeps the size, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, int] = (1, 1), stride: tuple[int, int] = (1, 1)):
        padding = (kernel[0] // 2, kernel[1] // 2)
        super().__init__(
            Conv2d(inputs, outputs, kernel, stride, padding, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class Block(nn.Module):
    """Four ways side by side (Szegedy et al. 2016, fig. 5 and 6): 1×1; 3×3; n×1 then 1×n; pooling."""

    def __init__(self, inputs: int, outputs: int, length: int = 7) -> None:
        super().__init__()
        part = outputs // 16
        self.point = Unit(inputs, 4 * part)
        self.square = nn.Sequential(Unit(inputs, 3 * part), Unit(3 * part, 6 * part, (3, 3)))
        self.cross = nn.Sequential(
            Unit(inputs, 3 * part), Unit(3 * part, 3 * part, (length, 1)), Unit(3 * part, 4 * part, (1, length))
        )
        self.pool = nn.Sequential(nn.AvgPool2d(3, 1, 1, count_include_pad=False), Unit(inputs, 2 * part))

    def forward(self, maps: Tensor) -> Tensor:
        return torch.cat([self.point(maps), self.square(maps), self.cross(maps), self.pool(maps)], 1)


class NoClasses(nn.Module):
    """The head of nothing: (note, dimension) → (note, 0)."""

    def forward(self, embedding: Tensor) -> Tensor:
        return embedding[:, :0]


def _head(inputs: int, classes: int) -> nn.Module:
    return nn.Linear(inputs, classes) if classes else NoClasses()


class NotePredictions(NamedTuple):
    """What a classifier predicts for notes."""

    pitch: Tensor  # (note, pitch class) logits
    family: Tensor  # (note, family) logits
    embedding: Tensor  # (note, dimension), what the logits are a linear map of
    attributes: Tensor  # (note, attribute) logits, for a teacher's soft labels


class Inception(nn.Module):
    """Front end → stem → inception blocks with pooling in between → mean over time → embedding → heads."""

    def __init__(self, config: InceptionConfig) -> None:
        super().__init__()
        self.config = config
        self.front = FrontEnd(config)
        self.stem = Unit(len(config.windows), config.stem, (7, 3), (1, 2))
        blocks: list[nn.Module] = []
        before, rows = config.stem, config.bands
        for width in config.widths:
            blocks += [nn.MaxPool2d((2, 2), ceil_mode=True), Block(before, width)]
            before, rows = width, -(-rows // 2)
        self.blocks = nn.Sequential(*blocks)
        self.neck = nn.Sequential(
            nn.Linear(before * rows, config.embedding, bias=False), nn.BatchNorm1d(config.embedding), nn.ReLU()
        )
        self.pitch = _head(config.embedding, config.pitches)
        self.family = _head(config.embedding, config.families)
        self.attributes = _head(config.embedding, config.attributes)

    def embed(self, picture: Tensor) -> Tensor:
        """(batch, window, band, frame) → (batch, dimension). Where on the frequency axis something is stays known."""
        maps = self.blocks(self.stem((picture - 0.5).contiguous(memory_format=torch.channels_last)))
        embedding: Tensor = self.neck(maps.mean(3).flatten(1))
        return embedding

    def answer(self, embedding: Tensor, *, drop: float = 0.0) -> NotePredictions:
        """The heads, linear; in training `drop` of the embedding is left out."""
        seen = F.dropout(embedding, drop, self.training)
        return NotePredictions(self.pitch(seen), self.family(seen), embedding, self.attributes(seen))

    def forward(self, waves: Tensor) -> NotePredictions:
        """(batch, sample) at `sample_rate`, any length → its predictions."""
        return self.answer(self.embed(self.front(waves)))
