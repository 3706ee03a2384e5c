"""Directions of hidden activations that add a word to what is played, and the test that each has to pass.

A direction is sought by its causal effect: the gradient of the teacher's logit through the wave, not a regression on
activations, whose directions cause little. What optimises never evaluates: a second network's predictions decide, on
notes of instruments that the search never saw.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from darktimbre.bundle.edits import KeptEdit
from darktimbre.dissection.effects import Notes
from darktimbre.dissection.subject import Subject, column
from darktimbre.extractors.described import BRIGHTNESS, LEVEL, Described, Describer, Floats
from darktimbre.models.edits import layer_of
from darktimbre.teachers import differentiable

STRENGTH = 0.5  # length of a direction at most, as a share of the activations' own
MOVED, SHARE, RANDOM, OUT_OF_TUNE = 0.4, 0.75, 20, 0.02
"""What a kept edit does: deviations moved, share of notes moved, random directions exceeded; and in-tune notes lost."""
TRUSTED = 0.3  # correlation of the evaluator with the teacher, below which it does not know a word
STEPS, BATCH, RATE, HARMONIC, LEVELLED = 60, 8, 0.1, 8.0, 0.3
SETTINGS = [STRENGTH, STEPS, BATCH, RATE, HARMONIC, LEVELLED]  # that directions follow from
AMOUNTS = (1.0, 0.85, 0.7, 0.55, 0.4)  # of a found direction, of which the largest that keeps the pitch is taken
BESIDE = 0.5  # deviations, decibels / 6 or octaves / 0.5 from which another change is named


def sought(
    subject: Subject, layers: dict[str, int], notes: Notes, word: str, spread: float, *, seed: int = 0
) -> tuple[float, ...]:
    """The direction in some layers that raises a word of the subject's teacher most, over notes of the training split.

    Maximises E[tanh(Δ/2) − 8 · max(0, fall of ln h) − 0.3 · |change of ln level|]. Δ: a note's change in deviations, at
    its own level: many notes moved, not a few moved far. h is the share of its power at its pitch's partials, without
    which it would lose the pitch. `layers`: units of each; the direction has a number a unit, layer after layer.
    """
    tagger, codec = subject.tagger, subject.codec
    assert tagger is not None
    assert codec is not None
    place, units = column(word, tagger.labels), sum(layers.values())
    length = STRENGTH * units**0.5  # activations behind a pixel norm are √units long
    along = torch.zeros(units, requires_grad=True)
    condition, latent = torch.from_numpy(notes.condition), torch.from_numpy(notes.latent)
    comb = torch.from_numpy(partials_of(notes.midi, codec.samples, codec.sample_rate))

    def found(rows: Tensor) -> Tensor:
        waves = codec.decode(subject.run(latent[rows], condition[rows]))
        level = (waves.square().mean(1) + 1e-10).log() / 2
        power = torch.fft.rfft(waves).abs().square()
        share = ((power * comb[rows]).sum(1) + 1e-6) / (power.sum(1) + 1e-6)
        if len(before):  # at the level of the note as it is: else a word is moved by turning it down
            waves = waves * (before[rows, 2] - level).exp()[:, None]
        logits = differentiable.responses(tagger, waves).logits[:, place] / spread
        return torch.stack([logits, share.log(), level], 1)

    before = torch.zeros(0, 3)
    with torch.no_grad():
        before = torch.cat([found(rows) for rows in torch.arange(len(notes)).split(BATCH)])
    optimiser = torch.optim.Adam([along], lr=RATE, betas=(0.9, 0.95))
    generator = torch.Generator().manual_seed(seed)
    parts = zip(layers, torch.arange(units).split(list(layers.values())), strict=True)
    handles = [
        layer_of(subject.network, name).register_forward_hook(partial(_moved, along, row)) for name, row in parts
    ]
    try:
        for step in range(STEPS):
            optimiser.param_groups[0]["lr"] = RATE * (1 - step / STEPS)
            rows = torch.randperm(len(notes), generator=generator)[:BATCH]
            change, share, level = (found(rows) - before[rows]).unbind(1)
            gain = torch.tanh(change / 2) - HARMONIC * (-share).clamp(min=0) - LEVELLED * level.abs()
            optimiser.zero_grad()
            (-gain.mean()).backward()
            optimiser.step()
            with torch.no_grad():
                along.mul_(length / along.norm().clamp(min=length))
    finally:
        for handle in handles:
            handle.remove()
    return tuple(along.detach().tolist())


def partials_of(midi: NDArray[np.float64], samples: int, rate: int) -> Floats:
    """Which bins of a spectrum lie within a quarter tone of a partial of each note's pitch (note, bin), 1 or 0; all
    where it has none. Above the twelfth partial, where these meet, all do."""
    hertz = np.fft.rfftfreq(samples, 1 / rate).clip(min=1e-3)
    number = hertz / (440.0 * 2.0 ** ((midi[:, None] - 69) / 12))
    near = np.abs(12 * np.log2(number / np.maximum(np.round(number), 1.0))) <= 0.5
    return np.asarray(near | np.isnan(number), np.float32)


def _moved(along: Tensor, part: Tensor, module: nn.Module, given: Any, output: Tensor) -> Tensor:
    return output + along[part].view(-1, *[1] * (output.ndim - 2))


def random_directions(units: int, count: int = RANDOM, *, seed: int = 0) -> list[tuple[float, ...]]:
    """Directions of the same length, uniform on the sphere."""
    drawn = np.random.default_rng(seed).standard_normal((count, units))
    return [tuple(row.tolist()) for row in STRENGTH * units**0.5 * drawn / np.linalg.norm(drawn, axis=1, keepdims=True)]


def principal(activations: Floats, count: int) -> list[tuple[float, ...]]:
    """The first principal directions of activations (note, unit), of the same length; each in both senses."""
    _, _, rows = np.linalg.svd(activations - activations.mean(0), full_matrices=False)
    scaled = STRENGTH * activations.shape[1] ** 0.5 * rows[:count]
    return [tuple((sign * row).tolist()) for row in scaled for sign in (1.0, -1.0)]


@dataclass(frozen=True)
class Tried:
    """An edit on held-out notes, by the evaluator, against the random directions."""

    name: str
    layers: tuple[str, ...]
    direction: tuple[float, ...]
    moved: Floats  # (note,) of the word, in deviations, by the evaluator
    by_teacher: float
    random: Floats  # (direction,) mean change of the word by each random one
    lost: float  # share of notes in tune before minus that after
    trust: float  # of the evaluator in this word
    beside: dict[str, float]  # changes of level, brightness and other labels
    refusal: str | None = None  # a reason beyond the figures

    @property
    def share(self) -> float:
        """Of the notes, how many move the right way."""
        return float(np.mean(self.moved > 0))

    @property
    def refused(self) -> str | None:
        """Why it is not kept; None where it is."""
        mean = float(self.moved.mean())
        if self.refusal:
            return self.refusal
        if not self.trust >= TRUSTED:
            return f"the second network does not know the word (correlation {self.trust:.2f}, {TRUSTED:g} needed)"
        if mean < MOVED:
            return f"it moves the word by {mean:+.2f} deviations only, {MOVED:g} needed"
        if self.share < SHARE:
            return f"it moves the word in {self.share:.0%} of the notes only, {SHARE:.0%} needed"
        if (beaten := int((self.random < mean).sum())) < len(self.random):
            return f"it moves the word more than {beaten} of {len(self.random)} random directions only"
        if self.lost > OUT_OF_TUNE:
            return f"{100 * self.lost:.1f} points of the notes in tune are lost, {100 * OUT_OF_TUNE:g} allowed"
        return None

    @property
    def also(self) -> tuple[str, ...]:
        """What else it changes, in words, the largest first."""
        words = {LEVEL: ("louder", "softer", 6.0), BRIGHTNESS: ("brighter", "darker", 0.5)}
        changes = []
        for key, value in self.beside.items():
            up, down, unit = words.get(key, (f"more {key}", f"less {key}", 1.0))
            if abs(value) / unit >= BESIDE:
                changes.append((abs(value) / unit, up if value > 0 else down))
        return tuple(name for _, name in sorted(changes, reverse=True)[:3])

    def kept(self) -> KeptEdit:
        """As the bundle keeps it."""
        figures = {"share": self.share, "by the teacher": self.by_teacher, "trust": self.trust, "lost": self.lost}
        figures |= dict(list(self.beside.items())[:8])
        return KeptEdit(
            name=self.name, layers=self.layers, direction=self.direction, effect=float(self.moved.mean()),
            also=self.also, notes=len(self.moved), figures=figures,
        )  # fmt: skip


def tried(
    name: str, layers: tuple[str, ...], direction: tuple[float, ...], word: str,
    describer: Describer, before: Described, after: Described, random: Sequence[Floats],
) -> Tried:  # fmt: skip
    """An edit's figures from what was described without it, with it, and with random directions in its place."""
    place = column(word, describer.names)
    changes, plain = after.evaluator - before.evaluator, (after.plain - before.plain).mean(0)
    others = changes.mean(0)
    known = [n for n in np.argsort(-np.abs(others)) if n != place and describer.trust[n] >= TRUSTED][:6]
    beside = {LEVEL: float(plain[0]), BRIGHTNESS: float(plain[1])}
    chance = np.array([(one - before.evaluator)[:, place].mean() for one in random], np.float32)
    return Tried(
        name, layers, direction, changes[:, place], float((after.labels - before.labels)[:, place].mean()), chance,
        before.in_tune - after.in_tune, float(describer.trust[place]),
        beside | {describer.names[n]: float(others[n]) for n in known},
    )  # fmt: skip
