"""Counts and shows what a sync is about to write: orders to send, fulfilments, messages, and who is held (orders.md 8).

Data flow: `session.judged`, planned.vinoshipper_orders, planned.commerce7_orders -> counts of the report, rows of
`vs-st plan`.
"""

from __future__ import annotations

import json
from typing import Any

from vs_st_pipeline.domain.codec import encode
from vs_st_pipeline.routes.orders import fulfilling, judging, ledger, messages, rules, settling
from vs_st_pipeline.routes.orders.session import OrdersSession

BORN = "dateOfBirth"


def plan(session: OrdersSession) -> None:
    """Count what is to be sent, fulfilled and told, before `send_at_most` and before any write."""
    run, ready = session.run, session.judged.ready
    with run.open() as db, db.transaction():
        if session.only is None:
            if db.value("select 1 from planned.commerce7_orders limit 1"):
                db.execute("delete from planned.commerce7_orders")
        else:
            db.execute(
                "delete from planned.commerce7_orders where list_contains(?::varchar[], order_id)",
                [sorted(session.only)],
            )
        fulfilments = fulfilling.plan(session, db, session.only)
        told = messages.plan(session, db, ready, session.only)
    again = set(settling.to_send_again(session, session.only)) - ready.keys()
    session.told.planned |= {"send": len(ready) + len(again), "fulfil": fulfilments, "messages": told}


def rows(session: OrdersSession) -> dict[str, Any]:
    """Return what would be written, order by order, for a person who asked for it.

    Names and addresses stand in full, as the order is sent; of a birth date only that there is one.
    """
    run = session.run
    with run.open() as db:
        sent = [_order(body) for body in judging.bodies(session, db)]
        there = {
            row[0]: row[1]
            for row in db.rows("select order_id, action from planned.vinoshipper_orders where run_id is not null")
        }
        fulfilments, told = (
            [
                {"order_id": order_id, "order_number": number, **json.loads(says)}
                for order_id, number, says in db.rows(
                    """select p.order_id, s.order_number, p.says from planned.commerce7_orders as p
                       join staged.shop_orders as s using (order_id) where p.action = ?
                       order by s.paid_at, p.order_id""",
                    [action],
                )
            ]
            for action in ("fulfil", "message")
        )
        held = [
            {
                "order_id": row.order_id, "order_number": row.order_number, "state": str(row.state), "code": row.code,
                "says": rules.sentence(str(row.code), json.loads(row.says) if row.says else {}),
            }
            for row in ledger.read(
                db,
                """list_contains(['waiting', 'failed', 'not_required'], state) and code is distinct from 'before_start'
                   and not list_contains($ready::varchar[], order_id)""",
                {"ready": sorted(session.judged.ready)},
            )
        ]  # fmt: skip
        session.told.before_start = int(db.value("select count(*) from staged.shop_orders where before_start"))
    orders = [{**one, "action": there.get(one["order_id"], "create")} for one in sent]
    counts = session.told.as_json()["planned"]
    return {"planned": counts, "orders": orders, "fulfilments": fulfilments, "messages": told, "held": held}


def _order(one: tuple[str, str, dict[str, Any]]) -> dict[str, Any]:
    order_id, number, body = one
    body = dict(body)
    customer = dict(body.get("customer") or {})
    if BORN in customer:
        customer[BORN] = "given"
        body["customer"] = customer
    plain: dict[str, Any] = json.loads(encode(body) or b"{}")
    return {"order_id": order_id, "order_number": number, "body": plain}
