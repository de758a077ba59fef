"""LV2 plug-ins of this machine, found by liblilv, an optional library called through ctypes.

https://lv2plug.in, https://drobilla.net/docs/lilv/. LilvInstance begins with the plug-in's
descriptor and handle. The calls on them are inline functions of lilv.h and therefore written here.
One thread.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from realtime.effects.effect import Control, EffectError

CORE = "http://lv2plug.in/ns/lv2core#"
ATOM = "http://lv2plug.in/ns/ext/atom#"
BUF_SIZE = "http://lv2plug.in/ns/ext/buf-size#"
OPTIONS = "http://lv2plug.in/ns/ext/options#options"
URID_MAP, URID_UNMAP = (f"http://lv2plug.in/ns/ext/urid#{name}" for name in ("map", "unmap"))
FEATURES = frozenset(
    [URID_MAP, URID_UNMAP, OPTIONS, CORE + "isLive", CORE + "hardRTCapable", CORE + "inPlaceBroken"]
    + [BUF_SIZE + name for name in ("boundedBlockLength", "fixedBlockLength", "powerOf2BlockLength")]
)
OTHER = "other"
KINDS = {
    "audio": CORE + "AudioPort",
    "control": CORE + "ControlPort",
    "cv": CORE + "CVPort",
    "atom": ATOM + "AtomPort",
}
MISSING = (
    "LV2 needs liblilv-0, which is not installed. Install it (Debian, Ubuntu: apt-get install liblilv-0-0; "
    "macOS: brew install lilv)"
)


class Feature(ctypes.Structure):
    """LV2_Feature of lv2core."""

    _fields_ = (("uri", ctypes.c_char_p), ("data", ctypes.c_void_p))


_HANDLE = ctypes.c_void_p


class Descriptor(ctypes.Structure):
    """LV2_Descriptor of lv2core."""

    _fields_ = (
        ("uri", ctypes.c_char_p),
        ("instantiate", ctypes.c_void_p),
        ("connect_port", ctypes.CFUNCTYPE(None, _HANDLE, ctypes.c_uint32, ctypes.c_void_p)),
        ("activate", ctypes.CFUNCTYPE(None, _HANDLE)),
        ("run", ctypes.CFUNCTYPE(None, _HANDLE, ctypes.c_uint32)),
        ("deactivate", ctypes.CFUNCTYPE(None, _HANDLE)),
        ("cleanup", ctypes.CFUNCTYPE(None, _HANDLE)),
        ("extension_data", ctypes.c_void_p),
    )


class Instance(ctypes.Structure):
    """The public part of LilvInstance."""

    _fields_ = (("descriptor", ctypes.POINTER(Descriptor)), ("handle", ctypes.c_void_p), ("own", ctypes.c_void_p))


@dataclass(frozen=True)
class Port:
    """One port of a plug-in."""

    index: int
    symbol: str
    name: str
    kind: str  # one of KINDS, or other
    is_input: bool
    optional: bool
    toggled: bool
    integer: bool
    times_rate: bool  # range and default are multiples of the sample rate
    default: float  # NaN if not specified, as low and high
    low: float
    high: float

    def control(self, rate: int) -> Control:
        """Return the port as a control in the plug-in's own units."""
        unit = rate if self.times_rate else 1
        low = 0.0 if math.isnan(self.low) else self.low * unit
        default = low if math.isnan(self.default) else self.default * unit
        high = max(low, default, 1.0) if math.isnan(self.high) else self.high * unit
        kind = bool if self.toggled else int if self.integer else float
        return Control(self.symbol, kind, min(max(default, low), high), low, high, self.name)


@dataclass(frozen=True)
class Plugin:
    """Description of a plug-in."""

    uri: str
    name: str
    ports: tuple[Port, ...]
    missing: tuple[str, ...]  # required features that are not supported
    latency_port: int | None
    pointer: int

    def audio(self, *, inputs: bool) -> list[Port]:
        """Return the audio inputs or outputs."""
        return [port for port in self.ports if port.kind == "audio" and port.is_input == inputs]

    def controls(self, rate: int) -> tuple[Control, ...]:
        """Return the control inputs."""
        return tuple(port.control(rate) for port in self.ports if port.kind == "control" and port.is_input)

    @property
    def problem(self) -> str:
        """Reason why it cannot be used in a rack; empty if it can."""
        if self.missing:
            return "needs " + ", ".join(name.removeprefix("http://") for name in self.missing)
        inputs, outputs = len(self.audio(inputs=True)), len(self.audio(inputs=False))
        if (inputs, outputs) not in ((1, 1), (1, 2), (2, 2)):
            return f"has {inputs} audio inputs and {outputs} outputs; 1 and 1, 1 and 2, or 2 and 2 fit here"
        if any(port.kind == OTHER and not port.optional for port in self.ports):
            return "has ports of an unknown kind"
        return ""


