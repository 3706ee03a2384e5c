"""What the first bytes of a file say: whether it is sound at all, and how many bytes of sound it claims to hold."""

import os
import struct
from dataclasses import dataclass
from typing import Protocol

HEAD_BYTES = 64  # what `sniff` wants to see

_MAGIC = (
    (b"fLaC", "FLAC"), (b"OggS", "Ogg"), (b"ID3", "MP3"), (b".snd", "AU"), (b"dns.", "AU"), (b"caff", "CAF"),
    (b"riff\x2e\x91\xcf\x11", "W64"), (b"Creative Voice File", "VOC"), (b"NIST_1A", "NIST"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "ASF"),
)  # fmt: skip
FOREIGN = {"MP4": "MP4 (AAC, ALAC)", "ASF": "Windows Media"}
"""Kinds that are sound but that libsndfile does not read, with their usual names."""

_MOST_CHUNKS = 10_000
_MARGIN = 0.01  # what may be missing at the end before a sound counts as truncated: inaudible, and editors cut it


class Readable(Protocol):
    """A file with random access, buffered or not."""

    def seek(self, offset: int, whence: int = 0, /) -> int: ...
    def read(self, size: int = -1, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Claim:
    """Bytes of sound a header promises, and those the file has room for."""

    promised: int
    present: int

    @property
    def broken(self) -> bool:
        """More than a hundredth of what was promised is missing."""
        return self.promised - self.present > _MARGIN * self.promised


def sniff(head: bytes) -> str | None:
    """Name of the container or codec that these first bytes (best `HEAD_BYTES`) open; None if none is known."""
    form, kind = head[:4], head[8:12]
    if form in (b"RIFF", b"RIFX", b"RF64") and kind == b"WAVE":
        return "WAV"
    if form == b"FORM" and kind in (b"AIFF", b"AIFC", b"8SVX", b"16SV"):
        return "AIFF"
    if head[4:8] == b"ftyp":
        return "MP4"
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    return "MPEG" if _is_mpeg_frame(head) else None


def _is_mpeg_frame(head: bytes) -> bool:
    """Whether an MPEG audio frame header opens the bytes (ISO 11172-3 §2.4.1.3): no reserved field is used."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    bitrate, frequency = head[2] >> 4, head[2] >> 2 & 3
    return version != 1 and layer != 0 and bitrate != 15 and frequency != 3


def claim(file: Readable, size: int) -> Claim | None:
    """What the header of a `size` bytes long file promises; None where it promises nothing that can be checked.

    Only a few bytes are read. Known are RIFF, RIFX, RF64, AIFF, W64, CAF, AU and the Xing/Info tag of MP3. A stream
    that says its length is unknown (all ones, as ffmpeg writes into a pipe) promises nothing.
    """
    head = _read_at(file, 0, 4096)
    try:
        form = head[:4]
        if form in (b"RIFF", b"RIFX", b"RF64"):
            order = ">" if form == b"RIFX" else "<"
            return _riff(file, size, order, head)
        if form == b"FORM":
            return _chunks(file, size, start=12, name=4, length=">I", align=2, wanted=b"SSND")
        if form == b"riff":
            return _chunks(file, size, start=40, name=16, length="<Q", align=8, wanted=b"data", inclusive=True)
        if form == b"caff":
            found = _chunks(file, size, start=8, name=4, length=">Q", align=1, wanted=b"data")
            return None if found is not None and found.promised == 2**64 - 1 else found
        if form in (b".snd", b"dns."):
            offset, promised = struct.unpack_from(">II" if form == b".snd" else "<II", head, 4)
            return None if promised == 0xFFFFFFFF else Claim(promised, max(size - offset, 0))
        return _xing(head, size)
    except struct.error:
        return None  # too short even for its own header; the decoder will say so


def _riff(file: Readable, size: int, order: str, head: bytes) -> Claim | None:
    found = _chunks(file, size, start=12, name=4, length=f"{order}I", align=2, wanted=b"data")
    if found is None or found.promised != 0xFFFFFFFF:
        return found
    if head[:4] == b"RF64" and head[12:16] == b"ds64":  # EBU Tech 3306: the true 64-bit size stands in ds64
        return Claim(struct.unpack_from("<Q", head, 28)[0], found.present)
    whole = struct.unpack_from(f"{order}I", head, 4)[0]
    return None if whole == 0xFFFFFFFF else found


def _chunks(
    file: Readable, size: int, *, start: int, name: int, length: str, align: int, wanted: bytes, inclusive: bool = False
) -> Claim | None:
    """Walks chunks (name, length, content) up to the `wanted` one; `inclusive` lengths count the chunk's own header."""
    header = name + struct.calcsize(length)
    offset = start
    for _ in range(_MOST_CHUNKS):
        raw = _read_at(file, offset, header)
        if len(raw) < header:
            return None
        content = max(struct.unpack_from(length, raw, name)[0] - (header if inclusive else 0), 0)
        offset += header
        if raw.startswith(wanted):
            return Claim(content, max(size - offset, 0))
        offset += content
        offset += -offset % align
        if offset >= size:
            return None
    return None


def _xing(head: bytes, size: int) -> Claim | None:
    """The length in bytes that the first frame of an MP3 may carry (Xing and Info tags)."""
    if not _is_mpeg_frame(head):
        return None
    for tag in (b"Xing", b"Info"):
        at = head.find(tag, 4, 64)
        if at >= 0:
            flags = struct.unpack_from(">I", head, at + 4)[0]
            if flags & 2:
                promised = struct.unpack_from(">I", head, at + 8 + (4 if flags & 1 else 0))[0]
                return Claim(promised, size)
    return None


def _read_at(file: Readable, offset: int, length: int) -> bytes:
    if offset > 2**62:
        return b""
    file.seek(offset, os.SEEK_SET)
    return file.read(length)
