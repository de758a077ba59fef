"""Who talks to us: leases, subscriptions, and how many errors one is told.

A client is an address and port (UDP) or a connection (TCP). It is forgotten when its lease has run out, or, when there
are too many, in the order they were last heard.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

LEASE_S = 10.0
ERRORS_A_SECOND = 10
MOST = 256
EVERY_FRAME = 0.0
GROUPS = {  # Hz
    "params": 30.0,
    "meters": 30.0,
    "loudness": 2.0,
    "frames": EVERY_FRAME,
    "tokens": EVERY_FRAME,
    "latents": EVERY_FRAME,
    "status": 1.0,
    "clock": EVERY_FRAME,
}
OF_FRAMES = tuple(group for group, rate in GROUPS.items() if rate == EVERY_FRAME)
RATES = (0.1, 240.0)  # Hz that may be asked for


@dataclass
class Subscription:
    """One group for one client."""

    interval: float  # s; 0: every frame
    due: float = 0.0
    sent: dict[str, object] = field(default_factory=dict)  # params: what the client knows


@dataclass
class Client:
    """`key` is the transport's."""

    key: Hashable
    heard: float = 0.0
    groups: dict[str, Subscription] = field(default_factory=dict)
    _allowance: float = float(ERRORS_A_SECOND)
    _allowance_at: float = 0.0
    unanswered: int = 0  # errors since the last one that was told

    def may_be_told(self, now: float) -> bool:
        """Whether another error may go to it now; counts those that may not."""
        refilled = self._allowance + (now - self._allowance_at) * ERRORS_A_SECOND
        self._allowance, self._allowance_at = min(float(ERRORS_A_SECOND), refilled), now
        if self._allowance < 1.0:
            self.unanswered += 1
            return False
        self._allowance -= 1.0
        return True


class Clients:
    """All of them, the one last heard at the end."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, Client] = OrderedDict()

    def hear(self, key: Hashable, now: float) -> Client:
        """Who sent something just now."""
        client = self._known.get(key)
        if client is None:
            client = self._known[key] = Client(key)
            if len(self._known) > MOST:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(key)
        client.heard = now
        return client

    def forget(self, key: Hashable) -> None:
        self._known.pop(key, None)

    def expire(self, now: float) -> None:
        """End the leases that have run out."""
        while self._known and (oldest := next(iter(self._known.values()))).heard < now - LEASE_S:
            self._known.pop(oldest.key)

    def subscribed(self, group: str) -> Iterator[tuple[Client, Subscription]]:
        for client in self._known.values():
            if group in client.groups:
                yield client, client.groups[group]

    def groups(self) -> frozenset[str]:
        """What anybody has subscribed to."""
        return frozenset(group for client in self._known.values() for group in client.groups)
