"""Session files, by which clients find live sessions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from realtime.timeline import session_file
from realtime.timeline.session_file import LOADING, PLAYING, SessionFile
from tests.support.systems import needs_posix


@pytest.fixture(autouse=True)
def _own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def test_a_session_is_found_with_its_facts_until_it_ends() -> None:
    file = SessionFile("clock", ("opus:6", "nano:discrete"))
    (found,) = session_file.sessions()
    assert (found.pid, found.state, found.driver) == (os.getpid(), LOADING, "clock")
    assert (found.codecs, found.port, found.timeline) == (("opus:6", "nano:discrete"), 0, "")
    file.update(state=PLAYING, port=9130, timeline="some.timeline")
    (found,) = session_file.sessions()
    assert (found.state, found.port, found.timeline) == (PLAYING, 9130, "some.timeline")
    file.close()
    assert session_file.sessions() == []


@needs_posix("the rights of files")
def test_only_the_user_may_read_the_file() -> None:
    file = SessionFile("clock", ("pcm",))
    file.update(port=1)
    assert file.session.path.stat().st_mode & 0o777 == 0o600
    file.close()


def test_the_file_of_a_dead_process_is_removed() -> None:
    code = (
        "import os, sys; from realtime.timeline.session_file import SessionFile; f = SessionFile('clock', ('pcm',)); "
        "print(f.session.path, flush=True); sys.stdin.read(); os._exit(9)"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout
    path = Path(child.stdout.readline().strip())
    assert [session.pid for session in session_file.sessions()] == [child.pid]
    child.communicate()
    assert path.exists()
    assert session_file.sessions() == []
    assert not path.exists()


def test_a_file_without_a_session_is_ignored() -> None:
    file = SessionFile("clock", ("pcm",))
    file.session.path.with_name("1.session").write_text("{")
    file.session.path.with_name("2.session").write_text(json.dumps({"pid": 2}))
    assert [session.pid for session in session_file.sessions()] == [os.getpid()]
    file.close()
