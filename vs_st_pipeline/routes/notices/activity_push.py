"""Tells `activity.push_url` each row of activity in Eshopbox's event shape (notices.md 8.6).

Data flow: staged.activity (not told yet), with whose it is -> POST -> pushed_at, once it was answered with 2xx.

At least once: a row is marked after its answer, so that one whose answer was lost is told again, under the same
`event_id`. In order per order: where one row is not taken, the later ones of its order wait, and the others go on. What
is not taken is told again with growing gaps, for ever. Rows from before a `push_url` was set are not told.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from vs_st_pipeline.connectors.eshopbox.settings import EshopboxSettings
from vs_st_pipeline.domain.codec import try_object
from vs_st_pipeline.domain.errors import TryLater
from vs_st_pipeline.platform.http.client import HttpClient, NoKey
from vs_st_pipeline.platform.settings.secrets import Secret
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices.words import ActionState, What

if TYPE_CHECKING:
    from vs_st_pipeline.routes.notices.session import NoticesSession

SYSTEM: Final = "activity"
CALL: Final = "push"
MOST: Final = 500  # rows in one run
SECONDS: Final = 30.0  # of the machine's clock, in one run: what is left goes with the next
TRY_SECONDS: Final = 10.0
FAILED_IN_A_ROW: Final = 3  # then the receiver has trouble, not these rows
MOST_MINUTES: Final = 60  # between two tries
ALL: Final = "*"
SINCE: Final = "push_since"
UNSET: Final = "none"  # it was set, and is not any more

SUBTYPES: Final[Mapping[What, str]] = {
    What.HELD: "held",
    What.SENT: "in-queue",
    What.REPLY: "customer_reply",
    What.ACTION: "customer_action",
    What.ACTION_RESULT: "action_result",
    What.UNEXPECTED: "unexpected_reply",
    What.OPTED_OUT: "opted_out",
    What.RESOLVED: "resolved",
}
"""eventSubType; of a receipt it is the receipt's own word: enqueued, sent, delivered, read, failed."""
FROM_CUSTOMER: Final = frozenset({What.REPLY, What.ACTION, What.ACTION_RESULT, What.UNEXPECTED, What.OPTED_OUT})

_ROWS: Final = """
    select a.activity_id, a.merchant_order, a."at", a.what, a.mode, a.message_id, a.number, a.detail,
           o.order_number, o.vendor_order_number, n.destination as notice_phone, r.phone as reply_phone, n.accepted_at,
           n.message_id as notice_message_id
    from staged.activity as a
    left join staged.notice_orders as o using (merchant_order)
    left join synced.notices as n on n.notice_id = a.notice_id
    left join staged.replies as r on r.message_id = a.message_id
    where a.pushed_at is null and a.seq > ? order by a.seq limit ?"""
_NAMES: Final = (
    *("activity_id", "merchant_order", "at", "what", "mode", "message_id", "number", "detail", "order_number"),
    *("vendor_order_number", "notice_phone", "reply_phone", "accepted_at", "notice_message_id"),
)


class _AtOnce:
    """Waits for nothing: whoever is told is the client's own system."""

    def wait(self) -> float:
        return 0.0


def push(session: NoticesSession) -> None:
    """Tell the rows that are due; a receiver that fails is no trouble of the run."""
    run, settings = session.run, session.settings.activity
    with run.open() as db, db.transaction():
        since = _since(db, run.now(), settings.push_url is not None)
        rows = [] if since is None else [dict(zip(_NAMES, row, strict=True)) for row in db.rows(_ROWS, [since, MOST])]
        waiting = _waiting(db, run.now())
    if settings.push_url is None or not rows or ALL in waiting:
        return
    http = HttpClient(
        system=SYSTEM, base_url=settings.push_url, auth=NoKey(), pace=_AtOnce(), give_up_after=TRY_SECONDS
    )
    headers = {name: _revealed(value) for name, value in settings.push_headers.items()}
    began, failed = time.monotonic(), 0
    slug = session.run.merchant.section(EshopboxSettings).workspace if _has_eshopbox(session) else None
    try:
        for row in rows:
            line = line_of(row)
            if line in waiting:
                continue
            if failed >= FAILED_IN_A_ROW or time.monotonic() - began > SECONDS or run.stop():
                break
            body = json.dumps(event(row, slug), ensure_ascii=False).encode()
            try:
                taken = 200 <= http.post_once(CALL, settings.push_url, body, headers=headers).status < 300
                answers = True
            except TryLater:
                taken = answers = False
            with run.open() as db, db.transaction():
                _note(db, run.now(), row, line, taken=taken, answers=answers)
            if taken:
                failed = 0
                continue
            waiting.add(line)
            failed += 1
            if not answers:
                break
    finally:
        http.close()


