"""The whole way from latent and condition to picture and wave as one graph of plain real operations, for exporters.

What `Synthesizer` computes by FFT and in place is written here as matrix products, pads and sums, which every runtime
has: no complex numbers, no operator beyond the common ones, a batch of any size. Parity with the synthesizer is tested.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from darktimbre.audio.loudness import peak_gain
from darktimbre.models.inversion import (
    MOMENTUM,
    STRIDE,
    InversionConfig,
    InversionNetwork,
    Partials,
    following_phase,
)
from darktimbre.models.inversion_folded import FoldedPartials
from darktimbre.representation.codec import SPAN, Codec
from darktimbre.representation.instantaneous_frequency import coherent_turns, if_to_phase, own_turns
from darktimbre.representation.stft import hann, synthesis_gain
from darktimbre.synthesizer.synthesizer import FAINT, Synthesizer, edges

LATENT, CONDITION, PICTURE, WAVE = "latent", "condition", "picture", "wave"  # names of the graph's ends
_PLACE = (torch.float32, torch.device("cpu"))


class Sound(nn.Module):
    """(latent, condition) → picture and, where `with_sound`, the wave of the note with its edges, at the level of
    training where all notes had one.

    Raises:
        ValueError: the wave is wanted of a codec whose inverse is no plain graph.
    """

    pitches: Tensor

    def __init__(self, instrument: Synthesizer, *, with_sound: bool) -> None:
        super().__init__()
        self.network = instrument.bundle.played()
        codec = instrument.codec
        self.inversion: Inversion | LearnedInversion | None = None
        if with_sound:
            self.inversion = Inversion(codec) if codec.inverter is None else LearnedInversion(codec)
        level = instrument.bundle.level_db
        self.peak = None if level is None else 10 ** (level / 20)  # amplitude of every note
        self.register_buffer("pitches", torch.tensor(instrument.attributes.pitches, dtype=torch.float32))

    def forward(self, latent: Tensor, condition: Tensor) -> tuple[Tensor, ...]:
        """latent `(batch, latent)`, condition `(batch, size)` → (picture,) or (picture, wave)."""
        picture = self.network(latent, condition)
        if self.inversion is None:
            return (picture,)
        if isinstance(self.inversion, Inversion):
            wave = self.inversion(picture)
        else:
            wave = self.inversion(picture, self._pitch(condition))
        if self.peak is not None:
            wave = wave * peak_gain(wave.abs().amax(dim=1, keepdim=True), self.peak, FAINT)
        return picture, wave

    def _pitch(self, condition: Tensor) -> Tensor:
        """`Controls.pitch_of`: MIDI numbers `(batch,)`, NaN where the condition has none."""
        share = condition[:, : len(self.pitches)]
        total = share.sum(dim=1)
        middle = (share * self.pitches).sum(dim=1) / torch.where(total > 0, total, 1.0)
        return torch.where(total > 0, middle, math.nan)


def why_not(codec: Codec) -> str | None:
    """Why a codec's inverse cannot be written as a graph, as the end of a sentence; None where it can."""
    if codec.inverter is not None:
        return None if network_of(codec) else "an inverter that is no network of darktimbre's makes its sound"
    if not codec.phase:
        return f"its spectrograms hold no phase, and finding one ({codec.config.inversion}) is no fixed graph"
    if codec.mel:
        return f"its mel spectrograms are inverted by iteration ({codec.config.refinements} rounds of Griffin-Lim)"
    return None


class Inversion(nn.Module):
    """Spectrograms `(batch, 2, frequency, frame)` of instantaneous frequency → waves `(batch, sample)`, edges included.

    The same equations as `Codec.decode`, then the edges of `Synthesizer`.
    """

    start: Tensor
    advance: Tensor
    edges: Tensor

    def __init__(self, codec: Codec) -> None:
        super().__init__()
        reason = why_not(codec)
        if reason:
            raise ValueError(reason)
        self.settings = c = codec.config
        self.first_bin, self.low, self.high = codec.first_bin, codec.low, codec.high
        start, advance = own_turns(codec.first_bin, codec.bins, c.n_fft, c.hop, *_PLACE)
        self.register_buffer("start", start.clone())
        self.register_buffer("advance", advance.clone())
        self.register_buffer("edges", torch.from_numpy(edges(c.samples, c.sample_rate)))
        self.spectra_to_wave = InverseSTFT(n_fft=c.n_fft, hop=c.hop, frames=c.picture_frames, samples=c.samples)

    def forward(self, spectrograms: Tensor) -> Tensor:
        c = self.settings
        magnitude = (torch.exp(_logs(spectrograms, self.low, self.high)) - c.floor).clamp(min=0)
        turns, own = spectrograms[:, 1].clamp(-4, 4), (self.start, self.advance)
        if c.coherence:
            turns = coherent_turns(turns, magnitude, own=own, reach=c.coherence)
        phase = if_to_phase(turns, own=own if c.centred else None)
        parts = (magnitude * torch.cos(phase), magnitude * torch.sin(phase))
        real, imag = (F.pad(part.transpose(1, 2), (self.first_bin, 0)) for part in parts)
        waves: Tensor = self.spectra_to_wave(real, imag)
        return waves * self.edges


