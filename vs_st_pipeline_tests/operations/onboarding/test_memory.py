"""What is kept of an onboarding: whole or not at all, and whoever was told is told by no second process."""

from __future__ import annotations

from pathlib import Path

import pytest

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.operations.onboarding.memory import (
    FILE,
    Content,
    Memory,
    Told,
    onboarded,
    read_content,
    read_memory,
)
from vs_st_pipeline.operations.warehouse import warehouse_at

AT = "2026-11-29T12:00:00+00:00"


def memory(folder: Path) -> Memory:
    found = read_memory(warehouse_at(folder), "hill", "somebody", AT)
    warehouse_at(folder).folder("hill")
    found.on_disk = True
    return found


def test_9_2_two_processes_tell_an_address_once(tmp_path: Path) -> None:
    first, second = memory(tmp_path), memory(tmp_path)
    assert first.claim("env:A")
    assert not second.claim("env:A"), "not known whether it arrived: it is not sent again"
    first.content.told["env:A"] = Told(AT, taken=False)
    first.save()
    assert second.claim("env:A"), "it certainly did not arrive"


def test_h40_nothing_is_kept_before_it_may_be(tmp_path: Path) -> None:
    found = read_memory(warehouse_at(tmp_path), "hill", "somebody", AT)
    found.record("service")
    found.save()
    assert list(tmp_path.iterdir()) == []
    assert list(onboarded(tmp_path)) == []


def test_what_cannot_be_read_is_not_taken_for_nothing(tmp_path: Path) -> None:
    memory(tmp_path).save()
    path = tmp_path / "merchants" / "hill" / FILE
    assert read_content(path) == Content()
    assert list(onboarded(tmp_path)) == [("hill", path)]
    path.write_bytes(b"{")
    with pytest.raises(BadSettings, match="it is damaged; remove it to begin anew"):
        read_content(path)


def test_9_2_a_process_that_notes_a_step_does_not_forget_whom_another_one_told(tmp_path: Path) -> None:
    """9.2, once ever: two commands at once; the one that is behind writes the file after the other one told."""
    first, behind = memory(tmp_path), memory(tmp_path)
    assert first.claim("env:A")
    first.content.told["env:A"] = Told(AT, taken=True)
    first.save()
    behind.save()
    assert not behind.claim("env:A")
    assert not memory(tmp_path).claim("env:A")


def test_9_2_what_was_not_taken_is_told_by_one_process_alone(tmp_path: Path) -> None:
    first = memory(tmp_path)
    assert first.claim("env:A")
    first.content.told["env:A"] = Told(AT, taken=False)
    first.save()
    behind, again = memory(tmp_path), memory(tmp_path)
    assert again.claim("env:A")
    behind.save()
    assert not memory(tmp_path).claim("env:A")
