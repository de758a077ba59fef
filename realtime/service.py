"""The worker's service: load the codecs, warm them up, say what they need, then run a timeline until told to stop.

The same function runs in a process of its own (live) or in a thread (files, tests), at the other end of a pipe:

    service → engine   Ready(...) once the codecs are warm · Failed(message) instead, if they cannot be had ·
                       Stopped once it has let go of the timeline
    engine → service   Attach(path, engine) once · Changes · SetLimiter · Stream · Stop

and by a second pipe, while it plays, the events of news.py.
"""

from __future__ import annotations

import contextlib
import gc
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from models.codec import CodecError, CodecSpec
from models.load import calm_threads, load
from realtime import seen
from realtime.lane import Lane
from realtime.latency import COMPUTE_MARGIN, MIN_COMPUTE_S, Need, sharing
from realtime.limiter import LOOKAHEAD as LIMITER_LOOKAHEAD
from realtime.news import Change, Postman, Taken
from realtime.priority import raise_priority
from realtime.rack.effect import EMPTY, EffectError, Inserted, Racks
from realtime.rack.opening import inserted, open_rack
from realtime.rack.rack import Rack
from realtime.tape import codec_hash
from realtime.timeline import Field, Timeline
from realtime.worker import OFFLINE_POLL_S, POLL_S, Worker


@dataclass(frozen=True)
class Request:
    """What to load: for each slot a codec and a path (None: the codec's first for slot A, its last for slot B)."""

    slots: tuple[tuple[int, str, str | None], ...]
    rate: int
    channels: int = 2
    controls: dict[int, dict[str, Any]] = field(default_factory=dict)
    limiter: bool = True
    precision: str = "float32"
    racks: Racks = EMPTY


@dataclass(frozen=True)
class Playing:
    """What a slot turned out to play."""

    slot: int
    codec: str
    path: str
    spec: CodecSpec
    config_hash: bytes  # as a tape keeps it


@dataclass(frozen=True)
class Ready:
    needs: tuple[Need, ...]
    playing: tuple[Playing, ...]
    load: float  # real-time factor of the warm-up's worst frames, over all lanes
    remarks: tuple[str, ...] = ()  # where networks compute, and why
    inserted: tuple[Inserted, ...] = ()


@dataclass(frozen=True)
class Failed:
    message: str


@dataclass(frozen=True)
class Attach:
    path: Path
    engine: int


@dataclass(frozen=True)
class Changes:
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class SetLimiter:
    on: bool
    at: int | None = None
    ticket: int = 0


@dataclass(frozen=True)
class Stream:
    """What to report of every frame: some of clock, tokens, latents."""

    groups: frozenset[str]


@dataclass(frozen=True)
class Stop:
    pass


@dataclass(frozen=True)
class Stopped:
    pass


def open_lanes(request: Request) -> list[Lane]:
    """Load each codec once; slots that play the same codec share its lane. To be closed.

    CodecError or EffectError if something cannot be had.
    """
    by_name: dict[str, list[tuple[int, str | None]]] = {}
    for slot, name, path in request.slots:
        by_name.setdefault(name, []).append((slot, path))
    lanes: list[Lane] = []
    with contextlib.ExitStack() as on_error:
        for name, slots in by_name.items():
            codec = load(name, rate=request.rate, precision=request.precision)
            chosen = [(slot, path or codec.spec.paths[-1 if slot else 0]) for slot, path in slots]
            pre = _rack(request, request.racks.pre, on_error)
            post = {slot: _rack(request, request.racks.post[slot], on_error) for slot, _ in slots}
            lanes.append(Lane(codec, chosen, request.rate, request.channels, pre=pre, post=post))
        on_error.pop_all()
    return lanes


def _rack(request: Request, specs: Sequence[str], on_error: contextlib.ExitStack) -> Rack:
    rack = open_rack(specs, request.rate, request.channels, request.racks.patience_s)
    on_error.callback(rack.close)
    return rack


def warm_up(lanes: Sequence[Lane], request: Request) -> tuple[list[float], tuple[str, ...]]:
    """Seconds for the worst frame of each lane, as measured now or seen before; what there is to say of that."""
    measured = [lane.warm_up() for lane in lanes]
    planned = [seen.refine(_name(lane, request), seconds) for lane, seconds in zip(lanes, measured, strict=True)]
    remarks = [
        f"{lane.codec.spec.name}: planned for {1000 * more:.1f} ms a frame, as seen in earlier sessions; just now the "
        f"worst was {1000 * less:.1f} ms"
        for lane, less, more in zip(lanes, measured, planned, strict=True)
        if COMPUTE_MARGIN * more > max(MIN_COMPUTE_S, COMPUTE_MARGIN * less)
    ]
    return planned, tuple(remarks)


def _name(lane: Lane, request: Request) -> str:
    """Under which what was seen of it is kept."""
    paths = "+".join(outlet.path for outlet in lane.outlets)
    effects = [insert.spec for _, rack in lane.racks for insert in rack.inserts]
    return " ".join([lane.codec.spec.name, paths, request.precision, *effects])


