"""Stores what came of tries to read orders, and says when an order is tried again (consumers.md 3.8, 3.9, 10.5).

Data flow: `Tried` -> raw.sopost_orders, in the caller's transaction -> the word of the report for each order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from vs_st_pipeline.connectors.sopost.due import Due
from vs_st_pipeline.connectors.sopost.events import next_change
from vs_st_pipeline.connectors.sopost.orders import Order, believe, kept_text
from vs_st_pipeline.connectors.sopost.settings import SoPostSettings
from vs_st_pipeline.connectors.sopost.statuses import APPROVED, PENDING, classify, wants_body
from vs_st_pipeline.connectors.sopost.streams import ORDERS
from vs_st_pipeline.connectors.sopost.traces import names_in
from vs_st_pipeline.domain.loosely import loosely
from vs_st_pipeline.domain.records import CLEARS_AFTER
from vs_st_pipeline.platform.warehouse.connection import Db, in_row_order
from vs_st_pipeline.platform.warehouse.suppression import filter_suppressed

NOT_FOUND, NOT_VISIBLE, UNREADABLE, GAVE_UP = "not_found", "not_visible", "unreadable", "gave_up"
OTHER_ACTIVITY, FORGOTTEN, READ = "other_activity", "forgotten", "read"
GAPS: Final = tuple(timedelta(seconds=seconds) for seconds in (15, 60, 5 * 60, 30 * 60, 2 * 3600, 6 * 3600, 24 * 3600))
"""Between the last try and the next one; the last gap from then on."""
TRIED_FOR: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Tried:
    """One order after a try.

    Attributes:
        left_at: when the request left (UTC without zone).
        order: what was read; None: nothing, and `word` says why.
    """

    due: Due
    left_at: datetime
    word: str
    order: Order | None = None


def newest_read(db: Db, but: Sequence[str] = ()) -> str | None:
    """Return the id of the order that was read well last, none of these; None where there is none."""
    found: str | None = db.value(
        f"""select asked_id from {ORDERS.table} where read_at is not null and not list_contains($but::varchar[], id)
            order by read_at desc, id desc limit 1""",
        {"but": list(but)},
    )
    return found


def store_tries(db: Db, tried: Sequence[Tried], *, put_off: bool = True) -> dict[str, str]:
    """Note tries that brought nothing; what is known of these orders stands. Returns each order's word.

    Args:
        put_off: the next try is some time from now; else it is due, and this one does not count.
    """
    _update(db, [{**_common(one), "last_try": one.word, **_next_try(one, put_off=put_off)} for one in tried])
    return {one.due.id: one.word for one in tried}


def store_read(db: Db, settings: SoPostSettings, read: Sequence[Tried], now: datetime) -> dict[str, str]:
    """Store orders that were read, those of forgotten people aside; returns each order's word.

    Args:
        now: UTC without zone.

    Returns:
        By id: `read` where staging says what the order is, else what there is to say of it.
    """
    admitted = {one.due.id for one in filter_suppressed(db, read, ORDERS, _names_in, now)}
    before, number = _stored(db, [one.due.id for one in read]), next_change(db)
    words, rows = dict[str, str](), []
    for one in read:
        assert one.order is not None
        body, kept, activity = before.get(one.due.id, (None, None, None))
        wanted = settings.wants_activity(one.order.activity_id or activity)
        if one.due.id not in admitted:  # and its row is erased
            words[one.due.id] = FORGOTTEN if wanted else OTHER_ACTIVITY
            continue
        word, row = _row(settings, one, one.order, wanted, (body, kept), now)
        words[one.due.id] = word
        rows.append({**row, "changed": str(number)})
    _update(db, rows)
    return words


def _row(
    settings: SoPostSettings,
    one: Tried,
    order: Order,
    wanted: bool,
    before: tuple[str | None, str | None],
    now: datetime,
) -> tuple[str, dict[str, Any]]:
    """Return an order's word, and what is stored of it; a body only where it counts, or may (3.9)."""
    kind = classify(settings, order.status)
    row = {
        **_common(one),
        "status": order.status,
        "status_word": loosely(order.status),
        "class": kind,
        "activity_id": order.activity_id,
        "read_at": now.isoformat(),
        "approved": "true" if kind == APPROVED and wanted else None,
        "last_try": READ,
        "tries": "0",
    }
    if not wanted:
        return OTHER_ACTIVITY, {**row, "last_try": OTHER_ACTIVITY}
    if kind == PENDING:
        again = _next_try(one)
        return GAVE_UP if again["gave_up"] else PENDING, {**row, "last_try": PENDING, **again}
    if not wants_body(kind):
        return READ, row
    found = believe(order, *before, now)
    return READ, {
        **row,
        "body": found.text,
        "body_sha256": found.sha256,
        "kept": kept_text(found.kept),
        "next_try_at": (one.left_at + CLEARS_AFTER).isoformat() if found.again else None,
    }


