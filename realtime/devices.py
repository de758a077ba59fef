"""Sound cards for the command line: the list of them, and the one that `live` plays by."""

from __future__ import annotations

import argparse
from typing import Any

from realtime.drivers.border import compile_callback
from realtime.drivers.cards import BY_SYSTEM, DEFAULT, HELD, Choice, choose, remember, remember_round_trip
from realtime.drivers.device import DeviceDriver
from realtime.drivers.opening import Request, plan_opening, probe
from realtime.drivers.portaudio import CardError, cards, rates
from realtime.loopback import measure
from realtime.params import PARAMETERS, ParameterError

CODEC_RATE = PARAMETERS["rate"].default  # Hz; every codec here can run at it, and no network at another


def card_for(arguments: argparse.Namespace, rate: int | None, block: int | None) -> DeviceDriver | None:
    """The card that `live` was told to play by, or is to by default, opened; None: none.

    CardError or ParameterError if it was asked for and cannot be had; by default its absence is said and no more.
    """
    named = [arguments.input_device, arguments.output_device, arguments.input_channels, arguments.output_channels]
    asked = arguments.driver == "device" or (arguments.driver is None and any(named))
    if arguments.driver not in (None, "device") and any(named):
        raise ParameterError(f"--driver {arguments.driver} plays by no card. Leave out the card, or --driver.")
    if arguments.driver not in (None, "device") or (arguments.input is not None and not asked):
        return None
    if arguments.block == "random":
        if asked:
            raise ParameterError("--block random is not for cards. Pass a number of samples, or --driver clock.")
        return None
    request = _request(arguments, rate, block)
    choice, driver = request.choice, DeviceDriver(request)
    try:
        found = driver.open()
    except CardError as error:
        if asked:
            raise
        print(f"playing by the clock, without a sound card: {error}")
        return None
    if not asked and found.source and found.why == BY_SYSTEM:
        print("playing what the system's own input hears: use headphones, or it may howl")
    if choice != Choice():
        remember(Choice(_kept(choice.input, found.source), _kept(choice.output, found.sink)))
    return driver


def _request(arguments: argparse.Namespace, rate: int | None, block: int | None) -> Request:
    return Request(
        choice=Choice(arguments.input_device, arguments.output_device),
        codec_rate=CODEC_RATE,
        rate=rate,
        block=block,
        inputs=_channels("--input-channels", arguments.input_channels),
        outputs=_channels("--output-channels", arguments.output_channels),
        feed=getattr(arguments, "input", None),
    )


def loopback(arguments: argparse.Namespace, rate: int | None, block: int | None) -> dict[str, Any]:
    """Measure the round trip of a card, keep it, and say it. CardError if that cannot be."""
    opening = plan_opening(_request(arguments, rate, block))
    if opening.pair.source is None:
        raise CardError("no input to measure with.")
    compile_callback()
    found = probe(opening)
    measured = measure(opening, found)
    remember_round_trip(found.name, found.rate, found.block, measured.samples)
    told = "says nothing of use" if found.latency_samples is None else f"says {found.latency_samples}"
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
        f"samples = {1000 * measured.samples / found.rate:.1f} ms measured (it {told}), {measured.level_db:.1f} dB. "
        "The latency of verdigris plan comes on top." + (clocks if found.bridge_delay else ""),
    }


def _kept(given: str | None, opened: str) -> str | None:
    """What to remember: the whole name of what was named."""
    return opened if given not in (None, DEFAULT) else None


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
    """All cards as plain data. CardError where there is no PortAudio."""
    there = cards()
    chosen_in, chosen_out = None, None
    try:
        pair = choose(Choice(), there=there)
        chosen_in, chosen_out = pair.source, pair.sink
    except CardError:
        pass  # which cards there are is the question here
    return [
        {
            "name": card.name,
            "host_api": card.api,
            "inputs": card.inputs,
            "outputs": card.outputs,
            "rates": rates(card),
            "default_rate": card.rate,
            "used_for_input": card == chosen_in,
            "used_for_output": card == chosen_out,
        }
        for card in there
    ]


def table(found: list[dict[str, Any]]) -> str:
    """The list in words."""
    if not found:
        return (
            "no sound card: PortAudio sees none. Plug one in or start a JACK server; verdigris live plays by the clock."
            f" {HELD}"
        )
    width = max(len(card["name"]) for card in found)
    lines = [f"{'name':{width}}  in out  rates"]
    for card in found:
        use = [kind for kind in ("input", "output") if card[f"used_for_{kind}"]]
        rates_text = " ".join(map(str, card["rates"])) or f"{card['default_rate']}?"
        mark = f"  ← {' and '.join(use)} unless told otherwise" if use else ""
        lines.append(f"{card['name']:{width}}  {card['inputs']:2} {card['outputs']:3}  {rates_text}{mark}")
    return "\n".join(lines)
