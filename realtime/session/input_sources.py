"""Input sources of a stream: the input itself, a looped file or tape, or a loop of the last seconds
of the input.

A thread checks files and decodes tapes while the stream goes on; then the driver cross-fades to the
result.
"""

from __future__ import annotations

import contextlib
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from models.codec import CodecError
from models.load import split_codec_path
from realtime.drivers.driver import Driver
from realtime.engine.engine import Engine
from realtime.engine.session_requests import SessionRequest
from realtime.engine.source_position import SourcePosition
from realtime.files import audio_file, tape
from realtime.files.audio_file import Audio
from realtime.files.audio_writer import AudioWriter
from realtime.files.tape_reader import TapeReader
from realtime.recording.loop_capture import LoopBuffer
from realtime.system.atomic_file import FileError, expand_user, reason
from realtime.system.platform.streams import ENCODING
from realtime.timeline.layout import FADE, SLOTS, Field

INPUT, CAPTURE = "input", "capture"  # values of the parameter `source` that do not name a file
LOG = logging.getLogger("verdigris.session")
LONGEST_S = 30.0  # of a captured loop; the range of the OSC command


class InputSources:
    """Input sources of one stream. All methods are called from the control thread."""

    def __init__(self, engine: Engine, driver: Driver, temp_directory: Path, report: Callable[[str], None]) -> None:
        """`temp_directory` takes decoded tapes and captured loops; the caller removes it. `report`
        gets the reason why a source was left.
        """
        self._report = report
        self._engine, self._driver, self._temp_directory = engine, driver, temp_directory
        self.buffer = LoopBuffer(engine.timeline, LONGEST_S + 1, ["dry"])
        self._captures = 0
        self._path: Path | None = None  # file that plays; None: the input
        self._captured = False  # it is a loop of the input
        self._opening = False  # the driver has not begun it yet
        self.loader: _SourceLoader | None = None

    def set_source(self, request: SessionRequest) -> None:
        """Play the source that the request names. The request is answered here, or by `poll` once a
        file is ready.
        """
        (name,) = request.args
        self.close("another source was chosen")
        if name == INPUT:
            self._play(None, INPUT)
            request.done(INPUT)
        else:
            self.loader = _SourceLoader(request, expand_user(name), self._temp_directory, self._codec_names())

    def seek(self, request: SessionRequest) -> None:
        """Go to a position of the file that plays, in seconds; beyond its end, to its end."""
        position, (seconds,) = self._engine.source_position, request.args
        if position is None or self._path is None:
            raise FileError("the input has no position. Choose a file first.")
        start = min(max(0, round(seconds * self._rate)), max(0, position.length - 1))
        self._feed(self._path, start, position.length)
        request.done(f"{start / self._rate:.3f}")

    def set_loop(self, request: SessionRequest) -> None:
        """Begin the file again at its end, or not; the file that plays goes on at its position."""
        self._engine.parameters.set("source.loop", bool(request.args[0]))
        position = self._engine.source_position
        if position and self._path and position.loop != bool(request.args[0]):
            self._feed(self._path, position.at(self._engine.timeline.load(Field.DRY_END)), position.length)
        request.done(str(int(request.args[0])))

    def close(self, reason: str = "the stream has ended") -> None:
        """Cancel a source that is still loading; its request fails with `reason`."""
        if self.loader:
            self.loader.cancel()
            self.loader.request.fail(reason)
            self.loader = None

    def capture_loop(self, request: SessionRequest) -> None:
        """Loop the last seconds of the input, rounded to whole frames of the codec with the
        longest; lock the seeds.
        """
        engine, timeline = self._engine, self._engine.timeline
        rate = timeline[Field.RATE]
        hops = {SLOTS[p.slot]: max(1, round(p.spec.hop * rate / p.spec.sample_rate)) for p in engine.playing}
        hop = max(hops.values())
        count = max(1, round(request.args[0] * rate / hop)) * hop
        self.buffer.poll()
        played = self.buffer.loop()["dry"]
        unplayed = self.buffer.end - (timeline.load(Field.PLAYED_END) - timeline[Field.LATENCY])
        played = played[:, : played.shape[1] - max(0, unplayed)]
        if played.shape[1] < count + FADE:
            raise FileError(f"only {played.shape[1] / rate:.1f} s were heard so far. Wait, or capture less.")
        self._captures += 1
        path = self._temp_directory / f"capture-{self._captures}.wav"
        with AudioWriter(path, rate) as writer:
            writer.write(crossfaded_loop(played, count))
        self._play(path, CAPTURE, count, {name: round(count / hops[name]) for name in hops})
        with contextlib.suppress(OSError):  # the loop before this one may still fade out; older ones are unused
            (self._temp_directory / f"capture-{self._captures - 2}.wav").unlink()
        request.done(f"{count / rate:.6f}")

    def poll(self) -> None:
        """Buffer new input, note a source that has failed or ended, and play one that has finished
        loading.
        """
        self.buffer.poll()
        self._note_start()
        position = self._engine.source_position
        if position and not self._opening and position.ended(self._engine.timeline.load(Field.DRY_END)):
            self._play(None, INPUT)
        while failure := self._driver.source_failure():
            self._on_failure(failure)
        loader = self.loader
        if loader is None or loader.thread.is_alive():
            return
        self.loader = None
        if loader.error or loader.audio_path is None:
            loader.request.fail(loader.error)
            return
        try:
            self._play(loader.audio_path, loader.request.args[0], loader.length_at(self._rate))
        except Exception as error:  # noqa: BLE001 - the file has changed since it was checked
            loader.request.fail(error)
        else:
            loader.request.done(loader.request.args[0])

    def _note_start(self) -> None:
        """Correct the position by the time that opening the file took."""
        while (began := self._driver.source_start()) is not None:
            self._opening = False
            if position := self._engine.source_position:
                self._engine.source_position = replace(position, began=began)

    def _on_failure(self, failure: Exception) -> None:
        """Note that the driver has left a source for the input."""
        if self._engine.parameters["source"] == INPUT:
            self._report(f"{failure} The input is silent from here on.")
            return
        self._play(None, INPUT)
        self._report(f"{failure} The input plays again.")

    def _play(self, path: Path | None, name: str, length: int = 0, locks: dict[str, int] | None = None) -> None:
        """Play a file of so many samples, or the input; `locks` are the frames after which the noise
        of each slot repeats.
        """
        self._feed(path, 0, length, captured=name == CAPTURE)
        self._engine.parameters.set("source", name)
        for slot in SLOTS:
            lock = (locks or {}).get(slot, 0)
            if self._engine.parameters[f"{slot}.lock"] != lock:
                self._engine.set(f"{slot}.lock", lock)

    def _feed(self, path: Path | None, start: int, length: int, *, captured: bool = False) -> None:
        """Let the driver play a file from a sample on; a captured loop always begins again."""
        self._note_start()  # of the source before
        loop = captured or (self._captured and path == self._path) or bool(self._engine.parameters["source.loop"])
        self._driver.feed(path, start, loop=loop)
        self._opening = path is not None
        self._path, self._captured = path, loop and (captured or (self._captured and path == self._path))
        began = self._engine.timeline.load(Field.DRY_END)
        self._engine.source_position = SourcePosition(began, start, length, loop) if path else None

    @property
    def _rate(self) -> int:
        return self._engine.timeline[Field.RATE]

    def _codec_names(self) -> dict[bytes, str]:
        """Return the slots' codec names by the config hash that their tapes carry."""
        values = self._engine.parameters
        return {p.config_hash: split_codec_path(values[f"{SLOTS[p.slot]}.codec"])[0] for p in self._engine.playing}


