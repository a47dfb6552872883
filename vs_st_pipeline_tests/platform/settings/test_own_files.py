"""A file of a merchant's own: what stands in it, or why it cannot be read and where its path is written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.settings.forms import OwnFile
from vs_st_pipeline.platform.settings.own_files import text_of


def test_the_text_is_read_without_the_mark_that_windows_puts_first(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("\ufeffversion: 1\n", encoding="utf-8")
    assert text_of(OwnFile(tmp_path / "own.yaml"), "the file") == "version: 1\n"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("none", "No such file or directory"),
        ("folder", "Is a directory"),
        ("pipe", "not a regular file"),
        ("latin", "it is not UTF-8"),
        ("\0", "not a path"),
    ],
)
def test_what_cannot_be_read_says_why_where_and_what_to_do(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "latin").write_bytes(b"\xe9")
    own = OwnFile(tmp_path / name, "merchants.yaml, line 7: statuses")
    with pytest.raises(BadSettings) as caught:
        text_of(own, "the statuses")
    assert caught.value.message == (
        f"merchants.yaml, line 7: statuses: the statuses cannot be read: {why}; put the file there, readable, or write "
        "`default`"
    )
