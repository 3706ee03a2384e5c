"""Small changes of a wave that leave its class alone: level, delay, a few cents; for corpora of few sounds."""

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import NonNegativeFloat
from torch import Tensor

from darktimbre.audio.shape import fade_out, resample
from darktimbre.training.recipe.schema import Section

FADE = 0.01  # s over which a sound ends that no longer fits, as in a corpus


class Augment(Section):
    """How far waves are changed at random; zeros leave them alone.

    Attributes:
        gain_db: level within ± this many dB, but never beyond full scale.
        shift_ms: a sound begins up to this much later.
        cents: it is played up to this much faster or slower, as a tape is.
    """

    gain_db: NonNegativeFloat = 0.0
    shift_ms: NonNegativeFloat = 0.0
    cents: NonNegativeFloat = 0.0

    def __bool__(self) -> bool:
        return bool(self.gain_db or self.shift_ms or self.cents)


def augmented(waves: Tensor, moves: NDArray[np.float32], choices: Augment, rate: int) -> Tensor:
    """Waves (batch, sample) at `rate` Hz, changed by `moves` (batch, 3) in [0, 1): level, delay, speed."""
    changed = [_changed(wave, move, choices, rate) for wave, move in zip(waves.numpy(), moves, strict=True)]
    return torch.from_numpy(np.stack(changed))


def _changed(wave: NDArray[np.float32], move: NDArray[np.float32], choices: Augment, rate: int) -> NDArray[np.float32]:
    level, delay, speed = (float(number) for number in move)
    count = len(wave)
    if cents := (2 * speed - 1) * choices.cents:
        wave = resample(wave, round(rate * 2 ** (cents / 1200)), rate)
    late = round(delay * choices.shift_ms / 1000 * rate)
    moved = np.zeros(count, np.float32)
    kept = min(count - late, len(wave))
    moved[late : late + kept] = wave[:kept]
    if len(wave) > kept and kept:  # what was pushed out of the window would else end in a step
        fade = min(kept, round(FADE * rate))
        moved[late + kept - fade : late + kept] *= fade_out(fade)
    gain = 10 ** ((2 * level - 1) * choices.gain_db / 20)
    peak = float(np.abs(moved).max())
    return moved * np.float32(min(gain, 1 / peak) if peak else 1.0)
