"""MIDI files from Doom WADs, varied and rendered with a soundfont: lossless music of known origin
in any amount.
"""

from __future__ import annotations

import random
import shutil
import struct
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import soundfile

from models.codec import CodecError
from models.training.corpus.packages import command


def wad_midis(folder: Path) -> dict[str, bytes]:
    """Return the distinct MIDI lumps (D_*) of the WADs in `folder`, by "WAD_LUMP".

    A WAD ends in a directory of (offset, size, name).
    """
    seen: set[bytes] = set()
    out = {}
    for wad in sorted(folder.glob("*.wad")):
        blob = wad.read_bytes()
        count, table = struct.unpack_from("<ii", blob, 4)
        for i in range(count):
            offset, size, raw = struct.unpack_from("<ii8s", blob, table + 16 * i)
            data, name = blob[offset : offset + size], raw.rstrip(b"\0").decode("ascii", "replace")
            if name.startswith("D_") and data[:4] == b"MThd" and data not in seen:
                seen.add(data)
                out[f"{wad.stem}_{name}"] = data
    return out


def vary(midi: bytes, rng: random.Random) -> bytes:
    """Return another performance of a MIDI file.

    Transposed, at another tempo, and on other instruments of the same GM families. Every edit
    replaces one byte by another, so the file's structure is unchanged. Channel 10 (drums) keeps its
    notes.
    """
    out = bytearray(midi)
    tracks, division = struct.unpack_from(">HH", out, 10)
    if division < 0x8000:  # ticks in a quarter note; more ticks play faster
        struct.pack_into(">H", out, 12, round(division * rng.uniform(0.85, 1.18)))
    shift = rng.randint(-5, 6)
    voice = [[rng.randrange(8) for _ in range(16)] for _ in range(16)]  # [channel][family]
    pos = 8 + struct.unpack_from(">I", out, 4)[0]

    def number() -> int:
        nonlocal pos
        value, more = 0, 0x80
        while more:
            value, more = value << 7 | out[pos] & 0x7F, out[pos] & 0x80
            pos += 1
        return value

    for _ in range(tracks):
        end = pos + 8 + struct.unpack_from(">I", out, pos + 4)[0]
        pos, status = pos + 8, 0
        while pos < end:
            number()  # time since the last event
            if out[pos] >= 0x80:
                status = out[pos]
                pos += 1
            if status >= 0xF0:
                pos += status == 0xFF
                length = number()
                pos += length
                continue
            kind, channel = status >> 4, status & 15
            if channel != 9 and kind in (8, 9, 10) and 0 <= out[pos] + shift < 128:
                out[pos] += shift
            elif channel != 9 and kind == 12:
                out[pos] = out[pos] & 0x78 | voice[channel][out[pos] >> 3]
            pos += 1 if kind in (12, 13) else 2
    return bytes(out)


def render(midi: Path, flac: Path, font: Path, renderer: str) -> None:
    """Render a MIDI file to a 48 kHz FLAC file by "fluidsynth" or "tinysoundfont".

    CodecError if that fails.
    """
    part = flac.with_suffix(".part")
    if renderer == "fluidsynth":
        command(
            "fluidsynth",
            "-q",
            "-ni",
            "-g",
            "0.15",
            "-r",
            "48000",
            "-O",
            "s16",
            "-T",
            "flac",
            "-F",
            str(part.resolve()),
            str(font.resolve()),
            str(midi.resolve()),
            cwd=flac.parent,
        )  # at a gain of 0.45 some pieces clip
    else:
        import tinysoundfont  # where fluidsynth is not installed

        synth = tinysoundfont.Synth(samplerate=48000, gain=-6)
        synth.sfload(str(font))
        events = tinysoundfont.midi.load(str(midi), persistent=False)  # by default played events stay queued
        tinysoundfont.Sequencer(synth).add(events)
        seconds = min(int(events[-1].t) + 3, 1200)
        audio = np.concatenate([np.frombuffer(synth.generate(48000), np.float32) for _ in range(seconds)]).reshape(
            -1, 2
        )
        soundfile.write(part, audio * (0.89 / max(0.89, float(np.abs(audio).max()))), 48000, "PCM_16", format="FLAC")
    part.rename(flac)


def choose_renderer() -> str:
    """Return "fluidsynth" if it is installed, else "tinysoundfont"; CodecError if neither is."""
    if shutil.which("fluidsynth"):
        return "fluidsynth"
    if find_spec("tinysoundfont"):
        return "tinysoundfont"
    raise CodecError(
        "no MIDI renderer is installed. Run `apt-get install fluidsynth` "
        "or `pip install --no-deps tinysoundfont==0.3.7`."
    )
