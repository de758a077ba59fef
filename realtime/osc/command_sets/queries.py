"""OSC queries: commands that ask for facts and change nothing."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from realtime.osc import replies
from realtime.osc.clients import Client
from realtime.osc.command_sets.command import Command, Server, one_of
from realtime.osc.subscriptions import status
from realtime.timeline.layout import SLOTS
from realtime.worker import codec_catalogue

API_VERSION = 1


def _hello(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    server.send(client, "/verdigris/hello", "verdigris", version("verdigris"), API_VERSION)


def _heard(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    server.send(client, "/verdigris/heard", server.publisher.heard)


def _status(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    server.send(client, "/verdigris/status", *status(server.engine, server.device).values())


def _counts(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    server.send(client, "/verdigris/counts", *replies.pairs(server.counts()))


def _codec(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    server.send(client, "/verdigris/codec", *replies.pairs(replies.codec(server.engine, one_of(args, "slot", SLOTS))))


def _latency(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    server.send(client, "/verdigris/latency/terms", *replies.pairs(replies.latency(server.engine)))


def _slot_latency(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    for slot in SLOTS:
        server.send(client, "/verdigris/latency/slots", *replies.pairs(replies.slot_latency(server.engine, slot)))


def _device(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    server.send(client, "/verdigris/device", *replies.pairs(server.device_facts()))


def _devices(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    server.device_list.request(client)


def _codecs(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    found = codec_catalogue.rows()
    for number, row in enumerate(found, 1):
        plain = {name: _plain(value) for name, value in row.items()}
        server.send(client, "/verdigris/codecs", number, len(found), *replies.pairs(plain))


def _transport(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    server.send(client, "/verdigris/transport", *replies.transport(server.engine))


def _plain(value: Any) -> Any:
    """Return a value of the catalogue in an OSC type: lists as text with commas, bool as 0 or 1."""
    if isinstance(value, dict):
        return ",".join(f"{name or 'default'}={number:g}" for name, number in value.items())
    if isinstance(value, list):
        return ",".join(f"{item:g}" if isinstance(item, float | int) else item for item in value)
    return int(value) if isinstance(value, bool) else value


def _rack(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    for effect in server.engine.effects:
        bypassed = int(server.engine.is_bypassed(effect))
        server.send(client, "/verdigris/rack", effect.place, effect.number, effect.spec, effect.latency, bypassed)
    if not server.engine.effects:
        server.send(client, "/verdigris/rack")


def _controls(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    found = replies.controls(server.engine)
    for number, control in enumerate(found, 1):
        server.send(client, "/verdigris/rack/controls", number, len(found), *control)
    if not found:
        server.send(client, "/verdigris/rack/controls", 0, 0)


QUERIES = (
    Command("/verdigris/hello", "", "identify this program", "`/verdigris/hello name version api_version`", _hello),
    Command(
        "/verdigris/status",
        "",
        "get the state of the stream",
        "`/verdigris/status running codec_a codec_b load_p50 load_p99 latency_samples latency_ms late stalled died "
        "xrun device rate`; load is the real-time factor, late to xrun are dropouts by kind",
        _status,
    ),
    Command(
        "/verdigris/heard",
        "",
        "get the path that is heard",
        "`/verdigris/heard state`: `dry`, `a`, `b`, `delta`, `ghost` or `mute`; `dry for a` (`silence for a`; `b`; "
        "`a and b`) while the fill of dropouts stands in for a slot",
        _heard,
    ),
    Command(
        "/verdigris/transport",
        "",
        "get the position in the source file, as it is heard",
        "`/verdigris/transport source position length loop`, in seconds; length 0: the source is the input",
        _transport,
    ),
    Command(
        "/verdigris/counts",
        "",
        "get the numbers of messages by outcome",
        "`/verdigris/counts name number ...`",
        _counts,
    ),
    Command(
        "/verdigris/codec",
        "slot",
        "get the codec of slot a or b",
        "`/verdigris/codec name value ...`: slot, name, path, sample_rate, channels, hop, lookahead, tokens, "
        "cardinality, latent_count, latent_dims, paths, time_ordered, books",
        _codec,
    ),
    Command(
        "/verdigris/latency/terms",
        "",
        "get the latency and the terms that add up to it",
        "`/verdigris/latency/terms name value ...`: samples, ms, then each term in samples",
        _latency,
    ),
    Command(
        "/verdigris/latency/slots",
        "",
        "get the latency terms of each slot",
        "for each slot: `/verdigris/latency/slots slot a name value ...`: its terms in samples; reserve is the part of "
        "the latency that it does not need; no terms if it is off",
        _slot_latency,
    ),
    Command("/verdigris/device", "", "get facts of the driver", "`/verdigris/device name value ...`", _device),
    Command(
        "/verdigris/devices",
        "",
        "list the sound devices anew, while the stream goes on; takes about a second",
        "for each device: `/verdigris/devices number count name value ...`: name, host_api, inputs, outputs, "
        "rates ...; 0 0 without devices",
        _devices,
    ),
    Command(
        "/verdigris/codecs",
        "",
        "list the codec families",
        "for each family: `/verdigris/codecs number count name value ...`: name, kind, variants (variant=kbit/s, with "
        "commas), sample_rate, channels, kbps, latency_ms (algorithmic), licence, weights (none, bundled, download, or "
        "their path), here, size_mb, live, speed (× real time in earlier sessions; -1: unknown), keeps_up ...",
        _codecs,
    ),
    Command(
        "/verdigris/rack",
        "",
        "list the effects",
        "for each effect: `/verdigris/rack place number effect latency_samples bypassed`; place is pre, a.post or "
        "b.post; no arguments without effects",
        _rack,
    ),
    Command(
        "/verdigris/rack/controls",
        "",
        "list the controls of the effects",
        "for each control: `/verdigris/rack/controls number count name effect type value default lowest highest` "
        "description; type is float, int or bool; 0 0 without effects",
        _controls,
    ),
)
