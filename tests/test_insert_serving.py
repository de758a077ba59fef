"""`verdigris live --driver plugin`: what it takes up, what it refuses and says, what clients see of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from realtime.sessions import PLAYING, sessions
from realtime.timeline import Field, Timeline
from tests.insert_process import Live, environment
from tests.insert_rig import Inserts, insert_files, noise, private_inserts, reserve, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.rig, pytest.mark.timeout(180)]
FLIP = ("--a", "pcm:gain=-1", "--b", "off")


@pytest.fixture
def inserts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inserts]:
    with private_inserts(tmp_path, monkeypatch) as made:
        yield made


def test_an_insert_with_too_little_latency_is_refused_and_has_enough_from_its_next_activation(
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
        live.wait_for("its host has let go of it")


def test_a_host_that_renders_is_served_whatever_the_codecs_take(inserts: Inserts, tmp_path: Path) -> None:
    """Refused live, for compute; rendering waits for it."""
    reserve(2000)
    host, x = inserts(nominal=256).activate(), noise(9600)
    with Live(tmp_path, "--a", "pcm:gain=-1,hop=960,compute=0.03", "--b", "off") as live:
        live.wait_for("It plays dry")
        host.set(freewheel=1)
        out = host.play(x, 256)
        assert np.array_equal(out[:, 2000:], -x[:, :-2000])


def test_another_version_and_a_second_engine_are_told_in_a_line(inserts: Inserts, tmp_path: Path) -> None:
    inserts().activate()
    timeline = Timeline.attach(insert_files()[0])
    timeline.header[Field.VERSION] += 1
    with Live(tmp_path, *FLIP) as live:
        live.wait_for("refused: .* is not a timeline of version .* Run verdigris plugin install")
        second = subprocess.run(
            [sys.executable, "-m", "realtime.cli", "live", "--driver", "plugin"],
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


def test_each_insert_is_a_session_with_osc_of_its_own(inserts: Inserts, tmp_path: Path) -> None:
    hosts = [inserts(rate, nominal=256).activate() for rate in (44_100, 48_000)]
    with Live(tmp_path, *FLIP, "--osc", "0"):
        wait_until(lambda: len([s for s in sessions() if s.state == PLAYING]) == 2, "two sessions", 60)
        found = sessions()
        assert {session.driver for session in found} == {"plugin"}
        assert {Path(session.timeline) for session in found} == set(insert_files())
        assert len({session.port for session in found} - {0}) == 2
        inserts.close(hosts[0])
        wait_until(lambda: len(sessions()) == 1, "one session", 30)


def test_what_is_the_hosts_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "realtime.cli", "live", "--driver", "plugin", "--rate", "48000", "--record", "x"],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr == "verdigris: --record, --rate: with --driver plugin that is the host's. Leave it out.\n"
