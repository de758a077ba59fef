"""Numba's cache: in a lasting directory if one is writable, else for one run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from realtime.system import numba_cache as cache


@pytest.fixture(autouse=True)
def _no_place_of_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(cache.VARIABLE, raising=False)


def test_without_a_writable_directory_it_lasts_for_this_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda place, mode: False)  # root may write everywhere
    with cache.numba_cache():
        place = Path(os.environ[cache.VARIABLE])
        assert place.is_dir()
    assert not place.exists()
    assert cache.VARIABLE not in os.environ


def test_a_lasting_cache_is_left_to_numba(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cache, "_default_directories", lambda: (tmp_path / "home" / ".cache",))
    with cache.numba_cache():
        assert cache.VARIABLE not in os.environ


def test_a_directory_that_the_user_has_set_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache.VARIABLE, "there")
    with cache.numba_cache():
        assert os.environ[cache.VARIABLE] == "there"
    assert os.environ[cache.VARIABLE] == "there"
