"""Sizes of a CoDiCodec network.

Everything else (token counts, latency, tensor shapes) follows from these numbers, which a
checkpoint holds as JSON: the field names are part of the file format. Source: Pasini, Lattner,
Fazekas, "CoDiCodec", arXiv 2509.09836, and the constants of the released model.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from models.codec import CodecError, CodecSpec
from models.codicodec.start.digit_layout import DIMS, FRACTIONS_VERSION, HOP, LEVELS, OVERLAP, RATE, REACH, TOKENS

PRIOR_FIELDS = ("low_bins", "bands")  # of version 0.1; 0 in files of the released model
SPECTRAL_CHANNELS = 4  # Re L, Im L, Re R, Im R


@dataclass(frozen=True)
class CoDiCodecConfig:
    """Sizes of one network; CodecError names the sizes that do not fit together."""

    name: str
    sample_rate: int  # Hz
    stft_hop: int  # samples
    stft_window: int  # samples, a multiple of stft_hop
    columns: int  # STFT columns in a frame
    patch: tuple[int, int]  # (bins, columns) of the stem's patches; (1, 1): a 3x3 convolution at full resolution
    channels: tuple[int, ...]  # of the feature maps at each level, finest first
    strides: tuple[tuple[int, int], ...]  # (bins, columns) between one level and the next
    blocks: tuple[int, ...]  # residual blocks at each level
    width: int  # of a transformer row; equals channels[-1]
    layers: tuple[int, int, int]  # transformer layers: encoder, expander, denoiser; with a start, see `is_learnt`
    heads: int
    mlp_width: int  # hidden units of the gated MLP
    noise_width: int  # of the noise level's embedding
    latents: int  # summary embeddings of a frame, one for each token
    registers: int  # extra transformer rows whose output is not used
    levels: tuple[int, ...]  # FSQ levels of each latent dimension
    compress_power: float = 0.65  # companding of a spectral value: scale * |v|^power
    compress_scale: float = 0.34
    sigma_min: float = 0.002
    sigma_max: float = 80.0
    sigma_data: float = 0.5
    rho: float = 7.0  # curvature of the noise schedule
    start: str = ""  # SHA-256 of the start (models.codicodec.start) whose codes these are
    own_projections: bool = False  # each latent has its own projections to and from codes
    log_planes: bool = False  # the encoder also reads log energies (network.append_log_energy)
    latent_scale: float = 0.8  # public latent: atanh(z) / latent_scale

    def __post_init__(self) -> None:
        if self.stft_window % self.stft_hop or self.stft_window < 2 * self.stft_hop:
            raise CodecError(f"stft_window {self.stft_window} must be 2, 3, ... times stft_hop {self.stft_hop}")
        if not len(self.channels) == len(self.blocks) == len(self.strides) + 1:
            raise CodecError(
                f"{len(self.channels)} channels, {len(self.blocks)} blocks and {len(self.strides)} strides: "
                "give one entry of channels and blocks for each level, one stride between neighbours"
            )
        for wide, narrow in zip(self.channels[1:], self.channels, strict=False):
            if wide % narrow:
                raise CodecError(f"channels {self.channels}: each level must be a multiple of the one before")
        rows, columns = math.prod(s[0] for s in self.folds), math.prod(s[1] for s in self.folds)
        if self.bins % rows or self.columns % columns:
            raise CodecError(
                f"patch {self.patch} and strides {self.strides} fold {rows} bins by {columns} columns into a token, "
                f"which does not divide {self.bins} bins by {self.columns} columns"
            )
        if self.width != self.channels[-1]:
            raise CodecError(f"width {self.width} must be the last of channels {self.channels}")
        if self.width % self.heads:
            raise CodecError(f"width {self.width} must be a multiple of heads {self.heads}")
        if self.noise_width % 2 or self.noise_width < 4:
            raise CodecError(f"noise_width {self.noise_width} must be even and at least 4")
        self._check_start()
        if any(level < 2 for level in self.levels) or not self.levels:
            raise CodecError(f"levels {self.levels}: give at least one dimension, each of 2 or more steps")

    def _check_start(self) -> None:
        """Raise CodecError unless the sizes are those of a start, or there is none."""
        sizes = (self.sample_rate, self.hop, self.stft_hop, self.lookahead, self.latents, *self.levels)
        wanted = (RATE, HOP, OVERLAP, OVERLAP + REACH, TOKENS, *[LEVELS] * DIMS)
        encoder, expander, denoiser = self.layers
        if self.start and sizes != wanted:
            raise CodecError(
                f"a start needs frames of {HOP} samples at {RATE} Hz with columns {OVERLAP} apart, and {TOKENS} "
                f"latents of {DIMS} dimensions of {LEVELS} levels"
            )
        if self.start and (encoder or (expander > 0) != (denoiser > 0)):
            raise CodecError(f"layers {self.layers}: with a start give 0 for the encoder, and both others or neither")
        if not self.start and 0 in self.layers:
            raise CodecError(f"layers {self.layers}: give at least one each; only a network with a start has none")

    @property
    def is_learnt(self) -> bool:
        """Return False for a start without expander and denoiser: what its codes lack is Gaussian noise."""
        return self.layers[2] > 0

    @property
    def folds(self) -> tuple[tuple[int, int], ...]:
        """Return the downsampling (bins, columns) of the stem and between levels."""
        return (self.patch, *self.strides)

    @property
    def bins(self) -> int:
        """Return the frequency bins of an STFT column, without Nyquist."""
        return self.stft_window // 2

    @property
    def rows(self) -> int:
        """Return the frequency rows of the finest level."""
        return self.bins // self.patch[0]

    @property
    def grid(self) -> tuple[int, int]:
        """Return the (rows, columns) of tokens at the deepest level."""
        return (
            self.bins // math.prod(s[0] for s in self.folds),
            self.columns // math.prod(s[1] for s in self.folds),
        )

    @property
    def audio_tokens(self) -> int:
        """Return the number of tokens at the deepest level."""
        return self.grid[0] * self.grid[1]

    @property
    def half_rows(self) -> int:
        """Return the transformer rows of a frame: audio tokens, latents, registers."""
        return self.audio_tokens + self.latents + self.registers

    @property
    def hop(self) -> int:
        """Return the samples in a frame."""
        return self.columns * self.stft_hop

    @property
    def lookahead(self) -> int:
        """Return the samples that a frame needs beyond its hop."""
        return self.stft_window - self.stft_hop + (REACH if self.start else 0)

    @property
    def cardinality(self) -> int:
        """Return the number of values of a token."""
        return math.prod(self.levels)

    def to_json(self) -> str:
        """Return the sizes as JSON, for checkpoints."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> CoDiCodecConfig:
        """Read the sizes of a checkpoint; CodecError names missing and unknown fields."""
        try:
            given: dict[str, Any] = json.loads(text)
            if any(given.pop(field, 0) for field in PRIOR_FIELDS):
                raise CodecError(
                    "this checkpoint is of version 0.1 and has a Gaussian prior, which this version does not have. "
                    "Train it again: verdigris train"
                )
            known = {f.name for f in fields(cls)}
            if unknown := sorted(set(given) - known):
                raise CodecError(f"config has unknown fields {unknown}; this version knows {sorted(known)}")
            return cls(**{key: _tuples(value) for key, value in given.items()})
        except (json.JSONDecodeError, TypeError, AttributeError) as error:
            raise CodecError(f"config cannot be read: {error}. Convert or train the checkpoint again.") from error

    def digest(self) -> bytes:
        """Return the SHA-256, 32 bytes, of the sizes. Weights are not included."""
        sizes = asdict(self)
        if not self.start:  # as in version 0.1, whose tapes stay readable
            del sizes["start"]
            sizes |= dict.fromkeys(PRIOR_FIELDS, 0)
        else:
            sizes["fractions"] = FRACTIONS_VERSION
        return hashlib.sha256(json.dumps(sizes, sort_keys=True).encode()).digest()

    @classmethod
    def official(cls) -> CoDiCodecConfig:
        """Return the sizes of the released model.

        It has 148.5 M parameters and frames of 32 768 samples with 128 tokens of 14 641 values.
        """
        return cls(
            name="codicodec",
            sample_rate=48000,
            stft_hop=1024,
            stft_window=2048,
            columns=32,
            patch=(1, 1),
            channels=(64, 128, 256, 512),
            strides=((2, 2), (4, 1), (2, 2)),
            blocks=(3, 3, 3, 1),
            width=512,
            layers=(12, 12, 12),
            heads=4,
            mlp_width=1024,
            noise_width=512,
            latents=128,
            registers=8,
            levels=(11, 11, 11, 11),
        )

    @classmethod
    def tiny(cls) -> CoDiCodecConfig:
        """Return the sizes of a test network: the released layout with frames of 1024 samples."""
        return replace(
            cls.official(),
            name="tiny",
            stft_hop=128,
            stft_window=256,
            columns=8,
            channels=(8, 16, 32),
            strides=((4, 2), (4, 2)),
            blocks=(2, 1, 1),
            width=32,
            layers=(2, 2, 2),
            heads=2,
            mlp_width=48,
            noise_width=32,
            latents=16,
            registers=2,
        )


def spec_of(config: CoDiCodecConfig) -> CodecSpec:
    """Return the spec of a codec of these sizes."""
    return CodecSpec(
        name=config.name,
        sample_rate=config.sample_rate,
        channels=2,
        hop=config.hop,
        lookahead=config.lookahead,
        tokens=config.latents,
        cardinality=config.cardinality,
        latent=(config.latents, len(config.levels)),
        paths=("continuous", "discrete"),
        time_ordered=False,
    )


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
