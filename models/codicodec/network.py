"""CoDiCodec network: encoder, expander of latents to feature maps, and denoiser of frame pairs.

arXiv 2509.09836, written from our own description of the released model. A frame is encoded alone.
The denoiser takes two adjacent frames: the context and the current frame. The current frame attends
to the context, never the reverse, so the keys and values of the context can be computed once and
kept (`prefill_context`). Knows nothing of streams, samples or files.

With a start (`models.codicodec.start`) there is no encoder here, and spectra are those of what the
start's codes lack. Without a learnt part (`CoDiCodecConfig.is_learnt`) they are Gaussian noise of the
right loudness.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models import kernels
from models.codicodec.config import SPECTRAL_CHANNELS, CoDiCodecConfig
from models.codicodec.consistency import NoiseEmbedding, precondition
from models.codicodec.conv_stacks import Block, Downsample, DownsamplingStack, NormGain, Upsample, UpsamplingStack
from models.codicodec.fsq import FSQ
from models.codicodec.start.start_weights import StartWeights, random_weights
from models.codicodec.transformer import Attention, GatedMLP, KeysValues, Transformer, layer_norm
from models.codicodec.whitening import whiten
from models.mid_side import mid_side

CONTEXT, CURRENT = 0, 1


@dataclass(frozen=True)
class Condition:
    """Values derived from a noise level, for a batch of 1 (shared by all items) or B."""

    mix: Tensor  # [B, 4, 1, 1, 1] float32: c_skip, c_out, c_in, sigma
    gain_in: Tensor  # [B, rows]
    gain_out: Tensor  # [B, rows]
    downsampling: list[Tensor]  # [B, C] each
    transformer: list[Tensor]
    norm_out: Tensor
    upsampling: list[Tensor]

    @staticmethod
    def stack(conditions: Sequence[Condition]) -> Condition:
        """Return the condition of a batch whose items have these conditions."""

        def join(name: str) -> list[Tensor]:
            return [torch.cat(group) for group in zip(*(getattr(c, name) for c in conditions), strict=True)]

        mix, gain_in, gain_out, norm_out = (
            torch.cat([getattr(c, name) for c in conditions]) for name in ("mix", "gain_in", "gain_out", "norm_out")
        )
        return Condition(
            mix, gain_in, gain_out, join("downsampling"), join("transformer"), norm_out, join("upsampling")
        )


@dataclass(frozen=True)
class Features:
    """Input of the denoiser that is derived from a frame's codes."""

    skip_features: list[Tensor]  # feature maps [B, C, rows, columns], finest first
    latents: Tensor  # [B, latents, width], as transformer rows
    log_scales: Tensor | None = None  # [B, 2, bins, columns] float32, see `models.codicodec.whitening`

    @staticmethod
    def stack(features: Sequence[Features]) -> Features:
        """Return the features of several frames as one batch."""
        if len(features) == 1:
            return features[0]
        skip_features = [torch.cat(maps) for maps in zip(*(f.skip_features for f in features), strict=True)]
        scales = [f.log_scales for f in features if f.log_scales is not None]
        return Features(skip_features, torch.cat([f.latents for f in features]), torch.cat(scales) if scales else None)

    def item(self, index: int) -> Features:
        """Return the features of one item of the batch, as a batch of 1."""
        return self.part(slice(index, index + 1))

    def part(self, items: slice) -> Features:
        """Return the features of some items of the batch."""
        scales = None if self.log_scales is None else self.log_scales[items]
        return Features([features[items] for features in self.skip_features], self.latents[items], scales)


