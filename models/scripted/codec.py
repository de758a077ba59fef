"""Codec of an nn~ export with `encode` and `decode`, such as RAVE (Caillon and Esling, arXiv 2111.05011).

A frame is one value of the slowest method: 2048 samples for most RAVE models. Its latent is
[dims, values], plain numbers of about unit deviation without a bound; that of two instances for
stereo has the left one's dims first. A discrete RAVE gives whole numbers, which become tokens.
Random numbers of the module follow from the frame's number and the seed of the slot, so that a
stream, and its tape, repeats.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from models.codec import Audio, CodecError, CodecSpec, Decoder, DecoderControls, Encoder, Frame
from models.scripted import delay, trust
from models.scripted.framing import Array
from models.scripted.nn_tilde import Call, NnModule, noise_seed
from models.scripted.process import START_S, ScriptedError

DEFAULT_RATE = 48_000  # Hz, where neither the file nor the caller says one
FLOAT16_BITS = 16
NO_TOKENS = np.zeros(0, np.int32)
ENCODING, DECODING = 0, 1  # sources of random numbers
LEAST_CARDINALITY = 1024  # of a discrete model whose books are not found
PROBE_FRAMES = 4


class NnCodec:
    """Module whose `encode` and `decode` are a codec. The process is shared by all streams."""

    def __init__(self, path: Path, name: str, rate: int | None = None, *, stereo: bool = False) -> None:
        """Load a trusted file and measure its delay.

        `stereo` runs two instances of a module with one channel. CodecError if the file cannot be a codec.
        """
        self.module = module = NnModule(path)
        for needed in ("encode", "decode"):
            if needed not in module.methods:
                other = f"It can be an effect: --pre nn:{path}" if "forward" in module.methods else "Pass another file"
                raise module.error(f"has no method {needed} and cannot be a codec. {other}")
        self.encode, self.decode = module.methods["encode"], module.methods["decode"]
        if self.encode.out_channels != self.decode.in_channels:
            given, taken = self.encode.out_channels, self.decode.in_channels
            raise module.error(f"encodes to {given} values and decodes {taken}, so it cannot be a codec")
        channels = self.decode.out_channels
        if channels > 2 or self.encode.in_channels not in (1, channels):
            given, made = self.encode.in_channels, channels
            raise module.error(f"has {given} input and {made} output channels; allowed are 1 and 2")
        if stereo and channels == 2:
            raise module.error("is stereo already. Leave :stereo out")
        self.instances = 2 if stereo else 1
        self.hop = math.lcm(*(r for m in (self.encode, self.decode) for r in (m.in_ratio, m.out_ratio)))
        self.spec = CodecSpec(
            name=name,
            sample_rate=module.rate or rate or DEFAULT_RATE,
            channels=channels * self.instances,
            hop=self.hop,
            lookahead=0,
            tokens=0,
            cardinality=0,
            latent=(self.instances * self.encode.out_channels, self.hop // self.encode.out_ratio),
            paths=("continuous",),
            time_ordered=True,
        )
        self._probe()
        self.delay = delay.measure(self._round_trip, self.spec.channels, self.hop)
        self.spec = replace(self.spec, lookahead=self.delay.samples)
        facts = [module.file.sha256, asdict(replace(self.spec, name=""))]
        self.config_hash = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).digest()
        trust.remember(module.file, codec=name, config_hash=self.config_hash.hex(), spec=asdict(self.spec))

    @property
    def reason(self) -> str:
        """Facts for the console: delay and confinement."""
        gaps = "; ".join(self.module.process.gaps)
        return f"look-ahead {self.delay}; " + (
            f"not fully confined: {gaps}" if gaps else "without write access and network"
        )

    def open_encoder(self) -> Encoder:
        return NnEncoder(self)

    def open_decoder(self, path: str) -> Decoder:
        self.spec.check_path(path)
        return NnDecoder(self)

    def decode_batch(self, work: Sequence[tuple[Decoder, Frame, DecoderControls]]) -> list[Audio]:
        """Decode one frame of each decoder, in one request to the process."""
        decoders = [decoder for decoder, _, _ in work if isinstance(decoder, NnDecoder)]
        if len(decoders) < len(work):
            raise CodecError(f"{self.spec.name}: decode_batch got a decoder of another codec.")
        calls = [decoder.calls(frame, controls) for decoder, (_, frame, controls) in zip(decoders, work, strict=True)]
        return self.outputs(calls)

    def outputs(self, calls: Sequence[Sequence[Call]], timeout_s: float | None = None) -> list[Audio]:
        """Return the results of the calls of each stream, their instances one below the other."""
        flat = [call for of_stream in calls for call in of_stream]
        made = iter(self.module.run(flat) if timeout_s is None else self.module.run(flat, timeout_s))
        return [np.concatenate([next(made) for _ in of_stream]) for of_stream in calls]

    def _probe(self) -> None:
        """Find out whether the module gives tokens: whole numbers that are not all alike."""
        noise = np.random.default_rng(0).standard_normal((self.spec.channels, self.hop * PROBE_FRAMES))
        encoder = NnEncoder(self)
        sound = (0.25 * noise).astype(np.float32)
        found = [encoder.values(chunk, START_S) for chunk in np.split(sound, PROBE_FRAMES, axis=1)]
        values = np.concatenate(found, axis=1)
        whole = bool((values == np.rint(values)).all() and values.min() >= 0 and values.max() < 2**20)
        if whole and (self.module.cardinality or len(np.unique(values)) > 1):
            cardinality = self.module.cardinality or LEAST_CARDINALITY
            self.spec = replace(
                self.spec,
                tokens=math.prod(self.spec.latent),
                cardinality=max(cardinality, int(values.max()) + 1),
                latent=(0, 0),
                paths=("discrete",),
            )

    def _round_trip(self, audio: Audio) -> Audio:
        """Return the whole of a signal after encoder and decoder, from their initial state."""
        encoder, decoder = NnEncoder(self), NnDecoder(self)
        chunks = np.split(audio, audio.shape[1] // self.hop, axis=1)
        return np.concatenate([decoder.decode(encoder.encode(c), DecoderControls(), START_S) for c in chunks], axis=1)


class NnEncoder:
    """State of one encoded stream; used by one thread."""

    def __init__(self, codec: NnCodec) -> None:
        self._codec = codec
        self._streams = [codec.module.process.open_stream(self) for _ in range(codec.instances)]
        self._index = 0

    def reset(self) -> None:
        for stream in self._streams:
            self._codec.module.process.reset(stream)
        self._index = 0

    def encode(self, chunk: Audio) -> Frame:
        """Encode one hop, float32 [channels, hop]."""
        spec = self._codec.spec
        spec.check_chunk(chunk)
        values = self.values(chunk)
        index = self._index - 1
        if not spec.tokens:
            return Frame(index, NO_TOKENS, np.array(values), float(FLOAT16_BITS * values.size))
        tokens = values.reshape(-1).round().clip(0, spec.cardinality - 1).astype(np.int32)
        return Frame(index, tokens, None, spec.tokens * math.log2(spec.cardinality))

    def values(self, chunk: Audio, timeout_s: float | None = None) -> Array:
        """Return the encoded values [instances * dims, values] of one hop, and count it."""
        codec = self._codec
        seed = noise_seed(ENCODING, self._index)
        self._index += 1
        if codec.instances == 1 and codec.encode.in_channels < len(chunk):
            chunk = chunk.mean(axis=0, keepdims=True, dtype=np.float32)
        given = np.split(chunk[:, :: codec.encode.in_ratio], codec.instances)
        calls = [Call(s, codec.encode, seed, part) for s, part in zip(self._streams, given, strict=True)]
        return codec.outputs([calls], timeout_s)[0]


class NnDecoder:
    """State of one decoded stream; used by one thread.

    Its random numbers begin anew where the seed of the controls changes.
    """

    def __init__(self, codec: NnCodec) -> None:
        self._codec = codec
        self._streams = [codec.module.process.open_stream(self) for _ in range(codec.instances)]
        self._seed, self._since = -1, 0

    def reset(self) -> None:
        for stream in self._streams:
            self._codec.module.process.reset(stream)
        self._seed, self._since = -1, 0

    def decode(self, frame: Frame, controls: DecoderControls, timeout_s: float | None = None) -> Audio:
        """Decode one frame to float32 [channels, hop]. CodecError if the frame is not of this codec."""
        return self._codec.outputs([self.calls(frame, controls)], timeout_s)[0]

    def calls(self, frame: Frame, controls: DecoderControls) -> list[Call]:
        """Return the calls that decode a frame, one for each instance, and count it."""
        codec = self._codec
        given = self._values(frame)
        self._since = 0 if controls.seed != self._seed else self._since + 1
        self._seed = controls.seed
        seed = noise_seed(DECODING, controls.seed, self._since)
        parts = np.split(given, codec.instances)
        return [Call(stream, codec.decode, seed, part) for stream, part in zip(self._streams, parts, strict=True)]

    def _values(self, frame: Frame) -> Array:
        """Return the values of a frame as the module takes them, [instances * dims, values]."""
        codec, spec = self._codec, self._codec.spec
        shape = codec.instances * codec.decode.in_channels, codec.hop // codec.decode.in_ratio
        if spec.tokens:
            spec.check_tokens(frame)
            return frame.tokens.astype(np.float32).reshape(shape)
        if frame.latent is None or frame.latent.shape != spec.latent or not np.isfinite(frame.latent).all():
            raise CodecError(f"frame {frame.index}: {spec.name} decodes a finite latent {list(spec.latent)}.")
        return frame.latent.astype(np.float32).reshape(shape)


def load_rave(rest: str, rate: int | None) -> NnCodec:
    """Return the codec of PATH or PATH:stereo. CodecError if it cannot be loaded or is not trusted."""
    path, stereo, more = rest.partition(":stereo")
    if not rest or more:
        raise CodecError(
            f'codec "rave:{rest}" has no file. Pass rave:PATH.ts or, for two instances, rave:PATH.ts:stereo.'
        )
    try:
        return NnCodec(Path(path).expanduser(), f"rave:{rest}", rate, stereo=bool(stereo))
    except ScriptedError as error:
        raise CodecError(f'"{Path(path).name}" cannot be loaded: {error}.') from error
