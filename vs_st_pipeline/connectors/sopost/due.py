"""Finds the orders that are to be read, and since when (consumers.md 3.7); it asks the tables, and reads nothing.

Data flow: raw.sopost_orders, raw.sopost_events, settings -> ids, the one seen first in front.

Only orders that something has happened to are looked at closely: never tried, with an event after the last try, whose
next try is due, or whose words mean something else since the settings changed.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from vs_st_pipeline.connectors.sopost.settings import SoPostSettings
from vs_st_pipeline.connectors.sopost.statuses import APPROVED, PENDING, REJECTED, names_of
from vs_st_pipeline.connectors.sopost.streams import ORDERS
from vs_st_pipeline.domain.loosely import loosely
from vs_st_pipeline.platform.warehouse.connection import Db

PENDING_FOR: Final = timedelta(seconds=15)
"""How long an order that is only told to be pending is waited for before it is read."""


@dataclass(frozen=True, slots=True)
class Due:
    """An order that is to be read.

    Attributes:
        tries: in a row so far without an answer that settles it. last_try: what came of the last one.
        last_seq: of its newest event that is known.
        read_before: an answer was usable once.
        since: when it became due (UTC without zone).
    """

    id: str
    asked_id: str
    first_seen_at: datetime
    tries: int
    last_try: str | None
    last_seq: int
    read_before: bool
    since: datetime


_CLASS: Final = """case when list_contains($approved::varchar[], o.status_word) then 'approved'
                        when list_contains($pending::varchar[], o.status_word) then 'pending'
                        when list_contains($rejected::varchar[], o.status_word) then 'rejected'
                        when o.status_word is not null then 'later' end"""
_NONE_WANTED: Final = "len($activities::varchar[]) = 0"
_BODY_WANTED: Final = """o.last_try = 'read' and o.body is null and o.now_class in ('approved', 'later')
                         and o.class is distinct from o.now_class"""
_ACTIVITY_WANTED: Final = f"""o.last_try = 'other_activity' and ({_NONE_WANTED}
                              or list_contains($activities::varchar[], lower(trim(o.activity_id))))"""
_SQL: Final = f"""
with orders as (select o.*, {_CLASS} as now_class from {ORDERS.table} as o {{only}}),
found as (
    select * from orders as o
    where left_at is null or last_seq > seen_seq or next_try_at is not null or ({_BODY_WANTED})
       or ({_ACTIVITY_WANTED}) or ($full and now_class in ('approved', 'later') and last_try <> 'other_activity')
),
told as (
    select o.id, e.word, e.received_at, e.seq > o.seen_seq as is_new,
           {_NONE_WANTED} or coalesce(nullif(e.activity_id, ''), o.activity_id, '') = ''
             or list_contains($activities::varchar[],
                              lower(trim(coalesce(nullif(e.activity_id, ''), o.activity_id)))) as wanted
    from found as o join raw.sopost_events as e on e.order_id = o.id
),
news as (
    select id,
           coalesce(bool_or(list_contains($approved::varchar[], word)), false) as was_told_approved,
           min(received_at) filter (wanted) as first_at,
           min(received_at) filter (wanted and is_new) as new_at,
           min(received_at) filter (wanted and not list_contains($pending::varchar[], word)) as beyond_pending_at,
           min(received_at) filter (wanted and is_new and list_contains($rejected::varchar[], word)) as rejected_at
    from told group by id
),
reasons as (
    select o.*,
           case when $full and now_class in ('approved', 'later') and last_try <> 'other_activity' then $now end as f,
           case when left_at is null and imported then first_seen_at end as imported_at,
           case when left_at is null then least(beyond_pending_at, first_at + $pending_for::interval) end as a,
           case when left_at is not null then rejected_at end as b,
           case when left_at is not null and not (last_try = 'read' and (now_class = 'approved' or (
                     now_class = 'later' and (was_approved or coalesce(was_told_approved, false)))))
                then new_at end as c,
           case when left_at is not null and $follow_status then new_at end as d,
           next_try_at as e,
           case when ({_BODY_WANTED}) or ({_ACTIVITY_WANTED}) then $now end as g
    from found as o left join news using (id)
)
select id, asked_id, first_seen_at, tries, last_try, last_seq, read_at is not null,
       least(f, imported_at, a, b, c, d, e, g) as since
from reasons where since is not null
"""


def due_orders(
    db: Db,
    settings: SoPostSettings,
    now: datetime,
    *,
    follow_status: bool,
    full: bool = False,
    only: Collection[str] | None = None,
) -> list[Due]:
    """Return the orders that are due, the one seen first in front.

    Args:
        now: UTC without zone, by VS_ST_NOW.
        follow_status: later statuses are read as well (3.7d).
        full: all that count or have an unknown status are due.
        only: ids in small letters; None: all.
    """
    rows = _ask(db, settings, now, follow_status=follow_status, full=full, only=only)
    found = [Due(*row) for row in rows if row[-1] <= now]
    return sorted(found, key=lambda one: (one.first_seen_at, one.id))


def next_due_at(db: Db, settings: SoPostSettings, now: datetime, *, follow_status: bool) -> datetime | None:
    """Return since when, or from when on, the first order is due (UTC without zone); None: none will be by itself."""
    rows = _ask(db, settings, now, follow_status=follow_status, full=False, only=None)
    return min((row[-1] for row in rows), default=None)


def waiting_ids(db: Db, settings: SoPostSettings, now: datetime, *, follow_status: bool) -> list[str]:
    """Return the ids of the orders that are to be read, now or when their time has come; others wait for nothing."""
    return [row[0] for row in _ask(db, settings, now, follow_status=follow_status, full=False, only=None)]


def _ask(
    db: Db,
    settings: SoPostSettings,
    now: datetime,
    *,
    follow_status: bool,
    full: bool,
    only: Collection[str] | None,
) -> list[tuple[Any, ...]]:
    values = {
        **{one: sorted(names_of(settings, one)) for one in (APPROVED, PENDING, REJECTED)},
        "activities": sorted(loosely(one) for one in settings.activities),
        "now": now,
        "full": full,
        "follow_status": follow_status,
        "pending_for": f"{PENDING_FOR.total_seconds():.0f} seconds",
    }
    with nullcontext("") if only is None else db.batch({"id": sorted(only)}) as batch:
        return db.rows(_SQL.format(only=f"semi join {batch} using (id)" if batch else ""), values)
