"""A sound and a teacher → the controls of an instrument; the command line hands the teacher in, playing knows none."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from darktimbre.cli.console import caution
from darktimbre.notes.attributes import Attributes
from darktimbre.notes.errors import UserError

if TYPE_CHECKING:
    from darktimbre.teachers.tagger import Tagger


def heard_levels(
    wave: NDArray[np.float32], rate: int, tagger: "Tagger", attributes: Attributes, *, insist: bool = False
) -> dict[str, float]:
    """What the instrument's own teacher hears: name → σ(logit / T), for every attribute of the instrument.

    Args:
        wave: (sample,) at `rate`, as long as the instrument's notes.
        rate: samples a second.
        tagger: the teacher.
        attributes: of the instrument.
        insist: take another teacher, or other weights, than the instrument learnt from, with a caution.

    Raises:
        UserError: the teacher lacks a label; or, without `insist`, it is not the one the instrument learnt from.
    """
    from darktimbre.tagging.tag import heard
    from darktimbre.tagging.temperature import soft_labels

    lacking = [name for name in attributes.names if name not in tagger.labels]
    if lacking:
        raise UserError(
            f"The teacher {tagger.name} has no label {lacking[0]!r}; this instrument learnt from {attributes.teacher}."
        )
    if tagger.digest != attributes.teacher_digest:
        differs = (
            f"This instrument learnt from {attributes.teacher}, weights {attributes.teacher_digest[:12]}…, these are "
            f"{tagger.name}'s {tagger.digest[:12]}…: what they hear does not compare"
        )
        if not insist:
            raise UserError(f"{differs}. Give the right --weights, or --teacher {tagger.name} to take it all the same.")
        caution(f"{differs} exactly.")
    logits = heard(wave[None], rate, tagger)[0]
    columns = [tagger.labels.index(name) for name in attributes.names]
    soft = soft_labels(logits[columns], attributes.temperature)
    return {name: float(value) for name, value in zip(attributes.names, soft, strict=True)}


def heard_pitch(wave: NDArray[np.float32], rate: int) -> float:
    """MIDI pitch, with its fraction, of a sound (sample,).

    Raises:
        UserError: it has none that can be found.
    """
    from darktimbre.audio.pitch import yin
    from darktimbre.notes.pitch import hz_to_midi

    frequency, confidence = yin(wave[None], rate, fmax=min(2500.0, rate / 2))
    if not np.isfinite(frequency[0]) or confidence[0] < 0.1:
        raise UserError("No pitch was found in this sound: give one, such as --pitch C4.")
    return hz_to_midi(float(frequency[0]))
