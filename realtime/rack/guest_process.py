"""The process of one effect: answers what guest.py asks, until the pipe ends. It imports only what its effect needs."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import signal
import sys
import traceback
from typing import Any, BinaryIO

import numpy as np

from models.codec import Audio
from realtime.priority import raise_priority
from realtime.rack.effect import BLOCK, Effect, EffectError, split_spec

PR_SET_PDEATHSIG = 1  # prctl(2)


def main() -> None:
    """Serve on the standard streams; what is printed goes nowhere."""
    parent = os.getppid()
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    _die_with(parent)
    raise_priority()
    with contextlib.suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        _serve(questions, answers)


def _serve(questions: BinaryIO, answers: BinaryIO) -> None:
    effect: Effect | None = None
    while True:
        method, arguments = pickle.load(questions)
        result: Any = None
        good = True
        try:
            if method == "open":
                effect = open_effect(*arguments)
                result = effect.latency, effect.controls
            elif method == "process":
                assert effect is not None
                result = _in_blocks(effect, *arguments), effect.remarks()
            else:
                result = getattr(effect, method)(*arguments)
        except EffectError as error:
            good, result = False, str(error)
        except (Exception, SystemExit):  # noqa: BLE001 - it is not our code
            good, result = False, traceback.format_exc(limit=0).strip().splitlines()[-1]
        pickle.dump((good, result), answers, protocol=5)
        answers.flush()


def _in_blocks(effect: Effect, audio: Audio) -> Audio | None:
    """[C, n] through an effect that gets a block at a time; None if it passed over any."""
    made = [effect.process(np.ascontiguousarray(block)) for block in np.split(audio, audio.shape[1] // BLOCK, axis=1)]
    return None if any(block is None for block in made) else np.concatenate(made, axis=1)  # type: ignore[arg-type]


def open_effect(spec: str, rate: int, channels: int) -> Effect:
    """In this very process. EffectError if it cannot be had."""
    kind, where = split_spec(spec)
    if kind == "lv2":
        from realtime.rack.lv2 import Lv2Effect

        return Lv2Effect(where, rate, channels)
    if kind == "pyo":
        from realtime.rack.patch import Patch

        return Patch(where, rate, channels)
    if kind == "vst":
        from realtime.rack.vst import VstEffect

        return VstEffect(where, rate, channels)
    from realtime.rack.script import Script

    return Script(where, rate, channels)


def _die_with(parent: int) -> None:
    """Have Linux end this process with who started it, also in the midst of a plug-in that never returns."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it was gone already
            os._exit(0)
