"""Meter feed: passes sound to the stereo meter and the loss meter."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gui.model.fidelity import ATTACKS_S, Fidelity, FidelityWatch
from gui.plots.scope import Scope
from gui.plots.stereo_meter import StereoImage, StereoMeter
from gui.slots.loss_meter import LossMeter

STEREO_EVERY = 3  # feeds between two pictures of the stereo meter, which is smooth


class MeterFeed:
    """Call `start_stream` for each stream, `feed` with new sound and `step` at each tick."""

    def __init__(self, scope: Scope, stereo: StereoMeter, loss: LossMeter) -> None:
        self._scope, self._stereo, self._loss = scope, stereo, loss
        self._images = self._new_images(48_000)
        self.fidelity = FidelityWatch()
        self._fed = 0

    @staticmethod
    def _new_images(rate: int) -> dict[str, StereoImage]:
        return {name: StereoImage(rate) for name in ("dry", "a", "b")}

    def start_stream(self, rate: int) -> None:
        """Start with another stream of `rate` Hz."""
        self._images = self._new_images(rate)
        self.set_codec()

    def set_codec(self) -> None:
        """Forget what was measured with another codec."""
        self.fidelity.reset()

    def feed(self, blocks: dict[str, npt.NDArray[np.float32]]) -> None:
        """Add sound [C, T] of dry, A and B."""
        found = {name: self._images[name].step(blocks[name]) for name in ("dry", self._scope.slot)}
        self._fed += 1
        if not self._scope.frozen and self._fed % STEREO_EVERY == 0:
            self._stereo.show_images(found)

    def step(self, now: float) -> None:
        """Show the loss of the path shown; `now` in seconds."""
        scope, history = self._scope, self._scope.history
        if scope.blind:
            self._loss.show_fidelity(Fidelity(), scope.slot, "hidden while blind")
            return
        if scope.frozen:
            return
        if scope.frames[scope.slot].facts is None:
            self._loss.show_fidelity(Fidelity(), scope.slot, "slot is off")
        elif history.length < ATTACKS_S * history.rate:
            self._loss.show_fidelity(Fidelity(), scope.slot, f"listening for {ATTACKS_S:.0f} s …")
        else:
            found = self.fidelity.step(history.newest, scope.slot, history.rate, now)
            self._loss.show_fidelity(found, scope.slot)

    def close(self) -> None:
        """End the thread that measures."""
        self.fidelity.close()