def line_of(row: Mapping[str, Any]) -> str:
    """Return what a row is told in order of: its order, or itself."""
    return str(row["merchant_order"] or row["activity_id"])


def event(row: Mapping[str, Any], account_slug: str | None) -> dict[str, Any]:
    """Return a row in the shape of Eshopbox's own event.

    Args:
        row: columns of `_NAMES`.
    """
    what, detail = What(row["what"]), try_object(row["detail"]) or {}
    kind = detail.get("type")
    subtype = str(kind) if what is What.RECEIPT and kind else SUBTYPES.get(what, str(what))
    phone = row["reply_phone"] or row["notice_phone"]
    ways = (phone, row["number"]) if what in FROM_CUSTOMER else (row["number"], phone)
    told_at = _with_zone(detail.get("at")) or _iso(row["at"])
    sent_at = row["accepted_at"] or (None if what is What.HELD else row["at"])
    return {
        "resource": "customer_notification",
        "eventType": "POST",
        "eventSubType": subtype,
        "accountSlug": account_slug,
        "version": "v1",
        "event_id": row["activity_id"],
        "response_data": {
            "customerOrderNumber": row["order_number"],
            "vendorOrderNumber": row["vendor_order_number"],
            "messagedId": row["message_id"] or row["notice_message_id"],
            "notification_type": "whatsApp",
            "status": detail.get("state") or detail.get("outcome") or subtype,
            "failureReason": _failure(what, detail),
            "action_taken": detail.get("action"),
            "mode": row["mode"],
            "from": ways[0],
            "to": ways[1],
            "sentOn": _iso(sent_at),
            "deliveredAt": told_at if what is What.RECEIPT and kind == "delivered" else None,
        },
    }


def _failure(what: What, detail: Mapping[str, Any]) -> Any:
    """Return why it is so; None: nothing failed. The code of an action is what was asked for, and no failure."""
    if what in (What.RECEIPT, What.SENT):
        return detail.get("reason") or detail.get("code")
    if what is What.HELD or detail.get("state") in (ActionState.REFUSED, ActionState.UNKNOWN):
        return detail.get("reason")
    return None


def gap(tries: int) -> timedelta:
    """Return how long after the n-th failed try a row is told again: 1, 2, 4 ... 60 minutes."""
    return timedelta(minutes=min(2 ** min(tries - 1, 10), MOST_MINUTES))


def _since(db: Db, now: datetime, is_set: bool) -> int | None:
    """Return the number of the last row from before `push_url` was set; None: none is set.

    Where that is not known any more, because the database was made anew, the first row that was told says it.
    """
    known = db.value("select value from synced.notice_facts where name = ?", [SINCE])
    if not is_set:
        if known is not None and known != UNSET:
            _keep_since(db, UNSET, now)
        return None
    if known is not None and known != UNSET:
        return int(known)
    first = None if known == UNSET else db.value("select min(seq) from staged.activity where pushed_at is not null")
    if first is not None:
        since = int(first) - 1
    else:
        since = int(db.value('select coalesce(max(seq), 0) from staged.activity where "at" < ?', [now]))
    _keep_since(db, str(since), now)
    return since


def _keep_since(db: Db, value: str, now: datetime) -> None:
    db.execute("insert or replace into synced.notice_facts values (?, ?, ?)", [SINCE, value, now])


def _waiting(db: Db, now: datetime) -> set[str]:
    return {str(row[0]) for row in db.rows("select line from synced.activity_push where retry_at > ?", [now])}


def _note(db: Db, now: datetime, row: Mapping[str, Any], line: str, *, taken: bool, answers: bool) -> None:
    if taken:
        db.execute("update staged.activity set pushed_at = ? where activity_id = ?", [now, row["activity_id"]])
        db.execute("delete from synced.activity_push where line in (?, ?)", [line, ALL])
        return
    failed = line if answers else ALL
    tries = 1 + int(db.value("select max(tries) from synced.activity_push where line = ?", [failed]) or 0)
    db.execute("insert or replace into synced.activity_push values (?, ?, ?)", [failed, tries, now + gap(tries)])


def _has_eshopbox(session: NoticesSession) -> bool:
    return "eshopbox" in session.run.merchant.sections


def _revealed(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def _with_zone(told: Any) -> str | None:
    """Return a time of a detail with its zone, which some have left out; None: it tells none."""
    return f"{told.removesuffix('Z')}Z" if isinstance(told, str) and told else None


def _iso(at: datetime | None) -> str | None:
    return None if at is None else f"{at.isoformat()}Z"
