"""Players: scripted modules as effects on audio, an export for nn~ with `forward`, and a Neutone model.

A player takes blocks of `block` samples at `rate` and answers `delay` samples later. The delay of
an nn~ export is measured when it is opened. That of a Neutone model is declared, and checked.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from models.codec import Audio, CodecError
from models.scripted import delay, trust
from models.scripted.nn_tilde import BOOL, FLOAT, INTEGER, Call, NnModule, noise_seed
from models.scripted.process import START_S, ScriptedError, ScriptedProcess

PROCESSING = 2  # source of random numbers, beside those of codec.py
LEAST_BOUND = 100.0  # least bound of a control without a range of its own
PARAMETERS = 4  # of a Neutone model
BUFFER = 64  # samples that a Neutone model gets at once
LATE = 1  # samples by which the measured delay of a Neutone model may differ from the declared one


@dataclass(frozen=True)
class PlayerControl:
    """Control of a player; the range is inclusive."""

    name: str
    kind: type  # bool, int or float
    default: float
    low: float
    high: float
    help: str


class Player(Protocol):
    """Module that processes audio. One thread."""

    rate: int  # Hz
    block: int  # samples that it takes at once
    delay: int  # samples by which its output lags, at its rate
    controls: tuple[PlayerControl, ...]
    remarks: tuple[str, ...]  # what the user should know: a doubtful delay, a right that could not be taken

    def process(self, audio: Audio, timeout_s: float) -> Audio:
        """Return the output [C, block] of [C, block]. ScriptedError if the module fails."""
        ...

    def set(self, name: str, value: float) -> None: ...

    def reset(self) -> None:
        """Restore the initial state, and the defaults of the controls."""
        ...

    def close(self) -> None: ...


class NnPlayer:
    """Method `forward` of an nn~ export; a module with one channel has an instance for each."""

    def __init__(self, path: Path, rate: int, channels: int) -> None:
        """Load a trusted file; `rate` is used if it does not name its own. CodecError if it cannot be played."""
        self._module = module = NnModule(path)
        if "forward" not in module.methods:
            raise module.error(f"has no method forward and cannot be an effect. It may be a codec: --a rave:{path}")
        self._forward = forward = module.methods["forward"]
        if (forward.in_ratio, forward.out_ratio) != (1, 1) or max(forward.in_channels, forward.out_channels) > 2:
            raise module.error(
                f"has a method forward from {forward.in_channels} to {forward.out_channels} channels at ratios "
                f"{forward.in_ratio} and {forward.out_ratio}; an effect has 1 or 2 channels, at ratio 1"
            )
        self.rate, self.block = module.rate or rate, math.lcm(module.block, BUFFER)
        single = (forward.in_channels, forward.out_channels) == (1, 1)
        self._instances = channels if single else 1
        self._channels, self._index = channels, 0
        self._streams = [module.process.open_stream(self) for _ in range(self._instances)]
        self._values: dict[str, list[Any]] = {}
        self.controls = tuple(self._controls())
        found = delay.measure(self._whole, channels, self.block)
        self.delay = found.samples
        self.reset()
        self.remarks = (*([] if found.is_exact else [f"the delay of the model is {found}"]), *module.process.gaps)
        trust.remember(module.file)

    def process(self, audio: Audio, timeout_s: float) -> Audio:
        forward, seed = self._forward, noise_seed(PROCESSING, self._index)
        self._index += 1
        if self._instances == 1 and forward.in_channels < len(audio):
            audio = audio.mean(axis=0, keepdims=True, dtype=np.float32)
        parts = np.split(audio, self._instances) if self._instances > 1 else [audio[: forward.in_channels]]
        calls = [Call(stream, forward, seed, part) for stream, part in zip(self._streams, parts, strict=True)]
        made = np.concatenate(self._module.run(calls, timeout_s))
        return np.ascontiguousarray(np.broadcast_to(made, (self._channels, self.block)) if len(made) == 1 else made)

    def set(self, name: str, value: float) -> None:
        """Set an attribute, or element N of the attribute in NAME_N."""
        attribute, at = self._element[name]
        values = self._values[attribute]
        values[at] = type(values[at])(value)
        for stream in self._streams:
            self._module.process.invoke(stream, f"set_{attribute}", *values)

    def reset(self) -> None:
        self._index = 0
        for stream in self._streams:
            self._module.process.reset(stream)
        self._read_values()

    def close(self) -> None:
        self._module.process.close()

    def _whole(self, audio: Audio) -> Audio:
        self.reset()
        chunks = np.split(audio, audio.shape[1] // self.block, axis=1)
        return np.concatenate([self.process(chunk, START_S) for chunk in chunks], axis=1)

    def _read_values(self) -> None:
        """Read the values of the attributes whose elements are all numbers or switches."""
        for name, types in self._module.attributes.items():
            if types and all(kind in (BOOL, INTEGER, FLOAT) for kind in types):
                found = self._module.process.invoke(self._streams[0], f"get_{name}")
                values = list(found) if isinstance(found, list) else [found]
                if len(values) == len(types) and all(isinstance(value, bool | int | float) for value in values):
                    self._values[name] = [_KINDS[kind](value) for kind, value in zip(types, values, strict=True)]

    def _controls(self) -> list[PlayerControl]:
        self._read_values()
        self._element: dict[str, tuple[str, int]] = {}
        found = []
        for attribute, values in self._values.items():
            for at, value in enumerate(values):
                name = control_name(attribute if len(values) == 1 else f"{attribute}_{at}", self._element)
                self._element[name] = attribute, at
                bound = 1.0 if isinstance(value, bool) else max(LEAST_BOUND, 10 * abs(value))
                low = 0.0 if isinstance(value, bool) else -bound
                found.append(PlayerControl(name, type(value), float(value), low, bound, f"attribute {attribute}"))
        return found


class NeutonePlayer:
    """Neutone model; it resamples and buffers by itself, and says how late it is."""

    block = BUFFER

    def __init__(self, path: Path, rate: int, channels: int) -> None:
        """Load a trusted file for this rate. CodecError if it is not a Neutone model or fails."""
        self._file = file = trust.read_trusted(path)
        if not file.metadata or "neutone_parameters" not in file.metadata:
            raise CodecError(f'"{path.name}" has no metadata of Neutone. Pass a .nm file, or nn:{path} for nn~.')
        self._process = ScriptedProcess(file)
        self.rate, self._channels, self._index = rate, channels, 0
        self._row: dict[str, int] = {}
        self.controls = tuple(self._controls(file.metadata["neutone_parameters"]))
        self._stream = self._process.open_stream(self)
        self._params = np.zeros((PARAMETERS, BUFFER), np.float32)
        self.reset()
        names = ("calc_buffering_delay_samples", "calc_model_delay_samples")
        declared = sum(int(self._process.invoke(self._stream, name)) for name in names)
        found = delay.measure(self._whole, channels, BUFFER)
        differs = found.is_exact and abs(found.samples - declared) > LATE
        self.delay = found.samples if differs else max(0, declared)
        said = [f"it declares a delay of {declared} samples and lags by {found.samples}"] if differs else []
        self.remarks = (*said, *self._process.gaps)
        self.reset()
        trust.remember(file)

    def process(self, audio: Audio, timeout_s: float) -> Audio:
        call = {"stream": self._stream, "method": "forward", "seed": noise_seed(PROCESSING, self._index), "inputs": 2}
        self._index += 1
        (made,) = self._process.run([call], [audio, self._params], timeout_s)
        if made.shape != audio.shape:
            raise ScriptedError(f"{self._file.path.name}: returned {list(made.shape)} and not {list(audio.shape)}")
        return made

    def set(self, name: str, value: float) -> None:
        self._params[self._row[name]] = value

    def reset(self) -> None:
        self._index = 0
        self._process.reset(self._stream)
        self._process.invoke(self._stream, "set_daw_sample_rate_and_buffer_size", self.rate, BUFFER)
        self._process.invoke(self._stream, "reset")
        for control in self.controls:
            self.set(control.name, control.default)

    def close(self) -> None:
        self._process.close()

    def _whole(self, audio: Audio) -> Audio:
        self.reset()
        chunks = np.split(audio, audio.shape[1] // BUFFER, axis=1)
        return np.concatenate([self.process(np.ascontiguousarray(c), START_S) for c in chunks], axis=1)

    def _controls(self, given: Any) -> list[PlayerControl]:
        """Return a control for each used parameter, 0 ... 1 as the model gets it."""
        found = []
        for row in range(PARAMETERS):
            facts = given.get(f"p{row + 1}") if isinstance(given, dict) else None
            if not isinstance(facts, dict) or not facts.get("used"):
                continue
            name = control_name(str(facts.get("name") or f"p{row + 1}"), self._row)
            self._row[name] = row
            help_ = str(facts.get("description") or facts.get("name") or name)[:200]
            found.append(PlayerControl(name, float, _unit_default(facts), 0.0, 1.0, help_))
        return found


def control_name(given: str, taken: Any) -> str:
    """Return a name as a control has it, such as wet_level for "Wet Level", that is not taken yet."""
    name = re.sub(r"[^a-z0-9]+", "_", given.lower()).strip("_") or "value"
    number = 2
    unique = name
    while unique in taken:
        unique, number = f"{name}_{number}", number + 1
    return unique


def _unit_default(facts: dict[str, Any]) -> float:
    """Return the default of a Neutone parameter in 0 ... 1."""
    try:
        low, high = float(facts.get("min_value", 0.0)), float(facts.get("max_value", 1.0))
        if "n_values" in facts:  # one of several choices
            high = max(1.0, float(facts["n_values"]) - 1)
        return min(max((float(facts["default_value"]) - low) / (high - low), 0.0), 1.0)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return 0.0


_KINDS: dict[int, type] = {BOOL: bool, INTEGER: int, FLOAT: float}
