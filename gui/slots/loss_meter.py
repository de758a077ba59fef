"""Loss meter: tones and attacks of a path that are left, as bars with numbers."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import QSizePolicy

from gui.model.fidelity import Fidelity
from gui.plots.picture import Picture
from gui.widgets import theme

ROWS = (
    ("Tones low", "80 to 470 Hz: height of the partials that is left"),
    ("Tones mid", "470 Hz to 2 kHz: height of the partials that is left"),
    ("Tones high", "2 to 8 kHz: height of the partials that is left"),
    ("Attacks", "noise before a hit (pre-echo), and how much more slowly the hit rises"),
)
ROW_EM, LABEL_EM, VALUE_EM = 1.45, 6.0, 8.2
WORST_ECHO_DB = 30.0  # of pre-echo, which leaves nothing of an attack's bar
HELP = "What the codec loses, measured over the last seconds against dry.\n" + "\n".join(
    f"{name}: {meaning}" for name, meaning in ROWS
)


class LossMeter(Picture):
    """Bars of a Fidelity; a full bar has lost nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("tones and attacks that the codec keeps")
        self.setToolTip(HELP)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.path, self.message = "a", ""
        self.fidelity = Fidelity()

    def show_fidelity(self, fidelity: Fidelity, path: str, message: str = "") -> None:
        """Show the loss of a path, or a message in its place."""
        if (fidelity, path, message) != (self.fidelity, self.path, self.message):
            self.fidelity, self.path, self.message = fidelity, path, message
            told = "; ".join(f"{name} {value}" for (name, _), (_, value) in zip(ROWS, self.rows(), strict=True))
            self.setAccessibleDescription(message or told)
            self.update()

    def rows(self) -> list[tuple[float, str]]:
        """Return the part that is left and its text, of each row; -1 where nothing can be measured."""
        found = [(-1.0, "—") if kept is None else (kept, f"{kept:.0%} kept") for kept in self.fidelity.tones]
        echo, smear = self.fidelity.pre_echo, self.fidelity.smear
        if echo is None or smear is None:
            return [*found, (-1.0, "—")]
        return [*found, (1 - echo / WORST_ECHO_DB, f"{smear:+.0f} ms {echo:+.0f} dB")]

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(20 * theme.em(self), round(len(ROWS) * ROW_EM * theme.em(self)))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(12 * theme.em(self), self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter, em, middle = self.painter(event), theme.em(self), Qt.AlignmentFlag.AlignVCenter
        if self.message:
            painter.setPen(theme.colour(theme.MUTED))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self.message)
            return
        for number, ((name, _), (part, text)) in enumerate(zip(ROWS, self.rows(), strict=True)):
            line = QRectF(0, number * ROW_EM * em, self.width(), ROW_EM * em)
            painter.setFont(theme.small(self))
            painter.setPen(theme.colour(theme.MUTED))
            painter.drawText(line, middle, name)
            bar = line.adjusted(LABEL_EM * em, 0.36 * em, -VALUE_EM * em, -0.36 * em)
            painter.fillRect(bar, theme.colour(theme.SUNKEN))
            bar.setWidth(bar.width() * min(max(part, 0.0), 1.0))
            painter.fillRect(bar, theme.colour(theme.PATHS[self.path]))
            painter.setFont(theme.digits(self, 0.92))
            painter.setPen(theme.colour(theme.TEXT))
            painter.drawText(line, middle | Qt.AlignmentFlag.AlignRight, text)
