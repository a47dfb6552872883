"""Says what is known of orders, and which are to be read next (notices.md 3.2).

Data flow: raw.eshopbox_known, raw.eshopbox_hooks -> numbers, the most urgent first.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from vs_st_pipeline.connectors.eshopbox.streams import HOOKS, KNOWN, PASSES, STORED
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.suppression import read_suppressed
from vs_st_pipeline.platform.warehouse.unreadable import unreadable_ids, waiting_ids

NEW: Final = "new"  # the pass over new orders; and why an order is to be read that it showed first
RECONCILE: Final = "reconcile"
OPEN_FOR: Final = timedelta(days=30)  # orders that are older are not asked after any more
HINTED_FIRST: Final = "('hook', 'asked')"


@dataclass(frozen=True, slots=True)
class Due:
    """An order that is to be read.

    Attributes:
        hinted: it is hinted at, so that it is read whatever is left of the budget.
    """

    number: str
    hinted: bool


def hear_of(db: Db, placed: Mapping[str, str | None], why: str, now: datetime) -> None:
    """Have these orders read, inside the caller's transaction; number -> orderDate (ISO, UTC) or None.

    Those of forgotten people are not heard of.
    """
    forgotten = read_suppressed(db)
    placed = {number: at for number, at in placed.items() if not forgotten.knows(STORED, number)}
    columns: dict[str, list[Any]] = {"parcel_id": list(placed), "placed_at": list(placed.values())}
    with db.batch(columns) as batch:
        db.execute(
            f"""insert into {KNOWN} (parcel_id, first_seen_at, placed_at, absent_at)
                select b.parcel_id, $now::timestamp, b.placed_at::timestamp,
                       case when b.placed_at::timestamp >= p.since then p.began_at end
                from {batch} as b left join (select * from {PASSES} where name = '{NEW}') as p on true
                on conflict do nothing""",
            {"now": now},
        )
        db.execute(
            f"""update {KNOWN} as k set wanted_at = $now::timestamp,
                    wanted_by = case when k.wanted_by in {HINTED_FIRST} then k.wanted_by else $why end
                from {batch} as b where k.parcel_id = b.parcel_id""",
            {"now": now, "why": why},
        )


def due(
    db: Db, now: datetime, open_orders: timedelta, *, also: Collection[str] = (), only: Collection[str] | None = None
) -> list[Due]:
    """Return the orders that are to be read, hinted ones first, then new and changed ones, then open ones by age.

    Args:
        now: UTC without zone. open_orders: how old the read of an open order may be. One that could not be read
            waits for its next try, unless a hook has come since.
        also: numbers that are asked for besides. only: of these alone; None: of all.
    """
    real = time.time()
    with db.batch({"id": sorted(set(also))}) as named, db.batch({"id": sorted(set(only or ()))}) as among:
        rows: list[Any] = db.rows(
            f"""with hinted as (
                    select parcel_id, max(received_at) as told_at from {HOOKS}
                    where read_at is null and bad is null group by parcel_id)
                select k.parcel_id, case
                    when h.parcel_id is not null or (k.wanted_at is not null and k.wanted_by in {HINTED_FIRST}) then 0
                    when k.gone_at is not null then null
                    when k.parcel_id in (select id from {named}) then 1
                    when k.wanted_at is not null then 2
                    when k.next_look_at <= $now then 3
                    when k.is_open and k.read_at is not null
                         and coalesce(k.placed_at, k.first_seen_at) > $now - $open_for::interval
                         and (k.read_at <= $now - $every::interval or k.read_real <= $real - $seconds
                              or k.read_at > $now + interval 1 day) then 4
                    end as turn, coalesce(h.told_at > u.last_at, false) as has_news
                from {KNOWN} as k left join hinted as h using (parcel_id)
                left join raw.unreadable as u on u.kind = '{STORED}' and u.id = k.parcel_id
                where turn is not null and ($all or k.parcel_id in (select id from {among}))
                order by turn, coalesce(k.wanted_at, k.read_at), k.parcel_id""",
            {
                "now": now,
                "real": real,
                "every": open_orders,
                "seconds": open_orders.total_seconds(),
                "open_for": OPEN_FOR,
                "all": only is None,
            },
        )
    waiting = waiting_ids(db, STORED, now)
    return [Due(number, turn == 0) for number, turn, has_news in rows if has_news or number not in waiting]


def is_complete(db: Db) -> bool:
    """Say whether the list was read to its end once, and every order that it showed then; what cannot be read aside."""
    if db.value(f"select 1 from {PASSES} where name = '{NEW}'") is None:
        return False
    unreadable = unreadable_ids(db, STORED)
    rows = db.rows(f"select parcel_id from {KNOWN} where read_at is null and gone_at is null and wanted_by = '{NEW}'")
    return all(number in unreadable for (number,) in rows)


def is_listed_and_unread(db: Db, number: str) -> bool:
    """Say whether the list has shown an order that was never read: it is there, whatever its own page says."""
    found = db.value(f"select 1 from {KNOWN} where parcel_id = ? and read_at is null and row_sha is not null", [number])
    return found is not None


def note_open(db: Db, is_open: Mapping[str, bool]) -> None:
    """Note of which orders something may still come, inside the caller's transaction."""
    columns: dict[str, list[Any]] = {"parcel_id": list(is_open), "is_open": list(is_open.values())}
    with db.batch(columns, {"is_open": "bool"}) as batch:
        db.execute(
            f"""update {KNOWN} as k set is_open = b.is_open from {batch} as b
                where k.parcel_id = b.parcel_id and k.is_open <> b.is_open"""
        )


def newest_read(db: Db, but: Collection[str] = ()) -> str | None:
    """Return the number of the order that was read well last, none of these; None: none was."""
    found: str | None = db.value(
        f"""select parcel_id from {KNOWN} where read_at is not null and gone_at is null
                and not list_contains($but::varchar[], parcel_id) order by read_at desc, parcel_id desc limit 1""",
        {"but": list(but)},
    )
    return found


def wanted_otherwise(db: Db, numbers: Collection[str]) -> set[str]:
    """Return which of these orders were read, or are wanted, for another reason than a hook."""
    with db.batch({"id": sorted(set(numbers))}) as batch:
        rows = db.rows(
            f"""select parcel_id from {KNOWN} where parcel_id in (select id from {batch})
                and (read_at is not null or wanted_by <> 'hook')"""
        )
    return {row[0] for row in rows}
