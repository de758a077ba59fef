"""Seeded damage to files: truncated, flipped, spliced, shifted, zeroed, joined."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

Rng = np.random.Generator


def truncate(data: bytes, other: bytes, rng: Rng) -> bytes:
    """Return the beginning."""
    return data[: rng.integers(len(data))]


def flip(data: bytes, other: bytes, rng: Rng) -> bytes:
    """Return the data with one to eight bits flipped, half of them in the header."""
    out = bytearray(data)
    for _ in range(rng.integers(1, 9)):
        within = min(len(out), 200) if rng.random() < 0.5 else len(out)
        out[rng.integers(within)] ^= 1 << int(rng.integers(8))
    return bytes(out)


def put_number(data: bytes, other: bytes, rng: Rng) -> bytes:
    """Return the data with an extreme number over a field of the header."""
    out, width = bytearray(data), int(rng.choice([2, 4, 8]))
    at = int(rng.integers(max(1, min(len(out), 200) - width)))
    number = int(rng.choice([0, 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63])) % (1 << 8 * width)
    out[at : at + width] = number.to_bytes(width, "little" if rng.random() < 0.5 else "big")
    return bytes(out)


def splice(data: bytes, other: bytes, rng: Rng) -> bytes:
    """Return the beginning of one file and the end of another."""
    return data[: rng.integers(len(data))] + other[rng.integers(len(other)) :]


def insert(data: bytes, other: bytes, rng: Rng) -> bytes:
    """Return the data with up to 300 random bytes put in."""
    at = rng.integers(len(data) + 1)
    return data[:at] + rng.bytes(int(rng.integers(1, 300))) + data[at:]


def remove(data: bytes, other: bytes, rng: Rng) -> bytes:
    """Return the data without up to 300 bytes."""
    at = rng.integers(len(data))
    return data[:at] + data[at + rng.integers(1, 300) :]


def zero(data: bytes, other: bytes, rng: Rng) -> bytes:
    """Return the data with up to 2000 bytes set to zero."""
    at = int(rng.integers(len(data)))
    count = min(len(data) - at, int(rng.integers(1, 2000)))
    return data[:at] + bytes(count) + data[at + count :]


def append(data: bytes, other: bytes, rng: Rng) -> bytes:
    """Return the data and random bytes, zeros or another file after it."""
    kind = rng.integers(3)
    return data + (other if kind == 0 else bytes(int(rng.integers(1, 5000))) if kind == 1 else rng.bytes(999))


MUTATIONS: tuple[Callable[[bytes, bytes, Rng], bytes], ...] = (
    truncate, flip, flip, put_number, splice, insert, remove, zero, append,
)  # fmt: skip


def mutate(files: Mapping[str, bytes], seed: int) -> tuple[str, bytes]:
    """Return a name, of the file or of another kind, and the file's data with one to three kinds of damage."""
    rng = np.random.default_rng(seed)
    names = list(files)
    name, other = names[rng.integers(len(names))], names[rng.integers(len(names))]
    data = files[name]
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        if data:
            data = MUTATIONS[rng.integers(len(MUTATIONS))](data, files[other], rng)
    return (other if rng.random() < 0.1 else name), data
