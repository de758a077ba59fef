"""The sizes of a CoDiCodec network, in one frozen value.

Everything else (token counts, latency, tensor shapes) follows from these numbers; a checkpoint carries them as JSON.
Source: Pasini, Lattner, Fazekas, "CoDiCodec", arXiv 2509.09836, and the released model's constants.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from models.codec import CodecError, CodecSpec

SPECTRAL_CHANNELS = 4  # Re L, Im L, Re R, Im R


@dataclass(frozen=True)
class CoDiCodecConfig:
    """Sizes of one network, checked when made; CodecError says which two numbers disagree."""

    name: str
    sample_rate: int  # Hz
    stft_hop: int  # samples
    stft_window: int  # samples, a multiple of stft_hop
    columns: int  # STFT columns in a frame
    patch: tuple[int, int]  # (bins, columns) the stem reads at once; (1, 1) is a 3x3 convolution at full resolution
    channels: tuple[int, ...]  # feature maps at each level, finest first
    strides: tuple[tuple[int, int], ...]  # (bins, columns) between one level and the next
    blocks: tuple[int, ...]  # residual blocks at each level
    width: int  # of a token; equals channels[-1]
    layers: tuple[int, int, int]  # transformer layers: encoder, expander, denoiser
    heads: int
    mlp_width: int  # hidden units of the gated MLP
    noise_width: int  # of the noise-level embedding
    latents: int  # summary embeddings of a frame: its tokens
    registers: int  # extra transformer rows that are thrown away
    levels: tuple[int, ...]  # FSQ steps in each latent dimension
    compress_power: float = 0.65  # companding of a spectral value: scale * |v|^power
    compress_scale: float = 0.34
    sigma_min: float = 0.002
    sigma_max: float = 80.0
    sigma_data: float = 0.5
    rho: float = 7.0  # curvature of the noise schedule
    low_bins: int = 0  # bins whose waveform the prior keeps (models.prior; 0: there is none)
    bands: int = 0  # bands of which it keeps the loudness, from there up
    own_projections: bool = False  # every latent has its own projections to and from codes, not one for all
    log_planes: bool = False  # the encoder also reads logarithms of magnitudes (network.with_logarithms)
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
        if (self.low_bins > 0) != (self.bands > 0) or not 0 <= self.bands <= self.bins - self.low_bins:
            raise CodecError(
                f"low_bins {self.low_bins} and bands {self.bands}: give both, together at most the {self.bins} bins "
                "of a column, or neither"
            )
        if any(level < 2 for level in self.levels) or not self.levels:
            raise CodecError(f"levels {self.levels}: give at least one dimension, each of 2 or more steps")

    @property
    def folds(self) -> tuple[tuple[int, int], ...]:
        """(bins, columns) folded at the stem and then between levels."""
        return (self.patch, *self.strides)

    @property
    def bins(self) -> int:
        """Frequency bins kept of an STFT column: all but Nyquist."""
        return self.stft_window // 2

    @property
    def rows(self) -> int:
        """Frequency rows at the finest level."""
        return self.bins // self.patch[0]

    @property
    def grid(self) -> tuple[int, int]:
        """(rows, columns) of tokens at the deepest level."""
        return (
            self.bins // math.prod(s[0] for s in self.folds),
            self.columns // math.prod(s[1] for s in self.folds),
        )

    @property
    def audio_tokens(self) -> int:
        return self.grid[0] * self.grid[1]

    @property
    def half_rows(self) -> int:
        """Transformer rows of one frame: audio tokens, then summaries, then registers."""
        return self.audio_tokens + self.latents + self.registers

    @property
    def hop(self) -> int:
        """Samples a frame stands for."""
        return self.columns * self.stft_hop

    @property
    def lookahead(self) -> int:
        """Samples beyond the hop that its last column reaches."""
        return self.stft_window - self.stft_hop

    @property
    def cardinality(self) -> int:
        return math.prod(self.levels)

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> CoDiCodecConfig:
        """Inverse of `to_json`; CodecError names missing and unknown fields."""
        try:
            given: dict[str, Any] = json.loads(text)
            known = {f.name for f in fields(cls)}
            if unknown := sorted(set(given) - known):
                raise CodecError(f"config has unknown fields {unknown}; this version knows {sorted(known)}")
            return cls(**{key: _tuples(value) for key, value in given.items()})
        except (json.JSONDecodeError, TypeError, AttributeError) as error:
            raise CodecError(f"config cannot be read: {error}. Convert or train the checkpoint again.") from error

    def digest(self) -> bytes:
        """SHA-256 of the sizes (not of the weights), 32 bytes."""
        return hashlib.sha256(self.to_json().encode()).digest()

    @classmethod
    def official(cls) -> CoDiCodecConfig:
        """The released 148.5 M parameter model: frames of 32 768 samples, 128 tokens of 14 641 values."""
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
        """For tests: official in kind, frames of 1024 samples, 16 tokens, milliseconds to run."""
        return cls(
            name="tiny",
            sample_rate=48000,
            stft_hop=128,
            stft_window=256,
            columns=8,
            patch=(1, 1),
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
            levels=(11, 11, 11, 11),
        )

    @classmethod
    def patched(cls) -> CoDiCodecConfig:
        """For tests: what the released sizes do without: a patch stem, 75 % overlap, unequal depths, our own paths."""
        return cls(
            name="patched",
            sample_rate=44100,
            stft_hop=64,
            stft_window=256,
            columns=8,
            patch=(4, 2),
            channels=(16, 32),
            strides=((4, 2),),
            blocks=(1, 1),
            width=32,
            layers=(1, 2, 3),
            heads=2,
            mlp_width=32,
            noise_width=16,
            latents=12,
            registers=1,
            levels=(8, 5, 3),
            low_bins=12,
            bands=9,
            own_projections=True,
            log_planes=True,
        )


def spec_of(config: CoDiCodecConfig) -> CodecSpec:
    """What a codec of these sizes promises."""
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