class LearnedInversion(nn.Module):
    """Spectrograms `(batch, 1, frequency, frame)` and MIDI pitches `(batch,)` → waves `(batch, sample)`, with their
    edges, by the network that the codec was handed.

    The same equations as its own `forward`, with every transform as real matrix products.
    """

    edges: Tensor

    def __init__(self, codec: Codec) -> None:
        super().__init__()
        network = network_of(codec)
        if network is None:
            raise ValueError(why_not(codec) or "its codec was handed no inversion network")
        self.low, self.high = codec.low, codec.high
        self.network = network
        self.register_buffer("edges", torch.from_numpy(edges(codec.samples, codec.sample_rate)))
        self.refined: Refined | None = None
        if isinstance(network.body, Partials):
            self.refined = Refined(network.config)

    def forward(self, spectrograms: Tensor, pitch: Tensor) -> Tensor:
        logs = _logs(spectrograms, self.low, self.high)
        if self.refined is None:
            waves: Tensor = self.network(logs, pitch)
        else:
            assert isinstance(self.network.body, Partials)
            magnitude, above = self.network.body.sharpened(logs, pitch)
            waves = self.refined(
                magnitude, following_phase(magnitude, above, hop=self.refined.hop, n_fft=self.refined.n_fft)
            )
        return waves * self.edges


def network_of(codec: Codec) -> InversionNetwork | None:
    """The inversion network that a codec was handed, as it was trained; None where it was handed another inverter."""
    inverter = codec.inverter.network if isinstance(codec.inverter, FoldedPartials) else codec.inverter
    return inverter if isinstance(inverter, InversionNetwork) else None


class Refined(nn.Module):
    """`models.inversion.refined`: magnitudes and phases `(batch, bin, frame)` → waves `(batch, sample)`."""

    def __init__(self, config: InversionConfig) -> None:
        super().__init__()
        self.iterations, frames = config.refinements, config.frames // STRIDE
        self.n_fft, self.hop = config.n_fft, STRIDE * config.hop
        sizes = {"n_fft": self.n_fft, "hop": self.hop, "frames": frames, "samples": config.samples}
        self.inverse, self.transform = InverseSTFT(**sizes), STFT(**sizes)

    def forward(self, magnitude: Tensor, phase: Tensor) -> Tensor:
        magnitude, phase = magnitude.transpose(1, 2), phase.transpose(1, 2)
        real, imag = magnitude * torch.cos(phase), magnitude * torch.sin(phase)
        before: tuple[Tensor, Tensor] | None = None
        for _ in range(self.iterations):
            found: tuple[Tensor, Tensor] = self.transform(self.inverse(real, imag))
            pushed = found
            if before is not None:
                pushed = (
                    found[0] + MOMENTUM * (found[0] - before[0]),
                    found[1] + MOMENTUM * (found[1] - before[1]),
                )
            before = found
            real, imag = pushed
            gain = magnitude / torch.sqrt(real * real + imag * imag + 1e-4 * magnitude * magnitude + 1e-12)
            real, imag = real * gain, imag * gain
        waves: Tensor = self.inverse(real, imag)
        return waves


# ----------------------------------------------------------------------------
# The short-time Fourier transform and its inverse


def _logs(spectrograms: Tensor, low: float, high: float) -> Tensor:
    """log(|X| + floor) of the level channel, as `Codec.decode` has it."""
    return (spectrograms[:, 0].clamp(-1, 1) + SPAN) * ((high - low) / (2 * SPAN)) + low


