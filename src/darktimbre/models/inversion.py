"""Networks that make sound of a mel spectrogram in one pass: log magnitudes and the note's pitch → a wave.

Two of them. `Partials` (ours) does what a network is needed for and computes the rest: it *sharpens* the mel
magnitudes to linear ones, guided by where the partials of the known pitch lie, and the phases follow: each partial's
runs on at the frequency that its lobe shows (`following_phase`), corrected by the network. A few iterations of
Griffin-Lim settle what is left, and all of it is trained end to end. `MCNN` is the baseline of Arık, Jun & Diamos
(2018), *Fast spectrogram inversion using multi-head convolutional neural networks*: transposed convolutions alone.
"""

import math
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from darktimbre.notes.bounded import Bounded, Iterations, Positive, SampleRate
from darktimbre.representation import stft
from darktimbre.representation.mel import mel_basis
from darktimbre.representation.stft import frame_count

Architecture = Literal["partials", "mcnn"]

CENTRE, SPREAD = -1.0, 4.0  # what log magnitudes are normalised by: (log - CENTRE) / SPREAD
QUIET = 1e-5  # magnitude added to a band's mean, so that silence has a logarithm
STRIDE = 2  # spectra are made of every second frame: hops of a quarter of the window instead of an eighth
MOMENTUM = 0.99  # of Griffin-Lim (Perraudin, Balazs & Søndergaard 2013)
SLOW = 0.1  # times the weights from bands to bins: a step moves hundreds of them alike
REACH = 2  # bins to either side in which a bin looks for its peak: half of a Hann window's lobe