class Lilv:
    """LV2 world of this machine. EffectError if liblilv is not installed."""

    def __init__(self) -> None:
        name = ctypes.util.find_library("lilv-0")
        if name is None:
            raise EffectError(MISSING)
        self._library = ctypes.CDLL(name)
        self._world = self._call("world_new")
        self._call("world_load_all", self._world, restype=None)
        self._nodes = {
            uri: self._call("new_uri", self._world, uri.encode())
            for uri in (
                *KINDS.values(),
                *(CORE + n for n in ("InputPort", "connectionOptional", "toggled", "integer", "sampleRate")),
            )
        }

    def plugins(self) -> Iterator[Plugin]:
        """Yield all plug-ins."""
        found = self._call("world_get_all_plugins", self._world)
        at = self._call("plugins_begin", found)
        while not self._call("plugins_is_end", found, at, restype=ctypes.c_bool):
            yield self._describe(self._call("plugins_get", found, at))
            at = self._call("plugins_next", found, at)

    def plugin(self, uri: str) -> Plugin:
        """Return the plug-in with this URI. EffectError if there is none."""
        node = self._call("new_uri", self._world, uri.encode())
        found = node and self._call(
            "plugins_get_by_uri", self._call("world_get_all_plugins", self._world), ctypes.c_void_p(node)
        )
        if not found:
            raise EffectError("this plug-in is not installed. verdigris effects lists those that are")
        return self._describe(found)

    def instantiate(self, plugin: Plugin, rate: int, features: Any) -> Any:
        """Return a pointer to a new Instance, for `free`. EffectError if the plug-in cannot be
        started.
        """
        instantiate = self._library.lilv_plugin_instantiate
        instantiate.restype = ctypes.POINTER(Instance)
        instantiate.argtypes = (ctypes.c_void_p, ctypes.c_double, ctypes.c_void_p)
        made = instantiate(plugin.pointer, float(rate), ctypes.cast(features, ctypes.c_void_p))
        if not made:
            raise EffectError("the plug-in could not be started")
        return made

    def free(self, instance: Any) -> None:
        """Free an instance."""
        self._call("instance_free", ctypes.cast(instance, ctypes.c_void_p).value, restype=None)

    def _call(self, name: str, *arguments: Any, restype: Any = ctypes.c_void_p) -> Any:
        function = getattr(self._library, f"lilv_{name}")
        function.restype = restype
        return function(*(ctypes.c_void_p(a) if isinstance(a, int) else a for a in arguments))

    def _describe(self, pointer: int) -> Plugin:
        count = self._call("plugin_get_num_ports", pointer, restype=ctypes.c_uint32)
        ranges = [(ctypes.c_float * count)() for _ in range(3)]
        low, high, default = ranges
        self._call("plugin_get_port_ranges_float", pointer, *ranges, restype=None)
        ports = tuple(self._port(pointer, i, default[i], low[i], high[i]) for i in range(count))
        required = self._texts(self._call("plugin_get_required_features", pointer))
        latency = None
        if self._call("plugin_has_latency", pointer, restype=ctypes.c_bool):
            latency = self._call("plugin_get_latency_port_index", pointer, restype=ctypes.c_uint32)
        return Plugin(
            uri=self._text(self._call("plugin_get_uri", pointer)),
            name=self._text(self._call("plugin_get_name", pointer), free=True),
            ports=ports,
            missing=tuple(feature for feature in required if feature not in FEATURES),
            latency_port=latency,
            pointer=pointer,
        )

    def _port(self, plugin: int, index: int, default: float, low: float, high: float) -> Port:
        port = self._call("plugin_get_port_by_index", plugin, ctypes.c_uint32(index))

        def is_a(uri: str) -> bool:
            return bool(self._call("port_is_a", plugin, port, self._nodes[uri], restype=ctypes.c_bool))

        def has(name: str) -> bool:
            node = self._nodes[CORE + name]
            return bool(self._call("port_has_property", plugin, port, node, restype=ctypes.c_bool))

        return Port(
            index=index,
            symbol=self._text(self._call("port_get_symbol", plugin, port)),
            name=self._text(self._call("port_get_name", plugin, port), free=True),
            kind=next((kind for kind, uri in KINDS.items() if is_a(uri)), OTHER),
            is_input=is_a(CORE + "InputPort"),
            optional=has("connectionOptional"),
            toggled=has("toggled"),
            integer=has("integer"),
            times_rate=has("sampleRate"),
            default=default,
            low=low,
            high=high,
        )

    def _text(self, node: int | None, *, free: bool = False) -> str:
        if not node:
            return ""
        text: bytes = self._call("node_as_string", node, restype=ctypes.c_char_p) or b""
        if free:
            self._call("node_free", node, restype=None)
        return text.decode(errors="replace")

    def _texts(self, nodes: int) -> list[str]:
        found, at = [], self._call("nodes_begin", nodes)
        while not self._call("nodes_is_end", nodes, at, restype=ctypes.c_bool):
            found.append(self._text(self._call("nodes_get", nodes, at)))
            at = self._call("nodes_next", nodes, at)
        self._call("nodes_free", nodes, restype=None)
        return found
