"""Adversarial autoencoders of notes: an encoder without a condition, a conditional decoder, a latent discriminator.

    encoder: spectrogram → strided convolutions with batch norm → latent
    decoder: (latent, condition) → FiLM dense layers → transposed convolutions with AdaIN, beside a branch that draws
             partials over harmonic numbers and lays them on the mel axis → spectrogram

After Bitton, Esling, Caillon, Fouilleul (DAFx 2019, arXiv 1904.06215); sizes, and the branch of partials, are ours.
"""

import itertools
import math
from functools import lru_cache
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from darktimbre.notes.bounded import Bounded, Pitches, Positive, SampleRate
from darktimbre.notes.pitch import SEMITONES, octave_of
from darktimbre.representation.mel import band_edges, mel_basis

OCTAVES = 9  # of a note's condition: those of C0 to B8
SLOPE = 0.2  # of the leaky ReLU
STRIDE = 2  # of a convolution, and growth of a transposed one
STAGES = 5
COARSEST = STRIDE**STAGES
NOISE_START = 1024  # samples of the noise that are left out before the first window
MAIN_LOBE = 2.0  # STFT bins: half width of a Hann window's main lobe
OFFSETS = (-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5)  # in half widths of a partial
SPACING = OFFSETS[1] - OFFSETS[0]
MEL, MEL_HZ = 2595.0 / math.log(10.0), 700.0  # HTK's scale, mel = MEL · log(1 + Hz / MEL_HZ)
PARTIAL_GROWTH = (4, 16)  # of (harmonic, frame) in the branch of partials


class AutoencoderSizes(Bounded):
    """Sizes that a recipe chooses."""

    latent: int = Field(default=3, ge=1, description="numbers of the latent vector z")
    encoder_widths: tuple[Positive, Positive, Positive, Positive, Positive] = (16, 32, 48, 64, 96)
    dense: tuple[Positive, Positive] = Field(default=(128, 256), description="features of the decoder's dense layers")
    decoder_widths: tuple[Positive, Positive, Positive, Positive, Positive] = Field(
        default=(64, 96, 64, 48, 24), description="maps of the coarsest grid, then of each one twice as fine"
    )
    embedding: Positive = Field(default=32, description="numbers that the note is embedded in, and the styles")
    harmonics: int = Field(default=64, ge=0, description="partials that are drawn apart; 0: none")
    partial_width: Positive = Field(default=16, description="maps of the branch of partials")
    discriminator_width: Positive = 128


class AutoencoderConfig(AutoencoderSizes):
    """The same with what follows from the data."""

    pitches: Pitches = Field(default=(), description="MIDI numbers of the condition's first entries")
    styles: int = Field(default=0, ge=0, description="style tags: the condition's other entries")
    bands: int = Field(default=256, ge=COARSEST, multiple_of=COARSEST, description="mel bands of a spectrogram")
    frames: int = Field(default=128, ge=COARSEST, multiple_of=COARSEST, description="frames of a spectrogram")
    sample_rate: SampleRate = 16_000  # Hz
    n_fft: Positive = 2048  # samples
    hop: Positive = 256  # samples

    channels: int = Field(default=1, ge=1, le=1, description="channels of a spectrogram: log-magnitude")

    @model_validator(mode="after")
    def _buildable(self) -> Self:
        self.refuse_large("feature maps", max(self.encoder_widths + self.decoder_widths), self.bands, self.frames)
        self.refuse_large("maps of partials", self.partial_width, self.harmonics, self.frames)
        self.refuse_large("mel bands", self.bands, self.n_fft)
        self.refuse_large("partials on bands", self.bands, self.harmonics, len(OFFSETS))
        return self

    @property
    def condition(self) -> int:
        """Numbers of [one-hot pitch | styles]."""
        return len(self.pitches) + self.styles

    @property
    def pitch_comb(self) -> bool:
        """Whether pitches between the trained ones can be played: harmonics move with a soft one-hot."""
        return bool(self.pitches and self.harmonics)

    @property
    def coarsest(self) -> tuple[int, int]:
        """(frequency, frame) of the coarsest grid."""
        return self.bands // COARSEST, self.frames // COARSEST

    def picture_size(self) -> tuple[int, int]:
        """(frequency, frame) of a spectrogram."""
        return self.bands, self.frames


# ----------------------------------------------------------------------------
# Encoder


