"""What is wrong in a Python file of the player's own, in one line: where in it, and what."""

from __future__ import annotations

import traceback


def mistake(error: BaseException, path: str) -> str:
    """An exception that a file of this name brought up: the file's last line on its way, and what it says.

    Without a line what came up is ours, about what the file gave, and says all there is to say.
    """
    said = error.msg if isinstance(error, SyntaxError) else error.strerror if isinstance(error, OSError) else None
    what = " ".join((said or str(error)).split())
    line = _line(error, path)
    if line is None:
        return what
    kind = type(error).__name__
    return f"line {line}: {kind}: {what}" if what else f"line {line}: {kind}"


def _line(error: BaseException, path: str) -> int | None:
    if isinstance(error, SyntaxError) and error.filename == path:
        return error.lineno
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    return lines[-1] if lines else None
