"""Pictures and labels in IDX files, as MNIST comes (LeCun et al. 1998) → arrays; for files that nobody vouches for."""

import gzip
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from darktimbre.notes.errors import UserError

LARGEST = 256 << 20  # bytes of one file, unpacked: five times MNIST's
BYTE = 0x08  # IDX's type code for unsigned bytes
GZIP = b"\x1f\x8b"


def read_idx(path: Path, *, dimensions: int) -> NDArray[np.uint8]:
    """The array of unsigned bytes in an IDX file, packed by gzip or not; told by its first bytes, not by its name.

    Nothing is allocated on the header's word beyond `LARGEST`, and nothing is unpacked beyond what the header promises.

    Args:
        path: the file.
        dimensions: how many the array must have: 1 for labels, 3 for pictures.

    Raises:
        UserError: the file is missing, no IDX file, of another type or number of dimensions, cut short, longer than its
            header says, or too large.
    """
    with _opened(path) as file:
        magic = _exactly(file, 4, path)
        if magic[:2] != b"\0\0":
            raise UserError(f"{path} is no IDX file: it begins with {magic.hex(' ')}, not with 00 00.")
        if magic[2] != BYTE:
            raise UserError(f"{path} holds values of IDX type 0x{magic[2]:02x}; pictures and labels are of type 0x08.")
        if magic[3] != dimensions:
            what = {1: "labels", 3: "pictures"}.get(magic[3], "something else")
            raise UserError(f"{path} has {magic[3]} dimensions ({what}) where {dimensions} are needed.")
        shape = tuple(int(size) for size in np.frombuffer(_exactly(file, 4 * dimensions, path), ">u4"))
        size = math.prod(shape)
        if not size:
            raise UserError(f"{path} is empty: its header says {_times(shape)}.")
        if size > LARGEST:
            raise UserError(f"{path} says that it holds {_times(shape)} bytes, more than {LARGEST >> 20} MiB.")
        values = np.frombuffer(_exactly(file, size, path), np.uint8).reshape(shape)
        if file.read(1):
            raise UserError(f"{path} goes on after the {_times(shape)} bytes that its header promises.")
    return values


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The unpacked bytes of a file; what goes wrong while they are read is told in a sentence."""
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == GZIP
            raw.seek(0)
            if not packed:
                yield raw
                return
            with gzip.GzipFile(fileobj=raw) as unpacked:
                yield cast(BinaryIO, unpacked)
    except EOFError:
        raise UserError(f"{path} is cut short: its gzip stream has no end; fetch it again.") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f"{path} is damaged ({error}): fetch it again.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}.") from None


def _exactly(file: BinaryIO, count: int, path: Path) -> bytes:
    """`count` bytes, asked for piece by piece, so that a small file with a large promise costs little."""
    pieces, left = [], count
    while left and (piece := file.read(min(left, 1 << 20))):
        pieces.append(piece)
        left -= len(piece)
    if left:
        raise UserError(f"{path} is cut short: {count - left:,} of {count:,} bytes are there.")
    return b"".join(pieces)


def _times(shape: tuple[int, ...]) -> str:
    return " × ".join(f"{size:,}" for size in shape)
