"""Which codec a tape was recorded with, by the hash on it: of the networks that are asked for by name.

The hash is of sizes, so no weights are read for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from models.checkpoint import NAMES, config_of
from models.codicodec import digest, slides
from models.residual import digest as residual_digest
from models.residual_load import RELEASED, bitrates, sizes_of_family


def name_of(config_hash: bytes) -> str | None:
    """CODEC; None if it is none of these: a checkpoint of somebody's own."""
    return next((name for name, known in _known() if known == config_hash), None)


def _known() -> Iterator[tuple[str, bytes]]:
    for config in filter(None, map(config_of, NAMES)):
        yield config.name, digest(config)
        for slide in slides(config):
            yield f"{config.name}:slide={slide}", digest(config, slide)
    for family in ("swift", *RELEASED):
        if sizes := sizes_of_family(family):
            for name in (family, f"{family}:random"):
                yield name, residual_digest(replace(sizes, name=name))
            for kbps, books in bitrates(sizes).items():
                name, quantiser = f"{family}:{kbps}", replace(sizes.quantiser, books=books)
                yield name, residual_digest(replace(sizes, name=name, quantiser=quantiser))
