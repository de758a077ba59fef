"""The instrument on a sound card: a JACK server in place of the card, measured from outside
(jackrig.py).
"""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

from realtime.system.platform.machine import SYSTEM
from realtime.timeline.layout import Field
from tests.effects.test_rack_hosts import DPL, lv2
from tests.support.devices.device_rig import application, rig
from tests.support.devices.instrument import Instrument, wait
from tests.support.devices.jackrig import RATE, Meter, Server

if SYSTEM == "windows":
    pytest.skip("a JACK server, signals", allow_module_level=True)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.rig,
    pytest.mark.timeout(180),
    pytest.mark.usefixtures("jack", "own_settings"),
]


@pytest.mark.parametrize(("period", "effect"), [(64, None), (256, None), (1024, None), (256, DPL)])
def test_round_trip_of_the_application_is_the_planned_latency_to_the_sample(
    tmp_path: Path, period: int, effect: str | None
) -> None:
    """Measure dry, or wet with an effect that has a latency."""
    report_file = tmp_path / "report.json"
    arguments = ["live", "--driver", "device", "--a", "pcm", "--b", "pcm:hop=960"]
    arguments += ["--monitor", "b", "--post-b", lv2(effect)] if effect else ["--monitor", "dry"]
    with Server(period) as server, application(*arguments, "--report", str(report_file)) as program:
        assert program.stdout
        planned = 0
        for line in program.stdout:
            if match := re.match(r"latency (\d+) samples", line):
                planned = int(match[1])
            if line.startswith("JACK:system"):
                assert f"blocks of {period}" in line
                break
        meter = Meter(server)
        try:
            meter.connect()
            time.sleep(0.3 + (planned + 4096) / RATE)
            measured = meter.steady(planned + 4096)
        finally:
            meter.close()
        program.send_signal(signal.SIGINT)
        assert program.wait(20) in (0, 1)
    report = json.loads(report_file.read_text())
    assert measured.samples == planned + period, "latency, and the one period of JACK's own loop"
    assert measured.residual == 0
    assert report["latency_samples"] == planned == sum(report["latency_terms"].values())
    assert report["latency_terms"]["block"] == period
    assert report["latency_terms"]["rack"] == (64 + 63 if effect else 0)
    assert report["device"]["name"] == "JACK:system"
    assert report["device_latency_samples"] is not None  # apart, not a term


def test_latency_is_the_same_after_a_path_switch_a_stall_an_xrun_and_a_dead_worker() -> None:
    with rig(256) as (server, instrument, meter):
        expected = (instrument.latency + server.period, 0.0)
        engine, longest = instrument.engine, instrument.latency + 4096

        def measured() -> tuple[int, float]:
            found = meter.steady(longest)
            return found.samples, found.residual

        for monitor in ("dry", "a", "b", "dry"):  # pcm: A and B are as exact as dry
            engine.set("monitor", monitor)
            time.sleep(0.1)
            assert measured() == expected, monitor

        assert engine.worker_pid
        os.kill(engine.worker_pid, signal.SIGSTOP)
        time.sleep(0.5)
        os.kill(engine.worker_pid, signal.SIGCONT)
        wait(lambda: engine.timeline.load(Field.OPEN_DROPOUT) == 0)
        engine.set("monitor", "b")
        time.sleep(0.5)
        assert measured() == expected, "after a stall"

        engine.swap(1, "pcm:hop=480", None)
        instrument.said("now playing")
        time.sleep(0.5)
        assert measured() == expected, "after another codec"

        before = meter.xruns
        assert instrument.driver.pid
        for _ in range(5):  # stop the device's process for some periods: the server loses them
            os.kill(instrument.driver.pid, signal.SIGSTOP)
            time.sleep(0.03)
            os.kill(instrument.driver.pid, signal.SIGCONT)
            time.sleep(0.1)
        assert meter.xruns > before
        assert sum(instrument.driver.facts["xruns"].values()) > 0
        assert engine.dropouts()["xrun"] > 0
        time.sleep(0.3)
        assert measured() == expected, "after xruns"

        os.kill(engine.worker_pid, signal.SIGKILL)
        instrument.said("the worker is back")
        time.sleep(0.5)
        assert measured() == expected, "after another worker"


def test_the_fallback_through_python_is_announced_and_keeps_the_latency() -> None:
    with rig(256, compiled=False) as (server, instrument, meter):
        assert "Callback: Python" in str(instrument.driver.info)
        found = meter.steady(instrument.latency + 4096)
        assert (found.samples, found.residual) == (instrument.latency + server.period, 0)


def test_a_worker_stalled_for_twice_the_headroom_is_one_counted_dropout() -> None:
    with rig(256) as (server, instrument, meter):
        engine = instrument.engine
        time.sleep(0.5)
        headroom, pid = instrument.latency / RATE, engine.worker_pid
        assert pid

        def episodes() -> int:
            before = engine.dropouts()
            os.kill(pid, signal.SIGSTOP)
            time.sleep(2 * headroom)
            os.kill(pid, signal.SIGCONT)
            time.sleep(1.0)
            after = engine.dropouts()
            return sum(after[kind] - before[kind] for kind in ("late", "stalled", "died"))

        counted: list[int] = []
        while 1 not in counted and len(counted) < 3:  # a stall of this machine counts too
            counted.append(episodes())
        assert min(counted) == 1, counted
        engine.set("monitor", "b")
        time.sleep(0.1)
        found = meter.steady(instrument.latency + 4096)
        assert (found.samples, found.residual) == (instrument.latency + server.period, 0)


@pytest.mark.parametrize(
    "blow", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.soak)], ids=["killed", "ended"]
)
def test_a_server_that_ends_and_returns_is_reported_and_played_again(blow: signal.Signals) -> None:
    with Server(256) as server:
        instrument = Instrument()
        try:
            instrument.faded_in()
            server.process.send_signal(blow)
            server.process.wait()
            instrument.said("is gone")
            played = instrument.engine.timeline.load(Field.PLAYED_END)
            time.sleep(1.0)
            assert instrument.driver.running
            assert instrument.engine.timeline.load(Field.PLAYED_END) == played
            server.start()
            instrument.said("is back, playing")
            meter = Meter(server)  # only now: a client in this process would hang when its server is killed
            try:
                meter.connect()
                instrument.faded_in()
                found = meter.steady(instrument.latency + 4096)
            finally:
                meter.close()
        finally:
            instrument.close()
        assert (found.samples, found.residual) == (instrument.latency + server.period, 0)
        assert instrument.driver.facts["losses"] == 1
