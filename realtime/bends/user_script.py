"""User script: a bend in the user's own Python file, loaded again when it is saved. Errors are
reported and skipped.

The file runs in the worker with all its rights. Therefore it can be set on the command line only,
never by OSC.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from models.codec import CodecSpec, Frame
from realtime.bends.bend import Params
from realtime.bends.context import BendState
from realtime.system.user_code_errors import user_code_error

CHECK_EVERY = 4  # frames, between checks whether the file was saved
RANDOM_STREAM = 13  # as Bend.random_stream


class UserBend:
    """User script of one slot. `warn` gets an error once for each version of the file."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._path, self._stamp, self._turn = "", (0, 0), 0
        self._function: Callable[..., Any] | None = None

    def run(self, frame: Frame, state: BendState, params: Params, rng: np.random.Generator) -> Frame:
        """Return the result of the file's `bend`, or the frame itself while that fails."""
        self._load_if_changed(params["file"], state)
        if self._function is None:
            return frame
        numbers = {name: params[name] for name in ("x", "y", "z")}
        try:
            return checked(self._function(frame, state, numbers, rng), frame, state.stream.spec)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - it is user code
            self._fail(user_code_error(error, self._path))
            return frame

    def _load_if_changed(self, path: str, state: BendState) -> None:
        self._turn += 1
        if path == self._path and self._turn % CHECK_EVERY:
            return
        try:
            found = Path(path).stat()
            stamp = (found.st_mtime_ns, found.st_size)
            if (path, stamp) == (self._path, self._stamp):
                return
            self._path, self._stamp = path, stamp
            state.kept.clear()
            names: dict[str, Any] = {"__name__": "bend", "__file__": path}
            exec(compile(Path(path).read_text(encoding="utf-8"), path, "exec"), names)
            function = names.get("bend")
            if not callable(function):
                raise TypeError("it has no function bend(frame, state, params, rng)")
            self._function = function
        except OSError as error:
            if self._path != path or self._function is not None:
                self._path, self._stamp = path, (0, 0)
                self._fail(f"cannot be read ({error.strerror})")
        except (Exception, SystemExit) as error:  # noqa: BLE001 - it is user code
            self._fail(user_code_error(error, self._path))

    def _fail(self, reason: str) -> None:
        self._function = None
        self._warn(f"bend {self._path}: {reason}; skipped until it is saved again")


def checked(made: object, given: Frame, spec: CodecSpec) -> Frame:
    """Return `made` if a decoder can take it in place of `given`; TypeError or ValueError if not."""
    if not isinstance(made, Frame):
        raise TypeError(f"bend returned {type(made).__name__}, not a Frame")
    if made.tokens.shape != given.tokens.shape or made.tokens.dtype != np.int32:
        raise ValueError(f"tokens are {made.tokens.dtype} {made.tokens.shape}, not int32 {given.tokens.shape}")
    if made.tokens.size and not 0 <= made.tokens.min() <= made.tokens.max() < spec.cardinality:
        raise ValueError(f"tokens are outside 0 ... {spec.cardinality - 1}")
    if given.latent is not None:
        if made.latent is None or made.latent.shape != given.latent.shape:
            raise ValueError(f"the latent is not {given.latent.shape}")
        if not np.abs(made.latent).max() <= 1.0:  # False for NaN
            raise ValueError("the latent is not finite, or leaves -1 ... 1")
    return made
