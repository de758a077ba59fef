"""Measurement of a sound card's round trip, with a cable from an output to an input.

The measurement uses the code that plays streams: the sequence is in slot A of a separate timeline,
and the input arrives in its dry ring. A maximum-length sequence correlates only with itself, so
even a faint copy is found.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from realtime.drivers.portaudio.api import DeviceError
from realtime.drivers.portaudio.callback import FADE_IN, StateField
from realtime.drivers.portaudio.probe import DeviceInfo, StreamConfig, open_stream
from realtime.timeline.layout import DRY, FADE, GAIN_ONE, WET, WET_END, Field, Timeline
from realtime.timeline.playout import Playout

ORDER = 14
LEVEL = 0.125  # -18 dBFS: audible, and harmless if loudspeakers were left on
SETTLE_SAMPLES = 12_000  # before the sequence, for the device to settle
CLOCK_SETTLE_S = 4.0  # additional time, for two clocks to be known well
MAX_ROUND_TRIP_S = 0.5
ATTEMPTS = 4
MIN_PEAK = 8.0  # of a copy, relative to the root mean square of the correlation


@dataclass(frozen=True)
class RoundTrip:
    """Result of a measurement."""

    samples: int
    level_db: float  # of the recorded sequence relative to the played one


def sequence(order: int = ORDER) -> npt.NDArray[np.float32]:
    """Return a maximum-length sequence, 2**order - 1 samples of +-1.

    Its recurrence is x^14 + x^13 + x^12 + x^2 + 1.
    """
    assert order == ORDER, "the taps below are those of this order"
    bits = np.ones((1 << order) - 1, np.int8)
    for i in range(order, len(bits)):
        bits[i] = bits[i - 1] ^ bits[i - 2] ^ bits[i - 12] ^ bits[i - 14]
    return 1.0 - 2.0 * bits.astype(np.float32)


def find_sequence(played: npt.NDArray[np.float32], recorded: npt.NDArray[np.float32]) -> RoundTrip | None:
    """Return the position of `played` [T] in `recorded` [C, N], N >= T; None if unclear."""
    size = 1 << (recorded.shape[1] + len(played)).bit_length()
    spectrum = np.fft.rfft(recorded, size) * np.conj(np.fft.rfft(played, size))
    correlation = np.fft.irfft(spectrum)[:, : recorded.shape[1] - len(played) + 1]
    channel, lag = np.unravel_index(np.argmax(np.abs(correlation)), correlation.shape)
    peak, floor = abs(correlation[channel, lag]), float(np.sqrt(np.mean(correlation[channel] ** 2)))
    if not peak > MIN_PEAK * floor:
        return None
    gain = peak / float(np.sum(played.astype(np.float64) ** 2))
    return RoundTrip(int(lag), float(20 * np.log10(gain)))


def measure_round_trip(config: StreamConfig, info: DeviceInfo) -> RoundTrip:
    """Play and record for about a second, again if the device lost samples.

    Raises DeviceError if samples are lost every time or the sequence does not return.
    """
    mls = LEVEL * sequence()
    config = replace(config, delay=info.bridge_delay)
    start = SETTLE_SAMPLES + (round(CLOCK_SETTLE_S * info.rate) if info.bridge_delay else 0)
    wanted = 2 * FADE + start + len(mls) + round(MAX_ROUND_TRIP_S * info.rate)
    timeline = Timeline.create(rate=max(info.rate, wanted + info.rate // 2), latency=2 * FADE, max_block=info.block)
    try:
        for _ in range(ATTEMPTS):
            recorded = _play(config, timeline, mls, start, wanted)
            if recorded is not None:
                break
        else:
            raise DeviceError(
                f"{config.pair.name} lost samples in each of {ATTEMPTS} measurements. Close other programs, try again."
            )
    finally:
        timeline.close()
    round_trip = find_sequence(mls, recorded)
    if round_trip is None:
        raise DeviceError(
            f"nothing of what {config.pair.name} played came back in {MAX_ROUND_TRIP_S:.1f} s. Connect an output to "
            "an input with a cable, turn up both, and try again."
        )
    return round_trip


def _play(
    config: StreamConfig, timeline: Timeline, mls: npt.NDArray[np.float32], start: int, wanted: int
) -> npt.NDArray[np.float32] | None:
    """Return the input [2, T] from the start of the sequence on; None if the device lost samples."""
    playout = Playout(timeline)
    timeline.header[Field.GAIN_DRY], timeline.header[Field.GAIN_A] = 0, GAIN_ONE
    timeline.header[Field.DROPOUT_FILL] = 1
    timeline.rings[WET, :, start : start + len(mls)] = mls
    timeline.store(Field.ATTACH_COUNT, 1)
    timeline.store(WET_END[0], timeline[Field.CAPACITY])
    timeline.store(Field.STREAM_ACK, timeline[Field.STREAM_ID])
    state = config.stream_state(playout)
    state.memory[StateField.LEVEL] = state.memory[StateField.TARGET] = FADE_IN
    stream = open_stream(config, state)
    stream.start()
    deadline = time.perf_counter() + 2 * wanted / config.rate + 2
    while timeline.load(Field.PLAYED_END) < wanted and time.perf_counter() < deadline:
        time.sleep(0.01)
    stream.close()
    lost, played = sum(state.xruns.values()), timeline.load(Field.PLAYED_END)
    first = timeline[Field.LATENCY] + start  # when the sequence was played
    recorded = np.empty((2, wanted - first), np.float32)
    timeline.read(DRY, first, recorded)
    playout.close()
    return None if lost or played < wanted else recorded
