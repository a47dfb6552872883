"""Key files are made by many rows at once, and never where git takes them (webhooks-onboarding.md 9.2)."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from vs_st_pipeline.operations.onboarding.key_files import KeyFiles
from vs_st_pipeline_tests.operations.onboarding.agency import mode_of


def test_9_2_rows_that_begin_at_the_same_moment_all_keep_their_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All see that the common folder is not there, and all make it."""
    rows, there = 4, os.path.lexists
    together = Barrier(rows)

    def lexists(path: Any) -> bool:
        found = there(path)
        if Path(path).name == "secrets" and not found:
            together.wait(10)
        return found

    monkeypatch.setattr(os.path, "lexists", lexists)
    keys = [KeyFiles(tmp_path / "merchants.yaml", f"w{number}") for number in range(rows)]
    with ThreadPoolExecutor(rows) as pool:
        list(pool.map(lambda one: one.write("key", "k" * 40), keys))
    assert [one.read("key") for one in keys] == ["k" * 40] * rows
    assert (tmp_path / "secrets" / ".gitignore").read_text() == "*\n"
    assert mode_of(tmp_path / "secrets") == 0o700


@pytest.mark.parametrize("left", [None, ""])
def test_9_2_a_kill_before_the_keys_were_kept_out_of_git_is_made_good(tmp_path: Path, left: str | None) -> None:
    (tmp_path / "secrets").mkdir()
    if left is not None:
        (tmp_path / "secrets" / ".gitignore").write_text(left)
    KeyFiles(tmp_path / "merchants.yaml", "hill").write("key", "k" * 40)
    assert (tmp_path / "secrets" / ".gitignore").read_text() == "*\n"


def test_9_2_what_a_person_wrote_for_git_stays(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / ".gitignore").write_text("hill/\n")
    KeyFiles(tmp_path / "merchants.yaml", "hill").write("key", "k" * 40)
    assert (tmp_path / "secrets" / ".gitignore").read_text() == "hill/\n"
