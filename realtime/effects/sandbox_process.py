"""Process of one sandboxed effect: answers the requests of sandbox.py until the pipe ends.

It imports only the libraries of its own effect.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import traceback
from typing import Any, BinaryIO

import numpy as np

from models.codec import Audio
from realtime.effects.effect import BLOCK, Effect, EffectError
from realtime.effects.kinds import open_here
from realtime.system.platform.child_process import bind_to_parent
from realtime.system.platform.priority import raise_priority


def main() -> None:
    """Serve requests on the standard streams. Output of the effect's code is discarded."""
    parent = os.getppid()
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    bind_to_parent(parent)
    raise_priority()
    with contextlib.suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        _serve(requests, answers)


def _serve(requests: BinaryIO, answers: BinaryIO) -> None:
    effect: Effect | None = None
    while True:
        method, arguments = pickle.load(requests)
        result: Any = None
        good = True
        try:
            if method == "open":
                effect = open_here(*arguments)
                result = effect.latency, effect.controls
            elif effect is None:
                raise EffectError("is not open")
            elif method == "process":
                result = _in_blocks(effect, *arguments), effect.remarks()
            else:
                result = getattr(effect, method)(*arguments)
        except EffectError as error:
            good, result = False, str(error)
        except (Exception, SystemExit):  # noqa: BLE001 - it is user code
            good, result = False, traceback.format_exc(limit=0).strip().splitlines()[-1]
        pickle.dump((good, result), answers, protocol=5)
        answers.flush()


def _in_blocks(effect: Effect, audio: Audio) -> Audio | None:
    """Process [C, n] one block at a time; None if the effect skipped any."""
    made = [effect.process(np.ascontiguousarray(block)) for block in np.split(audio, audio.shape[1] // BLOCK, axis=1)]
    return None if any(block is None for block in made) else np.concatenate(made, axis=1)  # type: ignore[arg-type]
