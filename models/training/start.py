"""The weights training starts from.

arXiv 2509.09836 and the released layout: residual branches, and all that depends on the noise level, begin at zero, so
that a signal first passes straight through. Two things differ from it: the codes begin spread over their range, and the
spectral head is not zero, because the warm start learns both directly. A network with a prior (`models.prior`) begins
as that prior alone: neither codes nor spectrum have anything else in them.
"""

from __future__ import annotations

import math

import torch

from models.network import CoDiCodecNetwork

ZERO = ("conv2.weight", "attention.out.weight", "mlp.narrow.weight", "project.weight", "project.bias", "gains.4.weight")


@torch.no_grad()
def initialise(network: CoDiCodecNetwork, seed: int) -> CoDiCodecNetwork:
    """Set every weight from the seed. Returns the network."""
    generator = torch.Generator().manual_seed(seed)
    for name, weight in network.named_parameters():
        if name.endswith("gain"):
            weight.fill_(1)
        elif name.endswith("bias") or name.endswith(ZERO):
            weight.zero_()
        else:
            noise = torch.randn(weight.shape, generator=generator)
            weight.copy_(noise / math.sqrt(_inputs(name, weight)))
    if network.config.bands:
        network.denoiser_out.head.weight.zero_()  # type: ignore[operator]
        network.expander_stack.head.weight.zero_()  # type: ignore[operator]
        network.to_codes.weight.zero_()  # type: ignore[operator]
    return network


LOW_SHARE = 1 / 2  # of a frame's digits: the low band's at first


def fit_prior(network: CoDiCodecNetwork, spectra: torch.Tensor) -> None:
    """Begin with what needs no training: the prior's matrices, from spectra [N, 4, bins, columns]."""
    assert network.prior is not None
    network.prior.fit(spectra, round(LOW_SHARE * math.prod(network.prior.codes)))


def _inputs(name: str, weight: torch.Tensor) -> float:
    """Values that are summed into one output; of a transposed convolution the first dimension."""
    if weight.dim() == 3:  # a projection of each latent's own
        return weight.shape[-1]
    if weight.dim() == 4 and (name.endswith("head.weight") or "_out." in name or "expander_stack" in name):
        transposed = weight.shape[1] < weight.shape[0]
        return weight.shape[0] if transposed else weight[0].numel()
    return weight[0].numel() if weight.dim() > 1 else weight.numel()
