"""Codecs by name: "pcm", "opus:24", "pcm:hop=1024,lookahead=64".

A name is a family, and after the first colon what that family makes of it; a network's may end in ":slide=2"
(`models.sliding`). A family's module is imported when one of its codecs is asked for: who plays Opus never pays for
torch.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from models.codec import Audio, Codec, CodecError, CodecSpec
from models.config import CoDiCodecConfig, spec_of
from models.pcm import Pcm

if TYPE_CHECKING:
    from models.entropy import TokenModel
    from models.forecast import Forecast

WEIGHTS = Path(__file__).parent / "weights"
NANO, SWIFT = WEIGHTS / "nano.safetensors", WEIGHTS / "swift.safetensors"
FORECAST, SWIFT_CODES = WEIGHTS / "swift-codes.safetensors", (48_000, 320, 1024)  # of codes of this rate, hop and size
PATHS = ("continuous", "discrete")
CHECKPOINTS = (".safetensors", ".pt", ".th", ".pth")  # a name that ends so is a file
HEADER = 100_000_000  # bytes of JSON before the tensors; longer is no checkpoint
SPINS, SPINS_PREFERRED = "2000", "200000"  # about 0.1 and 10 ms
DEFAULTS = ("pcm", "opus", "mp3", "aac")  # what available() lists

# rest of the name ("" if none), rate asked for, precision asked for -> codec
Loader = Callable[[str, int | None, str | None], Codec]
# blocks [C, T], sample rate, channels -> as many samples, each at its own place
Transcoder = Callable[[Iterator[Audio], int, int], Iterator[Audio]]


def load(name: str, *, rate: int | None = None, precision: str | None = None) -> Codec:
    """The codec of this name.

    `rate` is the rate, in Hz, that the caller runs at: a codec that can run at it does, others keep the one in their
    spec. `precision` is for networks; float32 unless given. CodecError if there is no such codec.
    """
    file = Path(name.partition(":slide=")[0])
    if file.suffix in CHECKPOINTS:
        return _residual_file(file) if is_residual(file) else _network(name, precision)
    family, _, rest = name.partition(":")
    if family not in FAMILIES:
        raise CodecError(
            f'codec "{name}" is unknown ({", ".join(FAMILIES)}, or a file {" or ".join(CHECKPOINTS)}). '
            "Pass one of these, such as opus:24."
        )
    return FAMILIES[family](rest, rate, precision)


def available() -> list[CodecSpec]:
    """What each family gives when nothing but its name is asked for; of the network only the sizes are read."""
    return [*(load(name).spec for name in DEFAULTS), *_bundled()]


def split_path(given: str) -> tuple[str, str | None]:
    """CODEC[:PATH] in its two parts; only a last part that is a signal path is one."""
    name, _, last = given.rpartition(":")
    return (name, last) if name and last in PATHS else (given, None)


def load_transcoder(name: str) -> tuple[Transcoder, int] | None:
    """For a codec without a fixed hop (Vorbis): what puts whole files through it, and its kbit/s. Else None."""
    family, _, rest = name.partition(":")
    if family != "vorbis":
        return None
    from models.transcode import transcode

    kbps = _kbps(family, rest, 96)
    return partial(transcode, kbps=kbps), kbps


def convert(source: Path, target: Path) -> None:
    """A released CoDiCodec checkpoint to ours; its weights stay under their licence. CodecError if it is not sound."""
    from models import checkpoint

    checkpoint.convert(source, target)


def recorded_with(config_hash: bytes) -> str | None:
    """The name of the codec whose tapes have this hash; None if it is of a checkpoint that has no name here."""
    from models.recorded import name_of

    return name_of(config_hash)


def open_token_model(spec: CodecSpec) -> TokenModel | None:
    """What tells the size of a residual codec's frames under an entropy coder; None for other codecs."""
    if not spec.books:
        return None
    from models.entropy import TokenModel

    return TokenModel(spec.books, spec.cardinality)


def forecast_of(rate: int, hop: int, books: int, size: int) -> Forecast | None:
    """What tells the next codes of streams like the bundled residual codec's; None for others."""
    if (rate, hop, size) != SWIFT_CODES or not 1 <= books <= 8 or not FORECAST.is_file():
        return None
    from models.forecast import Forecast

    return Forecast.read(FORECAST)


