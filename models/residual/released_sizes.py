"""Sizes of the released EnCodec, DAC and Mimi networks: by the name of a family, or derived from the
tensors of a file.

Shapes determine everything except the sample rate and, for EnCodec, whether it is causal. Those
follow from the strides of the released networks. DAC's own files also store the sizes in their
metadata (`kwargs`). Their sample rate is taken from there, and the rest must agree with the
tensors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from models.codec import CodecError
from models.residual.dac import DacConfig, dac_16khz, dac_24khz, dac_44khz, dac_44khz_16kbps
from models.residual.mimi import mimi
from models.residual.network import Config
from models.residual.rvq import QuantiserConfig
from models.residual.seanet import SeanetConfig, encodec_24khz, encodec_32khz, encodec_48khz

FAMILIES: dict[str, Callable[[], Config]] = {
    "encodec24": encodec_24khz,
    "encodec32": encodec_32khz,
    "encodec48": encodec_48khz,
    "dac": dac_44khz,
    "dac44-16": dac_44khz_16kbps,
    "dac24": dac_24khz,
    "dac16": dac_16khz,
    "mimi": mimi,
}
_DAC16_BOOKS = 12  # dac24 has the same strides and 32 books


def sizes_of(family: str) -> Config:
    """Return the released sizes of a family, one of FAMILIES."""
    return FAMILIES[family]()


def family_of(config: Config) -> str:
    """Return the family that has these sizes, ignoring name and number of books.

    Empty if none has.
    """
    for family, sizes in FAMILIES.items():
        released = sizes()
        quantiser = replace(released.quantiser, books=config.quantiser.books)
        if replace(config, name=released.name) == replace(released, quantiser=quantiser):
            return family
    return ""


def found_sizes(state: Mapping[str, Tensor], metadata: Mapping[str, Any], what: str) -> Config:
    """Return the sizes of a released network, derived from its tensors and metadata.

    Tensors have our names. CodecError, beginning with `what`, if a needed tensor is missing, if no
    released network has such strides, or if the metadata contradict the tensors.
    """
    shapes = _Shapes(state, what)
    if not shapes.count(r"quantiser\.stages\.\d+\.book\.entries"):
        raise CodecError(f"{what} has no codebooks and is not a file of EnCodec, DAC or Mimi. Pass a released one.")
    try:
        if "quantiser.semantic_in.weight" in state:
            return mimi(shapes.count(r"quantiser\.stages\.\d+\.book\.entries"))
        return _dac(shapes, metadata) if "quantiser.stages.0.project_in.weight" in state else _encodec(shapes)
    except CodecError as error:
        if str(error).startswith(what):
            raise
        raise CodecError(f"{what}: {error}. Pass a released file.") from error  # the sizes are not possible


class _Shapes:
    """Shapes of named tensors; `what` begins every error message."""

    def __init__(self, state: Mapping[str, Tensor], what: str) -> None:
        self._state, self.what = state, what

    def of(self, name: str, dimensions: int) -> tuple[int, ...]:
        """Return the shape of a tensor.

        CodecError if it is missing or has another number of dimensions.
        """
        if name not in self._state:
            raise CodecError(f'{self.what} lacks tensor "{name}", which determines its sizes. Fetch it again.')
        shape = tuple(self._state[name].shape)
        if len(shape) != dimensions or 0 in shape:
            raise CodecError(
                f'{self.what}: tensor "{name}" has shape {list(shape)}, expected {dimensions} sizes above 0. '
                "Fetch it again."
            )
        return shape

    def count(self, pattern: str) -> int:
        """Return how many names match as a whole."""
        return len(self.matching(pattern))

    def matching(self, pattern: str) -> list[str]:
        """Return the names that match as a whole, sorted by the numbers in them."""
        found = [name for name in self._state if re.fullmatch(pattern, name)]
        return sorted(found, key=lambda name: [int(number) for number in re.findall(r"\d+", name)])


def _encodec(shapes: _Shapes) -> SeanetConfig:
    """Return the released EnCodec with these strides and normalisation, in the file's widths."""
    top = [shapes.of(name, 3) for name in shapes.matching(r"encoder\.\d+\.weight")]
    strides = tuple(kernel // 2 for _, _, kernel in top[1:-1])
    norm = shapes.count(r"encoder\.\d+\.norm\.weight") > 0
    known = {(sizes.strides, sizes.norm): sizes for sizes in (encodec_24khz(), encodec_32khz(), encodec_48khz())}
    if (strides, norm) not in known:
        offered = ", ".join(f"{sizes.strides} at {sizes.sample_rate} Hz" for sizes in known.values())
        raise CodecError(
            f"{shapes.what} has strides {strides}{' and normalises over time' if norm else ''}: no released EnCodec "
            f"has ({offered}). Pass a released file."
        )
    released = known[strides, norm]
    size, width = shapes.of("quantiser.stages.0.book.entries", 2)
    quantiser = QuantiserConfig(width, shapes.count(r"quantiser\.stages\.\d+\.book\.entries"), size)
    return replace(released, width=shapes.of("encoder.0.weight", 3)[0], quantiser=quantiser)


def _dac(shapes: _Shapes, metadata: Mapping[str, Any]) -> DacConfig:
    """Return the sizes that the shapes have.

    The rate comes from the metadata, or else from strides and books.
    """
    strides = tuple(shapes.of(name, 3)[2] // 2 for name in shapes.matching(r"encoder\.\d+\.4\.weight"))
    back = tuple(shapes.of(name, 3)[2] // 2 for name in shapes.matching(r"decoder\.\d+\.1\.weight"))
    width, decoder_width = shapes.of("encoder.0.weight", 3)[0], shapes.of("decoder.0.weight", 3)[0]
    lookup, latent = shapes.of("quantiser.stages.0.project_in.weight", 2)
    size = shapes.of("quantiser.stages.0.book.entries", 2)[0]
    books = shapes.count(r"quantiser\.stages\.\d+\.book\.entries")
    found = {
        "encoder_dim": width, "encoder_rates": strides, "decoder_dim": decoder_width, "decoder_rates": back,
        "latent_dim": latent, "n_codebooks": books, "codebook_size": size, "codebook_dim": lookup,
    }  # fmt: skip
    for key, value in found.items():
        given = metadata.get(key)
        given = tuple(given) if isinstance(given, list) else given
        if given is not None and given != value:
            raise CodecError(f"{shapes.what}: its metadata give {key} {given}, its tensors {value}. Fetch it again.")
    if back != strides[::-1]:
        raise CodecError(
            f"{shapes.what} has strides {strides} in the encoder and {back} in the decoder, which is not the reverse. "
            "Pass a released file."
        )
    quantiser = QuantiserConfig(latent, books, size, lookup=lookup, cosine=True, gradient=True)
    config = DacConfig("dac", 1, 1, width, decoder_width, strides, quantiser)
    rate = metadata.get("sample_rate") or _rate(strides, books)
    if not isinstance(rate, int) or not 1000 <= rate <= 400_000:
        reason = f"its metadata give sample_rate {rate}" if rate else f"no released DAC has strides {strides}"
        raise CodecError(f"{shapes.what}: its sample rate is not known ({reason}). Pass a released file.")
    config = replace(config, sample_rate=rate)
    return replace(config, name=family_of(config) or "dac")


def _rate(strides: tuple[int, ...], books: int) -> int:
    """Return the sample rate in Hz of the released DAC with these strides and books.

    0 if there is none.
    """
    if strides == dac_44khz().strides:
        return 44_100
    return (16_000 if books <= _DAC16_BOOKS else 24_000) if strides == dac_24khz().strides else 0
