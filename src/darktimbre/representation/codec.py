"""The codec: sound ⇄ spectrogram, scaled for a network; between the corpus and the model, and between model and sound.

Scaling: the least and the greatest log magnitude of the training split become -0.8 and 0.8. Extremes, not percentiles:
both ends of log(|X| + floor) are bounded by physics (the floor, and a full-scale sine), so one odd sound cannot stretch
the range, and nothing of the training split is ever clipped. Decoding clamps at ±1: an eighth of the range above the
loudest training bin (13 dB for notes that reach full level), so whatever a network generates, the sound stays bounded.
"""

import math
from collections.abc import Iterable
from typing import Any, Protocol

import torch
from pydantic import ValidationError
from torch import Tensor

from ..notes.bounded import first_mistake
from ..notes.errors import UserError
from . import mel, stft
from .config import CodecConfig
from .griffin_lim import griffin_lim
from .instantaneous_frequency import coherent_turns, if_to_phase, own_turns, spectrum_to_if, turn_per_frame, wrap
from .phase_gradient import phase_gradient
from .single_pass import single_pass

SPAN = 0.8  # the fitted range of log magnitudes becomes [-0.8, 0.8]
AT_ONCE = 4  # notes transformed together on a CPU: their spectra stay in its cache
SILENCE = 1e-24  # added to |X|², so that silence has a derivative


class Inverter(Protocol):
    """Magnitudes → sound: what a codec may be handed instead of its own ways, such as a learned inversion network."""

    def __call__(self, log_magnitude: Tensor, pitch: Tensor | None, /) -> Tensor:
        """Waves `(batch, sample)` of what a spectrogram without phase holds.

        Args:
            log_magnitude: `(batch, frequency, frame)` natural log of |X| + floor, of mel bands or of a spectrum's bins
                from `Codec.first_bin` up; not scaled, so that the fitted bounds do not matter.
            pitch: `(batch,)` MIDI numbers, fractions allowed, NaN where there is none; None where none is known.
        """
        ...


