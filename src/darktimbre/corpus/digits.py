"""Handwritten digits → a corpus of pictures: MNIST in its IDX files, or the few that scikit-learn brings along."""

import gzip
import math
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.splits import fraction, split_of
from darktimbre.corpus.writer import CorpusWriter, check_destination
from darktimbre.notes.errors import UserError
from darktimbre.notes.note import Note

SIDE = 28  # pixels, of MNIST's pictures
BOX, COARSE = 20, 8  # pixels: MNIST's digits lie in a box of 20 × 20; scikit-learn's have 8 × 8, valued 0 to 16
PARTS = {"train": "train", "test": "t10k"}
"""Part of MNIST → how its files' names begin."""
LARGEST = 256 << 20  # bytes of one IDX file, unpacked: five times MNIST's
BYTE = 0x08  # IDX's type code for unsigned bytes
GZIP = b"\x1f\x8b"
VALID = 0.1  # of the training pictures, by a hash of their number

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Digit:
    """A picture before it is written: (28, 28) uint8, white on black; its label, its name, and its split."""

    pixels: NDArray[np.uint8]
    label: int
    id: str
    split: str


def import_digits(
    out: Path | str,
    *,
    folder: Path | None = None,
    name: str = "",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Corpus:
    """Writes digits as a corpus of pictures, class in `category`, splits train, valid and test.

    Args:
        out: folder of the corpus.
        folder: where the four IDX files lie (`train-images-idx3-ubyte`, …, packed or not); without it scikit-learn's
            1,797 digits are taken.
        name: what the corpus is called.
        overwrite: replace a corpus that is already there.
        progress: called with (pictures so far, pictures in all).

    Raises:
        UserError: files are missing or not what they should be, or `out` is taken.
    """
    check_destination(Path(out).absolute(), overwrite)
    if folder is None:
        digits, origin = _bundled(), "scikit-learn"
        licence = "CC-BY-4.0 (Alpaydin and Kaynak 1998, UCI Machine Learning Repository)"
        provenance = {"made_by": "darktimbre import digits", "source": "scikit-learn's digits, 8 × 8 enlarged"}
    else:
        digits, origin = _mnist(folder), "idx"
        licence = "CC-BY-SA-3.0 (MNIST; LeCun, Cortes, Burges), where these are MNIST's own files"
        provenance = {"made_by": "darktimbre import digits --from", "source": "MNIST's IDX files"}
    with CorpusWriter(
        out,
        sample_rate=1,
        samples=SIDE * SIDE,
        picture=(1, SIDE, SIDE),
        name=name,
        licence=licence,
        provenance=provenance,
        split="given",
        overwrite=overwrite,
    ) as writer:
        for count, digit in enumerate(digits, start=1):
            note = Note(
                id=digit.id,
                instrument=origin,
                origin=digit.id,
                seconds=0.0,
                category=str(digit.label),
                split_key=digit.id,
                split=digit.split,
            )
            writer.add_picture(note, digit.pixels[None])
            if progress is not None:
                progress(count, len(digits))
    return writer.corpus


# ----------------------------------------------------------------------------
# MNIST


def _mnist(folder: Path) -> list[Digit]:
    """All pictures of the four files, the training pictures first."""
    found: list[Digit] = []
    for part, prefix in PARTS.items():
        pictures, labels = _part(folder, prefix)
        for number, (pixels, label) in enumerate(zip(pictures, labels.tolist(), strict=True)):
            name = f"{prefix}-{number:05d}"
            split = part if part == "test" or fraction(name) >= VALID else "valid"
            found.append(Digit(pixels, label, name, split))
    return found


def _part(folder: Path, prefix: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    images, names = find(folder, f"{prefix}-images-idx3-ubyte"), find(folder, f"{prefix}-labels-idx1-ubyte")
    pictures, labels = read_idx(images, dimensions=3), read_idx(names, dimensions=1)
    if pictures.shape[1:] != (SIDE, SIDE):
        high, wide = pictures.shape[1:]
        raise UserError(f"{images} holds pictures of {high} × {wide} pixels; the digit recipes are for 28 × 28.")
    if len(pictures) != len(labels):
        raise UserError(f"{images} holds {len(pictures):,} pictures, {names} {len(labels):,} labels: they differ.")
    if labels.max() > 9:
        place = int((labels > 9).argmax())
        raise UserError(f"{names}: label {place:,} is {labels[place]}; digits are 0 to 9.")
    return pictures, labels


def find(folder: Path, name: str) -> Path:
    """The file of a name in a folder: packed or not, and with the dot that some copies have for the last hyphen.

    Raises:
        UserError: it is not there.
    """
    stem, _, last = name.partition("-idx")
    names = [name + ending for ending in ("", ".gz")] + [f"{stem}.idx{last}{ending}" for ending in ("", ".gz")]
    for each in names:
        if (folder / each).is_file():
            return folder / each
    missing = "a file; give the folder it lies in" if folder.exists() else "there is no such folder"
    where = folder if folder.is_dir() else f"{folder} ({missing})"
    raise UserError(
        f"There is no {name} or {name}.gz in {where}: the folder needs MNIST's four files; --fetch downloads them."
    )


# ----------------------------------------------------------------------------
# scikit-learn's


def _bundled() -> list[Digit]:
    """The 1,797 digits of scikit-learn, split 80/10/10 by a hash of their number."""
    from sklearn.datasets import load_digits

    pictures, labels = load_digits(return_X_y=True)
    names = [f"digits-{number:04d}" for number in range(len(labels))]
    return [
        Digit(pixels, int(label), name, split_of(name))
        for pixels, label, name in zip(_enlarged(pictures.reshape(-1, COARSE, COARSE)), labels, names, strict=True)
    ]


def _enlarged(coarse: NDArray[np.float64]) -> Iterator[NDArray[np.uint8]]:
    """(picture, 8, 8) valued 0 to 16 → each (28, 28): smoothly enlarged to MNIST's box of 20 × 20, centred by mass.

    MNIST places the centre of mass in the middle of its 28 × 28 pixels; here it is moved by whole pixels.
    """
    from scipy.ndimage import zoom

    middle = (SIDE - 1) / 2
    for picture in coarse:
        box = zoom(picture, BOX / COARSE, order=3, mode="grid-constant", grid_mode=True)
        box = np.clip(box * (255 / 16), 0, 255)
        mass = [float((box.sum(axis=1 - axis) * np.arange(BOX)).sum() / box.sum()) for axis in (0, 1)]
        top, left = (min(max(round(middle - centre), 0), SIDE - BOX) for centre in mass)
        whole = np.zeros((SIDE, SIDE), np.uint8)
        whole[top : top + BOX, left : left + BOX] = np.rint(box)
        yield whole


# ----------------------------------------------------------------------------
# IDX files, as MNIST comes (LeCun et al. 1998), which nobody vouches for


def read_idx(path: Path, *, dimensions: int) -> NDArray[np.uint8]:
    """The array of unsigned bytes in an IDX file, packed by gzip or not, as its first bytes say, not its name.

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
    """The unpacked bytes of a file; what goes wrong while they are read becomes one sentence."""
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
    """`count` bytes, read piece by piece, so that a small file with a large promise costs little."""
    pieces, left = [], count
    while left and (piece := file.read(min(left, 1 << 20))):
        pieces.append(piece)
        left -= len(piece)
    if left:
        raise UserError(f"{path} is cut short: {count - left:,} of {count:,} bytes are there.")
    return b"".join(pieces)


def _times(shape: tuple[int, ...]) -> str:
    return " × ".join(f"{size:,}" for size in shape)
