"""Holds when replies, actions and the telling of activity are due next."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from vs_st_pipeline.domain.errors import TryLater
from vs_st_pipeline.platform.http.client import Heard
from vs_st_pipeline.routes.notices.answers_due import next_due
from vs_st_pipeline_tests.routes.notices.replies_world import NOW, World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_nothing_is_due_where_nothing_waits(world: World) -> None:
    world.reply()
    world.sync()
    assert next_due(world.db, NOW, pushes=True) is None


def test_a_reply_that_waits_is_due_at_once(world: World) -> None:
    world.unreadable = TryLater("no")
    world.reply()
    assert next_due(world.db, NOW, pushes=True) == NOW
    world.sync()
    assert next_due(world.db, NOW, pushes=True) == NOW


def test_an_unknown_action_is_read_for_every_five_minutes_for_a_day(world: World) -> None:
    world.eshopbox.answers = [Heard(500, {}, b"")]
    world.reply()
    world.sync()
    assert next_due(world.db, NOW, pushes=True) == NOW + timedelta(minutes=5)
    assert next_due(world.db, NOW + timedelta(hours=24), pushes=True) is None


def test_what_was_not_told_is_told_when_its_gap_is_over(world: World) -> None:
    later = NOW + timedelta(minutes=2)
    world.store("synced.activity_push", line="*", tries=2, retry_at=later)
    assert next_due(world.db, NOW, pushes=True) == later
    assert next_due(world.db, NOW, pushes=False) is None
