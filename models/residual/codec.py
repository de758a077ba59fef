"""Live codecs of residual vector quantisation, under the contract of `models.codec`.

    chunk → encoder → latent → books → Frame (K tokens) → sum of the audible books → decoder → chunk

A frame is one latent step, or `frames` consecutive ones: a longer hop, for which the weights are
read once. A noncausal network delays the stream. Its encoder gives a step's latent some whole steps
later. Until then its frames hold zero tokens, and the decoder skips as many steps at its start.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from models.codec import Audio, CodecError, Decoder, DecoderControls, Frame, Tokens, audible_books
from models.codicodec.device import keep_freed_memory
from models.cores import usable_cores
from models.residual.network import MAX_SAMPLE, ResidualNetwork, digest, spec_of
from models.residual.pace import worst_frame

DEVICE_NOTE = "cpu, float32, as for all codecs of this family"


class ResidualCodec:
    """Weights, shared by all encoders and decoders it opens. A frame is `frames` latent steps.

    The network is set to evaluation and its weights are frozen. CodecError if `frames` is below 1.
    """

    def __init__(self, network: ResidualNetwork, reason: str = DEVICE_NOTE, frames: int = 1) -> None:
        if frames < 1:
            raise CodecError(f"frames={frames} is not possible. Pass 1 or more.")
        self.network = network.eval().requires_grad_(False)
        self.reason, self.frames = reason, frames
        self.config_hash = digest(network.config, frames)
        lookahead = network.encoder_delay_frames * network.config.stride + network.decoder_delay_samples
        self.spec = spec_of(network.config, lookahead, frames)
        self.quantiser = network.quantiser.freeze()

    def tune(self) -> None:
        """Choose the number of torch's threads for live use, process-wide.

        Small networks use one thread, since several would wait for each other longer than they
        compute. A large one is timed with one thread and with all cores, and the result is added to
        `reason`.
        """
        torch.set_num_threads(1)
        if not self.network.is_large:
            return
        load = self.hop_load()
        self.reason += f"; {load:.2f} × real time here with {torch.get_num_threads()} thread(s)"
        if load >= 1:
            cheaper = "" if self.frames > 1 else "pass several steps a frame (:frames=8), "
            self.reason += f", too slow to play: {cheaper}render a file, or take another codec"

    def hop_load(self) -> float:
        """Return the longest compute time of a frame over its duration.

        The number of threads that was faster stays set.
        """
        skip = -(-self.network.encoder_delay_frames // self.frames)
        loads = {}
        keep_freed_memory()
        for threads in {1, usable_cores()} if self.network.is_large else {1}:
            torch.set_num_threads(threads)
            loads[threads] = worst_frame(self, skip) * self.spec.frame_rate
        torch.set_num_threads(min(loads, key=lambda threads: loads[threads]))
        return min(loads.values())

    def open_encoder(self) -> ResidualEncoder:
        """Return the encoder of a new stream."""
        return ResidualEncoder(self)

    def open_decoder(self, path: str) -> ResidualDecoder:
        """Return the decoder of a new stream; CodecError if the path is not "discrete"."""
        self.spec.check_path(path)
        return ResidualDecoder(self)

    @torch.inference_mode()
    def between(self, first: Tokens, last: Tokens, position: float) -> Tokens:
        """Return the tokens of the latents at `position` between those of two frames: the sums of their
        books, interpolated and quantised again.
        """
        every = [True] * self.spec.books
        from_first, from_last = (
            self.quantiser.decode(torch.from_numpy(tokens.astype(np.int64)).reshape(self.frames, -1), every)
            for tokens in (first, last)
        )
        tokens = self.quantiser.encode(torch.lerp(from_first, from_last, position))
        return tokens.reshape(-1).numpy().astype(np.int32)

    def decode_batch(self, work: Sequence[tuple[Decoder, Frame, DecoderControls]]) -> list[Audio]:
        """Decode frames of several decoders, one after another."""
        return [decoder.decode(frame, controls) for decoder, frame, controls in work]


class ResidualEncoder:
    """Encoder of one stream. Use it in one thread at a time."""

    def __init__(self, codec: ResidualCodec) -> None:
        self._codec = codec
        self.reset()

    def reset(self) -> None:
        """Start a new stream."""
        self._step = self._codec.network.encoder.new_stream()
        self._index = 0

    def encode(self, chunk: Audio) -> Frame:
        """Encode one hop, float32 [channels, hop]; CodecError if the shape differs.

        The tokens are those of the steps `encoder_delay_frames` before the chunk's own.
        """
        self._codec.spec.check_chunk(chunk)
        return self.encode_block(chunk)[0]

    @torch.inference_mode()
    def encode_block(self, block: Audio) -> list[Frame]:
        """Encode n hops at once, float32 [channels, n * hop]; return n frames, as `encode` does."""
        spec, quantiser, frames = self._codec.spec, self._codec.network.config.quantiser, self._codec.frames
        count = block.shape[1] // spec.hop
        z = self._step(torch.from_numpy(np.ascontiguousarray(block.T, np.float32)))
        tokens = np.zeros((count * frames, quantiser.tokens), np.int32)
        if len(z):
            tokens[len(tokens) - len(z) :] = self._codec.quantiser.encode(z).numpy()
        first, self._index = self._index, self._index + count
        return [
            Frame(first + number, own.reshape(-1), None, frames * quantiser.bits)
            for number, own in enumerate(tokens.reshape(count, frames, -1))
        ]


class ResidualDecoder:
    """Decoder of one stream. Use it in one thread at a time."""

    def __init__(self, codec: ResidualCodec) -> None:
        self._codec = codec
        self.reset()

    def reset(self) -> None:
        """Start a new stream."""
        codec = self._codec
        self._step = codec.network.decoder.new_stream()
        self._skip = codec.network.encoder_delay_frames  # steps
        self._ready = torch.zeros(codec.spec.lookahead, codec.spec.channels)  # samples that wait to be put out

    @torch.inference_mode()
    def decode(self, frame: Frame, controls: DecoderControls) -> Audio:
        """Decode one frame to float32 [channels, hop], `lookahead` samples late.

        CodecError if the tokens are not of this codec.
        """
        spec = self._codec.spec
        spec.check_tokens(frame)
        steps = torch.from_numpy(frame.tokens.astype(np.int64)).reshape(self._codec.frames, -1)
        steps, self._skip = steps[self._skip :], max(0, self._skip - len(steps))
        if len(steps):
            codes = self._codec.quantiser.decode(steps, audible_books(controls, spec.books))
            self._ready = torch.cat([self._ready, self._step(codes)])
        out, self._ready = self._ready[: spec.hop], self._ready[spec.hop :]
        return out.T.clamp(-MAX_SAMPLE, MAX_SAMPLE).contiguous().numpy()