class _SourceLoader:
    """Check of a file, or decoding of a tape, in `thread`. When that ends, `audio_path` or `error`
    is set.
    """

    def __init__(self, request: SessionRequest, path: Path, temp_directory: Path, codecs: dict[bytes, str]) -> None:
        self.request, self.error = request, ""
        self.audio_path: Path | None = None
        self._path, self._temp_directory, self._codecs = path, temp_directory, codecs
        self._lock, self._cancelled = threading.Lock(), False
        self._survey: audio_file.Survey | None = None
        self.decoder: subprocess.Popen[str] | None = None
        self.thread = threading.Thread(target=self._run, name="verdigris-source", daemon=True)
        self.thread.start()

    def length_at(self, rate: int) -> int:
        """Return the samples of the file at a rate; 0 before it was checked."""
        return self._survey.length_at(rate) if self._survey else 0

    def cancel(self) -> None:
        """End the decoder process, if one runs."""
        with self._lock:
            self._cancelled = True
            if self.decoder:
                self.decoder.kill()
                self.decoder.wait()  # so that its files are closed

    def _run(self) -> None:
        try:
            if self._path.exists() and not (self._path.is_file() or self._path.is_dir()):
                raise FileError(f"{self._path}: a pipe or a device cannot be looped. Pass an audio file or a tape.")
            path = self._decode_tape() if _is_tape(self._path) else self._path
            self._survey = audio_file.check(path)
            for remark in self._survey.remarks:
                LOG.warning(remark)
            self.audio_path = path
        except (CodecError, FileError) as error:
            self.error = str(error)
        except OSError as error:
            self.error = f"{str(self._path)[:200]}: cannot be read ({reason(error)}). Pass another file."
        except Exception as error:  # noqa: BLE001 - whatever a reader raises, the stream goes on
            self.error = f"{self._path}: cannot be played ({error}). Pass another file."

    def _decode_tape(self) -> Path:
        """Decode a tape to a WAV in another process, so that the session's loads no codec. Return
        its path.
        """
        codec = self._codecs.get(TapeReader(self._path).header.config_hash)
        target = self._temp_directory / f"{self._path.stem}.wav"
        command = [sys.executable, "-m", "realtime.cli.main", "play", str(self._path), str(target)]
        command += ["--codec", codec] if codec else []
        with self._lock:
            if self._cancelled:
                return target
            self.decoder = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                encoding=ENCODING,
                errors="backslashreplace",
            )
        _, errors = self.decoder.communicate()
        if self.decoder.returncode:
            lines = errors.strip().splitlines() or ["it ended without a message"]
            known = lines[-1].startswith("verdigris: ")
            reason = lines[-1].removeprefix("verdigris: ")
            raise CodecError(reason if known else f"{self._path}: this tape cannot be decoded ({reason}).")
        for remark in errors.splitlines():
            LOG.warning(remark)
        return target


def _is_tape(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(tape.MAGIC)) == tape.MAGIC
    except OSError:
        return False  # the reader reports the reason


def crossfaded_loop(audio: Audio, count: int) -> Audio:
    """Return the last `count` samples of [C, n], n >= count + FADE, so that their end leads into
    their beginning.

    audio   ... | x x x x | 0 1 2 ...   ... e e e e |
                before      the loop        its end, cross-faded to the samples before the loop
    """
    loop = audio[:, -count:].copy()
    before = audio[:, -count - FADE : -count]
    part = np.arange(1, FADE + 1, dtype=np.float32) / np.float32(FADE)
    loop[:, -FADE:] += part * (before - loop[:, -FADE:])
    return loop
