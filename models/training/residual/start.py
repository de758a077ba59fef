"""Where a swift network starts: with what one matrix can tell, which needs no training.

    loudness of bands ──(principal axes)──► a third of the latent's channels ──(the same, back)──► loudness
    the lowest coefficients' roots ───────► a quarter of its channels ───────────────────────────► their roots

The network's part is added to both, and the rest is its own; books start as k-means of all of it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from models.lapped import Described, Shaped
from models.residual import ResidualNetwork
from models.steppable import Conv, Layer, Residual
from models.training.data import Pack

STRETCHES, SAMPLES = 96, 48000  # of sound to fit to
SIDE = 4  # one in so many of the lowest coefficients is the side's


@torch.no_grad()
def fit(network: ResidualNetwork, pack: Pack, seed: int = 0) -> ResidualNetwork:
    """Set the matrices beside encoder and decoder, and books, from stretches of the pack. Returns the network."""
    audio = pack.draw(np.random.default_rng([seed, 1]), STRETCHES, SAMPLES)
    lapped, seen, told = network.encoder.layers
    said, made, _ = network.decoder.layers
    assert isinstance(seen, Described)
    assert isinstance(made, Shaped)
    (into, first), (back, last) = _parts(told), _parts(said)
    for layer in (into, back):
        layer.weight.zero_()
        layer.bias.zero_()
    width, bands = len(into.bias), seen.channels * seen.bands
    loud, low = width // 3, width // 4
    weight = made.weight.repeat(seen.channels)
    mean, axes = _principal(weight * torch.cat([seen(lapped(item[None]))[0, -bands:].T for item in audio]), loud)
    into.weight[-loud:, -bands:, 0], into.bias[-loud:] = axes.T * weight, -(mean @ axes)
    back.weight[-bands:, -loud:, 0], back.bias[-bands:] = axes / weight[:, None], mean / weight
    side = low // SIDE if seen.channels == 2 else 0
    for channel, place in enumerate([*range(low - side), *range(seen.hop, seen.hop + side)]):
        into.weight[channel, place] = back.weight[place, channel] = 1
    first.weight[:low] = first.weight[-loud:] = last.weight[:] = 0  # nothing yet beside what the matrices tell
    network.quantiser(torch.cat([network.encoder(item[None]) for item in audio], 2))
    return network


def _parts(layer: Layer) -> tuple[Conv, Conv]:
    """The matrix beside a network, and the network's last."""
    assert isinstance(layer, Residual)
    beside, last = layer.shortcut, layer.block.layers[-1]
    assert isinstance(beside, Conv)
    assert isinstance(last, Conv)
    return beside, last


def _principal(rows: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Of rows [n, numbers] the mean [numbers] and the axes along which they spread most [numbers, count]."""
    mean = rows.mean(0)
    return mean, torch.linalg.eigh((rows - mean).T @ (rows - mean))[1][:, -count:]
