"""Scope: four plots on one clock: input, output, latents, tokens. Dry is drawn when heard."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QPushButton, QSplitter, QVBoxLayout, QWidget

from gui.plots.audio_history import AudioHistory
from gui.plots.axes import SECONDS
from gui.plots.colour_key import ColourKey
from gui.plots.frame_plot import FramePlot
from gui.plots.frequency_scale import MEL, NOTES
from gui.plots.slot_frames import NO_KEY, SlotFrames
from gui.plots.spectrogram import MAGMA, Spectrogram
from gui.plots.stft_columns import CEILING_DB, FLOOR_DB
from gui.plots.surprise_curve import SurpriseCurve
from gui.widgets import theme
from gui.widgets.panel import Panel, stacked
from realtime.client import CodecInfo, Frame, FrameSurprise


class Scope(QWidget):
    """Call `start_stream` for each stream, `feed` and `add_frame` with new data, `draw` about 30
    times a second.
    """

    shown_changed = Signal(str)  # a, b, delta or ghost
    scale_changed = Signal(object)  # FrequencyScale

    def __init__(self) -> None:
        super().__init__()
        self.input = Spectrogram("input spectrogram", "dry")
        self.output = Spectrogram("output spectrogram", "a")
        self.latents = FramePlot("latents, one column a frame")
        self.tokens = FramePlot("tokens, one column a frame", times=True)
        self.surprise = SurpriseCurve(self.tokens)
        body = stacked(self.surprise, self.tokens)
        body.setSizePolicy(self.tokens.sizePolicy())
        self.panels = {
            "input": Panel("INPUT", self.input),
            "output": Panel("OUTPUT A", self.output),
            "latents": Panel("LATENT", self.latents),
            "tokens": Panel("TOKENS", body),
        }
        self.keys = {name: ColourKey() for name in self.panels}
        for name, key in self.keys.items():
            self.panels[name].head.addWidget(key)
        for name in ("input", "output"):
            self.keys[name].show_key(MAGMA, f"{FLOOR_DB:.0f}", f"{CEILING_DB:.0f} dB")
        self.notes = self._notes_button()
        self.shown, self.frozen, self.blind, self._message = "a", False, False, ""
        self.rate = 48_000
        self.history = AudioHistory(self.rate, SECONDS + 1)
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
        button.setAccessibleName(f"show {theme.NAMES[path]} in the plots")
        button.setToolTip(f"Show {theme.NAMES[path]} here; the monitor buttons below choose what is heard.")
        button.clicked.connect(partial(self.show_path, path))
        self.panels["output"].head.addWidget(button)
        return button

    def _notes_button(self) -> QPushButton:
        button = QPushButton("♪ notes")
        button.setObjectName("flat")
        button.setCheckable(True)
        button.setChecked(True)
        button.setAccessibleName("frequency axis by notes, octave by octave (N)")
        button.setToolTip("Frequency axis by notes (C1 to C10), or by hertz (N)")
        button.toggled.connect(self._set_scale)
        self.panels["input"].head.addWidget(button)
        return button

    def _set_scale(self, notes: bool) -> None:
        for spectrogram in (self.input, self.output):
            spectrogram.set_scale(NOTES if notes else MEL)
        self.scale_changed.emit(NOTES if notes else MEL)

    @property
    def slot(self) -> str:
        """Slot whose frames are shown: a or b."""
        return "b" if self.shown == "b" else "a"

    def start_stream(self, rate: int, latency: int) -> None:
        """Start with another stream of `rate` Hz and `latency` samples."""
        self.rate = rate
        self.history = AudioHistory(rate, SECONDS + 1)
        self.frames = {slot: SlotFrames(slot, frames.facts, rate) for slot, frames in self.frames.items()}
        for spectrogram in (self.input, self.output):
            spectrogram.start_stream(rate)
        for plot in (self.latents, self.tokens):
            plot.start_stream(rate)
        self.panels["input"].set_note(f"dry, delayed {1000 * latency / rate:.0f} ms to align")
        self._show_frames()

    def set_codec(self, slot: str, facts: CodecInfo | None) -> None:
        """Change the codec of a slot."""
        if facts != self.frames[slot].facts:
            self.frames[slot] = SlotFrames(slot, facts, self.rate)
            if slot == self.slot:
                self._show_frames()

    def show_path(self, path: str, *_: object) -> None:
        """Show a, b, delta or ghost."""
        changed, self.shown = path != self.shown, path
        for name, button in self._choices.items():
            button.setChecked(name == path)
        role = theme.BLIND if self.blind else theme.PATHS.get(path, theme.TEXT)
        self.panels["output"].set_title("OUTPUT" if self.blind else f"OUTPUT {theme.NAMES[path]}", role)
        self.output.show_path(path)
        self._show_frames()
        if changed:
            self.shown_changed.emit(path)

    def freeze(self, frozen: bool) -> None:
        """Stop or continue drawing; data is collected meanwhile."""
        self.frozen = frozen

    def show_blind(self, blind: bool) -> None:
        """Hide or show plots, names and colours."""
        self.blind = blind
        for button in self._choices.values():
            button.setVisible(not blind)
        self.show_path(self.shown)

    def set_message(self, message: str) -> None:
        """Show a text in place of the plots; "" shows the plots."""
        if message != self._message:
            self._message = message
            self._show_frames()  # their own messages are for when there is none for all

    def _show_message(self) -> None:
        message = "hidden while blind" if self.blind else self._message
        self.input.message = self.output.message = message
        if message:
            self.latents.message = self.tokens.message = message
        for plot in (self.input, self.output, self.latents, self.tokens):
            plot.update()

    def dim(self, dim: bool) -> None:
        """Dim the plots of a stream that has ended."""
        for plot in (self.input, self.output, self.latents, self.tokens):
            if plot.dim != dim:
                plot.dim = dim
                plot.update()

    def feed(self, start: int, blocks: dict[str, npt.NDArray[np.float32]]) -> None:
        """Add sound [C, T] of dry, A and B from input sample `start`."""
        self.history.append(start, blocks)

    def add_frame(self, frame: Frame) -> None:
        """Add an encoded frame of its slot."""
        frames = self.frames[frame.slot]
        latents, tokens = frames.add(frame)
        if frame.slot == self.slot:
            if frames.axis_changed:
                self._show_frames()
            for plot, columns in ((self.latents, latents), (self.tokens, tokens)):
                for column in columns:
                    plot.draw(column)

    def add_surprise(self, slot: str, found: list[FrameSurprise]) -> None:
        """Add how predictable frames of a slot were."""
        self.frames[slot].surprise.extend(found)

    def draw(self) -> None:
        """Draw new data, unless frozen or blind."""
        if self.frozen or self.blind:
            return
        end = self.input.last_column(self.history.end)
        for spectrogram in (self.input, self.output):
            if spectrogram.isVisible():
                spectrogram.draw(self.history, end)
                spectrogram.step(end)
        for plot in (self.latents, self.tokens):
            if plot.isVisible():
                plot.step(end)
        self.surprise.show_points(tuple(self.frames[self.slot].surprise))

    def _show_frames(self) -> None:
        frames, slot = self.frames[self.slot], theme.NAMES[self.slot]
        frames.show_latents(self.latents)
        frames.show_tokens(self.tokens)
        self._show_message()
        latents, tokens = ("", "") if self.blind else frames.notes
        self.panels["latents"].set_title("LATENT" if self.blind else f"LATENT {slot}")
        self.panels["latents"].set_note(latents)
        self.panels["tokens"].set_title("TOKENS" if self.blind else f"{frames.title} {slot}")
        self.panels["tokens"].set_note(tokens)
        self.surprise.show_points(() if self.blind else tuple(self.frames[self.slot].surprise))
        for name, key in zip(("latents", "tokens"), (NO_KEY, NO_KEY) if self.blind else frames.keys, strict=True):
            self.keys[name].show_key(*key)
