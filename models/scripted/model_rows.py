"""Catalogue of the user's own scripted codecs: the trusted files that were loaded once, as rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from models.codec import CodecSpec
from models.family import FLOAT16_BITS, row_of
from models.scripted import trust

KIND = "yours"


@dataclass(frozen=True)
class OwnCodec:
    """Trusted file that was loaded as a codec."""

    name: str
    path: Path
    spec: CodecSpec
    config_hash: bytes  # as on its tapes


def own_codecs() -> Iterator[OwnCodec]:
    """Yield the codecs; runs nothing."""
    for entry in trust.entries():
        given = entry.get("spec")
        if not isinstance(given, dict) or given.keys() != {field.name for field in fields(CodecSpec)}:
            continue
        try:
            spec = CodecSpec(**given | {name: tuple(given[name]) for name in ("latent", "paths")})
            yield OwnCodec(str(entry["codec"]), Path(entry["path"]), spec, bytes.fromhex(entry["config_hash"]))
        except (KeyError, TypeError, ValueError):
            continue


def names() -> Iterator[tuple[str, bytes]]:
    """Yield each codec's name and the hash on its tapes."""
    for codec in own_codecs():
        yield codec.name, codec.config_hash


def scripted_row(codec: OwnCodec) -> dict[str, object]:
    """Return the row of the catalogue, with the fields of `Family.row`."""
    spec = codec.spec
    bits = spec.tokens * math.log2(spec.cardinality) if spec.tokens else FLOAT16_BITS * math.prod(spec.latent)
    variants = {"": round(bits * spec.frame_rate / 1000, 2)}
    size, weights = codec.path.stat().st_size, str(codec.path)
    return row_of(
        spec, name=codec.name, kind=KIND, variants=variants, size=size, licence="its maker's", weights=weights
    )
