"""Names of codecs: family, variant and path; and the control of a codec's bitrate.

Everything about a family comes from its row of the catalogue (`verdigris codecs --json`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PATHS = ("continuous", "discrete")
CHECKPOINTS = (".safetensors", ".pt", ".th", ".pth")  # endings of names that are files
MODEL, MODELS = "rave:", (".ts",)  # begin and ending of names that are exports for nn~
Row = Mapping[str, Any]  # of the catalogue


def split_codec(codec: str) -> tuple[str, str]:
    """Split CODEC[:PATH] into name and path; the path is "" if there is none."""
    name, _, last = codec.rpartition(":")
    return (name, last) if name and last in PATHS else (codec, "")


def is_file(codec: str) -> bool:
    """Return True if a name is that of a checkpoint, or of a model for nn~."""
    path = split_codec(codec)[0].partition(":frames=")[0].partition(":slide=")[0]
    return codec.startswith(MODEL) or path.endswith(CHECKPOINTS)


def name_of_file(path: str) -> str:
    """Return the name of the codec in a file that the user has chosen."""
    return f"{MODEL}{path}" if path.endswith(MODELS) else path


def family_of(codec: str) -> str:
    """Return the family of a codec; "" for a file."""
    return "" if is_file(codec) else codec.partition(":")[0]


def variant_of(codec: str) -> str:
    """Return the part of a name after its family, without the path."""
    return "" if is_file(codec) else split_codec(codec)[0].partition(":")[2]


def title_of(codec: str) -> str:
    """Return a short name for people: the family, or the name of a file."""
    name = split_codec(codec)[0]
    return name.removeprefix(MODEL).replace("\\", "/").rpartition("/")[2] if is_file(codec) else family_of(codec)


@dataclass(frozen=True)
class RateControl:
    """Control of a codec's bitrate: one stop for each choice.

    `kind` is "rate" (another variant is loaded) or "books" (fewer codebooks are sent, at once).
    """

    kind: str
    kbps: tuple[float, ...]  # nominal, of each stop
    stop: int  # chosen now

    @property
    def text(self) -> str:
        """Return the chosen stop in words."""
        books = f" · {self.stop + 1} of {len(self.kbps)} books" if self.kind == "books" else ""
        return f"{kilobits(self.kbps[self.stop])} kbit/s{books}"


def rate_control(codec: str, row: Row | None, books: int, sent: int, nominal: float) -> RateControl | None:
    """Return the control of a codec that plays; None if its bitrate is fixed.

    `books` is the number of codebooks of the codec that is loaded, `sent` the number in use (0: all),
    `nominal` the bitrate of all of them, in kbit/s. Codebooks are preferred where they reach all of
    the family's rates, since they change without loading.
    """
    rates = tuple(row["rates"]) if row else ()
    if books > 1 and not (row and rates and row["kbps"] < max(rates)):
        kbps = tuple(nominal * count / books for count in range(1, books + 1))
        return RateControl("books", kbps, min(sent or books, books) - 1)
    if len(rates) < 2 or row is None:
        return None
    current = nominal_of(variant_of(codec), row)
    return RateControl("rate", rates, min(range(len(rates)), key=lambda stop: abs(rates[stop] - current)))


def nominal_of(variant: str, row: Row) -> float:
    """Return the kbit/s of a variant of a family."""
    try:
        return float(variant)
    except ValueError:
        return float(row["variants"].get(variant, row["kbps"]))


def kilobits(kbps: float) -> str:
    """Return kbit/s with as many digits as matter."""
    return f"{kbps:.0f}" if kbps >= 100 or kbps == round(kbps) else f"{kbps:.1f}"
