"""Main loop of a worker: load the codecs, report their requirements, run a timeline until Stop.

The same function runs in a process of its own (live) or in a thread (files, tests), at the other
end of a pipe. The messages are defined in messages.py.
"""

from __future__ import annotations

import contextlib
import gc
import signal
import sys
import time
from dataclasses import replace
from multiprocessing.connection import Connection

from models.codec import CodecError
from models.load import limit_openmp_spinning
from realtime.effects.effect import EffectError
from realtime.system.platform.priority import raise_priority
from realtime.timeline.layout import Field, Timeline
from realtime.worker import compute_history
from realtime.worker.codec_lane import CodecLane
from realtime.worker.event_sender import EventSender
from realtime.worker.lane_setup import autotune, history_key, open_lanes, requirements_of, warm_up
from realtime.worker.messages import (
    ApplyChanges,
    AttachTimeline,
    LoadCodecs,
    LoadFailed,
    MessagesConsumed,
    ParameterChange,
    SelectFrameEvents,
    Stopped,
)
from realtime.worker.scheduler import OFFLINE_POLL_S, POLL_S, Worker

WATCH_S = 0.005  # between two heartbeats of a process
SWITCH_S = 0.0001  # after which a thread that computes in Python gives way: a lane wakes in time beside it


def run_worker(connection: Connection, request: LoadCodecs, events: Connection, *, tune: bool = False) -> None:
    """Answer with CodecsReady or LoadFailed, then run until Stop arrives or the pipe closes.

    With `tune`, codecs adapt to the machine where they can (which may change the last bit of their
    output), and compute times are stored for later sessions.
    """
    try:
        lanes = open_lanes(request)
    except (CodecError, EffectError) as error:
        _fail(connection, events, error)
        return
    with contextlib.ExitStack() as at_end:
        for lane in lanes:
            at_end.callback(lane.close)
        _load_and_run(connection, request, events, lanes, tune)


def run_worker_process(connection: Connection, request: LoadCodecs, events: Connection) -> None:
    """Run `run_worker` as the main function of a process; Ctrl-C is left to the engine."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.setswitchinterval(SWITCH_S)
    limit_openmp_spinning(preferred=raise_priority())
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the engine has ended
        run_worker(connection, request, events, tune=True)


def _fail(connection: Connection, events: Connection, error: Exception) -> None:
    connection.send(LoadFailed(str(error), getattr(error, "command", "")))
    events.close()


def _load_and_run(
    connection: Connection, request: LoadCodecs, events: Connection, lanes: list[CodecLane], tune: bool
) -> None:
    try:
        if tune:
            autotune(lanes)
        compute_s, remarks = warm_up(lanes, request) if tune else ([lane.warm_up() for lane in lanes], ())
    except CodecError as error:
        _fail(connection, events, error)
        return
    if gc.isenabled():  # it is disabled in a process of its own, whose little garbage may stay (process.py)
        gc.collect()
    gc.freeze()  # loaded objects stay, so that collections while playing skip them
    gc.enable()
    ready = requirements_of(lanes, compute_s)
    connection.send(replace(ready, remarks=ready.remarks + remarks))
    try:
        message = connection.recv()
    except EOFError:
        return
    if isinstance(message, AttachTimeline):
        seconds = _run_loop(connection, request, lanes, message, EventSender(events), threads=tune)
        if tune:
            keys = [history_key(lane, request) for lane in lanes]
            compute_history.store({key: slow for key, slow in zip(keys, seconds, strict=True) if slow})


def _run_loop(
    connection: Connection,
    request: LoadCodecs,
    lanes: list[CodecLane],
    attach: AttachTimeline,
    sender: EventSender,
    *,
    threads: bool,
) -> list[float]:
    """Run the timeline; return a slow frame of each lane in seconds (0: too few frames).

    `threads`: each lane computes in a thread of its own, and this one attends to messages.
    """
    timeline = Timeline.attach(attach.path)
    worker = Worker(timeline, lanes, attach.attach_count, sender.send_nowait)
    for slot, values in request.controls.items():
        for name, value in values.items():
            worker.change(ParameterChange(slot, name, value))
    consumed = 0
    if threads:
        worker.start()
    try:
        while (count := _drain_messages(connection, worker)) is not None:
            if count:
                consumed += count
                sender.send_nowait(MessagesConsumed(consumed))
            if threads:
                worker.watch()
                connection.poll(WATCH_S)  # a message ends the wait; a closed pipe too
            elif not worker.step():
                time.sleep(OFFLINE_POLL_S if timeline[Field.OFFLINE] else POLL_S)
    finally:
        worker.finish()
        seconds = worker.slow_frames(compute_history.MIN_FRAMES)
        del worker
        timeline.close()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.send(Stopped())
        sender.close()
    return seconds


def _drain_messages(connection: Connection, worker: Worker) -> int | None:
    """Handle the messages that have arrived; return their number, or None to stop."""
    count = 0
    try:
        while connection.poll():
            message = connection.recv()
            count += 1
            if isinstance(message, ApplyChanges):
                for change in message.changes:
                    worker.change(change)
            elif isinstance(message, SelectFrameEvents):
                worker.select_frame_events(message.groups)
            else:
                return None
    except (EOFError, ConnectionResetError):
        return None
    return count
