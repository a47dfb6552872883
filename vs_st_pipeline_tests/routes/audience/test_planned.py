"""What `vs-st plan --json` shows row by row (audience.md 9)."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from vs_st_pipeline.domain.hints import Call
from vs_st_pipeline.platform.inbox.store import Arrival, Inbox
from vs_st_pipeline.routes.audience import diffing, due, planned
from vs_st_pipeline_tests.routes.audience.diff_world import NOW, OLD
from vs_st_pipeline_tests.routes.audience.test_diffing import shop


def test_rows_of_a_plan() -> None:
    """9: events with what changed and their data, late records, who is held, what is noted; nothing moves."""
    world = shop(events={"CartUpdate": False})
    world.customer("c2", first_name="Eve")
    world.cart("c1")
    world.order("o9", own_at=OLD)
    world.wish("c2", "p1", own_at=OLD)
    world.product("p3", gone_at=NOW)
    world.hold("customer", "c7")
    world.db.execute("insert into staged.shop_notes values ('bad_value', 'order', 'o7')")
    session = world.session()
    diffing.diff(session)
    rows = planned.rows(session)
    assert [(one["event"], one["kind"], one["id"], one["changed"]) for one in rows["events"]] == [
        ("CustomerUpdate", "customer", "c2", ["first_name"]),
        ("ProductOutOfStock", "product", "p3", ["gone_at"]),
    ]
    assert rows["events"][0]["data"]["customer"]["firstname"] == "Eve"
    assert rows["late"] == [{"block": "wishlist", "id": "c2"}, {"block": "orders", "id": "o9"}]
    assert rows["held"] == [{"kind": "customer", "id": "c7", "reason": "under_age"}]
    assert rows["noted"] == [
        {"noted": "bad_value", "kind": "order", "id": "o7"},
        {"noted": "product_gone", "kind": "product", "id": "p3"},
    ]
    assert dict(session.told.events) == {"CustomerUpdate": 1, "ProductOutOfStock": 1}
    assert session.told.late == 2
    assert session.told.noted["product_gone"] == 1
    assert world.outbox() == []


def test_r27_a_plan_says_how_many_posts_it_is_without(tmp_path: Path) -> None:
    """A dry run takes nothing from the inbox; posts that wait there are the next sync's."""
    inbox = Inbox(tmp_path)
    run: Any = SimpleNamespace(inbox=inbox, merchant=SimpleNamespace(id="hillside"), route="audience")
    assert due._posts_that_wait(run) == 0
    for system, kind in (("shop", "post"), ("shop", "post"), ("commerce7", "order")):
        call = Call(kind, "o1" if kind == "order" else None)
        inbox.put([Arrival("hillside", system, call, ("audience",), "2026-12-01T00:00:00+00:00")])
    assert due._posts_that_wait(run) == 2
