"""OSC under load, beside audio in real time."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from realtime.drivers.clock import ClockDriver, Silence
from realtime.engine.engine import Engine
from realtime.engine.engine_settings import Settings
from realtime.engine.start import start_engine
from realtime.osc.packet import PacketError, SlipDecoder, decode, encode, encode_bundle, slip
from realtime.osc.server import OscServer
from tests.support.osc_rig import Client, wait_until_synced

pytestmark = [pytest.mark.slow, pytest.mark.rig]
RATE = 48_000


@pytest.fixture
def playing() -> Iterator[tuple[Engine, OscServer]]:
    # half a second of headroom: a shared machine stalls longer than the minimum latency
    engine = start_engine(Settings(RATE, 256, ("opus:24", None), ("pcm", None), latency=RATE // 2))
    driver = ClockDriver(engine.host, Silence(), 256)
    server = OscServer(engine, 0)
    server.start()
    driver.start()
    stop = threading.Event()

    def supervise() -> None:
        while not stop.wait(0.05):
            engine.supervise()

    watcher = threading.Thread(target=supervise)
    watcher.start()
    yield engine, server
    stop.set()
    watcher.join()
    server.stop()
    driver.stop()
    engine.close()


def wait_for(server: OscServer, name: str, least: int) -> dict[str, int]:
    deadline = time.monotonic() + 60
    while server.counts()[name] < least and time.monotonic() < deadline:
        time.sleep(0.02)
    return server.counts()


def test_ten_thousand_messages_a_second_for_thirty_seconds(playing: tuple[Engine, OscServer]) -> None:
    """All are received or counted as dropped by the kernel, the last value wins, and audio has no
    dropout.
    """
    engine, server = playing
    sender, total = Client(server.port), 300_000
    began = time.monotonic()
    for number in range(total):
        sender.send(("/verdigris/a/seed", "/verdigris/b/seed", "/verdigris/monitor/gain")[number % 3], number % 12)
        if number % 100 == 99:
            time.sleep(max(0.0, began + number / 10_000 - time.monotonic()))
            if number % 10_000 == 9_999:
                sender.read()
    seconds = time.monotonic() - began
    wait_until_synced(sender, 1)  # one more packet carries the count of dropped ones
    counts = server.counts()
    sender.socket.close()
    missed = engine.dropouts()
    print(f"{total / seconds:.0f} messages a second, {counts}, {missed}, block {engine.snapshot().load}")
    assert counts["received"] + counts["kernel_drops"] == total + 1
    assert counts["bad_packets"] == counts["errors"] == 0
    assert counts["coalesced"] + counts["applied"] == counts["received"] - 1
    assert missed["late"] + missed["stalled"] + missed["died"] == 0


def test_nothing_is_lost_or_reordered_over_tcp(playing: tuple[Engine, OscServer]) -> None:
    engine, server = playing
    total, slip_decoder = 100_000, SlipDecoder()
    synced: list[int] = []
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as peer:

        def read() -> None:
            while len(synced) < total // 1000:
                got = [message for packet in slip_decoder.feed(peer.recv(65_536)) for message in decode(packet)]
                synced.extend(message.args[0] for message in got if message.address == "/verdigris/synced")

        reader = threading.Thread(target=read)
        reader.start()
        for start in range(0, total, 1000):
            packets = [slip(encode("/verdigris/a/seed", n)) for n in range(start, start + 999)]
            peer.sendall(b"".join([*packets, slip(encode("/verdigris/sync", start))]))
        reader.join(60)
        counts = wait_for(server, "received", total)
        assert counts["received"] == total
        assert synced == list(range(0, total, 1000))
        assert engine.parameters["a.seed"] == total - 2


def test_a_hundred_thousand_random_and_mutated_packets_do_no_harm(playing: tuple[Engine, OscServer]) -> None:
    engine, server = playing
    sender, rng = Client(server.port), np.random.default_rng(1)
    good = encode_bundle(None, encode("/verdigris/set", "gain", 1.5, "a.steps", 3), encode("/verdigris/*/steps", 2))
    bad, total = 0, 100_000
    for number in range(total):
        if number % 2:
            data = rng.bytes(int(rng.integers(1, 80)))
        else:
            raw = bytearray(good)
            for place in rng.integers(0, len(raw), int(rng.integers(1, 6))):
                raw[place] = int(rng.integers(256))
            data = bytes(raw)
        try:
            decode(data)
        except PacketError:
            bad += 1
        sender.socket.send(data)
        if number % 200 == 199:
            wait_until_synced(sender, number)
    counts = server.counts()
    sender.socket.close()
    assert counts["kernel_drops"] == 0
    assert counts["bad_packets"] == bad
    assert sum(engine.dropouts()[kind] for kind in ("late", "stalled", "died")) == 0
