"""Source × extractors → features of every sound, block by block; cached by digest, so that a killed job resumes.

CACHE/
  <extractor's name>-<its digest>/
    <source's digest>/
      00000000-00000256.heard    32 bytes of SHA-256 over its key and content, then an .npz
"""

import hashlib
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from darktimbre.audio.atomic import atomic_file
from darktimbre.extractors.extractors import Extractor, Features
from darktimbre.extractors.sources import Source

BLOCK = 256  # notes rendered at once: 16 MB at 1 s of 16 kHz
FORMAT = "darktimbre-heard-1"


def extract(
    source: Source,
    extractors: Sequence[Extractor],
    *,
    cache: Path | None = None,
    block: int = BLOCK,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Features]:
    """The features of every sound of a source, by every extractor.

    Each block is rendered once, for all extractors whose features of it are not cached, and not at all where all are.
    In memory are the sounds of one block and the features.

    Args:
        source: the sounds, at least one.
        extractors: of different names.
        cache: folder of features; files that are damaged, or of other sounds or another extractor, are replaced.
        block: sounds at once. The features do not depend on it; what was cached with another block is not reused.
        progress: called after each block with how many sounds it held, whether extracted now or before.

    Returns:
        By the extractor's name, then by the name of the feature: (note, …) float32.
    """
    assert source.count > 0, f"{source.name}: there is no sound"
    assert len({one.name for one in extractors}) == len(extractors), "two extractors of one name"
    found: dict[str, Features] = {one.name: {} for one in extractors}
    for first in range(0, source.count, block):
        stop = min(first + block, source.count)
        waves: NDArray[np.float32] | None = None
        for extractor in extractors:
            place = f"{extractor.name.replace(' ', '-')}-{extractor.digest[:16]}/{source.digest[:32]}"
            file = None if cache is None else cache / place / f"{first:08d}-{stop:08d}.heard"
            # Part of the checksum, so that a file moved elsewhere does not fit:
            key = f"{FORMAT}\n{source.digest}\n{extractor.digest}\n{first}\n{stop}\n".encode()
            features = None if file is None else _cached(file, key)
            if features is None:
                if waves is None:
                    waves = source.waves(first, stop)
                    assert waves.shape == (stop - first, source.samples), waves.shape
                described = extractor.extract(waves, source.sample_rate)
                features = {name: np.asarray(values, np.float32) for name, values in described.items()}
                assert all(len(values) == len(waves) for values in features.values()), f"{extractor.name} lost a note"
                if file is not None:
                    _keep(file, key, features)
            whole = found[extractor.name]
            for name, values in features.items():
                if name not in whole:
                    whole[name] = np.empty((source.count, *values.shape[1:]), np.float32)
                whole[name][first:stop] = values
        if progress is not None:
            progress(stop - first)
    return found


def _keep(file: Path, key: bytes, features: Features) -> None:
    packed = io.BytesIO()
    np.savez(packed, **features)  # type: ignore[arg-type]
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(file) as temporary, temporary.open("wb") as handle:
        handle.write(hashlib.sha256(key + packed.getbuffer()).digest())
        handle.write(packed.getbuffer())


def _cached(file: Path, key: bytes) -> Features | None:
    """The features kept there; None where there are none, or others than `key` says."""
    try:
        content = file.read_bytes()
    except OSError:
        return None
    size = hashlib.sha256().digest_size
    if hashlib.sha256(key + content[size:]).digest() != content[:size]:
        return None
    with np.load(io.BytesIO(content[size:]), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
