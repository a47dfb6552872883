"""Where nothing can be asked for again, an older token holds until a call has come by the new one (routes.md R36)."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.connectors import CONNECTORS
from vs_st_pipeline.platform.connector import Connector
from vs_st_pipeline.platform.hooks import TEST_KEY
from vs_st_pipeline.platform.inbox.schema import STEPS
from vs_st_pipeline.platform.inbox.store import Inbox
from vs_st_pipeline_tests.support.receiving import HILLSIDE, SHOP, Receiving, entry, order, receiving, url


def connectors(*, stores_when_off: bool) -> list[Connector[Any]]:
    found = []
    for one in CONNECTORS:
        hooks = one.hooks
        if one.name == SHOP and hooks is not None:
            hooks = dataclasses.replace(hooks, stores_when_off=stores_when_off)
        found.append(dataclasses.replace(one, hooks=hooks))
    return found


def older_ends(box: Receiving, seconds: float = 3.0) -> bool:
    until = time.monotonic() + seconds
    while (status := box.call(url(), order()).status) != 404 and time.monotonic() < until:
        time.sleep(0.02)
    return status == 404


def rotated(until: str = "2026-01-01T00:00:00Z") -> dict[str, Any]:
    return entry(HILLSIDE, webhooks={SHOP: {"generation": 2, "previous_until": until}})


def test_r36_an_older_token_ends_when_its_time_is_over_and_a_call_has_come_by_the_new_one(tmp_path: Path) -> None:
    with receiving(tmp_path, [rotated()], connectors=connectors(stores_when_off=True)) as box:
        assert box.call(url(), order()).status == 204  # its time is over, and nobody has called the new URL yet
        assert box.call(url(generation=2), json.dumps({TEST_KEY: "ab"}).encode()).status == 204  # which is ours
        time.sleep(0.2)
        assert box.call(url(), order()).status == 204
        assert box.call(url(generation=2), order()).status == 204
        assert older_ends(box)
        assert box.call(url(generation=2), order()).status == 204
    with receiving(tmp_path, [rotated()], connectors=connectors(stores_when_off=True)) as box:
        assert box.call(url(), order()).status == 404  # which is remembered


def test_r36_until_its_time_is_over_it_holds_whatever_comes(tmp_path: Path) -> None:
    with receiving(tmp_path, [rotated("2999-01-01T00:00:00Z")], connectors=connectors(stores_when_off=True)) as box:
        assert box.call(url(generation=2), order()).status == 204
        time.sleep(0.2)
        assert box.call(url(), order()).status == 204


@pytest.mark.parametrize("now", [{"generation": 2}, {"generation": 2, "previous_until": None}])
def test_r36_with_now_it_ends_at_once(tmp_path: Path, now: dict[str, Any]) -> None:
    settings = entry(HILLSIDE, webhooks={SHOP: now})
    with receiving(tmp_path, [settings], connectors=connectors(stores_when_off=True)) as box:
        assert box.call(url(), order()).status == 404


def test_h37_other_systems_are_asked_what_stands_there_so_time_alone_counts(tmp_path: Path) -> None:
    with receiving(tmp_path, [rotated()], connectors=connectors(stores_when_off=False)) as box:
        assert box.call(url(), order()).status == 404


def test_an_older_inbox_is_brought_forward_and_keeps_what_it_has(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "inbox.sqlite")
    db.executescript(STEPS[0])
    db.execute("insert into entries (merchant, system, stored_at, at, kind, kept) values ('a', 's', 1, '', 'x', '{}')")
    db.execute("pragma user_version = 1")
    db.commit()
    db.close()
    inbox = Inbox(tmp_path)
    assert inbox.proved_tokens() == frozenset()
    assert inbox.ask("select count(*) from entries") == [(1,)]
    assert inbox.ask("pragma user_version") == [(len(STEPS),)]
    inbox.close()
