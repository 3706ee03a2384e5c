"""Bundle → sound: pitch, attributes and a seed in, waves out. Command line, export and previews all go through here."""

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from darktimbre.audio.loudness import at_peak, peak_dbfs
from darktimbre.audio.shape import fade_out
from darktimbre.bundle.bundle import Bundle
from darktimbre.models.edits import Edit, edited
from darktimbre.notes.attributes import Attributes
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer import controls
from darktimbre.synthesizer.controls import Controls, Levels, Pitch, Seed
from darktimbre.synthesizer.runtime import Network

ATTACK, RELEASE = 0.003, 0.010  # s; see edges
LOUDEST = 60.0  # dB: the greatest level that can be set
SILENT = -90.0  # dB: the peak below which 16 bits hold nothing
FAINT = 1e-3  # a generated note with a smaller peak is silent; its noise is not brought to a level


class Encoding(NamedTuple):
    """Sounds as an autoencoder's latents; loudness, which training took out of them, stands beside."""

    latent: NDArray[np.float32]  # (note, latent)
    level_db: NDArray[np.float32]  # (note,) peak in dB relative to full scale


class Synthesizer:
    """A trained instrument, ready to play.

    The equalised-learning-rate scales are folded into the weights at load, and computing is in float32 even where the
    weights were stored in float16. Equal requests give equal sounds, to the bit on one machine, however many notes are
    requested at once: on a CPU the network always takes one note at a time, which is as fast as batches are
    (measured), and elsewhere always a full block. The number of threads changes nothing in the shipped GAN either (1 to
    4 tried); in very narrow networks, and in a learned inversion, it can move a float's last bits, which may there
    decide between two bins that are almost equal (2e-4 of full scale seen).
    """

    def __init__(
        self,
        bundle: Bundle,
        device: str | torch.device = "cpu",
        network: Network | None = None,
        *,
        bf16: bool = False,
    ) -> None:
        """Builds the instrument from a bundle already in memory (training's previews); see `from_pretrained`.

        Args:
            bundle: the trained instrument.
            device: where to compute.
            network: takes the place of the bundle's own weights: the same network in another runtime
                (`darktimbre.synthesizer.runtime`).
            bf16: whether a GAN's own network multiplies bfloat16; the sound differs (`darktimbre.export.runtime` states
                by how much).
        """
        self.bundle = bundle
        self.device = _usable(device)
        inverter = bundle.inverter_network()
        self.codec = bundle.codec(inverter=inverter.to(self.device) if isinstance(inverter, nn.Module) else inverter)
        plan = bundle.network
        pictures = (plan.channels, *plan.picture_size())
        if tuple(self.codec.shape) != pictures:
            raise UserError(
                f"{bundle.origin}: the network generates {pictures}, the codec reads {tuple(self.codec.shape)}."
            )
        if plan.condition != self.attributes.size:
            raise UserError(
                f"{bundle.origin}: the network takes {plan.condition} controls, not {self.attributes.size}."
            )
        self.network = bundle.played(bf16).to(self.device).eval() if network is None else network
        self.edits: tuple[Edit, ...] = ()  # of the network's activations, in every note from now on
        self.block = 1 if self.device.type == "cpu" else None  # notes per call; None: as `render` is called
        self.runtime = network.name if network is not None else "bf16" if bf16 else "torch"
        self._edges = edges(self.codec.samples, self.codec.sample_rate)
        self.encodes = bundle.encoder is not None  # whether `encode` can place sounds of one's own
        self.controls = Controls(
            bundle.sliders, plan.latent, self._baseline(), between=plan.pitch_comb, edits=len(bundle.edits)
        )

    @classmethod
    def from_pretrained(cls, name: str | Path, device: str | torch.device = "cpu") -> "Synthesizer":
        """Loads an instrument.

        Args:
            name: a bundle's folder, the name of a shipped one, or a Hugging Face hub id `user/name[@revision]`.
            device: where to compute, e.g. "cpu" or "cuda".

        Raises:
            UserError: there is no such bundle or device, or the bundle is damaged.
        """
        return cls(Bundle.from_pretrained(name), device)

    @property
    def attributes(self) -> Attributes:
        """What it was conditioned on in training: pitch classes and attribute names. `controls` has edits beside."""
        return self.bundle.attributes

    @property
    def sample_rate(self) -> int:
        """Samples a second."""
        return self.codec.sample_rate

    @property
    def samples(self) -> int:
        """Samples of a note."""
        return self.codec.samples

    @property
    def seconds(self) -> float:
        """Length of a note in seconds."""
        return self.samples / self.sample_rate

    @property
    def latent_size(self) -> int:
        """Values of a latent."""
        return self.controls.latent

    def render(
        self,
        pitch: Pitch = None,
        attributes: Levels = None,
        seed: Seed = 0,
        latent: ArrayLike | None = None,
        batch_size: int = 16,
        level_db: ArrayLike | None = None,
    ) -> NDArray[np.float32]:
        """Makes notes. Single values are repeated to the length of whatever list is given; all lists are of one length.

        Args:
            pitch: MIDI number, or one per note; between the trained pitches where the network has a pitch comb. Left
                out: C4, or the trained pitch nearest to it. Not used by instruments without pitch.
            attributes: name → value, or one such mapping per note, or an array (label,) or (note, label) in the order
                of `attributes.names`. What a mapping leaves out takes the bundle's baseline (the median note of the
                training split), or 0 in a bundle without one. An array is taken as it stands.
            seed: note i of a single seed s is drawn from (s, i); with a list, note i from (seed[i], 0). One seed
                repeated in a list is thus one timbre on several pitches.
            latent: (latent,) or (note, latent), used instead of a seed.
            batch_size: notes per call of the network on an accelerator, which is always filled up to it; on a CPU
                notes go one by one.
            level_db: peak of the notes in dB relative to full scale, one or one per note, such as an encoded sound's
                (`Encoding.level_db`). Left out: that of training, where all notes had one; else as the network makes
                them. A note that is silent (peak below -60 dB) stays so.

        Returns:
            (note, sample) float32.

        Raises:
            UserError: an unknown attribute (the nearest are named), a pitch out of range, lists of different lengths,
                or a level where the instrument's notes are of no one level.

        Warns:
            OutOfRangeWarning: an attribute lies outside [0, 1].
        """
        condition, drawn = self.controls.fill(pitch, attributes, seed, latent)
        return self._waves(condition, drawn, batch_size, level_db)

    def waves(
        self, condition: ArrayLike, latent: ArrayLike, batch_size: int = 16, level_db: ArrayLike | None = None
    ) -> NDArray[np.float32]:
        """As `render`, from whole conditions (note, size) and latents (note, latent): for evaluation on real rows.

        Conditions may go on with the amounts of the bundle's edits; those that do not leave them at 0.
        """
        rows, drawn = np.atleast_2d(np.asarray(condition, np.float32)), np.atleast_2d(np.asarray(latent, np.float32))
        if rows.shape[1] == self.attributes.size:
            rows = self.controls.with_edits(rows)
        if (
            rows.shape[1] != self.controls.attributes.size
            or drawn.shape[1] != self.latent_size
            or len(rows) != len(drawn)
        ):
            raise UserError(
                f"Conditions must be (note, {self.attributes.size}) and latents (note, {self.latent_size}); "
                f"they are {rows.shape} and {drawn.shape}."
            )
        return self._waves(rows, drawn, batch_size, level_db)

    def encode(self, waves: ArrayLike, batch_size: int = 16) -> Encoding:
        """Places sounds in the latent space: `render(latent=…, level_db=…)` plays them from there.

        Args:
            waves: (sample,) or (note, sample) at `sample_rate`, `samples` long.
            batch_size: as in `render`.

        Raises:
            UserError: the instrument has no encoder, or a sound is silent, not finite or of another length.
        """
        encoder = self._encoder
        sounds = np.atleast_2d(np.asarray(waves, np.float32))
        if sounds.ndim != 2 or sounds.shape[1] != self.samples:
            raise UserError(
                f"This instrument encodes sounds of {self.samples} samples at {self.sample_rate} Hz, not "
                f"{sounds.shape[-1]}: pad or cut them first."
            )
        if not np.isfinite(sounds).all():
            raise UserError("A sound with samples that are not finite cannot be encoded: give another one.")
        level_db = peak_dbfs(sounds)
        if (level_db < SILENT).any():
            raise UserError("A silent sound cannot be encoded: give one that is louder, or choose another part of it.")
        if self.bundle.level_db is not None:  # else the encoder was trained on notes as they are
            sounds = at_peak(sounds, self.bundle.level_db)
        latent = np.empty((len(sounds), self.latent_size), np.float32)
        with torch.inference_mode(), _exact(self.device):
            for rows, count in self._blocks(len(sounds), batch_size):
                found = encoder(self.codec.encode(self._tensor(sounds[rows])))
                latent[rows[:count]] = found[:count].cpu().numpy()
        return Encoding(latent, level_db.astype(np.float32))

    def latents(self, seed: Seed, count: int = 1) -> NDArray[np.float32]:
        """The latents (note, latent) that `render` would draw for these seeds."""
        return controls.latents(seed, count, self.latent_size)

    def real_time_factor(self, repeats: int = 5) -> float:
        """Seconds of computing per second of sound, note by note: the median of some repeats after a warm-up."""
        self.render(seed=0)
        taken = []
        for repeat in range(repeats):
            start = time.perf_counter()
            self.render(seed=repeat)
            taken.append(time.perf_counter() - start)
        return statistics.median(taken) / self.seconds

    def _waves(
        self,
        condition: NDArray[np.float32],
        latent: NDArray[np.float32],
        batch_size: int,
        level_db: ArrayLike | None,
    ) -> NDArray[np.float32]:
        pitch = self.controls.pitch_of(condition)
        level = self._level(level_db, len(condition))
        rendered = np.empty((len(condition), self.samples), np.float32)
        with torch.inference_mode(), _exact(self.device), edited(self.network, *self.edits):
            for rows, count in self._blocks(len(condition), batch_size):
                pictures = self.network(self._tensor(latent[rows]), self._tensor(condition[rows]))
                decoded = self.codec.decode(pictures, None if pitch is None else self._tensor(pitch[rows]))
                rendered[rows[:count]] = decoded[:count].cpu().numpy() * self._edges
        return rendered if level is None else at_peak(rendered, level, FAINT)

    def _level(self, level_db: ArrayLike | None, count: int) -> ArrayLike | None:
        """Peaks in dB of so many notes; None: as the network makes them."""
        if level_db is None:
            return self.bundle.level_db
        if self.bundle.level_db is None:
            raise UserError("This instrument's notes are not of one level, so none can be set: leave the level out.")
        level = np.asarray(level_db, np.float64)
        if not (np.isfinite(level) & (level <= LOUDEST)).all():
            raise UserError("A level is a number of decibels relative to full scale, such as -6; take one below 60.")
        if level.size not in (1, count):
            raise UserError(f"Levels must be one, or one for each of the {count} notes, not {level.size}.")
        return level

    def _blocks(self, count: int, batch_size: int) -> Iterator[tuple[NDArray[np.int64], int]]:
        """The rows of each call of a network, and how many of them are new: the last block is filled up."""
        block = self.block or max(1, batch_size)
        for first in range(0, count, block):
            yield np.minimum(np.arange(first, first + block), count - 1), min(block, count - first)

    @cached_property
    def _encoder(self) -> nn.Module:
        return self.bundle.encoder_network().to(self.device)

    def _tensor(self, array: NDArray[np.float32]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def _baseline(self) -> NDArray[np.float32]:
        names = self.attributes.names
        given = self.bundle.config.get("baseline")
        if given is None:
            given = [0.0] * len(names)
        return np.asarray([*given, *[0.0] * len(self.bundle.edits)], np.float32)


def edges(samples: int, rate: int) -> NDArray[np.float32]:
    """Gain (sample,) that lets a note start and end at zero. The picture's outermost frames hold how the sound breaks
    off there; generated, their phases do not cancel as a real one's do, and what is left is a click."""
    attack, release = round(ATTACK * rate), round(RELEASE * rate)
    gain = np.ones(samples, np.float32)
    gain[:attack] = fade_out(attack)[::-1]
    gain[samples - release :] *= fade_out(release)
    return gain


def _usable(device: str | torch.device) -> torch.device:
    try:
        wanted = torch.device(device)
        torch.empty(1, device=wanted)
    except (RuntimeError, AssertionError) as error:  # torch says either, by device, when it was built without it
        raise UserError(f"The device {str(device)!r} cannot be used here; try device='cpu'.") from error
    return wanted


@contextmanager
def _exact(device: torch.device) -> Iterator[None]:
    """No autocast of a surrounding training loop; on CUDA no reduced precision and no choice of algorithm by timing."""
    with torch.autocast(device.type, enabled=False):
        if device.type != "cuda":
            yield
            return
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            yield
