"""One step of the classifier: notes moved a little → cross-entropies of pitch, family and soft labels."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor

from darktimbre.models.inception import Inception
from darktimbre.objectives.auxiliary import pitch_cross_entropy
from darktimbre.objectives.distillation import distillation_loss
from darktimbre.training.listeners import Inception as Choices


@dataclass(frozen=True, slots=True)
class Lesson:
    """Some notes and what they are.

    Attributes:
        waves: (batch, sample).
        pitch_class, family: (batch,) int64, −1 where there is none.
        soft: (batch, label), σ(teacher / T), or (batch, 0).
        moves: (batch, 3) in [0, 1): how far a note is moved in time, in pitch, and how far its spectrum is tilted.
        temperature: T of the soft labels.
    """

    waves: Tensor
    pitch_class: Tensor
    family: Tensor
    soft: Tensor
    moves: Tensor
    temperature: float = 1.0


def inception_step(
    network: Inception,
    lesson: Lesson,
    class_at: Tensor,
    midi_of: Tensor,
    choices: Choices,
    computing: Callable[[], AbstractContextManager[object]],
) -> dict[str, Tensor]:
    """Leaves gradients; returns the unweighted losses.

    Args:
        network: in training mode.
        lesson: the notes.
        class_at: (128 + …,) pitch class of each MIDI number, −1 where there is none.
        midi_of: (class,) its inverse.
        choices: weights and augmentation.
        computing: opens the precision of the forward pass.
    """
    time, pitch, tilt = lesson.moves.unbind(1)
    reach = round(choices.shift_ms / 1000 * network.config.sample_rate)
    with torch.no_grad():
        picture = network.front(shifted(lesson.waves, ((2 * time - 1) * reach).round().long()))
        semitones = ((2 * choices.semitones + 1) * pitch).floor().long() - choices.semitones
        picture = transposed(picture, semitones * network.config.semitone)
        picture = tilted(picture, (2 * tilt - 1) * choices.tilt_db / network.config.floor)
        pitch_class = moved_class(lesson.pitch_class, semitones, class_at, midi_of)
    with computing():
        heard = network.answer(network.embed(picture), drop=choices.dropout)
    losses: dict[str, Tensor] = {}
    if heard.pitch.shape[1]:
        losses["pitch"] = pitch_cross_entropy(pitch_logits=heard.pitch.float(), pitch_class=pitch_class)
    if heard.family.shape[1]:
        losses["family"] = pitch_cross_entropy(pitch_logits=heard.family.float(), pitch_class=lesson.family)
    if heard.attributes.shape[1]:
        losses["attributes"] = distillation_loss(
            student_logits=heard.attributes.float(), soft_labels=lesson.soft, temperature=lesson.temperature
        )
    weights = {"pitch": choices.pitch, "family": choices.family, "attributes": choices.attributes}
    torch.stack([weights[name] * loss for name, loss in losses.items()]).sum().backward()
    return losses


def shifted(waves: Tensor, samples: Tensor) -> Tensor:
    """Each wave (batch, sample) begins `samples` (batch,) later; silence comes in where it left."""
    count = waves.shape[1]
    place = torch.arange(count, device=waves.device) - samples[:, None]
    inside = (place >= 0) & (place < count)
    return waves.gather(1, place.clamp(0, count - 1)) * inside


def transposed(picture: Tensor, bands: Tensor) -> Tensor:
    """Each picture (batch, channel, band, frame) moves up by `bands` (batch,); nothing comes in where it left."""
    moved = torch.zeros_like(picture)
    for step in bands.unique().tolist():
        here = bands == step
        rolled = picture[here].roll(step, dims=2)
        if step > 0:
            rolled[:, :, :step] = 0
        elif step < 0:
            rolled[:, :, step:] = 0
        moved[here] = rolled
    return moved


def tilted(picture: Tensor, slope: Tensor) -> Tensor:
    """A straight line from −slope/2 to slope/2 (batch,) over the bands; what is below the floor stays there."""
    line = torch.linspace(-0.5, 0.5, picture.shape[2], device=picture.device)
    return (picture + slope[:, None, None, None] * line[:, None]).clamp(min=0) * (picture > 0)


def moved_class(pitch_class: Tensor, semitones: Tensor, class_at: Tensor, midi_of: Tensor) -> Tensor:
    """The class of a note moved by semitones (batch,); −1 where it had none or has left them."""
    if not len(midi_of):
        return pitch_class
    midi = midi_of[pitch_class.clamp(min=0)] + semitones
    found = class_at[midi.clamp(0, 127)]
    return torch.where((pitch_class >= 0) & (midi >= 0) & (midi <= 127), found, -torch.ones_like(found))
