"""Scheduler: the lanes of one timeline, each in a thread of its own, or all in turn.

A worker process gives each lane a thread (`start`): codecs compute in libraries that release the
interpreter, so that a slot in overload leaves the other one its time. Files and tests call `step`,
which computes the most urgent frame of all lanes, so that the order is always the same. The
samples are the same either way, since lanes share nothing.

It does not know devices or windows.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import realtime.system.atomics  # noqa: F401  # imported here so that a takeover does not pay numba's 0.5 s import
from models.load import use_torch_threads
from realtime.timeline.layout import HEARTBEAT, Field, Timeline
from realtime.timeline.telemetry import Telemetry, publish
from realtime.worker.codec_lane import CodecLane
from realtime.worker.lane_runner import LaneRunner, LaneTelemetry
from realtime.worker.messages import LaneFailed, ParameterChange, Slot, SlotWarning
from realtime.worker.thread_governor import ThreadGovernor

POLL_S = 0.0005
OFFLINE_POLL_S = 0.00005
TELEMETRY_INTERVAL_NS = 30_000_000


class Worker:
    """Lanes on a timeline. One thread calls it; after `start`, each lane has another."""

    def __init__(
        self,
        timeline: Timeline,
        lanes: Sequence[CodecLane],
        attach_count: int = 1,
        send: Callable[[object], None] = lambda event: None,
    ) -> None:
        """Attach; `attach_count` numbers the timeline's workers, `send` receives the events."""
        self.timeline = timeline
        self._send = send
        warned: dict[SlotWarning, CodecLane] = {}
        self.runners = [LaneRunner(timeline, lane, send, warned) for lane in lanes]
        self._threads: list[LaneThread] = []
        self._ack_lock = threading.Lock()
        self._published_ns = 0
        if timeline.load(Field.STREAM_ACK) == timeline.load(Field.STREAM_ID):  # a previous worker ran this stream
            for runner in self.runners:
                runner.resume_previous()
        self._heartbeat()
        timeline.store(Field.ATTACH_COUNT, attach_count)
        self._attach_count = attach_count

    def step(self) -> bool:
        """Compute the most urgent frame; return False if none is complete yet. Never waits."""
        ready = [runner for runner in self.runners if self.prepare(runner)]
        self._heartbeat()
        if ready:
            min(ready, key=lambda runner: runner.ready_at).compute()  # the one that waited longest
        else:
            for runner in self.runners:
                runner.measure_surprise()
        self._publish_telemetry()
        return bool(ready)

    def start(self) -> None:
        """Run each lane in a thread from now on; call `watch` in place of `step`."""
        self._threads = [LaneThread(self, runner) for runner in self.runners]
        for thread in self._threads:
            thread.start()

    def watch(self) -> None:
        """Publish heartbeat and telemetry of the lanes' threads, and report the ones that failed."""
        self._heartbeat()
        self._publish_telemetry()
        for thread in self._threads:
            if thread.error and not thread.reported:
                thread.reported = True
                slots = tuple(chain.slot for chain in thread.runner.lane.chains)
                self._send(LaneFailed(slots, f"{type(thread.error).__name__}: {thread.error}"))

    def prepare(self, runner: LaneRunner) -> bool:
        """Prepare a lane's next frame and return True if it can be computed.

        A new stream is acknowledged once every lane was reset for it.
        """
        before = runner.stream
        ready = runner.prepare()
        if runner.stream != before:
            with self._ack_lock:
                if all(other.stream == runner.stream for other in self.runners):
                    self.timeline.store(Field.STREAM_ACK, runner.stream)
        return ready

    def change(self, change: ParameterChange) -> None:
        """Queue a change for its frame. If it has a ticket, one ChangeApplied event confirms it."""
        for runner in self.runners:
            slots = [chain.slot for chain in runner.lane.chains]
            if change.slot in (Slot.PRE, Slot.GLOBAL, *slots):
                runner.put(change)
                change = replace(change, ticket=0)  # a single confirmation

    def select_frame_events(self, groups: frozenset[str]) -> None:
        """Send a FrameEncoded event per frame, with tokens or latent if named; empty: none."""
        for runner in self.runners:
            runner.groups = groups

    def snapshot(self) -> Telemetry:
        """Return the telemetry of this run."""
        if self._threads:
            measured = [(thread.runner, thread.measured) for thread in self._threads]
        else:
            measured = [(runner, runner.measure()) for runner in self.runners]
        frames, bitrate, coded = [0, 0], [0.0, 0.0], [0.0, 0.0]
        for runner, lane in measured:
            for chain in runner.lane.chains:
                frames[chain.slot] = lane.frames
                bitrate[chain.slot] = lane.bitrate[chain.slot]
                coded[chain.slot] = lane.coded[chain.slot]
        p50, p99, most = (max(loads) for loads in zip(*(lane.load for _, lane in measured), strict=True))
        return Telemetry(
            frames=(frames[0], frames[1]),
            bitrate=(bitrate[0], bitrate[1]),
            coded=(coded[0], coded[1]),
            load=(p50, p99, most),
            resyncs=sum(lane.resyncs for _, lane in measured),
            bad_samples=sum(lane.bad_samples for _, lane in measured),
        )

    def slow_frames(self, min_frames: int) -> list[float]:
        """Return the 99th percentile of seconds per frame by lane; 0 below `min_frames`."""
        return [runner.slow_frame(min_frames) for runner in self.runners]

    def finish(self) -> None:
        """End the lanes' threads after their current frames, publish the last telemetry, detach."""
        for thread in self._threads:
            thread.stop()
        for thread in self._threads:
            thread.join()
        self._threads = []
        publish(self.timeline, self.snapshot())
        if self.timeline.load(Field.ATTACH_COUNT) == self._attach_count:  # no other worker has attached
            self.timeline.store(Field.ATTACH_COUNT, 0)

    def _heartbeat(self) -> None:
        """Publish the oldest heartbeat of the lanes."""
        slots = [chain.slot for runner in self.runners for chain in runner.lane.chains]
        self.timeline.store(Field.HEARTBEAT_NS, min(self.timeline.load(HEARTBEAT[slot]) for slot in slots))

    def _publish_telemetry(self) -> None:
        now = time.perf_counter_ns()
        if now - self._published_ns > TELEMETRY_INTERVAL_NS:
            self._published_ns = now
            publish(self.timeline, self.snapshot())


