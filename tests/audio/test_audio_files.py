"""Every format comes back as it was written; every lie of a header is found out, and none is allocated for."""

import io
import os
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from darktimbre.audio.files import UnreadableSound, read, write
from darktimbre.audio.headers import sniff
from darktimbre.notes.errors import UserError

RATE = 22_050


def wave(channels: int = 1, frames: int = RATE) -> np.ndarray:
    time = np.arange(frames) / RATE
    return np.stack([0.4 * np.sin(2 * np.pi * 330 * (k + 1) * time) for k in range(channels)], axis=1)


def encoded(form: str, subtype: str | None = None, channels: int = 1, rate: int = RATE) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, wave(channels), rate, format=form, subtype=subtype)
    return file.getvalue()


@pytest.mark.parametrize(
    ("form", "subtype", "error"),
    [
        ("WAV", "PCM_U8", 1e-2), ("WAV", "PCM_16", 1e-4), ("WAV", "PCM_24", 1e-6), ("WAV", "PCM_32", 1e-6),
        ("WAV", "FLOAT", 0), ("WAV", "DOUBLE", 1e-7), ("WAV", "ULAW", 3e-2), ("WAV", "IMA_ADPCM", 0.2),
        ("WAVEX", "PCM_16", 1e-4), ("RF64", "PCM_16", 1e-4), ("W64", "PCM_16", 1e-4), ("AIFF", "PCM_16", 1e-4),
        ("AIFF", "FLOAT", 0), ("AU", "PCM_16", 1e-4), ("CAF", "PCM_24", 1e-6), ("FLAC", "PCM_16", 1e-4),
        ("OGG", "VORBIS", 0.1), ("MP3", "MPEG_LAYER_III", 0.1), ("VOC", "PCM_16", 1e-4), ("NIST", "PCM_16", 1e-4),
    ],
)  # fmt: skip
def test_every_format_comes_back(tmp_path: Path, form: str, subtype: str, error: float) -> None:
    channels = 1 if subtype == "IMA_ADPCM" else 2
    content = encoded(form, subtype, channels)
    path = tmp_path / "sound.anything"  # the content decides, not the name
    path.write_bytes(content)
    original = wave(channels).T.astype(np.float32)
    for sound in (read(path), read(content)):
        assert sound.rate == RATE
        assert sound.samples.dtype == np.float32
        assert sound.samples.shape[0] == channels
        if form not in {"MP3"}:  # which adds the silence of its own delay
            length = original.shape[1]
            assert np.abs(sound.samples[:, :length] - original).max() <= error
    beginning = read(path, 0.25)
    assert beginning.samples.shape[1] == np.ceil(0.25 * RATE)
    assert beginning.samples == pytest.approx(read(path).samples[:, : beginning.samples.shape[1]], abs=1e-6)
    assert beginning.seconds == pytest.approx(1.0, abs=0.1)  # of the whole file


def test_a_name_that_promises_raw_samples_is_not_believed(tmp_path: Path) -> None:
    for extension in ("raw", "sd2", "vox", "mp3"):
        path = tmp_path / f"sound.{extension}"
        path.write_bytes(encoded("WAV"))
        assert read(path).samples.shape == (1, RATE)


