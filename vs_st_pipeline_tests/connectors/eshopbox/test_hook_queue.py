"""What hooks leave behind: whose order is read first, and a word that may count (notices.md 3.4, 3.7)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.connectors.eshopbox import CONNECTOR, hook_queue, landing, stored
from vs_st_pipeline.connectors.eshopbox.settings import EshopboxSettings
from vs_st_pipeline.connectors.eshopbox.streams import ORDERS
from vs_st_pipeline.domain.hints import Hint, HintState
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.secrets import Secret
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.platform.warehouse.migrations import SHARED, Layout, read_lineage

NOON = datetime(2026, 11, 29, 12)
SETTINGS = EshopboxSettings(
    workspace="kraft",
    client_id=Secret("a", "env:A"),
    client_secret=Secret("b", "env:B"),
    refresh_token=Secret("c", "env:C"),
    workspace_url="http://127.0.0.1:9",
)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    assert CONNECTOR.migrations is not None
    layout = Layout((SHARED, read_lineage("eshopbox", CONNECTOR.migrations)), None, (("eshopbox", ORDERS),))
    warehouse = Warehouse(tmp_path, {"notices": layout}, wait_seconds=5)
    merchant = Merchant("m", "M", sections={"eshopbox": SETTINGS})
    return Run(merchant, warehouse, lambda: NOON.replace(tzinfo=UTC), route="notices")


def hint(entry: int, number: str | None = "A1", kind: str = "order", **kept: Any) -> Hint:
    said = {"resource": "shipment", "eventSubType": "packed", "accountSlug": "Kraft", "order_id": "7", **kept}
    at = (NOON + timedelta(minutes=entry)).replace(tzinfo=UTC).isoformat()
    return Hint(
        entry,
        entry,
        "m",
        "notices",
        "eshopbox",
        kind,
        number,
        None,
        "packed",
        None,
        0.0,
        at,
        0,
        HintState.WAITING,
        json.dumps(said),
    )


def rows(run: Run, sql: str) -> list[tuple[Any, ...]]:
    with run.open() as db:
        return db.rows(sql)


def test_a_hook_is_kept_once_and_its_order_is_read_first(run: Run) -> None:
    hook_queue.keep(run, [hint(1), hint(2, externalShipmentID="S1", trackingId="T1")])
    hook_queue.keep(run, [hint(1), hint(2), hint(3, resource="returnShipment", customerReturnNumber="R1")])
    assert rows(
        run,
        """select resource, word, shipment_id, tracking_id, return_number, order_id, received_at, bad
           from raw.eshopbox_hooks order by seq""",
    ) == [
        ("shipment", "packed", None, None, None, "7", NOON + timedelta(minutes=1), None),
        ("shipment", "packed", "S1", "T1", None, "7", NOON + timedelta(minutes=2), None),
        ("return", "packed", None, None, "R1", "7", NOON + timedelta(minutes=3), None),
    ]
    with run.open() as db:
        assert stored.due(db, NOON, timedelta(hours=1)) == [stored.Due("A1", True)]


@pytest.mark.parametrize("resource", [None, "channel_inventory", ""])
def test_a_hook_that_does_not_say_what_it_is_about_is_read_and_not_guessed(run: Run, resource: str | None) -> None:
    hook_queue.keep(run, [hint(1, resource=resource)])
    assert rows(run, "select resource, bad from raw.eshopbox_hooks") == [(None, None)]
    assert rows(run, "select parcel_id from raw.eshopbox_known") == [("A1",)]


def test_a_hook_of_another_workspace_has_nothing_read(run: Run) -> None:
    hook_queue.keep(run, [hint(1, accountSlug="linen")])
    assert rows(run, "select bad from raw.eshopbox_hooks") == [("foreign",)]
    assert rows(run, "select * from raw.eshopbox_known") == []
    assert hook_queue.unread(run, [hint(1, accountSlug="linen")]) == []


def test_what_names_no_order_is_a_whole_syncs(run: Run) -> None:
    hook_queue.keep(run, [hint(1, None), hint(2, "A1", "whole")])
    assert rows(run, "select * from raw.eshopbox_hooks") == []


def test_hooks_whose_orders_were_not_read_are_told(run: Run) -> None:
    hints = [hint(1), hint(2, "A2")]
    hook_queue.keep(run, hints)
    assert hook_queue.unread(run, hints) == [1, 2]
    with run.open() as db, db.transaction():
        landing.note_gone(db, "A2", NOON)
    assert hook_queue.unread(run, hints) == [1]
    assert hook_queue.unread(run, []) == []


def test_orders_that_are_asked_for_are_read_first(run: Run) -> None:
    with run.open() as db, db.transaction():
        stored.hear_of(db, {"A1": None, "A2": None}, stored.NEW, NOON)
    hook_queue.ask_for(run, ["A2"])
    with run.open() as db:
        assert stored.due(db, NOON, timedelta(hours=1)) == [stored.Due("A2", True), stored.Due("A1", False)]


def test_old_hooks_go_but_of_orders_of_which_something_may_come(run: Run) -> None:
    hook_queue.keep(run, [hint(1), hint(2, "A2"), hint(3, "A2"), hint(4, "A3", accountSlug="linen")])
    with run.open() as db, db.transaction():
        landing.note_gone(db, "A1", NOON)
        landing.note_gone(db, "A2", NOON)
        stored.note_open(db, {"A2": False})
        hook_queue.forget_before(db, NOON + timedelta(minutes=3))
    assert rows(run, "select parcel_id, received_at from raw.eshopbox_hooks order by seq") == [
        ("A1", NOON + timedelta(minutes=1)),
        ("A2", NOON + timedelta(minutes=3)),
        ("A3", NOON + timedelta(minutes=4)),
    ]
