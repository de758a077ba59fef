"""The sandbox itself, tried with Python that writes, connects, starts programs, loops and allocates."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from models.scripted.confinement import confine
from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Landlock and seccomp are of Linux")

DEEDS = {
    "write": 'open(f"{place}/new", "w")',
    "append": 'open(f"{place}/old", "a")',
    "overwrite": 'os.open(f"{place}/old", os.O_WRONLY | os.O_TRUNC)',
    "truncate": 'os.truncate(f"{place}/old", 0)',
    "remove": 'os.unlink(f"{place}/old")',
    "rename": 'os.rename(f"{place}/old", f"{place}/other")',
    "link": 'os.symlink("/etc", f"{place}/link")',
    "folder": 'os.mkdir(f"{place}/folder")',
    "shared memory": 'open("/dev/shm/verdigris-test-" + str(os.getpid()), "w")',
    "tcp": 'socket.create_connection(("127.0.0.1", port), 1)',
    "udp": 'socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9))',
    "unix": "socket.socket(socket.AF_UNIX)",
    "fork": "os.fork()",
    "program": 'subprocess.run(["/bin/true"], check=True)',
    "kill": "os.kill(os.getppid(), 0)",
    "eat": "kept = [bytearray(1 << 26) for _ in range(64)]",
    "file of the process": 'open("/proc/self/comm", "w").write("x")',
}
SCRIPT = """
    import json, os, socket, subprocess, sys, threading
    from models.scripted.confinement import confine, limit_memory
    place, port, deeds = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
    gaps = confine()
    limit_memory(1 << 30)
    found = {}
    for name, code in deeds.items():
        try:
            exec(code)
            found[name] = "done"
        except BaseException as error:
            found[name] = type(error).__name__
    ran = []
    thread = threading.Thread(target=ran.append, args=(1,))
    thread.start()
    thread.join()
    print(json.dumps({"gaps": gaps, "found": found, "thread": ran, "read": open(f"{place}/old").read()}))
"""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """Return what a confined process found when it tried every deed."""
    place = tmp_path_factory.mktemp("place")
    (place / "old").write_text("kept")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), str(place), "9", json.dumps(DEEDS)],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert [path.name for path in place.iterdir()] == ["old"]
    return dict(json.loads(done.stdout))


def test_this_system_takes_all_rights(outcome: dict[str, object]) -> None:
    assert outcome["gaps"] == []


@pytest.mark.parametrize("deed", DEEDS)
def test_a_confined_process_cannot(outcome: dict[str, dict[str, str]], deed: str) -> None:
    expected = {"eat": {"MemoryError"}}.get(deed, {"PermissionError", "OSError"})
    assert outcome["found"][deed] in expected


def test_a_confined_process_can_read_and_start_threads(outcome: dict[str, object]) -> None:
    assert outcome["read"] == "kept"
    assert outcome["thread"] == [1]


def test_a_process_with_several_threads_is_not_confined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "iterdir", lambda self: iter([Path("1"), Path("2")]))
    with pytest.raises(RuntimeError, match="2 threads"):
        confine()
