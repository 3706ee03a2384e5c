"""TensorFlow's checkpoints ("tensor bundles") → named arrays, without TensorFlow.

A bundle is two files. `.index` is a table of LevelDB's format: sorted keys, the names of the tensors, whose values are
protocol buffers with type, shape and place of each tensor; `.data-00000-of-00001` holds their bytes one after another.
Formats: leveldb/doc/table_format.md; tensorflow/core/protobuf/tensor_bundle.proto.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAGIC = bytes.fromhex("57fb808b247547db")  # ends every table
FOOTER = 48  # bytes: two block handles, padding, the magic number
TYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8"}  # DataType of tensorflow/core/framework/types.proto
PLACES = {3: 0, 4: 0, 5: 0}  # fields of `BundleEntryProto` that are 0 where they are not written: shard, offset, size


def read_bundle(index: bytes, data: bytes) -> dict[str, NDArray[Any]]:
    """Every tensor of a bundle of one shard, by its name; types other than float and integer are left out.

    Raises:
        ValueError: the bytes are no such bundle, or are cut short.
    """
    arrays = {}
    for key, value in _entries(index):
        fields = _fields(value)
        if not key:  # the header: how many shards there are
            if fields.get(1, [1]) != [1]:
                raise ValueError("the checkpoint is of several shards")
            continue
        kind = TYPES.get(fields.get(1, [0])[0])
        if kind is None:
            continue
        shape = [_fields(one).get(1, [0])[0] for one in _fields(fields.get(2, [b""])[0]).get(2, [])]
        offset, size = (fields.get(number, [0])[0] for number in (4, 5))
        if offset + size > len(data) or size != np.dtype(kind).itemsize * int(np.prod(shape, dtype=np.int64)):
            raise ValueError(f"{key.decode()} does not lie in the file of data")
        arrays[key.decode()] = np.frombuffer(data[offset : offset + size], kind).reshape(shape)
    return arrays


# --- LevelDB's table --------------------------------------------------------------------------------------------------


def _entries(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(key, value) in order: the footer points to a block of handles, each of which points to a block of entries."""
    if len(table) < FOOTER or table[-8:] != MAGIC:
        raise ValueError("it does not end as a table does")
    place = len(table) - FOOTER
    for _ in range(2):  # the handle of the meta index, which bundles do not use
        place = _varint(table, place)[1]
    for _, handle in _block(table, place):
        yield from _block(handle, 0, table)


def _block(handle: bytes, place: int, table: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
    """The entries of the block that a handle at `place` points to, within `table` or the bytes of the handle itself.

    A key is what it shares with the one before, and the rest.
    """
    table = handle if table is None else table
    offset, place = _varint(handle, place)
    size, _ = _varint(handle, place)
    block = table[offset : offset + size]
    if len(block) < size or size < 4 or table[offset + size] != 0:  # the byte behind it says how it is compressed
        raise ValueError("a block is compressed or cut short")
    restarts = int.from_bytes(block[-4:], "little")
    end, place, key = size - 4 * (restarts + 1), 0, b""
    while place < end:
        shared, place = _varint(block, place)
        own, place = _varint(block, place)
        length, place = _varint(block, place)
        key = key[:shared] + block[place : place + own]
        yield key, block[place + own : place + own + length]
        place += own + length


# --- protocol buffers -------------------------------------------------------------------------------------------------


def _fields(message: bytes) -> dict[int, list[Any]]:
    """Values by field number: integers, or bytes of what is nested."""
    found: dict[int, list[Any]] = {}
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        number, wire = tag >> 3, tag & 7
        value: int | bytes
        if wire == 0:
            value, place = _varint(message, place)
        else:
            if wire == 2:
                length, place = _varint(message, place)
            elif wire in (1, 5):
                length = 8 if wire == 1 else 4
            else:
                raise ValueError(f"a field is of the unknown kind {wire}")
            value, place = message[place : place + length], place + length
        found.setdefault(number, []).append(value)
    return found


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """(number, place behind it): seven bits a byte, lowest first; the highest bit of a byte says that more follow."""
    value = shift = 0
    while True:
        if place >= len(data) or shift > 63:
            raise ValueError("a number is cut short")
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
