"""Codecs of residual vector quantisation, live: encoder, books, decoder, under the contract of `models.codec`.

    chunk → encoder → latent → books → Frame (K tokens) → the books that are heard, summed → decoder → chunk

A network that looks ahead is late by what its layers say. Its encoder gives the step of a hop some whole frames later.
Until then it gives frames that stand for nothing, and a decoder passes over as many at its start. Each object belongs
to one thread.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.codec import Audio, CodecError, CodecSpec, Controls, Decoder, Frame
from models.dac import DacConfig
from models.rvq import Lookup, QuantiserConfig, ResidualQuantiser
from models.rvq_book import Codebook
from models.seanet import SeanetConfig
from models.steppable import Conv, Residual, UpConv
from models.swift import SwiftConfig

Config = SeanetConfig | DacConfig | SwiftConfig
PLACE = "cpu, float32: all that codecs of this family compute on and in"
KINDS: dict[str, type[Config]] = {"seanet": SeanetConfig, "dac": DacConfig, "swift": SwiftConfig}


class ResidualNetwork(nn.Module):
    """Weights: encoder, quantiser, decoder."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.decoder = config.encoder(), config.decoder()
        self.quantiser = ResidualQuantiser(config.quantiser)
        if isinstance(config, SwiftConfig) and not config.quantiser.lookup:
            for stage, view in zip(self.quantiser.all, config.views(), strict=True):
                stage.book.register_buffer("view", view, persistent=False)

    @torch.no_grad()
    def randomise(self, seed: int) -> ResidualNetwork:
        """Weights from the seed that keep a signal's size about as it is. Returns the network."""
        generator = torch.Generator().manual_seed(seed)
        weight: Tensor
        for name, weight in self.named_parameters():
            if name.endswith(("alpha", "norm.weight")):
                weight.fill_(1)
            else:
                weight.zero_()
        for part in self.modules():
            if isinstance(part, Conv | UpConv | nn.Linear):
                weight = part.weight
                summed = 2 * len(weight) if isinstance(part, UpConv) else weight[0].numel()
                weight.copy_(torch.randn(weight.shape, generator=generator) / summed**0.5)
            elif isinstance(part, nn.LSTM):
                for weight in part.parameters():
                    weight.copy_((torch.rand(weight.shape, generator=generator) - 0.5) / part.hidden_size**0.5)
            elif isinstance(part, Codebook):
                entries = part.entries
                entries.copy_(torch.randn(entries.shape, generator=generator) / entries.shape[1] ** 0.5)
        for part in self.modules():
            if isinstance(part, Residual):
                last = part.block.layers[-1]
                assert isinstance(last, Conv)
                last.weight.mul_(0.3)  # or what many units add makes a signal grow level by level
        return self

    def cut(self, books: int) -> ResidualNetwork:
        """Keep the first so many books. Returns the network."""
        kept = replace(self.config.quantiser, books=books)
        self.config = replace(self.config, quantiser=kept)
        self.quantiser.config = kept
        self.quantiser.stages = self.quantiser.stages[: kept.tokens]
        return self

    def rename(self, name: str) -> None:
        """Another name for the codec to go by."""
        self.config = replace(self.config, name=name)

    @property
    def late_frames(self) -> int:
        """Frames that the encoder is late."""
        return _MANY - self.encoder.given(_MANY * self.config.stride)

    @property
    def late_samples(self) -> int:
        """Samples that the decoder is late."""
        return _MANY * self.config.stride - self.decoder.given(_MANY)


_MANY = 1000  # frames: more than any network reaches


def spec_of(config: Config, late: int) -> CodecSpec:
    """What a codec of these sizes promises; `late` are the samples of its look-ahead."""
    return CodecSpec(
        name=config.name,
        sample_rate=config.sample_rate,
        channels=config.channels,
        hop=config.stride,
        lookahead=late,
        tokens=config.quantiser.tokens,
        cardinality=config.quantiser.size,
        latent=(0, 0),
        paths=("discrete",),
        time_ordered=True,
        books=config.quantiser.books,
    )


class ResidualCodec:
    """Weights, shared by all the encoders and decoders it opens; frozen by this."""

    def __init__(self, network: ResidualNetwork, reason: str = PLACE) -> None:
        self.network = network.eval().requires_grad_(False)
        self.reason = reason
        self.config_hash = digest(network.config)
        late = network.late_frames * network.config.stride + network.late_samples
        self.spec = spec_of(network.config, late)
        self.lookup = Lookup(network.quantiser)

    def tune(self) -> None:
        """For live use: one thread, process-wide. Layers this small wait for threads longer than they compute."""
        torch.set_num_threads(1)

    def open_encoder(self) -> ResidualEncoder:
        return ResidualEncoder(self)

    def open_decoder(self, path: str) -> ResidualDecoder:
        self.spec.check_path(path)
        return ResidualDecoder(self)

    def decode_together(self, work: Sequence[tuple[Decoder, Frame, Controls]]) -> list[Audio]:
        return [decoder.decode(frame, controls) for decoder, frame, controls in work]


