"""PCM codec: every sample passes through bit for bit.

Options make it slow (`compute`), late (`lookahead`) or inverted (`gain` −1), to test the code that
runs codecs.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from models.codec import Audio, CodecError, CodecSpec, Decoder, DecoderControls, Encoder, Frame

NO_TOKENS = np.zeros(0, np.int32)
NO_TOKENS.flags.writeable = False  # all frames share it
SAMPLE_BITS = 32
LITTLE_ENDIAN = np.dtype("<f4")  # on every machine


class Pcm:
    """Codec of plain samples, delayed by `lookahead` samples and scaled by `gain`.

    Each decode takes `compute` seconds. The default hop is about the block of a sound card: the
    remaining latency is the engine's own.
    """

    def __init__(
        self,
        sample_rate: int = 48_000,
        channels: int = 2,
        hop: int = 256,
        lookahead: int = 0,
        compute: float = 0.0,
        gain: float = 1.0,
        name: str = "pcm",
    ) -> None:
        for what, given, least, most in (
            ("sample rate", sample_rate, 8_000, 768_000),
            ("channels", channels, 1, 64),
            ("hop", hop, 1, 2**20),
            ("lookahead", lookahead, 0, 2**20),
            ("compute", compute, 0, 60),
            ("gain", gain, -1, 1),
        ):
            if not least <= given <= most:
                raise CodecError(f'{what} {given} of codec "{name}" is out of range. Pass {least} to {most}.')
        self.compute, self.gain = compute, gain
        self.spec = CodecSpec(
            name=name,
            sample_rate=sample_rate,
            channels=channels,
            hop=hop,
            lookahead=lookahead,
            tokens=0,
            cardinality=0,
            latent=(0, 0),
            paths=("discrete",),
            time_ordered=True,
        )

    def open_encoder(self) -> Encoder:
        return PcmEncoder(self.spec)

    def open_decoder(self, path: str) -> Decoder:
        self.spec.check_path(path)
        return PcmDecoder(self.spec, self.compute, self.gain)

    def decode_batch(self, work: Sequence[tuple[Decoder, Frame, DecoderControls]]) -> list[Audio]:
        return [decoder.decode(frame, controls) for decoder, frame, controls in work]


class PcmEncoder:
    """Encoder of `Pcm`.

    The payload of a frame is its samples, float32 little-endian, [channels, hop].
    """

    def __init__(self, spec: CodecSpec) -> None:
        self.spec = spec
        self.index = 0

    def encode(self, chunk: Audio) -> Frame:
        self.spec.check_chunk(chunk)
        frame = Frame(
            index=self.index,
            tokens=NO_TOKENS,
            latent=None,
            bits=SAMPLE_BITS * chunk.size,
            payload=chunk.astype(LITTLE_ENDIAN, copy=False).tobytes(),
        )
        self.index += 1
        return frame

    def reset(self) -> None:
        self.index = 0


class PcmDecoder:
    """Decoder of `Pcm`."""

    carry: Audio  # [channels, lookahead]: decoded, not yet returned

    def __init__(self, spec: CodecSpec, compute: float, gain: float = 1.0) -> None:
        self.spec = spec
        self.compute, self.gain = compute, np.float32(gain)
        self.reset()

    def decode(self, frame: Frame, controls: DecoderControls) -> Audio:
        """Decode one frame to float32 [channels, hop]; an empty payload is silence."""
        # Sleep, not spin: it releases the GIL, as the libraries of real codecs do, and leaves the
        # core to the driver under test.
        if self.compute:
            time.sleep(self.compute)
        payload = frame.payload or bytes(4 * self.spec.channels * self.spec.hop)  # an empty payload is silence
        chunk = np.frombuffer(payload, LITTLE_ENDIAN).reshape(self.spec.channels, self.spec.hop)
        line = np.concatenate([self.carry, chunk], axis=1, dtype=np.float32)
        self.carry = line[:, self.spec.hop :].copy()
        return self.gain * line[:, : self.spec.hop]

    def reset(self) -> None:
        self.carry = np.zeros((self.spec.channels, self.spec.lookahead), np.float32)
