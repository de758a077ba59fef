"""Sound cards of the command line: their list, the choice of `live`, and the round trip."""

from __future__ import annotations

import argparse
import logging
from typing import Any

from realtime.drivers.driver import DriverError, DriverOptions, OpenDriver
from realtime.drivers.portaudio.api import DeviceError, list_devices, supported_rates
from realtime.drivers.portaudio.callback import compile_callback
from realtime.drivers.portaudio.device_driver import request_of
from realtime.drivers.portaudio.loopback import measure_round_trip
from realtime.drivers.portaudio.probe import probe, resolve_config
from realtime.drivers.portaudio.selection import BUSY_HINT, DeviceChoice, choose_devices, store_round_trip
from realtime.drivers.registry import DRIVERS, open_driver
from realtime.parameters.table import PARAMETERS, ParameterError

LOG = logging.getLogger("verdigris.devices")
CODEC_RATE = PARAMETERS["rate"].default  # Hz; all codecs support it, and networks no other


def open_for(arguments: argparse.Namespace, rate: int | None, block: int | None) -> tuple[str, OpenDriver]:
    """Open the driver that `live` is to use, by its flags; return its name and the opened driver.

    Without a flag for it, a sound card plays if there is no --input, else the clock. Raises
    DriverError or ParameterError; a sound card that the user did not ask for only logs a line if
    it is not available.
    """
    named = [arguments.input_device, arguments.output_device, arguments.input_channels, arguments.output_channels]
    options, random = _options(arguments, rate, block), arguments.block == "random"
    asked = arguments.driver or ("device" if any(named) else None)
    if asked and not DRIVERS[asked].has_devices:
        if any(named):
            raise ParameterError(f"--driver {asked} uses no sound card. Leave out the card, or --driver.")
        return asked, open_driver(asked, options)
    if asked and random:
        raise ParameterError("--block random is not for cards. Pass a number of samples, or --driver clock.")
    if not asked and (random or arguments.input is not None):
        return "clock", open_driver("clock", options)
    try:
        opened = open_driver(asked or "device", options)
    except DriverError as error:
        if asked:
            raise
        LOG.warning("playing by the clock, without a sound card: %s", error)
        return "clock", open_driver("clock", options)
    if not asked and opened.warning:
        LOG.warning(opened.warning)
    return asked or "device", opened


def _options(arguments: argparse.Namespace, rate: int | None, block: int | None) -> DriverOptions:
    return DriverOptions(
        preferred_rate=CODEC_RATE,
        rate=rate,
        block=block,
        input_device=arguments.input_device,
        output_device=arguments.output_device,
        input_channels=_channels("--input-channels", arguments.input_channels),
        output_channels=_channels("--output-channels", arguments.output_channels),
        input_file=getattr(arguments, "input", None),
    )


def loopback(arguments: argparse.Namespace, rate: int | None, block: int | None) -> dict[str, Any]:
    """Measure the round trip of a card, store it, and return facts. DeviceError if that fails."""
    config = resolve_config(request_of(_options(arguments, rate, block)))
    if config.pair.input is None:
        raise DeviceError("no input to measure with. Choose one that has: verdigris devices")
    compile_callback()
    found = probe(config)
    measured = measure_round_trip(config, found)
    store_round_trip(found.name, found.rate, found.block, measured.samples)
    reported = "reports nothing useful" if found.latency_samples is None else f"reports {found.latency_samples}"
    clocks = f" Of it {found.bridge_samples} lie between two clocks ({found.drift_ppm:+.0f} ppm)."
    return {
        "name": found.name,
        "sample_rate": found.rate,
        "block": found.block,
        "measured_samples": measured.samples,
        "device_latency_samples": found.latency_samples,
        "level_db": measured.level_db,
        "bridge_samples": found.bridge_samples,
        "drift_ppm": found.drift_ppm,
        "in_words": f"{found.name} at {found.rate} Hz, blocks of {found.block}: its round trip is {measured.samples} "
        f"samples = {1000 * measured.samples / found.rate:.1f} ms measured "
        f"(the driver {reported}), {measured.level_db:.1f} dB. The latency of verdigris plan comes on top."
        + (clocks if found.bridge_delay else ""),
    }


def _channels(flag: str, given: str | None) -> tuple[int, ...] | None:
    if given is None:
        return None
    try:
        channels = tuple(int(part) for part in given.split(","))
    except ValueError:
        channels = ()
    if len(channels) not in (1, 2) or min(channels) < 1:
        raise ParameterError(f"{flag} {given} is not allowed. Pass one or two channels from 1, such as 1,2.")
    return channels


def listing() -> list[dict[str, Any]]:
    """Return all cards as plain data. DeviceError if PortAudio is not installed."""
    there = list_devices()
    chosen_in, chosen_out = None, None
    try:
        pair = choose_devices(DeviceChoice(), devices=there)
        chosen_in, chosen_out = pair.input, pair.output
    except DeviceError:
        pass  # the list is complete without a choice
    return [
        {
            "name": card.name,
            "host_api": card.api,
            "inputs": card.inputs,
            "outputs": card.outputs,
            "rates": supported_rates(card),
            "default_rate": card.rate,
            "used_for_input": card == chosen_in,
            "used_for_output": card == chosen_out,
        }
        for card in there
    ]


def table(found: list[dict[str, Any]]) -> str:
    """Return the list as text."""
    if not found:
        return (
            "no sound card: PortAudio sees none. Plug one in or start a JACK server; verdigris live plays by the clock."
            f" {BUSY_HINT}"
        )
    width = max(len(card["name"]) for card in found)
    lines = [f"{'name':{width}}  in out  rates"]
    for card in found:
        use = [kind for kind in ("input", "output") if card[f"used_for_{kind}"]]
        rates_text = " ".join(map(str, card["rates"])) or f"{card['default_rate']}?"
        mark = f"  ← {' and '.join(use)} by default" if use else ""
        lines.append(f"{card['name']:{width}}  {card['inputs']:2} {card['outputs']:3}  {rates_text}{mark}")
    return "\n".join(lines)
