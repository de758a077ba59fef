"""The instrument on a JACK server in place of a sound card, and the command line as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.conftest import ROOT
from tests.support.devices.instrument import Instrument
from tests.support.devices.jackrig import Meter, Server


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
    """Run `verdigris` with these arguments, and end it if it does not end itself."""
    command = [sys.executable, "-m", "realtime.cli.main", *arguments]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)}
    program = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, cwd=ROOT
    )
    try:
        yield program
    finally:
        program.kill()
        program.communicate()