def describe(lanes: Sequence[Lane], compute_s: Sequence[float]) -> Ready:
    """What these lanes need, each taking compute_s for its worst frame."""
    needs, playing = [], []
    for number, (lane, seconds) in enumerate(zip(lanes, compute_s, strict=True)):
        for outlet in lane.outlets:
            needs.append(
                Need(
                    slot=outlet.slot,
                    lane=number,
                    hop=lane.hop,
                    lookahead=lane.lookahead,
                    resampler=lane.resampler_latency,
                    limiter=LIMITER_LOOKAHEAD,
                    compute_s=seconds + sharing(seconds, lane.hop / lane.rate),
                    rack=lane.pre.lag + outlet.rack.lag,
                )
            )
            spec = lane.codec.spec
            playing.append(Playing(outlet.slot, spec.name, outlet.path, spec, codec_hash(lane.codec)))
    load = sum(seconds * lane.rate / lane.hop for lane, seconds in zip(lanes, compute_s, strict=True))
    remarks = [f"{lane.codec.spec.name}: {lane.codec.reason}" for lane in lanes if hasattr(lane.codec, "reason")]
    effects = inserted(pair for lane in lanes for pair in lane.racks)
    return Ready(tuple(needs), tuple(playing), load, tuple(remarks), effects)


def tune_lanes(lanes: Sequence[Lane]) -> None:
    """Have codecs suit themselves to the machine, if they can, as they do live."""
    for lane in lanes:
        if hasattr(lane.codec, "tune"):
            lane.codec.tune()


def serve(connection: Connection, request: Request, news: Connection, *, tune: bool = False) -> None:
    """Answer with Ready or Failed, then work until Stop comes or the pipe is closed.

    With `tune`, codecs that can suit themselves to the machine do, at the price of the last bit of their results, and
    what computing took is remembered.
    """
    try:
        lanes = open_lanes(request)
    except (CodecError, EffectError) as error:
        connection.send(Failed(str(error)))
        news.close()
        return
    with contextlib.ExitStack() as at_end:
        for lane in lanes:
            at_end.callback(lane.close)
        _serve(connection, request, news, lanes, tune)


def _serve(connection: Connection, request: Request, news: Connection, lanes: list[Lane], tune: bool) -> None:
    try:
        if tune:
            tune_lanes(lanes)
        compute_s, remarks = warm_up(lanes, request) if tune else ([lane.warm_up() for lane in lanes], ())
    except CodecError as error:
        connection.send(Failed(str(error)))
        news.close()
        return
    if gc.isenabled():  # not in a process of its own, whose little garbage stays (worker_process.py)
        gc.collect()
    gc.freeze()  # what is loaded stays; collections while playing look at the rest only
    gc.enable()
    ready = describe(lanes, compute_s)
    connection.send(replace(ready, remarks=ready.remarks + remarks))
    try:
        message = connection.recv()
    except EOFError:
        return
    if isinstance(message, Attach):
        took = _work(connection, request, lanes, message, Postman(news))
        if tune:
            seen.remember({_name(lane, request): seconds for lane, seconds in zip(lanes, took, strict=True) if seconds})


def serve_process(connection: Connection, request: Request, news: Connection) -> None:
    """`serve` as the main function of a process: Ctrl-C is the engine's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.setswitchinterval(0.0005)
    calm_threads(preferred=raise_priority())
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the engine is gone: no reason to go on
        serve(connection, request, news, tune=True)


def _work(connection: Connection, request: Request, lanes: list[Lane], attach: Attach, postman: Postman) -> list[float]:
    """Seconds that a slow frame took in each lane; 0 where too few were played to tell."""
    timeline = Timeline.attach(attach.path)
    worker = Worker(timeline, lanes, attach.engine, postman.post)
    for slot, changes in request.controls.items():
        for name, value in changes.items():
            worker.change(Change(slot, name, value))
    worker.set_limiter(request.limiter)
    taken = 0
    try:
        while (got := _listen(connection, worker)) is not None:
            if got:
                taken += got
                postman.post(Taken(taken))
            if not worker.step():
                time.sleep(OFFLINE_POLL_S if timeline[Field.OFFLINE] else POLL_S)
    finally:
        worker.finish()
        took = worker.slow_frames(seen.FRAMES)
        del worker
        timeline.close()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.send(Stopped())
        postman.close()
    return took


def _listen(connection: Connection, worker: Worker) -> int | None:
    """Take in what the engine says: how many messages that were; None when it is time to stop."""
    got = 0
    try:
        while connection.poll():
            message = connection.recv()
            got += 1
            if isinstance(message, Changes):
                for change in message.changes:
                    worker.change(change)
            elif isinstance(message, SetLimiter):
                worker.set_limiter(message.on, message.at, message.ticket)
            elif isinstance(message, Stream):
                worker.stream(message.groups)
            else:
                return None
    except (EOFError, ConnectionResetError):
        return None
    return got
