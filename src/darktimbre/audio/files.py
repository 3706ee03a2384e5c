"""The first step of the way: any sound file that libsndfile reads, as float32 arrays, and arrays as WAV files."""

import io
import os
import stat
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


class UnreadableSound(UserError):
    """A file that holds no sound this program can use; the message is the reason, without the file's name."""


@dataclass(frozen=True, slots=True)
class Sound:
    """Samples as recorded."""

    samples: NDArray[np.float32]  # (channel, sample) float32; full scale is ±1, and floating-point files may exceed it
    rate: int  # samples per second
    # length of the whole file, as far as its header can be believed; `samples` may be only its beginning
    seconds: float


def read(source: str | Path | bytes, max_seconds: float | None = None) -> Sound:
    """Reads a sound file (WAV, AIFF, FLAC, Ogg, MP3, raw MPEG streams and whatever else libsndfile reads).

    Memory grows with what the file really holds (at most `max_seconds` of it), never with what its header claims.

    Args:
        source: a path, or the content of a file.
        max_seconds: read no further than this.

    Raises:
        UnreadableSound: the file is no regular file, empty, unreadable, not sound, truncated, or holds no frames,
            values that are not finite, an impossible rate or number of channels.
    """
    if isinstance(source, bytes):
        return _read(io.BytesIO(source), len(source), None, max_seconds)
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
        with open(descriptor, "rb", buffering=0, closefd=False) as file:
            return _read(file, status.st_size, descriptor, max_seconds)
    finally:
        os.close(descriptor)


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


def _read(file: headers.Readable, size: int, descriptor: int | None, max_seconds: float | None) -> Sound:
    if size == 0:
        raise UnreadableSound("empty: zero bytes")
    claim = headers.claim(file, size)
    if claim is not None and claim.broken:
        raise UnreadableSound(f"truncated: its header promises {claim.promised} bytes of sound, it has {claim.present}")
    file.seek(0)
    kind = headers.sniff(file.read(headers.HEAD_BYTES))
    file.seek(0)
    try:
        # By descriptor and not by name: soundfile trusts the extension .raw, libsndfile that of .sd2 and .vox.
        with soundfile.SoundFile(file if descriptor is None else descriptor, closefd=False) as sound:
            return _decode(sound, max_seconds)
    except soundfile.LibsndfileError as error:
        raise UnreadableSound(_reason(error, kind)) from error


def _decode(sound: Any, max_seconds: float | None) -> Sound:
    rate, channels = sound.samplerate, sound.channels
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise UnreadableSound(f"impossible rate: {rate} Hz")
    if not 1 <= channels <= MOST_CHANNELS:
        raise UnreadableSound(f"impossible number of channels: {channels}")
    wanted = np.inf if max_seconds is None else int(np.ceil(max_seconds * rate))
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
    exact = sound.format not in _ESTIMATES
    if exact and not _ends_where_promised(sound, frames, stopped=frames >= wanted):
        raise UnreadableSound(f"truncated: its header promises {sound.frames} frames, the file ends before")
    samples = np.ascontiguousarray(np.concatenate(blocks).T)
    whole = sound.frames if frames >= wanted and sound.frames > frames else frames
    return Sound(samples, rate, whole / rate)


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
