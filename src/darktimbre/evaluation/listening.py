"""Source × listeners → features of every sound, block by block; what was heard is kept, so a killed evaluation goes on.

CACHE/
  <listener's name>-<its digest>/
    <source's digest>/
      00000000-00000256.heard    32 bytes of SHA-256 over what it is of and what it holds, then an .npz
"""

import hashlib
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from darktimbre.audio.atomic import atomic_file
from darktimbre.evaluation.listeners import Answer, Listener
from darktimbre.evaluation.sources import Source

BLOCK = 256  # notes rendered at once: 16 MB at 1 s of 16 kHz
FORMAT = "darktimbre-heard-1"


def listen(
    source: Source,
    listeners: Sequence[Listener],
    *,
    cache: Path | None,
    block: int = BLOCK,
    progress: Callable[[int], None] | None = None,
) -> dict[str, dict[str, NDArray[np.float32]]]:
    """What every listener hears in every sound of a source.

    Each block is rendered once, for all listeners that have not heard it yet, and not at all where all have. In memory
    are the sounds of one block and the features.

    Args:
        source: the sounds, at least one.
        listeners: of different names.
        cache: folder in which what was heard is kept, by digest; None keeps nothing. Files that are damaged, or of
            other sounds or another listener, are heard anew.
        block: sounds at once. The features do not depend on it; what was kept with another block is heard anew.
        progress: called after each block with how many sounds it held, whether heard now or before.

    Returns:
        By the listener's name, then by the name of the feature: (note, …) float32.
    """
    assert source.count > 0, f"{source.name}: there is no sound to listen to"
    assert len({listener.name for listener in listeners}) == len(listeners), "two listeners of one name"
    heard: dict[str, dict[str, NDArray[np.float32]]] = {listener.name: {} for listener in listeners}
    for first in range(0, source.count, block):
        stop = min(first + block, source.count)
        waves: NDArray[np.float32] | None = None
        for listener in listeners:
            file = None if cache is None else _file(cache, source, listener, first, stop)
            answer = None if file is None else _kept(file, _key(source, listener, first, stop))
            if answer is None:
                if waves is None:
                    waves = source.waves(first, stop)
                    assert waves.shape == (stop - first, source.samples), waves.shape
                answer = _answer(listener, waves, source.sample_rate)
                if file is not None:
                    _keep(file, _key(source, listener, first, stop), answer)
            whole = heard[listener.name]
            for name, values in answer.items():
                if name not in whole:
                    whole[name] = np.empty((source.count, *values.shape[1:]), np.float32)
                whole[name][first:stop] = values
        if progress is not None:
            progress(stop - first)
    return heard


def _answer(listener: Listener, waves: NDArray[np.float32], rate: int) -> Answer:
    answer = {name: np.asarray(values, np.float32) for name, values in listener.hear(waves, rate).items()}
    assert all(len(values) == len(waves) for values in answer.values()), f"{listener.name} lost a note"
    return answer


# ── what is kept ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _file(cache: Path, source: Source, listener: Listener, first: int, stop: int) -> Path:
    folder = f"{listener.name.replace(' ', '-')}-{listener.digest[:16]}"
    return cache / folder / source.digest[:32] / f"{first:08d}-{stop:08d}.heard"


def _key(source: Source, listener: Listener, first: int, stop: int) -> bytes:
    """Of whom and what a file is; part of its checksum, so that a file moved elsewhere does not fit."""
    return f"{FORMAT}\n{source.digest}\n{listener.digest}\n{first}\n{stop}\n".encode()


def _keep(file: Path, key: bytes, answer: Answer) -> None:
    packed = io.BytesIO()
    np.savez(packed, **answer)  # type: ignore[arg-type]
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(file) as temporary, temporary.open("wb") as handle:
        handle.write(hashlib.sha256(key + packed.getbuffer()).digest())
        handle.write(packed.getbuffer())


def _kept(file: Path, key: bytes) -> Answer | None:
    """What was heard before, or None where there is nothing or something else than `key` says."""
    try:
        content = file.read_bytes()
    except OSError:
        return None
    size = hashlib.sha256().digest_size
    if hashlib.sha256(key + content[size:]).digest() != content[:size]:
        return None
    with np.load(io.BytesIO(content[size:]), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
