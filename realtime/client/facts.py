"""What a stream is and what it sends, as a client has heard it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from models.codec import CodecSpec
from realtime.bends.grid import grid_of
from realtime.parameter import Parameter


@dataclass(frozen=True)
class Latency:
    """L, and the terms that it is the sum of, in samples."""

    samples: int = 0
    ms: float = 0.0
    terms: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, args: Sequence[Any]) -> Latency:
        """From /verdigris/latency/terms."""
        facts = pairs(args)
        return cls(facts.pop("samples"), facts.pop("ms"), facts)


@dataclass(frozen=True)
class CodecFacts:
    """What a slot plays. `spec`: name, sample_rate, hop, tokens, cardinality, latent (count, dims), time_ordered ..."""

    path: str  # of spec.paths
    spec: CodecSpec

    @classmethod
    def of(cls, facts: dict[str, Any]) -> CodecFacts:
        """From /verdigris/codec."""
        latent = facts["latent_count"], facts["latent_dims"]
        names = ("name", "sample_rate", "channels", "hop", "lookahead", "tokens", "cardinality")
        return cls(
            facts["path"],
            CodecSpec(
                **{name: facts[name] for name in names},
                latent=latent,
                paths=tuple(facts["paths"].split(",")),
                time_ordered=bool(facts["time_ordered"]),
            ),
        )

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def frame_seconds(self) -> float:
        """What a frame stands for."""
        return 1.0 / self.spec.frame_rate

    @property
    def levels(self) -> int:
        """Steps of each dimension of a token (finite scalar quantisation); 0 if tokens are names, or there are none."""
        return self._grid.levels if self._grid else 0

    def digits(self, tokens: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """Tokens [n] as levels [n, dims], 0 ... levels - 1. Only where there are `levels`."""
        assert self._grid
        places = self._grid.levels ** np.arange(self._grid.dims)
        digits: npt.NDArray[np.int32] = (tokens[:, None] // places % self._grid.levels).astype(np.int32)
        return digits

    @cached_property
    def _grid(self) -> Any:
        return grid_of(self.spec)


@dataclass(frozen=True)
class EffectControl:
    """A control of an effect, as a row of a table of parameters."""

    effect: str  # KIND:WHERE
    row: Parameter
    value: Any

    @classmethod
    def of(cls, args: Sequence[Any]) -> EffectControl:
        """From /verdigris/rack/controls, without number and count."""
        name, effect, kind_name, value, default, low, high, help_ = args
        if kind_name == "bool":
            return cls(effect, Parameter(name, bool, bool(default), "frame", help_), bool(value))
        kind = int if kind_name == "int" else _plain
        default, low, high, value = map(kind, (default, low, high, value))
        row = Parameter(name, int if kind is int else float, default, "frame", help_, low, high, clamp=True)
        return cls(effect, row, value)


def _plain(number: float) -> float:
    """What it was before it was float32, if it was 0.1 or the like."""
    return float(f"{number:.7g}")


@dataclass(frozen=True)
class Frame:
    """One encoded hop, after its bends."""

    slot: str
    number: int  # by its encoder's count
    start: int  # input sample from which on it is heard, on the clock of Rings
    seconds: float  # that it stands for
    bits: float  # sent
    tokens: npt.NDArray[np.int32]  # [tokens]; empty if the codec has none
    latent: npt.NDArray[np.float32] | None  # [count, dims]; None if the codec has none


def pairs(args: Sequence[Any]) -> dict[str, Any]:
    """Name, value, name, value ... as a dict."""
    return dict(zip(args[::2], args[1::2], strict=True))
