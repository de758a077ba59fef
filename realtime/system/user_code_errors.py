"""One-line reports of errors in a user's own Python file: line number, type and message."""

from __future__ import annotations

import traceback


def user_code_error(error: BaseException, path: str) -> str:
    """Describe an exception raised by the file `path`: the innermost line of that file, type and
    message.

    An exception whose traceback does not pass through the file was raised here, about the file's
    result. Its message is returned alone.
    """
    text = error.msg if isinstance(error, SyntaxError) else error.strerror if isinstance(error, OSError) else None
    message = " ".join((text or str(error)).split())
    line = _line(error, path)
    if line is None:
        return message
    kind = type(error).__name__
    return f"line {line}: {kind}: {message}" if message else f"line {line}: {kind}"


def _line(error: BaseException, path: str) -> int | None:
    if isinstance(error, SyntaxError) and error.filename == path:
        return error.lineno
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    return lines[-1] if lines else None
