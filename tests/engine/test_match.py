"""Monitor gains: mute, match and ghost; and the loudness match that follows dry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.pcm import Pcm, PcmDecoder
from models.registry import FAMILIES
from realtime.engine.loudness_match import LoudnessMatcher
from realtime.parameters.table import PARAMETERS
from realtime.timeline.layout import GAIN_ONE
from realtime.timeline.monitor_mix import effective_gains
from tests.support.osc_rig import BLOCK, Marker, Rig
from tests.support.small_codec import family


def gains(**values: Any) -> tuple[int, ...]:
    names = {name.replace("_", "."): value for name, value in values.items()}
    return effective_gains({name: row.default for name, row in PARAMETERS.items()} | names)


def test_a_match_changes_the_gain_of_a_slot_that_is_monitored_alone() -> None:
    assert gains(monitor="a", match="hold", a_match=6.0) == (0, round(GAIN_ONE * 10**0.3), 0)
    assert gains(monitor="b", match="follow", a_match=6.0) == (0, 0, GAIN_ONE)
    assert gains(monitor="a", match="off", a_match=6.0) == (0, GAIN_ONE, 0)
    for path, plain in {"dry": (1, 0, 0), "delta": (1, -1, 0), "ghost": (0, 1, -1)}.items():
        assert gains(monitor=path, match="hold", a_match=6.0, b_match=-3.0) == tuple(GAIN_ONE * g for g in plain)


def test_a_mute_silences_everything() -> None:
    for path in ("dry", "a", "b", "delta", "ghost"):
        assert gains(monitor=path, mute=True, bypass=True) == (0, 0, 0)


def test_the_ghost_is_a_less_b_to_the_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "marker", family("marker", lambda: Marker(hop=960, name="marker")))
    rig = Rig("marker", "marker")
    rig.ask("/verdigris/set", "a.seed", 500, "b.seed", 125, "monitor", "ghost", "limiter", 0)
    rig.play(40)
    np.testing.assert_array_equal(rig.output[-1000:], np.full(1000, 0.375, np.float32))
    rig.close()


class Quiet(Pcm):
    """A codec whose output is 6 dB down."""

    def open_decoder(self, path: str) -> Any:
        return _Quiet(self.spec, 0.0)


class _Quiet(PcmDecoder):
    def decode(self, *given: Any) -> Any:
        return super().decode(*given) * np.float32(0.5)


def test_a_match_that_follows_makes_a_quiet_slot_as_loud_as_dry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "quiet", family("quiet", lambda: Quiet(hop=960, name="quiet")))
    rig = Rig("quiet", "pcm")
    match = LoudnessMatcher(rig.engine)
    rig.ask("/verdigris/monitor/match", "follow")
    answers = rig.ask("/verdigris/subscribe", "loudness")
    rng = np.random.default_rng(0)
    for _ in range(2 * 48_000 // BLOCK):
        answers += rig.play(1, level=float(rng.uniform(-0.5, 0.5)))
        match.poll()
    assert rig.engine.parameters["a.match"] == pytest.approx(6.0, abs=0.11)
    assert rig.engine.parameters["b.match"] == 0.0
    assert rig.engine.loudness["dry"] - rig.engine.loudness["a"] == pytest.approx(6.02, abs=0.05)
    assert [len(m.args) for m in answers if m.address == "/verdigris/out/loudness"][:1] == [4]
    rig.ask("/verdigris/monitor/match", "hold")
    before = rig.engine.parameters["a.match"]
    for _ in range(48_000 // BLOCK):
        rig.play(1, level=0.0)
        match.poll()
    assert rig.engine.parameters["a.match"] == before
    rig.close()