class InversionConfig(Bounded):
    """Sizes of an inversion network and the spectrograms it is for; a bundle stores it."""

    architecture: Architecture = "partials"

    # The codec that the network is for; its fitted scaling does not matter
    sample_rate: SampleRate = 16_000  # Hz
    samples: Positive = 32_000
    n_fft: Positive = 2048
    hop: Positive = 256
    bands: Positive = 256
    frames: Positive = 128
    floor: float = Field(default=1e-3, ge=1e-30)

    # `partials`
    width: Positive = Field(default=160, description="features of a frame")
    blocks: int = Field(default=3, ge=1, le=256)
    expansion: Positive = Field(default=3, description="hidden features of a block, times the width")
    kernel: Positive = Field(default=7, description="frames that a block's convolution sees, odd")
    rounds: Iterations = Field(default=3, description="multiplicative rounds that fit magnitudes to the mel bands")
    refinements: Iterations = Field(default=2, description="iterations of Griffin-Lim from the network's spectra")

    # `mcnn`
    heads: int = Field(default=4, ge=1, le=256)
    filters: Positive = Field(default=128, description="maps after the first layer; each layer has half of them")
    length: Positive = Field(default=13, description="taps of a transposed convolution, odd")

    @model_validator(mode="after")
    def _buildable(self) -> Self:
        if self.kernel % 2 == 0 or self.length % 2 == 0:
            raise ValueError(f"kernel and length are odd; got {self.kernel} and {self.length}")
        if self.frames < frame_count(self.samples, self.hop):
            raise ValueError(f"{self.frames} frames do not hold {self.samples} samples")
        if self.architecture == "partials" and (self.frames % STRIDE or self.n_fft % (4 * STRIDE * self.hop)):
            raise ValueError(
                f"hop {self.hop} is no eighth (or less) of n_fft {self.n_fft}, or frames are odd in number"
            )
        if self.architecture == "mcnn" and self.hop & (self.hop - 1):
            raise ValueError(f"hop {self.hop} is no power of two")
        self.refuse_large("spectra", self.n_fft // 2 + 1, self.frames)
        self.refuse_large("mel bands", self.bands, self.n_fft)
        self.refuse_large("features", max(self.bands, self.width * self.expansion), self.frames)
        self.refuse_large("feature maps", self.filters, max(self.samples, self.frames))
        return self


class InversionNetwork(nn.Module):
    """log(|X| + floor) `(batch, band, frame)` and MIDI pitches `(batch,)` → waves `(batch, sample)`."""

    def __init__(self, config: InversionConfig) -> None:
        super().__init__()
        self.config = config
        self.body: Partials | MCNN = Partials(config) if config.architecture == "partials" else MCNN(config)

    def forward(self, log_magnitude: Tensor, pitch: Tensor | None = None) -> Tensor:
        """`pitch` may have fractions; NaN, or None, where there is none or it is not known."""
        if pitch is None:
            pitch = log_magnitude.new_full((len(log_magnitude),), math.nan)
        waves: Tensor = self.body(log_magnitude, pitch.to(log_magnitude))
        return waves


# ----------------------------------------------------------------------------
# Ours: features of every second frame → magnitudes and corrections of the phase → phases → a few refinements


class Partials(nn.Module):
    """stem (mel, pitch) → ConvNeXt blocks at frame rate → head (magnitudes, frequencies) → phases → Griffin-Lim.

    Of every second frame the head predicts, for each bin, a correction of the log magnitude, to which the levels of the
    bands also add directly, not through the narrow features; for each band, how much lobes rise out of it, at the
    pitch's partials and where the bands themselves peak (`peak_places`), how far its frequencies are from what the
    lobes show, and how much the partials' own frequencies count instead; and for the frame how far the partials deviate
    from the nominal pitch (detuning, vibrato) and how they are stretched (stiff strings). Magnitudes so made are
    brought to the sums that the bands hold by a few multiplicative rounds, as in `representation.mel.mel_to_magnitude`,
    which starts from nothing.
    """

    band_of: Tensor
    places: Tensor
    basis: Tensor
    mean: Tensor
    lower: Tensor
    upper: Tensor
    share: Tensor
    centres: Tensor
    spacing: Tensor

    def __init__(self, config: InversionConfig) -> None:
        super().__init__()
        self.config = c = config
        basis = mel_basis(rate=c.sample_rate, n_fft=c.n_fft, bands=c.bands)  # (band, bin)
        self.bins = basis.shape[1]
        band_of = (basis / basis.max(axis=1, keepdims=True)).argmax(axis=0)
        self._keep("band_of", band_of)  # of each bin, the band it lies nearest to
        self._keep("places", np.concatenate([band_of + part * c.bands for part in range(ROWS)]))
        self._keep("basis", basis)
        self._keep("mean", 1 / basis.sum(axis=1, keepdims=True))
        centres = basis @ np.arange(self.bins) / basis.sum(axis=1)
        self._keep("centres", centres)  # of each band, in bins
        self._keep("spacing", np.gradient(centres)[:, None])  # from one to the next
        # A bin lies in two bands, or one: which, and the first's share (see `mel.mel_pair`)
        lower = (basis > 0).argmax(axis=0)
        total = basis.sum(axis=0).clip(min=1e-9)
        self._keep("lower", lower)
        self._keep("upper", np.minimum(lower + 1, c.bands - 1))
        self._keep("share", (basis[lower, np.arange(self.bins)] / total)[:, None])
        self.stem = nn.Conv1d(c.bands, c.width, 3, stride=STRIDE, padding=1)
        self.pitch = nn.Linear(2 * c.bands, c.width, bias=False)
        self.blocks = nn.ModuleList(Block(c.width, c.expansion, c.kernel) for _ in range(c.blocks))
        self.norm = nn.LayerNorm(c.width)
        self.per_bin = nn.Conv1d(c.width, self.bins, 1)
        self.local = nn.Linear(c.bands, self.bins, bias=False)
        self.per_band = nn.Conv1d(c.width, ROWS * c.bands, 1)
        self.per_frame = nn.Linear(c.width, 2)
        for head in (self.per_bin, self.per_band, self.per_frame):
            assert head.bias is not None
            nn.init.normal_(head.weight, std=1e-3)
            nn.init.zeros_(head.bias)
        nn.init.zeros_(self.local.weight)
        assert self.per_band.bias is not None
        with torch.no_grad():
            rises = self.per_band.bias.view(ROWS, c.bands)
            rises[1] = 0.5  # the bands' own peaks: half of a lobe is the best guess
            rises[-1] = -3.0  # at first, the lobes count and not the partials' nominal frequencies

    def forward(self, log_magnitude: Tensor, pitch: Tensor) -> Tensor:
        return self.sound(*self.sharpened(log_magnitude, pitch))

    def sound(self, magnitude: Tensor, above: Tensor) -> Tensor:
        """Waves `(batch, sample)` of what `sharpened` gives; the phases count as constants."""
        c = self.config
        hop = STRIDE * c.hop
        phase = following_phase(magnitude.detach(), above.detach(), hop=hop, n_fft=c.n_fft)
        return refined(magnitude, phase, n_fft=c.n_fft, hop=hop, samples=c.samples, iterations=c.refinements)

    def sharpened(self, log_magnitude: Tensor, pitch: Tensor) -> tuple[Tensor, Tensor]:
        """Of every second frame, linear magnitudes, and how far above each bin the frequency lies that sounds in it, in
        bins; each `(batch, bin, frame)`, float32."""
        c = self.config
        fundamental = 440.0 * torch.exp2((pitch - 69) / 12) * (c.n_fft / c.sample_rate)  # in bins; NaN: not known
        features = self.features(log_magnitude, fundamental)
        turned = features.transpose(1, 2)
        # A band's values are copied to its bins as rows, which lie together in memory: bins before frames.
        per_band = self.per_band(turned).float().index_select(1, self.places).unflatten(1, (ROWS, self.bins))
        partial, peak, correction, trust = per_band.unbind(1)
        deviation, stretch = self.per_frame(features).float().unbind(-1)  # each (batch, frame)
        bins = torch.arange(self.bins, device=features.device, dtype=torch.float32)
        distance, lobe = partial_lobes(bins, fundamental, 0.01 * deviation, 1e-4 * stretch)
        with torch.autocast(features.device.type, enabled=False):
            mel = (torch.exp(log_magnitude[..., ::STRIDE]) - c.floor).clamp(min=0)
            bands = torch.log(mel * self.mean + QUIET)
            level = self.per_bin(turned).float() + bands.index_select(1, self.band_of)
            level = level + (SLOW * self.local.weight) @ normalised(log_magnitude[..., ::STRIDE])
            own = bins[:, None] - peak_places(bands, self.centres, self.spacing).index_select(1, self.band_of)
            level = level + partial * lobe + peak * log_lobe(own)
            magnitude = self.consistent(torch.exp(level.clamp(max=8.0)), mel)  # full scale has n_fft / 4, e^6.2
            above = lobe_offset(magnitude) + correction
            trust = torch.sigmoid(trust) * fundamental.isfinite()[:, None, None]
            return magnitude, above - trust * (above + distance)

    def consistent(self, magnitude: Tensor, mel: Tensor) -> Tensor:
        """Linear magnitudes nearer to those that have these mel magnitudes `(batch, band, frame)`, by Lee & Seung's
        multiplicative rule."""
        for _ in range(self.config.rounds):
            ratio = (mel + 1e-6) / (self.basis @ magnitude + 1e-6)
            below, above = ratio.index_select(1, self.lower), ratio.index_select(1, self.upper)
            magnitude = magnitude * torch.lerp(above, below, self.share)
        return magnitude

    def features(self, log_magnitude: Tensor, fundamental: Tensor) -> Tensor:
        """`(batch, frame, width)` of every second frame."""
        none = torch.zeros_like(fundamental)[:, None]
        shapes = partial_lobes(self.centres, fundamental, none, none)
        known = self.pitch(torch.cat(shapes, dim=1).transpose(1, 2))  # (batch, 1, width)
        features = self.stem(normalised(log_magnitude)).transpose(1, 2) + known
        for block in self.blocks:
            features = block(features)
        normed: Tensor = self.norm(features)
        return normed

    def _keep(self, name: str, values: NDArray[Any]) -> None:
        kind = torch.float32 if values.dtype.kind == "f" else torch.int64
        self.register_buffer(name, torch.tensor(values.tolist(), dtype=kind), persistent=False)


def normalised(log_magnitude: Tensor) -> Tensor:
    """Log magnitudes about zero, by constants."""
    return (log_magnitude - CENTRE) / SPREAD


class Block(nn.Module):
    """ConvNeXt (Liu et al. 2022) over frames: depthwise convolution → norm → two linear layers, added to the input."""

    def __init__(self, width: int, expansion: int, kernel: int) -> None:
        super().__init__()
        self.mix = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, expansion * width)
        self.down = nn.Linear(expansion * width, width)
        self.scale = nn.Parameter(torch.full((width,), 0.1))

    def forward(self, features: Tensor) -> Tensor:
        """`(batch, frame, width)` → the same."""
        mixed = self.mix(features.transpose(1, 2)).transpose(1, 2)
        return features + self.scale * self.down(F.silu(self.up(self.norm(mixed))))