class PerLatentLinear(nn.Module):
    """Linear map with weights for each latent: [B, latents, inputs] to [B, latents, outputs].

    With shared weights, a latent can only select a part of its input by its MLPs.
    """

    def __init__(self, latents: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(latents, outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(latents, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Apply each latent's map."""
        return torch.einsum("bni,noi->bno", x, self.weight) + self.bias


class CoDiCodecNetwork(nn.Module):
    """Weights of one codec. Spectra and codes are float32 for weights of any precision.

    Attribute names are the names of tensors in checkpoints.
    """

    def __init__(self, config: CoDiCodecConfig) -> None:
        super().__init__()
        self.config = config
        width, noise, dims = config.width, config.noise_width, len(config.levels)
        sizes = (width, config.heads, config.mlp_width)
        self.fsq = FSQ(config.levels)

        self.start: StartWeights | None = None  # set with the weights, where the config has one
        if not config.start:
            self.encoder_stack = DownsamplingStack(config, None, SPECTRAL_CHANNELS + 2 * config.log_planes)
            self.encoder_gain = nn.Parameter(torch.ones(config.rows))
            self.encoder = Transformer(*sizes, config.layers[0], config.half_rows)
            self.summaries = nn.Parameter(torch.zeros(config.latents, width))
            self.encoder_registers = nn.Parameter(torch.zeros(config.registers, width))
            self.encoder_norm_out = NormGain(width, None)
            self.to_codes = _projection(config, width, dims)
        if not config.is_learnt:
            return

        self.expander = Transformer(*sizes, config.layers[1], config.half_rows)
        self.row_masks = nn.Parameter(torch.zeros(config.grid[0], width))  # learned queries of the rows
        self.expander_from_codes = _projection(config, dims, width)
        self.expander_registers = nn.Parameter(torch.zeros(config.registers, width))
        self.expander_stack = UpsamplingStack(config, None, 2 if config.start else 0)

        self.noise = NoiseEmbedding(config)
        self.denoiser_in = DownsamplingStack(config, noise)
        self.denoiser = Transformer(*sizes, config.layers[2], config.half_rows, halves=2, noise_width=noise)
        self.denoiser_from_codes = _projection(config, dims, width)
        self.denoiser_registers = nn.Parameter(torch.zeros(config.registers, width))
        self.denoiser_norm_out = NormGain(width, noise)
        self.denoiser_out = UpsamplingStack(config, noise, SPECTRAL_CHANNELS)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def dtype(self) -> torch.dtype:
        """Return the precision of the weights."""
        return self.row_masks.dtype if self.config.is_learnt else torch.float32

    @property
    def device(self) -> torch.device:
        """Return the device of the weights."""
        return self.fsq.half_width.device

    def set_precision(self, dtype: torch.dtype) -> CoDiCodecNetwork:
        """Convert the weights to a precision, except the noise embedding's (float32).

        Return the network. In bfloat16 on a CPU with our kernels, the weights are also packed for
        them and must not change.
        """
        packs = dtype == torch.bfloat16 and self.device.type == "cpu" and kernels.library() is not None
        packs = packs and all(channels % kernels.PACK_WIDTH == 0 for channels in self.config.channels)
        for module in self.modules():
            if isinstance(module, Block | Downsample | Upsample | Attention | GatedMLP):
                module.packed = None
                if packs:
                    module.pack()
        for name, weight in self.named_parameters():
            if not name.startswith("noise."):
                weight.data = weight.data.to(dtype)
        return self

    def encode(self, spectrum: Tensor) -> Tensor:
        """Encode spectra [B, 4, bins, columns] to continuous codes z.

        Codes are float32 [B, latents, dims], |z| < 1. With a start, `models.codicodec.start` encodes.
        """
        gains = self.encoder_gain[None]
        planes = append_log_energy(spectrum) if self.config.log_planes else spectrum
        tokens, _ = self.encoder_stack(planes.to(self.dtype), gains, self.encoder_stack.scales(None))
        batch, audio = tokens.shape[0], self.config.audio_tokens
        x = torch.cat([tokens, *_rows(batch, self.summaries, self.encoder_registers)], dim=1)
        kept = slice(audio, audio + self.config.latents)
        x, _ = self.encoder(x, self.encoder.scales(None), rows=kept)
        return self.fsq.bound(self.to_codes(layer_norm(x, self.encoder_norm_out(None))))

    def expand_tokens(self, codes: Tensor) -> Tensor:
        """Expand codes z or q [B, latents, dims] to tokens [B, audio tokens, width]."""
        if not self.config.is_learnt:
            return codes.new_zeros(codes.shape[0], 0, self.config.width)
        latents = self.expander_from_codes(codes.to(self.dtype))
        queries = self.row_masks.repeat_interleave(self.config.grid[1], dim=0)  # [audio tokens, width], row-major
        first, last = _rows(codes.shape[0], queries, self.expander_registers)
        x = torch.cat([first, latents, last], dim=1)
        return self.expander(x, self.expander.scales(None), rows=slice(0, self.config.audio_tokens))[0]

    def upsample_features(self, tokens: Tensor, codes: Tensor, log_scales: Tensor | None = None) -> Features:
        """Return the denoiser's features of frames from the expander's tokens and the codes.

        With a start, `log_scales` [B, 2, bins, columns] are those of what the codes lack.
        """
        if not self.config.is_learnt:
            return Features([], tokens, log_scales)
        scales = self.expander_stack.scales(None)
        skip_features = self.expander_stack.maps(tokens, scales)
        if log_scales is not None:
            log_scales = log_scales + self.expander_stack.read(skip_features[0], scales[-1]).float()
        return Features(skip_features, self.denoiser_from_codes(codes.to(self.dtype)), log_scales)

    def features(self, codes: Tensor, log_scales: Tensor | None = None) -> Features:
        """Return the denoiser's features of frames from their codes z or q [B, latents, dims]."""
        return self.upsample_features(self.expand_tokens(codes), codes, log_scales)

    def condition(self, sigma: Tensor) -> Condition:
        """Return the condition of the denoiser at noise levels [B], float32."""
        mix = torch.stack([*precondition(sigma, self.config), sigma], dim=1)[:, :, None, None, None]
        if not self.config.is_learnt:
            none = mix.new_zeros(len(sigma), 0)
            return Condition(mix, none, none, [], [], none, [])
        vector, gain_in, gain_out = (value.to(self.dtype) for value in self.noise(sigma))
        return Condition(
            mix=mix,
            gain_in=gain_in,
            gain_out=gain_out,
            downsampling=self.denoiser_in.scales(vector),
            transformer=self.denoiser.scales(vector),
            norm_out=self.denoiser_norm_out(vector),
            upsampling=self.denoiser_out.scales(vector),
        )

    def prefill_context(self, noised: Tensor, condition: Condition, features: Features) -> list[KeysValues]:
        """Return keys and values of every layer of a noised context [B, 4, bins, columns]."""
        if not self.config.is_learnt:
            return []
        rows, _ = self._input_rows(self._scaled(noised, condition, features)[0], condition, features)
        return self.denoiser(rows, condition.transformer, CONTEXT)[1]

    def denoise_context(
        self, noised: Tensor, condition: Condition, features: Features
    ) -> tuple[Tensor, list[KeysValues]]:
        """Denoise a frame without context.

        Return its clean estimate, and keys and values as a context.
        """
        return self._denoise(noised, condition, features, CONTEXT, None)

    def denoise_current(
        self, noised: Tensor, condition: Condition, features: Features, past: Sequence[KeysValues]
    ) -> Tensor:
        """Denoise a frame [B, 4, bins, columns], given keys and values of its context."""
        return self._denoise(noised, condition, features, CURRENT, past)[0]

    def _scaled(
        self, noised: Tensor, condition: Condition, features: Features
    ) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Return the network's scaled input, and the function from its output to the estimate."""
        if features.log_scales is None:
            c_skip, c_out, c_in, _ = condition.mix.unbind(1)
            return c_in * noised, lambda change: c_skip * noised + c_out * change
        white = whiten(noised, condition.mix[:, 3], self.config.sigma_min, features.log_scales)
        return white.w, white.estimate

    def _input_rows(self, noised: Tensor, condition: Condition, features: Features) -> tuple[Tensor, list[Tensor]]:
        tokens, maps = self.denoiser_in(
            noised.to(self.dtype), condition.gain_in, condition.downsampling, features.skip_features
        )
        return torch.cat([tokens, features.latents, *_rows(tokens.shape[0], self.denoiser_registers)], dim=1), maps

    def _denoise(
        self, noised: Tensor, condition: Condition, features: Features, half: int, past: Sequence[KeysValues] | None
    ) -> tuple[Tensor, list[KeysValues]]:
        scaled, to_estimate = self._scaled(noised, condition, features)
        if not self.config.is_learnt:
            return to_estimate(torch.zeros((), device=noised.device)), []
        rows, maps = self._input_rows(scaled, condition, features)
        audio = slice(0, self.config.audio_tokens)
        tokens, kept = self.denoiser(rows, condition.transformer, half, past, audio)
        tokens = layer_norm(tokens, condition.norm_out)
        return to_estimate(self.denoiser_out(tokens, condition.gain_out, condition.upsampling, maps).float()), kept

    @torch.no_grad()
    def randomise(self, seed: int) -> CoDiCodecNetwork:
        """Set random weights that keep signals at about the size of a trained network's.

        Return the network. For benchmarks and tests; no weight is zero. Training starts from other
        values.
        """
        generator = torch.Generator().manual_seed(seed)
        for name, weight in self.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            if name.endswith("gain"):
                noise = 1 + 0.1 * noise
            elif name.endswith("bias"):
                noise = 0.1 * noise
            elif weight.dim() == 4:
                noise = noise * (0.7 / math.sqrt(weight[0].numel()))
            elif name.endswith("weight"):
                noise = noise / math.sqrt(weight.shape[-1])
            weight.copy_(noise)
        if self.config.start:
            self.start = random_weights(seed)
        return self


def append_log_energy(spectrum: Tensor) -> Tensor:
    """Append two planes to spectra [B, 4, bins, columns]: scaled log energies of mid and side.

    Loudness is a linear function of these planes, but not of the real and imaginary parts, of which
    a patch stem keeps few.
    """
    energies = mid_side(spectrum).unflatten(1, (2, 2)).square().sum(2)
    return torch.cat([spectrum, (energies + 1e-5).log() / 4 + 1], dim=1)


def _projection(config: CoDiCodecConfig, inputs: int, outputs: int) -> nn.Module:
    return PerLatentLinear(config.latents, inputs, outputs) if config.own_projections else nn.Linear(inputs, outputs)


def _rows(batch: int, *rows: Tensor) -> list[Tensor]:
    return [table.expand(batch, -1, -1) for table in rows]
