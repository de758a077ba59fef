"""Effect in the user's own Python file, on numpy arrays, run again when it is saved.

The file defines `process(block, params)`: float32 [C, n] in, as much out. Optional: LATENCY, in
samples; CONTROLS, {name: (default, low, high)}, whose values come as `params`. Both are read when
the effect is opened.
"""

from __future__ import annotations

import math
import reprlib
from typing import Any

import numpy as np

from models.codec import Audio
from realtime.effects.effect import Control, EffectError
from realtime.effects.hot_reload import HotReloadedFile

LARGEST = float(np.finfo(np.float32).max)  # the largest number of OSC
VALID = "The file needs def process(block, params): float32 [channels, 64] in, as much out"
VALID_CONTROLS = 'Write CONTROLS = {"name": (default, low, high)}, low <= default <= high, each name an identifier'


class NumpyScript:
    """Effect of one file. EffectError if it cannot be run: its latency and controls are in it."""

    def __init__(self, path: str, rate: int, channels: int) -> None:
        self._rate = rate
        self._file = HotReloadedFile(path)
        self.reset()
        names = self._file.names
        if names is None:
            raise EffectError(f"{self._file.remarks()[-1].partition(';')[0]}. {VALID}")
        self.latency = self._file.latency
        self.controls = _controls(names.get("CONTROLS", {}))
        self._params = {control.name: control.default for control in self.controls}

    def process(self, block: Audio) -> Audio | None:
        if self._file.changed():
            self.reset()
        if self._file.names is None:
            return None
        try:
            given = self._file.names["process"](block, dict(self._params))
            made = np.asarray(given)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - it is user code
            self._file.fail(error)
            return None
        if made.shape != block.shape or made.dtype.kind not in "fiu":
            what = f"{made.dtype} {list(made.shape)}" if isinstance(given, np.ndarray) else type(given).__name__
            raise EffectError(f"returned {what}, not float32 {list(block.shape)}")
        return made.astype(np.float32, copy=False)

    def set(self, name: str, value: float) -> None:
        self._params[name] = value

    def reset(self) -> None:
        self._file.run({"RATE": self._rate}, _check)

    def remarks(self) -> list[str]:
        return self._file.remarks()

    def close(self) -> None:
        pass


def _check(names: dict[str, Any]) -> None:
    if not callable(names.get("process")):
        raise EffectError("it has no function process(block, params)")


def _controls(given: Any) -> tuple[Control, ...]:
    if not isinstance(given, dict):
        raise EffectError(f"CONTROLS is {reprlib.repr(given)}. {VALID_CONTROLS}")
    return tuple(_control(name, row) for name, row in given.items())


def _control(name: Any, row: Any) -> Control:
    try:
        default, low, high = map(float, row)
    except (TypeError, ValueError, OverflowError):
        default = low = high = math.nan
    if not (str(name).isidentifier() and -LARGEST <= low <= default <= high <= LARGEST):  # False for NaN
        raise EffectError(f"CONTROLS has {name!r}: {reprlib.repr(row)}. {VALID_CONTROLS}")
    return Control(str(name), float, default, low, high)
