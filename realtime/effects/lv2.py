"""LV2 plug-in as an effect. A mono plug-in runs once per channel; one from mono to stereo gets the
mean.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from models.codec import Audio
from realtime.effects.effect import BLOCK, EffectError
from realtime.effects.lilv import ATOM, Lilv, Plugin
from realtime.effects.lv2_features import Features

ATOM_CAPACITY = 8192  # bytes that a plug-in may write to an atom port per block


class _Instance:
    """One running instance with its port buffers."""

    def __init__(self, lilv: Lilv, plugin: Plugin, rate: int, features: Features, values: dict[str, float]) -> None:
        self._lilv, self._features = lilv, features
        self._instance = lilv.instantiate(plugin, rate, features.array)
        descriptor = self._instance.contents.descriptor.contents
        self._handle, self._descriptor = self._instance.contents.handle, descriptor
        self.inputs = np.zeros((len(plugin.audio(inputs=True)), BLOCK), np.float32)
        self.outputs = np.zeros((len(plugin.audio(inputs=False)), BLOCK), np.float32)
        self.controls: dict[str, npt.NDArray[np.float32]] = {}
        self._latency = np.zeros(1, np.float32)
        self._written: list[npt.NDArray[np.uint32]] = []  # output atom ports
        self._kept: list[npt.NDArray[Any]] = []
        connected = {True: 0, False: 0}
        for port in plugin.ports:
            if port.kind == "audio":
                buffers = self.inputs if port.is_input else self.outputs
                memory: npt.NDArray[Any] | None = buffers[connected[port.is_input]]
                connected[port.is_input] += 1
            elif port.kind == "control":
                memory = np.full(1, values.get(port.symbol, 0.0), np.float32)
                if port.is_input:
                    self.controls[port.symbol] = memory
                elif port.index == plugin.latency_port:
                    memory = self._latency
            elif port.kind == "cv":
                memory = np.zeros(BLOCK, np.float32)
            elif port.kind == "atom":
                memory = self._sequence(ATOM_CAPACITY)
                if not port.is_input:
                    self._written.append(memory)
            else:
                memory = None
            if memory is not None:
                self._kept.append(memory)
            descriptor.connect_port(self._handle, port.index, None if memory is None else memory.ctypes.data)
        if descriptor.activate:
            descriptor.activate(self._handle)

    def run(self) -> None:
        """Process a block from `inputs` to `outputs`."""
        for memory in self._written:
            memory[:2] = ATOM_CAPACITY, self._features.urid(ATOM + "Chunk")
        self._descriptor.run(self._handle, BLOCK)

    @property
    def latency(self) -> int:
        """Latency in samples as reported in the last block."""
        return round(float(self._latency[0]))

    def free(self) -> None:
        """Deactivate and free the instance."""
        if self._descriptor.deactivate:
            self._descriptor.deactivate(self._handle)
        self._lilv.free(self._instance)

    def _sequence(self, capacity: int) -> npt.NDArray[np.uint32]:
        """Return an empty atom sequence: LV2_Atom (size, type), then the body's unit and pad."""
        memory = np.zeros(2 + capacity // 4, np.uint32)
        memory[:2] = 8, self._features.urid(ATOM + "Sequence")
        return memory


class Lv2Effect:
    """Plug-in by its URI. EffectError if it is not installed or does not fit a rack."""

    def __init__(self, uri: str, rate: int, channels: int) -> None:
        self._lilv = Lilv()
        self._plugin = self._lilv.plugin(uri)
        if self._plugin.problem:
            raise EffectError(f"{self._plugin.name} {self._plugin.problem}")
        self._rate, self._channels = rate, channels
        self._features = Features(rate)
        self.controls = self._plugin.controls(rate)
        self._values = {control.name: control.default for control in self.controls}
        self._remarks: list[str] = []
        self._running: list[_Instance] = []
        self.reset()
        self.latency = self._reported = 0
        self.process(np.zeros((channels, BLOCK), np.float32))  # it reports its latency when it runs
        self.latency = self._reported
        self._remarks.clear()
        self.reset()

    def process(self, block: Audio) -> Audio:
        if len(self._running) > 1:
            for channel, running in enumerate(self._running):
                running.inputs[0] = block[channel]
                running.run()
            out = np.concatenate([running.outputs for running in self._running])
        else:
            running = self._running[0]
            running.inputs[:] = block if len(running.inputs) > 1 else block.mean(axis=0)
            running.run()
            out = running.outputs.copy()
        if self._plugin.latency_port is not None and self._running[0].latency != self._reported:
            self._reported = self._running[0].latency
            self._remarks.append(
                f"now has a latency of {self._reported} samples, {self.latency} were planned: its output is off by "
                f"{self._reported - self.latency} samples = "
                f"{1000 * (self._reported - self.latency) / self._rate:.1f} ms"
            )
        return out

    def set(self, name: str, value: float) -> None:
        self._values[name] = value
        for running in self._running:
            running.controls[name][0] = value

    def reset(self) -> None:
        self.close()
        mono = len(self._plugin.audio(inputs=False)) == 1
        self._running = [
            _Instance(self._lilv, self._plugin, self._rate, self._features, self._values)
            for _ in range(self._channels if mono else 1)
        ]

    def remarks(self) -> list[str]:
        remarks, self._remarks = self._remarks, []
        return remarks

    def close(self) -> None:
        for running in self._running:
            running.free()
        self._running = []
