"""An upload is decoded to the instrument's shape, or refused with a reason, and costs no more than it must."""

import io
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from darktimbre.audio.prepare import Shape, prepare
from darktimbre.instrument.uploads import decoded
from darktimbre.notes.errors import UserError


def _file(wave: np.ndarray, rate: int, form: str = "WAV", subtype: str | None = None) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, wave, rate, format=form, subtype=subtype)
    return file.getvalue()


def test_a_sound_of_any_shape_comes_out_in_the_instruments() -> None:
    tone = 0.5 * np.sin(np.arange(48000) * 2 * np.pi * 440 / 48000)
    content = _file(np.stack([tone, tone], axis=1), 48000, "FLAC")
    wave = decoded(content, 8000, 2000, 20.0)
    assert (wave.shape, wave.dtype) == ((2000,), np.float32)
    np.testing.assert_array_equal(wave, prepare(content, Shape(sample_rate=8000, samples=2000, fade=400)).samples)
    expected = 0.5 * np.sin(np.arange(2000) * 2 * np.pi * 440 / 8000)
    np.testing.assert_allclose(wave[100:1500], expected[100:1500], atol=0.01)


def test_hours_of_silence_in_a_few_bytes_cost_no_more_than_a_note() -> None:
    """FLAC packs digital silence some thousandfold: 4 minutes of eight channels, 370 MB as samples."""
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", 48000, 8, format="FLAC", subtype="PCM_16") as sound:
        sound.write(np.full((4800, 8), 0.25, np.float32))
        block = np.zeros((48000 * 60, 8), np.int16)
        for _ in range(4):
            sound.write(block)
    content = file.getvalue()
    assert len(content) < 1 << 20
    before = time.monotonic()
    wave = decoded(content, 8000, 2000, 20.0)
    assert np.abs(wave[:700]).max() > 0.2
    assert time.monotonic() - before < 15


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 100, b"RIFF\xff\xff\xff\xffWAVE", b"hello", b"PK\3\4" + b"\0" * 60, _file(np.zeros(8000), 8000)],
)
def test_what_holds_no_sound_is_refused_with_a_reason(content: bytes) -> None:
    with pytest.raises(UserError, match=r"^This sound cannot be read \(.+\): give another sound file\.$"):
        decoded(content, 8000, 2000, 20.0)


def test_a_decoder_that_takes_too_long_is_stopped() -> None:
    with pytest.raises(UserError, match="longer than"):
        decoded(_file(np.random.default_rng(0).uniform(-1, 1, 1 << 22), 48000, "FLAC"), 8000, 1 << 20, 0.01)


def test_broken_files_end_in_a_sentence(shared: Callable[[str], Path]) -> None:
    """A few; all of them are the reader's own test."""
    folder = shared("sounds/defects")
    chosen = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "INDEX.csv")[::12]
    assert len(chosen) >= 5
    for path in chosen:
        said = None
        try:
            wave = decoded(path.read_bytes(), 8000, 2000, 20.0)
        except UserError as error:
            said = str(error)
        if said is None:
            assert np.abs(wave).max() <= 1
        else:
            assert said.startswith("This sound cannot be read")
            assert str(folder) not in said