ROWS = 4
"""What the head predicts of a band: two rises, a correction of its frequencies, trust in the partials' own."""


def log_lobe(distance: Tensor) -> Tensor:
    """Log of the main lobe of a Hann window's transform at a distance in bins, about zero, and not below -1.5.

    (1 - δ²/4)² is within 0.07 of sin πδ / (πδ(1 - δ²)) up to δ = 2, where both end.
    """
    return torch.log((1 - 0.25 * distance.square()).clamp(min=0).square() + 0.03) + 2.0


def peak_places(level: Tensor, centres: Tensor, spacing: Tensor) -> Tensor:
    """Where the strongest partial near each band lies, in bins: a parabola through the log levels of the strongest of
    the band and its two neighbours, and of that one's neighbours.

    Args:
        level: (batch, band, frame) log of the bands' mean magnitudes.
        centres: (band,) of the bands, in bins.
        spacing: (band, 1) from one centre to the next, in bins.
    """
    below, above = _neighbours(level)
    bend = (2 * level - below - above).clamp(min=0.05)
    place = centres[:, None] + ((above - below) / (2 * bend)).clamp(-1, 1) * spacing
    for other, moved in zip((below, above), _neighbours(place), strict=True):
        place = torch.where((other > level) & (other >= torch.maximum(below, above)), moved, place)
    return place


