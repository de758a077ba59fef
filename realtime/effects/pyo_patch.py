"""Pyo patch: a Python file that reads Input() and plays with out(), run again when it is saved.

https://belangeo.github.io/pyo/. This module runs the pyo server in manual mode: no sound card, one
block at a time. The file must not make one. All names of pyo are defined in it, and three controls,
x, y and z, 0 ... 1, as gliding signals. A patch without Input() is a source. Random numbers are
seeded, so that the sound can be repeated.
"""

from __future__ import annotations

import ctypes
import gc
import random
from typing import Any

import numpy as np
import pyo

from models.codec import Audio
from realtime.effects.effect import BLOCK, Control, EffectError
from realtime.effects.hot_reload import HotReloadedFile

SEED = 1
GLIDE_S = 0.02
START_UP_S = 0.006  # a server fades in for 5 ms
CONTROLS = tuple(Control(name, float, 0.0, 0.0, 1.0, f"the patch's {name}") for name in "xyz")


class PyoPatch:
    """Patch of this process. A process has one pyo server, and so one patch."""

    controls = CONTROLS

    def __init__(self, path: str, rate: int, channels: int) -> None:
        self._rate, self._channels = rate, channels
        self._file = HotReloadedFile(path)
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
        gc.collect()  # objects of the patch refer to each other
        self._server.stop()
        self._server.shutdown()
        self._boot()
        self._run()

    def _run(self) -> None:
        names = {name: getattr(pyo, name) for name in dir(pyo) if not name.startswith("_")} | {"Server": _no_server}
        # a new signal begins at its value and glides to later ones
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
        """Return the server's buffer at this address as [BLOCK, C]."""
        memory = (ctypes.c_float * (BLOCK * self._channels)).from_address(int(address, 16))
        return np.ctypeslib.as_array(memory).reshape(BLOCK, self._channels)

    def remarks(self) -> list[str]:
        return self._file.remarks()

    def close(self) -> None:
        pass


def _no_server(*_: object, **__: object) -> None:
    raise EffectError("the server runs already. Leave Server, boot, start and gui out of the file")
