"""Initial weights of CoDiCodec networks.

As in arXiv 2509.09836 and its released layout, residual branches and everything that depends on the
noise level start at zero, so that a signal passes unchanged at first. Two things differ: codes
start spread over their range, and the spectral head does not start at zero, because pretraining
trains both directly. With a start (`models.codicodec.start`) heads are zero: the learnt part adds
nothing at first.
"""

from __future__ import annotations

import math

import torch

from models.codicodec.network import CoDiCodecNetwork

ZERO = ("conv2.weight", "attention.out.weight", "mlp.narrow.weight", "project.weight", "project.bias", "gains.4.weight")


@torch.no_grad()
def initialise(network: CoDiCodecNetwork, seed: int) -> CoDiCodecNetwork:
    """Set every weight from the seed, and return the network."""
    generator = torch.Generator().manual_seed(seed)
    for name, weight in network.named_parameters():
        if name.endswith("gain"):
            weight.fill_(1)
        elif name.endswith("bias") or name.endswith(ZERO):
            weight.zero_()
        else:
            noise = torch.randn(weight.shape, generator=generator)
            weight.copy_(noise / math.sqrt(_inputs(name, weight)))
    if network.config.start:
        network.denoiser_out.head.weight.zero_()  # type: ignore[operator]
        network.expander_stack.head.weight.zero_()  # type: ignore[operator]
    return network


def _inputs(name: str, weight: torch.Tensor) -> float:
    """Return the number of values summed into one output.

    For transposed convolutions, the first dimension.
    """
    if weight.dim() == 3:  # a projection for each latent
        return weight.shape[-1]
    if weight.dim() == 4 and (name.endswith("head.weight") or "_out." in name or "expander_stack" in name):
        transposed = weight.shape[1] < weight.shape[0]
        return weight.shape[0] if transposed else weight[0].numel()
    return weight[0].numel() if weight.dim() > 1 else weight.numel()
