"""Generation loss: what a codec makes of its own output, so many times over.

Each generation has an encoder and a decoder of its own, and is later than the one before by the codec's look-ahead.
"""

from __future__ import annotations

from models.codec import Codec, Controls, Decoder, Encoder, Frame


class Generations:
    """Those of one slot; opened when they are asked for, which takes memory and, each time, a frame's compute."""

    def __init__(self, codec: Codec, path: str) -> None:
        self._codec, self._path = codec, path
        self._open: list[tuple[Decoder, Encoder]] = []

    def run(self, frame: Frame, controls: Controls, count: int) -> Frame:
        """The frame after `count` more generations; its index stays."""
        while len(self._open) < count:
            self._open.append((self._codec.open_decoder(self._path), self._codec.open_encoder()))
        del self._open[count:]
        index = frame.index
        for decoder, encoder in self._open:
            frame = encoder.encode(decoder.decode(frame, controls))
        return Frame(index, frame.tokens, frame.latent, frame.bits, frame.payload)

    def reset(self) -> None:
        self._open.clear()
