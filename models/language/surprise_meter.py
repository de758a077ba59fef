"""Surprise meter: how predictable the player is, measured while a stream waits for its next frame.

A frame's measurement takes longer than other reports, and nobody hears it. It is therefore put off
until no frame can be computed. Where that lasts for too long the oldest ones are left out, and the
model begins again after them.
"""

from __future__ import annotations

from collections import deque

from models.language.surprise import PlayerFrame, Surprise

MOST_WAITING = 16  # frames


class SurpriseMeter:
    """Frames of a stream that wait to be measured. One thread."""

    def __init__(self, surprise: Surprise) -> None:
        self.on = False  # somebody is subscribed
        self._surprise = surprise
        self._waiting: deque[tuple[int, PlayerFrame]] = deque(maxlen=MOST_WAITING)
        self.reset()

    def reset(self) -> None:
        """Forget all frames."""
        self._waiting.clear()
        self._next = -1  # number of the frame that the model expects

    def add(self, number: int, frame: PlayerFrame | None) -> None:
        """Let a frame of the encoder wait, if somebody is subscribed."""
        if self.on and frame:
            self._waiting.append((number, frame))

    def measure(self) -> tuple[int, float] | None:
        """Measure the oldest waiting frame: return its number and the bits of a token; None: none waits."""
        if not self._waiting:
            return None
        number, frame = self._waiting.popleft()
        if number != self._next:
            self._surprise.reset()
        self._next = number + 1
        return number, self._surprise.take(frame).per_token
