"""verdigris as a process: signals, death, closed streams.

Nothing is left behind, and one line is said at most.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
import soundfile

from realtime.system.platform.machine import SYSTEM
from tests.support.desk import RATE, noise

if SYSTEM != "linux":
    pytest.skip("looks into /proc, stops processes by signals", allow_module_level=True)
pytestmark = [pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = [sys.executable, "-m", "realtime.cli.main"]
LIVE = ["live", "--driver", "clock", "--record", "rec", "--report", "report.json", "--a", "pcm", "--b", "opus:24"]
SLOW_TO_LOAD = ["live", "--driver", "clock", "--record", "new/rec", "--report", "report.json", "--a", "pcm:compute=5"]
STOPS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
WAIT_S = 60.0
T = TypeVar("T")


@pytest.fixture(autouse=True)
def _hang_up_is_not_ignored() -> Iterator[None]:
    """Restore the default handling of SIGHUP, which nohup would pass on to the programs started
    here.
    """
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


class Program:
    """One run of verdigris, or of another command, in a session of its own, as a terminal starts
    it.
    """

    def __init__(self, place: Path, command: list[str], stdout: int = subprocess.PIPE) -> None:
        self.place = place
        environment = {**os.environ, "XDG_RUNTIME_DIR": str(place / "run"), "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            command,
            cwd=place,
            env=environment,
            stdout=stdout,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )

    def playing(self) -> Program:
        """Return when it plays and records."""
        until(lambda: recorded(self.place) > RATE // 4)
        return self

    def worker(self) -> int:
        """Wait for the worker's process; its number."""
        return until(lambda: [pid for pid in self._children() if b"spawn_main" in command_line(pid)])[0]

    def signal_all(self, number: int) -> float:
        """To the whole group, as a terminal does; when."""
        os.killpg(self.process.pid, number)
        return time.monotonic()

    def end(self) -> tuple[int, str, str]:
        """Exit code, stdout and stderr."""
        out, err = self.process.communicate(timeout=WAIT_S)
        return self.process.returncode, out or "", err or ""

    def left(self) -> set[str]:
        """Return the names of all files of the working directory, timelines included."""
        return {str(p.relative_to(self.place)) for p in self.place.rglob("*")} - {"run", "run/verdigris", "in.wav"}

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        with self.process:  # closes the pipes and waits
            pass

    def _children(self) -> list[int]:
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def recorded(place: Path) -> int:
    """Samples that input.wav holds by its size."""
    path = place / "rec" / "input.wav"
    return path.stat().st_size // 8 if path.exists() else 0


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def until(look: Callable[[], T]) -> T:
    deadline = time.monotonic() + WAIT_S
    while not (seen := look()):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return seen


def assert_recording_is_whole(place: Path) -> None:
    lengths = {name: soundfile.info(place / "rec" / f"{name}.wav").frames for name in ("input", "monitor", "a", "b")}
    seconds = json.loads((place / "report.json").read_text())["seconds"]
    assert lengths["input"] == round(seconds * RATE)
    assert lengths["monitor"] >= lengths["input"] >= lengths["a"] > 0
    assert all(len(soundfile.read(place / "rec" / f"{name}.wav")[0]) == length for name, length in lengths.items())


Start = Callable[..., Program]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A working directory, with a look for debris at the end."""
    (tmp_path / "run").mkdir()
    yield tmp_path
    assert not list(tmp_path.rglob("*.timeline"))
    assert not list(tmp_path.rglob("*.part"))
    until(lambda: not [pid for pid in Path("/proc").iterdir() if str(tmp_path).encode() in environ(pid)])


@pytest.fixture
def start(place: Path) -> Iterator[Start]:
    """Start verdigris there; what still runs at the end of the test is killed."""
    programs = []

    def start(arguments: list[str], command: list[str] = PROGRAM, stdout: int = subprocess.PIPE) -> Program:
        programs.append(Program(place, command + arguments, stdout))
        return programs[-1]

    yield start
    for program in programs:
        program.close()


def a_second() -> float:
    """One of this program's seconds: on a machine that others use as well, it gets its share of the
    processors.
    """
    lately, _, _, now, _ = Path("/proc/loadavg").read_text().split()
    return max(1.0, max(float(lately), int(now.partition("/")[0])) / (os.cpu_count() or 1))


def ends_in_a_second(end: Callable[[], float]) -> bool:
    """Return True if one of three runs is in time, by its own clock: the machine may stall in any
    of them.
    """
    return any(end() < a_second() for _ in range(3))


def stopped(program: Program, stop: signal.Signals, times: int = 1) -> float:
    """Seconds that it takes to end when it is asked to, so many times, before it has anything; it
    leaves nothing.
    """
    for _ in range(times):
        asked = program.signal_all(stop)
    assert program.end() == (1, "", "verdigris: stopped\n")
    took = time.monotonic() - asked
    assert program.left() == set()
    return took


def environ(pid: Path) -> bytes:
    try:
        return (pid / "environ").read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("stop", STOPS, ids=lambda stop: stop.name)
def test_a_signal_while_playing_is_a_normal_end_in_under_a_second(
    place: Path, start: Start, stop: signal.Signals
) -> None:
    def end() -> float:
        shutil.rmtree(place / "rec", ignore_errors=True)
        program = start(LIVE).playing()
        asked = program.signal_all(stop)
        code, out, err = program.end()
        took = time.monotonic() - asked
        assert (code, err) == (0, "")
        assert "played" in out
        assert_recording_is_whole(place)
        return took

    assert ends_in_a_second(end)


def test_a_second_ctrl_c_interrupts_no_cleanup(place: Path, start: Start) -> None:
    program = start(LIVE).playing()
    for _ in range(5):
        program.signal_all(signal.SIGINT)
        time.sleep(0.01)
    code, _, err = program.end()
    assert (code, err) == (0, "")
    assert_recording_is_whole(place)


@pytest.mark.parametrize("stop", STOPS, ids=lambda stop: stop.name)
@pytest.mark.parametrize("asked", [False, True], ids=["while the worker waits", "while it loads"])
def test_a_signal_before_it_plays_leaves_nothing(place: Path, start: Start, stop: signal.Signals, asked: bool) -> None:
    def end() -> float:
        program = start(SLOW_TO_LOAD)
        program.worker()
        until(lambda: not asked or list((place / "run").rglob("*.session")))
        return stopped(program, stop)

    assert ends_in_a_second(end)


def test_arguments_that_are_refused_leave_no_worker_behind(place: Path, start: Start) -> None:
    code, _, said = start([*LIVE, "--input", "missing.wav"]).end()
    assert (code, said.count("\n")) == (1, 1)
    assert "missing.wav" in said


def test_a_signal_while_modules_are_imported_is_one_line(place: Path, start: Start) -> None:
    hook = (
        "import os, signal, sys\n"
        "class Hook:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'numba': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Hook())\n"
        "from realtime.cli.main import main\n"
        "sys.exit(main(['plan']))\n"
    )
    assert start([], [sys.executable, "-c", hook]).end() == (1, "", "verdigris: stopped\n")


def size_of(path: Path) -> int:
    """Return the bytes of a file; 0 if it was removed meanwhile, as the file that tests the place is."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


