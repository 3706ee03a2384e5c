"""The whole way from latent and condition to picture and wave as one graph of plain real operations, for exporters.

What `Synthesizer` computes by FFT and in place is written here as matrix products, pads and sums, which every runtime
has: no complex numbers, no operator beyond the common ones, a batch of any size. Parity with the synthesizer is tested.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from darktimbre.models.folding import FoldedGenerator, fold
from darktimbre.representation.codec import SPAN, Codec
from darktimbre.representation.instantaneous_frequency import coherent_turns, if_to_phase, own_turns
from darktimbre.representation.stft import hann, synthesis_gain
from darktimbre.synthesizer.synthesizer import Synthesizer, edges

LATENT, CONDITION, PICTURE, WAVE = "latent", "condition", "picture", "wave"  # names of the graph's ends


class Sound(nn.Module):
    """(latent, condition) → picture and, where `invertible`, the wave of the note with its edges.

    Raises:
        ValueError: the wave is wanted of a codec whose inverse is no plain graph.
    """

    def __init__(self, instrument: Synthesizer, *, with_sound: bool) -> None:
        super().__init__()
        self.network: FoldedGenerator = fold(instrument.bundle.generator())
        self.inversion = Inversion(instrument.codec) if with_sound else None

    def forward(self, latent: Tensor, condition: Tensor) -> tuple[Tensor, ...]:
        """latent `(batch, latent)`, condition `(batch, size)` → (picture,) or (picture, wave)."""
        picture = self.network(latent, condition)
        return (picture,) if self.inversion is None else (picture, self.inversion(picture))


def why_not(codec: Codec) -> str | None:
    """Why a codec's inverse cannot be written as a graph, as the end of a sentence; None where it can."""
    if codec.inverter is not None:
        return "another inverter than the codec's own makes its sound"
    if not codec.phase:
        return f"its pictures hold no phase, and finding one ({codec.config.inversion}) is no fixed graph"
    if codec.mel:
        return f"its mel pictures are inverted by iteration ({codec.config.refinements} rounds of Griffin-Lim)"
    return None


class Inversion(nn.Module):
    """Pictures `(batch, 2, frequency, frame)` of instantaneous frequency → waves `(batch, sample)`, edges included.

    The same equations as `Codec.decode`, then the edges of `Synthesizer`.
    """

    start: Tensor
    advance: Tensor
    window: Tensor
    gain: Tensor

    def __init__(self, codec: Codec) -> None:
        super().__init__()
        reason = why_not(codec)
        if reason:
            raise ValueError(reason)
        self.settings = c = codec.config
        self.first_bin, self.low, self.high, self.samples = codec.first_bin, codec.low, codec.high, codec.samples
        place = (torch.float32, torch.device("cpu"))
        start, advance = own_turns(codec.first_bin, codec.bins, c.n_fft, c.hop, *place)
        self.register_buffer("start", start.clone())
        self.register_buffer("advance", advance.clone())
        self.register_buffer("window", hann(c.n_fft, *place).clone())
        covered = synthesis_gain(c.n_fft, c.hop, c.picture_frames, c.samples, *place)
        self.register_buffer("gain", covered * torch.from_numpy(edges(c.samples, c.sample_rate)))
        self.spectrum_to_frame = InverseRealDFT(c.n_fft)

    def forward(self, pictures: Tensor) -> Tensor:
        c = self.settings
        logs = (pictures[:, 0].clamp(-1, 1) + SPAN) * ((self.high - self.low) / (2 * SPAN)) + self.low
        magnitude = (torch.exp(logs) - c.floor).clamp(min=0)
        turns, own = pictures[:, 1].clamp(-4, 4), (self.start, self.advance)
        if c.coherence:
            turns = coherent_turns(turns, magnitude, own=own, reach=c.coherence)
        phase = if_to_phase(turns, own=own if c.centred else None)
        parts = (magnitude * torch.cos(phase), magnitude * torch.sin(phase))
        real, imag = (F.pad(part.transpose(1, 2), (self.first_bin, 0)) for part in parts)
        pieces = self.spectrum_to_frame(real, imag) * self.window
        waves = overlap_add(pieces, c.hop)[:, c.n_fft // 2 : c.n_fft // 2 + self.samples]
        return waves * self.gain


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
        self._keep("inner", np.exp(2j * np.pi * np.outer(a, q) / self.a))  # (a, q)
        self._keep("turn", np.exp(2j * np.pi * np.outer(a, p) / n_fft))  # (a, p)
        self._keep("outer", np.exp(2j * np.pi * np.outer(p, b) / self.p))  # (p, b)
        self.register_buffer("weight", torch.from_numpy(weight).float())
        alternating = np.where(np.arange(n_fft) % 2 == 0, 1.0, -1.0) / n_fft
        self.register_buffer("alternating", torch.from_numpy(alternating).float())

    def _keep(self, name: str, values: np.ndarray) -> None:
        self.register_buffer(f"{name}_real", torch.from_numpy(np.ascontiguousarray(values.real)).float())
        self.register_buffer(f"{name}_imag", torch.from_numpy(np.ascontiguousarray(values.imag)).float())

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