def _neighbours(values: Tensor) -> tuple[Tensor, Tensor]:
    """What lies below and above along axis 1; the ends are their own."""
    return torch.cat([values[:, :1], values[:, :-1]], dim=1), torch.cat([values[:, 1:], values[:, -1:]], dim=1)


def partial_lobes(bins: Tensor, fundamental: Tensor, deviation: Tensor, stretch: Tensor) -> tuple[Tensor, Tensor]:
    """How far each bin lies from the nearest partial, in bins, within ± 2; and `log_lobe` of it. Each `(batch, bin,
    frame)`; zeros where there is no pitch.

    Partial h lies at h·f₀(1 + deviation)·(1 + stretch·h²): with `stretch` it is a stiff string's, to first order
    (Fletcher 1964).

    Args:
        bins: (bin,) frequencies in bins.
        fundamental: (batch,) in bins; NaN: none.
        deviation: (batch, frame) relative to the fundamental.
        stretch: (batch, frame).
    """
    known = fundamental.isfinite()[:, None, None]
    base = (torch.where(fundamental.isfinite(), fundamental, 1.0)[:, None] * (1 + deviation))[:, None]
    with torch.no_grad():  # which partial is the nearest
        ratio = bins[:, None] / base
        number = torch.round(ratio - stretch[:, None] * ratio**3).clamp(min=1)
    distance = bins[:, None] - base * (number + stretch[:, None] * number**3)
    return distance.clamp(-2, 2) * known, log_lobe(distance) * known


# ----------------------------------------------------------------------------
# Phases that follow from magnitudes


def lobe_offset(magnitude: Tensor) -> Tensor:
    """How far above each bin a lone partial lies that has these magnitudes below and above it, in bins, `(batch, bin,
    frame)`: read off the Hann window's own lobe (`representation.phase_gradient.hann_places`)."""
    s = magnitude + (1e-6 * magnitude.detach().amax(dim=(1, 2), keepdim=True) + 1e-12)
    below, above = _neighbours(s)
    k = (above - below) / (above + below)
    return 4 * k / (3 + torch.sqrt(9 - 8 * k * k))