def _names_in(one: Tried) -> tuple[str, list[tuple[str, object]], str | None]:
    return names_in(one.due.id, one.order)


def _common(one: Tried) -> dict[str, Any]:
    return {"id": one.due.id, "left_at": one.left_at.isoformat(), "seen_seq": str(one.due.last_seq)}


def _next_try(one: Tried, *, put_off: bool = True) -> dict[str, Any]:
    """Return when an order is tried again that this try did not settle: until thirty days after its first sight.

    What was read before and cannot be read now is tried for longer: somebody may have withdrawn a consent in it.
    """
    due = one.due
    if not put_off:
        return {"tries": str(due.tries), "next_try_at": one.left_at.isoformat(), "gave_up": None}
    tries, end = due.tries + 1, due.first_seen_at + TRIED_FOR
    at = one.left_at + GAPS[min(tries, len(GAPS)) - 1]
    if due.read_before and one.word == UNREADABLE:
        end = max(end, at + TRIED_FOR)
    gives_up = one.left_at >= end
    return {
        "tries": str(tries),
        "next_try_at": None if gives_up else min(at, end).isoformat(),
        "gave_up": "true" if gives_up else None,
    }


_READ_COLUMNS: Final = ("status", "status_word", "class", "read_at", "body", "body_sha256", "kept", "changed")
_TYPES: Final = {"read_at": "::timestamp", "changed": "::bigint"}


def _update(db: Db, rows: Sequence[dict[str, Any]]) -> None:
    """Write what came of tries; an order that was not read keeps all that is known of it."""
    if not rows:
        return
    names = ("id", "left_at", "seen_seq", "last_try", "tries", "next_try_at", "gave_up", "activity_id", "approved")
    columns = {name: [row.get(name) for row in rows] for name in (*names, *_READ_COLUMNS)}
    read = ", ".join(
        f"{name} = case when b.read_at is null then o.{name} else b.{name}{_TYPES.get(name, '')} end"
        for name in _READ_COLUMNS
    )
    with db.batch(columns) as batch:
        db.execute(
            f"""update {ORDERS.table} as o
                set left_at = b.left_at::timestamp, seen_seq = greatest(o.seen_seq, b.seen_seq::bigint),
                    last_try = b.last_try, tries = b.tries::integer, next_try_at = b.next_try_at::timestamp,
                    gave_up = b.gave_up is not null, activity_id = coalesce(b.activity_id, o.activity_id),
                    was_approved = o.was_approved or b.approved is not null, {read}
                from {in_row_order(ORDERS.table, batch, "id")} as b where o.rowid = b.rowid_"""
        )


def _stored(db: Db, ids: Sequence[str]) -> dict[str, tuple[str | None, str | None, str | None]]:
    """Return the stored body of these orders, what it carries over, and their activity."""
    with db.batch({"id": ids}) as batch:
        rows = db.rows(f"select id, body, kept, activity_id from {ORDERS.table} semi join {batch} using (id)")
    return {row[0]: (row[1], row[2], row[3]) for row in rows}
