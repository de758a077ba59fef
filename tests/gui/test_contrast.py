"""Colours: contrast of all text and signals, also as colour-blind viewers see them.

Colour blindness is simulated in linear RGB by the matrices of Machado, Oliveira and Fernandes, "A
physiologically-based model for simulation of color vision deficiency" (IEEE TVCG, 2009), severity
1.0. Contrast is that of WCAG 2.2; distance is CIE 1976 ΔE*ab, of which about 2.3 is just visible.
"""

from __future__ import annotations

import itertools
import re

import numpy as np
import numpy.typing as npt
import pytest

from gui.latency.latency_bars import shade
from gui.model.latency_terms import WORDS
from gui.widgets import theme

SEEN = {
    "normal": np.eye(3),
    "deuteranope": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "protanope": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
}
XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.119192, 0.9503041]])
WHITE = np.array([0.95047, 1.0, 1.08883])
GROUNDS = {name: getattr(theme, name) for name in ("BACKGROUND", "PANEL", "SUNKEN")}
TEXTS = {name: getattr(theme, name) for name in ("TEXT", "MUTED", "FAINT", "GOOD", "BAD", "ACCENT", "BLIND")}
SIGNALS = {**theme.PATHS, "ghost": theme.MUTED, "good": theme.GOOD, "bad": theme.BAD}
CLEAR = 25.0  # ΔE*ab between any two paths: ten times what is just visible


def linear(role: str) -> npt.NDArray[np.float64]:
    values = np.array([int(role[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def seen(role: str, viewer: str) -> npt.NDArray[np.float64]:
    """Return a colour as a viewer sees it, in linear RGB."""
    found: npt.NDArray[np.float64] = np.clip(SEEN[viewer] @ linear(role), 0.0, 1.0)
    return found


def contrast(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    dark, light = sorted(float(XYZ[1] @ colour) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def lab(rgb: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return CIE L*a*b* of linear sRGB."""
    part = XYZ @ rgb / WHITE
    curve = np.where(part > (6 / 29) ** 3, np.cbrt(part), part / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * curve[1] - 16, 500 * (curve[0] - curve[1]), 200 * (curve[1] - curve[2])])


def test_the_reference_colours_have_the_published_contrast() -> None:
    black, white, grey = (linear(role) for role in ("#000000", "#ffffff", "#777777"))
    assert contrast(black, white) == pytest.approx(21.0)
    assert contrast(grey, white) == pytest.approx(4.48, abs=0.01)  # the well-known near miss of 4.5
    assert theme.contrast("#777777", "#ffffff") == pytest.approx(contrast(grey, white), abs=0.01)
    assert seen("#ffffff", "deuteranope") == pytest.approx(np.ones(3), abs=1e-4)  # greys stay grey


@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("text", TEXTS)
def test_all_text_has_a_contrast_of_4_5(text: str, ground: str) -> None:
    assert contrast(linear(TEXTS[text]), linear(GROUNDS[ground])) >= 4.5


def test_text_on_coloured_and_checked_buttons_has_a_contrast_of_4_5() -> None:
    for role in (*theme.PATHS.values(), theme.GOOD, theme.BAD, theme.BLIND):
        assert contrast(linear(theme.BACKGROUND), linear(role)) >= 4.5, role
    for text in (theme.TEXT, theme.MUTED):
        assert contrast(linear(text), linear(theme.LINE)) >= 4.5, text


def test_the_style_sheet_writes_in_no_other_colours() -> None:
    sheet = theme.style_sheet(1.0)
    written = set(re.findall(r"[{;\s]color: (#[0-9a-f]{6})", sheet))
    assert written <= {*TEXTS.values(), *theme.PATHS.values(), theme.BACKGROUND}


@pytest.mark.parametrize("viewer", SEEN)
@pytest.mark.parametrize("signal", SIGNALS)
def test_all_signals_have_a_contrast_of_3_for_every_viewer(signal: str, viewer: str) -> None:
    for ground in GROUNDS.values():
        assert contrast(seen(SIGNALS[signal], viewer), seen(ground, viewer)) >= 3.0


@pytest.mark.parametrize("viewer", SEEN)
@pytest.mark.parametrize(("one", "other"), [*itertools.combinations(theme.PATHS, 2)])
def test_any_two_paths_are_told_apart_by_every_viewer(one: str, other: str, viewer: str) -> None:
    colours = (lab(seen(theme.PATHS[path], viewer)) for path in (one, other))
    assert float(np.linalg.norm(np.subtract(*colours))) >= CLEAR


@pytest.mark.parametrize("slot", ["a", "b", ""])
def test_the_numbers_on_the_bars_of_latency_are_readable(slot: str) -> None:
    for number in range(len(WORDS)):
        bar = shade(slot, number, len(WORDS)).name()
        assert contrast(linear(theme.readable_on(bar)), linear(bar)) >= 4.5
