"""A pyo patch: a Python file that hears Input() and plays with out(), run again when it is saved.

https://belangeo.github.io/pyo/. The server is ours, in manual mode: no sound card, one block at a time; the file makes
none. It finds everything of pyo and three controls, x, y and z, 0 ... 1 as gliding signals. A patch that hears no
Input() is a source. What is random in it is seeded, so that it can be repeated.
"""

from __future__ import annotations

import ctypes
import gc
import random
from typing import Any

import numpy as np
import pyo

from models.codec import Audio
from realtime.rack.effect import BLOCK, Control, EffectError
from realtime.rack.player_file import PlayerFile

SEED = 1
GLIDE_S = 0.02
START_UP_S = 0.006  # a server begins with a ramp of 5 ms
CONTROLS = tuple(Control(name, float, 0.0, 0.0, 1.0, f"the patch's {name}") for name in "xyz")


class Patch:
    """One; a process has one server, so it has one patch."""

    controls = CONTROLS

    def __init__(self, path: str, rate: int, channels: int) -> None:
        self._rate, self._channels = rate, channels
        self._file = PlayerFile(path)
        self._values = dict.fromkeys("xyz", 0.0)
        self._signals: dict[str, pyo.SigTo] = {}
        self._boot()
        self._run()
        self.latency = self._file.latency

    def process(self, block: Audio) -> Audio | None:
        if self._file.changed():
            self.reset()
        if self._file.names is None:
            return None
        self._in[:] = block.T
        self._server.process()
        return self._out.T.copy()

    def set(self, name: str, value: float) -> None:
        self._values[name] = value
        if self._file.names is not None:
            self._signals[name].value = value

    def reset(self) -> None:
        self._file.names = None
        self._signals.clear()
        gc.collect()  # what the patch made is in circles
        self._server.stop()
        self._server.shutdown()
        self._boot()
        self._run()

    def _run(self) -> None:
        names = {name: getattr(pyo, name) for name in dir(pyo) if not name.startswith("_")} | {"Server": _no_server}
        # a fresh one begins at its value; it glides to what comes later
        self._signals = {name: pyo.SigTo(value, time=GLIDE_S, init=value) for name, value in self._values.items()}
        self._server.setGlobalSeed(SEED)
        random.seed(SEED)
        self._file.run(names | self._signals)

    def _boot(self) -> None:
        self._server = server = pyo.Server(
            sr=self._rate,
            nchnls=self._channels,
            ichnls=self._channels,
            buffersize=BLOCK,
            duplex=1,
            audio="manual",
            verbosity=0,
        )
        server.deactivateMidi()
        server.boot()
        server.start()
        self._in, self._out = self._view(server.getInputAddr()), self._view(server.getOutputAddr())
        self._in[:] = 0.0
        for _ in range(int(START_UP_S * self._rate / BLOCK) + 1):
            server.process()

    def _view(self, address: str) -> np.ndarray[Any, np.dtype[np.float32]]:
        """[BLOCK, C] of the server's memory."""
        memory = (ctypes.c_float * (BLOCK * self._channels)).from_address(int(address, 16))
        return np.ctypeslib.as_array(memory).reshape(BLOCK, self._channels)

    def remarks(self) -> list[str]:
        return self._file.remarks()

    def close(self) -> None:
        pass


def _no_server(*_: object, **__: object) -> None:
    raise EffectError("the server is there already. Leave Server, boot, start and gui out of the file")
