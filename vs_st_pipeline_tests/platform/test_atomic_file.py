"""A file is replaced whole or not at all, and nobody but its owner reads it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from vs_st_pipeline.platform import atomic_file
from vs_st_pipeline.platform.atomic_file import write_atomically


def test_the_new_file_takes_the_place_of_the_old_one_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    write_atomically(path, b"first, and longer")
    write_atomically(path, b"second")
    assert path.read_bytes() == b"second"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_what_an_interrupted_writer_left_does_not_show_in_the_next_file(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    path.with_name("status.json.new").write_bytes(b"half of a much longer file that was never finis")
    write_atomically(path, b"whole")
    assert path.read_bytes() == b"whole"


def test_where_the_power_goes_before_the_name_changes_the_old_file_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "status.json"
    write_atomically(path, b"old")
    order: list[str] = []
    fsync = os.fsync

    def dies(handle: int) -> None:
        order.append("file" if stat.S_ISREG(os.fstat(handle).st_mode) else "folder")
        fsync(handle)
        if len(order) == 1:
            raise OSError(5, "the power went")

    monkeypatch.setattr(atomic_file.os, "fsync", dies)
    with pytest.raises(OSError, match="the power went"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert order == ["file", "file", "folder"], "the file first, and the folder that has its name after it"
