"""The instrument on a sound card: a JACK server stands in for it, and a meter outside measures (jackrig.py)."""

from __future__ import annotations

import ctypes
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime.timeline import Field
from tests.conftest import ROOT
from tests.instrument import Instrument, wait
from tests.jackrig import RATE, Cable, Meter, Server, Slot, need_jack
from tests.test_rack_hosts import DPL, lv2

pytestmark = [pytest.mark.slow, pytest.mark.rig, pytest.mark.timeout(180)]


@pytest.fixture(autouse=True)
def jack() -> None:
    need_jack()


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the user has chosen is neither read nor changed."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@contextmanager
def rig(period: int, **options: str | bool) -> Iterator[tuple[Server, Instrument, Meter]]:
    with Server(period) as server:
        instrument = Instrument(**options)  # type: ignore[arg-type]
        meter = Meter(server)
        try:
            meter.connect()
            instrument.faded_in()
            yield server, instrument, meter
        finally:
            meter.close()
            instrument.close()


@contextmanager
def application(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`verdigris` with these arguments, ended if it does not end itself."""
    command = [sys.executable, "-m", "realtime.cli", *arguments]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)}
    program = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, cwd=ROOT
    )
    try:
        yield program
    finally:
        program.kill()
        program.communicate()


@pytest.mark.parametrize(("period", "effect"), [(64, None), (256, None), (1024, None), (256, DPL)])
def test_round_trip_of_the_application_is_the_planned_latency_to_the_sample(
    tmp_path: Path, period: int, effect: str | None
) -> None:
    """Of dry; with an effect that is late, of wet."""
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
        wait(lambda: engine.timeline.load(Field.HOLE) == 0)
        engine.set("monitor", "b")
        time.sleep(0.5)
        assert measured() == expected, "after a stall"

        engine.swap(1, "pcm:hop=480", None)
        instrument.said("now playing")
        time.sleep(0.5)
        assert measured() == expected, "after another codec"

        before = meter.xruns
        assert instrument.driver.pid
        for _ in range(5):  # the card's process held up for some periods: the server loses them
            os.kill(instrument.driver.pid, signal.SIGSTOP)
            time.sleep(0.03)
            os.kill(instrument.driver.pid, signal.SIGCONT)
            time.sleep(0.1)
        assert meter.xruns > before
        assert sum(instrument.driver.facts["xruns"].values()) > 0
        assert engine.misses()["xrun"] > 0
        time.sleep(0.3)
        assert measured() == expected, "after xruns"

        os.kill(engine.worker_pid, signal.SIGKILL)
        instrument.said("the worker is back")
        time.sleep(0.5)
        assert measured() == expected, "after another worker"


def test_the_fallback_through_python_is_announced_and_keeps_the_latency() -> None:
    with rig(256, compiled=False) as (server, instrument, meter):
        assert "Callback: Python" in str(instrument.driver.found)
        found = meter.steady(instrument.latency + 4096)
        assert (found.samples, found.residual) == (instrument.latency + server.period, 0)


def hold_the_interpreter(server_period: int, answer: Connection) -> None:
    """Blocks served and due while the GIL is held. Run as a process of its own, which has the card's stream in it."""
    instrument = Instrument(in_thread=True)
    try:
        instrument.faded_in()
        blocks = lambda: instrument.engine.timeline.load(Field.BLOCKS)  # noqa: E731
        hold = ctypes.PyDLL(None).usleep  # does not let go of the GIL
        served = due = 0.0
        for _ in range(10):
            before, start = blocks(), time.monotonic()
            hold(100_000)
            served += blocks() - before
            due += (time.monotonic() - start) * RATE / server_period
            time.sleep(0.05)
        answer.send((served, due))
    finally:
        instrument.close()


def test_the_card_is_served_while_the_interpreter_is_held() -> None:
    """Ten times 100 ms. A Python callback serves 6 %. Where the machine stalls, the server loses periods too: again."""
    context = multiprocessing.get_context("spawn")
    with Server(256) as server:
        for _attempt in range(3):
            answer, theirs = context.Pipe()
            process = context.Process(target=hold_the_interpreter, args=(server.period, theirs))
            process.start()
            assert answer.poll(60)
            served, due = answer.recv()
            process.join()
            if served >= 0.95 * due:
                break
        print(f"served {served:.0f} of {due:.0f}")
        assert served >= 0.95 * due


def test_a_worker_stalled_for_twice_the_headroom_is_one_counted_episode() -> None:
    with rig(256) as (server, instrument, meter):
        engine = instrument.engine
        time.sleep(0.5)
        headroom, pid = instrument.latency / RATE, engine.worker_pid
        assert pid

        def episodes() -> int:
            before = engine.misses()
            os.kill(pid, signal.SIGSTOP)
            time.sleep(2 * headroom)
            os.kill(pid, signal.SIGCONT)
            time.sleep(1.0)
            after = engine.misses()
            return sum(after[kind] - before[kind] for kind in ("late", "stalled", "died"))

        counted: list[int] = []
        while 1 not in counted and len(counted) < 3:  # this machine may stall beside, which counts as well
            counted.append(episodes())
        assert min(counted) == 1, counted
        engine.set("monitor", "b")
        time.sleep(0.1)
        found = meter.steady(instrument.latency + 4096)
        assert (found.samples, found.residual) == (instrument.latency + server.period, 0)


@pytest.mark.parametrize(
    "blow", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.soak)], ids=["killed", "ended"]
)
def test_a_server_that_goes_and_comes_back_is_announced_and_played_again(blow: signal.Signals) -> None:
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
            meter = Meter(server)  # not before: a client in this process would hang when its server is killed
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


