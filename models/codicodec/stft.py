"""STFT with companded complex bins and its inverse, for whole files or chunk by chunk.

There is no centring and no padding: column t covers samples t * hop ... t * hop + window - 1. The
Nyquist bin is dropped. Real and imaginary parts are companded separately, as in the released
CoDiCodec (papers write: the modulus).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.codicodec.config import CoDiCodecConfig


class Stft(nn.Module):
    """STFT of one configuration, in float32."""

    window: Tensor
    synthesis: Tensor

    def __init__(self, config: CoDiCodecConfig) -> None:
        super().__init__()
        self.hop, self.size = config.stft_hop, config.stft_window
        self.power, self.scale = config.compress_power, config.compress_scale
        window = torch.hann_window(self.size, periodic=True)
        # Each output sample is divided by the sum of w^2 over the columns that cover it:
        #   column t    [ w0 | w1 ]            r = size / hop windows of hop samples each;
        #   column t+1       [ w0 | w1 ]       sample k of a hop is covered by w0(k), w1(k), ...
        energy = window.square().view(-1, self.hop).sum(0)
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("synthesis", window / energy.repeat(self.size // self.hop), persistent=False)

    @property
    def overlap(self) -> int:
        """Return the samples that a column shares with later ones, which a stream carries over."""
        return self.size - self.hop

    def compress(self, values: Tensor) -> Tensor:
        """Compand values v to sign(v) * scale * |v|^power."""
        return values.sign() * values.abs().pow(self.power) * self.scale

    def expand(self, values: Tensor) -> Tensor:
        """Invert `compress`."""
        return values.sign() * (values.abs() / self.scale).pow(1 / self.power)

    def analyse(self, audio: Tensor) -> Tensor:
        """Analyse audio [B, C, n], n >= window, to planes [B, 2C, bins, T]: Re, Im of each channel.

        T = (n - window) // hop + 1. Samples beyond the last whole column are not read.
        """
        columns = audio.unfold(-1, self.size, self.hop) * self.window  # [B, C, T, window]
        bins = torch.fft.rfft(columns)[..., :-1]  # [B, C, T, bins]
        planes = torch.view_as_real(bins).permute(0, 1, 4, 3, 2)  # [B, C, 2, bins, T]
        return self.compress(planes).flatten(1, 2)  # [B, 2C, bins, T]

    def synthesise(self, spectrum: Tensor, tail: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Synthesise [B, 2C, bins, T]; return audio [B, C, T * hop] and tail [B, C, overlap].

        Neither is clipped. `tail` is the tail of the columns before these, None at the start. A
        whole file ends with its last tail, which fades out as its first `overlap` samples fade in:
        fewer columns cover them.
        """
        planes = self.expand(spectrum).unflatten(1, (-1, 2)).permute(0, 1, 4, 3, 2).contiguous()  # [B, C, T, bins, 2]
        bins = torch.nn.functional.pad(torch.view_as_complex(planes), (0, 1))  # a zero Nyquist bin
        columns = torch.fft.irfft(bins, n=self.size) * self.synthesis  # [B, C, T, window]
        parts = columns.unflatten(-1, (-1, self.hop))  # [B, C, T, r, hop]
        count, shares = parts.shape[2], parts.shape[3]
        sums = parts.new_zeros(*parts.shape[:2], count + shares - 1, self.hop)
        for share in range(shares):
            sums[:, :, share : share + count] += parts[..., share, :]
        if tail is not None:
            sums[:, :, : shares - 1] += tail.unflatten(-1, (-1, self.hop))
        return sums[:, :, :count].flatten(2), sums[:, :, count:].flatten(2)
