"""Marks of tests that need another system than Windows, each with the reason."""

from __future__ import annotations

import pytest

from realtime.system.platform.diagnosis import wine_version
from realtime.system.platform.machine import SYSTEM

UNDER_WINE = bool(wine_version())


def needs_posix(reason: str) -> pytest.MarkDecorator:
    """Skip a test on Windows."""
    return pytest.mark.skipif(SYSTEM == "windows", reason=f"not on Windows: {reason}")


def rounds(count: int) -> int:
    """Return how many files a test opens one after another: fewer under Wine, where each takes milliseconds."""
    return count // 8 if UNDER_WINE else count


needs_pace = pytest.mark.skipif(UNDER_WINE, reason="seconds under Wine are not those of Windows")
