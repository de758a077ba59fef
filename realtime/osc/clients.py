"""OSC clients: leases, subscriptions and per-client error rate limiting.

A client is an address and port (UDP) or a connection (TCP). A connection stays until it is closed. An
address is removed when its lease has expired, and above MAX_CLIENTS the least recently active one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container, Hashable, Iterator
from dataclasses import dataclass, field

LEASE_S = 10.0
LATE_S = 1.0  # between two turns of the server; if it was stopped for longer, leases last as much longer
MAX_ERRORS_PER_S = 10
MAX_CLIENTS = 256
EVERY_FRAME = 0.0
GROUPS = {  # default rate in Hz
    "params": 30.0,
    "meters": 30.0,
    "loudness": 2.0,
    "frames": EVERY_FRAME,
    "tokens": EVERY_FRAME,
    "latents": EVERY_FRAME,
    "surprise": EVERY_FRAME,
    "status": 1.0,
    "heard": 30.0,
    "clock": EVERY_FRAME,
}
PER_FRAME_GROUPS = tuple(group for group, rate in GROUPS.items() if rate == EVERY_FRAME)
RATE_LIMITS = (0.1, 240.0)  # Hz that a client may request


@dataclass
class Subscription:
    """Subscription of a client to one group."""

    interval: float  # s; 0: every frame
    due: float = 0.0
    last_sent: dict[str, object] = field(default_factory=dict)  # params and heard: value by name
    due_of_slot: dict[int, float] = field(default_factory=dict)  # surprise: each slot has frames of its own


@dataclass
class Client:
    """Client, its subscriptions and its error allowance (a token bucket)."""

    key: Hashable  # of the transport
    connected: bool = False  # by TCP
    last_seen: float = 0.0  # s
    groups: dict[str, Subscription] = field(default_factory=dict)
    _allowance: float = float(MAX_ERRORS_PER_S)
    _allowance_at: float = 0.0
    unanswered: int = 0  # errors since the last one that was sent

    def allow_error(self, now: float) -> bool:
        """Return True if another error may be sent now; count it otherwise."""
        refilled = self._allowance + (now - self._allowance_at) * MAX_ERRORS_PER_S
        self._allowance, self._allowance_at = min(float(MAX_ERRORS_PER_S), refilled), now
        if self._allowance < 1.0:
            self.unanswered += 1
            return False
        self._allowance -= 1.0
        return True


class Clients:
    """Known clients, the most recently active at the end. One thread."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, Client] = OrderedDict()
        self._expired_at = float("inf")  # s, of the last call of `expire`

    def touch(self, key: Hashable, now: float, *, connected: bool = False) -> Client:
        """Renew the lease of a client, or add it; return it."""
        client = self._known.get(key)
        if client is None:
            client = self._known[key] = Client(key, connected)
            if not connected and sum(not known.connected for known in self._known.values()) > MAX_CLIENTS:
                self.forget(next(key for key, known in self._known.items() if not known.connected))
        else:
            self._known.move_to_end(key)
        client.last_seen = now
        return client

    def __iter__(self) -> Iterator[Client]:
        return iter(tuple(self._known.values()))

    def forget(self, key: Hashable) -> None:
        self._known.pop(key, None)

    def expire(self, now: float, connections: Container[Hashable]) -> None:
        """Remove the clients whose lease has expired, and connections that are not open any more.

        Time in which the server itself stood still, as when a computer sleeps, does not count.
        """
        stopped, self._expired_at = max(0.0, now - self._expired_at - LATE_S), now
        for client in self:
            client.last_seen += stopped
            if client.key not in connections if client.connected else client.last_seen < now - LEASE_S:
                self.forget(client.key)

    def subscribed(self, group: str) -> Iterator[tuple[Client, Subscription]]:
        for client in self._known.values():
            if group in client.groups:
                yield client, client.groups[group]

    def groups(self) -> frozenset[str]:
        """Return all groups with a subscription."""
        return frozenset(group for client in self._known.values() for group in client.groups)
