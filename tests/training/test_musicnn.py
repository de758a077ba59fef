"""musicnn's features, and the checkpoint format that they are read from, with made-up weights."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from models.codec import CodecError
from models.training.pretrained.musicnn import Musicnn, log_mel
from models.training.pretrained.tf_checkpoint import MAGIC, read_checkpoint

torch.set_num_threads(1)
FILTERS = {0: (7, 38, 1, 204), 1: (7, 67, 1, 204), 2: (128, 1, 1, 51), 3: (64, 1, 1, 51), 4: (32, 1, 1, 51)}
LAYERS = {5: (7, 561, 1, 64), 6: (7, 64, 1, 64), 7: (7, 64, 1, 64)}


def weights() -> dict[str, npt.NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    found = {}
    for number, shape in {**FILTERS, **LAYERS}.items():
        name = f"conv2d_{number}" if number else "conv2d"
        found[f"{name}/kernel"] = 0.1 * rng.standard_normal(shape) / np.sqrt(shape[0] * shape[1])
        found[f"{name}/bias"] = np.zeros(shape[-1])
    for number, width in enumerate((1, *(shape[-1] for shape in (*FILTERS.values(), *LAYERS.values())))):
        name = f"batch_normalization_{number}" if number else "batch_normalization"
        for part in ("moving_mean", "beta"):
            found[f"{name}/{part}"] = np.zeros(width)
        for part in ("moving_variance", "gamma"):
            found[f"{name}/{part}"] = np.ones(width)
    return {name: value.astype(np.float32) for name, value in found.items()}


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def block(entries: list[tuple[bytes, bytes]]) -> bytes:
    """Return a LevelDB block whose keys share what they can, with one restart."""
    out, before = b"", b""
    for key, value in entries:
        shared = next(
            (i for i, (a, b) in enumerate(zip(key, before, strict=False)) if a != b), min(len(key), len(before))
        )
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    return out + struct.pack("<II", 0, 1)


def write(folder: Path, tensors: dict[str, npt.NDArray[np.float32]], compression: int = 0) -> None:
    data, entries = b"", [(b"", b"\x08\x01")]
    for name, value in sorted(tensors.items()):
        sizes = b"".join(b"\x12" + varint(len(dim)) + dim for dim in (b"\x08" + varint(n) for n in value.shape))
        place = b"\x20" + varint(len(data)) if data else b""  # nought is not written
        shape = b"\x12" + varint(len(sizes)) + sizes
        entries.append((name.encode(), b"\x08\x01" + shape + place + b"\x28" + varint(value.nbytes) + b"\x35abcd"))
        data += value.tobytes()
    tensors_block = block(entries)
    index = tensors_block + bytes([compression]) + b"crc!"
    places = block([(b"z", varint(0) + varint(len(tensors_block)))])
    footer = varint(0) + varint(0) + varint(len(index)) + varint(len(places))
    index += places + b"\0crc!" + footer.ljust(40, b"\0") + struct.pack("<Q", MAGIC)
    (folder / "net.index").write_bytes(index)
    (folder / "net.data-00000-of-00001").write_bytes(data)


def test_a_checkpoint_gives_its_tensors(tmp_path: Path) -> None:
    tensors = {"dense/bias": np.arange(300, dtype=np.float32), "dense/kernel": np.ones((3, 200), np.float32)}
    write(tmp_path, tensors)
    found = read_checkpoint(tmp_path, "net")
    assert found.keys() == tensors.keys()
    assert all(np.array_equal(found[name], tensors[name]) for name in tensors)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    write(tmp_path, {"a": np.ones(1, np.float32)}, compression=1)
    with pytest.raises(CodecError, match="compressed"):
        read_checkpoint(tmp_path, "net")
    (tmp_path / "net.index").write_bytes(b"x" * 100)
    with pytest.raises(CodecError, match=r'net.index" is not the index'):
        read_checkpoint(tmp_path, "net")


def test_features_are_64_every_16_ms_and_follow_the_sound() -> None:
    time = np.arange(48000) / 48000
    low, high = (np.stack([np.sin(2 * np.pi * hertz * time)] * 2).astype(np.float32) for hertz in (200, 3000))
    network = Musicnn(weights())
    assert network(low).shape == (1 + 16000 // 256, 64)
    assert np.array_equal(network(low), network(low))
    assert np.abs(network(low) - network(high)).max() > 0.01


def test_mel_bands_see_a_tone_where_it_is() -> None:
    levels = log_mel(np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000).astype(np.float32))
    assert levels.shape == (63, 96)
    # Slaney's scale has 15 mels at 1 kHz and 45.2 at 8 kHz: band 15 / 45.2 * 97 - 1
    assert int(levels[30].argmax()) == pytest.approx(31, abs=1)
