"""Effects in processes of their own: whatever happens there, the answer is a sentence, and nothing
is left behind.
"""

from __future__ import annotations

import os
import signal
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from models.codec import Audio
from models.load import load
from realtime.effects.effect import BLOCK, LIVE_TIMEOUT_S, OFFLINE_TIMEOUT_S, EffectError
from realtime.effects.factory import open_rack
from realtime.effects.hot_reload import HotReloadedFile
from realtime.effects.pyo_source import PatchSource
from realtime.effects.rack import Rack, RackEffect
from realtime.effects.sandbox import SandboxedEffect
from realtime.system.platform.machine import SYSTEM
from realtime.timeline.layout import Field, Timeline
from realtime.worker.codec_lane import CodecLane
from realtime.worker.scheduler import Worker
from tests.conftest import ROOT
from tests.support.lockstep import noise
from tests.support.systems import needs_posix

ON_WINDOWS = SYSTEM == "windows"
RATE = 48_000
PATIENCE = 1.5  # s for one answer: longer than a shared machine stalls
Open = Callable[[str], SandboxedEffect]


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Open]:
    """Opens an effect whose file this is."""
    guests = []

    def script(text: str) -> SandboxedEffect:
        path = tmp_path / "effect.py"
        path.write_text(textwrap.dedent(text))
        guests.append(SandboxedEffect(f"py:{path}", RATE, 2, timeout_s=PATIENCE))
        return guests[-1]

    yield script
    for guest in guests:
        guest.close()
        assert not Path(f"/proc/{guest.pid}").exists()


def sound(blocks: int) -> Audio:
    return np.ascontiguousarray(noise(blocks * BLOCK).T)


def test_an_effect_of_the_user_plays_with_its_controls(script: Open) -> None:
    guest = script("""
        LATENCY = 3
        CONTROLS = {"factor": (2.0, 0.0, 8.0)}
        print("this is heard by nobody")
        def process(block, params):
            assert block.shape == (2, 64)
            return block * params["factor"]
    """)
    assert guest.latency == 3
    assert [(c.name, c.default, c.low, c.high) for c in guest.controls] == [("factor", 2.0, 0.0, 8.0)]
    x = sound(10)
    made = guest.process(x)
    assert made is not None
    assert np.array_equal(made, 2 * x)
    guest.set("factor", 4.0)
    guest.reset()
    assert np.array_equal(guest.process(x), 4 * x)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("import ctypes; ctypes.string_at(0)", f"crashed ({'access violation' if ON_WINDOWS else 'SIGSEGV'})"),
        ("import os; os.kill(os.getpid(), 9)", "ended (exit code 9)" if ON_WINDOWS else "crashed (SIGKILL)"),
        ("import os; os._exit(3)", "ended (exit code 3)"),
        ("while True: pass", "gave no answer for 1.5 s"),
        pytest.param(
            "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
            "gave no answer for 1.5 s",
            marks=needs_posix("signals"),
        ),
    ],
)
def test_the_end_of_a_sandbox_is_described(script: Open, line: str, says: str) -> None:
    guest = script(f"""
        n = 0
        def process(block, params):
            global n
            n += 1
            if n > 2:
                {line}
            return block
    """)
    x = sound(2)
    assert np.array_equal(guest.process(x), x)  # type: ignore[arg-type]
    with pytest.raises(EffectError) as caught:
        guest.process(x)
    assert str(caught.value) == says


