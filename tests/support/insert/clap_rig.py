"""Micro-host of CLAP, by ctypes on the binary interface that real hosts use."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tests.support.insert.insert_rig import library, pair

P, U32, I64, F64, B = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int64, ctypes.c_double, ctypes.c_bool
TEXT = ctypes.c_char_p


def _struct(name: str, /, **fields: Any) -> Any:
    return type(name, (ctypes.Structure,), {"_fields_": list(fields.items())})


def _call(result: Any, *arguments: Any) -> Any:
    return ctypes.CFUNCTYPE(result, *arguments)


Version = _struct("Version", major=U32, minor=U32, revision=U32)
Entry = _struct("Entry", version=Version, init=_call(B, TEXT), deinit=_call(None), factory=_call(P, TEXT))
ClapFactory = _struct("ClapFactory", count=_call(U32, P), descriptor=_call(P, P, U32), create=_call(P, P, P, TEXT))
Plugin = _struct(
    "Plugin",
    descriptor=P,
    data=P,
    init=_call(B, P),
    destroy=_call(None, P),
    activate=_call(B, P, F64, U32, U32),
    deactivate=_call(None, P),
    start=_call(B, P),
    stop=_call(None, P),
    reset=_call(None, P),
    process=_call(ctypes.c_int32, P, P),
    extension=_call(P, P, TEXT),
    on_main_thread=_call(None, P),
)
Buffer = _struct("Buffer", data32=P, data64=P, channels=U32, latency=U32, constant_mask=ctypes.c_uint64)
Process = _struct(
    "Process",
    steady_time=I64,
    frames=U32,
    transport=P,
    inputs=P,
    outputs=P,
    input_count=U32,
    output_count=U32,
    in_events=P,
    out_events=P,
)
ParamEvent = _struct(
    "ParamEvent",
    size=U32,
    time=U32,
    space=ctypes.c_uint16,
    type=ctypes.c_uint16,
    flags=U32,
    param=U32,
    cookie=P,
    note=ctypes.c_int32,
    port=ctypes.c_int16,
    channel=ctypes.c_int16,
    key=ctypes.c_int16,
    value=F64,
)
Events = _struct("Events", context=P, size=_call(U32, P), get=_call(P, P, U32))
PortInfo = _struct("PortInfo", id=U32, name=ctypes.c_char * 256, flags=U32, channels=U32, type=TEXT, pair=U32)
Ports = _struct("Ports", count=_call(U32, P, B), get=_call(B, P, U32, B, P))
ParamInfo = _struct(
    "ParamInfo",
    id=U32,
    flags=U32,
    cookie=P,
    name=ctypes.c_char * 256,
    module=ctypes.c_char * 1024,
    low=F64,
    high=F64,
    normal=F64,
)
Params = _struct(
    "Params",
    count=_call(U32, P),
    info=_call(B, P, U32, P),
    value=_call(B, P, U32, P),
    to_text=_call(B, P, U32, F64, P, U32),
    from_text=_call(B, P, U32, TEXT, P),
    flush=_call(None, P, P, P),
)
State = _struct("State", save=_call(B, P, P), load=_call(B, P, P))
Stream = _struct("Stream", context=P, move=_call(I64, P, P, ctypes.c_uint64))
Latency = _struct("Latency", get=_call(U32, P))
Render = _struct("Render", needs_real_time=_call(B, P), set=_call(B, P, ctypes.c_int32))


class ClapHost:
    """One instance of the plug-in. One thread."""

    def __init__(self, state: bytes = b"") -> None:
        entry: Any = Entry.in_dll(library(), "clap_entry")
        assert entry.init(b"insert.so")
        factory = ctypes.cast(entry.factory(b"clap.plugin-factory"), ctypes.POINTER(ClapFactory))
        assert factory[0].count(factory) == 1
        self._at = factory[0].create(factory, None, b"urn:verdigris:insert")
        self._plugin: Any = ctypes.cast(self._at, ctypes.POINTER(Plugin))[0]
        assert self._plugin.init(self._at)
        if state:
            assert self.load(state)

    def extension(self, name: str, kind: Any) -> Any:
        return ctypes.cast(self._plugin.extension(self._at, name.encode()), ctypes.POINTER(kind))[0]

    def call(self, name: str, kind: Any, function: str, *arguments: Any) -> Any:
        """Call a function of an extension."""
        return getattr(self.extension(name, kind), function)(self._at, *arguments)

    def activate(self, rate: float = 48_000.0, most: int = 1024) -> ClapHost:
        assert self._plugin.activate(self._at, rate, 1, most)
        assert self._plugin.start(self._at)
        return self

    @property
    def latency(self) -> int:
        return int(self.call("clap.latency", Latency, "get"))

    def offline(self, on: bool) -> None:
        assert self.call("clap.render", Render, "set", int(on))

    def run(self, inp: np.ndarray, events: Sequence[tuple[int, int, float]] = ()) -> np.ndarray:
        """Process a block [2, n] in place; events are (sample in the block, parameter, value)."""
        block = np.array(inp, np.float32, order="C")
        channels = pair(block)
        buffer = Buffer(ctypes.cast(channels, P), None, 2, 0, 0)
        listed = [ParamEvent(ctypes.sizeof(ParamEvent), t, 0, 5, 0, p, None, -1, -1, -1, -1, v) for t, p, v in events]
        size = _call(U32, P)(lambda context: len(listed))
        get = _call(P, P, U32)(lambda context, index: ctypes.addressof(listed[index]))
        given = Events(None, size, get)
        process = Process(
            *(0, block.shape[1], None, ctypes.addressof(buffer), ctypes.addressof(buffer)),
            *(1, 1, ctypes.addressof(given), None),
        )
        assert self._plugin.process(self._at, ctypes.addressof(process)) == 1
        return block

    def play(self, inp: np.ndarray, sizes: Iterator[int]) -> np.ndarray:
        done, pieces = 0, []
        while done < inp.shape[1]:
            pieces.append(self.run(inp[:, done : done + next(sizes)]))
            done += pieces[-1].shape[1]
        return np.concatenate(pieces, axis=1)

    def save(self) -> bytes:
        kept = bytearray()

        def write(stream: int, data: int, size: int) -> int:
            kept.extend(ctypes.string_at(data, min(size, 7)))  # a host may read in small parts
            return min(size, 7)

        stream = Stream(None, _call(I64, P, P, ctypes.c_uint64)(write))
        assert self.call("clap.state", State, "save", ctypes.addressof(stream))
        return bytes(kept)

    def load(self, state: bytes) -> bool:
        left = bytearray(state)

        def read(stream: int, to: int, size: int) -> int:
            piece = bytes(left[: min(size, 5)])
            del left[: len(piece)]
            ctypes.memmove(to, piece, len(piece))
            return len(piece)

        stream = Stream(None, _call(I64, P, P, ctypes.c_uint64)(read))
        return bool(self.call("clap.state", State, "load", ctypes.addressof(stream)))

    def value(self, param: int) -> float:
        found = F64()
        assert self.call("clap.params", Params, "value", param, ctypes.addressof(found))
        return found.value

    def close(self) -> None:
        self._plugin.destroy(self._at)
