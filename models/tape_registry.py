"""Names of the codecs of tapes, by the hash in a tape's header.

The hash of a network covers its sizes, so no weights are read for it. The hash of swift covers
the digest of its books, which is in the header of their file.
"""

from __future__ import annotations

from collections.abc import Iterator

from models import lyra
from models.codicodec.checkpoint import NAMES, config_of
from models.codicodec.codec import digest, valid_hops
from models.registry import SWIFT, safetensors_header
from models.residual.registry import names as residual_names
from models.scripted.model_rows import names as scripted_names
from models.swift.codec import names as swift_names


def name_of(config_hash: bytes) -> str | None:
    """Return the codec's name; None for a checkpoint that the catalogue does not have."""
    return next((name for name, known in known_codecs() if known == config_hash), None)


def known_codecs() -> Iterator[tuple[str, bytes]]:
    for config in filter(None, map(config_of, NAMES)):
        yield config.name, digest(config)
        for slide in valid_hops(config):
            yield f"{config.name}:slide={slide}", digest(config, slide)
    if digest_of_books := safetensors_header(SWIFT).get("__metadata__", {}).get("digest"):
        yield from swift_names(digest_of_books)
    yield from lyra.names()
    yield from scripted_names()
    yield from residual_names()