class InverseSTFT(nn.Module):
    """`representation.stft.inverse`: real and imaginary parts `(batch, frame, bin)` → waves `(batch, sample)`."""

    window: Tensor
    gain: Tensor

    def __init__(self, *, n_fft: int, hop: int, frames: int, samples: int) -> None:
        super().__init__()
        self.n_fft, self.hop, self.samples = n_fft, hop, samples
        self.register_buffer("window", hann(n_fft, *_PLACE).clone())
        self.register_buffer("gain", synthesis_gain(n_fft, hop, frames, samples, *_PLACE).clone())
        self.spectrum_to_frame = InverseRealDFT(n_fft)

    def forward(self, real: Tensor, imag: Tensor) -> Tensor:
        pieces = self.spectrum_to_frame(real, imag) * self.window
        waves = overlap_add(pieces, self.hop)[:, self.n_fft // 2 : self.n_fft // 2 + self.samples]
        return waves * self.gain


class STFT(nn.Module):
    """`representation.stft.forward`: waves `(batch, sample)` → real and imaginary parts `(batch, frame, bin)`."""

    window: Tensor

    def __init__(self, *, n_fft: int, hop: int, frames: int, samples: int) -> None:
        super().__init__()
        self.n_fft, self.hop, self.frames = n_fft, hop, frames
        self.after = (frames - 1) * hop + n_fft - n_fft // 2 - samples  # padded behind; cut, where below zero
        self.register_buffer("window", hann(n_fft, *_PLACE).clone())
        self.frame_to_spectrum = RealDFT(n_fft)

    def forward(self, waves: Tensor) -> tuple[Tensor, Tensor]:
        padded = F.pad(waves, (self.n_fft // 2, max(0, self.after)))
        blocks = padded[:, : (self.frames - 1) * self.hop + self.n_fft].unflatten(1, (-1, self.hop))
        parts = self.n_fft // self.hop
        pieces = torch.cat([blocks[:, part : part + self.frames] for part in range(parts)], dim=2)
        spectra: tuple[Tensor, Tensor] = self.frame_to_spectrum(pieces * self.window)
        return spectra


class RealDFT(nn.Module):
    """The real DFT as two small matrix products, the way back of `InverseRealDFT` and split as that one is.

    X[p + P·q] = Σ_a e^{-2πi qa/A} · e^{-2πi pa/N} · Σ_b e^{-2πi pb/P} x[a + A·b], and X[N/2] = Σ_n (-1)^n x[n].
    """

    alternating: Tensor
    inner_real: Tensor
    inner_imag: Tensor
    turn_real: Tensor
    turn_imag: Tensor
    outer_real: Tensor
    outer_imag: Tensor

    def __init__(self, n_fft: int) -> None:
        super().__init__()
        half = n_fft // 2
        self.p = max(d for d in range(1, math.isqrt(half) + 1) if half % d == 0)
        self.q, self.a = half // self.p, n_fft // self.p
        p, q, a, b = np.arange(self.p), np.arange(self.q), np.arange(self.a), np.arange(self.p)
        _keep(self, "outer", np.exp(-2j * np.pi * np.outer(p, b) / self.p))  # (p, b)
        _keep(self, "turn", np.exp(-2j * np.pi * np.outer(p, a) / n_fft))  # (p, a)
        _keep(self, "inner", np.exp(-2j * np.pi * np.outer(a, q) / self.a))  # (a, q)
        self.register_buffer("alternating", torch.from_numpy(np.where(np.arange(n_fft) % 2 == 0, 1.0, -1.0)).float())

    def forward(self, pieces: Tensor) -> tuple[Tensor, Tensor]:
        """`(batch, frame, n_fft)` → real and imaginary part `(batch, frame, n_fft/2 + 1)`."""
        top = (pieces * self.alternating).sum(dim=-1, keepdim=True)
        split = pieces.unflatten(-1, (self.p, self.a))  # (…, b, a): n = a + A·b
        summed_real, summed_imag = self.outer_real @ split, self.outer_imag @ split  # (…, p, a)
        turned_real = summed_real * self.turn_real - summed_imag * self.turn_imag
        turned_imag = summed_real * self.turn_imag + summed_imag * self.turn_real
        real = turned_real @ self.inner_real - turned_imag @ self.inner_imag  # (…, p, q): k = p + P·q
        imag = turned_real @ self.inner_imag + turned_imag @ self.inner_real
        real, imag = (part.transpose(-1, -2).flatten(-2) for part in (real, imag))
        return torch.cat([real, top], dim=-1), torch.cat([imag, torch.zeros_like(top)], dim=-1)


class InverseRealDFT(nn.Module):
    """The inverse real DFT as two small matrix products (Cooley & Tukey 1965), for runtimes without a fast FFT.

    With N = n_fft, a real signal is x[n] = 1/N · Re Σ_{k < N/2} w_k X[k] e^{2πi kn/N} + (-1)^n X[N/2] / N, w_0 = 1 and
    else 2. Split k = p + P·q and n = a + A·b, where P·Q = N/2 and A = N/P: the sum over q is a product with
    e^{2πi qa/A}, then every term turns by e^{2πi pa/N}, and the sum over p is a product with e^{2πi pb/P}. For N = 2048
    these are 0.4 million multiplications a frame instead of the 4.2 of the whole basis, and 32 kB instead of 17 MB.
    """

    inner_real: Tensor
    inner_imag: Tensor
    turn_real: Tensor
    turn_imag: Tensor
    outer_real: Tensor
    outer_imag: Tensor
    alternating: Tensor

    def __init__(self, n_fft: int) -> None:
        super().__init__()
        half = n_fft // 2
        self.p = max(d for d in range(1, math.isqrt(half) + 1) if half % d == 0)
        self.q, self.a = half // self.p, n_fft // self.p
        weight = np.full((self.q, self.p), 2.0 / n_fft)  # (q, p): k = p + P·q
        weight[0, 0] = 1.0 / n_fft
        p, q, a, b = np.arange(self.p), np.arange(self.q), np.arange(self.a), np.arange(self.p)
        _keep(self, "inner", np.exp(2j * np.pi * np.outer(a, q) / self.a))  # (a, q)
        _keep(self, "turn", np.exp(2j * np.pi * np.outer(a, p) / n_fft))  # (a, p)
        _keep(self, "outer", np.exp(2j * np.pi * np.outer(p, b) / self.p))  # (p, b)
        self.register_buffer("weight", torch.from_numpy(weight).float())
        alternating = np.where(np.arange(n_fft) % 2 == 0, 1.0, -1.0) / n_fft
        self.register_buffer("alternating", torch.from_numpy(alternating).float())

    def forward(self, real: Tensor, imag: Tensor) -> Tensor:
        """Real and imaginary part `(batch, frame, n_fft/2 + 1)` → `(batch, frame, n_fft)`."""
        top = real[..., -1:] * self.alternating
        real = real[..., :-1].unflatten(-1, (self.q, self.p)) * self.weight
        imag = imag[..., :-1].unflatten(-1, (self.q, self.p)) * self.weight
        summed_real = self.inner_real @ real - self.inner_imag @ imag  # (…, a, p)
        summed_imag = self.inner_real @ imag + self.inner_imag @ real
        turned_real = summed_real * self.turn_real - summed_imag * self.turn_imag
        turned_imag = summed_real * self.turn_imag + summed_imag * self.turn_real
        frames = turned_real @ self.outer_real - turned_imag @ self.outer_imag  # (…, a, b): n = a + A·b
        return frames.transpose(-1, -2).flatten(-2) + top


def overlap_add(pieces: Tensor, hop: int) -> Tensor:
    """`darktimbre.representation.stft.overlap_add` without writing in place: a sum of shifted, padded blocks."""
    parts = pieces.shape[-1] // hop
    blocks = pieces.unflatten(-1, (parts, hop))
    shifted = [F.pad(blocks[:, :, part], (0, 0, part, parts - 1 - part)) for part in range(parts)]
    total = shifted[0]
    for one in shifted[1:]:
        total = total + one
    return total.flatten(1)


def example(instrument: Synthesizer, count: int) -> tuple[Tensor, Tensor]:
    """Latents and conditions of some notes, of its own pitches in turn: what graphs are traced and compared with."""
    pitches = instrument.attributes.pitches
    chosen = [pitches[index % len(pitches)] for index in range(count)] if pitches else None
    condition, latent = instrument.controls.fill(chosen, None, list(range(count)), None)
    return torch.from_numpy(latent), torch.from_numpy(np.ascontiguousarray(condition))


def parameters_of(instrument: Synthesizer) -> int:
    """How many numbers training adjusted in the network that generates."""
    return sum(one.numel() for one in instrument.bundle.generator().parameters())


def _keep(module: nn.Module, name: str, values: np.ndarray) -> None:
    """Registers complex values as two buffers, real and imaginary part."""
    module.register_buffer(f"{name}_real", torch.from_numpy(np.ascontiguousarray(values.real)).float())
    module.register_buffer(f"{name}_imag", torch.from_numpy(np.ascontiguousarray(values.imag)).float())
