"""Lane setup: load codecs and effects, warm them up, and derive their latency requirements."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from models.load import load, torch_threads, use_torch_threads
from realtime.dsp.limiter import LOOKAHEAD as LIMITER_LOOKAHEAD
from realtime.effects.factory import effect_infos, open_rack
from realtime.effects.rack import Rack
from realtime.files.tape import codec_hash
from realtime.worker import compute_history
from realtime.worker.codec_lane import CodecLane
from realtime.worker.latency_budget import COMPUTE_MARGIN, MIN_COMPUTE_S, LatencyRequirement, contention_margin
from realtime.worker.messages import CodecsReady, LoadCodecs, SlotInfo

ONE_THREAD_LOAD = 0.9  # of a frame's duration, up to which one thread may take over from several


def open_lanes(request: LoadCodecs) -> list[CodecLane]:
    """Load each codec once; slots with the same codec share its lane. The caller closes the lanes.

    Raises CodecError or EffectError if a codec or effect is not available.
    """
    by_name: dict[str, list[tuple[int, str | None]]] = {}
    for slot, name, path in request.slots:
        by_name.setdefault(name, []).append((slot, path))
    lanes: list[CodecLane] = []
    with contextlib.ExitStack() as on_error:
        for name, slots in by_name.items():
            codec = load(name, rate=request.rate, precision=request.precision)
            chosen = [(slot, path or codec.spec.paths[-1 if slot else 0]) for slot, path in slots]
            pre = _open_rack(request, request.racks.pre, on_error)
            post = {slot: _open_rack(request, request.racks.post[slot], on_error) for slot, _ in slots}
            lanes.append(CodecLane(codec, chosen, request.rate, request.channels, pre=pre, post=post))
        on_error.pop_all()
    return lanes


def _open_rack(request: LoadCodecs, specs: Sequence[str], on_error: contextlib.ExitStack) -> Rack:
    rack = open_rack(specs, request.rate, request.channels, request.racks.timeout_s)
    on_error.callback(rack.close)
    return rack


def autotune(lanes: Sequence[CodecLane]) -> None:
    """Let the codecs that can do so adapt to this machine, as they do live."""
    for lane in lanes:
        if hasattr(lane.codec, "tune"):
            lane.codec.tune()
            lane.torch_threads = torch_threads()


def warm_up(lanes: Sequence[CodecLane], request: LoadCodecs) -> tuple[list[float], tuple[str, ...]]:
    """Return the slowest frame of each lane in seconds, now or earlier, and remarks on it."""
    measured = []
    for lane in lanes:
        use_torch_threads(lane.torch_threads)
        measured.append(lane.warm_up())
        lane.one_thread_keeps_up = measured[-1] * lane.torch_threads < ONE_THREAD_LOAD * lane.hop / lane.rate
    planned = [
        compute_history.clamp_estimate(history_key(lane, request), seconds)
        for lane, seconds in zip(lanes, measured, strict=True)
    ]
    remarks = [
        f"{lane.codec.spec.name}: planned for {1000 * more:.1f} ms a frame, as seen in earlier sessions; just now the "
        f"worst was {1000 * less:.1f} ms"
        for lane, less, more in zip(lanes, measured, planned, strict=True)
        if COMPUTE_MARGIN * more > max(MIN_COMPUTE_S, COMPUTE_MARGIN * less)
    ]
    return planned, tuple(remarks)


def history_key(lane: CodecLane, request: LoadCodecs) -> str:
    """Return the key under which this lane's compute times are stored."""
    paths = "+".join(chain.path for chain in lane.chains)
    effects = [effect.spec for _, rack in lane.racks for effect in rack.effects]
    return " ".join([lane.codec.spec.name, paths, request.precision, *effects])


def requirements_of(lanes: Sequence[CodecLane], compute_s: Sequence[float]) -> CodecsReady:
    """Return the requirements of lanes whose slowest frames take compute_s seconds."""
    needs, playing = [], []
    for number, (lane, seconds) in enumerate(zip(lanes, compute_s, strict=True)):
        for chain in lane.chains:
            needs.append(
                LatencyRequirement(
                    slot=chain.slot,
                    lane=number,
                    hop=lane.hop,
                    lookahead=lane.lookahead,
                    resampler=lane.resampler_latency,
                    limiter=LIMITER_LOOKAHEAD,
                    compute_s=seconds + contention_margin(seconds, lane.hop / lane.rate),
                    rack=lane.pre.lag + chain.rack.lag,
                    load=lane.typical_s * lane.rate / lane.hop,
                )
            )
            spec = lane.codec.spec
            playing.append(SlotInfo(chain.slot, spec.name, chain.path, spec, codec_hash(lane.codec)))
    load_factor = max(need.load for need in needs)
    remarks = [f"{lane.codec.spec.name}: {lane.codec.reason}" for lane in lanes if hasattr(lane.codec, "reason")]
    effects = effect_infos(pair for lane in lanes for pair in lane.racks)
    return CodecsReady(tuple(needs), tuple(playing), load_factor, tuple(remarks), effects)
