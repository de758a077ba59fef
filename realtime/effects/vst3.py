"""VST3 plug-ins by pedalboard, an optional package under the GPL-3: `pip install 'verdigris[vst]'`.

A copy of Verdigris with pedalboard in it can be passed on under the GPL only. Controls are the
plug-in's parameters as hosts automate them, 0 ... 1. Some effects, such as PitchShift, return
nothing for small blocks and more later (pedalboard#415); the rack detects that and bypasses them.
"""

from __future__ import annotations

import numpy as np

from models.codec import Audio
from realtime.effects.effect import BLOCK, Control, EffectError

MISSING = (
    "VST3 needs pedalboard, which is not installed. It is under the GPL-3, and so is a copy that includes it. "
    "To install it: pip install 'verdigris[vst]'"
)


class VstEffect:
    """One stereo plug-in."""

    def __init__(self, path: str, rate: int, channels: int) -> None:
        try:
            import pedalboard
        except ImportError:
            raise EffectError(MISSING) from None
        self._rate = rate
        try:
            self._plugin = pedalboard.load_plugin(path)
        except (ImportError, ValueError) as error:
            raise EffectError(f"cannot be loaded ({error})") from None
        if not self._plugin.is_effect:
            raise EffectError("is an instrument. Pass an effect")
        self.controls = tuple(
            Control(name, float, parameter.raw_value, 0.0, 1.0, f"{parameter.name}, 0 ... 1")
            for name, parameter in self._plugin.parameters.items()
        )
        self._channels, self._ready = channels, np.zeros((channels, 0), np.float32)
        self._run(np.zeros((channels, BLOCK), np.float32))  # it reports its latency when it runs
        self.latency = int(self._plugin.reported_latency_samples)
        self.reset()

    def process(self, block: Audio) -> Audio:
        joined = np.concatenate([self._ready, self._run(block)], axis=1)
        out, self._ready = joined[:, : block.shape[1]], joined[:, block.shape[1] :]
        return out

    def _run(self, block: Audio) -> Audio:
        made: Audio = self._plugin.process(block, self._rate, buffer_size=BLOCK, reset=False)
        return made

    def set(self, name: str, value: float) -> None:
        self._plugin.parameters[name].raw_value = value

    def reset(self) -> None:
        self._plugin.reset()
        # after a reset pedalboard drops as many samples as the plug-in has latency
        self._ready = np.zeros((self._channels, self.latency), np.float32)

    def remarks(self) -> list[str]:
        return []

    def close(self) -> None:
        pass
