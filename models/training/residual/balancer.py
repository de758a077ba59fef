"""EnCodec's loss balancer (arXiv 2210.13438, section 3.4): a loss's weight is its share of the
gradient.

    g_i = d loss_i / d output        sent back:  sum over i of  total * (w_i / sum of w) * g_i / mean(|g_i|)

The mean is a running one. The scale of a loss has no influence; it differs by orders of magnitude
and changes during training.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


class Balancer:
    """Weights by loss, and the running means of the norms of their gradients."""

    def __init__(self, weights: Mapping[str, float], decay: float = 0.999, total: float = 1.0) -> None:
        self.weights, self.decay, self.total = dict(weights), decay, total
        self.sums: dict[str, float] = {}  # decayed sums of norms
        self.counts: dict[str, float] = {}  # decayed counts of batches; the quotient is unbiased from the start

    def gradient(self, losses: Mapping[str, Tensor], output: Tensor) -> tuple[Tensor, dict[str, float]]:
        """Return the gradient to send back into `output`, and the norm of each loss's own gradient.

        Losses of weight 0 are left out. KeyError if a loss has no weight.
        """
        share = sum(self.weights[name] for name in losses)
        gradient = torch.zeros_like(output)
        norms: dict[str, float] = {}
        for name, loss in losses.items():
            if not self.weights[name]:
                continue
            (own,) = torch.autograd.grad(loss, output, retain_graph=True)
            norms[name] = norm = float(own.norm())
            self.sums[name] = self.decay * self.sums.get(name, 0.0) + norm
            self.counts[name] = self.decay * self.counts.get(name, 0.0) + 1
            mean = self.sums[name] / self.counts[name]
            gradient += own * (self.total * self.weights[name] / share / max(mean, 1e-12))
        return gradient, norms
