"""Continuation: what a player may rely on while the codec plays on, and when it listens again."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from models.codec import Audio, DecoderControls, Frame
from models.language.continuation import LEAST_LEFT, Continuation, drawn
from models.language.frame_state import SwiftState
from models.load import open_continuation
from models.swift.frame_layout import HOP
from tests.codecs.swift.test_swift import clip, encoded, swift

GUITAR, VOICE = "guitar_sectoid_MIT.ogg", "voice_flite_slt.ogg"
On = Callable[[int], float]  # frame -> a.continue


def new(**settings: float) -> Continuation:
    continuation = open_continuation(swift())
    assert continuation is not None
    for name, value in settings.items():
        continuation.set(name, value)
    return continuation


@cache
def heard(name: str = GUITAR, seconds: float = 4.0) -> tuple[Frame, ...]:
    return tuple(encoded(clip(name, seconds)))


def played(frames: tuple[Frame, ...], on: On, continuation: Continuation) -> list[Frame]:
    """Return the frames that are decoded."""
    found = []
    for number, frame in enumerate(frames):
        continuation.set("on", on(number))
        found.append(continuation.frame(frame))
        continuation.played(found[-1].tokens)
    return found


def sound(frames: list[Frame] | tuple[Frame, ...]) -> Audio:
    decoder = swift().open_decoder("discrete")
    return np.concatenate([decoder.decode(frame, DecoderControls()) for frame in frames], axis=1)


def pedal(first: int, last: int) -> On:
    return lambda number: float(first <= number < last)


def level(audio: Audio) -> float:
    return float(10 * np.log10(np.square(audio).mean() + 1e-12))


def same(one: list[Frame], other: list[Frame] | tuple[Frame, ...]) -> bool:
    return all(np.array_equal(a.tokens, b.tokens) for a, b in zip(one, other, strict=True))


def test_listening_passes_the_encoders_own_frames() -> None:
    frames = heard()
    assert all(given is found for given, found in zip(frames, played(frames, lambda _: 0.0, new()), strict=True))


def test_the_same_seed_repeats_to_the_bit_and_another_does_not() -> None:
    on = pedal(60, 150)
    first, again, other = (played(heard(), on, new(seed=seed, temperature=2.0)) for seed in (3, 3, 4))
    assert same(first, again)
    assert not same(first, other)


def test_a_reset_is_a_new_start() -> None:
    continuation = new(seed=1)
    first = played(heard(), pedal(50, 90), continuation)
    continuation.reset()
    assert same(first, played(heard(), pedal(50, 90), continuation))


@pytest.mark.parametrize("name", [GUITAR, VOICE, "rockmix_sectoid_MIT.ogg"])
def test_what_follows_is_as_loud_as_the_prompt(name: str) -> None:
    frames = [*heard(name, 3.0), *encoded(np.zeros((2, 150 * HOP), np.float32))]
    audio = sound(played(tuple(frames), lambda number: float(number >= 112), new()))
    assert abs(level(audio[:, 115 * HOP : 240 * HOP]) - level(audio[:, : 112 * HOP])) < 3


def test_the_encoders_frames_return_and_are_soon_its_own_again() -> None:
    frames = heard()
    found = played(frames, pedal(40, 60), new())
    states = SwiftState(swift().weights, 32), SwiftState(swift().weights, 32)
    away = [
        np.abs(states[0].take(given.tokens).energies - states[1].take(frame.tokens).energies).max()
        for given, frame in zip(frames, found, strict=True)
    ]
    assert max(away[64:70]) < max(away[40:60])
    assert away[-1] == 0
    assert same(found[-10:], frames[-10:])


@pytest.mark.parametrize("name", [GUITAR, VOICE, "piano_satie_CC-BY.ogg"])
def test_switching_four_times_a_second_makes_no_step_larger_than_the_signals_own(name: str) -> None:
    frames = heard(name)
    switched = sound(played(frames, lambda number: float(number > 40 and number * 8 // 37.5 % 2), new()))
    alone = max(
        np.abs(np.diff(sound(frames))).max(), np.abs(np.diff(sound(played(frames, pedal(41, 999), new())))).max()
    )
    assert np.abs(np.diff(switched)).max() <= 1.1 * alone


def test_nothing_is_continued_before_enough_was_heard() -> None:
    frames = heard()[: LEAST_LEFT // 2]
    assert same(played(frames, lambda _: 1.0, new()), frames)


def test_one_that_is_told_to_continue_from_the_start_listens_first() -> None:
    frames = heard()
    found = played(frames, lambda _: 1.0, new())
    assert same(found[:LEAST_LEFT], frames[:LEAST_LEFT])
    assert not same(found[-10:], frames[-10:])


def test_a_guided_continuation_is_as_soft_as_the_player() -> None:
    softer = [*heard(seconds=3.0), *encoded(0.05 * clip(GUITAR, 4.0))]
    plain, guided = (
        sound(played(tuple(softer), lambda number: float(number >= 112), new(guide=guide)))[:, 170 * HOP : 250 * HOP]
        for guide in (0.0, 1.0)
    )
    assert level(guided) < level(plain) - 15


def notes(*hertz: float) -> Audio:
    """Return a note of 10 hops for each frequency, with four partials and a soft start."""
    seconds = np.arange(10 * HOP) / 48_000
    made = [
        sum(np.sin(2 * np.pi * f * k * seconds) / k for k in range(1, 5)) * (1 - np.exp(-50 * seconds)) for f in hertz
    ]
    return np.tile(0.1 * np.concatenate(made), (2, 1)).astype(np.float32)


def brightness(audio: Audio) -> float:
    """Return the mean frequency of the power in Hz."""
    power = np.square(np.abs(np.fft.rfft(audio.sum(0))))
    return float(power @ np.fft.rfftfreq(audio.shape[1], 1 / 48_000) / power.sum())


def test_a_guided_continuation_plays_what_sounds_like_the_player() -> None:
    prompt = encoded(notes(*(110, 1500, 120, 1600) * 3))
    low, high = ((*prompt, *encoded(notes(*[hertz] * 12))) for hertz in (100.0, 1700.0))
    on = pedal(120, 240)
    assert same(played(low, on, new())[120:], played(high, on, new())[120:])  # without a guide
    found = [brightness(sound(played(frames, on, new(guide=1.0)))[:, 160 * HOP :]) for frames in (low, high)]
    assert found[1] > found[0] + 500


def test_a_loop_repeats_what_was_generated_since_it_began() -> None:
    frames, count = (*heard(seconds=3.0), *heard(seconds=4.0)), round(0.8 * 37.5)
    found = played(frames, pedal(100, 100 + 5 * count), new(loop_after=0.8, temperature=2.0))
    free = played(frames, pedal(100, 100 + 5 * count), new(temperature=2.0))
    assert same(found[: 100 + count], free[: 100 + count])
    shapes = {}
    for name, rows in (("loop", found), ("free", free)):
        state = SwiftState(swift().weights, 32)
        turns = np.array([state.take(frame.tokens).shapes for frame in rows])[100 : 100 + 5 * count]
        shapes[name] = turns.reshape(5, count, -1)
    equal = {name: [np.mean((a == b)[a >= 0]) for a, b in itertools.pairwise(turns)] for name, turns in shapes.items()}
    assert min(equal["loop"][1:]) > 0.9
    assert max(equal["free"][1:]) < 0.5


def test_a_loop_is_forgotten_when_the_player_is_heard_again() -> None:
    frames, settings = (*heard(seconds=3.0), *heard(seconds=4.0)), {"loop_after": 0.4, "temperature": 2.0}
    continuation = new(**settings)
    played(frames[:112], pedal(60, 100), continuation)
    continuation.set("on", 1.0)
    assert continuation.frame(frames[112]).tokens is not None
    assert len(continuation._generated) == 1


@pytest.mark.parametrize(
    ("temperature", "top_p", "uniform", "place"), [(0.0, 1.0, 0.99, 1), (1.0, 0.5, 0.99, 1), (4.0, 1.0, 0.99, 2)]
)
def test_cold_or_narrow_draws_take_the_most_probable(
    temperature: float, top_p: float, uniform: float, place: int
) -> None:
    assert drawn(np.array([0.5, 2.0, 0.0]), temperature, top_p, uniform) == place