class Encoder(nn.Module):
    """Spectrogram → latent; it is given neither note nor style."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        widths = (config.channels, *config.encoder_widths)
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(widths):
            layers.append(nn.Conv2d(inputs, outputs, 5, STRIDE, padding=2, bias=False))
            layers += [nn.BatchNorm2d(outputs), nn.LeakyReLU(SLOPE, inplace=True)]
        self.convolutions = nn.Sequential(*layers)
        self.hidden = nn.Linear(widths[-1] * math.prod(config.coarsest), config.dense[0])
        self.latent = nn.Linear(config.dense[0], config.latent)

    def forward(self, spectrogram: Tensor) -> Tensor:
        """`(batch, 1, frequency, frame)` as a codec encodes it → `(batch, latent)`."""
        features = self.convolutions(spectrogram).flatten(1)
        return self.latent(F.leaky_relu(self.hidden(features), SLOPE))


# ----------------------------------------------------------------------------
# Condition


class ConditionEmbedding(nn.Module):
    """[one-hot pitch | styles] → embedding of note and styles, linear and without bias.

    So a mixture of styles is embedded as the mixture of their embeddings, weights above 1 go beyond them, and zeros are
    the untagged note. A pitch enters as its semitone (12) and its octave (9).
    """

    classes: Tensor

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.pitches = len(config.pitches)
        self.size = config.embedding * (bool(config.pitches) + bool(config.styles))
        self.note = nn.Linear(SEMITONES + OCTAVES, config.embedding, bias=False) if config.pitches else None
        self.style = nn.Linear(config.styles, config.embedding, bias=False) if config.styles else None
        self.register_buffer("classes", note_classes(config.pitches), persistent=False)

    def forward(self, condition: Tensor) -> Tensor:
        """`(batch, condition)` → `(batch, size)`."""
        parts = []
        if self.note is not None:
            parts.append(self.note(condition[:, : self.pitches] @ self.classes))
        if self.style is not None:
            parts.append(self.style(condition[:, self.pitches :]))
        return torch.cat(parts, dim=1) if parts else condition.new_zeros(len(condition), 0)


def note_classes(pitches: tuple[int, ...]) -> Tensor:
    """(pitch, 12 + 9): [one-hot semitone | one-hot octave] of MIDI numbers; octaves beyond 0 and 8 count to these."""
    classes = torch.zeros(len(pitches), SEMITONES + OCTAVES)
    for row, pitch in enumerate(pitches):
        classes[row, pitch % SEMITONES] = 1.0
        classes[row, SEMITONES + min(max(octave_of(pitch), 0), OCTAVES - 1)] = 1.0
    return classes


# ----------------------------------------------------------------------------
# Modulation of features by a vector


class Film(nn.Module):
    """Feature-wise linear modulation (Perez et al. 2018): x ← (1 + γ(c)) · x + β(c)."""

    def __init__(self, condition: int, features: int) -> None:
        super().__init__()
        self.modulation = nn.Linear(condition, 2 * features)

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        """`(batch, feature, …)` by `(batch, condition)`."""
        scale, shift = self.modulation(condition).chunk(2, dim=1)
        shape = (*scale.shape, *(1,) * (features.dim() - 2))
        return torch.addcmul(shift.view(shape), features, 1.0 + scale.view(shape))


class AdaptiveStage(nn.Module):
    """Transposed convolution, adaptive instance normalisation (Huang & Belongie 2017), leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, condition: int) -> None:
        super().__init__()
        self.convolution = nn.ConvTranspose2d(inputs, outputs, 2 * STRIDE, STRIDE, padding=1, bias=False)
        self.film = Film(condition, outputs)

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        """`(batch, in, frequency, frame)`, `(batch, condition)` → `(batch, out, …)`, twice as fine."""
        return adapted(self.convolution(features), self.film, condition)


def adapted(features: Tensor, film: Film, condition: Tensor) -> Tensor:
    """Adaptive instance normalisation and leaky ReLU."""
    normalised = F.group_norm(features, features.shape[1])  # a map a group: instance norm, at a seventh of its time
    return F.leaky_relu(film(normalised, condition), SLOPE)


# ----------------------------------------------------------------------------
# Where a pitch's partials lie on the mel axis


