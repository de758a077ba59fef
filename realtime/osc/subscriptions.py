"""Subscriptions: changed parameters, meters, status, and the clock, tokens and latents of every
frame.

Streams carry only floats and ints, in datagrams of less than 1400 bytes. A subscription starts with
the current state.
"""

from __future__ import annotations

from typing import Any

from realtime.dsp.loudness import SILENCE
from realtime.engine.engine import Engine
from realtime.osc.clients import GROUPS, PER_FRAME_GROUPS, RATE_LIMITS, Client, Clients, Subscription
from realtime.osc.edits import Send
from realtime.timeline.dropout_log import HeardPath, stands_in
from realtime.timeline.layout import Field
from realtime.timeline.peak_meter import peak_db
from realtime.worker.messages import FrameEncoded, SurpriseMeasured

PART = 256  # values in a datagram
SAMPLES = 2**31  # sample numbers go out modulo this


def status(engine: Engine, device: str) -> dict[str, Any]:
    """Return the fields of /verdigris/status in order; subscribers get the numbers among them."""
    codecs = {playing.slot: f"{playing.codec}:{playing.path}" for playing in engine.playing}
    load, missed = engine.snapshot().load, engine.dropouts()
    return {
        "running": int(engine.timeline.load(Field.ATTACH_COUNT) != 0),
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


class Publisher:
    """Sender of all subscriptions of a stream. One thread."""

    def __init__(self, engine: Engine, clients: Clients, send: Send, device: str) -> None:
        self._engine, self._clients, self._send, self._device = engine, clients, send, device
        self._latest: dict[int, FrameEncoded] = {}  # by slot
        self._heard_path = HeardPath(engine.timeline)
        self.heard = str(engine.parameters["monitor"])  # state `heard` at the last tick

    def subscribe(self, client: Client, group: str, rate: float | None) -> None:
        """Start a subscription to one of GROUPS, or change its rate in Hz; 0 ends it, None is the
        default rate.
        """
        if rate is not None and rate <= 0:
            client.groups.pop(group, None)
            return
        wanted = GROUPS[group] if rate is None else min(max(rate, RATE_LIMITS[0]), RATE_LIMITS[1])
        client.groups[group] = Subscription(1.0 / wanted if wanted else 0.0)
        self._select_frame_events()
        for event in self._latest.values():
            self._send_frame(client, client.groups[group], group, event, 0.0)

    def tick(self, now: float) -> None:
        """Send every subscription that is due."""
        self._select_frame_events()
        self._send_heard(now)
        for client, subscription in self._due("params", now):
            for name, value in self._engine.parameters.items():
                row = self._engine.table.get(name)  # None: of an effect that was just removed
                if row and subscription.last_sent.get(name, self) != value and self._send(client, row.address, value):
                    subscription.last_sent[name] = value
        for client, _ in self._due("meters", now):
            timeline, latency = self._engine.timeline, self._engine.plan.latency
            peaks = [peak_db(timeline, latency, name) for name in ("dry", "a", "b", "monitor")]
            self._send(client, "/verdigris/out/meters", *peaks)
        for client, _ in self._due("loudness", now):
            found = self._engine.loudness
            values = (found.get(name, SILENCE) for name in ("dry", "a", "b", "monitor"))
            self._send(client, "/verdigris/out/loudness", *values)
        for client, _ in self._due("status", now):
            numbers = [v for v in status(self._engine, self._device).values() if not isinstance(v, str)]
            self._send(client, "/verdigris/out/status", *numbers)

    def publish_frame(self, event: object, now: float) -> None:
        """Send an encoded frame, or how predictable it was, to its subscribers; ignore other events."""
        if isinstance(event, SurpriseMeasured):
            self._send_surprise(event, now)
        if isinstance(event, FrameEncoded):
            self._latest[event.slot] = event
            for group in PER_FRAME_GROUPS:
                for client, subscription in self._clients.subscribed(group):
                    self._send_frame(client, subscription, group, event, now)

    def _send_surprise(self, event: SurpriseMeasured, now: float) -> None:
        for client, subscription in self._clients.subscribed("surprise"):
            if subscription.due_of_slot.get(event.slot, 0.0) <= now:
                subscription.due_of_slot[event.slot] = now + subscription.interval
                audible = event.audible % SAMPLES
                self._send(client, "/verdigris/out/surprise", event.slot, event.frame, audible, event.bits)

    def _send_heard(self, now: float) -> None:
        """Send the state `heard` where it changed; a stand-in between two messages is sent first."""
        self.heard = self._heard_path.poll(self._engine.parameters)
        for _, subscription in self._clients.subscribed("heard"):
            if stands_in(self.heard):
                subscription.last_sent["stand-in"] = self.heard
        for client, subscription in self._due("heard", now):
            heard = subscription.last_sent.pop("stand-in", self.heard)
            if subscription.last_sent.get("heard") != heard and self._send(client, "/verdigris/heard", heard):
                subscription.last_sent["heard"] = heard

    def _due(self, group: str, now: float) -> list[tuple[Client, Subscription]]:
        found = [pair for pair in self._clients.subscribed(group) if pair[1].due <= now]
        for _, subscription in found:
            subscription.due = now + subscription.interval
        return found

    def _select_frame_events(self) -> None:
        self._engine.subscribe_frames(self._clients.groups() & set(PER_FRAME_GROUPS))

    def _send_frame(
        self, client: Client, subscription: Subscription, group: str, event: FrameEncoded, now: float
    ) -> None:
        if group not in PER_FRAME_GROUPS or group == "surprise" or (subscription.due > now > 0.0):
            return
        if event.slot == self._engine.playing[0].slot:  # the first slot sets the clock and the rate
            subscription.due = now + subscription.interval
            if group == "clock":
                self._send(client, "/verdigris/clock", event.frame, event.audible % SAMPLES, event.seconds)
        if group == "frames":
            audible = event.audible % SAMPLES
            self._send(client, "/verdigris/out/frame", event.slot, event.frame, audible, event.bits, event.seconds)
        values = event.tokens if group == "tokens" else event.latent if group == "latents" else None
        if values is None or not values.size:
            return
        address = f"/verdigris/out/{group}" if event.slot == 0 else f"/verdigris/out/b/{group}"
        flat: list[Any] = values.reshape(-1).tolist()
        for part, start in enumerate(range(0, len(flat), PART)):
            self._send(client, address, event.frame, part, flat[start : start + PART])
