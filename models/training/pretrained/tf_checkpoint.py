"""Reader of TensorFlow checkpoints in numpy: an index in LevelDB's table format, and a file of
tensors.

Format: TensorFlow's tensor_bundle (a table of BundleEntryProto messages, by tensor name) and
LevelDB's table_format.md. Supported are uncompressed tables and one file of little-endian float32
tensors; CodecError names anything else.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.codec import CodecError

FOOTER = 48  # bytes, the last eight of them the magic number
MAGIC = 0xDB4775248B80FB57
FLOAT32 = 1  # TensorFlow's DataType
DTYPE, SHAPE, OFFSET, SIZE = 1, 2, 4, 5  # fields of BundleEntryProto
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types of protocol buffers


def read_checkpoint(folder: Path, name: str) -> dict[str, npt.NDArray[np.float32]]:
    """Return the tensors, by name, of NAME.index and NAME.data-00000-of-00001 in a folder."""
    path = folder / f"{name}.index"
    index, data = path.read_bytes(), (folder / f"{name}.data-00000-of-00001").read_bytes()
    if len(index) < FOOTER or struct.unpack("<Q", index[-8:])[0] != MAGIC:
        raise CodecError(f'"{path}" is not the index of a TensorFlow checkpoint.')
    tensors = {}
    for key, entry in _table(index):
        if key:  # the entry without a name is the header
            fields = dict(_message(entry))
            if fields.get(DTYPE) == FLOAT32:
                start, size = int(fields.get(OFFSET, 0)), int(fields[SIZE])
                shape = [
                    int(dict(_message(bytes(dim))).get(1, 0)) for _, dim in _message(bytes(fields.get(SHAPE, b"")))
                ]
                tensors[key.decode()] = np.frombuffer(data[start : start + size], "<f4").reshape(shape)
    return tensors


def _table(index: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of all blocks, whose places are listed in the last block."""
    footer, at = index[-FOOTER:], 0
    places = []
    for _ in range(4):  # offset and size of the metaindex and of the index
        place, at = _varint(footer, at)
        places.append(place)
    for _, handle in _block(index, *places[2:]):
        start, at = _varint(handle, 0)
        size, _ = _varint(handle, at)
        yield from _block(index, start, size)


def _block(index: bytes, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the entries of a block; a key shares its first bytes with the key before it."""
    if index[start + size]:
        raise CodecError("the index of a TensorFlow checkpoint is compressed, which is not supported.")
    block = index[start : start + size]
    restarts = struct.unpack("<I", block[-4:])[0]
    at, key = 0, b""
    while at < size - 4 - 4 * restarts:
        shared, at = _varint(block, at)
        fresh, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + fresh]
        yield key, block[at + fresh : at + fresh + length]
        at += fresh + length


def _message(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field of a protocol buffer."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        value: int | bytes
        if wire == VARINT:
            value, at = _varint(data, at)
        else:
            length = {FIXED64: 8, FIXED32: 4}.get(wire)
            if wire == BYTES:
                length, at = _varint(data, at)
            if length is None:
                raise CodecError("the index of a TensorFlow checkpoint holds a field that is not supported.")
            value, at = data[at : at + length], at + length
        yield number, value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of seven bits a byte, lowest first, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return value, at