class HarmonicPlaces(nn.Module):
    """One-hot pitch → how much each partial has to do with each mel band, at some offsets from the partial's place.

    With d the distance of band b from partial h·f0 in bands and w half the width that the window's main lobe and the
    band's triangle give a partial there, `max(0, 1 − |d / w − o| · SPACING⁻¹)` is 1 at the offset o and 0 at its
    neighbours: weights of these hats draw any shape of a partial, and one that moves. A soft one-hot gives the pitch
    between on a logarithmic axis; entries that sum to less than one fade the partials, so that an unpitched note has
    none.
    """

    log_f0: Tensor
    number: Tensor
    band: Tensor
    offset: Tensor

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        rate = config.sample_rate
        edges = band_edges(config.bands, 0.0, rate / 2)
        self.mel_step = MEL * float(np.log1p(edges[1] / MEL_HZ))
        self.lobe_hz = MAIN_LOBE * rate / config.n_fft
        f0 = [math.log(440.0) + (pitch - 69) / 12 * math.log(2.0) for pitch in config.pitches]
        self.register_buffer("log_f0", torch.tensor(f0), persistent=False)
        self.register_buffer("number", torch.arange(1.0, config.harmonics + 1), persistent=False)
        self.register_buffer("band", torch.arange(1.0, config.bands + 1)[:, None, None], persistent=False)
        self.register_buffer("offset", torch.tensor(OFFSETS)[:, None], persistent=False)

    def forward(self, one_hot: Tensor) -> Tensor:
        """`(batch, pitch)` → `(batch, band, offset · harmonic)`."""
        total = one_hot.sum(dim=1, keepdim=True)
        mean = (one_hot * self.log_f0).sum(dim=1, keepdim=True)  # no product of matrices: bfloat16 is too coarse for it
        f0 = torch.exp(mean / total.clamp(min=1e-6))  # Hz
        hertz = (f0 * self.number)[:, None, None]  # (batch, 1, 1, harmonic)
        place = MEL / self.mel_step * torch.log1p(hertz / MEL_HZ)  # in bands
        spacing = self.mel_step / MEL * (MEL_HZ + hertz)  # Hz a band
        distance = (self.band - place) / (1.0 + self.lobe_hz / spacing)
        hats = (1.0 - (distance - self.offset).abs() / SPACING).clamp(min=0.0)
        return hats.flatten(2) * total.clamp(0.0, 1.0)[:, :, None]


class FrameStage(nn.Module):
    """As `AdaptiveStage`, but only frames become twice as many: a convolution over them makes two of each."""

    def __init__(self, features: int, condition: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(features, STRIDE * features, (1, 3), padding=(0, 1), bias=False)
        self.film = Film(condition, features)
        self.noise = nn.Parameter(torch.zeros(features, 1, 1))  # how much of it each map gets

    def forward(self, features: Tensor, condition: Tensor, noise: Tensor | None = None) -> Tensor:
        """`(batch, feature, harmonic, frame)`, `(batch, condition)` → `(batch, feature, harmonic, 2 · frame)`; `noise`
        `(harmonic, 2 · frame)`."""
        pairs = self.convolution(features).unflatten(1, (features.shape[1], STRIDE))
        grown = pairs.permute(0, 1, 3, 4, 2).flatten(3)
        return adapted(grown if noise is None else grown + self.noise * noise, self.film, condition)


# ----------------------------------------------------------------------------
# Fixed noise, the same in every note. Bow noise and beating are different in each band and each partial; a network that
# makes all of a spectrogram from a few numbers can only move all of it at once (StyleGAN has noise for the same reason,
# Karras et al. 2019, §3.2).


# In numpy, so that networks on the meta device, whose shapes alone count, can be built all the same.


def noise_texture(config: AutoencoderConfig) -> Tensor:
    """`(frequency, frame)`: the log-magnitudes of white noise, each band's mean taken off; deviation 1 over all."""
    facts = config.bands, config.frames, config.sample_rate, config.n_fft, config.hop
    return torch.from_numpy(_noise_texture(*facts).copy())


@lru_cache(maxsize=4)
def _noise_texture(bands: int, frames: int, rate: int, n_fft: int, hop: int) -> NDArray[np.float32]:
    white = np.random.Generator(np.random.Philox(key=1)).standard_normal(NOISE_START + n_fft + (frames - 1) * hop)
    windows = np.lib.stride_tricks.sliding_window_view(white[NOISE_START:], n_fft)[::hop]
    spectrum = np.abs(np.fft.rfft(windows * _hann(n_fft)))
    return _standard(np.log(mel_basis(rate=rate, n_fft=n_fft, bands=bands) @ spectrum.T))


def partials_noise(config: AutoencoderConfig) -> Tensor:
    """`(harmonic, frame)`: noise as slow as the windows of a spectrogram let a partial waver; deviation 1 over all."""
    overlap = config.n_fft // config.hop  # frames that a window spans
    shape = (config.harmonics, config.frames + overlap - 1)
    white = np.random.Generator(np.random.Philox(key=2)).standard_normal(shape)
    window = _hann(overlap + 1)[1:]
    return torch.from_numpy(_standard(np.lib.stride_tricks.sliding_window_view(white, overlap, axis=1) @ window))


def _hann(length: int) -> NDArray[np.float64]:
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length))


def _standard(noise: NDArray[np.float64]) -> NDArray[np.float32]:
    centred = noise - noise.mean(axis=1, keepdims=True)
    return np.asarray(centred / centred.std(), np.float32)


