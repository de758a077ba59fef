"""Owner's end of a scripted module's process: starts it, asks it, and kills it if it does not answer."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Sequence
from typing import Any

from models.codec import CodecProgramError
from models.scripted.archive import ScriptedFile
from models.scripted.framing import Array, FramingError, Header, pack, read

START_S = 30.0  # to load, and for the first calls, which compile
ANSWER_S = 2.0  # for a later answer
MEMORY = 4 << 30  # bytes that a module may allocate; less on a small machine
SLICE_S = 0.1  # for which a wait sleeps
CHUNK = 1 << 16  # bytes
_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}


class ScriptedError(CodecProgramError):
    """Module that failed: the message gives the reason."""


class Patience:
    """Time that an answer may take. Time for which this process itself was stopped does not count."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds

    def wait(self, readable: list[int], writable: list[int]) -> None:
        """Wait until one of the files is ready. TimeoutError when no time is left."""
        while True:
            began = time.perf_counter()
            if any(select.select(readable, writable, [], max(0.0, min(SLICE_S, self._left)))):
                return
            if self._left <= 0:
                raise TimeoutError
            self._left -= min(time.perf_counter() - began, 2 * SLICE_S)


class ScriptedProcess:
    """Process of one module. One thread at a time."""

    def __init__(self, file: ScriptedFile) -> None:
        """Start the process and load the module. ScriptedError if that fails."""
        if os.name != "posix":
            raise ScriptedError(f"{file.path.name}: models of your own run on Linux and macOS only. Windows cannot yet")
        start = f"import sys; sys.path[:] = {sys.path!r}; from models.scripted.confined_server import main; main()"
        self._name = file.path.name
        self._process = subprocess.Popen(
            [sys.executable, "-c", start],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **_ENVIRONMENT},
            start_new_session=True,  # Ctrl-C ends the session, which then ends this process
        )
        self._end = weakref.finalize(self, _end, self._process)
        self.facts: dict[str, Any]
        self._streams = 0
        self._free: list[int] = []  # streams whose owners are gone
        try:
            if self._process.stdin is None or self._process.stdout is None:
                raise ScriptedError(f"{self._name}: its process has no pipes")
            self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
            if sys.platform == "win32":  # whose pipes cannot be waited for
                raise ScriptedError(f"{self._name}: TorchScript models do not run on Windows yet")
            os.set_blocking(self._in, False)
            request = {"do": "load", "path": str(file.path.resolve()), "sha256": file.sha256, "memory": _memory()}
            self.facts, _ = self.ask(request, timeout_s=START_S)
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Id of the process."""
        return self._process.pid

    @property
    def gaps(self) -> list[str]:
        """Rights that this system could not take from the process, as sentences."""
        return list(self.facts["gaps"])

    def open_stream(self, owner: object) -> int:
        """Return the number of a new copy of the module, which is free again when its owner is."""
        if self._free:
            stream = self._free.pop()
        else:
            self._streams += 1
            stream = self._streams
        self.reset(stream)
        weakref.finalize(owner, self._free.append, stream)
        return stream

    def reset(self, stream: int) -> None:
        """Replace a copy by one as it was loaded."""
        self.ask({"do": "copy", "stream": stream}, timeout_s=START_S)

    def invoke(self, stream: int, method: str, *arguments: object) -> Any:
        """Call a method that takes and returns plain values."""
        request = {"do": "invoke", "stream": stream, "method": method, "arguments": arguments}
        return self.ask(request, timeout_s=START_S)[0]["value"]

    def run(self, calls: Sequence[Header], arrays: Sequence[Array], timeout_s: float = ANSWER_S) -> list[Array]:
        """Call methods on tensors, in order; return one array for each call.

        A call has stream, method, seed and the number of its inputs among the arrays.
        """
        return self.ask({"do": "run", "calls": list(calls)}, arrays, timeout_s=timeout_s)[1]

    def ask(self, request: Header, arrays: Sequence[Array] = (), *, timeout_s: float) -> tuple[Header, list[Array]]:
        """Return the answer to a request. ScriptedError if the module fails, ends or is late.

        A process that ended or was late stays closed.
        """
        if not self._end.alive:
            raise ScriptedError(f"{self._name}: its process has ended")
        patience = Patience(timeout_s)
        try:
            self._write(pack(request, arrays), patience)
            answer, made = read(lambda count: self._read(count, patience))
        except TimeoutError:
            self.close()
            raise ScriptedError(f"{self._name}: gave no answer for {timeout_s:g} s") from None
        except (EOFError, OSError):
            raise ScriptedError(f"{self._name}: {self._ending()}") from None
        except FramingError as error:
            self.close()
            raise ScriptedError(f"{self._name}: answered with {error}") from None
        if "error" in answer:
            raise ScriptedError(f"{self._name}: {answer['error']}")
        return answer, made

    def close(self) -> None:
        """End the process. A second call does nothing."""
        self._end()

    def _write(self, data: bytes, patience: Patience) -> None:
        view = memoryview(data)
        while view:
            patience.wait([], [self._in])
            view = view[os.write(self._in, view[:CHUNK]) :]

    def _read(self, count: int, patience: Patience) -> bytes:
        parts, missing = [], count
        while missing:
            patience.wait([self._out], [])
            part = os.read(self._out, min(missing, CHUNK))
            if not part:
                raise EOFError
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _ending(self) -> str:
        """Return the reason for the end of the process, which it closes."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        code = self._process.returncode
        self.close()
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                return f"crashed ({signal.Signals(-code).name})"
        return f"ended (exit code {code})"


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):  # a request that was never read
            if pipe:
                pipe.close()


def _memory() -> int:
    """Return the bytes that a module may allocate: MEMORY, or half of a small machine's memory."""
    if sys.platform == "win32":
        return MEMORY
    try:
        return min(MEMORY, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)
    except (ValueError, OSError):
        return MEMORY
