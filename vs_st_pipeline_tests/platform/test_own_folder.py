"""Folders that are made are their owner's alone, those above the last one too."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from vs_st_pipeline.platform.own_folder import make_own_folder, take_from_others


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_every_folder_that_is_made_is_its_owners_alone(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir(mode=0o755)
    make_own_folder(there / "data" / "merchants" / "hillside")
    modes = [stat.S_IMODE((there / one).stat().st_mode) for one in ("", "data", "data/merchants")]
    assert modes == [0o755, 0o700, 0o700], "what was there is left as its owner made it"
    assert stat.S_IMODE((there / "data" / "merchants" / "hillside").stat().st_mode) == 0o700
    make_own_folder(there / "data" / "merchants" / "hillside")


def test_a_file_in_its_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"")
    for folder in (tmp_path / "data", tmp_path / "data" / "merchants"):
        with pytest.raises(OSError, match="data"):
            make_own_folder(folder)


def test_a_folder_that_others_may_enter_is_taken_from_them_and_one_that_its_owner_alone_may_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o750)
    take_from_others(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    monkeypatch.setattr(Path, "chmod", None)
    take_from_others(folder)