def test_a_killed_effect_starts_again_with_its_controls(script: Open) -> None:
    guest = script("""
        CONTROLS = {"factor": (1.0, 0.0, 8.0)}
        def process(block, params):
            return block * params["factor"]
    """)
    guest.set("factor", 3.0)
    os.kill(guest.pid, signal.SIGKILL)
    with pytest.raises(EffectError, match="crashed"):
        guest.process(sound(1))
    guest.close()
    guest.set("factor", 5.0)  # nobody there; it is kept
    guest.reset()
    x = sound(1)
    assert np.array_equal(guest.process(x), 5 * x)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1\ndef process(", "line 2: SyntaxError: '(' was never closed"),
        ("import os\nraise RuntimeError('not today')", "line 2: RuntimeError: not today"),
        ("import nonsense", "line 1: ModuleNotFoundError: No module named 'nonsense'"),
        ("raise SystemExit", "line 1: SystemExit"),
        ("x = 1", "it has no function process(block, params)"),
    ],
)
def test_a_file_that_cannot_be_run_is_refused_with_its_line_and_the_required_function(
    script: Open, text: str, says: str
) -> None:
    with pytest.raises(EffectError) as caught:
        script(text)
    said = str(caught.value)
    assert said.partition("effect.py: ")[2].startswith(says)
    assert said.endswith(". The file needs def process(block, params): float32 [channels, 64] in, as much out")
    assert str(ROOT) not in said


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("LATENCY = 'much'", "LATENCY is 'much'. Write LATENCY = samples, a whole number from 0"),
        ("LATENCY = -1", "LATENCY is -1. Write"),
        ("LATENCY = 0.5", "LATENCY is 0.5. Write"),
        ("LATENCY = float('nan')", "LATENCY is nan. Write"),
        ("import numpy; LATENCY = numpy.array([1, 2])", "LATENCY is array([1, 2]). Write"),
        ("CONTROLS = {'x': (0, 0, 1e300)}", "CONTROLS has 'x': (0, 0, 1e+300). Write"),
        ("CONTROLS = {'x': (0, 0, 10**400)}", "CONTROLS has 'x': (0, 0, 1000"),
        ("LATENCY = 10**12", "LATENCY is 1000000000000. Write"),
        ("CONTROLS = 5", 'CONTROLS is 5. Write CONTROLS = {"name": (default, low, high)}'),
        ("CONTROLS = {'a/b': (0, 0, 1)}", "CONTROLS has 'a/b': (0, 0, 1). Write"),
        ("CONTROLS = {'x': 3}", "CONTROLS has 'x': 3. Write"),
        ("CONTROLS = {'x': (2, 0, 1)}", "CONTROLS has 'x': (2, 0, 1). Write"),
        ("CONTROLS = {'x': (0, 0, float('inf'))}", "CONTROLS has 'x': (0, 0, inf). Write"),
    ],
)
def test_wrong_declarations_of_a_file_are_refused_with_the_allowed_ones(script: Open, line: str, says: str) -> None:
    with pytest.raises(EffectError) as caught:
        script(f"{line}\ndef process(b, p): return b")
    assert str(caught.value).partition("effect.py: ")[2].startswith(says)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("block[:, :3]", "returned float32 [2, 3], not float32 [2, 64]"),
        ("block * 1j", "returned complex64 [2, 64], not float32 [2, 64]"),
        ("'loud'", "returned str, not float32 [2, 64]"),
        ("None", "returned NoneType, not float32 [2, 64]"),
    ],
)
def test_a_result_of_the_wrong_shape_or_type_is_named(script: Open, line: str, says: str) -> None:
    guest = script(f"def process(block, params): return {line}")
    with pytest.raises(EffectError) as caught:
        guest.process(sound(1))
    assert str(caught.value) == says


def test_an_error_in_the_users_file_is_reported_once_and_skipped(script: Open) -> None:
    guest = script("""
        def process(block, params):
            return block / 0 if block.any() else block[0, 99]
    """)
    rack_free = sound(1) * 0
    assert guest.process(rack_free) is None
    (said,) = guest.remarks()
    assert said.startswith("line 3: IndexError: ")
    assert said.endswith("; skipped until it is saved again")
    assert guest.process(rack_free) is None
    assert guest.remarks() == []


def test_a_file_is_run_again_when_it_is_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.effects.hot_reload.CHECK_S", 0.0)
    path = tmp_path / "own.py"
    path.write_text("value = 1")
    file = HotReloadedFile(str(path))
    file.run({})
    assert file.names is not None
    assert file.names["value"] == 1
    assert not file.changed()
    path.write_text("value = 22")
    assert file.changed()
    file.run({})
    assert file.names["value"] == 22
    path.write_text("value =")
    assert file.changed()
    file.run({})
    assert not file.names
    assert "SyntaxError" in file.remarks()[0]
    path.unlink()
    assert not file.changed()


