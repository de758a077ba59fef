"""Contract of nn~ (https://github.com/acids-ircam/nn_tilde): methods on tensors, and attributes.

A method is described by a buffer `NAME_params`: channels and ratio of its input, channels and ratio
of its output. Its tensors are [batch, channels, samples / ratio]. A ratio of 2048 means a value
every 2048 samples. An attribute has `get_NAME`, `set_NAME` and a type for each of its elements.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.codec import CodecError
from models.scripted.framing import Array, Header
from models.scripted.process import ANSWER_S, ScriptedError, ScriptedProcess
from models.scripted.trust import read_trusted

RATES = (8_000, 192_000)  # Hz
MAX_CHANNELS, MAX_RATIO = 4096, 1 << 18
BOOL, INTEGER, FLOAT = 0, 1, 2  # types of attributes; the others (text, tensors, buffers) are not offered


@dataclass(frozen=True)
class Method:
    """Method of a module."""

    name: str
    in_channels: int
    in_ratio: int  # samples for each value of the input
    out_channels: int
    out_ratio: int


@dataclass(frozen=True)
class Call:
    """Call of a method on a stream; `values` is [in_channels, n / in_ratio]."""

    stream: int
    method: Method
    seed: int
    values: Array


class NnModule:
    """Module in its process. One thread at a time."""

    def __init__(self, path: Path) -> None:
        """Load a trusted file. CodecError if it cannot be loaded or does not keep the contract."""
        self.file = read_trusted(path)
        self.process = ScriptedProcess(self.file)
        facts = self.process.facts
        self.methods = {name: self._method(name, params) for name, params in facts["methods"].items()}
        self.attributes: dict[str, list[int]] = facts["attributes"]
        self.rate = int(facts["rate"])  # Hz; 0: the file does not say
        self.cardinality = int(facts["cardinality"])  # of the tokens of a discrete model; 0: unknown
        if self.rate and not RATES[0] <= self.rate <= RATES[1]:
            raise self.error(f"has a sample rate of {self.rate} Hz, allowed are {RATES[0]} to {RATES[1]}")
        if not self.methods:
            raise self.error("has no method of nn~: a buffer NAME_params describes each. Pass an export for nn~")

    @property
    def block(self) -> int:
        """Samples that every method takes whole: a module accepts others silently, and is wrong then."""
        return math.lcm(*(ratio for m in self.methods.values() for ratio in (m.in_ratio, m.out_ratio)))

    def error(self, reason: str) -> CodecError:
        """Return an error about this file."""
        return CodecError(f'"{self.file.path.name}" {reason}.')

    def run(self, calls: Sequence[Call], timeout_s: float = ANSWER_S) -> list[Array]:
        """Return [out_channels, n / out_ratio] for each call, in order.

        ScriptedError if a method fails, is late, or returns another shape or values that are not finite.
        """
        headers: list[Header] = [
            {"stream": call.stream, "method": call.method.name, "seed": call.seed, "inputs": 1} for call in calls
        ]
        found = self.process.run(headers, [call.values[None] for call in calls], timeout_s)
        for call, made in zip(calls, found, strict=True):
            method = call.method
            count = call.values.shape[1] * method.in_ratio // method.out_ratio
            if made.shape != (1, method.out_channels, count):
                expected = [1, method.out_channels, count]
                raise ScriptedError(
                    f"{self.file.path.name}: {method.name} returned {list(made.shape)} and not {expected}"
                )
            if not np.isfinite(made).all():
                raise ScriptedError(f"{self.file.path.name}: {method.name} returned values that are not finite")
        return [made[0] for made in found]

    def _method(self, name: str, params: list[int]) -> Method:
        in_channels, in_ratio, out_channels, out_ratio = params
        channels, ratios = (in_channels, out_channels), (in_ratio, out_ratio)
        if not all(0 < c <= MAX_CHANNELS for c in channels) or not all(0 < r <= MAX_RATIO for r in ratios):
            raise self.error(f"describes {name} by {params}, which is not channels and ratios")
        return Method(name, in_channels, in_ratio, out_channels, out_ratio)


def noise_seed(*numbers: int) -> int:
    """Return a seed for torch that follows from these numbers."""
    packed = struct.pack(f"<{len(numbers)}q", *numbers)
    return int.from_bytes(hashlib.blake2b(packed, digest_size=8).digest(), "little") >> 1
