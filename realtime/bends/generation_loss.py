"""Generation loss: a frame decoded and encoded again, several times over.

Each generation has its own encoder and decoder, and adds the codec's look-ahead as delay.
"""

from __future__ import annotations

from models.codec import Codec, Decoder, DecoderControls, Encoder, Frame


class Generations:
    """Generations of one slot. Each open one takes memory, and a frame's compute per frame."""

    def __init__(self, codec: Codec, path: str) -> None:
        self._codec, self._path = codec, path
        self._open: list[tuple[Decoder, Encoder]] = []

    def run(self, frame: Frame, controls: DecoderControls, count: int) -> Frame:
        """Return the frame after `count` more generations, with its index unchanged."""
        while len(self._open) < count:
            self._open.append((self._codec.open_decoder(self._path), self._codec.open_encoder()))
        del self._open[count:]
        index = frame.index
        for decoder, encoder in self._open:
            frame = encoder.encode(decoder.decode(frame, controls))
        return Frame(index, frame.tokens, frame.latent, frame.bits, frame.payload)

    def reset(self) -> None:
        """Close all encoders and decoders."""
        self._open.clear()
