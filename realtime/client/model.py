"""Data that a client receives from a session: latency, codecs, effect controls and frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from models.codec import CodecSpec
from realtime.bends.fsq_grid import grid_of
from realtime.parameters.parameter import Parameter, When


@dataclass(frozen=True)
class Latency:
    """Latency L and the terms that add up to it, in samples.

    `slots` holds the terms of slots a and b alone; L follows from the one that needs most.
    """

    samples: int = 0
    ms: float = 0.0
    terms: dict[str, int] = field(default_factory=dict)
    slots: dict[str, dict[str, int]] = field(default_factory=dict)

    @classmethod
    def from_reply(cls, args: Sequence[Any]) -> Latency:
        """Parse the arguments of /verdigris/latency/terms."""
        terms = pairs(args)
        return cls(terms.pop("samples"), terms.pop("ms"), terms)


@dataclass(frozen=True)
class Transport:
    """Source that plays, and the position that was heard when the session answered, in seconds.

    A length of 0 means the input.
    """

    source: str = "input"
    position: float = 0.0
    length: float = 0.0
    loop: bool = True


@dataclass(frozen=True)
class CodecInfo:
    """Codec of a slot: its spec and the path that is played."""

    path: str  # one of spec.paths
    spec: CodecSpec

    @classmethod
    def from_reply(cls, facts: dict[str, Any]) -> CodecInfo:
        """Build from the names and values of /verdigris/codec."""
        latent = facts["latent_count"], facts["latent_dims"]
        names = ("name", "sample_rate", "channels", "hop", "lookahead", "tokens", "cardinality")
        return cls(
            facts["path"],
            CodecSpec(
                **{name: facts[name] for name in names},
                latent=latent,
                paths=tuple(facts["paths"].split(",")),
                time_ordered=bool(facts["time_ordered"]),
                books=facts["books"],
            ),
        )

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def frame_seconds(self) -> float:
        """Duration of one frame in seconds."""
        return 1.0 / self.spec.frame_rate

    @property
    def levels(self) -> int:
        """Steps of each token dimension (finite scalar quantisation); 0 for a codec without such a
        grid.
        """
        return self._grid.levels if self._grid else 0

    def digits(self, tokens: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """Split tokens [n] into levels [n, dims], each 0 … levels − 1. Requires `levels` > 0."""
        assert self._grid
        places = self._grid.levels ** np.arange(self._grid.dims)
        digits: npt.NDArray[np.int32] = (tokens[:, None] // places % self._grid.levels).astype(np.int32)
        return digits

    @cached_property
    def _grid(self) -> Any:
        return grid_of(self.spec)


@dataclass(frozen=True)
class EffectControl:
    """Control of an effect, as a row of the parameter table."""

    effect: str  # KIND:WHERE
    row: Parameter
    value: Any

    @classmethod
    def from_reply(cls, args: Sequence[Any]) -> EffectControl:
        """Parse the arguments of /verdigris/rack/controls after number and count."""
        name, effect, kind_name, value, default, low, high, help_ = args
        if kind_name == "bool":
            return cls(effect, Parameter(name, bool, bool(default), When.FRAME, help_), bool(value))
        kind = int if kind_name == "int" else _without_float32_error
        default, low, high, value = map(kind, (default, low, high, value))
        row = Parameter(name, int if kind is int else float, default, When.FRAME, help_, low, high, clamp=True)
        return cls(effect, row, value)


def _without_float32_error(number: float) -> float:
    """Return the decimal number that was rounded to float32, such as 0.1 for 0.10000000149."""
    return float(f"{number:.7g}")


@dataclass(frozen=True)
class Frame:
    """One encoded hop, after the bends."""

    slot: str
    number: int  # counted by the encoder
    start: int  # first input sample of its output, on the clock of Rings
    seconds: float  # duration
    bits: float  # transmitted
    tokens: npt.NDArray[np.int32]  # [tokens]; empty if the codec has none
    latent: npt.NDArray[np.float32] | None  # [count, dims]; None if the codec has none


@dataclass(frozen=True)
class FrameSurprise:
    """Bits of a token of one hop as it was played, before its bends, under the codec's language model."""

    start: int  # first input sample of its output, on the clock of Rings
    bits: float


def pairs(args: Sequence[Any]) -> dict[str, Any]:
    """Return name, value, name, value … as a dict."""
    return dict(zip(args[::2], args[1::2], strict=True))
