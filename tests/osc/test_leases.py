"""How long the server knows a client: an address by its lease, a connection until it is closed."""

from __future__ import annotations

import socket

from realtime.osc.clients import LEASE_S, MAX_CLIENTS, Clients
from realtime.osc.packet import encode, slip
from realtime.osc.transport import SEND_BUFFER
from realtime.parameters.table import PARAMETERS
from tests.support.osc_rig import Rig

UDP, TCP = ("udp", "127.0.0.1", 1), ("tcp", "127.0.0.1", 2)


def turns(clients: Clients, start: float, end: float) -> None:
    """Call `expire` as a server does that runs all the time."""
    for tenth in range(round(10 * start), round(10 * end) + 1):
        clients.expire(tenth / 10, {TCP})


def test_a_connection_that_is_silent_stays_and_an_address_does_not() -> None:
    clients = Clients()
    clients.touch(UDP, 0.0)
    clients.touch(TCP, 0.0, connected=True)
    turns(clients, 0.0, LEASE_S)
    assert [client.key for client in clients] == [UDP, TCP]
    turns(clients, LEASE_S, 100.0)
    assert [client.key for client in clients] == [TCP]


def test_a_connection_that_is_closed_is_forgotten_at_once() -> None:
    clients = Clients()
    clients.touch(UDP, 0.0)
    clients.touch(TCP, 0.0, connected=True)
    clients.expire(0.1, ())
    assert [client.key for client in clients] == [UDP]


def test_time_in_which_the_server_stood_still_is_not_of_the_lease() -> None:
    clients = Clients()
    clients.touch(UDP, 0.0)
    turns(clients, 0.0, LEASE_S - 3.0)
    clients.expire(3600.0, ())
    turns(clients, 3600.0, 3601.5)
    assert [client.key for client in clients] == [UDP]
    turns(clients, 3601.5, 3603.0)
    assert list(clients) == []


def test_a_flood_from_many_addresses_removes_no_connection() -> None:
    clients = Clients()
    clients.touch(TCP, 0.0, connected=True)
    for port in range(2 * MAX_CLIENTS):
        clients.touch(("udp", "127.0.0.1", port), 1.0)
    known = [client.key for client in clients]
    assert known[0] == TCP
    assert known[1:] == [("udp", "127.0.0.1", port) for port in range(MAX_CLIENTS, 2 * MAX_CLIENTS)]


def test_a_value_that_a_full_connection_could_not_take_is_sent_later(rig: Rig) -> None:
    with socket.create_connection(("127.0.0.1", rig.server.port), timeout=5) as peer:
        peer.sendall(
            slip(encode("/verdigris/subscribe", "params", 240)) + slip(encode("/verdigris/subscribe", "heard"))
        )
        for _ in range(1000):
            rig.turn()
            if rig.server.clients.groups() == {"params", "heard"}:
                break
        (connection,) = rig.server.transport.connections.values()
        subscriptions = [group for client in rig.server.clients for group in client.groups.values()]
        for subscription in subscriptions:
            subscription.last_sent.clear()
        connection.unsent = bytearray(SEND_BUFFER)
        rig.server.publisher.tick(1e9)
        assert [subscription.last_sent for subscription in subscriptions] == [{}, {}]
        connection.unsent.clear()
        rig.server.publisher.tick(2e9)
        assert sorted(len(subscription.last_sent) for subscription in subscriptions) == [1, len(PARAMETERS)]
