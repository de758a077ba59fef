"""What is played in place of the input: a file or a tape, or a loop of what was just heard, over and over.

Files are looked at, and tapes decoded, by a thread that nobody waits for; then the driver cross-fades to them.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

from models.codec import CodecError
from models.load import split_path
from realtime import audiofile, tape
from realtime.audiofile import Audio, Writer
from realtime.capture import Capture
from realtime.engine import Engine
from realtime.orders import Order
from realtime.session import Driver
from realtime.timeline import FADE, SLOTS, Field
from realtime.wholefile import FileError, expanded

INPUT, CAPTURE = "input", "capture"  # values of `source` that are no files
LONGEST_S = 30.0  # of a capture, as the command allows


class Sources:
    """Of one stream. `source`, `capture` and `poll` from one control thread."""

    def __init__(self, engine: Engine, driver: Driver, place: Path) -> None:
        """`place` is for files of its own; whoever made it removes it."""
        self._engine, self._driver, self._place = engine, driver, place
        self._capture = Capture(engine.timeline, LONGEST_S + 1, ["dry"])
        self._captures = 0
        self._preparing: _Preparing | None = None

    def source(self, order: Order) -> None:
        """Play what `source` is to be. The order is answered by `poll`, or here."""
        (name,) = order.args
        self.close("another source was asked for")
        if name == INPUT:
            self._play(None, INPUT)
            order.done(INPUT)
        else:
            self._preparing = _Preparing(order, expanded(name), self._place, self._codec_names())

    def close(self, why: str = "the stream has ended") -> None:
        """Wait for nothing any more; whoever asked for a source that is not there yet is told why."""
        if self._preparing:
            self._preparing.give_up()
            self._preparing.order.fail(why)
            self._preparing = None

    def capture(self, order: Order) -> None:
        """Play the last seconds that were heard, cut to whole frames of the codec with the longest; lock the seeds."""
        engine, timeline = self._engine, self._engine.timeline
        rate = timeline[Field.RATE]
        hops = {SLOTS[p.slot]: max(1, round(p.spec.hop * rate / p.spec.sample_rate)) for p in engine.playing}
        hop = max(hops.values())
        count = max(1, round(order.args[0] * rate / hop)) * hop
        self._capture.poll()
        heard = self._capture.loop()["dry"]
        ahead = self._capture.end - (timeline.load(Field.PLAYED_END) - timeline[Field.LATENCY])
        heard = heard[:, : heard.shape[1] - max(0, ahead)]
        if heard.shape[1] < count + FADE:
            raise FileError(f"only {heard.shape[1] / rate:.1f} s were heard so far. Wait, or capture less.")
        self._captures += 1
        path = self._place / f"capture-{self._captures}.wav"
        with Writer(path, rate) as writer:
            writer.write(cut_loop(heard, count))
        self._play(path, CAPTURE, {name: round(count / hops[name]) for name in hops})
        with contextlib.suppress(OSError):  # the one before may fade out yet, what was before that is of no use
            (self._place / f"capture-{self._captures - 2}.wav").unlink()
        order.done(f"{count / rate:.6f}")

    def poll(self) -> None:
        """Take in what is heard; play what has been prepared."""
        self._capture.poll()
        done = self._preparing
        if done is None or done.thread.is_alive():
            return
        self._preparing = None
        if done.error or done.found is None:
            done.order.fail(done.error)
            return
        try:
            self._play(done.found, done.order.args[0])
        except FileError as error:  # it was there when it was looked at
            done.order.fail(error)
        else:
            done.order.done(done.order.args[0])

    def _play(self, path: Path | None, name: str, locks: dict[str, int] | None = None) -> None:
        self._driver.feed(path)
        self._engine.values["source"] = name
        for slot in SLOTS:
            lock = (locks or {}).get(slot, 0)
            if self._engine.values[f"{slot}.lock"] != lock:
                self._engine.set(f"{slot}.lock", lock)

    def _codec_names(self) -> dict[bytes, str]:
        """As they were asked for, by the hash that is on their tapes."""
        values = self._engine.values
        return {p.config_hash: split_path(values[f"{SLOTS[p.slot]}.codec"])[0] for p in self._engine.playing}


class _Preparing:
    """A source that is being looked at or decoded, until `thread` ends."""

    def __init__(self, order: Order, path: Path, place: Path, codecs: dict[bytes, str]) -> None:
        self.order, self.error = order, ""
        self.found: Path | None = None
        self._path, self._place, self._codecs = path, place, codecs
        self._lock, self._given_up = threading.Lock(), False
        self._decoder: subprocess.Popen[str] | None = None
        self.thread = threading.Thread(target=self._run, name="verdigris-source", daemon=True)
        self.thread.start()

    def give_up(self) -> None:
        """Nobody wants it any more: a decoder that runs is ended."""
        with self._lock:
            self._given_up = True
            if self._decoder:
                self._decoder.kill()
                self._decoder.wait()  # it has let go of its files

    def _run(self) -> None:
        try:
            if self._path.exists() and not (self._path.is_file() or self._path.is_dir()):
                raise FileError(f"{self._path}: a pipe or a device plays once, if ever. Pass an audio file or a tape.")
            self.found = self._decoded() if _is_tape(self._path) else self._path
            audiofile.check(self.found)
        except (CodecError, FileError, OSError) as error:
            self.error = str(error)

    def _decoded(self) -> Path:
        """A tape as sound, by a process of its own: codecs have no business in the session's."""
        codec = self._codecs.get(tape.TapeReader(self._path).header.config_hash)
        target = self._place / f"{self._path.stem}.wav"
        command = [sys.executable, "-m", "realtime.cli", "play", str(self._path), str(target)]
        command += ["--codec", codec] if codec else []
        with self._lock:
            if self._given_up:
                return target
            self._decoder = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )
        _, said = self._decoder.communicate()
        if self._decoder.returncode:
            raise CodecError(said.strip().removeprefix("verdigris: ") or "the tape could not be decoded")
        return target


def _is_tape(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(tape.MAGIC)) == tape.MAGIC
    except OSError:
        return False  # whoever reads it says why


def cut_loop(heard: Audio, count: int) -> Audio:
    """The last `count` samples of [C, n], n >= count + FADE, with an end that leads into their beginning.

    heard   ... | x x x x | 0 1 2 ...   ... e e e e |
                before      the loop        its end, faded to what was before
    """
    loop = heard[:, -count:].copy()
    before = heard[:, -count - FADE : -count]
    part = np.arange(1, FADE + 1, dtype=np.float32) / np.float32(FADE)
    loop[:, -FADE:] += part * (before - loop[:, -FADE:])
    return loop
