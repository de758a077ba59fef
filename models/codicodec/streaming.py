"""CoDiCodec hop by hop: an encoder that carries the window's overlap, and an autoregressive
decoder.

    samples   |<- overlap ->|<------------- hop i ------------->|
    columns   [0][1] ...                              [columns-1]  frame i, of the overlap and the hop
    decode i  |<------------ hop samples ----------->|<- tail ->|  the tail needs frame i + 1

The decoder's output lags the input by the overlap (`CodecSpec.lookahead`), and a stream is, sample
for sample, the whole file with `lookahead` zeros before it. Each object is used by one thread.

If the spec's hop is shorter than a frame, frames overlap: a frame has the last `columns` columns,
of which only the h of the hop are new. For h = 2 of 8 columns:

    decoded so far        ...[ context, noised             ][a b c d e f]
    frame i                                                [a b c d e f g h]  g h: the hop, returned

The context has the codes of frame i - columns / h. Frames before it exists are decoded without it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from models.codec import Audio, CodecError, CodecSpec, DecoderControls, Frame
from models.codicodec.config import SPECTRAL_CHANNELS
from models.codicodec.network import CoDiCodecNetwork, Features
from models.codicodec.sampling import ConditionCache, DecodedFrame, DecodeJob, decode_frames
from models.codicodec.start.digit_layout import OVERLAP, REACH, to_latent
from models.codicodec.start.frame_encoder import FrameEncoder
from models.codicodec.start.mean_synthesis import MeanSynthesis, OverlappedMean
from models.codicodec.stft import Stft

MAX_STEPS = 8


class StreamEncoder:
    """State of one encoded stream; used by one thread."""

    def __init__(self, network: CoDiCodecNetwork, stft: Stft, spec: CodecSpec) -> None:
        self._network, self.stft, self._spec = network, stft, spec
        self.reset()

    def reset(self) -> None:
        """Restore the initial state."""
        start, hop = self._network.start, self._network.config.hop
        self._start = None if start is None else FrameEncoder(start)
        carried = hop - self._spec.hop + (self.stft.overlap if start is None else OVERLAP + 2 * REACH)
        self._carried = torch.zeros(self._spec.channels, carried)
        self._index = 0

    @torch.inference_mode()
    def encode(self, chunk: Audio) -> Frame:
        """Encode one hop, float32 [2, hop], with the samples carried over.

        CodecError for another shape.
        """
        self._spec.check_chunk(chunk)
        samples = torch.cat([self._carried, torch.from_numpy(np.ascontiguousarray(chunk, np.float32))], dim=-1)
        self._carried = samples[:, self._spec.hop :].clone()
        codes = self._encode_start(samples.numpy()) if self._start else self._encode_spectrum(samples)
        tokens = self._network.fsq.tokens(codes)
        bits = self._spec.tokens * math.log2(self._spec.cardinality)
        frame = Frame(self._index, tokens[0].cpu().numpy(), codes[0].cpu().numpy(), bits)
        self._index += 1
        return frame

    def _encode_spectrum(self, samples: Tensor) -> Tensor:
        return self._network.encode(self.stft.analyse(samples[None]).to(self._network.device))

    def _encode_start(self, samples: Audio) -> Tensor:
        """Encode a frame; overlapping frames are encoded each alone, as they are decoded."""
        encoder, network = self._start, self._network
        if encoder is None or network.start is None:
            raise ValueError("this network has no start")
        if self._spec.hop != network.config.hop:
            encoder = FrameEncoder(network.start)
        return torch.from_numpy(to_latent(encoder.encode(samples)))[None].to(network.device)


class StreamDecoder:
    """State of one decoded stream; used by one thread. `path` may change at any frame.

    Each decoder has a noise generator. It is seeded with DecoderControls.seed at the first frame
    after `reset` and at each frame whose seed differs from the previous one.
    """

    def __init__(self, conditions: ConditionCache, stft: Stft, spec: CodecSpec, path: str) -> None:
        self.conditions, self.stft, self._spec = conditions, stft, spec
        self.generator = torch.Generator()
        self.path = path
        self.reset()

    @property
    def path(self) -> str:
        """Return the signal path; setting it raises CodecError unless it is one of `spec.paths`."""
        return self._path

    @path.setter
    def path(self, path: str) -> None:
        self._spec.check_path(path)
        self._path = path

    def reset(self) -> None:
        """Restore the initial state."""
        config = self.conditions.network.config
        new = self._spec.hop // config.stft_hop
        shape = (1, SPECTRAL_CHANNELS, config.bins, 2 * config.columns - new)
        self._decoded = torch.zeros(shape, device=self.conditions.network.device)
        self._features: deque[Features] = deque(maxlen=config.columns // new)  # of the latest frames
        self._tail: Tensor | None = None
        start = self.conditions.network.start
        slots = None if start is None else start.slots
        self._mean = MeanSynthesis(slots) if new == config.columns else OverlappedMean(self._spec.hop, slots)
        self._seed: int | None = None

    def decode(self, frame: Frame, controls: DecoderControls) -> Audio:
        """Decode one frame to float32 [2, hop], `lookahead` samples late.

        The first `lookahead` samples of a stream fade in. Raise CodecError for controls, tokens or
        latents out of range.
        """
        return decode_batch([(self, frame, controls)])[0]

    def belongs_to(self, conditions: ConditionCache) -> bool:
        """Return True if this decoder was opened by the codec with this cache."""
        return self.conditions is conditions

    def _job(self, frame: Frame, controls: DecoderControls) -> DecodeJob:
        if not 1 <= controls.steps <= MAX_STEPS:
            raise CodecError(f"steps {controls.steps} is not possible. Pass 1 ... {MAX_STEPS}.")
        if not 0 <= controls.context_noise <= 1:
            raise CodecError(f"context_noise {controls.context_noise} is not possible. Pass 0 ... 1.")
        codes = self._codes(frame)
        if controls.seed != self._seed:
            self.generator.manual_seed(controls.seed)
            self._seed = controls.seed
        columns = self.conditions.network.config.columns
        context, known = self._decoded[..., :columns], self._decoded[..., columns:]
        past = DecodedFrame(context, self._features[0]) if len(self._features) == self._features.maxlen else None
        known_columns = known if known.shape[-1] else None
        return DecodeJob(codes[None], past, controls.steps, controls.context_noise, self.generator, known_columns)

    def _codes(self, frame: Frame) -> Tensor:
        spec, network = self._spec, self.conditions.network
        if self._path == "discrete":
            spec.check_tokens(frame)
            return network.fsq.codes(torch.from_numpy(frame.tokens).to(network.device))
        latent = frame.latent
        if latent is None or latent.shape != spec.latent or not np.isfinite(latent).all():
            raise CodecError(
                f"frame {frame.index}: the continuous path needs a finite latent {list(spec.latent)}. "
                "Decode it on the discrete path."
            )
        return torch.from_numpy(latent.astype(np.float32)).to(network.device)

    def _synthesise(self, frame: DecodedFrame) -> Audio:
        new = frame.spectrum[..., -(self._spec.hop // self.conditions.network.config.stft_hop) :]
        self._decoded = torch.cat([self._decoded[..., new.shape[-1] :], new], dim=-1)
        self._features.append(frame.features)
        samples, self._tail = self.stft.synthesise(new.cpu(), self._tail)
        if frame.sound is None:
            return samples[0].clamp(-1, 1).numpy()
        return self._mean.mix(frame.sound, samples[0].numpy()).clip(-1, 1)


@torch.inference_mode()
def decode_batch(work: Sequence[tuple[StreamDecoder, Frame, DecoderControls]]) -> list[Audio]:
    """Decode one frame of each decoder of one codec.

    Decoders with equal steps, and with a past or without, form one batch. Results are those of
    separate decodes up to the rounding of batched arithmetic (about 1e-6).
    """
    jobs = [decoder._job(frame, controls) for decoder, frame, controls in work]
    batches: dict[tuple[int, bool], list[int]] = {}
    for index, job in enumerate(jobs):
        batches.setdefault((job.steps, job.past is None), []).append(index)
    found: dict[int, Audio] = {}
    for indices in batches.values():
        decoded = decode_frames(work[0][0].conditions, [jobs[i] for i in indices])
        for index, past in zip(indices, decoded, strict=True):
            found[index] = work[index][0]._synthesise(past)
    return [found[index] for index in range(len(work))]