def count_idle(answer: Connection) -> None:
    """In a process of its own: what a server and a client lose that have nothing to do, until something comes."""
    with Server(256) as server:
        meter = Meter(server, "idle")
        answer.send("ready")
        before = meter.xruns + int(meter.memory[Slot.JUMPS])
        answer.recv()
        answer.send(meter.xruns + int(meter.memory[Slot.JUMPS]) - before)
        meter.close()


@contextmanager
def load_on(instrument: Instrument) -> Iterator[Connection]:
    """A CPU hog, a pure-Python hog in this process, 2000 messages a second; beside it a server with an idle client."""
    stop = threading.Event()
    answer, theirs = multiprocessing.get_context("spawn").Pipe()
    idle = multiprocessing.get_context("spawn").Process(target=count_idle, args=(theirs,))
    idle.start()
    assert answer.recv() == "ready"
    program = "while True: sum(i * i for i in range(1000))"
    hog = subprocess.Popen([sys.executable, "-c", program])

    def hail() -> None:
        while not stop.wait(0.01):
            for i in range(20):
                instrument.engine.set("a.steps", 1 + i % 8)

    threads = [
        threading.Thread(target=hail),
        threading.Thread(target=lambda: [sum(range(1000)) for _ in iter(stop.is_set, True)]),
    ]
    try:
        for thread in threads:
            thread.start()
        yield answer
    finally:
        stop.set()
        hog.kill()
        hog.wait()
        for thread in threads:
            thread.join()
        idle.join(10)
        idle.kill()


def stress(seconds: float) -> None:
    """A numbered signal through the card: each sample says where it belongs."""
    size = int(seconds * RATE)
    play = np.empty((size, 2), np.float32)
    play[:, 0] = np.arange(1, size + 1) / np.float32(1 << 24)  # exact in float32, below full scale
    play[:, 1] = -play[:, 0]
    with rig(256) as (server, instrument, meter):
        lag = instrument.latency + server.period
        for _attempt in range(3):
            with load_on(instrument) as idle:
                record, disturbed = meter.pass_through(play)
                idle.send("enough")
                usual = idle.recv()
            numbers = np.rint(record[:, 0].astype(np.float64) * (1 << 24)).astype(np.int64)
            wrong = numbers != np.maximum(np.arange(size) - lag + 1, 0)
            wrong[:lag] = False  # what was played before
            print(
                f"{seconds:.0f} s: {int(wrong.sum())} samples wrong, {disturbed} xruns, {usual} beside an idle client"
            )
            assert np.array_equal(record[:, 1], -record[:, 0])
            # where the server lost a period there is silence on its way in or out; what comes after keeps its distance
            assert not numbers[wrong].any()
            assert wrong.sum() <= 2 * server.period * disturbed
            if disturbed <= usual + 10:  # else the machine stalled on one of two servers alone: again
                break
        assert disturbed <= usual + 10
        found = meter.steady(instrument.latency + 4096)
        assert (found.samples, found.residual) == (lag, 0)


def test_a_numbered_signal_survives_hogs_and_a_hail_of_messages() -> None:
    stress(10)


@pytest.mark.soak
def test_a_numbered_signal_survives_hogs_and_a_hail_of_messages_for_a_minute() -> None:
    stress(60)


def test_doctor_measures_the_round_trip_through_a_cable_to_the_sample() -> None:
    """The cable goes from the program's own output to its input: one period."""
    with Server(256) as server, application("doctor", "--loopback", "--json") as program:
        plug = Cable(server)
        try:
            while program.poll() is None:
                plug.connect()
                time.sleep(0.005)
        finally:
            plug.close()
        assert program.stdout
        output = program.stdout.read()
        measured = json.loads(output)
        assert measured["measured_samples"] == server.period
        assert measured["level_db"] == pytest.approx(0, abs=0.1)
    with Server(256):
        with application("doctor", "--loopback") as program:  # no cable
            output, _ = program.communicate(timeout=60)
        assert "nothing of what JACK:system played came back" in output


