"""MNIST from the network, on request: four files by HTTPS, each compared with the digest of what must be in it."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from darktimbre.audio.atomic import atomic_file
from darktimbre.audio.download import Unreachable, download
from darktimbre.corpus.digits import read_idx
from darktimbre.notes.errors import UserError

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
LIMIT = 16 << 20  # bytes; the largest has 10 MB
DIGESTS = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""SHA-256 of each file's contents, unpacked: copies packed anew by gzip are MNIST all the same."""


def fetch_mnist(folder: Path, *, progress: Callable[[str], None] | None = None) -> Path:
    """Downloads the four files into a folder, or keeps those that are there and right; nothing else here downloads.

    Raises:
        UserError: no connection, or a file with other contents than MNIST's, which is thrown away.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in DIGESTS:
        path = folder / f"{name}.gz"
        if path.is_file() and _is_right(path, name):
            continue
        if progress is not None:
            progress(name)
        with atomic_file(path) as temporary:
            _download(f"{name}.gz", temporary)
            if not _is_right(temporary, name):
                raise UserError(f"What came as {name}.gz is not MNIST's file (its digest differs); it was thrown away.")
    return folder


def _is_right(path: Path, name: str) -> bool:
    dimensions = 3 if "idx3" in name else 1
    try:
        values = read_idx(path, dimensions=dimensions)
    except UserError:
        return False
    header = bytes((0, 0, 8, dimensions)) + b"".join(size.to_bytes(4, "big") for size in values.shape)
    return hashlib.sha256(header + values.tobytes()).hexdigest() == DIGESTS[name]


def _download(name: str, target: Path) -> None:
    """From the first mirror that answers."""
    reasons = []
    for mirror in MIRRORS:
        try:
            return download(mirror + name, target, limit=LIMIT, what="MNIST")
        except Unreachable as reason:
            reasons.append(f"{mirror}: {reason}")
    raise UserError(
        f"{name} can't be reached ({'; '.join(reasons)}). Fetch the four files where you are online and give their "
        "folder with --from, or leave --fetch out: scikit-learn's digits need no network."
    )
