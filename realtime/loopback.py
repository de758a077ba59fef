"""The true round trip of a sound card: with a cable from an output to an input, play a sequence and find it again.

It is measured by the code that plays: the sequence lies in slot A of a timeline of its own, what comes back arrives in
its dry ring. A maximum-length sequence correlates with nothing but itself, so that a faint copy is found too.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from realtime.callback import HostSide
from realtime.drivers.border import FADE_IN, Memory
from realtime.drivers.opening import Found, Opening, open_stream
from realtime.drivers.portaudio import CardError
from realtime.timeline import DRY, FADE, GAIN_ONE, WET, WET_END, Field, Timeline

ORDER = 14
LEVEL = 0.125  # -18 dBFS: heard, and no harm done by loudspeakers that were left on
START = 12_000  # samples before the sequence, for the card to settle
CLOCKS_S = 4.0  # more, for two clocks to be known well
LONGEST_S = 0.5  # of a round trip
ATTEMPTS = 4
CLEAR = 8.0  # times the root mean square of the correlation: what a copy stands out by


@dataclass(frozen=True)
class RoundTrip:
    samples: int
    level_db: float  # of what came back, relative to what was sent


def sequence(order: int = ORDER) -> npt.NDArray[np.float32]:
    """A maximum-length sequence of 2**order - 1 samples of +-1; the recurrence x^14 + x^13 + x^12 + x^2 + 1."""
    assert order == ORDER, "the taps below are those of this order"
    bits = np.ones((1 << order) - 1, np.int8)
    for i in range(order, len(bits)):
        bits[i] = bits[i - 1] ^ bits[i - 2] ^ bits[i - 12] ^ bits[i - 14]
    return 1.0 - 2.0 * bits.astype(np.float32)


def find(played: npt.NDArray[np.float32], recorded: npt.NDArray[np.float32]) -> RoundTrip | None:
    """Where [T] lies in [C, N], N >= T, in any channel; None if it is not clearly there."""
    size = 1 << (recorded.shape[1] + len(played)).bit_length()
    spectrum = np.fft.rfft(recorded, size) * np.conj(np.fft.rfft(played, size))
    correlation = np.fft.irfft(spectrum)[:, : recorded.shape[1] - len(played) + 1]
    channel, lag = np.unravel_index(np.argmax(np.abs(correlation)), correlation.shape)
    peak, floor = abs(correlation[channel, lag]), float(np.sqrt(np.mean(correlation[channel] ** 2)))
    if not peak > CLEAR * floor:
        return None
    gain = peak / float(np.sum(played.astype(np.float64) ** 2))
    return RoundTrip(int(lag), float(20 * np.log10(gain)))


def measure(opening: Opening, found: Found) -> RoundTrip:
    """Play and listen for about a second, again if the card lost something. CardError if nothing comes back."""
    mls = LEVEL * sequence()
    opening = replace(opening, delay=found.bridge_delay)
    start = START + (round(CLOCKS_S * found.rate) if found.bridge_delay else 0)
    wanted = 2 * FADE + start + len(mls) + round(LONGEST_S * found.rate)
    timeline = Timeline.create(rate=max(found.rate, wanted + found.rate // 2), latency=2 * FADE, max_block=found.block)
    try:
        for _ in range(ATTEMPTS):
            recorded = _play(opening, timeline, mls, start, wanted)
            if recorded is not None:
                break
        else:
            raise CardError(
                f"{opening.pair.name} lost samples in each of {ATTEMPTS} measurements. Close other programs, try again."
            )
    finally:
        timeline.close()
    round_trip = find(mls, recorded)
    if round_trip is None:
        raise CardError(
            f"nothing of what {opening.pair.name} played came back in {LONGEST_S:.1f} s. Connect an output to an "
            "input with a cable, turn up both, and try again."
        )
    return round_trip


def _play(
    opening: Opening, timeline: Timeline, mls: npt.NDArray[np.float32], start: int, wanted: int
) -> npt.NDArray[np.float32] | None:
    """What came in from the time on at which the sequence was played, [2, T]; None if the card lost something."""
    host = HostSide(timeline)
    timeline.header[Field.GAIN_DRY], timeline.header[Field.GAIN_A], timeline.header[Field.FILL] = 0, GAIN_ONE, 1
    timeline.rings[WET, :, start : start + len(mls)] = mls
    timeline.store(Field.ENGINE, 1)
    timeline.store(WET_END[0], timeline[Field.CAPACITY])
    timeline.store(Field.ACK, timeline[Field.STREAM])
    border = opening.border(host)
    border.memory[Memory.LEVEL] = border.memory[Memory.TARGET] = FADE_IN
    stream = open_stream(opening, border)
    stream.start()
    deadline = time.monotonic() + 2 * wanted / opening.rate + 2
    while timeline.load(Field.PLAYED_END) < wanted and time.monotonic() < deadline:
        time.sleep(0.01)
    stream.close()
    lost, played = sum(border.xruns.values()), timeline.load(Field.PLAYED_END)
    first = timeline[Field.LATENCY] + start  # where the sequence was played
    recorded = np.empty((2, wanted - first), np.float32)
    timeline.read(DRY, first, recorded)
    host.close()
    return None if lost or played < wanted else recorded
