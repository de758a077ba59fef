"""Lyra V2: SoundStream for speech, 16 kHz mono, in frames of 20 ms.

Release v1.3.2 of github.com/google/lyra (Apache-2.0). SoundStream: Zeghidour et al., arXiv
2107.03312. Three TensorFlow Lite graphs, run by ai-edge-litert:

    chunk [1, 320] -> soundstream_encoder -> features [1, 1, 64] -> quantizer -> 46 tokens of 16 values
    tokens -> quantizer -> features -> lyragan -> chunk [1, 320]

The graphs are causal: output is aligned with input. Encoder and decoder keep their state inside
their graph, and `reset_all_variables` of the interpreter does not clear it. A new interpreter is
the only reset.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from models.codec import Audio, CodecError, CodecSpec, Decoder, DecoderControls, Encoder, Frame, audible_books
from models.weights_io.download import RemoteFile
from models.weights_io.releases import RELEASES

FILES = ENCODER, QUANTISER, DECODER = RELEASES["lyra"].files

SAMPLE_RATE, HOP = 16_000, 320
BOOKS, CARDINALITY = 46, 16
BITS = 4  # in a token
UNUSED = -1  # token that adds nothing to the features
MAX_AMPLITUDE = 4.0  # of input and output: NaN or infinity would stay in the state of the encoder

# kbit/s as typed -> number of books
BITRATES = {f"{BITS * books * SAMPLE_RATE / HOP / 1000:.4g}": books for books in range(1, BOOKS + 1)}


class Lyra:
    """Lyra's graphs, shared by all the encoders and decoders that it opens.

    The first `books` of 46 codebooks are sent.
    """

    def __init__(self, graphs: dict[RemoteFile, bytes], name: str = "lyra", books: int = BOOKS) -> None:
        self.graphs = graphs
        self.spec = spec_of(name, books)
        self.config_hash = digest(self.spec)

    def open_encoder(self) -> Encoder:
        return LyraEncoder(self)

    def open_decoder(self, path: str) -> Decoder:
        self.spec.check_path(path)
        return LyraDecoder(self)

    def decode_batch(self, work: Sequence[tuple[Decoder, Frame, DecoderControls]]) -> list[Audio]:
        return [decoder.decode(frame, controls) for decoder, frame, controls in work]

    def run_new(self, file: RemoteFile, signature: str) -> Any:
        """Return a function that runs one signature of a graph on a state of its own."""
        interpreter = _interpreter_class()(model_content=self.graphs[file], num_threads=1)
        interpreter.allocate_tensors()  # now, or the first frame would take as long as ten
        return interpreter.get_signature_runner(signature)


class LyraEncoder:
    """State of one encoded stream; used by one thread."""

    def __init__(self, codec: Lyra) -> None:
        self._codec = codec
        self.reset()

    def reset(self) -> None:
        self._features = self._codec.run_new(ENCODER, "serving_default")
        self._quantise = self._codec.run_new(QUANTISER, "encode")
        self._index = 0

    def encode(self, chunk: Audio) -> Frame:
        """Encode one hop, float32 [1, 320].

        NaN is encoded as 0; louder samples than ±4 are clipped.
        """
        spec = self._codec.spec
        spec.check_chunk(chunk)
        features = self._features(input_audio=sanitise(chunk))["output_0"]
        tokens = self._quantise(input_frames=features, num_quantizers=np.array(spec.books, np.int32))["output_0"]
        frame = Frame(self._index, tokens[: spec.books, 0, 0].copy(), None, BITS * spec.books)
        self._index += 1
        return frame


class LyraDecoder:
    """State of one decoded stream; used by one thread."""

    def __init__(self, codec: Lyra) -> None:
        self._codec = codec
        self.reset()

    def reset(self) -> None:
        self._features = self._codec.run_new(QUANTISER, "decode")
        self._sound = self._codec.run_new(DECODER, "serving_default")

    def decode(self, frame: Frame, controls: DecoderControls) -> Audio:
        """Decode one frame to float32 [1, 320]. CodecError if the tokens are not of this codec.

        A codebook that is left out adds nothing to the features. Without any codebook the features
        are 0, which the graph decodes to a steady hum and not to silence.
        """
        spec = self._codec.spec
        spec.check_tokens(frame)
        tokens = np.full((BOOKS, 1, 1), UNUSED, np.int32)
        tokens[: spec.books, 0, 0] = np.where(audible_books(controls, spec.books), frame.tokens, UNUSED)
        features = self._features(encoding_indices=tokens)["output_0"]
        return sanitise(self._sound(input_audio=features)["output_0"])


def load_lyra(rest: str, paths: Sequence[Path]) -> Lyra:
    """Return the codec of the three files, in the order of FILES.

    `rest` is the bitrate in kbit/s, 0.2 to 9.2 in steps of 0.2, or empty for all codebooks.
    CodecError if a file is missing or is not the released one, or if ai-edge-litert is not
    installed.
    """
    books = books_at(rest)
    _interpreter_class()
    return Lyra(
        {file: _content(path, file) for file, path in zip(FILES, paths, strict=True)},
        f"lyra:{rest}" if rest else "lyra",
        books,
    )


def books_at(kbps: str) -> int:
    """Return the number of codebooks of a bitrate, all if it is empty.

    CodecError lists the bitrates.
    """
    if kbps and kbps not in BITRATES:
        raise CodecError(
            f"{kbps} kbit/s not offered by lyra (0.2 to 9.2 in steps of 0.2, 1 to {BOOKS} books). "
            "Pass such as lyra:3.2, lyra:6 or lyra:9.2."
        )
    return BITRATES[kbps] if kbps else BOOKS


def names() -> Iterator[tuple[str, bytes]]:
    """Yield each name of this family and the hash on its tapes; reads no files."""
    for name, books in [("lyra", BOOKS), *((f"lyra:{kbps}", books) for kbps, books in BITRATES.items())]:
        yield name, digest(spec_of(name, books))


def spec_of(name: str, books: int) -> CodecSpec:
    """Return the spec of the codec that sends the first `books` codebooks."""
    return CodecSpec(
        name=name,
        sample_rate=SAMPLE_RATE,
        channels=1,
        hop=HOP,
        lookahead=0,
        tokens=books,
        cardinality=CARDINALITY,
        latent=(0, 0),
        paths=("discrete",),
        time_ordered=True,
        books=books,
    )


def digest(spec: CodecSpec) -> bytes:
    """Return the SHA-256, 32 bytes, of the spec and of the released files."""
    given = [asdict(spec), [file.sha256 for file in FILES]]
    return hashlib.sha256(json.dumps(given, sort_keys=True).encode()).digest()


def sanitise(chunk: Audio) -> Audio:
    """Return a copy with NaN as 0, clipped to ±MAX_AMPLITUDE; float32 and contiguous."""
    finite = np.nan_to_num(chunk, nan=0.0, posinf=MAX_AMPLITUDE, neginf=-MAX_AMPLITUDE)
    return np.ascontiguousarray(finite.clip(-MAX_AMPLITUDE, MAX_AMPLITUDE), np.float32)


def _content(path: Path, file: RemoteFile) -> bytes:
    """Return the bytes of a file; CodecError unless they are the released ones.

    Others can crash the process.
    """
    source = f"Put the file of {file.page} there."
    try:
        with path.open("rb") as opened:
            content = opened.read(file.size + 1)
    except FileNotFoundError:
        raise CodecError(f'codec "lyra" needs "{path}", which does not exist. {source}') from None
    except OSError as error:
        raise CodecError(f'"{path}" cannot be read ({error.strerror}). {source}') from error
    if hashlib.sha256(content).hexdigest() == file.sha256:
        return content
    if not content.startswith(b"TFL3", 4):
        raise CodecError(f'"{path}" is not a TensorFlow Lite file. {source}')
    if len(content) < file.size:
        raise CodecError(f'"{path}" is truncated: {len(content)} of {file.size} bytes. {source}')
    raise CodecError(f'"{path}" is damaged or of another release. {source}')


def _interpreter_class() -> type[Any]:
    """Return LiteRT's interpreter.

    Its first use in a process prints one line on stderr; no option prevents it.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise CodecError(
            "codec \"lyra\" needs the package ai-edge-litert. Install it: pip install 'verdigris[lyra]'"
        ) from error
    found: type[Any] = Interpreter
    return found
