"""Seeded mutations of a file or a packet: cut, flip, splice, repeat, insert."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def mutations(original: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Yield `count` mutations of `original`; the same ones for the same seed."""
    rng = np.random.default_rng(seed)
    kinds = (_cut, _flip, _splice, _repeat, _insert)
    for number in range(count):
        mutated = original
        for _ in range(int(rng.integers(1, 4))):
            mutated = kinds[(number + int(rng.integers(len(kinds)))) % len(kinds)](mutated, rng)
        yield mutated


def _place(data: bytes, rng: np.random.Generator) -> int:
    return int(rng.integers(0, len(data) + 1))


def _cut(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: _place(data, rng)]


def _flip(data: bytes, rng: np.random.Generator) -> bytes:
    raw = bytearray(data)
    for place in rng.integers(0, max(1, len(raw)), int(rng.integers(1, 6))):
        if raw:
            raw[place] ^= 1 << int(rng.integers(8))
    return bytes(raw)


def _splice(data: bytes, rng: np.random.Generator) -> bytes:
    start, end = sorted((_place(data, rng), _place(data, rng)))
    return data[:start] + data[end:]


def _repeat(data: bytes, rng: np.random.Generator) -> bytes:
    start, end = sorted((_place(data, rng), _place(data, rng)))
    return data[:end] + data[start : min(end, start + 4096)] + data[end:]


def _insert(data: bytes, rng: np.random.Generator) -> bytes:
    place = _place(data, rng)
    return data[:place] + rng.bytes(int(rng.integers(1, 9))) + data[place:]
