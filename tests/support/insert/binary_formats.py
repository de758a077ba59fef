"""Facts in the headers of shared libraries: ELF, PE and Mach-O, by their public descriptions."""

from __future__ import annotations

import struct
from dataclasses import dataclass

ELF_MACHINES = {62: "x86_64", 183: "arm64"}
PE_MACHINES = {0x8664: "x86_64", 0xAA64: "arm64"}
MACH_MACHINES = {0x01000007: "x86_64", 0x0100000C: "arm64"}
LINKERS = {"_mh_dylib_header", "__dso_handle"}  # that the linker adds on macOS
SHT_DYNSYM, LC_SYMTAB, LC_CODE_SIGNATURE, N_EXT, N_TYPE = 11, 2, 0x1D, 0x01, 0x0E


@dataclass(frozen=True)
class Library:
    """A shared library as its header describes it."""

    system: str
    processor: str
    exports: frozenset[str]
    signed: bool = False  # has a code signature


def read_library(data: bytes) -> Library:
    """Return the facts of a library. ValueError for another file."""
    if data[:6] == b"\x7fELF\x02\x01":
        return _elf(data)
    if data[:4] == b"\xcf\xfa\xed\xfe":
        return _mach_o(data)
    if data[:2] == b"MZ":
        return _pe(data)
    raise ValueError("it is not a shared library")


def _text(data: bytes, at: int) -> str:
    return data[at : data.index(b"\0", at)].decode()


def _elf(data: bytes) -> Library:
    machine = ELF_MACHINES[struct.unpack_from("<H", data, 18)[0]]
    table, entry, count = (struct.unpack_from(kind, data, at)[0] for kind, at in (("<Q", 40), ("<H", 58), ("<H", 60)))
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, table + i * entry) for i in range(count)]
    names = set()
    for _, kind, _, _, at, size, link, _, _, _ in sections:
        if kind == SHT_DYNSYM:
            for symbol in range(at, at + size, 24):
                name, info, other, section = struct.unpack_from("<IBBH", data, symbol)
                if section and info >> 4 and other & 3 == 0:  # defined here, global, visible
                    names.add(_text(data, sections[link][4] + name))
    return Library("linux", machine, frozenset(names))


def _pe(data: bytes) -> Library:
    header = struct.unpack_from("<I", data, 0x3C)[0]
    machine, section_count, optional = (struct.unpack_from("<H", data, header + at)[0] for at in (4, 6, 20))
    sections = [struct.unpack_from("<8x4I", data, header + 24 + optional + 40 * i) for i in range(section_count)]

    def place(address: int) -> int:
        for size, start, _, raw in sections:
            if start <= address < start + size:
                return int(raw + address - start)
        raise ValueError("an address outside all sections")

    exports = place(struct.unpack_from("<I", data, header + 24 + 112)[0])
    count, names = struct.unpack_from("<I4xI", data, exports + 24)
    at = place(names)
    found = {_text(data, place(struct.unpack_from("<I", data, at + 4 * i)[0])) for i in range(count)}
    return Library("windows", PE_MACHINES[machine], frozenset(found))


def _mach_o(data: bytes) -> Library:
    processor, count = (struct.unpack_from("<I", data, at)[0] for at in (4, 16))
    names, signed, at = set(), False, 32
    for _ in range(count):
        command, size = struct.unpack_from("<II", data, at)
        if command == LC_SYMTAB:
            symbols, number, texts = struct.unpack_from("<3I", data, at + 8)
            for i in range(number):
                name, kind = struct.unpack_from("<IB", data, symbols + 16 * i)
                if kind & N_EXT and kind & N_TYPE and not kind & 0x10:  # external, defined, not private
                    names.add(_text(data, texts + name).removeprefix("_"))
        signed |= command == LC_CODE_SIGNATURE
        at += size
    return Library("macos", MACH_MACHINES[processor], frozenset(names - LINKERS), signed)
