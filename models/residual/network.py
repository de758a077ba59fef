"""Network of a residual codec (encoder, quantiser, decoder), its sizes as JSON, and coding of whole
signals.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.codec import Audio, CodecError, CodecSpec
from models.residual.codebook import Codebook
from models.residual.dac import DacConfig
from models.residual.mimi import MimiConfig
from models.residual.rvq import QuantiserConfig
from models.residual.seanet import SeanetConfig
from models.residual.streaming_conv import Conv, DepthwiseUpsample, TransposedConv
from models.residual.streaming_layers import Residual

Config = SeanetConfig | DacConfig | MimiConfig
KINDS: dict[str, type[Config]] = {"seanet": SeanetConfig, "dac": DacConfig, "mimi": MimiConfig}

LARGE = 30_000_000  # weights from which several threads may be faster than one
MAX_SAMPLE = 4.0  # bound of decoded samples (full scale is 1), since bent tokens may decode to anything
RESIDUAL_GAIN = 0.3  # of random residual blocks, so that signals do not grow from block to block
_STEPS = 1000  # more than any network looks ahead


class ResidualNetwork(nn.Module):
    """Encoder, quantiser and decoder of the sizes in `config`.

    Weights are set by `randomise` or a checkpoint.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.decoder = config.encoder(), config.decoder()
        self.quantiser = config.new_quantiser()

    @torch.no_grad()
    def randomise(self, seed: int) -> ResidualNetwork:
        """Set random weights that roughly keep a signal's level, and return the network."""
        generator = torch.Generator().manual_seed(seed)
        for name, parameter in self.named_parameters():
            parameter.fill_(1 if name.endswith(("alpha", "norm.weight")) else RESIDUAL_GAIN * name.endswith("_scale"))
        for part in self.modules():
            if isinstance(part, Conv | TransposedConv | DepthwiseUpsample | nn.Linear):
                weight: Tensor = part.weight
                summed = 2 * len(weight) if isinstance(part, TransposedConv) else weight[0].numel()
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
                if isinstance(last, Conv):
                    last.weight.mul_(RESIDUAL_GAIN)
        return self

    def truncate_books(self, books: int) -> ResidualNetwork:
        """Keep the first `books` books only, and return the network."""
        kept = replace(self.config.quantiser, books=books)
        self.config = replace(self.config, quantiser=kept)
        self.quantiser.config = kept
        self.quantiser.stages = self.quantiser.stages[: kept.tokens]
        return self

    def rename(self, name: str) -> None:
        """Set the codec's name."""
        self.config = replace(self.config, name=name)

    @property
    def encoder_delay_frames(self) -> int:
        """Steps by which a stream's latents are late."""
        return _STEPS - self.encoder.output_length(_STEPS * self.config.stride)

    @property
    def decoder_delay_samples(self) -> int:
        """Samples by which a stream's decoded audio is late, beyond the encoder's delay."""
        return _STEPS * self.config.stride - self.decoder.output_length(_STEPS)

    @property
    def is_large(self) -> bool:
        """True if products are so large that several threads may share them with gain."""
        return sum(weight.numel() for weight in self.parameters()) > LARGE


def spec_of(config: Config, lookahead: int, frames: int = 1) -> CodecSpec:
    """Return the spec of a codec of these sizes.

    `lookahead` is in samples; `frames` is the number of latent steps in one frame.
    """
    return CodecSpec(
        name=config.name if frames == 1 else f"{config.name}:frames={frames}",
        sample_rate=config.sample_rate,
        channels=config.channels,
        hop=frames * config.stride,
        lookahead=lookahead,
        tokens=frames * config.quantiser.tokens,
        cardinality=config.quantiser.size,
        latent=(0, 0),
        paths=("discrete",),
        time_ordered=True,
        books=config.quantiser.books,
    )


@torch.inference_mode()
def whole_file(network: ResidualNetwork, audio: Audio, audible: list[bool] | None = None) -> tuple[np.ndarray, Audio]:
    """Encode and decode audio [channels, n] at once.

    Return the tokens int32 [K, S], and the sound float32 [channels, n], aligned with the input.
    `audible` has a flag for each book (None: all). The signal is padded with zeros to a whole hop;
    beyond both ends lie zeros, or its mirror image if config.mirror is set.
    """
    hop, count = network.config.stride, audio.shape[1]
    x = torch.from_numpy(np.pad(audio, ((0, 0), (0, -count % hop))))[None]
    quantiser = network.quantiser.freeze()
    tokens = quantiser.encode(network.encoder(x)[0].T)
    codes = quantiser.decode(tokens, audible or [True] * network.config.quantiser.books)
    sound = network.decoder(codes.T[None])
    return tokens.T.numpy().astype(np.int32), sound[0, :, :count].clamp(-MAX_SAMPLE, MAX_SAMPLE).numpy()


def to_json(config: Config) -> str:
    """Return the sizes as JSON with sorted keys, as checkpoints store them."""
    return json.dumps(asdict(config), sort_keys=True)


def from_json(text: str) -> Config:
    """Return the sizes that `to_json` wrote; CodecError if the text is something else."""
    try:
        given: dict[str, Any] = {key: _tuples(value) for key, value in json.loads(text).items()}
        given["quantiser"] = QuantiserConfig(**given["quantiser"])
        return KINDS[given["kind"]](**given)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CodecError(f"config cannot be read: {error}. Train or convert the checkpoint again.") from error


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def digest(config: Config, frames: int = 1) -> bytes:
    """Return the SHA-256, 32 bytes, of the sizes and of the steps in a frame (not of the weights)."""
    text = to_json(config) if frames == 1 else f"{to_json(config)} frames={frames}"
    return hashlib.sha256(text.encode()).digest()