def following_phase(magnitude: Tensor, above: Tensor, *, hop: int, n_fft: int) -> Tensor:
    """Phases in radians of spectra with these magnitudes, each `(batch, bin, frame)`; counted from frames' starts.

    Single pass (Beauregard, Harish & Wyse 2015): a bin belongs to the strongest one within the window's lobe, its
    peak, and goes on from where that bin's phase was a frame before, at the peak's frequency. Here the phase's slope
    over the lobe is read off how the magnitude grows over time (`representation.phase_gradient.hann_places`), so that
    attacks are at their place.

    Args:
        magnitude: not negative, `(batch, bin, frame)`.
        above: how far above each bin its frequency lies, in bins, of the same shape (see `lobe_offset`).
        hop: samples between frames.
        n_fft: samples of a frame.
    """
    s = magnitude + (1e-6 * magnitude.amax(dim=(1, 2), keepdim=True) + 1e-12)
    root = torch.sqrt(s)
    first, last = root[..., :1].square() / root[..., 1:2], root[..., -1:].square() / root[..., -2:-1]
    before, after = torch.cat([first, root[..., :-1]], dim=2), torch.cat([root[..., 1:], last], dim=2)
    slope = (after - before) / (after + before) * (1 / math.tan(math.pi * hop / n_fft))
    late = 2 * slope / (1 + 0.28 * slope.square())  # twice its arctangent, within 0.01: 2π times the part of the window
    peak = peaks(s)  # (batch, frame, bin), as all below: a frame's values lie together
    above = above.transpose(1, 2).contiguous().gather(2, peak)
    # A bin's own advance is a multiple of 2π·hop/n_fft: whole turns are left out, so that sums stay small.
    turn = 2 * math.pi * hop / n_fft
    advance = (torch.remainder(peak, n_fft // hop) + above) * turn
    phases = [torch.zeros_like(advance[:, 0])]
    for frame in range(1, peak.shape[1]):
        phases.append(phases[-1].gather(1, peak[:, frame]) + advance[:, frame])
    bins = torch.arange(peak.shape[2], device=peak.device)
    rest = math.pi * (bins % 2) - late.transpose(1, 2) * ((bins - peak) - above)
    return (torch.stack(phases, dim=1) + rest).transpose(1, 2)


def peaks(magnitude: Tensor) -> Tensor:
    """The strongest bin within `REACH` of each, `(batch, bin, frame)` → indices `(batch, frame, bin)`."""
    bins = magnitude.shape[1]
    padded = F.pad(magnitude, (0, 0, REACH, REACH), value=-1.0)
    best, place = magnitude, torch.zeros_like(magnitude)
    for step in (-1, 1, -2, 2):  # `REACH`; at a tie the nearer, then the lower
        other = padded[:, REACH + step : REACH + step + bins]
        place = torch.where(other > best, float(step), place)
        best = torch.maximum(best, other)
    return torch.arange(bins, device=magnitude.device) + place.transpose(1, 2).long()


def refined(magnitude: Tensor, phase: Tensor, *, n_fft: int, hop: int, samples: int, iterations: int) -> Tensor:
    """Griffin & Lim's iterations from spectra `(batch, bin, frame)` → waves `(batch, sample)`.

    As `representation.griffin_lim`, but with a derivative that stays bounded where the spectra vanish.
    """
    magnitude, phase = magnitude.transpose(1, 2).contiguous(), phase.transpose(1, 2).contiguous()
    spectra, before = torch.complex(magnitude * torch.cos(phase), magnitude * torch.sin(phase)), None
    for _ in range(iterations):
        waves = stft.inverse(spectra, n_fft=n_fft, hop=hop, samples=samples)
        consistent = stft.forward(waves, n_fft=n_fft, hop=hop, frames=magnitude.shape[1])
        push = consistent if before is None else consistent + MOMENTUM * (consistent - before)
        before = consistent
        real, imag = torch.view_as_real(push).unbind(-1)
        square = real * real + imag * imag
        spectra = push * (magnitude * torch.rsqrt(square + 1e-4 * magnitude.detach().square() + 1e-12))
    return stft.inverse(spectra, n_fft=n_fft, hop=hop, samples=samples)


# ----------------------------------------------------------------------------
# The baseline


class MCNN(nn.Module):
    """Arık, Jun & Diamos (2018), figure 1: heads of transposed convolutions of stride 2 with ELU, as many as the hop
    has factors of two, their waves summed with a weight each, and a scaled softsign. It does not see the pitch."""

    def __init__(self, config: InversionConfig) -> None:
        super().__init__()
        self.config = c = config
        doublings = c.hop.bit_length() - 1
        maps = [max(1, c.filters >> number) for number in range(doublings - 1)] + [1]
        layers = [
            nn.ConvTranspose1d(
                c.bands if not number else c.heads * maps[number - 1],
                c.heads * count,
                c.length,
                stride=2,
                padding=c.length // 2,
                output_padding=1,
                groups=c.heads if number else 1,
            )
            for number, count in enumerate(maps)
        ]
        for layer in layers:  # a sample sees half of the taps, of all maps of its group
            assert layer.bias is not None
            nn.init.normal_(layer.weight, std=math.sqrt(2 / (layer.in_channels // layer.groups * c.length / 2)))
            nn.init.zeros_(layer.bias)
        self.layers = nn.ModuleList(layers)
        self.weight = nn.Parameter(torch.full((c.heads,), 1.0 / c.heads))
        self.gain = nn.Parameter(torch.tensor([0.5, 0.5]))  # a and b of a·x / (1 + |b·x|)

    def forward(self, log_magnitude: Tensor, pitch: Tensor) -> Tensor:
        c = self.config
        features = normalised(log_magnitude)
        for layer in self.layers:
            features = F.elu(layer(features))
        wave = (features * self.weight[:, None]).sum(dim=1)[:, : c.samples]
        a, b = self.gain
        return a * wave / (1 + (b * wave).abs())
