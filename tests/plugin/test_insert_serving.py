"""`verdigris live --driver plugin`: the inserts that it serves or refuses, its messages, and what
clients see.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from realtime.timeline.layout import Field, Timeline
from realtime.timeline.session_file import PLAYING, sessions
from tests.support.insert.insert_process import Live, environment
from tests.support.insert.insert_rig import Inserts, insert_files, noise, private_inserts, reserve, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.rig, pytest.mark.timeout(180)]
FLIP = ("--a", "pcm:gain=-1", "--b", "off")


@pytest.fixture
def inserts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inserts]:
    with private_inserts(tmp_path, monkeypatch) as made:
        yield made


def test_an_insert_with_too_little_latency_is_refused_and_adopts_more_when_activated_again(
    inserts: Inserts, tmp_path: Path
) -> None:
    reserve(600)
    host, x = inserts(nominal=256).activate(), noise(48_000)
    with Live(tmp_path, *FLIP) as live:
        live.wait_for("its latency is 600 samples, these codecs need [0-9]+. It plays dry")
        assert np.array_equal(host.play(x, 256)[:, 600:], x[:, :-600])
        host.activate()
        live.wait_for("playing pcm")
        host.set(freewheel=1)
        out = host.play(x, 256)
        latency = int(host["latency"])
        assert latency > 600
        assert np.array_equal(out[:, latency:], -x[:, :-latency])
        inserts.close(host)
        live.wait_for("its host has closed it")


def test_an_offline_export_is_served_however_slow_the_codecs(inserts: Inserts, tmp_path: Path) -> None:
    """It is refused live, for lack of compute; an offline export waits for the codecs."""
    reserve(2000)
    host, x = inserts(nominal=256).activate(), noise(9600)
    with Live(tmp_path, "--a", "pcm:gain=-1,hop=960,compute=0.03", "--b", "off") as live:
        live.wait_for("It plays dry")
        host.set(freewheel=1)
        out = host.play(x, 256)
        assert np.array_equal(out[:, 2000:], -x[:, :-2000])


def test_another_version_and_a_second_engine_are_refused_in_one_line(inserts: Inserts, tmp_path: Path) -> None:
    inserts().activate()
    timeline = Timeline.attach(insert_files()[0])
    timeline.header[Field.VERSION] += 1
    with Live(tmp_path, *FLIP) as live:
        live.wait_for("refused: .* is not a timeline of version .* Run verdigris plugin install")
        second = subprocess.run(
            [sys.executable, "-m", "realtime.cli.main", "live", "--driver", "plugin"],
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert second.returncode == 1
        assert second.stderr == (
            f"verdigris: the inserts are served by process {live.process.pid} already. End that one first.\n"
        )
    timeline.close()


def test_each_insert_is_a_session_with_its_own_osc_port(inserts: Inserts, tmp_path: Path) -> None:
    hosts = [inserts(rate, nominal=256).activate() for rate in (44_100, 48_000)]
    with Live(tmp_path, *FLIP, "--osc", "0"):
        wait_until(lambda: len([s for s in sessions() if s.state == PLAYING]) == 2, "two sessions", 60)
        found = sessions()
        assert {session.driver for session in found} == {"plugin"}
        assert {Path(session.timeline) for session in found} == set(insert_files())
        assert len({session.port for session in found} - {0}) == 2
        inserts.close(hosts[0])
        wait_until(lambda: len(sessions()) == 1, "one session", 30)


def test_options_that_the_host_decides_are_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "realtime.cli.main", "live", "--driver", "plugin", "--rate", "48000", "--record", "x"],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr == "verdigris: --record, --rate: with --driver plugin the host decides this. Leave it out.\n"
