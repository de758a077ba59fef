"""How well codebooks are used: what training logs, and what a live slot can be asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Health:
    """Of one codebook, over the tokens seen."""

    use: float  # part of the entries that occurred
    perplexity: float  # as many equally likely entries would be as hard to guess
    dead: int  # entries that did not occur
    bits: float  # entropy of a token: what a coder that knows no context could reach


def health(tokens: npt.NDArray[np.integer], size: int) -> list[Health]:
    """Of each column of tokens [n, K], values 0 ... size - 1. n should be far above size, or use is short for it."""
    found = []
    for column in tokens.T:
        counts = np.bincount(column, minlength=size)
        share = counts[counts > 0] / len(column)
        bits = float(-(share * np.log2(share)).sum())
        found.append(Health(float((counts > 0).mean()), 2.0**bits, int((counts == 0).sum()), bits))
    return found
