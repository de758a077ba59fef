"""Load codecs by name, such as "pcm", "opus:24" or "pcm:hop=1024,lookahead=64".

A name is a family, then a colon and options of that family, or a file of the user's: a checkpoint,
or "rave:PATH.ts", a program in TorchScript (`models.scripted`). A CoDiCodec's name may end in
":slide=2" (`models.codicodec.overlapped_decode`), a residual codec's in ":frames=4". A family's
module is imported when one of its codecs is loaded: Opus never imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from models.codec import Audio, Codec, CodecError
from models.cores import limit_cores as limit_cores
from models.cores import usable_cores as usable_cores
from models.openmp import limit_openmp_spinning as limit_openmp_spinning
from models.openmp import torch_threads as torch_threads
from models.openmp import use_torch_threads as use_torch_threads
from models.registry import FAMILIES, LANGUAGE, PATHS, SWIFT, kbps_of, load_network, safetensors_header
from models.scripted import trust
from models.scripted.model_rows import own_codecs, scripted_row
from models.scripted.players import NeutonePlayer, NnPlayer
from models.scripted.players import Player as Player
from models.scripted.process import START_S
from models.weights_io import releases
from models.weights_io.download import ProgressFn

if TYPE_CHECKING:
    from models.entropy.range_coding import TokenModel
    from models.language.continuation import Continuation
    from models.language.language_weights import LanguageWeights
    from models.language.surprise_meter import SurpriseMeter
    from models.swift.codec import Swift

SCRIPTED = "rave"  # begins the names of codecs that are nn~ exports
SCRIPTED_START_S = START_S  # longest first answer of a player, in seconds
SCRIPTED_EFFECTS = ("nn", "neutone")  # kinds of effects that are TorchScript
CHECKPOINTS = (".safetensors", ".pt", ".th", ".pth")  # endings of names that are files

# blocks [C, T], sample rate, channels -> blocks of as many samples, aligned with the input
Transcoder = Callable[[Iterator[Audio], int, int], Iterator[Audio]]


def load(name: str, *, rate: int | None = None, precision: str | None = None) -> Codec:
    """Return the codec of a name; CodecError if there is none, or its files are missing or damaged.

    `rate` is the caller's sample rate in Hz; a codec that does not support it keeps its own, which
    is in its spec. `precision` is for networks: float32 (the default), bfloat16 or auto.
    """
    given, _, frames = name.partition(":frames=")
    file = Path(given.partition(":slide=")[0])
    if file.suffix in CHECKPOINTS:
        return _residual_file(file, frames) if is_residual(file) else load_network(name, precision)
    family, _, rest = name.partition(":")
    if family == SCRIPTED:
        from models.scripted.codec import load_rave

        return load_rave(rest, rate)
    if family not in FAMILIES:
        raise CodecError(
            f'codec "{name}" is unknown ({", ".join(FAMILIES)}, rave:PATH.ts, or a file {" or ".join(CHECKPOINTS)}). '
            "Pass one of these, such as opus:24."
        )
    fetch(name)  # before importing the family: torch takes seconds, a failed download none
    return FAMILIES[family].load(rest, rate, precision)


def catalogue() -> list[dict[str, object]]:
    """Return a row for each available family, in the order of the registry, then the user's own.

    Makes no network call, and runs nothing.
    """
    return [row for family in FAMILIES.values() if (row := family.row())] + [scripted_row(e) for e in own_codecs()]


def give_consent(name: str) -> str:
    """Store the user's consent to run the file of a codec or effect, or of a path.

    Return a line that says so; empty for names without such a file. CodecError if the file is
    refused whatever the user says.
    """
    if not (path := _scripted_path(name)):
        return ""
    file = trust.give_consent(path)
    return f'"{file.path.name}" may run from now on (SHA-256 {file.sha256})'


def revoke_consent(name: str) -> str:
    """Take back the consent of `give_consent`. Return a line that says so, or empty."""
    if not (path := _scripted_path(name)):
        return ""
    trust.revoke_consent(path)
    return f'"{path.name}" may not run any more'


def open_nn_player(path: Path, rate: int, channels: int) -> Player:
    """Return the `forward` of a trusted nn~ export as a player of audio.

    `rate` in Hz is used if the file names none. CodecError if it cannot be opened.
    """
    return NnPlayer(path, rate, channels)


def open_neutone_player(path: Path, rate: int, channels: int) -> Player:
    """Return a trusted Neutone model as a player of audio at `rate` in Hz; CodecError if it cannot be opened."""
    return NeutonePlayer(path, rate, channels)


def _scripted_path(name: str) -> Path | None:
    """Return the file of a scripted codec or effect, or of a path; None for other names."""
    kind, _, where = split_codec_path(name)[0].partition(":")
    if kind in (SCRIPTED, *SCRIPTED_EFFECTS):
        return Path(where.partition(":stereo")[0]).expanduser()
    return Path(name).expanduser() if Path(name).suffix in (".ts", ".nm") else None


def fetch(name: str, on_progress: ProgressFn | None = None) -> None:
    """Download the released weights of a codec if they are not on this computer.

    Print the name and the progress of a download, and pass the progress to `on_progress` in bytes,
    with the sum of all. Raise CodecError if it fails. Do nothing for codecs without released weights
    and for variants that the catalogue does not list: `load` checks those before it downloads
    anything.
    """
    family, _, variant = name.partition(":")
    if family in releases.RELEASES and variant in ("", *FAMILIES[family].variants):
        releases.find(family, on_progress)


def split_codec_path(given: str) -> tuple[str, str | None]:
    """Split CODEC[:PATH] into name and path.

    The path is None unless the last part is a signal path.
    """
    name, _, last = given.rpartition(":")
    return (name, last) if name and last in PATHS else (given, None)


def load_transcoder(name: str) -> tuple[Transcoder, int] | None:
    """Return the whole-file transcoder of a codec without a fixed hop (Vorbis) and its kbit/s.

    Return None for others.
    """
    family, _, rest = name.partition(":")
    if family != "vorbis":
        return None
    from models.classic.vorbis import transcode

    kbps = kbps_of(family, rest, 96)
    return partial(transcode, kbps=kbps), kbps


def convert(source: Path, target: Path) -> None:
    """Convert a released CoDiCodec checkpoint to our format.

    Raise CodecError if it is damaged or another model. The weights stay under their licence.
    """
    from models.codicodec import checkpoint

    checkpoint.convert(source, target)


def codec_of_tape(config_hash: bytes) -> str | None:
    """Return the name of the codec that a tape with this hash was recorded with.

    Return None if it has no name.
    """
    from models.tape_registry import name_of

    return name_of(config_hash)


def open_entropy_estimator(codec: Codec) -> TokenModel | None:
    """Return an estimator of the entropy-coded size of a residual codec's frames.

    Return None for other codecs.
    """
    if not codec.spec.books:
        return None
    if own := getattr(codec, "new_token_model", None):
        found: TokenModel = own()
        return found
    from models.entropy.range_coding import CountingModel

    return CountingModel(codec.spec.books, codec.spec.cardinality)


def open_continuation(codec: Codec) -> Continuation | None:
    """Return the continuation of a codec's frames; None if the codec has no language model.

    CodecError if the model's file is damaged.
    """
    from models.swift.codec import Swift

    if not isinstance(codec, Swift) or not (language := _language_of(codec)):
        return None
    from models.language.continuation import Continuation

    return Continuation(codec, language)


def open_surprise(codec: Codec) -> SurpriseMeter | None:
    """Return the meter of how predictable a player is; None if the codec has no language model.

    CodecError if the model's file is damaged.
    """
    from models.swift.codec import Swift

    if not isinstance(codec, Swift) or not (language := _language_of(codec)):
        return None
    from models.language.surprise import Surprise
    from models.language.surprise_meter import SurpriseMeter

    return SurpriseMeter(Surprise(codec, language))


def _language_of(codec: Swift) -> LanguageWeights | None:
    """Return the language model over tokens of a codec; None if it is of other books."""
    from models.language.language_weights import load_language

    language = load_language(LANGUAGE)
    return language if language.books == codec.weights.digest else None


def open_tape_model(config_hash: bytes, tokens: int, cardinality: int) -> TokenModel:
    """Return the model that codes the tokens of a tape, by the hash in its header.

    Tapes of swift have a model of their own; the tokens of others are counted. CodecError if the
    weights of swift are damaged.
    """
    from models.entropy.range_coding import CountingModel
    from models.swift.codec import load_swift, names

    digest = safetensors_header(SWIFT).get("__metadata__", {}).get("digest", "")
    if name := next((name for name, known in names(digest) if known == config_hash), None):
        return load_swift(name.partition(":")[2], SWIFT).new_token_model()
    return CountingModel(tokens, cardinality)


def code_tokens(tokens: npt.NDArray[np.int32], model: TokenModel) -> bytes:
    """Entropy-code tokens [steps, books] with a new model.

    Raise CodecError if the coder is not installed.
    """
    from models.entropy.range_coding import encode

    return encode(tokens, model)


def decode_tokens(data: bytes, steps: int, model: TokenModel) -> npt.NDArray[np.int32]:
    """Return the tokens int32 [steps, books] of `code_tokens`, by a new model of the same kind.

    Raise CodecError if the data is damaged.
    """
    from models.entropy.range_coding import decode

    return decode(data, steps, model)


def is_residual(path: Path) -> bool:
    """Return True if a checkpoint is of the residual family.

    The suffix decides, for a safetensors file the names in its header.
    """
    if path.suffix != ".safetensors":
        return path.suffix in (".th", ".pth")
    return any(name.startswith(("quantizer.", "quantiser.")) for name in safetensors_header(path))


def _residual_file(path: Path, frames: str) -> Codec:
    limit_openmp_spinning()
    from models.residual.registry import load_file

    return load_file(path, frames)
