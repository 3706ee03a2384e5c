"""An uploaded sound → a wave as long as the instrument's notes, decoded by a process that may crash without harm."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from darktimbre.audio.guarded import guarded_map
from darktimbre.audio.prepare import Prepared, Shape, prepare
from darktimbre.instrument.messages import Heard
from darktimbre.notes.errors import UserError

if TYPE_CHECKING:
    from darktimbre.synthesizer.synthesizer import Synthesizer

Listener = Callable[[NDArray[Any], int], Heard]
MEMORY = 1 << 30  # bytes of address space for decoding; the largest upload and its samples need a tenth


def heard(content: bytes, listener: Listener, instrument: "Synthesizer", seconds: float) -> Heard:
    """What a listener makes of a sound file, given it at the instrument's rate and length; raises as `decoded`."""
    wave = decoded(content, instrument.sample_rate, instrument.samples, seconds)
    return listener(wave, instrument.sample_rate)


def decoded(content: bytes, rate: int, samples: int, seconds: float) -> NDArray[np.float32]:
    """The beginning of a sound file of any format, mono.

    Only as much is decoded as is kept, so a file that unpacks to hours costs no more than one of seconds.

    Args:
        content: of the file.
        rate: samples a second wanted.
        samples: length wanted; a shorter sound is padded, a longer one cut with a fade of a twentieth of a second.
        seconds: that decoding may take.

    Returns:
        (samples,) float32 within ±1.

    Raises:
        UserError: no sound in it that can be used.
    """
    shape = Shape(sample_rate=rate, samples=samples, fade=rate // 20)
    (outcome,) = guarded_map(partial(_prepared, shape=shape), [content], workers=1, seconds=seconds, memory=MEMORY)
    if outcome.value is None:
        raise UserError(f"This cannot be listened to ({outcome.reason}): give another sound file.")
    return outcome.value.samples


def _prepared(content: bytes, shape: Shape) -> Prepared:
    return prepare(content, shape)
