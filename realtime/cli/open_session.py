"""Session of `live`, from its arguments: parameters, driver, source, settings."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from realtime.cli import devices, effect_flags, flags
from realtime.demo import CLIP
from realtime.drivers.driver import OpenDriver
from realtime.drivers.registry import DRIVERS
from realtime.effects.effect import Racks
from realtime.effects.pyo_source import PatchSource, is_patch
from realtime.engine.engine_settings import Settings
from realtime.files import audio_file
from realtime.files.audio_file import AudioReader
from realtime.osc.server import PORT
from realtime.parameters.effect_rows import is_control
from realtime.parameters.table import PARAMETERS, ParameterError, When, parse_assignment
from realtime.recording.wav_recorder import check_directory
from realtime.session.config import SessionConfig
from realtime.timeline.monitor_mix import uses_b

Values = dict[str, Any]  # parameters by name
LOG = logging.getLogger("verdigris.session")
RANDOM_BLOCK = 1024  # samples, the largest of --block random
_FLAGS = {  # by parameter
    "driver": "driver",
    "device.input": "input_device",
    "device.output": "output_device",
    "device.input_channels": "input_channels",
    "device.output_channels": "output_channels",
}


def open_session(arguments: argparse.Namespace, schedule: Sequence[tuple[float, str, Any]] = ()) -> SessionConfig:
    """Check the arguments, open driver and source, and return the session.

    Raises any of START_ERRORS.
    """
    fixed, values = given_parameters(arguments)
    arguments = _with_parameters(arguments, {name: fixed[name] for name in _FLAGS if name in fixed})
    seconds = None if arguments.seconds is None else flags.seconds(arguments.seconds)
    slot_a, slot_b = slots(fixed)
    _check_values(values, has_b=slot_b is not None)
    _check_input(arguments, seconds)
    racks = effect_flags.racks(arguments, offline=arguments.driver == "file")
    driver, device = devices.open_for(arguments, fixed.get("rate"), fixed.get("block"))
    try:
        source = _open_source(arguments, driver, device, fixed.get("rate"), racks)
    except BaseException:
        device.stop()
        raise
    random = arguments.block == "random"
    settings = Settings(
        rate=device.rate or (source.rate if source else 0),
        block=device.block or (RANDOM_BLOCK if random else fixed.get("block", PARAMETERS["block"].default)),
        slot_a=slot_a,
        slot_b=slot_b,
        latency=fixed.get("latency", 0),
        precision=fixed.get("precision", PARAMETERS["precision"].default),
        offline=DRIVERS[driver].offline,
        racks=racks,
    )
    return SessionConfig(
        settings=settings,
        driver=driver,
        block="random" if random else settings.block,
        source=source,
        seconds=seconds,
        record=arguments.record,
        report=arguments.report,
        values=values,
        schedule=schedule,
        device=device,
        osc=osc_port(arguments),
        reopen=lambda changed: open_session(_with_parameters(arguments, {"driver": driver, **changed})),
    )


def given_parameters(arguments: argparse.Namespace) -> tuple[Values, Values]:
    """Return the parameters of --set and their own flags: those that need a new stream, and the
    others.
    """
    assignments = [parse_assignment(text) for text in arguments.set]
    assignments.sort(key=lambda assignment: assignment[0] == "record")  # last, after its directory
    values = dict(assignments) | flags.given_parameters(
        arguments,
        *("monitor", "adapt", "a.codec", "b.codec", "rate", "latency", "precision"),
        *(() if arguments.block == "random" else ("block",)),
    )
    fixed = {
        name: values.pop(name)
        for name in list(values)
        if not is_control(name) and PARAMETERS[name].when in (When.LOAD, When.RESTART)
    }
    return fixed, values


def slots(fixed: Mapping[str, Any]) -> tuple[tuple[str, str | None], tuple[str, str | None] | None]:
    """Return codec and path of slots A and B, given or default; None for B if it is off."""
    a, b = (fixed.get(name, PARAMETERS[name].default) for name in ("a.codec", "b.codec"))
    return flags.slot_a(a), flags.slot_b(b)


def osc_port(arguments: argparse.Namespace) -> int | None:
    """Return the port of OSC, or None for no OSC: by default if the stream does not run in real
    time.
    """
    given = arguments.osc
    if given is None:
        return None if arguments.driver == "file" else PORT
    if given == "off":
        return None
    if not (given.isascii() and given.isdecimal() and int(given) <= 65_535):
        raise ParameterError(
            f'--osc "{given}" is not allowed. Pass a port from 1 to 65535, 0 for any free one, or off.'
        )
    return int(given)


def _with_parameters(arguments: argparse.Namespace, changed: Mapping[str, Any]) -> argparse.Namespace:
    """Return the arguments as if these parameters had been given by flags.

    Naming a card chooses its driver; another driver forgets the cards.
    """
    changed = dict(changed)
    if racks := changed.pop("racks", None):
        arguments = effect_flags.with_racks(arguments, racks)
    if changed.get("device.input") or changed.get("device.output"):
        changed = {**changed, "driver": "device"}
    elif "driver" in changed and not DRIVERS[changed["driver"]].has_devices:
        cards = ("input_device", "output_device", "input_channels", "output_channels")
        arguments = argparse.Namespace(**{**vars(arguments), **dict.fromkeys(cards)})
    given = {_FLAGS.get(name, name.removesuffix(".codec")): str(value) or None for name, value in changed.items()}
    return argparse.Namespace(**{**vars(arguments), **given})


def _check_values(values: Values, *, has_b: bool) -> None:
    """Raise ParameterError or FileError for values that cannot hold when the stream begins."""
    for name, value in values.items():
        if name.endswith(".bend.file") and value and not Path(value).is_file():
            raise ParameterError(f"{name} {value}: no such file. Pass a Python file that has a function bend.")
    if values.get("record") or "record.directory" in values:
        check_directory(values.get("record.directory", PARAMETERS["record.directory"].default))
    monitor = values.get("monitor", PARAMETERS["monitor"].default)
    if uses_b(monitor) and not has_b:
        raise ParameterError(f"monitor {monitor}: slot B is off. Pass --b CODEC, or --monitor dry, a or delta.")


def _check_input(arguments: argparse.Namespace, seconds: float | None) -> None:
    """Raise ParameterError or AudioFileError for an input that the driver cannot play to its end."""
    patch = is_patch(arguments.input)
    if (arguments.input is None or patch) and seconds is None and arguments.driver == "file":
        raise ParameterError("--driver file without a file never ends. Pass --seconds N or --input FILE.")
    if patch and arguments.driver == "device":
        raise ParameterError(
            f"a sound card cannot play a patch as its input. Pass --pre {arguments.input}, which replaces the input."
        )
    if arguments.input and not patch:
        for remark in audio_file.check(arguments.input, seconds).remarks:
            LOG.warning(remark)


def _open_source(
    arguments: argparse.Namespace, driver: str, device: OpenDriver, rate: int | None, racks: Racks
) -> AudioReader | PatchSource | None:
    """Open the source of the stream. None if it is the sound card's input."""
    if is_patch(arguments.input):
        return PatchSource(str(arguments.input), rate, timeout_s=racks.timeout_s)
    if arguments.input or not DRIVERS[driver].has_devices:  # a device reads the file itself; here it gives the length
        return AudioReader(arguments.input or CLIP, device.rate or rate, loop=arguments.input is None)
    return None
