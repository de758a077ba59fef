"""CoDiCodec under the contract of `models.codec`, and for whole files.

Pasini, Lattner, Fazekas, "CoDiCodec: Unifying Continuous and Discrete Compressed Representations of
Audio", ISMIR 2025, arXiv 2509.09836. Written from our own description of the released model, not
from its source.

Frame.latent is the continuous code z in (-1, 1) before rounding, from which the continuous path
decodes. Frame.tokens are z rounded to the FSQ grid. Generative models are trained on `to_public(z)`
(models.codicodec.fsq).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from models.codec import Audio, CodecError, Decoder, DecoderControls, Frame
from models.codicodec.accelerator import fall_back_to_cpu, first_line
from models.codicodec.config import CoDiCodecConfig, spec_of
from models.codicodec.cuda_graphs import use_cuda_graphs
from models.codicodec.device import choose_threads, evaluate, keep_freed_memory
from models.codicodec.network import CoDiCodecNetwork
from models.codicodec.sampling import ConditionCache, Progress
from models.codicodec.start.mean_synthesis import FADE
from models.codicodec.stft import Stft
from models.codicodec.streaming import StreamDecoder, StreamEncoder, decode_batch
from models.codicodec.whole_file import as_stereo, decode_file, encode_file

DEFAULT_STEPS = {"autoregressive": 2, "parallel": 4}


def valid_hops(config: CoDiCodecConfig) -> list[int]:
    """Return the possible distances of overlapping frames in STFT columns.

    The divisors of a frame.
    """
    return [h for h in range(1, config.columns + 1) if config.columns % h == 0]


def digest(config: CoDiCodecConfig, slide: int | None = None) -> bytes:
    """Return the hash in a tape's header.

    SHA-256, 32 bytes, of the sizes and of `slide` if given.
    """
    whole = config.digest()
    return whole if slide is None else hashlib.sha256(whole + slide.to_bytes(4, "little")).digest()


class CoDiCodec:
    """Codec of one network, shared by all the encoders and decoders that it opens.

    These run on one thread at a time. The network's weights are frozen, and values derived from noise
    levels are cached: after a change of weights, make a new codec. `reason` is a line for the user
    about device and precision.
    """

    def __init__(self, network: CoDiCodecNetwork, reason: str = "", slide: int | None = None) -> None:
        """Open a network.

        `slide` is the distance of frames in columns, the whole frame by default.
        """
        config = network.config
        self.network = network.eval().requires_grad_(False)
        self.reason = reason
        self.config = config
        self.spec = spec_of(config)
        if slide is not None:
            if slide not in valid_hops(config):
                raise CodecError(
                    f"slide={slide} is not possible with {config.name}. "
                    f"Pass a number of columns ({', '.join(map(str, valid_hops(config)))}) or auto."
                )
            hop, late = slide * config.stft_hop, FADE if config.start and slide < config.columns else 0
            name = f"{config.name}:slide={slide}"
            self.spec = replace(self.spec, name=name, hop=hop, lookahead=self.spec.lookahead + late)
        self.config_hash = digest(config, slide)
        self.stft = Stft(config)
        self.conditions = ConditionCache(network)

    def tune(self) -> None:
        """Optimise for live use.

        CUDA graphs, or on a CPU kept memory and the faster number of threads. The settings are of
        the whole process. Results may change in the last bit. A GPU that fails by now, as for lack
        of memory, is left for the CPU, with a remark in `reason`.
        """
        if self.network.device.type == "cuda" and self.config.is_learnt:
            try:
                use_cuda_graphs(self.network)
                evaluate(self.network)
            except RuntimeError as error:  # torch.OutOfMemoryError is one
                fall_back_to_cpu(self.network)
                self.conditions.cache.clear()
                self.reason += f"; left for cpu, float32: {first_line(error)}"
        if self.network.device.type == "cpu":
            keep_freed_memory()
            self.reason += f", {choose_threads(self.network)} thread(s)"

    def open_encoder(self) -> StreamEncoder:
        """Return a new encoder."""
        return StreamEncoder(self.network, self.stft, self.spec)

    def open_decoder(self, path: str) -> StreamDecoder:
        """Return a new decoder of one of `spec.paths`; CodecError for another path."""
        return StreamDecoder(self.conditions, self.stft, self.spec, path)

    def decode_batch(self, work: Sequence[tuple[Decoder, Frame, DecoderControls]]) -> list[Audio]:
        """Decode one frame of each decoder in as few batches as their controls allow.

        Each decoder may occur once. The results are those of its own `decode` up to rounding.
        """
        mine: list[tuple[StreamDecoder, Frame, DecoderControls]] = []
        for decoder, frame, controls in work:
            if not isinstance(decoder, StreamDecoder) or not decoder.belongs_to(self.conditions):
                raise CodecError(f"a decoder given to {self.spec.name} was opened by another codec. Use that one.")
            mine.append((decoder, frame, controls))
        return decode_batch(mine) if mine else []

    @torch.inference_mode()
    def encode(self, audio: Audio, path: str = "continuous", progress: Progress | None = None) -> npt.NDArray[Any]:
        """Encode a file [n], [1, n] or [2, n].

        Return codes float32 [frames, latents, dims] or tokens int32 [frames, latents]. The file is
        not padded: the first `lookahead` samples of a decode fade in. A stream has the frames of
        the file with `lookahead` zeros before it. Samples beyond the last whole STFT column are not
        read: append `lookahead` zeros to keep them.
        """
        self.spec.check_path(path)
        self._require_whole_files()
        codes = encode_file(self.network, self.stft, as_stereo(audio), progress)
        return (self.network.fsq.tokens(codes) if path == "discrete" else codes).cpu().numpy()

    @torch.inference_mode()
    def decode(
        self,
        codes: npt.NDArray[Any],
        mode: str = "autoregressive",
        steps: int | None = None,
        generator: torch.Generator | int = 0,
        context_noise: float = 0.4,
        progress: Progress | None = None,
    ) -> Audio:
        """Decode codes or tokens of `encode` to float32 [2, frames * hop + lookahead].

        The result is aligned with the encoded file. `steps` are the evaluations of the denoiser, by
        default 2 (autoregressive) or 4 (parallel). `generator` is a CPU generator or a seed.
        `context_noise`, 0 to 1, is for the autoregressive mode. Raise CodecError for values out of
        range.
        """
        self._require_whole_files()
        if mode not in DEFAULT_STEPS:
            raise CodecError(f'mode "{mode}" is unknown. Pass one of {", ".join(DEFAULT_STEPS)}.')
        steps = DEFAULT_STEPS[mode] if steps is None else steps
        if steps < 1:
            raise CodecError(f"steps {steps} is not possible. Pass 1 or more.")
        if not 0 <= context_noise <= 1:
            raise CodecError(f"context_noise {context_noise} is not possible. Pass 0 ... 1.")
        if not isinstance(generator, torch.Generator):
            generator = torch.Generator().manual_seed(generator)
        given = self._codes(np.asarray(codes))
        return decode_file(self.conditions, self.stft, given, mode, steps, context_noise, generator, progress)

    def _require_whole_files(self) -> None:
        if self.spec.hop != self.network.config.hop:
            raise CodecError(f"{self.spec.name} is for streams only. For whole files leave out slide=.")

    def _codes(self, given: npt.NDArray[Any]) -> torch.Tensor:
        spec, kind = self.spec, given.dtype.kind
        if given.size and kind in "iu" and given.shape[1:] == (spec.tokens,):
            if given.min() < 0 or given.max() >= spec.cardinality:
                raise CodecError(
                    f"tokens {given.min()} ... {given.max()} are not possible. Pass 0 ... {spec.cardinality - 1}."
                )
            return self.network.fsq.codes(torch.from_numpy(given.astype(np.int32)).to(self.network.device))
        if given.size and kind == "f" and given.shape[1:] == spec.latent:
            return torch.from_numpy(given.astype(np.float32)).to(self.network.device)
        raise CodecError(
            f"codes {given.dtype} {list(given.shape)} cannot be decoded. Pass float [frames, {spec.latent[0]}, "
            f"{spec.latent[1]}] or integer [frames, {spec.tokens}]."
        )
