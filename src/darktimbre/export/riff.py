"""Samples → WAV files as samplers read them: root note, loop (`smpl`), ranges (`inst`), slices (`cue `), tags (`LIST`).

The last step of synthesizer → sampler. libsndfile writes no root notes, no loops and few tags, so the chunks are laid
out here: IBM & Microsoft, Multimedia Programming Interface and Data Specifications 1.0 (1991), and Microsoft's
New Multimedia Data Types and Data Techniques 3.0 (1994) for `smpl` and `inst`.
"""

import hashlib
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Bits = Literal[16, 24, 32]

NAME, SOFTWARE, COMMENT, KEYWORDS = "INAM", "ISFT", "ICMT", "IKEY"
"""Ids of the tags a LIST/INFO chunk holds."""

_PCM, _FLOAT = 1, 3  # WAVE_FORMAT tags


@dataclass(frozen=True, slots=True)
class Tags:
    """What a WAV file holds beside the sound, for samplers."""

    # MIDI pitch with its fraction at which the sound plays unchanged, or None for no `smpl` and `inst`
    root: float | None = None
    loop: tuple[int, int] | None = None  # first and last sample of a forward loop, both played; or None
    keys: tuple[int, int] = (0, 127)  # lowest and highest key
    velocities: tuple[int, int] = (1, 127)  # lowest and highest velocity
    slices: Sequence[int] = ()  # sample at which each slice starts
    info: Mapping[str, str] = field(default_factory=dict)  # tag id → text


def wav(samples: NDArray[np.floating], rate: int, bits: Bits = 16, tags: Tags | None = None) -> bytes:
    """A whole WAV file.

    Args:
        samples: (sample,) or (channel, sample), full scale ±1; what exceeds it is clipped in 16 and 24 bits.
        rate: samples a second.
        bits: 16 (dithered), 24, or 32 (floating point).
        tags: as above.
    """
    tags = tags or Tags()
    wave = np.atleast_2d(np.asarray(samples, np.float64))
    channels, count = wave.shape
    data = _encoded(wave, bits)
    block = channels * bits // 8
    kind = _FLOAT if bits == 32 else _PCM
    form = struct.pack("<HHIIHH", kind, channels, rate, rate * block, block, bits)
    chunks = [_chunk("fmt ", form + (b"\0\0" if kind == _FLOAT else b""))]  # all but PCM hold the size of an extension
    if kind == _FLOAT:
        chunks.append(_chunk("fact", struct.pack("<I", count)))
    chunks.append(_chunk("data", data))
    if tags.root is not None:
        chunks += [_chunk("smpl", _sampler(tags.root, rate, tags.loop)), _chunk("inst", _instrument(tags))]
    if tags.slices:
        chunks.append(_chunk("cue ", _cues(tags.slices)))
    if tags.info:
        chunks.append(_chunk("LIST", _info(tags.info)))
    return _chunk("RIFF", b"WAVE" + b"".join(chunks))


def dither(wave: NDArray[np.float64]) -> NDArray[np.float64]:
    """Noise of triangular density, ±1 step wide (channel, sample), always the same for the same sound.

    It makes the rounding error independent of the sound (Lipshitz, Wannamaker & Vanderkooy 1992); drawn from a stream
    that the sound's own digest seeds, so that exporting twice gives equal files.
    """
    seed = int.from_bytes(hashlib.sha256(np.ascontiguousarray(wave, "<f4").tobytes()).digest()[:16], "little")
    raw = np.random.Philox(seed).random_raw(2 * wave.size).reshape(2, *wave.shape)
    uniform = (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return np.asarray(uniform[0] - uniform[1])


def _encoded(wave: NDArray[np.float64], bits: Bits) -> bytes:
    """Little-endian, channels interleaved."""
    if bits == 32:
        return wave.T.astype("<f4").tobytes()
    largest = 2 ** (bits - 1)
    scaled = wave * largest
    if bits == 16:
        scaled = scaled + np.where(wave == 0.0, 0.0, dither(wave))  # silence stays silence
    whole = np.clip(np.rint(scaled), -largest, largest - 1).astype("<i4").T
    if bits == 16:
        return whole.astype("<i2").tobytes()
    return np.ascontiguousarray(whole).view(np.uint8).reshape(-1, 4)[:, :3].tobytes()


def _chunk(name: str, content: bytes) -> bytes:
    return name.encode("ascii") + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def _sampler(root: float, rate: int, loop: tuple[int, int] | None) -> bytes:
    unity = math.floor(root)
    fraction = min(round((root - unity) * 2**32), 2**32 - 1)  # of a semitone above the unity note
    head = struct.pack("<9I", 0, 0, round(1e9 / rate), unity, fraction, 0, 0, 0 if loop is None else 1, 0)
    if loop is None:
        return head
    first, last = loop
    return head + struct.pack("<6I", 0, 0, first, last, 0, 0)  # forward, for ever


def _instrument(tags: Tags) -> bytes:
    assert tags.root is not None
    unity = round(tags.root)
    cents = round((tags.root - unity) * 100)
    return struct.pack("<BbbBBBB", unity, cents, 0, *tags.keys, *tags.velocities)


def _cues(slices: Sequence[int]) -> bytes:
    points = (struct.pack("<II4sIII", i, at, b"data", 0, 0, at) for i, at in enumerate(slices, start=1))
    return struct.pack("<I", len(slices)) + b"".join(points)


def _info(info: Mapping[str, str]) -> bytes:
    return b"INFO" + b"".join(_chunk(name, text.encode("utf-8") + b"\0") for name, text in info.items() if text)
