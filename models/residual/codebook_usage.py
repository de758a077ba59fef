"""Usage statistics of codebooks, as training logs them and `verdigris evaluate` prints them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class CodebookUsage:
    """Statistics of one codebook over a number of tokens."""

    use: float  # part of the entries that occurred, 0 to 1
    perplexity: float  # number of equally likely entries with the same entropy
    dead: int  # entries that did not occur
    bits: float  # entropy of a token: the bit rate of an ideal coder without context


def codebook_usage(tokens: npt.NDArray[np.integer], size: int) -> list[CodebookUsage]:
    """Return the usage of each column of tokens [n, K] in 0 ... size - 1.

    n should be far above `size`, because fewer tokens cannot occupy all entries.
    """
    found = []
    for column in tokens.T:
        counts = np.bincount(column, minlength=size)
        share = counts[counts > 0] / len(column)
        bits = float(-(share * np.log2(share)).sum())
        found.append(CodebookUsage(float((counts > 0).mean()), 2.0**bits, int((counts == 0).sum()), bits))
    return found