class ResidualEncoder:
    """All the state of one running encode."""

    def __init__(self, codec: ResidualCodec) -> None:
        self._codec = codec
        self.reset()

    def reset(self) -> None:
        self._step = self._codec.network.encoder.open()
        self._index = 0

    @torch.inference_mode()
    def encode(self, chunk: Audio) -> Frame:
        """One hop, float32 [channels, hop]. The tokens are those of the step `late_frames` ago."""
        spec = self._codec.spec
        check_chunk(chunk, spec)
        z = self._step(torch.from_numpy(np.ascontiguousarray(chunk.T, np.float32)))
        if len(z):
            tokens = self._codec.lookup.tokens(z)[0].numpy().astype(np.int32)
        else:
            tokens = np.zeros(spec.tokens, np.int32)
        frame = Frame(self._index, tokens, None, self._codec.network.config.quantiser.bits)
        self._index += 1
        return frame


class ResidualDecoder:
    """All the state of one running decode."""

    def __init__(self, codec: ResidualCodec) -> None:
        self._codec = codec
        self.reset()

    def reset(self) -> None:
        codec = self._codec
        self._step = codec.network.decoder.open()
        self._pass = codec.network.late_frames
        self._ready = torch.zeros(codec.spec.lookahead, codec.spec.channels)

    @torch.inference_mode()
    def decode(self, frame: Frame, controls: Controls) -> Audio:
        """One frame to float32 [channels, hop], `lookahead` samples late."""
        spec = self._codec.spec
        tokens = check_tokens(frame, spec)
        if self._pass:
            self._pass -= 1
        else:
            codes = self._codec.lookup.codes(tokens[None], heard(controls, spec.books))
            self._ready = torch.cat([self._ready, self._step(codes)])
        out, self._ready = self._ready[: spec.hop], self._ready[spec.hop :]
        return out.T.clamp(-LOUDEST, LOUDEST).contiguous().numpy()


LOUDEST = 4.0  # of a sample: what bent tokens decode to has no bound of its own


@torch.inference_mode()
def whole_file(network: ResidualNetwork, audio: Audio, kept: list[bool] | None = None) -> tuple[np.ndarray, Audio]:
    """[channels, n] to tokens [K, S] and to the sound that they decode to, aligned with the input and as long.

    Zeros are put after it up to a whole hop, and zeros (or its mirror image: config.mirror) lie beyond both ends.
    """
    hop, count = network.config.stride, audio.shape[1]
    x = torch.from_numpy(np.pad(audio, ((0, 0), (0, -count % hop))))[None]
    lookup = Lookup(network.quantiser)
    tokens = lookup.tokens(network.encoder(x)[0].T)
    codes = lookup.codes(tokens, kept or [True] * network.config.quantiser.books)
    sound = network.decoder(codes.T[None])
    return tokens.T.numpy().astype(np.int32), sound[0, :, :count].clamp(-LOUDEST, LOUDEST).numpy()


def heard(controls: Controls, books: int) -> list[bool]:
    """Which books are decoded: the first `controls.books` (None or 0: all), those soloed if any, less those muted."""
    kept = [book < (controls.books or books) for book in range(books)]
    if any(on and flag for on, flag in zip(kept, controls.solo, strict=False)):
        kept = [on and book < len(controls.solo) and bool(controls.solo[book]) for book, on in enumerate(kept)]
    return [on and not (book < len(controls.mute) and controls.mute[book]) for book, on in enumerate(kept)]


def check_chunk(chunk: Audio, spec: CodecSpec) -> None:
    if chunk.shape != (spec.channels, spec.hop):
        raise CodecError(
            f"chunk has shape {list(chunk.shape)}; {spec.name} takes {[spec.channels, spec.hop]}."
        )  # fmt: skip


def check_tokens(frame: Frame, spec: CodecSpec) -> Tensor:
    """The tokens, or CodecError if they are not of this codec."""
    tokens = frame.tokens
    if tokens.shape != (spec.tokens,) or tokens.min() < 0 or tokens.max() >= spec.cardinality:
        raise CodecError(
            f"frame {frame.index}: tokens {list(tokens.shape)} must be {spec.tokens} values of "
            f"0 ... {spec.cardinality - 1}."
        )
    return torch.from_numpy(tokens.astype(np.int64))


def to_json(config: Config) -> str:
    return json.dumps(asdict(config), sort_keys=True)


def from_json(text: str) -> Config:
    """Inverse of `to_json`; CodecError if it is not one."""
    try:
        given: dict[str, Any] = {key: _tuples(value) for key, value in json.loads(text).items()}
        given["quantiser"] = QuantiserConfig(**given["quantiser"])
        return KINDS[given["kind"]](**given)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CodecError(f"config cannot be read: {error}. Train or convert the checkpoint again.") from error


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def digest(config: Config) -> bytes:
    """SHA-256 of the sizes (not of the weights), 32 bytes."""
    return hashlib.sha256(to_json(config).encode()).digest()
