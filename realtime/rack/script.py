"""An effect in a Python file of the player's own, on numpy arrays, run again when it is saved.

The file defines `process(block, params)`: float32 [C, n] in, as much out. If it has them: LATENCY, samples that it
makes it late; CONTROLS, {name: (default, low, high)}, which come as `params`. Both count as the file is first opened.
"""

from __future__ import annotations

from typing import Any

from models.codec import Audio
from realtime.rack.effect import Control, EffectError
from realtime.rack.player_file import PlayerFile


class Script:
    """One. EffectError if the file cannot be run at all: its latency and its controls are in it."""

    def __init__(self, path: str, rate: int, channels: int) -> None:
        self._rate = rate
        self._file = PlayerFile(path)
        self.reset()
        names = self._file.names
        if names is None:
            raise EffectError(self._file.remarks()[-1].partition(";")[0])
        try:
            self.latency = int(names.get("LATENCY", 0))
            given = dict(names.get("CONTROLS", {}))
            self.controls = tuple(
                Control(name, float, float(default), float(low), float(high))
                for name, (default, low, high) in given.items()
            )
            if not all(control.name.isidentifier() for control in self.controls):
                raise ValueError("a name is no identifier")
        except (TypeError, ValueError) as error:
            raise EffectError(
                f"LATENCY or CONTROLS cannot be read ({error}). Write LATENCY = samples, CONTROLS = "
                "{name: (default, low, high)}"
            ) from None
        self._params = {control.name: control.default for control in self.controls}

    def process(self, block: Audio) -> Audio | None:
        if self._file.changed():
            self.reset()
        if self._file.names is None:
            return None
        try:
            made: Audio = self._file.names["process"](block, dict(self._params))
            return made
        except (Exception, SystemExit):  # noqa: BLE001 - it is not our code
            self._file.fail()
            return None

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
        raise TypeError("it has no function process(block, params)")
