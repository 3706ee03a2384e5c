"""An uploaded sound → a wave as long as the instrument's notes, decoded by a process that may crash without harm; and
what a teacher finds in it, or where an encoder places it."""

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from darktimbre.audio.guarded import guarded_map
from darktimbre.audio.prepare import Prepared, Shape, prepare
from darktimbre.instrument.messages import DescriptionAnswer, EncodingAnswer
from darktimbre.instrument.points import nearest
from darktimbre.notes.attributes import Attributes
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.transfer import SPARE, Tagger, sound_levels, sound_pitch

if TYPE_CHECKING:
    from darktimbre.synthesizer.synthesizer import Synthesizer

Describer = Callable[[NDArray[Any], int], DescriptionAnswer]
MEMORY = 1 << 30  # bytes of address space for decoding; the largest upload and its samples need a tenth


class TaggedSounds:
    """A `Describer` by a teacher that is loaded with the first sound; requests come from several threads."""

    def __init__(self, attributes: Attributes, load: Callable[[], Tagger]) -> None:
        self._attributes, self._load = attributes, load
        self._lock = threading.Lock()
        self._tagger: Tagger | None = None

    def __call__(self, wave: NDArray[Any], rate: int) -> DescriptionAnswer:
        """The levels and the pitch, if any, of a wave (sample,) at `rate` Hz."""
        pitch = sound_pitch(wave, rate) if self._attributes.pitches else None
        if not self._attributes.names:
            return DescriptionAnswer(attributes={}, pitch=pitch, teacher="")
        with self._lock:
            self._tagger = self._tagger or self._load()
            levels = sound_levels(wave, rate, self._tagger, self._attributes)
            return DescriptionAnswer(attributes=levels, pitch=pitch, teacher=self._tagger.name)


def described(content: bytes, describer: Describer, instrument: "Synthesizer", seconds: float) -> DescriptionAnswer:
    """Description of a sound file at the instrument's rate and length; raises as `decoded`."""
    wave = decoded(content, instrument.sample_rate, instrument.samples, seconds)
    return describer(wave, instrument.sample_rate)


def encoded(content: bytes, instrument: "Synthesizer", seconds: float) -> EncodingAnswer:
    """Latent, level, pitch and nearest training note of a sound file, by an instrument with an encoder; raises as
    `decoded`."""
    prepared = _prepared(content, instrument.sample_rate, instrument.samples, seconds)
    wave = prepared.samples
    found = instrument.encode(wave[None])
    return EncodingAnswer(
        latent=np.round(found.latent[0].astype(np.float64), 4).tolist(),
        level_db=None if instrument.bundle.level_db is None else round(float(found.level_db[0]), 2),
        cut=prepared.seconds > instrument.seconds + SPARE,
        pitch=sound_pitch(wave, instrument.sample_rate) if instrument.attributes.pitches else None,
        nearest=nearest(instrument.bundle.encoded, found.latent[0]),
    )


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
    return _prepared(content, rate, samples, seconds).samples


def _prepared(content: bytes, rate: int, samples: int, seconds: float) -> Prepared:
    """As `decoded`, with what is known of the file."""
    shape = Shape(sample_rate=rate, samples=samples, fade=rate // 20)
    # The process imports what the function's own file does: neither pydantic nor torch.
    (outcome,) = guarded_map(partial(prepare, shape=shape), [content], workers=1, seconds=seconds, memory=MEMORY)
    if outcome.value is None:
        raise UserError(f"This sound cannot be read ({outcome.reason}): give another sound file.")
    return outcome.value
