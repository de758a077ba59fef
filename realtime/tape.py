"""Tapes: a stream of frames in a file, as tokens or as float16 latents; readable after a crash to the last whole frame.

A tape holds what a decoder needs and nothing of the sound. It knows frames and the contract, no codec: the header's
config hash says which codec made it (`spec_hash`, or the codec's own). One writer, one thread.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np

from models.codec import Codec, CodecError, CodecSpec, Frame, Tokens

#   header, little-endian, 100 bytes                    then records, all of one size
#    0  magic         8  "VDGTAPE\n"                     0  index    4   of the frame, since the encoder's reset
#    8  version       2  1                               4  payload  n   tokens: one integer, least significant byte
#   10  kind          2  0 tokens, 1 latents                              first, in base cardinality, first token least
#   12  sample rate   4  Hz                                               significant; unused high bits are zero
#   16  channels      4                                                   latents: float16, row after row
#   20  hop           4  samples                      4+n  checksum 4   CRC-32 of index and payload
#   24  lookahead     4  samples
#   28  latency       4  L when it was recorded, samples
#   32  tokens        4  in a frame                   A frame of 128 tokens of 14 641 values (512 digits of base 11)
#   36  cardinality   4                               is 222 bytes; its latent 128 x 4 is 1024 bytes.
#   40  latent        8  two dimensions
#   48  seed          8  signed, of the decoder's noise
#   56  steps         4  of the decoder
#   60  context noise 4  float
#   64  config hash  32  SHA-256
#   96  checksum      4  CRC-32 of the 96 bytes before
_HEADER = struct.Struct("<8sHHIIIIIIIIIqIf32s")
_CHECKSUM = struct.Struct("<I")
_INDEX = struct.Struct("<I")
MAGIC = b"VDGTAPE\n"
VERSION = 1
KINDS = ("tokens", "latents")


@dataclass(frozen=True)
class TapeHeader:
    """What a tape says of itself."""

    kind: str  # "tokens" or "latents"
    sample_rate: int  # Hz
    channels: int
    hop: int  # samples
    lookahead: int  # samples
    latency: int  # L when it was recorded, samples
    tokens: int
    cardinality: int
    latent: tuple[int, int]
    seed: int
    steps: int
    context_noise: float  # as float32 keeps it
    config_hash: bytes  # 32 bytes

    @classmethod
    def of(
        cls,
        spec: CodecSpec,
        kind: str,
        latency: int,
        seed: int = 0,
        steps: int = 2,
        context_noise: float = 0.4,
        config_hash: bytes | None = None,
    ) -> TapeHeader:
        """The header of a recording of this codec; CodecError if it has nothing of this kind to record."""
        have = {"tokens": spec.tokens > 0, "latents": 0 not in spec.latent}
        if not have.get(kind, False):
            other = " and ".join(k for k in KINDS if have[k]) or "neither tokens nor latents"
            raise CodecError(f"{spec.name} has no {kind} to record; it has {other}. Pass a network, such as nano.")
        noise = float(np.float32(context_noise))
        return cls(
            kind, spec.sample_rate, spec.channels, spec.hop, spec.lookahead, latency, spec.tokens, spec.cardinality,
            spec.latent, seed, steps, noise, spec_hash(spec) if config_hash is None else config_hash,
        )  # fmt: skip

    @property
    def payload_bytes(self) -> int:
        """Size of a frame without its index and checksum."""
        if self.kind == "tokens":
            return packed_bytes(self.tokens, self.cardinality)
        return 2 * math.prod(self.latent)

    @property
    def record_bytes(self) -> int:
        return _INDEX.size + self.payload_bytes + _CHECKSUM.size

    def pack(self) -> bytes:
        body = _HEADER.pack(
            MAGIC, VERSION, KINDS.index(self.kind), self.sample_rate, self.channels, self.hop, self.lookahead,
            self.latency, self.tokens, self.cardinality, *self.latent, self.seed, self.steps, self.context_noise,
            self.config_hash,
        )  # fmt: skip
        return body + _CHECKSUM.pack(zlib.crc32(body))

    @classmethod
    def unpack(cls, data: bytes, name: str) -> TapeHeader:
        """Inverse of `pack`; CodecError, naming the file, if it is no tape, of another version or damaged."""
        if len(data) < HEADER_BYTES or not data.startswith(MAGIC):
            raise CodecError(f'"{name}" is not a tape. Pass a file that verdigris recorded.')
        body, (checksum,) = data[: _HEADER.size], _CHECKSUM.unpack(data[_HEADER.size : HEADER_BYTES])
        _, version, kind, *numbers = _HEADER.unpack(body)
        if version != VERSION:
            raise CodecError(f'tape "{name}" is of version {version}, this program reads {VERSION}. Update it.')
        if zlib.crc32(body) != checksum or kind >= len(KINDS):
            raise CodecError(
                f'tape "{name}" has a damaged header; what it holds cannot be told. Pass another copy of it.'
            )
        rate, channels, hop, lookahead, latency, tokens, cardinality, rows, columns, seed, steps, noise, digest = (
            numbers
        )
        return cls(
            KINDS[kind], rate, channels, hop, lookahead, latency, tokens, cardinality, (rows, columns), seed, steps,
            noise, digest,
        )  # fmt: skip


HEADER_BYTES = _HEADER.size + _CHECKSUM.size


def spec_hash(spec: CodecSpec) -> bytes:
    """SHA-256 of what a codec declares, for codecs that have no hash of their own."""
    return hashlib.sha256(json.dumps(asdict(spec), sort_keys=True).encode()).digest()


def codec_hash(codec: Codec) -> bytes:
    """The codec's own config hash, or that of what it declares."""
    own = getattr(codec, "config_hash", None)
    return own if isinstance(own, bytes) else spec_hash(codec.spec)