def plugin(drops: int, give: float = 1.0, latency: int = 0) -> SimpleNamespace:
    """pedalboard with one plug-in that delays; after a reset `drops` samples are left out, then a
    part is given.
    """

    class Plugin:
        is_effect = True
        parameters = {"gain": SimpleNamespace(name="Gain", raw_value=0.5)}  # noqa: RUF012
        reported_latency_samples = latency

        def __init__(self) -> None:
            self._line = np.zeros((2, latency), np.float32)
            self.reset()

        def process(self, block: Audio, rate: int, *, buffer_size: int, reset: bool) -> Audio:
            assert (buffer_size, reset) == (BLOCK, False)
            joined = np.concatenate([self._line, block], axis=1)
            made, self._line = joined[:, : block.shape[1]], joined[:, block.shape[1] :]
            out = min(self._left, block.shape[1])
            self._left -= out
            return made[:, out : round(give * block.shape[1])]

        def reset(self) -> None:
            self._left = drops
            self._line[:] = 0.0

    return SimpleNamespace(load_plugin=lambda path: Plugin())


def test_a_vst3_is_as_late_as_it_says_though_pedalboard_leaves_that_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from realtime.effects.vst3 import VstEffect

    monkeypatch.setitem(sys.modules, "pedalboard", plugin(drops=100, latency=100))
    effect, x = VstEffect("late.vst3", RATE, 2), sound(10)
    assert effect.latency == 100
    for _ in range(2):
        y = np.concatenate([effect.process(x[:, i : i + BLOCK]) for i in range(0, x.shape[1], BLOCK)], axis=1)
        assert y.shape == x.shape
        assert np.array_equal(y[:, 100:], x[:, :-100])
        effect.reset()


def test_a_vst3_that_gives_too_little_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from realtime.effects.rack import Rack, RackEffect
    from realtime.effects.vst3 import VstEffect

    monkeypatch.setitem(sys.modules, "pedalboard", plugin(drops=0, give=0.0))
    x = sound(3)
    rack = Rack([RackEffect("vst:PitchShift", VstEffect("shift.vst3", RATE, 2), 2)])
    assert np.array_equal(rack.process(x)[:, BLOCK:], x[:, BLOCK:])
    assert rack.remarks()[0][0].startswith("vst:PitchShift: returned 0 of 192 samples; bypassed.")


def test_a_source_of_a_file_that_fails_is_silence_and_says_why(tmp_path: Path) -> None:
    path = tmp_path / "source.py"
    path.write_text("def process(block, params):\n    return block + 1\n")
    source = PatchSource(f"py:{path}", timeout_s=10.0)
    try:
        assert (source.read(1000) == 1.0).all()
        os.kill(source.rack.effects[0].effect.pid, signal.SIGKILL)  # type: ignore[attr-defined]
        source.read(3000)
        assert not source.read(1000).any()
        assert "crashed (SIGKILL)" in source.remarks()[0]
    finally:
        source.close()


def test_processes_end_with_the_rack(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text("def process(block, params):\n    return block\n")
    rack = open_rack([f"py:{path}"] * 2, RATE, 2, 10.0)
    pids = [insert.effect.pid for insert in rack.effects]  # type: ignore[attr-defined]
    rack.close()
    rack.close()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_effects_get_the_time_of_a_host_that_renders_while_it_does(script: Open) -> None:
    guest = script("def process(block, params): return block")
    rack = Rack([RackEffect("py:effect.py", guest, 2)])
    timeline = Timeline.create(rate=RATE, latency=4000, max_block=512)
    try:
        worker = Worker(timeline, [CodecLane(load("pcm:hop=960", rate=RATE), [(0, "discrete")], RATE, pre=rack)])
        patience = []
        for offline in (0, 1, 1, 0):
            timeline.header[Field.OFFLINE] = offline
            worker.step()
            patience.append(guest.timeout_s)
        assert patience == [PATIENCE, OFFLINE_TIMEOUT_S, OFFLINE_TIMEOUT_S, LIVE_TIMEOUT_S]
    finally:
        timeline.close()
