"""Position in the file that is played in place of the input."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SourcePosition:
    """File that plays since input sample `began`, from its sample `start` on; all in samples at the
    stream's rate.

    Exact to within the driver's buffers: a block, and on a sound card what it reads ahead.
    """

    began: int
    start: int
    length: int
    loop: bool

    def at(self, sample: int) -> int:
        """Return the position at an input sample; `start` before it began, `length` after its end."""
        if not self.length:
            return 0
        position = self.start + max(0, sample - self.began)
        return position % self.length if self.loop else min(position, self.length)

    def ended(self, sample: int) -> bool:
        """Return True if the file has been read to its end, and does not begin again."""
        return not self.loop and self.start + sample - self.began >= self.length
