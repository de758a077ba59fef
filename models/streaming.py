"""A CoDiCodec fed hop by hop: an encoder that carries the window's overlap, and an autoregressive decoder.

    samples   |<- overlap ->|<------------- hop i ------------->|
    columns   [0][1] ...                              [columns-1]      of frame i, from what was carried and the hop
    decode i  |<------------ hop samples ----------->|<- tail ->|      the tail waits for the columns of frame i + 1

So the decoder's output lags the input by the overlap (`CodecSpec.lookahead`), and a stream is, sample for sample, the
whole file with `lookahead` zeros before it. Each object belongs to one thread.

Where the spec's hop is shorter than a frame, it slides: a frame is the last `columns` columns, of which all but the h
of the hop were in the frame before, and only those h are new. For h = 2 of 8 columns:

    decoded so far        ...[ left half: context, noised ][a b c d e f]
    frame i                                                [a b c d e f g h]      g h: the hop, decoded and given out

The left half's codes are those of frame i - columns / h. Before there is one, a frame is decoded alone.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from models.codec import Audio, CodecError, CodecSpec, Controls, Frame
from models.config import SPECTRAL_CHANNELS
from models.decoding import Conditions, Past, Task, advance
from models.network import CoDiCodecNetwork, Features
from models.spectral import Spectral

MAX_STEPS = 8


class StreamEncoder:
    """All the state of one running encode."""

    def __init__(self, network: CoDiCodecNetwork, spectral: Spectral, spec: CodecSpec) -> None:
        self._network, self._spectral, self._spec = network, spectral, spec
        self.reset()

    def reset(self) -> None:
        carried = self._network.config.hop - self._spec.hop + self._spectral.overlap
        self._carried = torch.zeros(self._spec.channels, carried)
        self._index = 0

    @torch.inference_mode()
    def encode(self, chunk: Audio) -> Frame:
        """Encode what is carried and this hop, float32 [2, hop]; both token and latent are given on either path."""
        if chunk.shape != (self._spec.channels, self._spec.hop):
            wanted = [self._spec.channels, self._spec.hop]
            raise CodecError(f"chunk has shape {list(chunk.shape)}; {self._spec.name} takes {wanted}.")
        samples = torch.cat([self._carried, torch.from_numpy(np.ascontiguousarray(chunk, np.float32))], dim=-1)
        self._carried = samples[:, self._spec.hop :].clone()
        codes = self._network.encode(self._spectral.analyse(samples[None]).to(self._network.device))
        tokens = self._network.fsq.tokens(codes)
        bits = self._spec.tokens * math.log2(self._spec.cardinality)
        frame = Frame(self._index, tokens[0].cpu().numpy(), codes[0].cpu().numpy(), bits)
        self._index += 1
        return frame


class StreamDecoder:
    """All the state of one running decode. `path` may change at any frame: what is kept does not depend on it.

    Noise comes from a generator of its own, seeded from Controls.seed at the first frame after `reset`; a frame whose
    seed differs from the one before seeds it anew.
    """

    def __init__(self, conditions: Conditions, spectral: Spectral, spec: CodecSpec, path: str) -> None:
        self._conditions, self._spectral, self._spec = conditions, spectral, spec
        self._generator = torch.Generator()
        self.path = path
        self.reset()

    @property
    def path(self) -> str:
        return self._path

    @path.setter
    def path(self, path: str) -> None:
        self._spec.check_path(path)
        self._path = path

    def reset(self) -> None:
        config = self._conditions.network.config
        new = self._spec.hop // config.stft_hop
        shape = (1, SPECTRAL_CHANNELS, config.bins, 2 * config.columns - new)
        self._decoded = torch.zeros(shape, device=self._conditions.network.device)
        self._features: deque[Features] = deque(maxlen=config.columns // new)  # of the frames that led here
        self._tail: Tensor | None = None
        self._seed: int | None = None

    def decode(self, frame: Frame, controls: Controls) -> Audio:
        """One frame to float32 [2, hop], `lookahead` samples late; the first `overlap` samples fade in."""
        return decode_together([(self, frame, controls)])[0]

    def serves(self, conditions: Conditions) -> bool:
        """Whether this decoder was opened on these weights."""
        return self._conditions is conditions

    def _task(self, frame: Frame, controls: Controls) -> Task:
        if not 1 <= controls.steps <= MAX_STEPS:
            raise CodecError(f"steps {controls.steps} not possible; give 1 ... {MAX_STEPS}.")
        if not 0 <= controls.context_noise <= 1:
            raise CodecError(f"context_noise {controls.context_noise} not possible; give 0 ... 1.")
        codes = self._codes(frame)
        if controls.seed != self._seed:
            self._generator.manual_seed(controls.seed)
            self._seed = controls.seed
        columns = self._conditions.network.config.columns
        left, begun = self._decoded[..., :columns], self._decoded[..., columns:]
        past = Past(left, self._features[0]) if len(self._features) == self._features.maxlen else None
        slides = begun if begun.shape[-1] else None
        return Task(codes[None], past, controls.steps, controls.context_noise, self._generator, slides)

    def _codes(self, frame: Frame) -> Tensor:
        spec, network = self._spec, self._conditions.network
        if self._path == "discrete":
            tokens = frame.tokens
            if tokens.shape != (spec.tokens,) or tokens.min() < 0 or tokens.max() >= spec.cardinality:
                raise CodecError(
                    f"frame {frame.index}: tokens {list(tokens.shape)} must be {spec.tokens} values of "
                    f"0 ... {spec.cardinality - 1}."
                )
            return network.fsq.codes(torch.from_numpy(tokens).to(network.device))
        latent = frame.latent
        if latent is None or latent.shape != spec.latent or not np.isfinite(latent).all():
            raise CodecError(
                f"frame {frame.index}: the continuous path needs a finite latent {list(spec.latent)}. "
                "Decode it on the discrete path."
            )
        return torch.from_numpy(latent.astype(np.float32)).to(network.device)

    def _finish(self, frame: Past) -> Audio:
        new = frame.spectrum[..., -(self._spec.hop // self._conditions.network.config.stft_hop) :]
        self._decoded = torch.cat([self._decoded[..., new.shape[-1] :], new], dim=-1)
        self._features.append(frame.features)
        samples, self._tail = self._spectral.synthesise(new.cpu(), self._tail)
        return samples[0].clamp(-1, 1).numpy()


@torch.inference_mode()
def decode_together(work: Sequence[tuple[StreamDecoder, Frame, Controls]]) -> list[Audio]:
    """One frame of each decoder, those alike (steps; with a past or not) as one batch. All are of one codec.

    Values are those of separate decodes up to the rounding of batched arithmetic (about 1e-6).
    """
    tasks = [decoder._task(frame, controls) for decoder, frame, controls in work]
    alike: dict[tuple[int, bool], list[int]] = {}
    for index, task in enumerate(tasks):
        alike.setdefault((task.steps, task.past is None), []).append(index)
    found: dict[int, Audio] = {}
    for indices in alike.values():
        decoded = advance(work[0][0]._conditions, [tasks[i] for i in indices])
        for index, past in zip(indices, decoded, strict=True):
            found[index] = work[index][0]._finish(past)
    return [found[index] for index in range(len(work))]
