"""Keeps what is hinted at until it is read: orders of the shop, its catalogue, orders of the shipper.

Data flow: hints of the inbox -> raw.commerce7_hints, raw.vinoshipper_order_hints -> one read each -> gone from there.

A hint is done when its read is stored (orders.md 3): a sync that dies finds it again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from vs_st_pipeline.domain.hints import Hint
from vs_st_pipeline.pipeline.hinted import Queue
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.orders.systems import ORDER, SHIPPER, SHOP

PRODUCT: Final = "product"
UPDATED: Final = "updated"  # `Bulk Update`: what changed shows in the updated pass, which each whole sync makes
RESTS: Final = timedelta(minutes=10)
"""R49: a hint on an order that this route wrote lately is our own echo, and waits so long."""
AT_ONCE: Final = ("APPROVED", "CANCELLED", "CANCELED")  # events that wait for nothing


@dataclass(frozen=True, slots=True)
class Hinted:
    """An order at the shipper that is hinted at. `event`: the word of the hint that matters most."""

    number: str
    event: str | None


def hand_over(run: Run, hints: Sequence[Hint]) -> None:
    """Store hints, in one transaction; what is stored already stays as it is."""
    with run.open() as db, db.transaction():
        for hint in hints:
            store(db, run, hint)


def store(db: Db, run: Run, hint: Hint) -> None:
    """Store one hint, inside the caller's transaction."""
    if hint.system == SHIPPER:
        if hint.kind == ORDER and hint.id:
            db.execute(
                """insert into raw.vinoshipper_order_hints values (?, ?, ?)
                   on conflict (vs_number) do update set event = case
                       when list_contains(?::varchar[], excluded.event) then excluded.event else event end""",
                [hint.id, run.now(), hint.event, list(AT_ONCE)],
            )
        return
    what, id_ = (hint.kind, hint.id) if hint.kind == ORDER and hint.id else (hint.kind, "")
    if what not in (ORDER, PRODUCT):
        what = UPDATED
    db.execute("insert or ignore into raw.commerce7_hints values (?, ?, ?)", [id_ or f"all {what}s", run.now(), what])


def orders(run: Run, db: Db) -> list[str]:
    """Return the ids of hinted orders at the shop, the oldest hint first, but those that wait (R49).

    A message does not count: whoever is told that an order failed mends it at once, and a hint says so.
    """
    rows = db.rows(
        """select id from raw.commerce7_hints where what = $what
             and not exists (select 1 from synced.order_writes as w
                             where w.order_id = id and w.system = $system and w.at > $since and w.call <> 'message')
           order by "at", id""",
        {"what": ORDER, "system": SHOP, "since": run.now() - RESTS},
    )
    return [row[0] for row in rows]


def there(run: Run, db: Db) -> list[Hinted]:
    """Return hinted orders at the shipper that are ours, the oldest hint first, but those that wait (R49)."""
    rows = db.rows(
        """select h.vs_number, h.event from raw.vinoshipper_order_hints as h
           where exists (select 1 from synced.orders as o where o.vs_number = h.vs_number)
             and (list_contains($at_once::varchar[], h.event)
                  or not exists (select 1 from synced.order_writes as w
                                 where w.vs_number = h.vs_number and w.system = $system and w.at > $since))
           order by h.at, h.vs_number""",
        {"at_once": list(AT_ONCE), "system": SHIPPER, "since": run.now() - RESTS},
    )
    return [Hinted(*row) for row in rows]


def drop_strangers(db: Db) -> None:
    """Forget hints of orders at the shipper that are none of ours, inside the caller's transaction (3)."""
    if db.value("select 1 from raw.vinoshipper_order_hints limit 1") is None:
        return  # a quiet sync writes nothing
    db.execute(
        """delete from raw.vinoshipper_order_hints
           where not exists (select 1 from synced.orders as o where o.vs_number = vinoshipper_order_hints.vs_number)"""
    )


def done_here(db: Db, order_ids: Collection[str]) -> None:
    """Take orders of the shop away that were read, inside the caller's transaction."""
    if order_ids:
        db.execute(
            "delete from raw.commerce7_hints where what = ? and list_contains(?::varchar[], id)",
            [ORDER, sorted(order_ids)],
        )


def done_there(db: Db, numbers: Collection[str]) -> None:
    """Take orders at the shipper away that were read, inside the caller's transaction."""
    if numbers:
        db.execute(
            "delete from raw.vinoshipper_order_hints where list_contains(?::varchar[], vs_number)", [sorted(numbers)]
        )


def is_catalogue_hinted(db: Db) -> bool:
    """Say whether a product of the shop changed since its catalogue was read."""
    return db.value("select 1 from raw.commerce7_hints where what = ? limit 1", [PRODUCT]) is not None


def done_with(db: Db, what: str) -> None:
    """Take away what is no single order, inside the caller's transaction."""
    if db.value("select 1 from raw.commerce7_hints where what = ? limit 1", [what]) is not None:
        db.execute("delete from raw.commerce7_hints where what = ?", [what])


def waits(db: Db) -> bool:
    """Say whether anything hinted at was not read yet."""
    return (
        db.value("select 1 from raw.commerce7_hints limit 1") is not None
        or db.value("select 1 from raw.vinoshipper_order_hints limit 1") is not None
    )


def _unread(run: Run, hints: Sequence[Hint]) -> list[int]:
    with run.open() as db:
        here = {row[0] for row in db.rows("select id from raw.commerce7_hints where what = ?", [ORDER])}
        away = {row[0] for row in db.rows("select vs_number from raw.vinoshipper_order_hints")}
    return [one.hint for one in hints if one.kind == ORDER and one.id in (away if one.system == SHIPPER else here)]


def rests(run: Run, db: Db, system: str, name: str) -> float:
    """Return for how many seconds a hint on an order is taken for our own echo (R49); 0: it is not."""
    at = db.value(
        """select max("at") from synced.order_writes
           where system = $system and (order_id = $name or vs_number = $name) and call <> 'message'""",
        {"system": system, "name": name},
    )
    return 0.0 if at is None else max(0.0, (at + RESTS - run.now()).total_seconds())


def _rests(run: Run, hints: Sequence[Hint]) -> dict[int, float]:
    with run.open() as db:
        return {one.hint: rests(run, db, one.system, one.id or "") for one in hints if one.event not in AT_ONCE}


QUEUE: Final = Queue(hand_over, _unread, _rests)
