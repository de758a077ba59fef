"""Layers of a codec that works on spectra: a lapped transform, what an encoder sees of it, what a decoder makes it of.

    waveform ─► Lapped ─► coefficients ─► Described ─► network ─► ... ─► network ─► Shaped ─► coefficients ─► Unlapped

The transform is the MDCT of middle and side under a sine window of two hops (Princen and Bradley, 1986): as many
coefficients as samples, and what is decoded fades from each hop into the next, so that there are no joins to hear. It
makes the decoder one hop late. The loudness of bands beside their shapes is CELT's idea (RFC 6716); where a shape is
too soft noise fills the band, as AAC's perceptual noise substitution does. The noise is a fixed sequence that begins
with each stream: the same codes make the same sound.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.steppable import Layer, Step

OCTAVES = 6.0  # over which bands grow from the lowest to the highest
PERIOD = 256  # frames after which the noise comes again
QUIET = 1e-5  # of a coefficient: what is softer is silence
TINY = 1e-14  # energy, so that roots have slopes
FAINT, KNEE = 1e-3, 0.03  # below which roots are straight lines, of a coefficient and of a root
RAISED = 2.0  # how many times the energy of a shape becomes at most, to be as loud as its band
UNFILLED = 0.05  # of the coefficients, the lowest: up to 1.2 kHz noise is never added
SHAPED = 0.3  # what the loudness of low bands weighs against that of others: their shapes tell most of it
LOUDEST = 4.0  # loudness of a band at most: far beyond full scale


def bands_of(hop: int, bands: int) -> list[int]:
    """Edges of bands in coefficients, 0 ... hop: at most so many bands, wider and wider."""
    grown = (2 ** (OCTAVES * np.arange(bands + 1) / bands) - 1) / (2**OCTAVES - 1)
    return sorted({round(hop * float(part)) for part in grown})


def transform(hop: int) -> Tensor:
    """Two hops of samples to one of coefficients, [2 * hop, hop]; its columns, overlapped, are an orthonormal basis."""
    time, bin = np.arange(2 * hop)[:, None] + 0.5, np.arange(hop) + 0.5
    waves = np.sin(np.pi * time / (2 * hop)) * np.cos(np.pi / hop * (time + hop / 2) * bin)
    return torch.from_numpy((waves * (2 / hop) ** 0.5).astype(np.float32))


def turned(x: Tensor, dim: int) -> Tensor:
    """Left and right as middle and side, or back; any other number of channels as they are."""
    if x.shape[dim] != 2:
        return x
    left, right = x.unbind(dim)
    return torch.stack([left + right, left - right], dim) * 0.5**0.5


def loudness_of(energy: Tensor) -> Tensor:
    """A number of about -4 for silence, 2 for full scale: a quarter of the logarithm."""
    return torch.log(energy + QUIET**2) / 4 + 2


def energy_of(loudness: Tensor) -> Tensor:
    """Inverse of `loudness_of`."""
    return (torch.exp(4 * (loudness.clamp(max=LOUDEST) - 2)) - QUIET**2).clamp(min=0)


class Lapped(Layer):
    """[B, C, S * hop] to coefficients [B, C * hop, S]; those of a step cover its hop and the one before."""

    matrix: Tensor

    def __init__(self, hop: int) -> None:
        super().__init__()
        self.hop = hop
        self.register_buffer("matrix", transform(hop), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            y = self.spectra(turned(F.pad(x, (self.hop, 0)), 1).unfold(-1, 2 * self.hop, self.hop))
        return y.transpose(2, 3).flatten(1, 2)

    def spectra(self, x: Tensor) -> Tensor:
        return x @ self.matrix

    def open(self) -> Step:
        carried: Tensor | None = None

        def step(x: Tensor) -> Tensor:
            nonlocal carried
            if carried is None:
                carried = x.new_zeros(self.hop, x.shape[1])
            x = torch.cat([carried, x])
            carried = x[len(x) - self.hop :]
            return self.spectra(turned(x, 1).unfold(0, 2 * self.hop, self.hop)).flatten(1)

        return step

    def given(self, count: int) -> int:
        return count // self.hop


class Unlapped(Layer):
    """Inverse of Lapped, one hop late: what a step adds to the hop before completes that one."""

    matrix: Tensor

    def __init__(self, hop: int, channels: int) -> None:
        super().__init__()
        self.hop, self.channels = hop, channels
        self.register_buffer("matrix", transform(hop).T.contiguous(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            y = x.unflatten(1, (self.channels, self.hop)).transpose(2, 3).float() @ self.matrix
        early, late = y.split(self.hop, dim=-1)
        return turned((F.pad(early[:, :, 1:], (0, 0, 0, 1)) + late).flatten(2), 1)

    def open(self) -> Step:
        carried: Tensor | None = None

        def step(x: Tensor) -> Tensor:
            nonlocal carried
            early, late = (x.unflatten(1, (self.channels, self.hop)) @ self.matrix).split(self.hop, dim=-1)
            if carried is not None:
                late = torch.cat([carried, late])
            else:
                early = early[1:]
            carried = late[len(early) :] if len(late) else None
            return turned((early + late[: len(early)]).transpose(1, 2).flatten(0, 1), 1)

        return step

    def given(self, count: int) -> int:
        return max(0, count - 1) * self.hop


class Banded(Layer):
    """What the two layers below share: bands of each channel's coefficients."""

    spread: Tensor
    mean: Tensor

    def __init__(self, hop: int, channels: int, bands: int) -> None:
        super().__init__()
        self.hop, self.channels = hop, channels
        edges = bands_of(hop, bands)
        self.bands = len(edges) - 1
        inside = torch.zeros(self.bands, hop)
        for band, (low, high) in enumerate(pairwise(edges)):
            inside[band, low:high] = 1
        self.register_buffer("spread", inside, persistent=False)
        self.register_buffer("mean", (inside / inside.sum(1, keepdim=True)).T.contiguous(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return self.rows(x.transpose(1, 2).float(), 0).transpose(1, 2)

    def rows(self, x: Tensor, at: int) -> Tensor:
        """[..., S, numbers in] to [..., S, numbers out]; the first is step `at` of its stream."""
        raise NotImplementedError


class Described(Banded):
    """Coefficients to what a network learns from: their roots, sign kept, and their loudness by bands."""

    @property
    def size(self) -> int:
        return self.channels * (self.hop + self.bands)

    def energy(self, x: Tensor) -> Tensor:
        """Of coefficients [..., channels * hop] the mean energy by bands [..., channels, bands]."""
        return x.unflatten(-1, (self.channels, self.hop)).square() @ self.mean

    def rows(self, x: Tensor, at: int) -> Tensor:
        loudness = loudness_of(self.energy(x))
        x = x.unflatten(-1, (self.channels, self.hop))
        return torch.cat([(2 * x / (x.abs() + FAINT).sqrt()).flatten(-2), loudness.flatten(-2)], -1)

    def open(self) -> Step:
        return lambda x: self.rows(x, 0)


class Shaped(Banded):
    """What a network says to coefficients: their roots, and how loud bands are of them and noise together.

    Low bands are never filled, nor made softer: there the ear follows the waveform, and noise would be farther from it.

    Losses of sound teach the roots alone: they would have what cannot be foreseen softer, and loudness is known.
    """

    noise: Tensor
    filled: Tensor  # 1 for bands that noise is added in, 0 for low ones

    def __init__(self, hop: int, channels: int, bands: int) -> None:
        super().__init__(hop, channels, bands)
        drawn = np.random.RandomState(0).standard_normal((PERIOD, channels, hop))  # the same in all versions of numpy
        starts = torch.tensor(bands_of(hop, bands)[:-1])
        self.register_buffer("filled", (starts >= UNFILLED * hop).float(), persistent=False)
        self.register_buffer("noise", torch.from_numpy(drawn.astype(np.float32)), persistent=False)

    @property
    def size(self) -> int:
        return self.channels * (self.hop + self.bands)

    @property
    def weight(self) -> Tensor:
        """What the loudness of each band weighs, [bands]."""
        return self.filled + SHAPED * (1 - self.filled)

    def loudness(self, x: Tensor) -> Tensor:
        """Of what a network says [..., numbers in] that of bands [..., channels, bands]."""
        return x[..., self.channels * self.hop :].unflatten(-1, (self.channels, self.bands))

    def shape(self, x: Tensor) -> Tensor:
        """Of what a network says [..., numbers in] the coefficients alone [..., channels, hop]."""
        roots = x[..., : self.channels * self.hop].unflatten(-1, (self.channels, self.hop))
        return roots * (roots.abs() + KNEE) / 4

    def rows(self, x: Tensor, at: int) -> Tensor:
        shape = self.shape(x)
        wanted, own = energy_of(self.loudness(x).detach()) + TINY, shape.square() @ self.mean + TINY
        raised = (wanted / own).maximum(1 - self.filled).clamp(max=RAISED)
        left = (wanted - RAISED * own).clamp(min=0) * self.filled
        drawn = self.noise[torch.arange(at, at + x.shape[-2], device=x.device) % PERIOD]
        return (shape * (raised.sqrt() @ self.spread) + drawn * ((left + TINY).sqrt() @ self.spread)).flatten(-2)

    def open(self) -> Step:
        at = 0

        def step(x: Tensor) -> Tensor:
            nonlocal at
            at += len(x)
            return self.rows(x, at - len(x))

        return step
