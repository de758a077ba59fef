"""Process of one scripted module: confines itself, loads the module, and answers calls until its pipe ends.

The module is loaded once and never run. Each stream gets a copy, whose parameters are shared. A
reset is another copy: it restores buffers, and attributes that are no buffers. Before each call the
generator of torch is seeded, so that the same calls give the same samples.
"""

from __future__ import annotations

import contextlib
import copy
import ctypes
import hashlib
import io
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Any, BinaryIO

from models.scripted.confinement import confine, limit_memory
from models.scripted.framing import Array, Header, pack, read

PR_SET_PDEATHSIG = 1  # prctl(2)
FACTS = ("sr", "sampling_rate", "sample_rate")  # attributes or buffers with the rate, in Hz


def main() -> None:
    """Serve requests on the standard streams. Output of the module is discarded."""
    parent = os.getppid()
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    _die_with(parent)
    with contextlib.suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        _serve(requests, answers, confine())


def _serve(requests: BinaryIO, answers: BinaryIO, gaps: list[str]) -> None:
    def read_exactly(count: int) -> bytes:
        data = requests.read(count)
        if len(data) < count:
            raise EOFError
        return data

    host = ModuleHost()
    while True:
        header, arrays = read(read_exactly)
        try:
            result, made = host.answer(header, arrays)
        except Exception as error:  # noqa: BLE001 - it is user code
            result, made = {"error": _reason(error)}, []
        answers.write(pack({**result, "gaps": gaps}, made))
        answers.flush()


class ModuleHost:
    """Loaded module and its copies, by number."""

    def __init__(self) -> None:
        self._copies: dict[int, Any] = {}
        self._module: Any = None

    def answer(self, header: Header, arrays: list[Array]) -> tuple[Header, list[Array]]:
        """Return the answer to a request: its header and arrays."""
        if header["do"] == "load":
            return self._load(header), []
        if header["do"] == "copy":  # a new stream, or the reset of one
            self._copies[header["stream"]] = self._copy()
            return {}, []
        if header["do"] == "invoke":
            made = getattr(self._copies[header["stream"]], header["method"])(*header["arguments"])
            return {"value": list(made) if isinstance(made, tuple) else made}, []
        return {}, self._run(header["calls"], arrays)

    def _load(self, header: Header) -> Header:
        warnings.simplefilter("ignore")  # torch announces that TorchScript is deprecated
        import torch

        torch.set_num_threads(1)
        torch.set_grad_enabled(False)
        content = Path(header["path"]).read_bytes()
        if hashlib.sha256(content).hexdigest() != header["sha256"]:
            raise ValueError("the file has changed meanwhile")
        limit_memory(header["memory"])
        self._module = torch.jit.load(io.BytesIO(content), map_location="cpu").eval()
        return _facts(self._module)

    def _copy(self) -> Any:
        made = copy.deepcopy(self._module)
        for own, shared in zip(made.parameters(), self._module.parameters(), strict=True):
            own.data = shared.data
        return made

    def _run(self, calls: list[Header], arrays: list[Array]) -> list[Array]:
        """Run methods one after another; each takes the next of the arrays, as many as it names."""
        import torch

        made, given = [], iter(arrays)
        for call in calls:
            torch.default_generator.manual_seed(call["seed"])
            tensors = [torch.from_numpy(next(given).copy()) for _ in range(call["inputs"])]
            # TorchScript rewrites a graph after its first runs, and the last bits of the result change with it
            with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
                out = getattr(self._copies[call["stream"]], call["method"])(*tensors)
            if not isinstance(out, torch.Tensor):
                raise TypeError(f"{call['method']} returned {type(out).__name__} and not a tensor")
            made.append(out.to(torch.float32).numpy())
        return made


def _facts(module: Any) -> Header:
    """Return the contract that a module declares: methods, attributes, rate, books of tokens."""
    buffers = dict(module.named_buffers())
    params = {
        name.removesuffix("_params"): [int(value) for value in buffer.flatten()]
        for name, buffer in buffers.items()
        if name.endswith("_params") and "." not in name and buffer.numel() <= 64
    }
    attributes = list(module.get_attributes()) if hasattr(module, "get_attributes") else []
    declared = list(module.get_methods()) if hasattr(module, "get_methods") else []
    methods = declared or [name for name, found in params.items() if len(found) == 4 and name not in attributes]
    rates = [getattr(module, name) for name in FACTS if hasattr(module, name)]
    books = [b.shape for name, b in buffers.items() if name.endswith(("embed", "codebook")) and b.dim() >= 2]
    return {
        "methods": {name: params[name] for name in methods if len(params.get(name, [])) == 4},
        "attributes": {name: params[name] for name in attributes if name in params},
        "rate": next((int(rate) for rate in rates if rate is not None and int(rate) > 0), 0),
        "cardinality": max((shape[-2] for shape in books), default=0),
        "has": [name for name in ("forward", "set_daw_sample_rate_and_buffer_size") if hasattr(module, name)],
    }


def _reason(error: Exception) -> str:
    """Return the last line of an error, without addresses and paths of torch's C++."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300]


def _die_with(parent: int) -> None:
    """Make Linux end this process with its parent, even while the module does not return."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent has already ended
            os._exit(0)
