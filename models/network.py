"""The CoDiCodec network: encoder, expander of latents to feature maps, and denoiser of a pair of adjacent frames.

arXiv 2509.09836, written from our own description of the released model. A frame is encoded alone. The denoiser takes
two frames, left and right; the right sees the left, never the reverse, so the left half of a pair can be computed once
and kept (`keep_left`). It knows nothing of streams, samples or files.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models import kernels
from models.config import SPECTRAL_CHANNELS, CoDiCodecConfig
from models.consistency import NoiseEmbedding, precondition
from models.convstack import Block, Fold, FoldingStack, Gain, Unfold, UnfoldingStack
from models.fsq import FSQ
from models.prior import Prior, turned, whiten
from models.transformer import Attention, GatedMLP, KeysValues, Transformer, layer_norm

LEFT, RIGHT = 0, 1


@dataclass(frozen=True)
class Condition:
    """All that the denoiser derives from a noise level, for a batch of 1 (all items alike) or B."""

    mix: Tensor  # [B, 4, 1, 1, 1] float32: c_skip, c_out, c_in, sigma
    gain_in: Tensor  # [B, rows]
    gain_out: Tensor  # [B, rows]
    folding: list[Tensor]  # [B, C] each
    transformer: list[Tensor]
    norm_out: Tensor
    unfolding: list[Tensor]

    @staticmethod
    def stack(conditions: Sequence[Condition]) -> Condition:
        """One condition for a batch whose items have these noise levels."""

        def join(name: str) -> list[Tensor]:
            return [torch.cat(group) for group in zip(*(getattr(c, name) for c in conditions), strict=True)]

        mix, gain_in, gain_out, norm_out = (
            torch.cat([getattr(c, name) for c in conditions]) for name in ("mix", "gain_in", "gain_out", "norm_out")
        )
        return Condition(mix, gain_in, gain_out, join("folding"), join("transformer"), norm_out, join("unfolding"))


@dataclass(frozen=True)
class Features:
    """What the denoiser knows of a frame from its codes."""

    taps: list[Tensor]  # feature maps [B, C, rows, columns], finest first
    latents: Tensor  # [B, latents, width], as transformer rows
    prior: Tensor | None = None  # [B, 6, bins, columns] float32: the Gaussian that it tells (`models.prior`)

    @staticmethod
    def stack(features: Sequence[Features]) -> Features:
        """One batch of these."""
        if len(features) == 1:
            return features[0]
        taps = [torch.cat(maps) for maps in zip(*(f.taps for f in features), strict=True)]
        priors = [f.prior for f in features if f.prior is not None]
        return Features(taps, torch.cat([f.latents for f in features]), torch.cat(priors) if priors else None)

    def item(self, index: int) -> Features:
        """The features of one item of the batch, as a batch of 1."""
        return self.part(slice(index, index + 1))

    def part(self, items: slice) -> Features:
        """The features of some items of the batch."""
        prior = None if self.prior is None else self.prior[items]
        return Features([tap[items] for tap in self.taps], self.latents[items], prior)


class OwnLinear(nn.Module):
    """A linear map of its own for each latent: [B, latents, inputs] to [B, latents, outputs].

    With one for all, a latent can only pick a part of what it attends to by way of its MLPs.
    """

    def __init__(self, latents: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(latents, outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(latents, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("bni,noi->bno", x, self.weight) + self.bias


class CoDiCodecNetwork(nn.Module):
    """All the weights of one codec. Spectra and codes are float32 whatever the weights are."""

    def __init__(self, config: CoDiCodecConfig) -> None:
        super().__init__()
        self.config = config
        width, noise, dims = config.width, config.noise_width, len(config.levels)
        sizes = (width, config.heads, config.mlp_width)
        self.fsq = FSQ(config.levels)

        self.encoder_stack = FoldingStack(config, None, SPECTRAL_CHANNELS + 2 * config.log_planes)
        self.encoder_gain = nn.Parameter(torch.ones(config.rows))
        self.encoder = Transformer(*sizes, config.layers[0], config.half_rows)
        self.summaries = nn.Parameter(torch.zeros(config.latents, width))
        self.encoder_registers = nn.Parameter(torch.zeros(config.registers, width))
        self.encoder_norm_out = Gain(width, None)
        self.to_codes = _projection(config, width, dims)

        self.expander = Transformer(*sizes, config.layers[1], config.half_rows)
        self.row_masks = nn.Parameter(torch.zeros(config.grid[0], width))
        self.expander_from_codes = _projection(config, dims, width)
        self.expander_registers = nn.Parameter(torch.zeros(config.registers, width))
        self.expander_stack = UnfoldingStack(config, None, 2 if config.bands else 0)

        self.noise = NoiseEmbedding(config)
        self.denoiser_in = FoldingStack(config, noise)
        self.denoiser = Transformer(*sizes, config.layers[2], config.half_rows, halves=2, noise_width=noise)
        self.denoiser_from_codes = _projection(config, dims, width)
        self.denoiser_registers = nn.Parameter(torch.zeros(config.registers, width))
        self.denoiser_norm_out = Gain(width, noise)
        self.denoiser_out = UnfoldingStack(config, noise, SPECTRAL_CHANNELS)
        self.prior = Prior(config) if config.bands else None
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def dtype(self) -> torch.dtype:
        return self.encoder_gain.dtype

    @property
    def device(self) -> torch.device:
        return self.encoder_gain.device

    def set_precision(self, dtype: torch.dtype) -> CoDiCodecNetwork:
        """Keep the weights in dtype, all but the noise embedding's (float32: its sines are fine). Returns itself.

        In bfloat16 on a CPU for which we have kernels the weights are packed for them too, and are to be frozen.
        """
        packs = dtype == torch.bfloat16 and self.device.type == "cpu" and kernels.library() is not None
        packs = packs and all(channels % kernels.PANEL == 0 for channels in self.config.channels)
        for module in self.modules():
            if isinstance(module, Block | Fold | Unfold | Attention | GatedMLP):
                module.packed = None
                if packs:
                    module.pack()
        for name, weight in self.named_parameters():
            if not name.startswith("noise."):
                weight.data = weight.data.to(dtype)
        return self

    def encode(self, spectrum: Tensor) -> Tensor:
        """Spectra [B, 4, bins, columns] to continuous codes z float32 [B, latents, dims], |z| < 1."""
        gains = self.encoder_gain[None]
        planes = with_logarithms(spectrum) if self.config.log_planes else spectrum
        tokens, _ = self.encoder_stack(planes.to(self.dtype), gains, self.encoder_stack.scales(None))
        batch, audio = tokens.shape[0], self.config.audio_tokens
        x = torch.cat([tokens, *_rows(batch, self.summaries, self.encoder_registers)], dim=1)
        kept = slice(audio, audio + self.config.latents)
        x, _ = self.encoder(x, self.encoder.scales(None), rows=kept)
        found = self.to_codes(layer_norm(x, self.encoder_norm_out(None)))
        if self.prior is not None:
            found = found + self.prior.encode(spectrum)
        return self.fsq.bound(found)

    def expand(self, codes: Tensor) -> Tensor:
        """Codes z or q [B, latents, dims] to the expander's tokens [B, audio tokens, width]."""
        latents = self.expander_from_codes(codes.to(self.dtype))
        masks = self.row_masks.repeat_interleave(self.config.grid[1], dim=0)  # [audio tokens, width], row-major
        first, last = _rows(codes.shape[0], masks, self.expander_registers)
        x = torch.cat([first, latents, last], dim=1)
        return self.expander(x, self.expander.scales(None), rows=slice(0, self.config.audio_tokens))[0]

    def unfold(self, tokens: Tensor, codes: Tensor) -> Features:
        """The expander's tokens to all that the denoiser needs of a frame."""
        scales = self.expander_stack.scales(None)
        taps = self.expander_stack.maps(tokens, scales)
        prior = None
        if self.prior is not None:
            finer = self.expander_stack.read(taps[0], scales[-1]).float()
            prior = self.prior.refine(self.prior.decode(codes), finer)
        return Features(taps, self.denoiser_from_codes(codes.to(self.dtype)), prior)

    def features(self, codes: Tensor) -> Features:
        """Codes z or q [B, latents, dims] to what the denoiser knows of the frames."""
        return self.unfold(self.expand(codes), codes)

    def condition(self, sigma: Tensor) -> Condition:
        """Noise levels [B], float32, to what the denoiser derives from them."""
        vector, gain_in, gain_out = (value.to(self.dtype) for value in self.noise(sigma))
        return Condition(
            mix=torch.stack([*precondition(sigma, self.config), sigma], dim=1)[:, :, None, None, None],
            gain_in=gain_in,
            gain_out=gain_out,
            folding=self.denoiser_in.scales(vector),
            transformer=self.denoiser.scales(vector),
            norm_out=self.denoiser_norm_out(vector),
            unfolding=self.denoiser_out.scales(vector),
        )

    def keep_left(self, noised: Tensor, condition: Condition, features: Features) -> list[KeysValues]:
        """The part of a left half that its right half attends to: keys and values of every layer."""
        rows, _ = self._fold(self._scaled(noised, condition, features)[0], condition, features)
        return self.denoiser(rows, condition.transformer, LEFT)[1]

    def denoise_left(self, noised: Tensor, condition: Condition, features: Features) -> tuple[Tensor, list[KeysValues]]:
        """A left half [B, 4, bins, columns] to (its clean estimate, the keys and values a right half attends to)."""
        return self._denoise(noised, condition, features, LEFT, None)

    def denoise_right(
        self, noised: Tensor, condition: Condition, features: Features, past: Sequence[KeysValues]
    ) -> Tensor:
        """A right half [B, 4, bins, columns], given its left half's keys and values, to its clean estimate."""
        return self._denoise(noised, condition, features, RIGHT, past)[0]

    def _scaled(
        self, noised: Tensor, condition: Condition, features: Features
    ) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """(What the network reads of noised spectra, what becomes of its answer)."""
        if features.prior is None:
            c_skip, c_out, c_in, _ = condition.mix.unbind(1)
            return c_in * noised, lambda change: c_skip * noised + c_out * change
        white = whiten(noised, condition.mix[:, 3], self.config.sigma_min, features.prior)
        return white.w, white.answer

    def _fold(self, noised: Tensor, condition: Condition, features: Features) -> tuple[Tensor, list[Tensor]]:
        tokens, maps = self.denoiser_in(noised.to(self.dtype), condition.gain_in, condition.folding, features.taps)
        return torch.cat([tokens, features.latents, *_rows(tokens.shape[0], self.denoiser_registers)], dim=1), maps

    def _denoise(
        self, noised: Tensor, condition: Condition, features: Features, half: int, past: Sequence[KeysValues] | None
    ) -> tuple[Tensor, list[KeysValues]]:
        scaled, answer = self._scaled(noised, condition, features)
        rows, maps = self._fold(scaled, condition, features)
        audio = slice(0, self.config.audio_tokens)
        tokens, kept = self.denoiser(rows, condition.transformer, half, past, audio)
        tokens = layer_norm(tokens, condition.norm_out)
        return answer(self.denoiser_out(tokens, condition.gain_out, condition.unfolding, maps).float()), kept

    @torch.no_grad()
    def randomise(self, seed: int) -> CoDiCodecNetwork:
        """Random weights, none of them zero, that keep signals at a size like a trained network's. Returns itself.

        For benchmarks and tests; training starts from other values.
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
        if self.prior is not None:
            self.prior.synthesis.weight.mul_(0.1)
            self.prior.synthesis.bias.mul_(0.1)
        return self


def with_logarithms(spectrum: Tensor) -> Tensor:
    """Spectra [B, 4, bins, columns] with two planes more: logarithms of the energies of middle and side, of size 1.

    What is loud where is a linear function of these. Of real and imaginary parts, which are all signs, a patch's stem
    keeps too few to tell.
    """
    energies = turned(spectrum).unflatten(1, (2, 2)).square().sum(2)
    return torch.cat([spectrum, (energies + 1e-5).log() / 4 + 1], dim=1)


def _projection(config: CoDiCodecConfig, inputs: int, outputs: int) -> nn.Module:
    return OwnLinear(config.latents, inputs, outputs) if config.own_projections else nn.Linear(inputs, outputs)


def _rows(batch: int, *rows: Tensor) -> list[Tensor]:
    return [table.expand(batch, -1, -1) for table in rows]
