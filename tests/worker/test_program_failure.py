"""A codec that is a program of its own and fails: its slot plays dry from then on, and nothing else changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from models.codec import Audio, CodecProgramError, Decoder, DecoderControls, Frame
from models.load import load
from models.pcm import Pcm
from realtime.timeline.layout import GAIN_ONE, Field, Timeline
from realtime.timeline.playout import Playout
from realtime.worker.codec_lane import CodecLane
from realtime.worker.messages import LaneFailed, SlotWarning
from realtime.worker.scheduler import Worker
from tests.support.lockstep import noise, play_all, wet_of

L, HOP, GOOD = 3000, 480, 20


class Failing(Pcm):
    """Codec that halves the sound, and whose program ends after GOOD frames."""

    def decode_batch(self, work: Sequence[tuple[Decoder, Frame, DecoderControls]]) -> list[Audio]:
        if work[0][1].index >= GOOD:
            raise CodecProgramError("model.ts: gave no answer for 2 s")
        return [np.float32(0.5) * audio for audio in super().decode_batch(work)]


@pytest.fixture
def timeline() -> Iterator[Timeline]:
    made = Timeline.create(rate=48_000, latency=L, max_block=512)
    made.header[Field.GAIN_DRY], made.header[Field.GAIN_A] = 0, GAIN_ONE
    yield made
    made.close()


def lanes() -> list[CodecLane]:
    failing = CodecLane(Failing(hop=HOP), [(0, "discrete")], 48_000)
    return [failing, CodecLane(load("pcm:hop=500"), [(1, "discrete")], 48_000)]


def test_dry_is_heard_bit_exact_after_the_failure_and_the_other_slot_goes_on(timeline: Timeline) -> None:
    events: list[object] = []
    worker = Worker(timeline, lanes(), send=events.append)
    x = noise(60_000)
    out = play_all(Playout(timeline), x, [256], worker)
    wet_end = GOOD * HOP
    steady = slice(2000, wet_end - 2000)
    assert np.array_equal(out[L:][steady], 0.5 * x[steady])
    assert np.array_equal(out[L + wet_end :], x[wet_end : len(x) - L])
    assert np.array_equal(wet_of(timeline, 1, 50_000, 5000), x[50_000:55_000])
    assert not any(isinstance(event, LaneFailed) for event in events), "loading it again would not help"
    (warning,) = (event for event in events if isinstance(event, SlotWarning))
    assert warning.slot == 0
    assert warning.message.startswith("model.ts: gave no answer for 2 s; bypassed. Choose its codec again")


def test_a_host_that_waits_for_the_codec_gets_the_error(timeline: Timeline) -> None:
    timeline.header[Field.OFFLINE] = 1
    with pytest.raises(CodecProgramError, match="gave no answer"):
        play_all(Playout(timeline), noise(30_000), [256], Worker(timeline, lanes()))