def test_a_file_is_heard_by_the_card_to_its_end(tmp_path: Path) -> None:
    x = np.random.default_rng(0).uniform(-0.5, 0.5, (10 * RATE, 2)).astype(np.float32)
    source, report = tmp_path / "in.wav", tmp_path / "report.json"
    soundfile.write(source, x, RATE, subtype="FLOAT")
    arguments = ["--driver", "device", "--input", str(source), "--monitor", "dry", "--report", str(report)]
    with Server(256, inputs=0) as server, application("live", *arguments) as program:
        assert program.stdout
        next(line for line in program.stdout if line.startswith("JACK:system"))  # tried, and about to play
        meter = Meter(server)
        try:
            meter.connect(inputs=False)
            record, disturbed = meter.pass_through(np.zeros((3 * RATE, 2), np.float32))
        finally:
            meter.close()
        output, _ = program.communicate(timeout=60)
    assert program.returncode == 0, output
    assert json.loads(report.read_text())["seconds"] == 10.0
    heard = record[-RATE:]  # full level by then; where in x, the record itself tells
    first = int(np.flatnonzero((x == heard[0]).all(axis=1))[0])
    assert np.array_equal(heard, x[first : first + RATE]) or disturbed


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_ten_minutes_leave_memory_flat_and_latency_unchanged() -> None:
    def resident(pid: int | None) -> int:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    with rig(256) as (server, instrument, meter):
        pids = (instrument.driver.pid, instrument.engine.worker_pid)
        instrument.engine.set("monitor", "b")
        began: list[int] = []
        for minute in range(10):
            found = meter.steady(instrument.latency + 4096)
            assert (found.samples, found.residual) == (instrument.latency + server.period, 0)
            memory = [resident(pid) for pid in pids]
            began = began if minute > 1 else memory
            print(f"minute {minute}: {[m >> 10 for m in memory]} KiB, {instrument.engine.misses()}")
            assert all(now - then < 1 << 20 for now, then in zip(memory, began, strict=True))
            time.sleep(60)


def refusal(*arguments: str) -> str:
    """The one line that `live` ends with."""
    with application("live", "--driver", "device", *arguments) as program:
        output, _ = program.communicate(timeout=60)
    assert program.returncode == 1, output
    lines = output.strip().splitlines()
    assert len(lines) == 1, output
    return lines[0]


def test_what_cannot_be_had_is_one_line_with_what_is_there_and_what_to_do() -> None:
    with Server(256):
        line = refusal("--output-device", "Scarlett")
        assert 'no output "Scarlett"; there are: JACK:system' in line
        line = refusal("--rate", "44100")
        assert "rate 44100 not offered by JACK:system (48000). Pass --rate 48000" in line
        line = refusal("--input-channels", "3,4")
        assert "input channels 3,4 of JACK:system: it has 1 to 2" in line
    with Server(256, inputs=0):
        assert "no input: none of the cards (JACK:system) has input channels" in refusal()
        assert "JACK:system has no input channels" in refusal("--input-device", "system")


def test_no_card_at_all_is_one_line_and_by_default_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JACK_DEFAULT_SERVER", f"verdigris-nobody-{os.getpid()}")
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")
    line = refusal()
    if "no sound card" not in line:
        pytest.skip("this machine has a sound card")
    assert "Plug one in or start a JACK server" in line
    with application("live", "--seconds", "0.5") as program:
        output, _ = program.communicate(timeout=60)
    assert program.returncode == 0
    assert output.startswith("playing by the clock, without a sound card: no sound card")


def test_without_the_portaudio_library_it_is_one_line() -> None:
    program = (
        "import ctypes.util as u; u.find_library = lambda name: None; import realtime.cli as c; c.main(['devices'])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    (line,) = done.stderr.splitlines()
    assert "no PortAudio library" in line
    assert "apt-get install libportaudio2" in line


def test_devices_lists_the_card_by_its_stable_name() -> None:
    with Server(256):
        with application("devices", "--json") as program:
            output, _ = program.communicate(timeout=60)
        (card,) = [card for card in json.loads(output) if card["host_api"].startswith("JACK")]
    assert card == {
        "name": "JACK:system",
        "host_api": "JACK Audio Connection Kit",
        "inputs": 2,
        "outputs": 2,
        "rates": [48_000],
        "default_rate": 48_000,
        "used_for_input": True,
        "used_for_output": True,
    }
