"""Eshopbox read and staged, over real sockets (notices.md 3)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vs_st_pipeline.sandbox.eshopbox.server import Eshopbox
from vs_st_pipeline_tests.routes.notices.reading_world import World
from vs_st_pipeline_tests.sandbox.served import Served, served


@pytest.fixture(scope="module")
def running() -> Iterator[Served]:
    with served(Eshopbox, "parcels") as box:
        yield box


@pytest.fixture
def world(running: Served, tmp_path: Path) -> Iterator[World]:
    running.control.reset()
    found = World(running, tmp_path)
    yield found
    found.close()


def test_first_read_is_complete_and_stages_every_order(world: World) -> None:
    found = world.sync()
    numbers = {one["customerOrderNumber"] for one in world.control.orders()}
    assert found.read >= numbers - found.gone
    print(world.rows("select unit_key, status, occurrence, occurred_at, basis from staged.journey_events"))
    print(world.rows("select * from staged.recipients"))
    print(world.rows("select * from staged.unusable"))
