"""Where a sound begins, and the notes of a recording, are found where they were put."""

import io

import numpy as np
import pytest
import soundfile

from darktimbre.audio import onsets
from darktimbre.audio.prepare import Shape, prepare
from darktimbre.notes.pitch import midi_to_hz

RATE = 22_050


def encoded(wave: np.ndarray, rate: int = RATE) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, wave, rate, format="WAV")
    return file.getvalue()


def note(key: int, seconds: float, rate: int = RATE, decay: float = 3.0) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    partials = sum(np.sin(2 * np.pi * n * midi_to_hz(key) * time) / n for n in range(1, 6))
    attack = np.minimum(time / 0.005, 1.0) * np.minimum((seconds - time) / 0.01, 1.0)
    return np.asarray(0.2 * partials * attack * np.exp(-decay * time))


@pytest.mark.parametrize("silence", [0.0, 0.5, 1.2, 12.3])
@pytest.mark.parametrize("noise", [0.0, 3e-4])
def test_leading_silence_ends_where_the_sound_begins(silence: float, noise: float) -> None:
    wave = np.concatenate([np.zeros(round(silence * RATE)), note(60, 1.0)])
    wave += 0.1 + noise * np.random.default_rng(0).standard_normal(len(wave))  # an offset is silence, too
    found = onsets.first_sound(encoded(wave))
    assert found == pytest.approx(silence, abs=0.03)
    assert found <= silence  # no attack is lost


def test_nothing_begins_in_silence() -> None:
    assert onsets.first_sound(encoded(np.zeros(RATE))) is None
    assert onsets.first_sound(encoded(np.full(RATE, 0.3))) is None
    assert onsets.notes(encoded(np.zeros(RATE))) == []


@pytest.mark.parametrize("gap", [0.0, 0.4])
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_every_note_of_a_scale_is_found_and_nothing_else(gap: float, rate: int) -> None:
    keys = list(range(48, 72))
    lead, each = 0.7, 0.6 + gap
    wave = np.concatenate(
        [np.zeros(round(lead * rate)), *(np.append(note(key, 0.6, rate), np.zeros(round(gap * rate))) for key in keys)]
    )
    wave += 1e-4 * np.random.default_rng(0).standard_normal(len(wave))
    spans = onsets.notes(encoded(wave, rate))
    assert len(spans) == len(keys)
    for number, span in enumerate(spans):
        assert span.start == pytest.approx(lead + number * each, abs=0.03)
        assert span.stop <= lead + (number + 1) * each + 0.02


def test_one_decaying_note_is_one() -> None:
    for key in (40, 60, 80):
        assert len(onsets.notes(encoded(np.concatenate([np.zeros(RATE), note(key, 4.0, decay=1.0)])))) == 1


def test_silence_is_trimmed_on_request_and_named_otherwise() -> None:
    content = encoded(np.concatenate([np.zeros(round(1.2 * RATE)), note(57, 2.0)]))
    with pytest.raises(Exception, match=r"silent.*the sound begins at 1\.1\d s.*--trim"):
        prepare(content, Shape(sample_rate=16_000, samples=16_000))
    prepared = prepare(content, Shape(sample_rate=16_000, samples=16_000, trim=True, estimate_pitch=True))
    assert prepared.trimmed == pytest.approx(1.2, abs=0.03)
    assert prepared.seconds == pytest.approx(3.2 - prepared.trimmed)
    assert prepared.f0 == pytest.approx(220, rel=0.01)
    at_once = prepare(encoded(note(57, 2.0)), Shape(sample_rate=16_000, samples=16_000, trim=True))
    assert at_once.trimmed == 0.0