class LaneThread(threading.Thread):
    """Thread that runs one lane until `stop`, or until an error, which ends this lane alone."""

    def __init__(self, worker: Worker, runner: LaneRunner) -> None:
        names = "".join("AB"[chain.slot] for chain in runner.lane.chains)
        super().__init__(name=f"verdigris-lane-{names}", daemon=True)
        self.runner = runner
        self.measured: LaneTelemetry = runner.measure()  # replaced as a whole, for another thread to read
        self.error: Exception | None = None
        self.reported = False
        self._worker = worker
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Ask the thread to end after its current frame."""
        self._stopping.set()

    def run(self) -> None:
        """Compute frames as their input arrives."""
        try:
            self._run()
        except Exception as error:  # noqa: BLE001 - reported by `watch`; the other lanes go on
            self.error = error

    def _run(self) -> None:
        runner, timeline = self.runner, self.runner.timeline
        use_torch_threads(runner.lane.torch_threads)
        governor = ThreadGovernor(runner.lane.torch_threads if runner.lane.one_thread_keeps_up else 0)
        measured_ns = 0
        while not self._stopping.is_set():
            if self._worker.prepare(runner):
                runner.compute()
                if governor.update():
                    use_torch_threads(governor.threads)
            elif not runner.measure_surprise():
                time.sleep(OFFLINE_POLL_S if timeline[Field.OFFLINE] else POLL_S)
            if (now := time.perf_counter_ns()) - measured_ns > TELEMETRY_INTERVAL_NS:
                measured_ns, self.measured = now, runner.measure()
