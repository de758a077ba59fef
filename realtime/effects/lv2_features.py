"""Host features for LV2 plug-ins: numbers for URIs, and the block length.

https://lv2plug.in/ns/ext/urid, https://lv2plug.in/ns/ext/options,
https://lv2plug.in/ns/ext/buf-size
"""

from __future__ import annotations

import ctypes

from realtime.effects.effect import BLOCK
from realtime.effects.lilv import ATOM, BUF_SIZE, OPTIONS, URID_MAP, URID_UNMAP, Feature

PARAMETERS = "http://lv2plug.in/ns/ext/parameters#"
_MAP = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_void_p, ctypes.c_char_p)
_UNMAP = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32)


class _Callback(ctypes.Structure):
    """LV2_URID_Map and LV2_URID_Unmap: a handle, and a function."""

    _fields_ = (("handle", ctypes.c_void_p), ("function", ctypes.c_void_p))


class _Option(ctypes.Structure):
    """LV2_Options_Option."""

    _fields_ = (
        ("context", ctypes.c_uint32),
        ("subject", ctypes.c_uint32),
        ("key", ctypes.c_uint32),
        ("size", ctypes.c_uint32),
        ("type", ctypes.c_uint32),
        ("value", ctypes.c_void_p),
    )


class Features:
    """Feature list. `array`, for instantiate, points into this object, which must outlive the
    plug-in.
    """

    def __init__(self, rate: int) -> None:
        self._texts: list[ctypes.Array[ctypes.c_char]] = []  # number n stands for text n - 1
        self._numbers: dict[bytes, int] = {}
        functions = (_MAP(self._map), _UNMAP(self._unmap))
        self._functions = functions
        self._callbacks = [_Callback(None, ctypes.cast(function, ctypes.c_void_p)) for function in functions]
        self._block, self._rate = ctypes.c_int32(BLOCK), ctypes.c_float(rate)
        integer, real = self.urid(ATOM + "Int"), self.urid(ATOM + "Float")
        options = [
            _Option(0, 0, self.urid(BUF_SIZE + name), 4, integer, ctypes.addressof(self._block))
            for name in ("minBlockLength", "maxBlockLength", "nominalBlockLength")
        ]
        rate_key = self.urid(PARAMETERS + "sampleRate")
        options.append(_Option(0, 0, rate_key, 4, real, ctypes.addressof(self._rate)))
        self._options = (_Option * (len(options) + 1))(*options)  # the last one is all zeros
        data = {
            URID_MAP: ctypes.addressof(self._callbacks[0]),
            URID_UNMAP: ctypes.addressof(self._callbacks[1]),
            OPTIONS: ctypes.addressof(self._options),
            BUF_SIZE + "boundedBlockLength": None,
            BUF_SIZE + "fixedBlockLength": None,
            BUF_SIZE + "powerOf2BlockLength": None,
        }
        self._features = [Feature(uri.encode(), value) for uri, value in data.items()]
        pointers = [ctypes.pointer(feature) for feature in self._features]
        self.array = (ctypes.POINTER(Feature) * (len(pointers) + 1))(*pointers)  # ends with NULL

    def urid(self, uri: str) -> int:
        """Return the number of a URI."""
        return self._map(None, uri.encode())

    def _map(self, _: object, uri: bytes) -> int:
        if uri not in self._numbers:
            self._texts.append(ctypes.create_string_buffer(uri))
            self._numbers[uri] = len(self._texts)
        return self._numbers[uri]

    def _unmap(self, _: object, number: int) -> int | None:
        return ctypes.addressof(self._texts[number - 1]) if 0 < number <= len(self._texts) else None
