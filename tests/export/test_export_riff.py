"""WAV files for samplers: chunks read back by a parser written here, samples read back by libsndfile."""

import io
import struct
from typing import Any

import numpy as np
import pytest
import soundfile

from darktimbre.export import riff

RATE = 44_100


def chunks_of(data: bytes) -> dict[str, bytes]:
    """Every chunk of a WAV file by its name; the sizes must add up to the file's."""
    assert data[:4] == b"RIFF"
    assert data[8:12] == b"WAVE"
    assert struct.unpack("<I", data[4:8])[0] == len(data) - 8
    found, at = {}, 12
    while at < len(data):
        name, size = data[at : at + 4].decode(), struct.unpack("<I", data[at + 4 : at + 8])[0]
        found[name] = data[at + 8 : at + 8 + size]
        assert len(found[name]) == size
        at += 8 + size + size % 2
    assert at == len(data)
    return found


def sampler_of(chunk: bytes) -> dict[str, Any]:
    words = struct.unpack(f"<{len(chunk) // 4}I", chunk)
    found: dict[str, Any] = {"period": words[2], "unity": words[3] + words[4] / 2**32, "loops": []}
    for index in range(words[7]):
        found["loops"].append(words[9 + 6 * index : 15 + 6 * index])
    return found


def info_of(chunk: bytes) -> dict[str, str]:
    assert chunk[:4] == b"INFO"
    found, at = {}, 4
    while at < len(chunk):
        name, size = chunk[at : at + 4].decode(), struct.unpack("<I", chunk[at + 4 : at + 8])[0]
        found[name] = chunk[at + 8 : at + 8 + size].rstrip(b"\0").decode()
        at += 8 + size + size % 2
    return found


def tone(seconds: float = 0.1) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * 440.0 * np.arange(int(seconds * RATE)) / RATE)


@pytest.mark.parametrize(("bits", "subtype", "error"), [(16, "PCM_16", 1.5), (24, "PCM_24", 0.5), (32, "FLOAT", 1.0)])
@pytest.mark.parametrize("channels", [1, 2])
def test_libsndfile_reads_the_samples_back(bits: Any, subtype: str, error: float, channels: int) -> None:
    wave = np.stack([tone(), tone()[::-1]])[:channels]
    data = riff.wav(wave if channels > 1 else wave[0], RATE, bits)
    with soundfile.SoundFile(io.BytesIO(data)) as file:
        assert (file.samplerate, file.channels, file.subtype) == (RATE, channels, subtype)
        read = file.read(always_2d=True).T
    assert read.shape == wave.shape
    # Half a step of rounding, one more of dither in 16 bits; floats have 24 bits, scaled to their value.
    assert np.abs(read - wave).max() <= error * 2.0 ** (1 - min(bits, 24)) * (1 + 1e-9)


def test_what_exceeds_full_scale_is_clipped_not_wrapped() -> None:
    data = riff.wav(np.array([2.0, -2.0, 1.0, -1.0]), RATE, 24)
    read, _ = soundfile.read(io.BytesIO(data))
    np.testing.assert_allclose(read, [1, -1, 1, -1], atol=2.0**-22)


def test_root_loop_and_ranges() -> None:
    tags = riff.Tags(root=60.25, loop=(100, 199), keys=(58, 61), velocities=(1, 64))
    found = chunks_of(riff.wav(tone(), RATE, 16, tags))
    sampler = sampler_of(found["smpl"])
    assert sampler["unity"] == pytest.approx(60.25, abs=1e-9)
    assert sampler["period"] == round(1e9 / RATE)
    (loop,) = sampler["loops"]
    assert loop[1:] == (0, 100, 199, 0, 0)  # forward, both ends played, no fraction, for ever
    assert struct.unpack("<BbbBBBB", found["inst"]) == (60, 25, 0, 58, 61, 1, 64)


def test_no_root_no_sampler_chunk_and_no_loop_no_loops() -> None:
    assert set(chunks_of(riff.wav(tone(), RATE))) == {"fmt ", "data"}
    assert sampler_of(chunks_of(riff.wav(tone(), RATE, 16, riff.Tags(root=44.0)))["smpl"])["loops"] == []


def test_tags_and_odd_lengths() -> None:
    info = {riff.NAME: "Röhrenglocke", riff.COMMENT: "ab", riff.KEYWORDS: ""}
    found = chunks_of(riff.wav(tone()[:3], RATE, 24, riff.Tags(info=info)))  # 9 bytes of sound: padded
    assert len(found["data"]) == 9
    assert info_of(found["LIST"]) == {"INAM": "Röhrenglocke", "ICMT": "ab"}


def test_slices_are_cue_points() -> None:
    found = chunks_of(riff.wav(tone(), RATE, 32, riff.Tags(slices=[0, 1000, 2500])))
    count = struct.unpack("<I", found["cue "][:4])[0]
    points = [struct.unpack("<II4sIII", found["cue "][4 + 24 * i : 28 + 24 * i]) for i in range(count)]
    assert [point[0] for point in points] == [1, 2, 3]
    assert [point[5] for point in points] == [0, 1000, 2500]
    assert {point[2] for point in points} == {b"data"}
    assert struct.unpack("<I", found["fact"])[0] == len(tone())  # a float file holds its length


def test_dither_makes_the_error_independent_of_the_sound() -> None:
    # A tone of a third of a step: rounding alone leaves silence, dither leaves the tone under white noise.
    step = 2.0**-15
    quiet = step / 3 * np.sin(2 * np.pi * 441.0 * np.arange(RATE) / RATE)
    read, _ = soundfile.read(io.BytesIO(riff.wav(quiet, RATE, 16)))
    spectrum = np.abs(np.fft.rfft(read)) / len(read) * 2
    assert spectrum[441] == pytest.approx(step / 3, rel=0.05)
    error = (read - quiet) / step
    assert abs(error.mean()) < 0.01
    assert error.var() == pytest.approx(1 / 4, rel=0.05)  # TPDF ±1 step: 1/6, rounding: 1/12
    assert abs(np.corrcoef(error[1:], error[:-1])[0, 1]) < 0.02


def test_dither_is_the_same_every_time_and_silence_stays_silent() -> None:
    assert riff.wav(tone(), RATE) == riff.wav(tone(), RATE)
    assert riff.wav(tone(), RATE) != riff.wav(tone() * 0.999, RATE)
    assert chunks_of(riff.wav(np.zeros(100), RATE))["data"] == b"\0" * 200
