"""Private PipeWire server with a session manager, a null sink and a virtual source as sound card.

Everything lives in a runtime directory and on a D-Bus session of its own, so that the desktop's
servers are neither used nor disturbed. The environment of this process points there.
"""

from __future__ import annotations

import contextlib
import ctypes
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAMS = ("pipewire", "wireplumber", "pw-cli", "dbus-daemon")
INSTALL = "apt-get install pipewire pipewire-alsa pipewire-jack wireplumber dbus libasound2-plugins"
NODES = """context.objects = [
  {{ factory = adapter args = {{
    factory.name = support.null-audio-sink node.name = {sink} media.class = Audio/Sink
    object.linger = true audio.position = [ FL FR ] }} }}
  {{ factory = adapter args = {{
    factory.name = support.null-audio-sink node.name = {source} media.class = Audio/Source/Virtual
    object.linger = true audio.position = [ FL FR ] }} }}
]
"""


def need_pipewire() -> None:
    """Skip the test if PipeWire is not installed."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"no {', '.join(missing)} here: {INSTALL}")
    if not list(Path("/usr/lib").glob("**/libasound_module_pcm_pipewire.so")):
        pytest.skip(f"no PipeWire device of ALSA here: {INSTALL}")


def _end_with_us() -> None:
    """Make a server end with the tests, however they end."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class PipeWire:
    """A running server. `start`, `stop` and `restart` act on PipeWire and WirePlumber together."""

    def __init__(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.runtime, self.config = place / "run", place / "config"
        self._log = (place / "servers.log").open("w")
        for directory, variable in (
            (self.runtime, "XDG_RUNTIME_DIR"),
            (self.config, "XDG_CONFIG_HOME"),
            (place / "state", "XDG_STATE_HOME"),
        ):
            directory.mkdir(mode=0o700)
            monkeypatch.setenv(variable, str(directory))
        for variable in ("JACK_DEFAULT_SERVER", "PIPEWIRE_REMOTE", "PIPEWIRE_RUNTIME_DIR", "PULSE_SERVER"):
            monkeypatch.delenv(variable, raising=False)
        bus = self._spawn("dbus-daemon", "--session", "--nofork", "--print-address", stdout=subprocess.PIPE)
        assert bus.stdout
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus.stdout.readline().decode().strip())
        self._bus, self._servers = bus, list[subprocess.Popen[bytes]]()
        self.name_nodes("sinkA", "sourceA")

    def name_nodes(self, sink: str, source: str) -> None:
        """Give the nodes these names from the next start on."""
        self._nodes = (sink, source)
        fragments = self.config / "pipewire" / "pipewire.conf.d"
        fragments.mkdir(parents=True, exist_ok=True)
        (fragments / "rig.conf").write_text(NODES.format(sink=sink, source=source))

    def start(self) -> None:
        """Start both servers and wait until the nodes are there. Skips if they do not come."""
        self._servers.append(self._spawn("pipewire"))
        self._until(lambda: _listed("Core"), "PipeWire does not start here")
        self._servers.append(self._spawn("wireplumber"))
        self._until(self._has_ports, "WirePlumber does not set up the nodes here")

    def stop(self) -> None:
        """Kill both servers, as a crash would."""
        for server in reversed(self._servers):
            server.kill()
            server.wait()
        self._servers.clear()

    def restart(self) -> None:
        """Kill both servers and start them again."""
        self.stop()
        self.start()

    def __enter__(self) -> PipeWire:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._bus.kill()
        self._bus.communicate()
        self._log.close()

    def _spawn(self, *command: str, stdout: int | None = None) -> subprocess.Popen[bytes]:
        output = self._log if stdout is None else stdout
        return subprocess.Popen(command, stdout=output, stderr=self._log, preexec_fn=_end_with_us)

    def _has_ports(self) -> bool:
        """Return True if the session manager has given ports to the nodes."""
        ports = _listed("Port")
        return ports.count('port.name = "playback_') == 2 and ports.count('port.name = "capture_') == 2

    def _until(self, there: Callable[[], object], otherwise: str, seconds: float = 15.0) -> None:
        deadline = time.perf_counter() + seconds
        while not there():
            if time.perf_counter() > deadline:
                pytest.skip(otherwise)
            time.sleep(0.05)


def _listed(kind: str) -> str:
    """Return the objects of a kind that the server has; empty if it does not answer."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        return subprocess.run(["pw-cli", "ls", kind], capture_output=True, text=True, timeout=5).stdout
    return ""
