"""The four pictures on one clock: input, output, latents and tokens, dry drawn where it is heard."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QPushButton, QSplitter, QVBoxLayout, QWidget

from gui import theme
from gui.axes import SECONDS
from gui.brickview import BrickView
from gui.history import History
from gui.panel import Panel
from gui.slotframes import SlotFrames
from gui.spectrogram import Spectrogram
from realtime.client import CodecFacts, Frame


class Scope(QWidget):
    """`begin` with each stream, `feed` and `frame` what comes, `draw` some 30 times a second."""

    shown_changed = Signal(str)  # a, b or delta

    def __init__(self) -> None:
        super().__init__()
        self.input = Spectrogram("input spectrogram", "dry")
        self.output = Spectrogram("output spectrogram", "a")
        self.latents = BrickView("latents, one brick a frame")
        self.tokens = BrickView("tokens, one brick a frame", times=True)
        self.panels = {
            "input": Panel("INPUT", self.input),
            "output": Panel("OUTPUT A", self.output),
            "latents": Panel("LATENT", self.latents),
            "tokens": Panel("TOKENS", self.tokens),
        }
        self.shown, self.frozen, self.blind, self._message = "a", False, False, ""
        self.rate = 48_000
        self.history = History(self.rate, SECONDS + 1)
        self.frames = {slot: SlotFrames(slot, None, self.rate) for slot in ("a", "b")}
        self._choices = {path: self._choice(path) for path in ("a", "b", "delta")}
        splitter = QSplitter(Qt.Orientation.Vertical)
        splitter.setHandleWidth(6)
        for panel, stretch in zip(self.panels.values(), (20, 20, 12, 16), strict=True):
            splitter.addWidget(panel)
            splitter.setStretchFactor(splitter.count() - 1, stretch)
            splitter.setCollapsible(splitter.count() - 1, True)
        self.splitter = splitter
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(splitter)
        self.show_path("a")

    def _choice(self, path: str) -> QPushButton:
        button = QPushButton(theme.NAMES[path])
        button.setObjectName("flat")
        button.setCheckable(True)
        button.setAccessibleName(f"show {theme.NAMES[path]} in the pictures")
        button.setToolTip(f"Show {theme.NAMES[path]} here; what is heard is chosen below.")
        button.clicked.connect(lambda: self.show_path(path))
        self.panels["output"].head.addWidget(button)
        return button

    @property
    def slot(self) -> str:
        """Whose frames are shown: a or b."""
        return "b" if self.shown == "b" else "a"

    def begin(self, rate: int, latency: int) -> None:
        """Another stream."""
        self.rate = rate
        self.history = History(rate, SECONDS + 1)
        self.frames = {slot: SlotFrames(slot, frames.facts, rate) for slot, frames in self.frames.items()}
        for spectrogram in (self.input, self.output):
            spectrogram.begin(rate)
        for view in (self.latents, self.tokens):
            view.begin(rate)
        self.panels["input"].say(f"dry, delayed {1000 * latency / rate:.0f} ms to align")
        self._show_frames()

    def set_codec(self, slot: str, facts: CodecFacts | None) -> None:
        """Another codec in a slot."""
        if facts != self.frames[slot].facts:
            self.frames[slot] = SlotFrames(slot, facts, self.rate)
            if slot == self.slot:
                self._show_frames()

    def show_path(self, path: str) -> None:
        """Show a, b or delta."""
        changed, self.shown = path != self.shown, path
        for name, button in self._choices.items():
            button.setChecked(name == path)
        role = theme.BLIND if self.blind else theme.PATHS[path]
        self.panels["output"].entitle("OUTPUT" if self.blind else f"OUTPUT {theme.NAMES[path]}", role)
        self.output.show_path(path)
        self._show_frames()
        if changed:
            self.shown_changed.emit(path)

    def hide_all(self, blind: bool) -> None:
        """Blind: no pictures, no names, no colours."""
        self.blind = blind
        for button in self._choices.values():
            button.setVisible(not blind)
        self.show_path(self.shown)

    def say(self, message: str) -> None:
        """Words in place of pictures, while there is nothing to be seen; "" for the pictures."""
        if message != self._message:
            self._message = message
            self._write()

    def _write(self) -> None:
        words = "hidden while blind" if self.blind else self._message
        self.input.message = self.output.message = words
        if words:
            self.latents.message = self.tokens.message = words
        for picture in (self.input, self.output, self.latents, self.tokens):
            picture.update()

    def dim(self, dim: bool) -> None:
        """The last pictures of a stream that is gone."""
        for picture in (self.input, self.output, self.latents, self.tokens):
            if picture.dim != dim:
                picture.dim = dim
                picture.update()

    def feed(self, start: int, blocks: dict[str, npt.NDArray[np.float32]]) -> None:
        """Sound [C, T] of dry, A and B from input sample `start` on."""
        self.history.append(start, blocks)

    def frame(self, frame: Frame) -> None:
        """What a slot has sent."""
        of_latent, of_tokens = self.frames[frame.slot].add(frame)
        if frame.slot == self.slot:
            if of_latent:
                self.latents.lay(of_latent)
            if of_tokens:
                self.tokens.lay(of_tokens)

    def draw(self) -> None:
        """What is new."""
        if self.frozen or self.blind:
            return
        end = self.input.last_column(self.history.end)
        for spectrogram in (self.input, self.output):
            if spectrogram.isVisible():
                spectrogram.draw(self.history, end)
                spectrogram.step(end)
        for view in (self.latents, self.tokens):
            if view.isVisible():
                view.step(end)

    def _show_frames(self) -> None:
        frames, slot = self.frames[self.slot], theme.NAMES[self.slot]
        frames.show_latents(self.latents)
        frames.show_tokens(self.tokens)
        self._write()
        latents, tokens = ("", "") if self.blind else frames.notes
        self.panels["latents"].entitle("LATENT" if self.blind else f"LATENT {slot}")
        self.panels["latents"].say(latents)
        self.panels["tokens"].entitle("TOKENS" if self.blind else f"{frames.title} {slot}")
        self.panels["tokens"].say(tokens)