@pytest.mark.parametrize(("stop", "times"), [(signal.SIGINT, 1), (signal.SIGTERM, 1), (signal.SIGINT, 3)])
def test_a_signal_while_rendering_leaves_nothing(place: Path, start: Start, stop: signal.Signals, times: int) -> None:
    second = noise(RATE)
    with soundfile.SoundFile(place / "in.wav", "w", RATE, 2) as file:
        for _ in range(300):
            file.write(second)

    def end() -> float:
        program = start(["render", "in.wav", "out.wav"])
        until(lambda: any(size_of(path) > 100_000 for path in place.glob("*.part")))
        return stopped(program, stop, times)

    assert ends_in_a_second(end)


def test_a_signal_that_a_library_swallows_stops_rendering_all_the_same(place: Path, start: Start) -> None:
    swallow = (
        "import os, signal, sys\n"
        "from models import pcm\n"
        "encode = pcm.PcmEncoder.encode\n"
        "def swallowing(self, chunk):\n"
        "    try: os.kill(os.getpid(), signal.SIGTERM)\n"
        "    except KeyboardInterrupt: pass\n"
        "    return encode(self, chunk)\n"
        "pcm.PcmEncoder.encode = swallowing\n"
        "from realtime.cli.main import main\n"
        "sys.exit(main(['render', 'in.wav', 'out.wav', '--codec', 'pcm']))\n"
    )
    soundfile.write(place / "in.wav", noise(RATE), RATE)
    program = start([], [sys.executable, "-c", swallow])
    assert program.end() == (1, "", "verdigris: stopped\n")
    assert program.left() == set()


def test_a_worker_killed_while_loading_is_one_line(place: Path, start: Start) -> None:
    program = start(SLOW_TO_LOAD)
    os.kill(program.worker(), signal.SIGKILL)
    assert program.end() == (1, "", "verdigris: the worker ended before it was ready. Run verdigris doctor.\n")
    assert program.left() == set()


def test_a_killed_host_takes_its_worker_along_and_the_next_start_clears_up(place: Path, start: Start) -> None:
    program = start(LIVE).playing()
    worker = program.worker()
    program.process.kill()
    program.end()
    until(lambda: b"spawn_main" not in command_line(worker))
    assert len(list((place / "run").rglob("*.timeline"))) == 1
    again = start([*LIVE, "--driver", "file", "--seconds", "0.1"])
    assert again.end()[0] == 0


def test_a_list_that_cannot_be_printed_is_one_line(start: Start) -> None:
    """A live stream goes on without its console instead: tests/session/test_supervisor.py."""
    with Path("/dev/full").open("w") as full:
        code, _, err = start(["codecs"], stdout=full.fileno()).end()
    assert code == 1
    assert err == "verdigris: [Errno 28] No space left on device\n"


def test_it_plays_without_any_stream_or_home(place: Path, start: Start) -> None:
    closed = f'exec env -i XDG_RUNTIME_DIR=$PWD/run PYTHONPATH=$PYTHONPATH {" ".join(PROGRAM)} "$@" <&- >&- 2>&-'
    program = start([*LIVE, "--seconds", "0.5"], ["sh", "-c", closed, "sh"])
    assert program.end() == (0, "", "")
    assert_recording_is_whole(place)


def resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) / 1024


def test_memory_does_not_grow_while_playing(place: Path, start: Start) -> None:
    """Anonymous memory, from when all parts have run once: the timeline is shared and of fixed size."""
    program = start([*LIVE, "--seconds", "30"]).playing()
    pids = (program.process.pid, program.worker())
    until(lambda: recorded(place) > 15 * RATE)
    before = [resident_mb(pid) for pid in pids]
    until(lambda: recorded(place) > 29 * RATE)
    after = [resident_mb(pid) for pid in pids]
    assert program.end()[0] == 0
    assert [late - early for early, late in zip(before, after, strict=True)] == pytest.approx([0, 0], abs=1)