class Codec:
    """A named pair `encode` / `decode`; follows its input's device, computes in float32 (float64 for float64).

    Decoding ends with `inverter` where one is given (kinds without phase), else with what `config` chooses: integrated
    phases (kinds with phase), or its `inversion`.
    """

    def __init__(self, config: CodecConfig | None = None, *, inverter: Inverter | None = None) -> None:
        self.config = config or CodecConfig()
        self.inverter = inverter
        c = self.config
        self.sample_rate = c.sample_rate  # Hz
        self.samples = c.samples
        self.mel = c.kind.startswith("mel-")
        self.phase = c.kind.endswith("if")
        if inverter is not None and self.phase:
            raise UserError(
                f"Spectrograms of kind {c.kind} hold their phase: a learned inversion is for kinds without."
            )
        self.shape: tuple[int, int, int] = (
            2 if self.phase else 1,
            c.mel_bands if self.mel else c.n_fft // 2 + 1 - c.first_bin,
            c.picture_frames,
        )
        self.first_bin = 0 if self.mel else c.first_bin
        self.bins = c.n_fft // 2 + 1 - self.first_bin  # of the spectrum under the picture
        loudest = c.n_fft / 2  # |X| of the loudest sound in [-1, 1] under the window
        if self.mel:
            basis = mel.mel_basis(rate=c.sample_rate, n_fft=c.n_fft, bands=c.mel_bands)
            loudest *= float(basis.sum(axis=1).max())
        self.low = c.low if c.low is not None else math.log(c.floor)
        self.high = c.high if c.high is not None else math.log(loudest + c.floor)

    def encode(self, waves: Tensor) -> Tensor:
        """Waves `(batch, sample)` in [-1, 1] → pictures `(batch, channel, frequency, frame)`, about [-1, 1]."""
        if waves.ndim != 2 or waves.shape[1] != self.samples:
            raise UserError(
                f"This codec takes waves of shape (batch, {self.samples}), not {tuple(waves.shape)}; "
                "bring the sounds to its length first."
            )
        if not len(waves):
            return waves.new_zeros(0, *self.shape)
        with torch.autocast(waves.device.type, enabled=False):
            return _together([self._encode(part) for part in _portions(waves)])

    def decode(self, pictures: Tensor, pitch: Tensor | None = None) -> Tensor:
        """Pictures `(batch, channel, frequency, frame)` of any float type → waves `(batch, sample)`.

        `pitch` `(batch,)`, MIDI numbers (NaN: none), helps an inverter that looks at it; no other way does.

        Differentiable, but for the phases that a one-pass `inversion` finds: they count as constants. Always finite and
        bounded: levels are clamped to ±1, NaN counts as silence. May exceed [-1, 1].
        """
        if tuple(pictures.shape[1:]) != self.shape:
            raise UserError(f"This codec decodes pictures of shape {self.shape}, not {tuple(pictures.shape[1:])}.")
        if pitch is not None and pitch.shape != (len(pictures),):
            raise ValueError(
                f"pitch is one number a spectrogram; got {tuple(pitch.shape)} for {len(pictures)} spectrograms."
            )
        if not len(pictures):
            return pictures.new_zeros(0, self.samples)
        with torch.autocast(pictures.device.type, enabled=False):
            parts = _portions(pictures)
            if self.inverter is None:
                return _together([self._decode(part) for part in parts])
            sizes = [len(part) for part in parts]
            pitches = [None] * len(parts) if pitch is None else pitch.to(pictures.device).split(sizes)
            logs = (self._logs(torch.nan_to_num(part[:, 0], nan=-1.0)) for part in parts)
            return _together([self.inverter(*pair) for pair in zip(logs, pitches, strict=True)])

    def fit(self, batches: Iterable[Tensor]) -> "Codec":
        """A new codec scaled to the extremes of log magnitude in these batches of waves (the training split)."""
        low, high = math.inf, -math.inf
        with torch.no_grad():
            for waves in batches:
                for part in _portions(waves):
                    logs = self._log_magnitude(part)
                    low, high = min(low, float(logs.min())), max(high, float(logs.max()))
        if not low < high:
            raise UserError(
                "Fitting the codec needs sounds that are not all silent; look at them with darktimbre info."
            )
        return Codec(self.config.model_copy(update={"low": low, "high": high}), inverter=self.inverter)

    def to_config(self) -> dict[str, Any]:
        """A JSON-able description, scaling included; `codec_from_config` makes the same codec of it.

        `inversion` is in it where it is not Griffin-Lim: older descriptions, and digests of them, stay.
        """
        described = self.config.model_dump(mode="json")
        if self.config.inversion == "griffin-lim":
            del described["inversion"]
        return described

    def _log_magnitude(self, waves: Tensor) -> Tensor:
        return torch.log(self._magnitude(*self._spectrum(waves)) + self.config.floor)

    # The steps of both ways, each beside its inverse. All are (batch, frequency, frame).

    def _encode(self, waves: Tensor) -> Tensor:
        real, imag = self._spectrum(waves)
        level = self._level(self._magnitude(real, imag))
        return torch.stack([level, self._turns(real, imag)] if self.phase else [level], dim=1)

    def _decode(self, pictures: Tensor) -> Tensor:
        magnitude = self._linear(self._unlevel(torch.nan_to_num(pictures[:, 0], nan=-1.0)))
        if not self.phase:
            return self._found(magnitude)
        return self._integrated(magnitude, torch.nan_to_num(pictures[:, 1], nan=0.0).clamp(-4, 4))

    def _integrated(self, magnitude: Tensor, turns: Tensor) -> Tensor:
        """The wave of magnitudes and instantaneous frequencies."""
        c = self.config
        if c.coherence:
            turns = coherent_turns(turns, magnitude, own=self._own(turns), reach=c.coherence)
        phase = self._unturn(turns)
        spectra = stft.joined(magnitude * torch.cos(phase), magnitude * torch.sin(phase), self.first_bin)
        if self.mel and c.refinements:
            return self._settle(self._frames(magnitude), iterations=c.refinements, start=spectra)
        return stft.inverse(spectra, n_fft=c.n_fft, hop=c.hop, samples=c.samples)

    def _spectrum(self, waves: Tensor) -> tuple[Tensor, Tensor]:
        c = self.config
        return stft.parts(stft.forward(waves, n_fft=c.n_fft, hop=c.hop, frames=c.frames), self.first_bin)

    def _magnitude(self, real: Tensor, imag: Tensor) -> Tensor:
        magnitude = torch.sqrt(real * real + imag * imag + SILENCE)
        return self._basis(magnitude)[0] @ magnitude if self.mel else magnitude

    def _linear(self, magnitude: Tensor) -> Tensor:
        return mel.mel_to_magnitude(magnitude, *self._basis(magnitude)) if self.mel else magnitude

    def _level(self, magnitude: Tensor) -> Tensor:
        scale = 2 * SPAN / (self.high - self.low)
        return torch.log(magnitude + self.config.floor) * scale - (self.low * scale + SPAN)

    def _unlevel(self, level: Tensor) -> Tensor:
        return (torch.exp(self._logs(level)) - self.config.floor).clamp(min=0)

    def _logs(self, level: Tensor) -> Tensor:
        """log(|X| + floor), within the bounds that decoding clamps at."""
        return (level.clamp(-1, 1) + SPAN) * ((self.high - self.low) / (2 * SPAN)) + self.low

    def log_magnitude(self, waves: Tensor) -> Tensor:
        """Waves `(batch, sample)` → log(|X| + floor) `(batch, frequency, frame)`: what an `Inverter` is handed."""
        with torch.autocast(waves.device.type, enabled=False):
            return _together([self._log_magnitude(part) for part in _portions(waves)])

    def _turns(self, real: Tensor, imag: Tensor) -> Tensor:
        if not self.mel:
            return spectrum_to_if(real, imag, own=self._own(real) if self.config.centred else None)
        start, _ = self._own(real)  # 0 or 1 half turn: measured at the window's middle, neighbouring bins agree
        first = torch.cat([1 - 2 * start, torch.ones_like(real[0, :, 1:])], dim=-1)
        turn_real, turn_imag = turn_per_frame(real, imag)
        turns = mel.turns_to_mel(turn_real * first, turn_imag * first, self._basis(real)[0])
        return wrap(turns - self._band_turns(real)) if self.config.centred else turns

    def _unturn(self, turns: Tensor) -> Tensor:
        own = self._own(turns)
        if not self.mel:
            return if_to_phase(turns, own=own if self.config.centred else None)
        if self.config.centred:
            turns = turns + self._band_turns(turns)
        turns = mel.mel_to_turns(turns, self._basis(turns)[1])
        return if_to_phase(turns, own=(own[0], torch.zeros_like(own[1])))

    def _found(self, magnitude: Tensor) -> Tensor:
        """The wave of magnitudes without phase."""
        c, frames = self.config, self._frames(magnitude)
        match c.inversion:
            case "griffin-lim":
                return self._settle(frames, iterations=c.iterations, start=None)
            case "phase-gradient":
                start = phase_gradient(frames, n_fft=c.n_fft, hop=c.hop)
            case "single-pass":
                start = single_pass(frames, n_fft=c.n_fft, hop=c.hop)
        return self._settle(frames, iterations=c.refinements, start=start)

    def _frames(self, magnitude: Tensor) -> Tensor:
        """`(batch, frame, frequency)` with all bins, as spectra are."""
        return torch.nn.functional.pad(magnitude.transpose(1, 2), (self.first_bin, 0))

    def _settle(self, magnitude: Tensor, *, iterations: int, start: Tensor | None) -> Tensor:
        c = self.config
        return griffin_lim(magnitude, n_fft=c.n_fft, hop=c.hop, samples=c.samples, iterations=iterations, start=start)

    def _own(self, like: Tensor) -> tuple[Tensor, Tensor]:
        c = self.config
        return own_turns(self.first_bin, self.bins, c.n_fft, c.hop, like.dtype, like.device)

    def _basis(self, like: Tensor) -> tuple[Tensor, Tensor]:
        c = self.config
        return mel.mel_pair(c.sample_rate, c.n_fft, c.mel_bands, like.dtype, like.device)

    def _band_turns(self, like: Tensor) -> Tensor:
        """`(band, frame)`: what the centred convention subtracts; the first frame keeps its phase."""
        c = self.config
        advance = mel.band_turns(c.sample_rate, c.n_fft, c.hop, c.mel_bands, like.dtype, like.device)
        return torch.cat([torch.zeros_like(advance), advance.expand(-1, like.shape[-1] - 1)], dim=-1)


def _portions(batch: Tensor) -> tuple[Tensor, ...]:
    """The batch in a type to compute in, whole on an accelerator and cache-sized portions on a CPU."""
    if batch.dtype != torch.float64:
        batch = batch.float()
    return batch.split(AT_ONCE) if batch.device.type == "cpu" else (batch,)


def _together(portions: list[Tensor]) -> Tensor:
    return portions[0] if len(portions) == 1 else torch.cat(portions)


def codec_from_config(config: dict[str, Any], *, inverter: Inverter | None = None) -> Codec:
    """The codec that `Codec.to_config` described; an unknown or impossible setting is a `UserError`."""
    try:
        return Codec(CodecConfig.model_validate(config), inverter=inverter)
    except ValidationError as error:
        raise UserError(f"The codec's description is not valid: {first_mistake(error)}.") from error
