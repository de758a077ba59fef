"""What goes out by subscription: parameters that changed, meters, status, and every frame's clock, tokens and latents.

Streams are floats and ints only, in datagrams of less than 1400 bytes. A subscription begins with the current state.
"""

from __future__ import annotations

from typing import Any

from realtime.console import peak_db
from realtime.engine import Engine
from realtime.loudness import SILENCE
from realtime.news import Encoded
from realtime.osc.clients import GROUPS, OF_FRAMES, RATES, Client, Clients, Subscription
from realtime.osc.control import Tell
from realtime.timeline import Field

PART = 256  # values in a datagram
SAMPLES = 2**31  # sample numbers go out modulo this


def status(engine: Engine, device: str) -> dict[str, Any]:
    """What /verdigris/status says, in its order; the numbers among it are what subscribers get."""
    codecs = {playing.slot: f"{playing.codec}:{playing.path}" for playing in engine.playing}
    load, missed = engine.snapshot().load, engine.misses()
    return {
        "running": int(engine.timeline.load(Field.ENGINE) != 0),
        "a": codecs.get(0, "off"),
        "b": codecs.get(1, "off"),
        "load_p50": load[0],
        "load_p99": load[1],
        "latency_samples": engine.plan.latency,
        "latency_ms": engine.plan.milliseconds,
        **missed,
        "device": device,
        "rate": engine.settings.rate,
    }


class Streams:
    """One thread."""

    def __init__(self, engine: Engine, clients: Clients, tell: Tell, device: str) -> None:
        self._engine, self._clients, self._tell, self._device = engine, clients, tell, device
        self._latest: dict[int, Encoded] = {}  # by slot

    def subscribe(self, client: Client, group: str, rate: float | None) -> None:
        """Begin, or change the rate; `group` is one of GROUPS. 0 Hz ends it."""
        if rate is not None and rate <= 0:
            client.groups.pop(group, None)
            return
        wanted = GROUPS[group] if rate is None else min(max(rate, RATES[0]), RATES[1])
        client.groups[group] = Subscription(1.0 / wanted if wanted else 0.0)
        self._ask()
        for event in self._latest.values():
            self._send_frame(client, client.groups[group], group, event, 0.0)

    def tick(self, now: float) -> None:
        """Send what is due."""
        self._ask()
        for client, subscription in self._due("params", now):
            for name, value in self._engine.values.items():
                if subscription.sent.get(name, self) != value:
                    subscription.sent[name] = value
                    self._tell(client, self._engine.table[name].address, value)
        for client, _ in self._due("meters", now):
            self._tell(
                client, "/verdigris/out/meters", *(peak_db(self._engine, n) for n in ("dry", "a", "b", "monitor"))
            )
        for client, _ in self._due("loudness", now):
            found = self._engine.loudness
            values = (found.get(name, SILENCE) for name in ("dry", "a", "b", "monitor"))
            self._tell(client, "/verdigris/out/loudness", *values)
        for client, _ in self._due("status", now):
            numbers = [v for v in status(self._engine, self._device).values() if not isinstance(v, str)]
            self._tell(client, "/verdigris/out/status", *numbers)

    def hear(self, event: object, now: float) -> None:
        """A frame was made: pass it on."""
        if isinstance(event, Encoded):
            self._latest[event.slot] = event
            for group in OF_FRAMES:
                for client, subscription in self._clients.subscribed(group):
                    self._send_frame(client, subscription, group, event, now)

    def _due(self, group: str, now: float) -> list[tuple[Client, Subscription]]:
        found = [pair for pair in self._clients.subscribed(group) if pair[1].due <= now]
        for _, subscription in found:
            subscription.due = now + subscription.interval
        return found

    def _ask(self) -> None:
        self._engine.stream(self._clients.groups() & set(OF_FRAMES))

    def _send_frame(self, client: Client, subscription: Subscription, group: str, event: Encoded, now: float) -> None:
        if group not in OF_FRAMES or (subscription.due > now > 0.0):
            return
        if event.slot == self._engine.playing[0].slot:  # the clock and the rate are the first slot's
            subscription.due = now + subscription.interval
            if group == "clock":
                self._tell(client, "/verdigris/clock", event.frame, event.audible % SAMPLES, event.seconds)
        if group == "frames":
            audible = event.audible % SAMPLES
            self._tell(client, "/verdigris/out/frame", event.slot, event.frame, audible, event.bits, event.seconds)
        values = event.tokens if group == "tokens" else event.latent if group == "latents" else None
        if values is None or not values.size:
            return
        address = f"/verdigris/out/{group}" if event.slot == 0 else f"/verdigris/out/b/{group}"
        flat: list[Any] = values.reshape(-1).tolist()
        for part, start in enumerate(range(0, len(flat), PART)):
            self._tell(client, address, event.frame, part, flat[start : start + PART])
