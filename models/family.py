"""Entry of the registry of codecs: the loader of a family and its row of the catalogue.

A row is made without loading: listing codecs needs neither torch nor a download. Tests compare the
rows with the codecs themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.codec import Codec, CodecSpec
from models.weights_io import releases

FLOAT16_BITS = 16  # of each value of a latent, as tapes store it

# rest of the name (may be empty), requested sample rate in Hz, requested precision -> codec
Loader = Callable[[str, int | None, str | None], Codec]


@dataclass(frozen=True)
class Family:
    """Family of codecs, such as opus. A codec's name is FAMILY or FAMILY:VARIANT.

    `spec` returns the spec of the codec without a variant; None if its bundled weights are missing.
    `variants` are those that the catalogue lists; a loader may accept more. `rates` are the kbit/s
    that a slider offers, by default those of the variants that are numbers. `weights` is the file
    of bundled weights. `live` is False for a family that needs whole files. `kbps` returns the
    bitrate of a variant ("" is the default) where it does not follow from the tokens.
    """

    name: str
    kind: str  # exact, classic (no network) or neural
    licence: str
    load: Loader
    spec: Callable[[], CodecSpec | None]
    variants: tuple[str, ...] = ()
    rates: tuple[float, ...] = ()
    weights: Path | None = None
    live: bool = True
    kbps: Callable[[str, CodecSpec], float] | None = None
    remark: str = ""

    def row(self) -> dict[str, object] | None:
        """Return the row of the catalogue; None if the codec is not available.

        Makes no network call.
        """
        spec = self.spec()
        if spec is None:
            return None
        place, here, size = self._weights()
        return row_of(
            spec,
            name=self.name,
            kind=self.kind,
            variants={name: round(self._bitrate(name, spec), 2) for name in ("", *self.variants)},
            rates=self._rates(spec),
            size=size,
            licence=self.licence,
            weights=place,
            here=here,
            live=self.live,
            remark=self.remark,
        )

    def _weights(self) -> tuple[str, bool, int]:
        """Return the place of the weights, True if they are on this computer, and their size.

        The size is in bytes, 0 if unknown.
        """
        if self.weights:
            return "bundled", True, self.weights.stat().st_size
        if self.name not in releases.RELEASES:
            return "none", True, 0
        if found := releases.here(self.name):
            return str(found[0]), True, sum(path.stat().st_size for path in found)
        return "download", False, releases.RELEASES[self.name].size

    def _rates(self, spec: CodecSpec) -> list[float]:
        """Return the kbit/s that can be chosen by a variant, in order."""
        named = [variant for variant in self.variants if variant not in spec.paths]
        return sorted(self.rates or {float(variant) for variant in named})

    def _bitrate(self, variant: str, spec: CodecSpec) -> float:
        """Return the kbit/s of a variant.

        A variant that is a number is its own bitrate. The continuous path counts its latents, any
        other variant all tokens of a frame.
        """
        if self.kbps:
            return self.kbps(variant, spec)
        if variant and variant not in spec.paths:
            return float(variant)
        if variant == "continuous" or (not variant and spec.paths[0] == "continuous"):
            return math.prod(spec.latent) * FLOAT16_BITS * spec.frame_rate / 1000
        return spec.tokens * math.log2(spec.cardinality) * spec.frame_rate / 1000


def row_of(
    spec: CodecSpec,
    *,
    name: str,
    kind: str,
    variants: dict[str, float],
    size: int,
    licence: str,
    weights: str,
    here: bool = True,
    live: bool = True,
    rates: Sequence[float] = (),
    remark: str = "",
) -> dict[str, object]:
    """Return a row of the catalogue.

    `variants` are kbit/s by name, "" first; `size` is in bytes. The other fields are as in Family.
    """
    return {
        "name": name,
        "kind": kind,
        "variants": variants,
        "sample_rate": spec.sample_rate,
        "channels": spec.channels,
        "kbps": variants[""],
        "latency_ms": round(1000 * (spec.hop + spec.lookahead) / spec.sample_rate, 1),
        "hop": spec.hop,
        "lookahead": spec.lookahead,
        "tokens": spec.tokens,
        "cardinality": spec.cardinality,
        "books": spec.books,
        "rates": list(rates),
        "paths": list(spec.paths),
        "size_mb": round(size / 1e6, 1),
        "licence": licence,
        "weights": weights,
        "here": here,
        "live": live,
        "remark": remark,
    }
