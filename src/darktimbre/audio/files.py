"""The first step of the way: any sound file that libsndfile reads, as float32 arrays, and arrays as WAV files."""

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from darktimbre.audio import headers
from darktimbre.audio.atomic import atomic_file
from darktimbre.notes.errors import UserError

LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000  # Hz; what lies outside is a broken header, not a recording
MOST_CHANNELS = 128
_BLOCK = (
    1 << 17
)  # values read at once, all channels together: the only allocation made before the file has proved itself
_ESTIMATES = ("MP3", "OGG")  # whose number of frames is libsndfile's guess or only a position in the stream
_UNKNOWN = 2**62  # frames: what libsndfile says of a FLAC file that was written into a pipe is more


class UnreadableSound(UserError):
    """A file that holds no sound this program can use; the message is the reason, without the file's name."""


@dataclass(frozen=True, slots=True)
class Sound:
    """Samples as recorded."""

    samples: NDArray[np.float32]  # (channel, sample) float32; full scale is ±1, and floating-point files may exceed it
    rate: int  # samples per second
    # length of the whole file, as far as its header can be believed; `samples` may be only its beginning
    seconds: float


Source = str | Path | bytes
"""A path, or the content of a file."""


def read(source: Source, max_seconds: float | None = None, start: float = 0.0) -> Sound:
    """Reads a sound file (WAV, AIFF, FLAC, Ogg, MP3, raw MPEG streams and whatever else libsndfile reads).

    Memory grows with what the file really holds (at most `max_seconds` of it), never with what its header claims. A
    header that a recorder left unfinished is mended (`headers.mended`).

    Args:
        source: a path, or the content of a file.
        max_seconds: read no further than this.
        start: seconds to pass over at the beginning.

    Raises:
        UnreadableSound: the file is no regular file, empty, unreadable, not sound, truncated, or holds no frames,
            values that are not finite, an impossible rate or number of channels.
    """
    with _opened(source) as sound:
        return _decode(sound, max_seconds, start)


def blocks(source: Source, frame: float, frames: int) -> Iterator[tuple[NDArray[np.float32], int]]:
    """The whole file in blocks of `frames` frames of about `frame` seconds, each a whole number of samples:
    ((channel, sample) float32, rate), one after the other.

    Raises:
        UnreadableSound: as `read`; what comes after a damaged place is left out.
    """
    with _opened(source) as sound:
        size = max(round(frame * sound.samplerate), 1) * frames
        while len(block := sound.read(size, dtype="float32", always_2d=True)):
            yield np.ascontiguousarray(block.T), sound.samplerate


def root_note(path: Path) -> int | None:
    """The MIDI note that the file itself names (`headers.root_note`); None where it names none or cannot be read."""
    try:
        with path.open("rb") as file:
            return headers.root_note(file, os.fstat(file.fileno()).st_size)
    except OSError:
        return None


def write(path: str | Path, samples: NDArray[np.floating], rate: int) -> None:
    """Writes a mono sound (sample,) as a 16-bit file of the format its extension names; values beyond ±1 are clipped.

    Raises:
        UserError: the extension names no format that can be written.
    """
    path = Path(path)
    form = path.suffix[1:].upper().replace("AIF", "AIFF").replace("AIFFF", "AIFF")
    if form not in soundfile.available_formats():
        raise UserError(f"Sounds cannot be written as {path.suffix or path.name!r}; use .wav, .flac or .ogg.")
    with atomic_file(path) as temporary:
        soundfile.write(temporary, np.clip(samples, -1.0, 1.0), rate, format=form)