@pytest.mark.parametrize("form", ["WAV", "AIFF", "FLAC", "W64", "RF64", "CAF", "AU", "MP3"])
@pytest.mark.parametrize("seconds", [None, 0.1])
def test_half_a_file_is_truncated_even_when_its_beginning_would_do(form: str, seconds: float | None) -> None:
    content = encoded(form)
    with pytest.raises(UnreadableSound, match=r"truncated|damaged"):
        read(content[: len(content) // 2], seconds)


def test_a_few_missing_bytes_at_the_end_are_forgiven() -> None:
    assert read(encoded("WAV")[:-40]).samples.shape[1] == RATE - 20


def test_a_stream_of_unknown_length_is_no_lie() -> None:
    content = bytearray(encoded("WAV"))
    content[4:8] = content[40:44] = b"\xff" * 4  # as ffmpeg writes into a pipe
    assert read(bytes(content)).samples.shape == (1, RATE)


def header(data: int, *, rate: int = 44_100, channels: int = 1, bits: int = 16, riff: int | None = None) -> bytes:
    block = channels * bits // 8
    body = struct.pack("<HHIIHH", 1, channels, rate, min(rate * block, 2**32 - 1), block % 2**16, bits)
    return (
        struct.pack("<4sI4s4sI", b"RIFF", 36 + data if riff is None else riff, b"WAVE", b"fmt ", 16)
        + body
        + b"data"
        + struct.pack("<I", data)
    )


def lie(form: str, mark: bytes, offset: int, claim: bytes) -> bytes:
    """A file whose header holds `claim` at `offset` after `mark`."""
    content = bytearray(encoded(form))
    at = content.index(mark) + offset
    content[at : at + len(claim)] = claim
    return bytes(content)


LIES = {
    "a gigabyte in 4 KB": header(2**30, riff=2**30) + bytes(4000),
    "3 GB in 4 KB": header(3 << 30, riff=2**32 - 1) + b"\x10" * 4000,
    "2^63 bytes in W64": lie("W64", b"data", 16, struct.pack("<Q", 2**63 - 1)),
    "2^63 bytes in CAF": lie("CAF", b"data", 4, struct.pack(">q", 2**63 - 1)),
    "2^36 frames in FLAC": lie("FLAC", b"fLaC", 21, b"\xff" * 5),  # STREAMINFO's 36 bits
    "no frames": header(0),
    "no channels": header(100, channels=0) + bytes(100),
    "1024 channels": header(2048 * 4, channels=1024) + b"\x10" * (2048 * 4),
    "an impossible rate": header(400, rate=2**31 - 1) + b"\x10" * 400,
    "a rate of 1 Hz": header(400, rate=1) + b"\x10" * 400,
    "nothing at all": b"",
    "a header cut short": header(100)[:20],
    "text": b"This is not sound. " * 100,
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(1000),
    "noise that opens like MPEG": b"\xff\xfb\x90\x00" + np.random.default_rng(0).bytes(3000),
    "a chunk that leads out of the file": header(100)[:36] + b"junk" + struct.pack("<I", 2**32 - 2) + bytes(50),
    "windows media": bytes.fromhex("3026b2758e66cf11") + bytes(500),
    "an iPhone memo": b"\x00\x00\x00\x1cftypM4A " + bytes(500),
}


@pytest.mark.parametrize("content", LIES.values(), ids=list(LIES))
@pytest.mark.parametrize("seconds", [None, 1.0])
def test_lies_are_refused_with_a_reason_and_little_memory(
    tmp_path: Path, content: bytes, seconds: float | None
) -> None:
    path = tmp_path / "lie.wav"
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableSound) as refusal:
            read(path, seconds)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(str(refusal.value)) > 5
    assert str(path) not in str(refusal.value)
    assert peak < 4 << 20


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    samples = wave()[:, 0].astype(np.float32)
    samples[5000] = value
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    with pytest.raises(UnreadableSound, match="not finite"):
        read(tmp_path / "a.wav")


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    for path, reason in ((tmp_path, "regular|directory"), (tmp_path / "none.wav", "no such file")):
        with pytest.raises(UnreadableSound, match=reason):
            read(path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.wav")
        with pytest.raises(UnreadableSound, match="regular"):
            read(tmp_path / "pipe.wav")


def test_writing_and_reading_are_inverse(tmp_path: Path) -> None:
    samples = wave()[:, 0]
    write(tmp_path / "a.wav", samples, RATE)
    back = read(tmp_path / "a.wav")
    assert back.samples[0] == pytest.approx(samples, abs=1 / 32768)
    write(tmp_path / "loud.flac", 3 * samples, RATE)
    assert np.abs(read(tmp_path / "loud.flac").samples).max() <= 1
    with pytest.raises(UserError, match=r"\.wav"):
        write(tmp_path / "a.xyz", samples, RATE)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.wav", "loud.flac"]


def test_sniffing_names_what_it_knows() -> None:
    assert [sniff(encoded(form)[:64]) for form in ("WAV", "AIFF", "FLAC", "OGG", "W64", "CAF")] == [
        "WAV", "AIFF", "FLAC", "Ogg", "W64", "CAF",
    ]  # fmt: skip
    assert sniff(b"hello, world, this is text") is None
    assert sniff(b"") is None