def packed_bytes(count: int, cardinality: int) -> int:
    """Whole bytes that `count` tokens of `cardinality` values need: of one number below cardinality ** count."""
    largest: int = cardinality**count - 1
    return -(-largest.bit_length() // 8)


def pack_tokens(tokens: Tokens, cardinality: int) -> bytes:
    """Tokens int32 [n] as one number in base cardinality, the first token least significant."""
    if tokens.size and (tokens.min() < 0 or tokens.max() >= cardinality):
        raise CodecError(f"tokens {tokens.min()} ... {tokens.max()} cannot be packed; give 0 ... {cardinality - 1}.")
    number = 0
    for token in reversed(tokens.tolist()):
        number = number * cardinality + token
    return number.to_bytes(packed_bytes(tokens.size, cardinality), "little")


def unpack_tokens(data: bytes, count: int, cardinality: int) -> Tokens:
    """Inverse of `pack_tokens`."""
    number, tokens = int.from_bytes(data, "little"), np.empty(count, np.int32)
    for i in range(count):
        number, tokens[i] = divmod(number, cardinality)
    return tokens


class TapeWriter:
    """Appends frames to a new file. Each is handed to the operating system whole, so a crash of ours loses none."""

    def __init__(self, path: Path, header: TapeHeader) -> None:
        self.header = header
        self._file = path.open("wb", buffering=0)
        self._file.write(header.pack())

    def write(self, frame: Frame) -> None:
        if self.header.kind == "tokens":
            payload = pack_tokens(frame.tokens, self.header.cardinality)
        elif frame.latent is not None:
            payload = frame.latent.astype("<f2").tobytes()
        else:
            raise CodecError(f"frame {frame.index} has no latent to record; record tokens instead.")
        if len(payload) != self.header.payload_bytes:
            raise CodecError(
                f"frame {frame.index} packs to {len(payload)} bytes, this tape's frames are "
                f"{self.header.payload_bytes}: it is of another codec than the tape."
            )
        record = _INDEX.pack(frame.index % 2**32) + payload
        self._file.write(record + _CHECKSUM.pack(zlib.crc32(record)))

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class TapeReader:
    """The frames of a tape, in order, up to the first that is not whole; `lost_bytes` says what was not read.

    Frames have tokens or a latent, as the tape's kind is; the other is empty or None.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            self.header = TapeHeader.unpack(file.read(HEADER_BYTES), path.name)
        self.lost_bytes = 0

    def __iter__(self) -> Iterator[Frame]:
        with self._path.open("rb") as file:
            file.seek(HEADER_BYTES)
            while (frame := self._next(file)) is not None:
                yield frame

    def check(self, config_hash: bytes, codec: str) -> None:
        """CodecError unless the tape was made by a codec of this hash."""
        if config_hash != self.header.config_hash:
            raise CodecError(
                f'tape "{self._path.name}" was not recorded with codec "{codec}" '
                f"({self.header.tokens} tokens of {self.header.cardinality} values, hop {self.header.hop}). "
                "Pass the codec it was made with."
            )

    def _next(self, file: BinaryIO) -> Frame | None:
        size = self.header.record_bytes
        record = file.read(size)
        body, checksum = record[: -_CHECKSUM.size], record[-_CHECKSUM.size :]
        if len(record) < size or _CHECKSUM.unpack(checksum)[0] != zlib.crc32(body):
            self.lost_bytes = self._path.stat().st_size - (file.tell() - len(record))
            return None
        (index,), payload = _INDEX.unpack(body[: _INDEX.size]), body[_INDEX.size :]
        if self.header.kind == "tokens":
            tokens = unpack_tokens(payload, self.header.tokens, self.header.cardinality)
            return Frame(index, tokens, None, self.header.tokens * math.log2(self.header.cardinality))
        latent = np.frombuffer(payload, "<f2").astype(np.float32).reshape(self.header.latent)
        return Frame(index, np.empty(0, np.int32), latent, 8.0 * len(payload))
