"""Registry of codecs: the loader of each family and its row in the catalogue.

A family's module is imported when one of its codecs is loaded: Opus never imports torch. To add a
codec, write its module and one entry of `FAMILIES`, the only list of codecs in the project.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from models.codec import Codec, CodecError, CodecSpec
from models.codicodec.config import CoDiCodecConfig, spec_of
from models.family import Family, Loader
from models.openmp import limit_openmp_spinning
from models.pcm import SAMPLE_BITS, Pcm
from models.weights_io import releases

NANO, SWIFT = releases.BUNDLED / "nano.safetensors", releases.BUNDLED / "swift.safetensors"
LANGUAGE = releases.BUNDLED / "language.safetensors"  # the token language model of swift
PATHS = ("continuous", "discrete")
MAX_HEADER = 100_000_000  # bytes of JSON before the tensors; a longer header is not of a checkpoint


def _pcm(rest: str, rate: int | None, precision: str | None) -> Codec:
    name = f"pcm:{rest}" if rest else "pcm"
    given: dict[str, Any] = {} if rate is None else {"sample_rate": rate}
    for option in rest.split(",") if rest else ():
        key, _, value = option.partition("=")
        try:
            if key in PCM_NUMBERS:
                given[key] = float(value)
            else:
                given[PCM_INTEGERS[key]] = int(value)
        except (KeyError, ValueError):
            raise CodecError(
                f'option "{option}" of codec "{name}" is not one of {", ".join(PCM_INTEGERS)} (integers), compute '
                "(seconds), gain (-1 to 1). Pass such as pcm:hop=1024,lookahead=64."
            ) from None
    return Pcm(**given, name=name)


def _classic(name: str, default: int) -> Loader:
    def loader(rest: str, rate: int | None, precision: str | None) -> Codec:
        from models.classic.ffmpeg import FORMATS, FfmpegCodec

        chosen = FORMATS[name]
        return FfmpegCodec(
            chosen, kbps_of(name, rest, default), rate if rate is not None and rate in chosen.rates else chosen.rates[0]
        )

    return loader


def _pcm_kbps(variant: str, spec: CodecSpec) -> float:
    return SAMPLE_BITS * spec.channels * spec.sample_rate / 1000


def _vorbis(rest: str, rate: int | None, precision: str | None) -> Codec:
    name = f"vorbis:{rest}" if rest else "vorbis"
    raise CodecError(
        f'codec "{name}" has no fixed hop: it is for whole files (verdigris render). Live, pass opus, mp3 or aac.'
    )


def load_network(name: str, precision: str | None) -> Codec:
    """Return the CoDiCodec of a name or a checkpoint's path."""
    limit_openmp_spinning()
    from models.codicodec.checkpoint import load_codec

    return load_codec(name, precision)


def _residual(family: str) -> Loader:
    def loader(rest: str, rate: int | None, precision: str | None) -> Codec:
        limit_openmp_spinning()
        from models.residual.registry import load_family

        return load_family(family, rest)

    return loader


def safetensors_header(path: Path) -> dict[str, Any]:
    """Return the header of a safetensors file; empty if it cannot be read. Imports no torch."""
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(min(int.from_bytes(file.read(8), "little"), MAX_HEADER)))
    except (ValueError, OSError):
        return {}
    return found if isinstance(found, dict) else {}


def _nano() -> CodecSpec | None:
    """Return the spec of the bundled network from the header of its weights.

    Return None if they are missing.
    """
    if not NANO.is_file():
        return None
    return spec_of(CoDiCodecConfig.from_json(safetensors_header(NANO)["__metadata__"]["config"]))


def _swift(rest: str, rate: int | None, precision: str | None) -> Codec:
    from models.swift.codec import load_swift

    return load_swift(rest, SWIFT)


def _swift_spec() -> CodecSpec | None:
    """Return the spec of swift from the header of its weights; None if they are missing."""
    if not SWIFT.is_file():
        return None
    held: dict[str, Any] = json.loads(safetensors_header(SWIFT)["__metadata__"]["spec"])
    return CodecSpec(**held | {name: tuple(held[name]) for name in ("latent", "paths")})


def _lyra(rest: str, rate: int | None, precision: str | None) -> Codec:
    from models.lyra import books_at, load_lyra

    books_at(rest)  # before anything is downloaded
    return load_lyra(rest, releases.find("lyra"))


def _lyra_spec() -> CodecSpec:
    from models import lyra

    return lyra.spec_of("lyra", lyra.BOOKS)


