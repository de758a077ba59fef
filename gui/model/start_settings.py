"""Settings that the next engine starts with: codecs, latency, source, device, effects.

They follow the running engine, so that Start and the next run of the window play what played last.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from realtime.parameters.table import Parameter

FLAGS = {  # of `verdigris live`, for parameters that are fixed while a stream runs
    "driver": "--driver",
    "device.input": "--input-device",
    "device.output": "--output-device",
    "device.input_channels": "--input-channels",
    "device.output_channels": "--output-channels",
    **{name: f"--{name}" for name in ("rate", "block", "latency")},
    "a.codec": "--a",
    "b.codec": "--b",
}
RACKS = {"pre": "--pre", "a.post": "--post-a", "b.post": "--post-b"}  # flags of effects, by place
EFFECTS, CONTROLS = "effects", "effect controls"  # keys of the saved state
FOLLOWED = ("a.codec", "b.codec", "latency")  # parameters of a running engine that are remembered
CHANNELS = ("device.input_channels", "device.output_channels")
DEVICE = ("driver", "device.input", "device.output", *CHANNELS, "rate", "block", "latency")  # chosen together
INPUT, CAPTURE = "input", "capture"  # sources that are not files
SAFE = ("--driver", "clock", "--a", "nano:discrete", "--b", "opus:24")


class StartSettings:
    """Values of the next start by parameter, as text; a missing one is left to the engine."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.effects: dict[str, str] = {}  # KIND:WHERE by place and number
        self.controls: dict[str, str] = {}  # values of their controls that differ from the defaults
        self.starting = 0  # process of the last engine that was started and has not played; 0: none

    def follow(self, values: Mapping[str, Any]) -> None:
        """Take over what a running engine plays."""
        for name in FOLLOWED:
            self.choose(name, str(values[name] or ""))
        if values["source"] != CAPTURE:
            self.choose("source", "" if values["source"] == INPUT else str(values["source"]))

    def follow_effects(
        self, effects: Mapping[str, str], table: Mapping[str, Parameter], values: Mapping[str, Any]
    ) -> None:
        """Take over the effects that a running engine plays, and how they are set."""
        self.effects = dict(effects)
        rows = [row for name, row in table.items() if name.rpartition(".")[0] in effects]
        self.controls = {row.name: _as_text(values[row.name]) for row in rows if values[row.name] != row.default}

    def gone(self) -> list[str]:
        """Return the remembered effects whose file is not there any more; flags leave them out."""
        return [effect for effect in self.effects.values() if not _is_there(effect)]

    def choose(self, name: str, text: str) -> None:
        """Set one value; empty text leaves it to the engine."""
        if text:
            self.values[name] = text
        else:
            self.values.pop(name, None)

    def choose_device(self, wanted: Mapping[str, str]) -> None:
        """Set the values that are chosen together, device to latency; missing ones are left to the
        engine.
        """
        for name in DEVICE:
            self.choose(name, wanted.get(name, ""))

    def flags(self) -> list[str]:
        """Return the flags of `verdigris live`."""
        found = [part for name, flag in FLAGS.items() if name in self.values for part in (flag, self.values[name])]
        found += ["--set", f"source={self.values['source']}"] if "source" in self.values else []
        counts = dict.fromkeys(RACKS, 0)
        for at, effect in self.effects.items():
            place = at.rpartition(".")[0]
            if not _is_there(effect):
                continue
            counts[place] += 1
            found += [RACKS[place], effect]
            for name, text in self.controls.items():
                if name.startswith(f"{at}."):
                    found += ["--set", f"{place}.{counts[place]}.{name.rpartition('.')[2]}={text}"]
        return found

    def state(self) -> dict[str, Any]:
        """Return what is saved for the next run of the window."""
        return {**self.values, EFFECTS: self.effects, CONTROLS: self.controls}

    def restore(self, stored: Mapping[str, Any]) -> None:
        """Restore saved values; unknown names and other types are skipped."""
        for name, text in stored.items():
            if name in (*FLAGS, "source") and isinstance(text, str):
                self.choose(name, text)
        effects, controls = (
            {str(at): str(text) for at, text in found.items()} if isinstance(found := stored.get(key), dict) else {}
            for key in (EFFECTS, CONTROLS)
        )
        self.effects = {at: effect for at, effect in effects.items() if at.rpartition(".")[0] in RACKS}
        self.controls = {name: text for name, text in controls.items() if name.rpartition(".")[0] in self.effects}


def _as_text(value: Any) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def _is_there(effect: str) -> bool:
    """Return False for an effect whose file is gone: KIND:FILE or KIND:FILE#NAME."""
    path = effect.partition(":")[2].partition("#")[0]
    return not Path(path).is_absolute() or Path(path).exists()
