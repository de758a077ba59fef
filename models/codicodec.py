"""CoDiCodec: the contract of `models.codec` and whole files, over one network.

Pasini, Lattner, Fazekas, "CoDiCodec: Unifying Continuous and Discrete Compressed Representations of Audio",
ISMIR 2025, arXiv 2509.09836. Written from our own description of the released model, not from its source.

Frame.latent is the continuous code z in (-1, 1), before rounding; the continuous path decodes from it, and rounding it
to the FSQ grid gives Frame.tokens. Generative models are trained on `to_public(z)` (models.fsq).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from models.codec import Audio, CodecError, Controls, Decoder, Frame
from models.config import CoDiCodecConfig, spec_of
from models.decoding import Conditions, Progress
from models.graphs import replay_parts
from models.network import CoDiCodecNetwork
from models.placement import keep_memory, use_threads
from models.spectral import Spectral
from models.streaming import StreamDecoder, StreamEncoder, decode_together
from models.whole import as_stereo, decode_file, encode_file

DEFAULT_STEPS = {"autoregressive": 2, "parallel": 4}


def slides(config: CoDiCodecConfig) -> list[int]:
    """Columns that a frame may slide by."""
    return [h for h in range(1, config.columns + 1) if config.columns % h == 0]


def digest(config: CoDiCodecConfig, slide: int | None = None) -> bytes:
    """What a tape knows a codec by: SHA-256 of its sizes, and of the columns it slides by if it was told to."""
    whole = config.digest()
    return whole if slide is None else hashlib.sha256(whole + slide.to_bytes(4, "little")).digest()


class CoDiCodec:
    """Weights, shared by all the encoders and decoders it opens; those run on one thread at a time.

    The network is frozen by this, and what follows from noise levels is kept: after its weights have changed, make
    another. `reason` says where it computes and why, for whoever starts it to print.
    """

    def __init__(self, network: CoDiCodecNetwork, reason: str = "", slide: int | None = None) -> None:
        """`slide`: columns from one frame to the next, a divisor of the frame's, which is what it is if not given."""
        config = network.config
        self.network = network.eval().requires_grad_(False)
        self.reason = reason
        self.config = config
        self.spec = spec_of(config)
        if slide is not None:
            if slide not in slides(config):
                raise CodecError(
                    f"slide={slide} is not possible with {config.name}. "
                    f"Pass a number of columns ({', '.join(map(str, slides(config)))}) or auto."
                )
            self.spec = replace(self.spec, name=f"{config.name}:slide={slide}", hop=slide * config.stft_hop)
        self.config_hash = digest(config, slide)
        self._spectral = Spectral(config)
        self._conditions = Conditions(network)

    def tune(self) -> None:
        """For live use: on CUDA, graphs; on a CPU memory is kept, and as many threads used as are faster; process-wide.

        It may change the last bit.
        """
        if self.network.device.type == "cuda":
            replay_parts(self.network)
        if self.network.device.type == "cpu":
            keep_memory()
            self.reason += f", {use_threads(self.network)} thread(s)"

    def open_encoder(self) -> StreamEncoder:
        return StreamEncoder(self.network, self._spectral, self.spec)

    def open_decoder(self, path: str) -> StreamDecoder:
        return StreamDecoder(self._conditions, self._spectral, self.spec, path)

    def decode_together(self, work: Sequence[tuple[Decoder, Frame, Controls]]) -> list[Audio]:
        """As each decoder's own `decode`, in as few batches as their controls allow; each decoder at most once."""
        mine: list[tuple[StreamDecoder, Frame, Controls]] = []
        for decoder, frame, controls in work:
            if not isinstance(decoder, StreamDecoder) or not decoder.serves(self._conditions):
                raise CodecError(f"a decoder given to {self.spec.name} was opened by another codec; use its own.")
            mine.append((decoder, frame, controls))
        return decode_together(mine) if mine else []

    @torch.inference_mode()
    def encode(self, audio: Audio, path: str = "continuous", progress: Progress | None = None) -> npt.NDArray:
        """[n], [1, n] or [2, n] to codes float32 [frames, latents, dims] or tokens int32 [frames, latents].

        Nothing is padded before the first sample, so the first `lookahead` samples of a decode fade in; a stream's
        frames are those of the file with `lookahead` zeros before it. Samples beyond the last whole STFT column are
        not read: add `lookahead` zeros at the end too if they matter.
        """
        self.spec.check_path(path)
        self._takes_whole_files()
        codes = encode_file(self.network, self._spectral, as_stereo(audio), progress)
        return (self.network.fsq.tokens(codes) if path == "discrete" else codes).cpu().numpy()

    @torch.inference_mode()
    def decode(
        self,
        codes: npt.NDArray,
        mode: str = "autoregressive",
        steps: int | None = None,
        generator: torch.Generator | int = 0,
        context_noise: float = 0.4,
        progress: Progress | None = None,
    ) -> Audio:
        """Codes or tokens of `encode` to float32 [2, frames * hop + lookahead], aligned with what was encoded.

        `generator` is a CPU generator or a seed. `context_noise` is of the autoregressive mode.
        """
        self._takes_whole_files()
        if mode not in DEFAULT_STEPS:
            raise CodecError(f'mode "{mode}" is not known. Pass one of {", ".join(DEFAULT_STEPS)}.')
        steps = DEFAULT_STEPS[mode] if steps is None else steps
        if steps < 1:
            raise CodecError(f"steps {steps} not possible; give 1 or more.")
        if not 0 <= context_noise <= 1:
            raise CodecError(f"context_noise {context_noise} not possible; give 0 ... 1.")
        if not isinstance(generator, torch.Generator):
            generator = torch.Generator().manual_seed(generator)
        given = self._codes(np.asarray(codes))
        return decode_file(self._conditions, self._spectral, given, mode, steps, context_noise, generator, progress)

    def _takes_whole_files(self) -> None:
        if self.spec.hop != self.network.config.hop:
            raise CodecError(f"{self.spec.name} only streams. For whole files at once leave out slide=.")

    def _codes(self, given: npt.NDArray) -> torch.Tensor:
        spec, kind = self.spec, given.dtype.kind
        if given.size and kind in "iu" and given.shape[1:] == (spec.tokens,):
            if given.min() < 0 or given.max() >= spec.cardinality:
                raise CodecError(
                    f"tokens {given.min()} ... {given.max()} not possible; give 0 ... {spec.cardinality - 1}."
                )
            return self.network.fsq.codes(torch.from_numpy(given.astype(np.int32)).to(self.network.device))
        if given.size and kind == "f" and given.shape[1:] == spec.latent:
            return torch.from_numpy(given.astype(np.float32)).to(self.network.device)
        raise CodecError(
            f"codes {given.dtype} {list(given.shape)} cannot be decoded; give float [frames, {spec.latent[0]}, "
            f"{spec.latent[1]}] or integer [frames, {spec.tokens}]."
        )