def _residual_spec(name: str, sample_rate: int, hop: int, lookahead: int, books: int, **others: Any) -> CodecSpec:
    given = {"channels": 1, "tokens": books, "cardinality": 1024} | others
    return CodecSpec(
        name=name,
        sample_rate=sample_rate,
        hop=hop,
        lookahead=lookahead,
        latent=(0, 0),
        paths=("discrete",),
        time_ordered=True,
        books=books,
        **given,
    )


def kbps_of(family: str, given: str, default: int) -> int:
    """Return the kbit/s of the variant of a classic codec, the default if empty.

    Raise CodecError if it is not an integer.
    """
    try:
        return int(given) if given else default
    except ValueError:
        raise CodecError(
            f'bitrate "{given}" of {family} is not an integer of kbit/s. Pass such as {family}:{default}.'
        ) from None


# kbit/s that a slider offers: those of Opus and AAC are steps of a range, those of MP3 all that there are
CLASSIC_RATES: dict[str, tuple[float, ...]] = {
    "opus": (6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192, 256, 320, 510),
    "mp3": (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    "aac": (24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
}
PCM_NUMBERS = ("compute", "gain")
PCM_INTEGERS = {"hop": "hop", "lookahead": "lookahead", "rate": "sample_rate", "channels": "channels"}

SLOW = "slower than real time on one CPU core: use render, or :frames=8 where two cores keep up"
FRAMES = "real time on one CPU core needs several steps a frame: :frames=4"


def _classic_family(name: str, default: int, licence: str, *variants: str) -> Family:
    def spec() -> CodecSpec:
        return _classic(name, default)("", None, None).spec

    return Family(
        name,
        "classic",
        licence,
        _classic(name, default),
        spec,
        variants,
        rates=CLASSIC_RATES[name],
        kbps=lambda given, _: float(given or default),
    )


def _released_family(name: str, spec: CodecSpec, *variants: str, remark: str = "") -> Family:
    licence = releases.RELEASES[name].licence
    return Family(name, "neural", licence, _residual(name), lambda: spec, variants, remark=remark)


# The registry: one entry for each family.
FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family(
            "nano",
            "classic",
            "Apache-2.0",
            lambda rest, rate, precision: load_network(f"nano:{rest}" if rest else "nano", precision),
            _nano,
            PATHS,
            weights=NANO,
        ),
        Family("swift", "classic", "Apache-2.0", _swift, _swift_spec, ("3", "6", "12", "24"), weights=SWIFT),
        Family(
            "codicodec",
            "neural",
            releases.NON_COMMERCIAL,
            lambda rest, rate, precision: load_network(f"codicodec:{rest}" if rest else "codicodec", precision),
            lambda: spec_of(CoDiCodecConfig.official()),
            PATHS,
        ),
        _released_family("encodec24", _residual_spec("encodec24", 24_000, 320, 0, 32), "1.5", "3", "6", "12", "24"),
        _released_family(
            "encodec48",
            _residual_spec("encodec48", 48_000, 47_520, 480, 16, channels=2, tokens=2404),
            *("3", "6", "12", "24"),
        ),
        _released_family(
            "encodec32", _residual_spec("encodec32", 32_000, 640, 4962, 4, cardinality=2048), "1.1", "2.2"
        ),
        _released_family("dac", _residual_spec("dac", 44_100, 512, 8853, 9), "2.584", "5.168", remark=SLOW),
        _released_family("dac44-16", _residual_spec("dac44-16", 44_100, 512, 8853, 18), remark=SLOW),
        _released_family("dac24", _residual_spec("dac24", 24_000, 320, 5701, 32), "3", "6", "12", remark=FRAMES),
        _released_family("dac16", _residual_spec("dac16", 16_000, 320, 5701, 12), "2", "4", remark=FRAMES),
        _released_family("mimi", _residual_spec("mimi", 24_000, 1920, 0, 32, cardinality=2048), "1.1", "2.2", "4.4"),
        Family("lyra", "neural", "Apache-2.0", _lyra, _lyra_spec, ("3.2", "6", "9.2")),
        _classic_family("opus", 24, "BSD-3-Clause", "6", "12", "24", "64", "128"),
        _classic_family("mp3", 128, "LGPL-2.0", "64", "128", "192", "320"),
        _classic_family("aac", 96, "LGPL-2.1", "64", "96", "128", "256"),
        Family(
            "vorbis",
            "classic",
            "BSD-3-Clause",
            _vorbis,
            lambda: CodecSpec("vorbis", 48_000, 2, 1024, 0, 0, 0, (0, 0), ("discrete",), True),
            ("64", "96", "160"),
            live=False,
            kbps=lambda given, _: float(given or 96),
            remark="whole files only: verdigris render",
        ),
        Family("pcm", "exact", "Apache-2.0", _pcm, lambda: Pcm().spec, kbps=_pcm_kbps),
    )
}
