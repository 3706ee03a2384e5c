"""Headers that recorders and pipes left unfinished are read as far as there is sound; chunks are found."""

import io
import struct
from collections.abc import Callable

import numpy as np
import pytest
import soundfile

from darktimbre.audio.files import UnreadableSound, read
from darktimbre.audio.headers import root_note, sniff

RATE = 22_050
WAVE = (0.4 * np.sin(2 * np.pi * 330 * np.arange(RATE) / RATE)).astype(np.float32)
Alter = Callable[[bytearray], None]


def encoded(form: str, subtype: str | None = None, wave: np.ndarray = WAVE) -> bytearray:
    file = io.BytesIO()
    soundfile.write(file, wave, RATE, format=form, subtype=subtype)
    return bytearray(file.getvalue())


def put(content: bytearray, mark: bytes, offset: int, value: bytes) -> None:
    at = content.index(mark) + offset
    content[at : at + len(value)] = value


def sizes(data: int, riff: int) -> Alter:
    def alter(content: bytearray) -> None:
        put(content, b"data", 4, struct.pack("<I", data))
        put(content, b"RIFF", 4, struct.pack("<I", riff))

    return alter


def aiff(content: bytearray) -> None:
    for mark, offset in ((b"FORM", 4), (b"COMM", 10), (b"SSND", 4)):
        put(content, mark, offset, bytes(4))


def rf64(content: bytearray) -> None:
    put(content, b"ds64", 8, bytes(24))


def flac(content: bytearray) -> None:  # the 36 bits of the number of samples
    content[18:26] = (int.from_bytes(content[18:26], "big") >> 36 << 36).to_bytes(8, "big")


def unpadded(chunk: bytes, order: str, before: bytes) -> Alter:
    def alter(content: bytearray) -> None:
        at = content.index(before)
        content[at:at] = chunk + struct.pack(f"{order}I", 7) + b"INFOabc"

    return alter


def then(*alters: Alter) -> Alter:
    def alter(content: bytearray) -> None:
        for one in alters:
            one(content)

    return alter


UNFINISHED: dict[str, tuple[str, str | None, Alter]] = {
    "zero": ("WAV", None, sizes(0, 0)),
    "zero as Python writes it": ("WAV", None, sizes(0, 36)),
    "sox and espeak": ("WAV", None, sizes(0x7FFFF000, 0x7FFFF024)),
    "lame and opusdec": ("WAV", None, sizes(0x7FFFFFFF, 0x80000023)),
    "arecord": ("WAV", None, sizes(0x80000000, 0x80000024)),
    "ffmpeg": ("WAV", None, sizes(0xFFFFFFFF, 0xFFFFFFFF)),
    "madplay": ("WAV", None, sizes(0xFFFFFFDB, 0xFFFFFFFF)),
    "floats": ("WAV", "FLOAT", sizes(0, 0)),
    "extensible": ("WAVEX", "PCM_24", sizes(0, 0)),
    "RF64": ("RF64", None, rf64),
    "W64": ("W64", None, lambda content: put(content, b"data", 16, bytes(8))),
    "CAF": ("CAF", None, lambda content: put(content, b"data", 4, b"\xff" * 8)),
    "AU": ("AU", None, lambda content: put(content, b".snd", 8, bytes(4))),
    "AIFF": ("AIFF", None, aiff),
    "AIFF of 24 bits": ("AIFF", "PCM_24", aiff),
    "AIFC of floats": ("AIFF", "FLOAT", aiff),
    "AIFC of 8 bits": ("AIFF", "ULAW", aiff),
    "FLAC in a pipe": ("FLAC", None, flac),
    "no pad byte": ("WAV", None, unpadded(b"LIST", "<", b"data")),
    "no pad byte after a chunk nobody knows": ("WAV", None, unpadded(b"XyZ1", "<", b"data")),
    "no pad byte in AIFF": ("AIFF", None, unpadded(b"NAME", ">", b"SSND")),
    "no pad byte and no size": ("WAV", None, then(unpadded(b"bext", "<", b"data"), sizes(0, 0))),
}


@pytest.mark.parametrize(("form", "subtype", "alter"), UNFINISHED.values(), ids=list(UNFINISHED))
@pytest.mark.parametrize("seconds", [None, 0.25])
def test_what_is_there_is_read(form: str, subtype: str | None, alter: Alter, seconds: float | None) -> None:
    whole = encoded(form, subtype)
    content = bytearray(whole)
    alter(content)
    assert content != whole
    expected, found = read(bytes(whole), seconds), read(bytes(content), seconds)
    assert np.array_equal(found.samples, expected.samples)
    assert seconds or found.seconds == expected.seconds


def test_a_part_can_be_read_from_anywhere() -> None:
    for content in (encoded("WAV"), encoded("FLAC")):
        part = read(bytes(content), 0.1, 0.5)
        assert np.array_equal(part.samples, read(bytes(content)).samples[:, RATE // 2 :][:, : part.samples.shape[1]])
        assert part.seconds == pytest.approx(1.0)
    flac(content)  # cannot be sought in
    assert np.array_equal(read(bytes(content), 0.1, 0.5).samples, part.samples)


def test_an_empty_file_stays_empty() -> None:
    empty = encoded("WAV", wave=WAVE[:0])
    for content in (empty, empty + b"LIST" + struct.pack("<I", 8) + b"INFOabcd"):
        with pytest.raises(UnreadableSound, match="no frames"):
            read(bytes(content))


def test_root_notes_are_read_from_damaged_files_without_harm() -> None:
    content = bytes(encoded("WAV") + b"smpl" + struct.pack("<9I", 36, 0, 0, 0, 61, 0, 0, 0, 0) + bytes(4))
    assert root_note(io.BytesIO(content), len(content)) == 61
    for cut in range(0, len(content), 97):
        assert root_note(io.BytesIO(content[:cut]), cut) in (None, 61)
    random = np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(content[:200] + content[-80:])
        for at in random.integers(0, len(damaged), 20):
            damaged[at] = random.integers(256)
        root = root_note(io.BytesIO(bytes(damaged)), len(damaged))
        assert root is None or 0 < root < 128


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"wvpk\x20\0\0\0", "WavPack"),
        (b"MAC \x96\x0f", "Monkey's Audio"),
        (b"TTA1\1\0", "True Audio"),
        (b"DSD ", "DSD"),
    ],
)
def test_sound_that_is_not_read_is_named_with_the_remedy(head: bytes, name: str) -> None:
    assert sniff(head + bytes(60)) is not None
    with pytest.raises(UnreadableSound, match=rf"{name}.* not read; convert it to WAV or FLAC"):
        read(head + bytes(500))
