"""What the header of a file says: whether it is sound at all, how many bytes of sound it claims to hold, its root note;
and headers that recorders left unfinished, mended.
"""

import io
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

HEAD_BYTES = 64  # what `sniff` wants to see

_MAGIC = (
    (b"fLaC", "FLAC"), (b"OggS", "Ogg"), (b"ID3", "MP3"), (b".snd", "AU"), (b"dns.", "AU"), (b"caff", "CAF"),
    (b"riff\x2e\x91\xcf\x11", "W64"), (b"Creative Voice File", "VOC"), (b"NIST_1A", "NIST"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "ASF"), (b"wvpk", "WavPack"), (b"MAC ", "APE"), (b"MPCK", "MPC"),
    (b"MP+", "MPC"), (b"TTA1", "TTA"), (b"tBaK", "TAK"), (b"DSD ", "DSD"), (b"FRM8", "DSD"), (b"#!AMR", "AMR"),
    (b".RMF", "RealAudio"), (b".ra\xfd", "RealAudio"), (b"\x1a\x45\xdf\xa3", "Matroska"),
)  # fmt: skip
FOREIGN = {
    "MP4": "MP4 (AAC, ALAC)", "ASF": "Windows Media", "WavPack": "WavPack", "APE": "Monkey's Audio", "MPC": "Musepack",
    "TTA": "True Audio", "TAK": "TAK", "DSD": "DSD (DSF, DSDIFF)", "AMR": "AMR", "RealAudio": "RealAudio",
    "Matroska": "Matroska and WebM",
}  # fmt: skip
"""Kinds that are sound but that libsndfile does not read, with their usual names."""

_MOST_CHUNKS = 10_000

_KNOWN_CHUNKS = frozenset(
    [
        b"fmt ", b"data", b"fact", b"LIST", b"smpl", b"inst", b"acid", b"cue ", b"bext", b"iXML", b"JUNK", b"junk",
        b"PEAK", b"id3 ", b"ID3 ", b"PAD ", b"FLLR", b"ds64", b"plst", b"strc", b"_PMX", b"aXML", b"cart", b"afsp",
        b"COMM", b"SSND", b"FVER", b"MARK", b"INST", b"NAME", b"AUTH", b"ANNO", b"APPL", b"COMT", b"(c) ", b"MIDI",
    ]
)  # fmt: skip
# Sizes that mean "not known yet": of files being recorded, or written into a pipe (sox, espeak: 0x7FFFF000; arecord:
# 0x80000000; lame: 0x7FFFFFFF; ffmpeg: all ones; Python and AIFF writers: 0). No file is that long by chance.
_UNKNOWN = (range(1), range(0x7FFFEF00, 0x80001000), range(0xFFFFF000, 0x100000000), range(2**64 - 1, 2**64))
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

    @property
    def unknown(self) -> bool:
        """The length was never filled in, as it seems."""
        return any(self.promised in span for span in _UNKNOWN) and not 0 < self.promised <= self.present


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


