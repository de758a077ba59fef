"""An effect for tests: turns over what it hears, after it was told to work; until then it gives too little."""

from __future__ import annotations

import numpy as np

CONTROLS = {"works": (0.0, 0.0, 1.0)}


def process(block: np.ndarray, params: dict[str, float]) -> np.ndarray:
    return -block if params["works"] else block[:, 1:]