@contextmanager
def _opened(source: Source) -> Iterator[Any]:
    """The file as a `SoundFile` of a possible rate and number of channels."""
    if isinstance(source, bytes):
        with _sound(io.BytesIO(source), len(source), None) as sound:
            yield sound
        return
    try:
        # Non-blocking: opening a named pipe called kick.wav would otherwise wait for ever.
        descriptor = os.open(source, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise UnreadableSound(f"cannot be opened: {(error.strerror or str(error)).lower()}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableSound("not a regular file")
        # Unbuffered, so that the file's position is the descriptor's, too.
        with (
            open(descriptor, "rb", buffering=0, closefd=False) as file,
            _sound(file, status.st_size, descriptor) as one,
        ):
            yield one
    finally:
        os.close(descriptor)


@contextmanager
def _sound(file: headers.Readable, size: int, descriptor: int | None) -> Iterator[Any]:
    if size == 0:
        raise UnreadableSound("empty: zero bytes")
    claim = headers.claim(file, size)
    if claim is not None and claim.broken:
        raise UnreadableSound(f"truncated: its header promises {claim.promised} bytes of sound, it has {claim.present}")
    file.seek(0)
    kind = headers.sniff(file.read(headers.HEAD_BYTES))
    mended = headers.mended(file, size)
    file.seek(0)
    # By descriptor and not by name: soundfile trusts the extension .raw, libsndfile that of .sd2 and .vox.
    source = mended or (file if descriptor is None else descriptor)
    try:
        with soundfile.SoundFile(source, closefd=False) as sound:
            if not LOWEST_RATE <= sound.samplerate <= HIGHEST_RATE:
                raise UnreadableSound(f"impossible rate: {sound.samplerate} Hz")
            if not 1 <= sound.channels <= MOST_CHANNELS:
                raise UnreadableSound(f"impossible number of channels: {sound.channels}")
            if sound.frames > _UNKNOWN:
                sound.seekable = lambda: False  # libFLAC cannot seek in it, and soundfile would after each block
            yield sound
    except soundfile.LibsndfileError as error:
        raise UnreadableSound(_reason(error, kind)) from error


def _decode(sound: Any, max_seconds: float | None, start: float) -> Sound:
    rate, channels = sound.samplerate, sound.channels
    wanted = np.inf if max_seconds is None else int(np.ceil(max_seconds * rate))
    skipped = _skip(sound, round(start * rate))
    blocks: list[NDArray[np.float32]] = []
    frames = 0
    while frames < wanted:
        block = sound.read(int(min(_BLOCK // channels, wanted - frames)), dtype="float32", always_2d=True)
        if not len(block):
            break
        if not np.isfinite(block).all():
            raise UnreadableSound("holds values that are not finite (NaN or infinity)")
        blocks.append(block)
        frames += len(block)
    if frames == 0:
        raise UnreadableSound("holds no frames")
    exact = sound.format not in _ESTIMATES and sound.frames < _UNKNOWN
    read = skipped + frames
    if exact and not _ends_where_promised(sound, read, stopped=frames >= wanted):
        raise UnreadableSound(f"truncated: its header promises {sound.frames} frames, the file ends before")
    samples = np.ascontiguousarray(np.concatenate(blocks).T)
    whole = sound.frames if frames >= wanted and read < sound.frames < _UNKNOWN else read
    return Sound(samples, rate, whole / rate)


def _skip(sound: Any, frames: int) -> int:
    """Passes over frames at the beginning; how many there were."""
    if frames and sound.seekable() and frames < sound.frames:
        return int(sound.seek(frames))
    left = frames
    while left > 0:
        passed = len(sound.read(int(min(_BLOCK // sound.channels, left)), dtype="float32", always_2d=True))
        if not passed:
            break
        left -= passed
    return frames - left


def _ends_where_promised(sound: Any, frames: int, stopped: bool) -> bool:
    """Whether the last promised frame is there; looked for without reading what lies between."""
    if not stopped or frames >= sound.frames:
        return frames >= 0.99 * sound.frames
    if not sound.seekable():
        return True
    try:
        sound.seek(sound.frames - 1)
        return len(sound.read(1)) == 1
    except soundfile.LibsndfileError:
        return False


def _reason(error: Any, kind: str | None) -> str:
    message = error.error_string.strip().rstrip(".")
    if kind in headers.FOREIGN:
        return f"{headers.FOREIGN[kind]} files are not read; convert it to WAV or FLAC"
    if kind is None and "not recognised" in message:
        return "not a sound file"
    if "does not exist" in message:  # libsndfile's misleading word for an MPEG stream its decoder gives up on
        return f"damaged: no whole {kind or 'sound'} frame could be decoded"
    if "unimplemented" in message:
        return f"an encoding libsndfile does not decode, in a {kind or 'sound'} file"
    if kind is None:
        return f"not a sound file libsndfile can read: {message}"
    return f"damaged {kind} file: {message}"