# ----------------------------------------------------------------------------
# Chunks


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a container lays out its chunks: name, length, content."""

    start: int  # of the first chunk
    length: str  # struct format of the length
    align: int
    sound: bytes  # name of the chunk that holds the samples
    name: int = 4  # bytes of a name
    inclusive: bool = False  # whether lengths count the chunk's own header

    @property
    def header(self) -> int:
        return self.name + struct.calcsize(self.length)


@dataclass(frozen=True, slots=True)
class _Chunk:
    name: bytes
    start: int  # of its content
    size: int  # of its content, as its header says
    unpadded: bool = False  # whether the next chunk follows an odd length at once, against the rule


def _layout(head: bytes) -> _Layout | None:
    form = head[:4]
    if form in (b"RIFF", b"RIFX", b"RF64") and head[8:12] == b"WAVE":
        return _Layout(12, ">I" if form == b"RIFX" else "<I", 2, b"data")
    if form == b"FORM":
        return _Layout(12, ">I", 2, b"SSND")
    if form == b"riff":
        return _Layout(40, "<Q", 8, b"data", name=16, inclusive=True)
    return _Layout(8, ">Q", 1, b"data") if form == b"caff" else None


def _chunks(file: Readable, size: int, layout: _Layout) -> Iterator[_Chunk]:
    """The chunks of a `size` bytes long file, one after the other; only their headers are read."""
    offset = layout.start
    for _ in range(_MOST_CHUNKS):
        raw = _read_at(file, offset, layout.header)
        if len(raw) < layout.header:
            return
        length = struct.unpack_from(layout.length, raw, layout.name)[0]
        content = max(length - (layout.header if layout.inclusive else 0), 0)
        offset += layout.header
        after = offset + content
        padded = after + -after % layout.align
        unpadded = padded == after + 1 and _unpadded(file, after, size)
        yield _Chunk(raw[: layout.name], offset, content, unpadded)
        offset = after if unpadded else padded
        if offset >= size:
            return


def _unpadded(file: Readable, after: int, size: int) -> bool:
    """Whether a chunk begins right after one of odd length, where a pad byte should stand."""
    if after >= size:
        return False
    raw = _read_at(file, after, 5)
    return raw[:4] in _KNOWN_CHUNKS and raw[1:5] not in _KNOWN_CHUNKS


# ----------------------------------------------------------------------------
# What is promised


def claim(file: Readable, size: int) -> Claim | None:
    """What the header of a `size` bytes long file promises; None where it promises nothing that can be checked.

    Only a few bytes are read. Known are RIFF, RIFX, RF64, AIFF, W64, CAF, AU and the Xing/Info tag of MP3. A stream
    that says its length is unknown promises nothing (see `mended`).
    """
    head = _read_at(file, 0, 4096)
    try:
        if head[:4] in (b".snd", b"dns."):
            offset, promised = struct.unpack_from(">II" if head[:4] == b".snd" else "<II", head, 4)
            found = Claim(promised, max(size - offset, 0))
            return None if found.unknown else found
        layout = _layout(head)
        if layout is None:
            return _xing(head, size)
        for chunk in _chunks(file, size, layout):
            if chunk.name.startswith(layout.sound):
                found = _claim(head, size, chunk)
                return None if found.unknown else found
    except struct.error:
        pass  # too short even for its own header; the decoder will say so
    return None


def _claim(head: bytes, size: int, chunk: _Chunk) -> Claim:
    """What the chunk of the samples promises; the length of an RF64 file stands in its first chunk (EBU Tech 3306)."""
    promised = chunk.size
    if head[:4] == b"RF64" and head[12:16] == b"ds64" and promised == 0xFFFFFFFF:
        promised = int(struct.unpack_from("<Q", head, 28)[0])
    return Claim(promised, max(size - chunk.start, 0))


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


# ----------------------------------------------------------------------------
# Unfinished headers


@dataclass(frozen=True, slots=True)
class _Edit:
    """Bytes that stand in a file in place of `removed` others from `offset` on."""

    offset: int
    removed: int
    inserted: bytes


def mended(file: Any, size: int) -> "io.RawIOBase | None":
    """The file as it would be if its header had been finished: what is there counts. None where nothing is amiss.

    Mended are lengths that were never filled in (see `_UNKNOWN`; 0 where samples follow) of WAV, AIFF, W64, CAF and
    AU, and chunks of odd length without their pad byte. No byte of the samples is copied.
    """
    head = _read_at(file, 0, 64)
    try:
        if head[:4] in (b".snd", b"dns."):
            order = ">" if head[:4] == b".snd" else "<"
            offset, promised = struct.unpack_from(f"{order}II", head, 4)
            edits = [_Edit(8, 4, struct.pack(f"{order}I", size - offset))] if promised == 0 and size > offset else []
        else:
            layout = _layout(head)
            edits = [] if layout is None else _edits(file, size, head, layout)
    except struct.error:
        return None
    return _Edited(file, size, edits) if edits else None


def _edits(file: Readable, size: int, head: bytes, layout: _Layout) -> list[_Edit]:
    edits: list[_Edit] = []
    described: dict[bytes, _Chunk] = {}
    for chunk in _chunks(file, size, layout):
        described[chunk.name[:4]] = chunk
        if chunk.name.startswith(layout.sound):
            found = _claim(head, size, chunk)
            if found.unknown and found.present and not (chunk.size == 0 and _opens_chunk(file, chunk, size)):
                edits += _finished(file, found.present, head, layout, chunk, described)
            break
        if chunk.unpadded:
            edits.append(_Edit(chunk.start + chunk.size, 0, b"\0"))
    else:
        return []
    whole = size + sum(len(one.inserted) - one.removed for one in edits)
    if edits and layout.align == 2 and head[:4] != b"RF64":
        edits.insert(0, _Edit(4, 4, struct.pack(layout.length, min(whole - 8, 0xFFFFFFFF))))
    return edits


def _opens_chunk(file: Readable, chunk: _Chunk, size: int) -> bool:
    """Whether an empty chunk is followed by another, and so really is empty."""
    raw = _read_at(file, chunk.start, 8)
    return raw[:4] in _KNOWN_CHUNKS and min(struct.unpack("<I", raw[4:])[0], struct.unpack(">I", raw[4:])[0]) <= size


def _finished(
    file: Readable, present: int, head: bytes, layout: _Layout, chunk: _Chunk, described: dict[bytes, _Chunk]
) -> list[_Edit]:
    """Edits that write into the header how much sound there is: `present` bytes."""
    at = chunk.start - struct.calcsize(layout.length)
    if layout.sound == b"SSND":
        comm = described.get(b"COMM")
        if comm is None or present <= 8:
            return []
        raw = _read_at(file, comm.start, min(comm.size, 22))
        channels, bits = struct.unpack_from(">HxxxxH", raw)
        width = 1 if raw[18:22].lower() in (b"ulaw", b"alaw") else (bits + 7) // 8
        if raw[18:22] == b"ima4" or not channels * width:
            return []
        frames = (present - 8) // (channels * width)
        return [
            _Edit(comm.start + 2, 4, struct.pack(">I", min(frames, 0xFFFFFFFF))),
            _Edit(at, 4, struct.pack(">I", min(8 + frames * channels * width, 0xFFFFFFFF))),
        ]
    if head[:4] == b"RF64" and chunk.size == 0xFFFFFFFF:
        return [_Edit(28, 8, struct.pack("<Q", present))]
    if layout.inclusive:
        return [_Edit(at, 8, struct.pack("<Q", present + layout.header))]
    if layout.length == ">Q":
        return [_Edit(at, 8, struct.pack(">Q", present))]
    form = described.get(b"fmt ")
    block = struct.unpack_from(f"{layout.length[0]}H", _read_at(file, form.start + 12, 2))[0] if form else 1
    return [_Edit(at, 4, struct.pack(layout.length, min(present - present % max(block, 1), 0xFFFFFFFE)))]


class _Edited(io.RawIOBase):
    """A file of `size` bytes with edits, read only."""

    def __init__(self, file: Any, size: int, edits: list[_Edit]) -> None:
        self._file, self._at = file, 0
        self._parts: list[tuple[int, int, bytes | None]] = []  # start here, start in the file, bytes in its place
        here = there = 0
        for edit in sorted(edits, key=lambda one: one.offset):
            self._parts.append((here, there, None))
            here += edit.offset - there
            self._parts.append((here, 0, edit.inserted))
            here, there = here + len(edit.inserted), edit.offset + edit.removed
        self._parts.append((here, there, None))
        self._size = here + size - there

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        view, filled = memoryview(buffer).cast("B"), 0
        wanted = max(min(len(view), self._size - self._at), 0)
        ends = [start for start, _, _ in self._parts[1:]] + [self._size]
        for (start, there, inserted), end in zip(self._parts, ends, strict=True):
            if not start <= self._at < end or filled == wanted:
                continue
            count = min(end - self._at, wanted - filled)
            if inserted is not None:
                data = inserted[self._at - start : self._at - start + count]
            else:
                data = _read_at(self._file, there + self._at - start, count)
            view[filled : filled + len(data)] = data
            filled += len(data)
            self._at += len(data)
            if len(data) < count:
                break
        return filled


# ----------------------------------------------------------------------------
# Root notes


def root_note(file: Readable, size: int) -> int | None:
    """The MIDI note that the file says its sound has; None where it says nothing.

    Read are `smpl`, `inst` and `acid` of WAV files, in this order, and `INST` of AIFF. Programs that know no note
    write 0. Fractions of a semitone are rounded.
    """
    head = _read_at(file, 0, 64)
    layout = _layout(head)
    if layout is None or layout.align != 2:
        return None
    order, found = layout.length[0], {}
    try:
        for chunk in _chunks(file, size, layout):
            if chunk.name in (b"smpl", b"inst", b"acid", b"INST") and chunk.name not in found:
                found[chunk.name] = _root_of(chunk.name, _read_at(file, chunk.start, min(chunk.size, 64)), order)
            if chunk.name == layout.sound and _claim(head, size, chunk).unknown:
                break  # nobody knows where the next one begins
    except struct.error:
        pass
    roots = (found.get(name) for name in (b"smpl", b"inst", b"acid", b"INST"))
    return next((root for root in roots if root is not None), None)


def _root_of(name: bytes, content: bytes, order: str) -> int | None:
    if name == b"smpl":
        unity, fraction = struct.unpack_from(f"{order}II", content, 12)
        root = unity + (fraction >= 2**31)
    elif name == b"acid":
        flags, root = struct.unpack_from(f"{order}IH", content)
        root = root if flags & 2 else 0  # bit 1: the root note is set
    else:  # `inst` and AIFF's `INST` begin with note and detune
        root = struct.unpack_from(">B", content)[0]
    return root if 0 < root <= 127 else None


def _read_at(file: Readable, offset: int, length: int) -> bytes:
    if offset > 2**62:
        return b""
    file.seek(offset, os.SEEK_SET)
    return file.read(length)
