"""What `vs-st check` prints to be pasted can be pasted: it breaks no file, and drops no word of a default."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from vs_st_pipeline.routes.consumers.check import _to_paste
from vs_st_pipeline_tests.routes.consumers.staged_world import World, consent


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.cursor.close()


def pasted(world: World) -> dict[str, list[str]]:
    world.stage()
    return dict(_to_paste(world.run.merchant, world.db))


def test_a_pair_that_orders_write_in_several_ways_is_one_entry(world: World) -> None:
    world.read("o1", consents=[consent("new-1", "New Brand")])
    world.read("o2", consents=[consent("new-1", "New Brand")])
    world.read("o3", consents=[consent("NEW-1", "NEW   brand")])
    [row] = pasted(world)["consumers.consents"]
    assert yaml.safe_load(row) == [{"consent_id": "new-1", "data_handler": "New Brand", "ignore": True}]
    assert "# 3 times" in row


def test_words_come_with_those_that_the_settings_have(world: World) -> None:
    world.read("o1", "ON_HOLD", consents=[consent(status="MAYBE")])
    told = pasted(world)
    assert yaml.safe_load(told["sopost.statuses"][0]) == {"approved": ["APPROVED", "ON_HOLD"]}
    refused = yaml.safe_load(told["sopost"][0])["consent_refused"]
    assert refused == ["REJECTED", "DECLINED", "WITHDRAWN", "REVOKED", "MAYBE"]


def test_nothing_is_printed_where_all_is_listed(world: World) -> None:
    world.read("o1")
    assert not any(pasted(world).values())
