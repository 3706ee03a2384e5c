"""A sound gives the controls of notes like it; a teacher that does not know a word of the instrument is refused."""

import numpy as np
import pytest
import torch
from tests.bundle.tiny import NAMES

from darktimbre.notes.attributes import Attributes
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.transfer import into_range, sound_levels, sound_pitch

ATTRIBUTES = Attributes(pitches=(59, 60, 61), names=NAMES, teacher="yamnet", teacher_digest="", temperature=2.0)
TONE = np.sin(np.arange(8000) * 2 * np.pi * 440 / 8000).astype(np.float32)


class Tagger:
    """Predicts logits 1, 2, 3, … for the labels in their order."""

    name, digest, sample_rate = "fake", "", 16000

    def __init__(self, *labels: str) -> None:
        self.labels = labels

    def logits(self, waves: torch.Tensor) -> torch.Tensor:
        assert waves.shape == (1, 16000)  # resampled to the teacher's rate
        return torch.arange(1.0, len(self.labels) + 1)[None]


def test_levels_are_those_of_the_instruments_own_labels_at_its_temperature() -> None:
    levels = sound_levels(TONE, 8000, Tagger("Speech", *NAMES), ATTRIBUTES)
    assert levels == pytest.approx({name: 1 / (1 + np.exp(-x / 2)) for name, x in zip(NAMES, (2, 3, 4), strict=True)})


def test_a_teacher_that_lacks_a_label_is_refused_in_a_sentence() -> None:
    with pytest.raises(UserError, match=f"no label '{NAMES[1]}'"):
        sound_levels(TONE, 8000, Tagger(NAMES[0], *NAMES[2:]), ATTRIBUTES)


def test_pitch_is_found_where_there_is_one() -> None:
    assert sound_pitch(TONE, 8000) == pytest.approx(69, abs=0.02)
    assert sound_pitch(np.zeros(8000, np.float32), 8000) is None


@pytest.mark.parametrize(
    ("pitch", "between", "played"),
    [
        (60.3, True, 60.3),
        (60.3, False, 60.0),
        (72.2, True, 60.2),  # an octave down
        (36.0, False, 60.0),
        (66.0, True, 61.0),  # no octave of it lies inside: the nearer end
        (58.6, True, 59.0),
    ],
)
def test_a_measured_pitch_is_moved_by_octaves_into_the_trained_range(
    pitch: float, between: bool, played: float
) -> None:
    assert into_range(pitch, ATTRIBUTES.pitches, between=between) == pytest.approx(played)