class Partials(nn.Module):
    """Draws shapes over (harmonic number, frame) and lays them on the mel axis, where the pitch's partials are.

    What belongs to a partial's number, such as a clarinet's missing even ones, need not be found anew for each pitch,
    and a partial is as narrow as its window makes it.
    """

    noise: Tensor

    def __init__(self, config: AutoencoderConfig, features: int, condition: int) -> None:
        super().__init__()
        width = config.partial_width
        self.grid = (width, config.harmonics // PARTIAL_GROWTH[0], config.frames // PARTIAL_GROWTH[1])
        self.start = nn.Linear(features, math.prod(self.grid))
        self.stages = nn.ModuleList(
            [
                *(AdaptiveStage(width, width, condition) for _ in range(2)),
                *(FrameStage(width, condition) for _ in range(2)),
            ]
        )
        self.shapes = nn.Conv2d(width, len(OFFSETS), 1)
        self.places = HarmonicPlaces(config)
        self.register_buffer("noise", partials_noise(config), persistent=False)

    def forward(self, features: Tensor, condition: Tensor, one_hot: Tensor) -> Tensor:
        """→ `(batch, 1, frequency, frame)`."""
        drawn = F.leaky_relu(self.start(features), SLOPE).unflatten(1, self.grid)
        for stage in self.stages[:-1]:
            drawn = stage(drawn, condition)
        drawn = self.stages[-1](drawn, condition, self.noise)
        return (self.places(one_hot) @ self.shapes(drawn).flatten(1, 2))[:, None]


# ----------------------------------------------------------------------------
# Decoder


class Decoder(nn.Module):
    """(latent, condition) → spectrogram. The condition is `Attributes.condition`: [one-hot pitch | styles]."""

    noise: Tensor

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        first, second = config.dense
        widths = config.decoder_widths
        self.grid = (widths[0], *config.coarsest)
        self.embedding = ConditionEmbedding(config)
        embedded = self.embedding.size
        self.dense = nn.ModuleList(
            [nn.Linear(config.latent, first), nn.Linear(first, second), nn.Linear(second, math.prod(self.grid))]
        )
        self.films = nn.ModuleList([Film(embedded, size) for size in (first, second, math.prod(self.grid)) if embedded])
        condition = embedded + first
        self.stages = nn.ModuleList(
            AdaptiveStage(inputs, outputs, condition) for inputs, outputs in itertools.pairwise(widths)
        )
        # level, and how much noise; four neighbouring places as channels, for few maps at full size are what costs time
        self.spectrogram = nn.Sequential(nn.Conv2d(widths[-1], 2 * STRIDE**2, 3, padding=1), nn.PixelShuffle(STRIDE))
        self.register_buffer("noise", noise_texture(config), persistent=False)
        self.partials = Partials(config, first, condition) if config.pitch_comb else None

    def forward(self, latent: Tensor, condition: Tensor) -> Tensor:
        """`(batch, latent)`, `(batch, condition)` → `(batch, 1, frequency, frame)`, about [−1, 1]."""
        embedded = self.embedding(condition)
        hidden = features = self._dense(0, latent, embedded)
        for layer in range(1, len(self.dense)):
            features = self._dense(layer, features, embedded)
        modulating = torch.cat([embedded, hidden], dim=1)
        maps = features.unflatten(1, self.grid)
        for stage in self.stages:
            maps = stage(maps, modulating)
        level, amount = self.spectrogram(maps).chunk(2, dim=1)
        spectrogram = torch.addcmul(level, amount, self.noise)
        if self.partials is None:
            return spectrogram
        return spectrogram + self.partials(hidden, modulating, condition[:, : len(self.config.pitches)])

    def _dense(self, layer: int, features: Tensor, embedded: Tensor) -> Tensor:
        features = self.dense[layer](features)
        return F.leaky_relu(self.films[layer](features, embedded) if self.films else features, SLOPE)


# ----------------------------------------------------------------------------
# Latent discriminator


class LatentDiscriminator(nn.Module):
    """Which style a latent is of (Lample et al. 2017); the encoder is trained against it."""

    def __init__(self, config: AutoencoderConfig, combinations: int) -> None:
        super().__init__()
        width = config.discriminator_width
        self.layers = nn.Sequential(
            nn.Linear(config.latent, width), nn.LeakyReLU(SLOPE),
            nn.Linear(width, width), nn.LeakyReLU(SLOPE),
            nn.Linear(width, combinations),
        )  # fmt: skip

    def forward(self, latent: Tensor) -> Tensor:
        """`(batch, latent)` → logits of the combinations of style tags `(batch, combination)`."""
        return self.layers(latent)
