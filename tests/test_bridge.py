"""Two cards on two clocks, simulated: the compiled code of both callbacks, called at times that drift and jitter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from realtime.drivers import line
from realtime.drivers.bridge import CHANNELS, FADE, Bridge, Floats, Memory, capture, meet, take

RATE = 48_000
Signal = Callable[[np.ndarray], np.ndarray]


def sine(frequency: float, rate: int = RATE) -> Signal:
    return lambda n: 0.5 * np.sin(2 * np.pi * frequency / rate * n)


@dataclass
class Outcome:
    """Per output block: when it began, how far the position was from its place by the true clocks, and so on."""

    seconds: np.ndarray
    off: np.ndarray  # samples
    ratio_ppm: np.ndarray
    at: np.ndarray  # input sample of the first output sample
    step: np.ndarray
    full: np.ndarray  # whether all of the block was at full level
    played: np.ndarray  # [blocks, block]
    bridge: Bridge

    def after(self, seconds: float) -> np.ndarray:
        return np.flatnonzero(self.seconds >= seconds)

    def error_db(self, blocks: np.ndarray, signal: Signal) -> float:
        """Largest difference from the signal at the very place that was read, relative to its peak."""
        where = self.at[blocks, None] + self.step[blocks, None] * np.arange(self.played.shape[1])
        return float(20 * np.log10(np.abs(self.played[blocks] - signal(where)).max() / 0.5 + 1e-12))


class Card:
    """Blocks at a rate that is off by `ppm`, each handed over late by chance; what `lose` says is never handed over."""

    def __init__(self, rate: int, ppm: float, block: int, jitter: float, seed: int, first: float) -> None:
        self.block, self._period = block, 1 / (rate * (1 + 1e-6 * ppm))
        self._jitter, self._random = jitter, np.random.default_rng(seed)
        self.due, self.origin = first, first  # when the next block is, by its clock
        self.lost = 0

    def turn(self) -> float:
        """When the callback of the block that is due is called; the next one is due then."""
        when = self.due + self._random.exponential(self._jitter) if self._jitter else self.due
        self.due += self.block * self._period
        return when

    def lose(self, blocks: int) -> None:
        self.due += blocks * self.block * self._period
        self.lost += blocks * self.block

    def true_sample(self, seconds: float) -> float:
        """The sample handed over at this time, by the clock itself."""
        return (seconds - self.origin) / self._period - self.lost


def run(
    seconds: float,
    ppm: tuple[float, float],
    *,
    signal: Signal = sine(997.0),  # noqa: B008
    rates: tuple[int, int] = (RATE, RATE),
    blocks: tuple[int, int] = (256, 256),
    jitter: float = 0.0001,
    seed: int = 0,
    events: Callable[[float, Card, Card], None] = lambda now, heard, played: None,
) -> Outcome:
    """Input and output callbacks in the order of their times."""
    heard = Card(rates[0], ppm[0], blocks[0], jitter, seed, 0.0013)
    played = Card(rates[1], ppm[1], blocks[1], jitter, seed + 1, 0.0)
    delay = 64 * round((blocks[0] + blocks[1] * rates[0] / rates[1] + 400) / 64)
    bridge = Bridge((0, 1), *rates, delay, 0)
    memory, out, taken = bridge.memory, np.zeros((blocks[1], CHANNELS), np.float32), 0
    rows = []
    while played.due < seconds:
        if heard.due + blocks[0] * heard._period <= played.due:
            events(heard.due, heard, played)
            x = signal(taken + np.arange(blocks[0])).astype(np.float32)
            when = heard.turn() + blocks[0] * heard._period
            capture(memory, np.stack([x, -x], axis=1), blocks[0], int(1e9 * when))
            taken += blocks[0]
            continue
        due = played.due
        now = played.turn()
        meet(memory.ctypes.data, blocks[1], int(1e9 * now))
        at, step, level = (
            memory[Memory.POSITION] + bridge._floats[Floats.FRACTION],
            bridge._floats[Floats.STEP],
            memory[Memory.LEVEL],
        )
        seated = memory[Memory.SEATED]
        take(memory.ctypes.data, out)
        assert np.array_equal(out[:, 1], -out[:, 0])
        if seated:
            whole = level == FADE and memory[Memory.LEVEL] == FADE
            off = at - (heard.true_sample(due) - delay)
            rows.append((due, off, 1e6 * (step * rates[1] / rates[0] - 1), at, step, whole, out[:, 0].copy()))
    seconds_, off_, ratio, at_, step_, full, played_ = (np.array(column) for column in zip(*rows, strict=True))
    return Outcome(seconds_, off_, ratio, at_, step_, full, played_, bridge)


@pytest.mark.parametrize("ppm", [(200, -200), (-200, 200), (0, 0)], ids=["fast", "slow", "alike"])
@pytest.mark.parametrize("frequency", [50.0, 997.0, 15_000.0])
def test_what_drifts_is_resampled_without_a_click_and_always_equally_late(
    ppm: tuple[float, float], frequency: float
) -> None:
    """Callbacks up to 1 ms late, 0.1 ms on average. From 5 s on the delay keeps within half a sample."""
    done = run(30.0, ppm, signal=sine(frequency))
    drift = 1e6 * ((1 + 1e-6 * ppm[0]) / (1 + 1e-6 * ppm[1]) - 1)
    settled, late = done.after(5.0), done.after(20.0)
    assert done.full[done.after(1.2)].all()
    assert sum(done.bridge.lost.values()) == 0
    assert np.abs(done.off[done.after(1.2)]).max() < 4
    assert np.ptp(done.off[settled]) < 2
    assert np.abs(done.off[late]).max() < 0.5
    assert np.abs(done.ratio_ppm[late] - drift).max() < 10
    assert done.bridge.drift_ppm == pytest.approx(drift, abs=2)
    assert done.error_db(settled, sine(frequency)) < -95


def test_clocks_that_agree_and_do_not_jitter_are_left_alone_but_for_a_constant() -> None:
    done = run(5.0, (0, 0), jitter=0)
    assert np.abs(done.off).max() < 1e-3
    assert np.abs(done.ratio_ppm).max() < 0.01


def test_the_rates_may_differ_too() -> None:
    for rates in ((44_100, 48_000), (48_000, 44_100), (96_000, 48_000)):
        done = run(12.0, (150, -150), rates=rates, signal=sine(997.0, rates[0]))
        assert done.full[done.after(1.2)].all(), rates
        assert np.abs(done.off[done.after(8.0)]).max() < 1.5, rates
        assert done.error_db(done.after(5.0), sine(997.0, rates[0])) < -90, rates


def test_blocks_of_any_two_sizes_do() -> None:
    for blocks in ((64, 1024), (1024, 64), (441, 256)):
        done = run(10.0, (100, -50), blocks=blocks)
        assert done.full[done.after(1.5)].all(), blocks
        assert np.abs(done.off[done.after(6.0)]).max() < 2, blocks


def largest_step(done: Outcome) -> float:
    """Between two output samples; a click would be one far beyond those of the sine itself."""
    return float(np.abs(np.diff(done.played.ravel())).max())


def test_lost_input_is_one_faded_jump_and_the_delay_is_what_it_was() -> None:
    def lose(now: float, heard: Card, played: Card) -> None:
        if now > 8.0 and not heard.lost:
            heard.lose(20)

    done = run(20.0, (200, -200), events=lose)
    lost = done.bridge.lost
    assert lost["input_jump"] == 1
    assert lost["input_late"] == 1, "it ran dry first"
    assert largest_step(done) < 0.5 * 2 * np.pi * 997 / RATE + 0.5 / FADE + 0.001
    assert np.abs(done.off[done.after(12.0)]).max() < 4
    assert done.full[done.after(9.0)].all()


def test_lost_output_is_one_faded_jump_and_the_delay_is_what_it_was() -> None:
    def lose(now: float, heard: Card, played: Card) -> None:
        if now > 8.0 and not played.lost:
            played.lose(20)

    done = run(20.0, (-200, 200), events=lose)
    assert done.bridge.lost == {"input_overflow": 0, "input_late": 0, "input_jump": 1}
    assert largest_step(done) < 0.5 * 2 * np.pi * 997 / RATE + 0.5 / FADE + 0.001
    assert np.abs(done.off[done.after(12.0)]).max() < 4


def test_input_that_comes_late_is_a_faded_hole_that_shifts_nothing() -> None:
    calls: list[tuple[float, int]] = []
    bridge = Bridge((0, 1), RATE, RATE, 1024, 0)
    memory, out, x = bridge.memory, np.zeros((256, CHANNELS), np.float32), np.full((256, CHANNELS), 0.5, np.float32)
    ideal = []
    waiting = 0
    for k in range(1000):
        now = k * 256 / RATE
        waiting += 1
        if not 600 <= k < 610:  # held up; then all at once
            for _ in range(waiting):
                capture(memory, x, 256, int(1e9 * now))
            waiting = 0
        meet(memory.ctypes.data, 256, int(1e9 * now))
        take(memory.ctypes.data, out)
        calls.append((now, int(memory[Memory.LEVEL])))
        ideal.append(out[:, 0].copy())
    y = np.concatenate(ideal)
    assert bridge.lost == {"input_overflow": 0, "input_late": 1, "input_jump": 0}
    assert np.abs(np.diff(y)).max() <= 0.5 / FADE + 1e-6
    late = np.flatnonzero(y[300 * 256 :] == 0)
    assert 0 < len(late) < 11 * 256
    assert calls[-1][1] == FADE


def test_a_line_passes_over_a_stall_and_moves_with_a_loss() -> None:
    points = np.zeros(line.Part.SIZE)
    line.begin(points, RATE)
    for k in range(2000):
        late = 0.1 if k == 1500 else 0.0
        line.draw(points, 256.0 * k, 256 * k / RATE + late)
    assert line.time_of(points, 0.0) == pytest.approx(0.0, abs=1e-9)
    for k in range(2000, 2100):
        line.draw(points, 256.0 * k, 256 * k / RATE + 0.05)
    assert line.time_of(points, 256.0 * 2099) == pytest.approx(256 * 2099 / RATE + 0.05, abs=1e-6)


def test_the_delay_asked_for_is_enough_and_no_input_is_held_that_is_not_needed() -> None:
    look, silence = Bridge((0, 1), RATE, RATE, 0, 0), np.ones((256, CHANNELS), np.float32)
    for k in range(400):
        capture(look.memory, np.zeros((256, CHANNELS), np.float32), 256, int(1e9 * (k * 256 + 100) / RATE))
        meet(look.memory.ctypes.data, 256, int(1e9 * (k * 256 + 50) / RATE))
        take(look.memory.ctypes.data, silence)
    assert not silence.any()
    assert look.settled
    delay = look.delay_for(256)
    assert 256 < delay < 256 + 256 + 35 + FADE + 0.003 * RATE + 33
