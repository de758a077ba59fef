"""Tapes: files of codec frames, as tokens or float16 latents, readable up to the last complete
frame.

"Tape" is the name of these code files in the program and its documents. A tape holds the frames
that a decoder needs, no audio. The header's config hash names the codec that made it (`spec_hash`,
or the codec's own). One writer, one thread.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

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
RATES = (8_000, 192_000)  # Hz
LONGEST_HOP = 1 << 20  # samples
MOST_TOKENS = 1 << 16  # in a frame
LARGEST_FRAME = 1 << 20  # bytes
STEPS = (1, 8)
MOST_NOISE = 100.0


@dataclass(frozen=True)
class TapeHeader:
    """Header of a tape."""

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
        """Return the header for recording a codec. CodecError if it has no frames of this kind."""
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
        """Bytes of a frame without its index and checksum."""
        if self.kind == "tokens":
            return packed_bytes(self.tokens, self.cardinality)
        return 2 * math.prod(self.latent)

    @property
    def record_bytes(self) -> int:
        """Bytes of a frame with its index and checksum."""
        return _INDEX.size + self.payload_bytes + _CHECKSUM.size

    def pack(self) -> bytes:
        """Return the header as bytes, with its checksum."""
        body = _HEADER.pack(
            MAGIC, VERSION, KINDS.index(self.kind), self.sample_rate, self.channels, self.hop, self.lookahead,
            self.latency, self.tokens, self.cardinality, *self.latent, self.seed, self.steps, self.context_noise,
            self.config_hash,
        )  # fmt: skip
        return body + _CHECKSUM.pack(zlib.crc32(body))

    @classmethod
    def unpack(cls, data: bytes, name: str) -> TapeHeader:
        """Return the header in `data`.

        CodecError, with the file's name, if it is not a valid tape.
        """
        if len(data) < HEADER_BYTES or not data.startswith(MAGIC):
            raise CodecError(f'"{name}" is not a tape. Pass a file that verdigris recorded.')
        body, (checksum,) = data[: _HEADER.size], _CHECKSUM.unpack(data[_HEADER.size : HEADER_BYTES])
        _, version, kind, *numbers = _HEADER.unpack(body)
        if version != VERSION:
            raise CodecError(f'tape "{name}" is of version {version}, this program reads {VERSION}. Update it.')
        if zlib.crc32(body) != checksum or kind >= len(KINDS):
            raise CodecError(f'tape "{name}" has a damaged header, so its content is unknown. Pass another copy of it.')
        rate, channels, hop, lookahead, latency, tokens, cardinality, rows, columns, seed, steps, noise, digest = (
            numbers
        )
        header = cls(
            KINDS[kind], rate, channels, hop, lookahead, latency, tokens, cardinality, (rows, columns), seed, steps,
            noise, digest,
        )  # fmt: skip
        if wrong := header._first_wrong_field():
            raise CodecError(f'tape "{name}" has a wrong header: {wrong}. Pass another copy of it.')
        return header

    def _first_wrong_field(self) -> str:
        """Return the first field that no tape has, with its value and what is allowed; "" if all can be."""
        bits = self.tokens * math.log2(max(2, self.cardinality)) if self.kind == "tokens" else 0
        elements = math.prod(self.latent) if self.kind == "latents" else 1
        least_size = 1 if self.kind == "tokens" else 0
        for name, value, low, high in (
            ("sample rate", self.sample_rate, *RATES),
            ("channels", self.channels, 1, 2),
            ("hop", self.hop, 1, LONGEST_HOP),
            ("tokens in a frame", self.tokens, least_size, MOST_TOKENS),
            ("values of a token", self.cardinality, least_size, 2**31),
            ("bits of a frame", bits, 0, 8 * LARGEST_FRAME),
            ("elements of a latent", elements, 1, LARGEST_FRAME // 2),
            ("steps", self.steps, *STEPS),
            ("context noise", self.context_noise, 0.0, MOST_NOISE),
        ):
            if not low <= value <= high:  # NaN neither
                return f"{name} {value:g}, allowed are {low:g} to {high:g}"
        return ""


HEADER_BYTES = _HEADER.size + _CHECKSUM.size


def spec_hash(spec: CodecSpec) -> bytes:
    """Return the SHA-256 of a codec's spec, for codecs that have no hash of their own."""
    return hashlib.sha256(json.dumps(asdict(spec), sort_keys=True).encode()).digest()


def codec_hash(codec: Codec) -> bytes:
    """Return the codec's own config hash, or the hash of its spec."""
    own = getattr(codec, "config_hash", None)
    return own if isinstance(own, bytes) else spec_hash(codec.spec)


def packed_bytes(count: int, cardinality: int) -> int:
    """Return the bytes of `count` tokens packed as one number below cardinality ** count."""
    largest: int = cardinality**count - 1
    return -(-largest.bit_length() // 8)


def pack_tokens(tokens: Tokens, cardinality: int) -> bytes:
    """Pack tokens int32 [n] as one number in base cardinality, the first token least significant."""
    if tokens.size and (tokens.min() < 0 or tokens.max() >= cardinality):
        raise CodecError(f"tokens {tokens.min()} ... {tokens.max()} cannot be packed; give 0 ... {cardinality - 1}.")
    number = 0
    for token in reversed(tokens.tolist()):
        number = number * cardinality + token
    return number.to_bytes(packed_bytes(tokens.size, cardinality), "little")


def unpack_tokens(data: bytes, count: int, cardinality: int) -> Tokens:
    """Return the tokens int32 [count] of `pack_tokens`. ValueError for a number that it does not give."""
    number, tokens = int.from_bytes(data, "little"), np.empty(count, np.int32)
    for i in range(count):
        number, tokens[i] = divmod(number, cardinality)
    if number:
        raise ValueError("the number is too large")
    return tokens


def pack_record(index: int, payload: bytes) -> bytes:
    """Return a frame's record."""
    body = _INDEX.pack(index % 2**32) + payload
    return body + _CHECKSUM.pack(zlib.crc32(body))


def unpack_record(record: bytes, header: TapeHeader) -> Frame | None:
    """Return the frame of a record, or None if it is incomplete or damaged."""
    body, checksum = record[: -_CHECKSUM.size], record[-_CHECKSUM.size :]
    if len(record) < header.record_bytes or _CHECKSUM.unpack(checksum)[0] != zlib.crc32(body):
        return None
    (index,), payload = _INDEX.unpack(body[: _INDEX.size]), body[_INDEX.size :]
    if header.kind == "tokens":
        try:
            tokens = unpack_tokens(payload, header.tokens, header.cardinality)
        except ValueError:
            return None
        return Frame(index, tokens, None, header.tokens * math.log2(header.cardinality))
    latent = np.frombuffer(payload, "<f2").astype(np.float32).reshape(header.latent)
    if not np.isfinite(latent).all():
        return None
    return Frame(index, np.empty(0, np.int32), latent, 8.0 * len(payload))


class TapeWriter:
    """Writer that appends frames to a new file.

    Each frame is written at once, so that a crash of the program loses none. OSError if that fails.
    """

    def __init__(self, path: Path, header: TapeHeader) -> None:
        self.header = header
        self._file = path.open("wb", buffering=0)
        self._file.write(header.pack())

    def write(self, frame: Frame) -> None:
        """Append a frame. CodecError if it does not fit the header, OSError if the disk is full."""
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
        self._file.write(pack_record(frame.index, payload))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