def code_tokens(tokens: npt.NDArray[np.int32], size: int, forecast: Forecast | None) -> bytes:
    """Tokens [steps, books] under an entropy coder; CodecError if it is not installed."""
    from models.entropy import encode

    return encode(tokens, size, forecast)


def decode_tokens(
    data: bytes, steps: int, books: int, size: int, forecast: Forecast | None
) -> npt.NDArray[np.int32]:  # fmt: skip
    """Inverse of `code_tokens`."""
    from models.entropy import decode

    return decode(data, steps, books, size, forecast)


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
        from models.classic import FAMILIES, Classic

        family = FAMILIES[name]
        return Classic(
            family, _kbps(name, rest, default), rate if rate is not None and rate in family.rates else family.rates[0]
        )

    return loader


def _vorbis(rest: str, rate: int | None, precision: str | None) -> Codec:
    name = f"vorbis:{rest}" if rest else "vorbis"
    raise CodecError(
        f'codec "{name}" has no fixed hop: it is for whole files (verdigris render). Live, pass opus, mp3 or aac.'
    )


def calm_threads(*, preferred: bool = False) -> None:
    """Before torch is first imported: its threads wait for each other many times in a frame, by default spinning for as
    long as it takes, and where another program wants a core they keep from it the thread that they wait for.

    `preferred`: the system runs this process before others. Then a thread that sleeps gives its core to one that keeps
    it for milliseconds, and to spin is better. The first call counts.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", SPINS_PREFERRED if preferred else SPINS)


def _network(name: str, precision: str | None) -> Codec:
    calm_threads()
    from models.checkpoint import load_codec

    return load_codec(name, precision)


def _residual(family: str) -> Loader:
    def loader(rest: str, rate: int | None, precision: str | None) -> Codec:
        calm_threads()
        from models.residual_load import load_family

        return load_family(family, rest)

    return loader


def _residual_file(path: Path) -> Codec:
    calm_threads()
    from models.residual_load import load_file

    return load_file(path)


def is_residual(path: Path) -> bool:
    """Whether a checkpoint is of the residual family: by its suffix, a safetensors file by its header."""
    if path.suffix != ".safetensors":
        return path.suffix in (".th", ".pth")
    header = _header(path)
    return any(name.startswith(("quantizer.", "quantiser.")) for name in header)


def _header(path: Path) -> dict[str, Any]:
    """The header of a safetensors file; empty where it cannot be read."""
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(min(int.from_bytes(file.read(8), "little"), HEADER)))
    except (ValueError, OSError):
        return {}
    return found if isinstance(found, dict) else {}


def _bundled() -> list[CodecSpec]:
    """The specs of the bundled networks, from the headers of their weights: no torch for a list."""
    specs = [spec_of(CoDiCodecConfig.from_json(_header(NANO)["__metadata__"]["config"]))] if NANO.is_file() else []
    if SWIFT.is_file():
        held: dict[str, Any] = json.loads(_header(SWIFT)["__metadata__"]["spec"])
        specs.append(CodecSpec(**held | {name: tuple(held[name]) for name in ("latent", "paths")}))
    return specs


def _kbps(family: str, given: str, default: int) -> int:
    try:
        return int(given) if given else default
    except ValueError:
        raise CodecError(
            f'bitrate "{given}" of {family} is not an integer of kbit/s. Pass such as {family}:{default}.'
        ) from None


PCM_NUMBERS = ("compute", "gain")
PCM_INTEGERS = {"hop": "hop", "lookahead": "lookahead", "rate": "sample_rate", "channels": "channels"}

FAMILIES: dict[str, Loader] = {
    "pcm": _pcm,
    "opus": _classic("opus", 24),
    "mp3": _classic("mp3", 128),
    "aac": _classic("aac", 96),
    "vorbis": _vorbis,
    "swift": _residual("swift"),
    "encodec24": _residual("encodec24"),
    "encodec48": _residual("encodec48"),
    "dac": _residual("dac"),
    "nano": lambda rest, rate, precision: _network(f"nano:{rest}" if rest else "nano", precision),
    "codicodec": lambda rest, rate, precision: _network(f"codicodec:{rest}" if rest else "codicodec", precision),
}
