"""Rows of the token plot: digits, books with names, packets over a round axis; and their keys."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gui.plots.frequency_scale import NOTES, key_hz, note_name
from gui.plots.slot_frames import SlotFrames
from gui.plots.token_rows import BookRows, PacketBars, rows_of
from gui.window import Window
from models.codec import CodecSpec
from realtime.client import CodecInfo, Frame
from tests.support.gui_rig import FakeClient, nano, opus, play


def swift(books: int = 8, steps: int = 2) -> CodecInfo:
    spec = CodecSpec("rvq", 48_000, 2, 960, 0, books * steps, 1024, (0, 0), ("discrete",), True, books)
    return CodecInfo("discrete", spec)


def frame_of(tokens: np.ndarray, bits: float = 480.0, start: int = 0) -> Frame:
    return Frame("a", 0, start, 0.02, bits, tokens.astype(np.int32), None)


@given(st.integers(2, 64), st.integers(1, 6))
def test_every_book_is_a_row_and_every_step_a_column(books: int, steps: int) -> None:
    rows = BookRows(swift(books, steps))
    columns = rows.columns(frame_of(np.arange(books * steps)), 960)
    assert len(columns) == steps
    assert all(len(column.values) == books for column in columns)
    assert [columns[0].start, columns[-1].start + columns[-1].length] == [0, 960]
    assert rows.ticks[0][1] == "book 1"
    assert len(rows.ticks) <= 16
    assert rows.describe(columns[0], 0.999) == f"book 1 of {books}"
    assert rows.describe(columns[0], 0.0) == f"book {books} of {books}"


@given(st.lists(st.floats(1, 1e5), min_size=1, max_size=30))
def test_all_packets_fit_one_round_axis(sizes: list[float]) -> None:
    frames = SlotFrames("b", opus(), 48_000)
    for number, size in enumerate(sizes):
        frames.add(frame_of(np.zeros(0), 8 * size, 960 * number))
    assert isinstance(frames.rows, PacketBars)
    top = frames.rows.top
    assert top >= max(sizes)
    labels = [label for _, label in frames.rows.ticks]
    assert labels[0] == "0 B"
    assert labels[-1] == f"{top:g} B"
    for number, size in enumerate(sizes):  # drawn earlier, and still right
        column = frames.tokens.at(960 * number)
        assert column is not None
        assert float(np.mean(column.values > 0)) == pytest.approx(size / top, abs=0.003)
        assert column.size == pytest.approx(size)


def test_the_kinds_of_codecs_have_their_own_rows_and_keys() -> None:
    digits, books, packets = (rows_of(info, "a") for info in (nano(), swift(), opus()))
    assert [rows.title for rows in (digits, books, packets)] == ["TOKENS", "BOOKS", "PACKETS"]
    assert digits.key[1:] == ("level 0", "10")
    assert "name" in books.key[1]
    assert packets.key[0] == []


def test_the_window_has_a_key_for_each_plot_and_hides_it_while_blind(window: Window, client: FakeClient) -> None:
    play(window, client)
    keys = window.view.scope.keys
    assert (keys["latents"].low, keys["latents"].high) == ("−1", "+1")
    assert keys["tokens"].low == "level 0"
    assert keys["input"].high.endswith("dB")
    window.view.strip.blind.setChecked(True)
    assert keys["tokens"].low == ""


def test_the_axis_of_packets_has_its_labels_once_packets_come(window: Window, client: FakeClient) -> None:
    play(window, client)
    window.view.scope.show_path("b")
    assert [label for _, label in window.view.scope.tokens.ticks][-1] == "80 B"  # of packets with 60


def test_the_frequency_axis_changes_with_a_key(window: Window, client: FakeClient) -> None:
    play(window, client)
    assert [label for _, label in window.view.scope.input.ticks][:2] == ["C1", "C2"]
    window.view.scope.notes.click()
    assert [label for _, label in window.view.scope.output.ticks][-1] == "20k"
    client.rings.now += 9600  # type: ignore[union-attr]
    window.tick()
    assert window.view.spectrum.scale is not NOTES


@given(st.integers(12, 135), st.integers(-49, 49))
def test_every_key_has_its_name_and_cents(key: int, cents: int) -> None:
    name = note_name(key_hz(key + cents / 100))
    assert name.split()[0].endswith(str(key // 12 - 1))
    assert name.endswith(f"{cents:+d} ct") if cents else " " not in name
    assert note_name(440.0) == "A4"
    assert note_name(10.0) == ""
