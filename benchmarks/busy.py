"""Time of a frame on a busy machine, as a multiple of its fair share.

Codecs run at the pace of a stream, at nice 0, beside 0, 1, 2 and 4 processes that never rest. The
fair time of a frame is its processor time with one thread, times the delay of a thread that never
waits: a loop that is timed after each frame, so that whatever else runs on the machine counts for
both. 1.0 is what one thread that waits for nobody gets; two threads may be below it. Policies are
measured in turns.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from benchmarks.report import Row

CODECS = ("nano", "swift")
BUSY = (0, 1, 2, 4)  # processes
POLICIES = ("one thread", "all threads", "by what is free")
ROUNDS, FRAMES_S, SETTLE = 1, 3.0, 4  # rounds; seconds of frames in each; frames that are not counted
MAX_FRAMES = 32  # in a round
SPIN_S = 0.01
LIMIT = 1.3

_CHILD = "import sys; from benchmarks.busy import serve; serve(sys.argv[1])"
_HOG = "while True: pass"


def measure(codecs: Sequence[str] = CODECS, busy: Sequence[int] = BUSY, rounds: int = ROUNDS) -> list[Row]:
    """Return the median time of a frame over its fair time: by codec, busy processes and policy."""
    rows = []
    for codec in codecs:
        found: dict[tuple[int, str], list[list[float]]] = {}
        with _codec_process(codec) as child:
            for number in range(rounds):
                for count in busy:
                    print(f"busy: {codec}, round {number + 1} of {rounds}, {count} processes", file=sys.stderr)
                    with _hogs(count):
                        for policy in POLICIES:
                            found.setdefault((count, policy), []).extend(_ask(child, policy))
        for count in busy:
            fair = statistics.median(used for _, used, _ in found[count, POLICIES[0]])
            for policy in POLICIES:
                walls, _, delays = (list(column) for column in zip(*found[count, policy], strict=True))
                ratio = statistics.median(walls) / (fair * statistics.median(delays))
                aim = f"<= {LIMIT}" if policy == POLICIES[-1] else ""
                rows.append(Row(f"{codec}, {count} busy, {policy}", ratio, "× fair share", aim))
            loop = statistics.median(delay for policy in POLICIES for _, _, delay in found[count, policy])
            rows.append(Row(f"{codec}, {count} busy, delay of a loop", loop, "× alone"))
    return rows


def serve(codec: str) -> None:
    """Answer policies on standard input with [wall s, processor s, delay] of each frame, as JSON. A child's main."""
    from models.load import limit_openmp_spinning, load, usable_cores, use_torch_threads
    from realtime.worker.thread_governor import ThreadGovernor

    limit_openmp_spinning()
    loaded = load(codec)
    from models.codec import DecoderControls

    spec = loaded.spec
    encoder, decoder = loaded.open_encoder(), loaded.open_decoder(spec.paths[0])
    hop_s = spec.hop / spec.sample_rate
    noise = (0.1 * np.random.default_rng(0).standard_normal((spec.channels, spec.hop))).astype(np.float32)
    decoder.decode(encoder.encode(noise), DecoderControls())
    print(flush=True)
    for policy in map(str.strip, sys.stdin):
        threads = 1 if policy == POLICIES[0] else usable_cores()
        governor = ThreadGovernor(threads if policy == POLICIES[2] else 0)
        use_torch_threads(threads)
        taken = []
        for _ in range(SETTLE + min(MAX_FRAMES, max(8, round(FRAMES_S / hop_s)))):
            started, used = time.perf_counter(), time.process_time()
            decoder.decode(encoder.encode(noise), DecoderControls())
            wall, used = time.perf_counter() - started, time.process_time() - used
            taken.append((wall, used, _delay()))
            if governor.update():
                use_torch_threads(governor.threads)
            time.sleep(max(0.0, hop_s - (time.perf_counter() - started)))
        print(json.dumps(taken[SETTLE:]), flush=True)


def _delay() -> float:
    """Return the time that a thread without pauses takes, over its processor time."""
    started, used = time.perf_counter(), time.thread_time()
    while time.thread_time() - used < SPIN_S:
        pass
    return (time.perf_counter() - started) / (time.thread_time() - used)


@contextmanager
def _codec_process(codec: str) -> Iterator[Any]:
    command = [sys.executable, "-c", _CHILD, codec]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            child.stdout.readline()
            yield child
        finally:
            child.kill()


def _ask(child: Any, policy: str) -> list[list[float]]:
    child.stdin.write(f"{policy}\n")
    child.stdin.flush()
    found: list[list[float]] = json.loads(child.stdout.readline())
    return found


@contextmanager
def _hogs(count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    hogs = [subprocess.Popen([sys.executable, "-c", _HOG]) for _ in range(count)]
    try:
        yield hogs
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()
