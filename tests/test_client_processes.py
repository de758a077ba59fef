"""Client and engine as two processes: what the one sees and hears when the other is killed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from realtime.client import GONE, PLAYING, Client, Event

pytestmark = pytest.mark.slow
PATIENCE_S = 60.0


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    made = Client()
    yield made
    made.close()
    for running in made._programs._running:
        running.process.kill()
        running.process.wait()
        running.said.close()


def until(client: Client, done: Callable[[], bool]) -> list[Event]:
    got, deadline = [], time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < deadline, client.state
        got += client.poll()
        time.sleep(0.01)
    return got


def test_an_engine_that_is_killed_is_gone_within_a_second_and_another_one_is_taken_up(client: Client) -> None:
    flags = ("--driver", "clock", "--a", "pcm", "--b", "off", "--osc", "0")
    first = client.start_engine(*flags)
    until(client, lambda: client.state == PLAYING)
    assert client.session
    assert client.session.pid == first
    os.kill(first, signal.SIGKILL)
    killed = time.monotonic()
    until(client, lambda: client.state == GONE)
    assert time.monotonic() - killed < 1.0
    second = client.start_engine(*flags)
    until(client, lambda: client.state == PLAYING)
    assert client.session.pid == second
