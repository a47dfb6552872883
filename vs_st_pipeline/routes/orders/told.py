"""Tells how orders stand, as `list`, `show` and `--json` tell it: objects of plain values, without anybody's data.

Data flow: synced.*, staged.shipments -> the objects of orders.md 8.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from vs_st_pipeline.domain.phone import mask_email, mask_phone
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.orders import ledger, notes
from vs_st_pipeline.routes.orders.ledger import OrderRow
from vs_st_pipeline.routes.orders.sentences import sentence
from vs_st_pipeline.routes.orders.states import MESSAGES, State

Record = dict[str, Any]

BEFORE_START: Final = "before_start"
_LISTED: Final = f"code is distinct from '{BEFORE_START}'"
_EMAIL: Final = re.compile(r"[^\s@<>\"'(),;:]+@[^\s@<>\"'(),;:]+\.[^\s@<>\"'(),;:.]+")
_PHONE: Final = re.compile(r"(?<![\w.-])(?:\+?1[ .-]?)?\(?\d{3}\)?[ .-]?\d{3}[ .-]?\d{4}(?![\w-])")


def time_of(moment: datetime | None) -> str | None:
    """Return a time as all answers show it: ISO, UTC."""
    return None if moment is None else moment.replace(tzinfo=UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def masked(text: str | None) -> str | None:
    """Return a text of Vinoshipper's with its e-mails and phones masked (orders.md 10)."""
    if text is None:
        return None
    text = _EMAIL.sub(lambda found: mask_email(found[0]), text)
    return _PHONE.sub(lambda found: mask_phone(found[0]), text)


def in_short(row: OrderRow, noted: Mapping[str, str]) -> Record:
    """Return an order as `orders list --json` shows it."""
    return {
        "order_id": row.order_id,
        "order_number": row.order_number,
        "vs_number": row.vs_number,
        "state": str(row.state),
        "message": row.message,
        "code": row.code,
        "compliance": row.compliance,
        "stage": row.stage,
        "noted": list(noted),
        "paid_at": time_of(row.paid_at),
        "sent_at": time_of(row.sent_at),
        "updated_at": time_of(row.updated_at),
    }


def in_full(db: Db, row: OrderRow) -> Record:
    """Return an order as `orders show --json` shows it."""
    noted = notes.shown(db, [row.order_id]).get(row.order_id, {})
    shown = db.row("select packages from staged.shipments where vs_number = ?", [row.vs_number])
    written = db.row(
        "select outcome, fulfillment_id, mailed, written_at from synced.fulfilments where order_id = ?", [row.order_id]
    ) or (None, None, None, None)
    return {
        **in_short(row, noted),
        "problems": problems_of(row.problems),
        "sent": json.loads(row.sent) if row.sent else {},
        "packages": [_package(one) for one in (json.loads(shown[0]) if shown else [])],
        "fulfilment": {
            "outcome": written[0],
            "fulfillment_id": written[1],
            "mailed": written[2],
            "written_at": time_of(written[3]),
        },
        "activity": activity_of(db, row.order_id),
    }


def problems_of(text: str) -> list[Record]:
    """Return the problems of an order as they came, but for e-mails and phones."""
    keys = ("code", "description", "type")
    return [{key: masked(_text(one.get(key))) for key in keys} for one in json.loads(text or "[]")]


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def decoded(says: str) -> Any:
    """Return what a note or a code names: decoded where it is JSON, else the text."""
    try:
        return json.loads(says) if says else ""
    except ValueError:
        return says


def _package(one: Mapping[str, Any]) -> Record:
    return {"carrier": one.get("carrier"), "tracking_number": one.get("tracking_number")}


def activity_of(db: Db, order_id: str) -> list[Record]:
    """Return all that happened to an order, oldest first (4.4)."""
    names = ("at", "kind", "text", "code", "who", "run_id", "http_status", "trace_id")
    rows = db.rows(
        f"""select {", ".join(f'"{name}"' for name in names)} from synced.order_activity
            where order_id = ? order by seq""",
        [order_id],
    )
    found = [dict(zip(names, row, strict=True)) for row in rows]
    return [{**one, "at": time_of(one["at"])} for one in found]


def find_orders(db: Db, where: str, given: Mapping[str, Any], limit: int) -> list[Record]:
    """Return the orders that a condition names, newest first; what was paid before the start is not listed."""
    rows = db.rows(
        f"""select order_id from synced.orders where {_LISTED} and {where}
            order by paid_at desc, order_number desc, order_id limit {int(limit)}""",
        given,
    )
    found = ledger.find(db, [row[0] for row in rows])
    noted = notes.shown(db, found)
    return [in_short(found[row[0]], noted.get(row[0], {})) for row in rows]


def count_orders(db: Db, where: str, given: Mapping[str, Any]) -> int:
    """Return how many orders a condition names, as `find_orders` lists them without a limit."""
    return int(db.value(f"select count(*) from synced.orders where {_LISTED} and {where}", given))


def unlisted(db: Db, order_id: str) -> Record | None:
    """Return an order that no row of the ledger holds, because it was paid before the start; None: it is unknown."""
    row = db.row("select order_number, paid_at, before_start from staged.shop_orders where order_id = ?", [order_id])
    if row is None:
        return None
    number, paid_at, before = row
    state, code = (State.NOT_REQUIRED, BEFORE_START) if before else (State.WAITING, None)
    return {
        "order_id": order_id, "order_number": number, "vs_number": None, "state": str(state),
        "message": MESSAGES[state], "code": code, "compliance": "not_checked", "stage": None, "noted": [],
        "paid_at": time_of(paid_at), "sent_at": None, "updated_at": None, "problems": [], "sent": {}, "packages": [],
        "fulfilment": {"outcome": None, "fulfillment_id": None, "mailed": None, "written_at": None},
        "activity": activity_of(db, order_id),
    }  # fmt: skip


def why_of(row: OrderRow) -> str:
    """Return why an order stands as it does, in a sentence that says what to do."""
    says = decoded(row.says or "")
    return sentence(row.code or "", says if isinstance(says, Mapping) else {})


def acted(row: OrderRow | None, number: str, *, done: bool, **changed: Any) -> Record:
    """Return an order as commands that act on it tell of it."""
    told = {
        "order_number": number if row is None else row.order_number,
        "done": done,
        "state": None if row is None else str(row.state),
        "message": None if row is None else row.message,
        "code": None if row is None else row.code,
    }
    return {**told, **changed}
