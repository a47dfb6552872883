"""With `keep_raw_bodies` what both systems said of orders that are over goes, and nothing of others (orders.md 10)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from vs_st_pipeline.routes.orders import retention
from vs_st_pipeline_tests.routes.orders.dispatch import Dispatch

DAYS = timedelta(days=90)
OVER = {
    "delivered": ("sent", "Delivered"), "returned": ("sent", "Returned"), "voided": ("voided", None),
    "kept": ("not_required", None),
}  # fmt: skip
OPEN = {
    "failed": ("failed", None), "waiting": ("waiting", None), "sending": ("sending", None),
    "shipped": ("sent", "Shipped"), "labelled": ("sent", "Fulfilled"),
}  # fmt: skip


@pytest.fixture
def one(tmp_path: Path) -> Dispatch:
    found = Dispatch(tmp_path)
    with found.db() as db:
        for order_id, (state, stage) in {**OVER, **OPEN, "linked": ("not_required", None)}.items():
            number = f"HILLSIDE-{order_id}"
            db.execute(
                """insert into raw.commerce7_orders (id, order_number, body, paid_at, first_seen_at, first_seen_by,
                       read_at, read_at_real, whole)
                   values ($id, $id, '{"id": 1}', $at, $at, 'paid', $at, $at, true)""",
                {"id": order_id, "at": found.at.replace(tzinfo=None)},
            )
            db.execute(
                """insert into raw.vinoshipper_sent_orders (vs_number, body, read_at) values (?, '{}', ?)""",
                [number, found.at.replace(tzinfo=None)],
            )
            db.execute(
                """insert into synced.orders (order_id, order_number, vs_number, state, stage, stage_at, paid_at,
                       first_seen_at, updated_at) values ($id, $id, $number, $state, $stage, $at, $at, $at, $at)""",
                {"id": order_id, "number": number, "state": state, "stage": stage, "at": found.at.replace(tzinfo=None)},
            )
            db.execute(
                """insert into staged.shop_orders (order_id, order_number, paid_at, first_seen_at, body_sha256,
                       content_hash, sent_hash, previous_id) values ($id, $id, $at, $at, '', '', '', $previous)""",
                {
                    "id": order_id,
                    "previous": "failed" if order_id == "linked" else None,
                    "at": found.at.replace(tzinfo=None),
                },
            )
    return found


def prune(one: Dispatch, **more: object) -> int:
    run = one.session().run
    return retention.prune(replace(run, merchant=replace(run.merchant, keep_raw_bodies=DAYS), **more))  # type: ignore[arg-type]


def with_body(one: Dispatch) -> tuple[set[str], set[str]]:
    shop = one.rows("select id from raw.commerce7_orders where body is not null")
    there = one.rows("select vs_number from raw.vinoshipper_sent_orders where body is not null")
    return {row[0] for row in shop}, {row[0].removeprefix("HILLSIDE-") for row in there}


def test_o10_bodies_of_orders_that_are_over_go_and_no_others(one: Dispatch) -> None:
    everything = {*OVER, *OPEN, "linked"}
    assert prune(one) == 0
    one.later(days=91)
    assert retention.prune(one.session().run) == 0, "the merchant wants all of them kept"
    assert prune(one, dry_run=True) == 0
    assert with_body(one) == (everything, everything)
    assert prune(one) == len(OVER)
    left = everything - OVER.keys()
    assert with_body(one) == (left, left), "what is linked to an order that is not decided stays too"
    one.later(days=100)
    assert prune(one) == 2, "parcels of which nothing was heard"
    assert with_body(one)[0] == left - {"shipped", "labelled"}


def test_o6_what_is_being_written_stays(one: Dispatch) -> None:
    one.later(days=91)
    with one.db() as db:
        db.execute(
            """insert into synced.order_writes (send_id, system, call, order_id, body_hash, "at", run_id)
               values ('w', 'vinoshipper', 'cancel', 'delivered', '', now()::timestamp, 'r')"""
        )
    prune(one)
    assert "delivered" in with_body(one)[0]
